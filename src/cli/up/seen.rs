//! What is known about a server: its last answer, and whether it still answers. Plain data and
//! questions about it; `watch` asks the servers.

use crate::stat::rows::{Position, Replication, Slot};
use crate::wal::Timeline;

/// The state of a server at one moment.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    pub(super) position: Position,
    pub(super) timeline: Timeline,
    pub(super) followers: Vec<Replication>,
    pub(super) slots: Vec<Slot>,
    pub(super) sync: Sync,
}

/// The synchronous rule of a server, and what waits for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sync {
    /// `synchronous_standby_names`; empty where no standby is waited for.
    pub(super) rule: String,
    /// The sessions whose commit waits for a standby (wait event `SyncRep`).
    pub(super) waiting: u64,
}

/// Tells whether a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    Answers,
    /// It has not answered for a while.
    Silent,
    /// It refuses connections, with this message, if there is one.
    Down(Option<String>),
}

/// What is known about a server.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) pulse: Pulse,
    /// The last observation that succeeded.
    pub(super) last: Option<Observation>,
}

impl Observation {
    /// Tells whether it is a primary.
    pub(super) fn is_primary(&self) -> bool {
        !self.position.in_recovery
    }
}

impl Seen {
    /// Returns a server that does not answer, with its last observation.
    pub(super) fn silent(last: Option<Observation>) -> Self {
        Self { pulse: Pulse::Silent, last }
    }

    /// Returns the last observation, if the server still answers.
    pub(super) fn now(&self) -> Option<&Observation> {
        self.last.as_ref().filter(|_| self.pulse == Pulse::Answers)
    }
}
