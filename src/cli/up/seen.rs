//! What is known of a server: what it said last, and whether it still answers. Plain data and the
//! questions on it; `watch` asks the servers.

use crate::stat::rows::{Position, Replication, Slot};
use crate::wal::Timeline;

/// What a server said at one moment.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) position: Position,
    pub(super) timeline: Timeline,
    pub(super) followers: Vec<Replication>,
    pub(super) slots: Vec<Slot>,
}

/// Whether a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    Answers,
    /// It has said nothing for a while.
    Silent,
    /// It refuses connections, and this is what it says, if it says anything.
    Down(Option<String>),
}

/// What is known of a server.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) pulse: Pulse,
    /// The last look that came back.
    pub(super) last: Option<Look>,
}

impl Look {
    /// Does it take writes?
    pub(super) fn is_primary(&self) -> bool {
        !self.position.in_recovery
    }
}

impl Seen {
    /// A server that says nothing, and what it said before.
    pub(super) fn silent(last: Option<Look>) -> Self {
        Self { pulse: Pulse::Silent, last }
    }

    /// What it says, if it answers.
    pub(super) fn now(&self) -> Option<&Look> {
        self.last.as_ref().filter(|_| self.pulse == Pulse::Answers)
    }
}
