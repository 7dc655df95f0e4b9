//! The verbs that change whom a node follows: with the data it has, rewound, or made anew. The node's
//! link leads elsewhere then; its address, which is all that the node knows, stays.

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

/// How long a standby is given to show that it streams.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a standby logs when its history is not that of its upstream, or what it needs is gone.
const NEVER: [&str; 4] =
    ["forked off", "is not a child of", "is behind recovery timeline", "has already been removed"];

impl Sandbox {
    pub(super) async fn follow(&self, name: &str, upstream: &str) -> Answered {
        self.may_follow(name, upstream)?;
        self.running(upstream).await?;
        let node = self.node(name)?;
        if node.exit_status().await.map_err(|error| error.in_one_line())?.is_some() {
            self.lead(name, upstream).await?;
            self.cluster.configure_standby(name).await.map_err(|error| error.in_one_line())?;
            let did = "it has a standby.signal and a primary_conninfo";
            return self.started_behind(node, upstream, did).await;
        }
        let node = self.running(name).await?;
        let look = watch::look_at(node).await.last;
        if look.is_none_or(|look| look.is_primary()) {
            let why = format!("{name} runs as a primary");
            return Err(format!("{why}: stop {name} first, and then rewind or follow"));
        }
        if self.state().follows.get(name).is_some_and(|known| known == upstream) {
            return Err(format!("{name} follows {upstream} already; see status"));
        }
        let logged = length_of_log(node).await;
        self.lead(name, upstream).await?;
        self.cluster.link(name).map_err(|error| error.in_one_line())?.reset();
        let did = "its link leads there now and was reset, and its slot was made there";
        self.streams(node, upstream, did, logged).await
    }

    /// Would it be a circle, or a way where nothing passes?
    fn may_follow(&self, name: &str, upstream: &str) -> Result<(), String> {
        let state = self.state();
        let mut above = Some(upstream);
        while let Some(one) = above {
            if one == name {
                let all = state.follows.iter().map(|(node, above)| format!("{above} ← {node}"));
                let all: Vec<_> = all.collect();
                return Err(format!("{name} would follow itself; now: {}", all.join(", ")));
            }
            above = state.follows.get(one).map(String::as_str);
        }
        match state.is_cut(name) {
            true => Err(format!("the link of {name} is cut: heal {name} first")),
            false => Ok(()),
        }
    }

    /// Lets the link of a node lead to another upstream, which keeps a slot for it from now on.
    async fn lead(&self, name: &str, upstream: &str) -> Result<(), String> {
        self.cluster.repoint(name, upstream).await.map_err(|error| error.in_one_line())?;
        self.state().follows.insert(name.to_owned(), upstream.to_owned());
        Ok(())
    }

    pub(super) async fn rewind(&self, name: &str, upstream: Option<String>) -> Answered {
        let (node, upstream) = self.to_be_remade(name, upstream, "rewind").await?;
        self.lead(name, upstream.name()).await?;
        let rewound = async {
            // Without it the control file there may still be on the old timeline, and nothing is done.
            upstream.session().await?.run("CHECKPOINT").await?;
            let said = self.cluster.rewind(name).await?;
            self.cluster.configure_standby(name).await?;
            Ok::<_, Error>(said)
        };
        let said = rewound.await.map_err(|error| {
            self.state().follows.remove(name);
            format!("{}; rebuild {name} always works", error.in_one_line())
        })?;
        let telling = ["servers diverged at", "no rewind required"];
        let telling = said.lines().find(|line| telling.iter().any(|part| line.contains(part)));
        let did = format!("{}; what only {name} had is gone", telling.unwrap_or("pg_rewind: done"));
        self.started_behind(node, upstream.name(), &did).await
    }

    pub(super) async fn rebuild(&self, name: &str, upstream: Option<String>) -> Answered {
        let (node, upstream) = self.to_be_remade(name, upstream, "rebuild").await?;
        self.lead(name, upstream.name()).await?;
        self.cluster.rebuild(name).await.map_err(|error| {
            self.state().follows.remove(name);
            format!("{}; its slot on {} stays", error.in_one_line(), upstream.name())
        })?;
        self.started_behind(node, upstream.name(), "its data directory is a new base backup").await
    }

    /// A stopped node, and whom it is to follow: the only one who takes writes, if nobody is named.
    async fn to_be_remade(
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
                return Err("nobody takes writes: start a primary, or promote a standby".to_owned());
            }
            (None, [one, ..]) => {
                let example = format!("{verb} {name} {}", one.name());
                return Err(format!(
                    "more than one server takes writes; say whom to follow: {example}"
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
                format!("{did}; and then: {}", error.in_one_line()),
                format!("rewind {0}, or rebuild {0}", node.name()),
            ),
        }
    }

    /// Waits until a node streams from its upstream, or says that it never will.
    async fn streams(&self, node: &Node, upstream: &str, did: &str, logged: usize) -> Answered {
        let name = node.name();
        match self.outcome(node, upstream, logged).await {
            Ok(Ok(timeline)) => Answer::new(
                format!("{did}; {name} streams from {upstream} on timeline {timeline}"),
                format!("status: the lag, and whom {name} follows now; load 5"),
            ),
            Ok(Err(never)) => Answer::new(
                format!("{did}; {name} does not stream from {upstream}: {never}"),
                format!("stop {name}, then rewind {name}; or rebuild {name}, where WAL is missing"),
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

    /// The timeline that a node streams on, or what it logs behind these bytes when it cannot.
    async fn outcome(
        &self,
        node: &Node,
        upstream: &str,
        logged: usize,
    ) -> Result<Result<Timeline, String>> {
        let above = self.cluster.node(upstream)?.session_unrecorded().await?;
        let own = node.session_unrecorded().await?;
        until("it streams", PATIENCE, || async {
            let row = stat::replication_to(&above, node.name()).await?;
            let timelines = (stat::timeline(&above).await?, stat::timeline(&own).await?);
            // A walsender is in this state for a moment too when its standby is on another history.
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

/// What a server has logged before something is done to it.
async fn length_of_log(node: &Node) -> usize {
    node.log().await.map(|log| log.len()).unwrap_or_default()
}
