//! The verbs on servers: their end and their start, promotion, and the rule of synchronous replication.
//! A server is never stopped or fenced unless a person says so.

use std::time::Duration;

use super::answer::{Answer, Answered, list};
use super::sandbox::Sandbox;
use super::seen::Look;
use super::watch;
use crate::error::Result;
use crate::node::{Node, Shutdown};
use crate::stat;
use crate::wait::{Seen, until};

/// How long a reload may take to show in `pg_stat_replication`.
const RELOAD: Duration = Duration::from_secs(2);

impl Sandbox {
    pub(super) async fn crash(&self, node: &str) -> Answered {
        self.running(node).await?.crash().await.map_err(|error| error.in_one_line())?;
        Answer::new(
            format!(
                "{node}'s postmaster was killed (SIGKILL); what it had written is in its files"
            ),
            self.after_the_end(node).await,
        )
    }

    pub(super) async fn stop(&self, node: &str) -> Answered {
        let stopped = self.running(node).await?.stop(Shutdown::Fast).await;
        stopped.map_err(|error| error.in_one_line())?;
        Answer::new(
            format!(
                "{node} ended its sessions, sent what it had to send, and left its files clean"
            ),
            self.after_the_end(node).await,
        )
    }

    /// What can be done about a server that has just ended.
    async fn after_the_end(&self, node: &str) -> String {
        let (is_standby, follower) = {
            let state = self.state();
            let mut followers = state.follows.iter().filter(|(_, upstream)| *upstream == node);
            let follower = followers.next().map(|(follower, _)| follower.clone());
            (state.follows.contains_key(node), follower)
        };
        if is_standby {
            return format!("load 5: what it misses is kept by its slot; then start {node}");
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
        let look = watch::look_at(node).await.last;
        let Some(look) = look.filter(Look::is_primary) else {
            return Answer::new(
                format!("{name} takes connections, and its walreceiver connects by itself"),
                format!("status: does it stream? if not, log {name} says why"),
            );
        };
        let others = self.other_primaries(name).await;
        let did = format!("{name} recovered and takes writes on timeline {}", look.timeline);
        match others.is_empty() {
            true => Answer::new(did, "status: its standbys connect again by themselves"),
            false => Answer::new(
                format!("{did}; so does {}: a split brain", list(&others)),
                format!("stop {name}, then rewind {name}: what it takes until then will be lost"),
            ),
        }
    }

    pub(super) async fn promote(&self, name: &str) -> Answered {
        let node = self.running(name).await?;
        node.promote().await.map_err(|error| error.in_one_line())?;
        let (old, left) = self.promoted(name);
        let look = watch::look_at(node).await.last;
        let timeline = look.map_or("a new one".to_owned(), |look| look.timeline.to_string());
        let others = self.other_primaries(name).await;
        let mut did = format!("{name} left recovery and takes writes on timeline {timeline}");
        if !others.is_empty() {
            did = format!("{did}; {} still takes writes too: a split brain", list(&others));
        }
        let mut next: Vec<_> = others.iter().map(|old| fence(old, name)).collect();
        if let Some(old) = old.filter(|old| !others.contains(&old.as_str())) {
            next.push(match self.state().frozen.contains_key(&old) {
                true => format!("thaw {old}: it wakes up and takes writes too"),
                false => as_it_was(&old, name),
            });
        }
        let left = left.iter();
        next.extend(
            left.map(|one| format!("follow {one} {name}, or it stays with its old upstream")),
        );
        Answer::new(did, next.join("; "))
    }

    /// Notes that a node follows nobody any more; gives whom it followed, and who else still does.
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
        let primary = primaries
            .first()
            .ok_or("nobody takes writes: start a primary, or promote a standby")?;
        let there = set_rule(primary, rule).await.map_err(|error| error.in_one_line())?;
        let counts =
            |row: &&stat::Replication| ["sync", "quorum"].contains(&row.sync_state.as_str());
        let counting = there.iter().filter(counts).map(|row| row.application_name.as_str());
        let counting: Vec<_> = counting.collect();
        let did = format!("synchronous_standby_names = '{rule}' on {}", primary.name());
        match (rule.is_empty(), counting.first()) {
            (true, _) => Answer::new(
                format!("{did}: no commit waits, and those that waited are released"),
                "load 5, and compare the number of orders",
            ),
            (false, Some(first)) => Answer::new(
                format!(
                    "{did}: a commit waits until it is flushed as the rule says: {}",
                    list(&counting)
                ),
                format!(
                    "load 5; then cut {first} and load 5: do commits wait? sync off releases them"
                ),
            ),
            (false, None) => Answer::new(
                format!("{did}: nobody whom it names streams, so every commit waits"),
                "load 3: nothing is acked; sync off releases what waits",
            ),
        }
    }
}

fn fence(old: &str, new: &str) -> String {
    format!("stop {old}, then rewind {old} makes it a standby of {new}")
}

fn as_it_was(old: &str, new: &str) -> String {
    format!("rewind {old} makes it a standby of {new}; started as it is, both would take writes")
}

/// Sets the rule, and gives who streams once it counts for them.
async fn set_rule(primary: &Node, rule: &str) -> Result<Vec<stat::Replication>> {
    let session = primary.session().await?;
    let literal = rule.replace('\'', "''");
    session.run(&format!("ALTER SYSTEM SET synchronous_standby_names = '{literal}'")).await?;
    session.run("SELECT pg_reload_conf()").await?;
    let counts = |row: &stat::Replication| row.sync_state != "async";
    let in_effect = until("the rule counts", RELOAD, || async {
        let there = stat::replication(&session).await?;
        Ok(match there.iter().any(counts) {
            some if some != rule.is_empty() => Seen::Done(there),
            _ => Seen::NotYet(format!("{there:?}")),
        })
    });
    match in_effect.await {
        // A rule may name nobody who streams.
        Err(late) if late.is_deadline() => stat::replication(&session).await,
        seen => seen,
    }
}
