//! The verbs on servers: stop, crash and start, promotion, and `synchronous_standby_names`. A
//! server is stopped or fenced only when a person types it.

use std::time::Duration;

use super::answer::{Answer, Answered, list};
use super::sandbox::Sandbox;
use super::seen::Observation;
use super::watch;
use crate::error::Result;
use crate::node::{Node, Shutdown};
use crate::stat;
use crate::wait::{Seen, until};

/// The longest that a reload may take to show in `pg_stat_replication`.
const RELOAD: Duration = Duration::from_secs(2);

impl Sandbox {
    pub(super) async fn crash(&self, node: &str) -> Answered {
        self.running(node).await?.crash().await.map_err(|error| error.in_one_line())?;
        Answer::new(
            format!(
                "the postmaster of {node} was killed (SIGKILL); the WAL that it had written is on disk"
            ),
            self.after_the_end(node).await,
        )
    }

    pub(super) async fn stop(&self, node: &str) -> Answered {
        let stopped = self.running(node).await?.stop(Shutdown::Fast).await;
        stopped.map_err(|error| error.in_one_line())?;
        Answer::new(
            format!("{node} ended its sessions, sent its standbys all WAL, and wrote a checkpoint"),
            self.after_the_end(node).await,
        )
    }

    /// Returns what to do about a server that has just ended.
    async fn after_the_end(&self, node: &str) -> String {
        let (is_standby, follower) = {
            let state = self.state();
            let mut followers = state.follows.iter().filter(|(_, upstream)| *upstream == node);
            let follower = followers.next().map(|(follower, _)| follower.clone());
            (state.follows.contains_key(node), follower)
        };
        if is_standby {
            return format!("load 5: its slot retains the WAL that it needs; then start {node}");
        }
        match (self.primaries().await.first(), follower) {
            (Some(new), _) => as_it_was(node, new.name()),
            (None, Some(follower)) => format!("promote {follower}, or start {node}"),
            (None, None) => format!("start {node}"),
        }
    }

    pub(super) async fn start(&self, name: &str) -> Answered {
        let node = self.stopped(name, "start").await?;
        node.start().await.map_err(|error| error.in_one_line())?;
        let observation = watch::observe(node).await.last;
        let Some(observation) = observation.filter(Observation::is_primary) else {
            return Answer::new(
                format!("{name} takes connections, and its walreceiver connects by itself"),
                format!("status: does it stream? If not, log {name} shows why"),
            );
        };
        let others = self.other_primaries(name).await;
        let did = format!("{name} recovered and is a primary on timeline {}", observation.timeline);
        match others.is_empty() {
            true => Answer::new(did, "status: its standbys reconnect by themselves"),
            false => Answer::new(
                format!("{did}; so is {}: a split brain", list(&others)),
                format!(
                    "stop {name}, then rewind {name}: what is written to it until then is lost"
                ),
            ),
        }
    }

    pub(super) async fn promote(&self, name: &str) -> Answered {
        let node = self.running(name).await?;
        node.promote().await.map_err(|error| error.in_one_line())?;
        let (old, left) = self.promoted(name);
        let observation = watch::observe(node).await.last;
        let timeline = observation
            .map_or("a new one".to_owned(), |observation| observation.timeline.to_string());
        let others = self.other_primaries(name).await;
        let mut did = format!("{name} left recovery and is a primary on timeline {timeline}");
        if !others.is_empty() {
            did = format!("{did}; {} is still a primary, too: a split brain", list(&others));
        }
        let mut next: Vec<_> = others.iter().map(|old| fence(old, name)).collect();
        if let Some(old) = old.filter(|old| !others.contains(&old.as_str())) {
            next.push(match self.state().frozen.contains_key(&old) {
                true => format!("thaw {old}: it goes on as a primary, too"),
                false => as_it_was(&old, name),
            });
        }
        let left = left.iter();
        next.extend(
            left.map(|one| format!("follow {one} {name}, or {one} keeps its old upstream")),
        );
        Answer::new(did, next.join("; "))
    }

    /// Records that a node is no standby any more; returns its old upstream, and the standbys that
    /// still follow that one.
    fn promoted(&self, name: &str) -> (Option<String>, Vec<String>) {
        let mut state = self.state();
        state.faults.remove(name);
        let old = state.follows.remove(name);
        let still = state.follows.iter().filter(|(_, upstream)| Some(*upstream) == old.as_ref());
        let left = still.map(|(follower, _)| follower.clone()).collect();
        (old, left)
    }

    async fn other_primaries(&self, name: &str) -> Vec<&str> {
        let primaries = self.primaries().await;
        primaries.iter().map(|one| one.name()).filter(|one| *one != name).collect()
    }

    pub(super) async fn sync(&self, rule: &str) -> Answered {
        let primaries = self.primaries().await;
        let primary =
            primaries.first().ok_or("no server is a primary: start one, or promote a standby")?;
        let there = set_rule(primary, rule).await.map_err(|error| error.in_one_line())?;
        let counts =
            |row: &&stat::Replication| ["sync", "quorum"].contains(&row.sync_state.as_str());
        let counting = there.iter().filter(counts).map(|row| row.application_name.as_str());
        let counting: Vec<_> = counting.collect();
        let did = format!("synchronous_standby_names = '{rule}' on {}", primary.name());
        match (rule.is_empty(), counting.first()) {
            (true, _) => Answer::new(
                format!(
                    "{did}: commits do not wait for a standby any more, and those that waited are released"
                ),
                "load 5, and compare the number of orders",
            ),
            (false, Some(first)) => Answer::new(
                format!(
                    "{did}: a commit waits until the standbys of the rule have flushed it; synchronous now: {}",
                    list(&counting)
                ),
                format!(
                    "load 5; then cut {first} and load 5: do commits wait? Then sync off releases them"
                ),
            ),
            (false, None) => Answer::new(
                format!("{did}: no standby of the rule streams, so every commit waits"),
                "load 3: no order is acked; then sync off releases the commits that wait",
            ),
        }
    }
}

fn fence(old: &str, new: &str) -> String {
    format!("stop {old}, then rewind {old} makes it a standby of {new}")
}

fn as_it_was(old: &str, new: &str) -> String {
    format!("rewind {old} makes it a standby of {new}; start {old} would make a second primary")
}

/// Sets the rule, and returns the standbys once it is in effect.
async fn set_rule(primary: &Node, rule: &str) -> Result<Vec<stat::Replication>> {
    primary.set("synchronous_standby_names", rule).await?;
    let session = primary.session_unrecorded().await?;
    let counts = |row: &stat::Replication| row.sync_state != "async";
    let in_effect = until("the rule counts", RELOAD, || async {
        let there = stat::replication(&session).await?;
        Ok(match there.iter().any(counts) {
            some if some != rule.is_empty() => Seen::Done(there),
            _ => Seen::NotYet(format!("{there:?}")),
        })
    });
    match in_effect.await {
        // The rule may name no standby that streams.
        Err(late) if late.is_deadline() => stat::replication(&session).await,
        seen => seen,
    }
}
