//! A cluster and what was done to it: its nodes and links by name, whether a server runs, who takes writes,
//! and what is seen of all. The verbs are done in the files beside: `faults`, `servers`, `follow`, `load`.
//! A verb that makes no sense now does nothing and says what would.

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

/// A cluster to play with.
pub(super) struct Sandbox {
    pub(super) cluster: Arc<Cluster>,
    pub(super) news: mpsc::UnboundedSender<String>,
    pub(super) notebook: Notebook,
    watch: Watch,
    state: Mutex<State>,
}

impl Sandbox {
    /// Over a cluster in which these nodes follow those, and which notes in `notebook`.
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

    /// Never held while something is waited for.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of the nodes, the primary's first.
    pub(super) fn names(&self) -> Vec<&str> {
        self.cluster.nodes().iter().map(Node::name).collect()
    }

    /// Everything as it was seen last.
    pub(super) fn board(&self) -> Board {
        self.board_of(self.watch.seen())
    }

    /// Everything as it is now.
    pub(super) async fn fresh_board(&self) -> Board {
        let look = async |node: &Node| {
            let frozen = self.state().frozen.contains_key(node.name());
            match frozen {
                true => Seen::silent(None),
                false => watch::look_at(node).await,
            }
        };
        let looks = self.cluster.nodes().iter().map(look);
        let before = self.watch.seen();
        let mut now = join_all(looks).await;
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

    /// How to connect: a line for each node to paste into a shell, a connection string for each, and
    /// one that finds whoever takes writes.
    pub(super) fn connections(&self) -> Result<String> {
        let mut lines = Vec::new();
        for ((about, psql), name) in std::iter::zip(self.cluster.psql_lines(), self.names()) {
            let string = self.cluster.connection_string(&[name])?;
            lines.extend([format!("# {about}"), psql, string, String::new()]);
        }
        let all = self.cluster.connection_string(&self.names())?;
        lines.push("# whoever takes writes: a client asks one after the other".to_owned());
        lines.push(format!("{all} target_session_attrs=read-write connect_timeout=2"));
        Ok(lines.join("\n"))
    }

    /// Takes everything away.
    pub(super) async fn ends(self) -> Result<()> {
        let Self { cluster, watch, state, .. } = self;
        drop((watch, state));
        // A load that was ended lets go of the cluster a moment later.
        until("nobody uses the cluster", PATIENCE, || async {
            let users = Arc::strong_count(&cluster);
            let used = wait::Seen::NotYet(format!("{users} do"));
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

    /// The link of a node that follows somebody.
    pub(super) fn link(&self, name: &str) -> Result<(&Link, String), String> {
        let link = self.cluster.link(name).map_err(|error| error.in_one_line())?;
        let state = self.state();
        let upstream = state.follows.get(name).cloned();
        upstream.map(|upstream| (link, upstream)).ok_or_else(|| {
            let followers: Vec<_> = state.follows.keys().map(String::as_str).collect();
            format!("{name} follows nobody and has no link; those that have: {}", list(&followers))
        })
    }

    /// A node whose server runs, and not only holds its sockets.
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

    /// A node whose server does not run.
    pub(super) async fn stopped(&self, name: &str, verb: &str) -> Result<&Node, String> {
        let node = self.node(name)?;
        match node.exit_status().await.map_err(|error| error.in_one_line())? {
            Some(_) => Ok(node),
            None if verb == "start" => Err(format!("{name} runs already; see status")),
            None => Err(format!("{name} runs, and {verb} needs it stopped: stop {name} first")),
        }
    }

    /// Every server that takes writes now, the newest timeline first. What is frozen does not.
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
