//! A cluster and what was done to it: its nodes and links by name, which servers run, which are
//! primaries, and what was observed. The verbs are in the files beside: `faults`, `servers`,
//! `follow`, `load`. A verb that cannot be done now changes nothing and says what to type instead.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::answer::list;
use super::board::{Board, Standing};
use super::seen::Seen;
use super::state::State;
use super::watch::{self, Watch};
use crate::cluster::Cluster;
use crate::error::Result;
use crate::link::Link;
use crate::node::Node;
use crate::record::notebook::Notebook;
use crate::wait::{self, PATIENCE, until};
use crate::workload;

/// A cluster to try things on.
pub(super) struct Sandbox {
    pub(super) cluster: Arc<Cluster>,
    pub(super) news: mpsc::UnboundedSender<String>,
    pub(super) notebook: Notebook,
    watch: Watch,
    state: Mutex<State>,
}

impl Sandbox {
    /// Creates the sandbox of a cluster; `follows` has the upstream of each standby, and `notebook`
    /// records what is typed.
    pub(super) async fn over(
        cluster: Cluster,
        notebook: Notebook,
        follows: BTreeMap<String, String>,
        news: mpsc::UnboundedSender<String>,
    ) -> Self {
        let state = State { follows, next_order: workload::FIRST, ..State::default() };
        let watch = Watch::over(&cluster).await;
        Self { cluster: Arc::new(cluster), news, notebook, watch, state: Mutex::new(state) }
    }

    /// Locks the state; the lock must not be held across a wait, or the screen would stop.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the names of the nodes, the primary's first.
    pub(super) fn names(&self) -> Vec<&str> {
        self.cluster.nodes().iter().map(Node::name).collect()
    }

    /// Returns the board from what was observed last.
    pub(super) fn board(&self) -> Board {
        self.board_of(self.watch.seen())
    }

    /// Returns the board from what is observed now.
    pub(super) async fn fresh_board(&self) -> Board {
        let observation = async |node: &Node| {
            let frozen = self.state().frozen.contains_key(node.name());
            match frozen {
                true => Seen::silent(None),
                false => watch::observe(node).await,
            }
        };
        let observations = self.cluster.nodes().iter().map(observation);
        let before = self.watch.seen();
        let mut now = join_all(observations).await;
        for (now, before) in std::iter::zip(&mut now, before) {
            now.last = now.last.take().or(before.last);
        }
        self.board_of(now)
    }

    fn board_of(&self, seen: Vec<Seen>) -> Board {
        let state = self.state();
        let standing = |(name, seen): (&str, _)| Standing {
            name: name.to_owned(),
            follows: state.follows.get(name).cloned(),
            troubles: state.troubles(name),
            seen,
        };
        Board(std::iter::zip(self.names(), seen).map(standing).collect())
    }

    /// Returns how to connect: a `psql` line and a connection string for each node, and a
    /// connection string that finds the primary.
    pub(super) fn connections(&self) -> Result<String> {
        let mut lines = Vec::new();
        for ((about, psql), name) in std::iter::zip(self.cluster.psql_lines(), self.names()) {
            let string = self.cluster.connection_string(&[name])?;
            lines.extend([format!("# {about}"), psql, string, String::new()]);
        }
        let all = self.cluster.connection_string(&self.names())?;
        lines.push(
            "# the primary: a client tries one server after the other until one takes writes"
                .to_owned(),
        );
        lines.push(format!("{all} target_session_attrs=read-write connect_timeout=2"));
        Ok(lines.join("\n"))
    }

    /// Removes the cluster.
    pub(super) async fn ends(self) -> Result<()> {
        let Self { cluster, watch, state, .. } = self;
        drop((watch, state));
        // A load that was aborted drops its reference to the cluster a moment later.
        until("no task uses the cluster", PATIENCE, || async {
            let users = Arc::strong_count(&cluster);
            let used = wait::Seen::NotYet(format!("{users} tasks use it"));
            Ok(if users == 1 { wait::Seen::Done(()) } else { used })
        })
        .await?;
        match Arc::into_inner(cluster) {
            Some(cluster) => cluster.stop().await,
            None => Ok(()),
        }
    }

    pub(super) fn node(&self, name: &str) -> Result<&Node, String> {
        self.cluster.node(name).map_err(|error| error.in_one_line())
    }

    /// Returns the link and the upstream of a standby.
    pub(super) fn link(&self, name: &str) -> Result<(&Link, String), String> {
        let link = self.cluster.link(name).map_err(|error| error.in_one_line())?;
        let state = self.state();
        let upstream = state.follows.get(name).cloned();
        upstream.map(|upstream| (link, upstream)).ok_or_else(|| {
            let followers: Vec<_> = state.follows.keys().map(String::as_str).collect();
            format!(
                "{name} is not a standby and has no link to an upstream; standbys: {}",
                list(&followers)
            )
        })
    }

    /// Returns a node whose server runs and is not frozen.
    pub(super) async fn running(&self, name: &str) -> Result<&Node, String> {
        let node = self.node(name)?;
        if self.state().frozen.contains_key(name) {
            return Err(format!("{name} is frozen: thaw {name} first"));
        }
        match node.exit_status().await.map_err(|error| error.in_one_line())? {
            None => Ok(node),
            Some(_) => Err(format!("{name} does not run: start {name} first")),
        }
    }

    /// Returns a node whose server does not run.
    pub(super) async fn stopped(&self, name: &str, verb: &str) -> Result<&Node, String> {
        let node = self.node(name)?;
        match node.exit_status().await.map_err(|error| error.in_one_line())? {
            Some(_) => Ok(node),
            None if verb == "start" => Err(format!("{name} runs already; see status")),
            None => Err(format!("{name} runs, and {verb} needs it stopped: stop {name} first")),
        }
    }

    /// Returns every server that is a primary now, the newest timeline first. Frozen ones are left
    /// out.
    pub(super) async fn primaries(&self) -> Vec<&Node> {
        let thawed = {
            let state = self.state();
            let nodes = self.cluster.nodes().iter();
            nodes.filter(|node| !state.frozen.contains_key(node.name())).collect::<Vec<_>>()
        };
        let primaries = watch::primaries_among(thawed.into_iter()).await;
        primaries.into_iter().map(|(_, node)| node).collect()
    }
}
