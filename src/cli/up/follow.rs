//! The verbs that change the upstream of a node: with the data it has, rewound, or with a base backup.
//! They repoint the node's link; its address, which the node connects to, stays the same.

use std::time::Duration;

use super::answer::{Answer, Answered};
use super::sandbox::Sandbox;
use super::watch;
use crate::error::brief::said_in;
use crate::error::{Error, Result};
use crate::node::Node;
use crate::stat;
use crate::wait::{Seen, until};
use crate::wal::Timeline;

/// The longest that a standby may take to stream.
const PATIENCE: Duration = Duration::from_secs(30);

/// Parts of the log lines of a standby that cannot stream: its history is not that of its upstream, or
/// the WAL that it needs is removed. PostgreSQL has no view that shows this, so the log is searched.
const NEVER: [&str; 4] =
    ["forked off", "is not a child of", "is behind recovery timeline", "has already been removed"];

impl Sandbox {
    pub(super) async fn follow(&self, name: &str, upstream: &str) -> Answered {
        self.may_follow(name, upstream)?;
        self.running(upstream).await?;
        let node = self.node(name)?;
        if node.exit_status().await.map_err(|error| error.in_one_line())?.is_some() {
            self.repoint(name, upstream).await?;
            self.cluster.configure_standby(name).await.map_err(|error| error.in_one_line())?;
            let did = format!("{name} was configured with standby.signal and primary_conninfo");
            return self.started_behind(node, upstream, &did).await;
        }
        let node = self.running(name).await?;
        let observation = watch::observe(node).await.last;
        if observation.is_none_or(|observation| observation.is_primary()) {
            let why = format!("{name} runs as a primary");
            return Err(format!("{why}: stop {name} first, and then rewind or follow"));
        }
        if self.state().follows.get(name).is_some_and(|known| known == upstream) {
            return Err(format!("{name} follows {upstream} already; see status"));
        }
        let logged = length_of_log(node).await;
        self.repoint(name, upstream).await?;
        self.cluster.link(name).map_err(|error| error.in_one_line())?.reset();
        let did = format!("its slot exists on {upstream}, and its link was repointed and reset");
        self.streams(node, upstream, &did, logged).await
    }

    /// Refuses an upstream that follows the node itself, and a link that is cut.
    fn may_follow(&self, name: &str, upstream: &str) -> Result<(), String> {
        let state = self.state();
        let mut above = Some(upstream);
        while let Some(one) = above {
            if one == name {
                let all = state.follows.iter().map(|(node, above)| format!("{above} ← {node}"));
                let all: Vec<_> = all.collect();
                return Err(format!(
                    "{name} would follow itself; the upstreams are now: {}",
                    all.join(", ")
                ));
            }
            above = state.follows.get(one).map(String::as_str);
        }
        match state.is_cut(name) {
            true => Err(format!("the link of {name} is cut: heal {name} first")),
            false => Ok(()),
        }
    }

    /// Repoints the link of a node to another upstream, and creates its slot there.
    async fn repoint(&self, name: &str, upstream: &str) -> Result<(), String> {
        self.cluster.repoint(name, upstream).await.map_err(|error| error.in_one_line())?;
        self.state().follows.insert(name.to_owned(), upstream.to_owned());
        Ok(())
    }

    pub(super) async fn rewind(&self, name: &str, upstream: Option<String>) -> Answered {
        let (node, upstream) = self.to_be_replaced(name, upstream, "rewind").await?;
        self.repoint(name, upstream.name()).await?;
        let rewound = async {
            // Until this checkpoint the control file there may still show the old timeline, and pg_rewind
            // would report that no rewind is required.
            upstream.session().await?.run("CHECKPOINT").await?;
            let said = self.cluster.rewind(name).await?;
            self.cluster.configure_standby(name).await?;
            Ok::<_, Error>(said)
        };
        let said = rewound.await.map_err(|error| {
            self.state().follows.remove(name);
            format!("{}; rebuild {name} copies everything instead", error.in_one_line())
        })?;
        // pg_rewind has no output for programs; these two lines say whether anything was discarded.
        let telling = ["servers diverged at", "no rewind required"];
        let telling = said.lines().find(|line| telling.iter().any(|part| line.contains(part)));
        let did = format!(
            "{}; changes that only {name} had are discarded",
            telling.unwrap_or("pg_rewind: done")
        );
        self.started_behind(node, upstream.name(), &did).await
    }

    pub(super) async fn rebuild(&self, name: &str, upstream: Option<String>) -> Answered {
        let (node, upstream) = self.to_be_replaced(name, upstream, "rebuild").await?;
        self.repoint(name, upstream.name()).await?;
        self.cluster.rebuild(name).await.map_err(|error| {
            self.state().follows.remove(name);
            format!("{}; its slot on {} remains", error.in_one_line(), upstream.name())
        })?;
        self.started_behind(node, upstream.name(), "its data directory is a new base backup").await
    }

    /// Returns a stopped node and its future upstream: the only primary, if none is named.
    async fn to_be_replaced(
        &self,
        name: &str,
        upstream: Option<String>,
        verb: &str,
    ) -> Result<(&Node, &Node), String> {
        let node = self.stopped(name, verb).await?;
        let upstream = match (upstream, self.primaries().await.as_slice()) {
            (Some(upstream), _) => self.running(&upstream).await?,
            (None, [one]) => *one,
            (None, []) => {
                return Err("no server is a primary: start one, or promote a standby".to_owned());
            }
            (None, [one, ..]) => {
                let example = format!("{verb} {name} {}", one.name());
                return Err(format!(
                    "more than one server is a primary; name the upstream: {example}"
                ));
            }
        };
        self.may_follow(name, upstream.name())?;
        Ok((node, upstream))
    }

    async fn started_behind(&self, node: &Node, upstream: &str, did: &str) -> Answered {
        let logged = length_of_log(node).await;
        match node.start().await {
            Ok(()) => self.streams(node, upstream, did, logged).await,
            Err(error) => Answer::new(
                format!("{did}; then the start failed: {}", error.in_one_line()),
                format!("rewind {0}, or rebuild {0}", node.name()),
            ),
        }
    }

    /// Waits until a node streams from its upstream, or logs that it cannot.
    async fn streams(&self, node: &Node, upstream: &str, did: &str, logged: usize) -> Answered {
        let name = node.name();
        match self.outcome(node, upstream, logged).await {
            Ok(Ok(timeline)) => Answer::new(
                format!("{did}; {name} streams from {upstream} on timeline {timeline}"),
                format!("status: the lag of {name} and its upstream; load 5"),
            ),
            Ok(Err(never)) => Answer::new(
                format!("{did}; {name} does not stream from {upstream}: {never}"),
                format!("stop {name}, then rewind {name}; or rebuild {name}, if WAL is missing"),
            ),
            Err(late) => Answer::new(
                format!(
                    "{did}; {name} does not stream from {upstream} yet: {}",
                    late.in_one_line()
                ),
                format!("log {name}; status"),
            ),
        }
    }

    /// Returns the timeline that a node streams on, or the line that it logs when it cannot; the first
    /// `logged` bytes of its log are skipped.
    async fn outcome(
        &self,
        node: &Node,
        upstream: &str,
        logged: usize,
    ) -> Result<Result<Timeline, String>> {
        let above = self.cluster.node(upstream)?.session_unrecorded().await?;
        let own = node.session_unrecorded().await?;
        until(&format!("{} streams", node.name()), PATIENCE, || async {
            let row = stat::replication_to(&above, node.name()).await?;
            let timelines = (stat::timeline(&above).await?, stat::timeline(&own).await?);
            // The walsender of a standby with another history shows "streaming" for a moment, too, so the
            // timelines are compared as well.
            let streams = row.as_ref().is_some_and(|row| row.state == "streaming");
            if streams && timelines.0 == timelines.1 {
                return Ok(Seen::Done(Ok(timelines.0)));
            }
            let log = node.log().await?;
            let new = log.get(logged..).unwrap_or_default();
            let never = new.lines().rev().find(|line| NEVER.iter().any(|word| line.contains(word)));
            Ok(match never {
                Some(line) => Seen::Done(Err(said_in(line).to_owned())),
                None => Seen::NotYet(format!("{row:?} on {timelines:?}")),
            })
        })
        .await
    }
}

/// Returns the length of a server's log, before something is done to the server.
async fn length_of_log(node: &Node) -> usize {
    node.log().await.map(|log| log.len()).unwrap_or_default()
}
