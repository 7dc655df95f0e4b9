//! The verbs on links, and the freezing of servers. Every fault is a guard in the sandbox's state:
//! dropping it heals the link.

use std::time::Duration;

use super::answer::{Answer, Answered, list};
use super::sandbox::Sandbox;
use super::state::On;
use super::words::Way;
use crate::link::{Direction, Fault};

impl Sandbox {
    pub(super) fn cut(&self, node: &str, way: Option<Way>) -> Answered {
        let (link, upstream) = self.link(node)?;
        if self.state().is_cut(node) {
            return Err(format!("the link of {node} is cut already: heal {node} first"));
        }
        let (what, fault, did) = match way {
            None => (
                "cut",
                link.cut(),
                format!(
                    "no byte passes between {upstream} and {node}, and no reset is sent: both notice it only \
                     after wal_sender_timeout and wal_receiver_timeout (60 s)"
                ),
            ),
            Some(Way::ToStandby) => (
                "cut to-standby",
                link.cut_one_way(Direction::ToStandby),
                format!("no WAL reaches {node}; its reports still reach {upstream}"),
            ),
            Some(Way::ToUpstream) => (
                "cut to-upstream",
                link.cut_one_way(Direction::ToUpstream),
                format!("WAL still reaches {node}; its reports do not reach {upstream}"),
            ),
        };
        self.put_on(node, "cut", what.to_owned(), fault);
        Answer::new(
            did,
            format!(
                "load 5: the lag of {node} grows, and so does the retained WAL of its slot; then heal {node}"
            ),
        )
    }

    pub(super) fn delay(&self, node: &str, time: Duration) -> Answered {
        let (link, upstream) = self.link(node)?;
        self.put_on(node, "delay", format!("delay {time:?}"), link.delay(time));
        Answer::new(
            format!("a round trip between {upstream} and {node} takes {:?} longer", time * 2),
            format!(
                "load 5; then sync '{node}' and load 5 again: now each commit waits for the round trip"
            ),
        )
    }

    pub(super) fn throttle(&self, node: &str, bytes: u32) -> Answered {
        let (link, upstream) = self.link(node)?;
        self.put_on(node, "throttle", format!("throttle {bytes} B/s"), link.throttle(bytes));
        Answer::new(
            format!(
                "at most {bytes} bytes per second pass between {upstream} and {node}, in each direction"
            ),
            "load 10: the load writes more WAL than that per second, and the lag grows",
        )
    }

    pub(super) fn reset(&self, node: &str) -> Answered {
        let (link, upstream) = self.link(node)?;
        link.reset();
        Answer::new(
            format!(
                "the connections between {upstream} and {node} were reset: the walreceiver ends, and the \
                 startup process starts a new one"
            ),
            format!(
                "log {node}: it could not receive data from the WAL stream, and started streaming again"
            ),
        )
    }

    pub(super) fn heal(&self, node: Option<&str>) -> Answered {
        let faults = &mut self.state().faults;
        let healed: Vec<_> = match node {
            Some(node) => faults.remove(node).into_iter().flatten().collect(),
            None => std::mem::take(faults).into_values().flatten().collect(),
        };
        if healed.is_empty() {
            let broken: Vec<_> = faults.keys().map(String::as_str).collect();
            let whose = node.map_or("of any node".to_owned(), |node| format!("of {node}"));
            return Err(format!(
                "there is no fault on the link {whose}; links with faults: {}",
                list(&broken)
            ));
        }
        let what: Vec<_> = healed.iter().map(|on| on.what.as_str()).collect();
        Answer::new(
            format!("healed: {}; the bytes that were held pass now", what.join(", ")),
            "status: a standby catches up by itself while its upstream has retained the WAL it needs",
        )
    }

    /// Replaces an earlier fault of the same verb; the new one is in effect before the old one
    /// ends.
    fn put_on(&self, node: &str, verb: &'static str, what: String, fault: Fault) {
        let faults = &mut self.state().faults;
        let faults = faults.entry(node.to_owned()).or_default();
        let old = faults.iter().position(|on| on.verb == verb);
        faults.push(On { verb, what, _fault: fault });
        drop(old.map(|old| faults.remove(old)));
    }

    pub(super) async fn freeze(&self, node: &str) -> Answered {
        let frozen = self.running(node).await?.freeze().await;
        let frozen = frozen.map_err(|error| error.in_one_line())?;
        self.state().frozen.insert(node.to_owned(), frozen);
        let next = match self.state().follows.contains_key(node) {
            true => format!(
                "load 5: its upstream notices it after wal_sender_timeout (60 s); thaw {node}"
            ),
            false => {
                format!("load 10, promote 1, thaw {node}: it goes on as a primary")
            }
        };
        Answer::new(
            format!(
                "every process of {node} is stopped (SIGSTOP); the kernel still accepts connections for it, \
                 and they hang"
            ),
            next,
        )
    }

    pub(super) async fn thaw(&self, node: &str) -> Answered {
        let frozen = {
            let frozen = &mut self.state().frozen;
            let others = frozen.keys().cloned().collect::<Vec<_>>().join(", ");
            frozen.remove(node).ok_or_else(|| match others.as_str() {
                "" => format!("{node} is not frozen, and no other server is"),
                others => format!("{node} is not frozen; frozen: {others}"),
            })?
        };
        frozen.thaw().await.map_err(|error| error.in_one_line())?;
        let did = format!("{node} runs again (SIGCONT)");
        let primaries = self.primaries().await;
        let names: Vec<_> = primaries.iter().map(|one| one.name()).collect();
        match (names.contains(&node), names.iter().find(|name| **name != node)) {
            (true, Some(new)) => Answer::new(
                format!("{did} and takes writes, as {new} does: a split brain"),
                format!("stop {node}, then rewind {node} makes it a standby of {new}"),
            ),
            _ => Answer::new(did, "status: does every standby stream, and how large is its lag?"),
        }
    }
}
