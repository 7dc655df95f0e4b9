//! What a server shows of its replication at one moment, as a value. Nothing is judged here, and
//! nobody asked.

use std::time::Duration;

use crate::stat::rows::{Replication, Slot};
use crate::wal::{Lsn, Timeline};

/// What a server showed at one moment: see [`observe`](super::observe()).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Is it a standby?
    pub in_recovery: bool,
    /// The timeline that it writes, or as a standby receives or has received last.
    pub timeline: Option<Timeline>,
    /// Was the transaction that looked read-only?
    pub read_only: bool,
    /// May the role that looked see everybody's statistics (`pg_monitor`)?
    pub sees_all: bool,
    /// Every row of `pg_stat_replication`.
    pub standbys: Vec<Replication>,
    /// Every row of `pg_replication_slots`.
    pub slots: Vec<Slot>,
    /// `synchronous_standby_names`, on a primary.
    pub synchronous: String,
    /// The archiver, where this server archives.
    pub archiver: Option<Archiver>,
    /// Where a standby stands.
    pub replay: Option<Replay>,
    /// The row of `pg_stat_wal_receiver`, if there is one.
    pub receiver: Option<Receiver>,
    /// Who holds on to the oldest transaction, and how many transactions ago that was.
    pub oldest_xmin: Option<(String, u64)>,
}

/// What `pg_stat_archiver` and the directory of the archive status show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Archiver {
    /// Did the last try fail?
    pub failing: bool,
    /// The WAL files that wait; nothing where the role may not look.
    pub waiting: Option<u64>,
}

/// Where a standby stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// `pg_last_wal_receive_lsn()`; null until it streamed.
    pub received: Option<Lsn>,
    /// `pg_last_wal_replay_lsn()`.
    pub replayed: Option<Lsn>,
    /// `pg_is_wal_replay_paused()`.
    pub paused: bool,
    /// Has it an upstream to stream from? Without one it lives on an archive.
    pub has_upstream: bool,
}

/// A row of `pg_stat_wal_receiver`, as far as it is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receiver {
    /// `starting`, `streaming`, `waiting`, …
    pub status: String,
    /// The end of the upstream's WAL, as it last said.
    pub latest_end: Option<Lsn>,
    /// Since the upstream's last message, by the standby's clock.
    pub silence: Option<Duration>,
    /// `wal_receiver_timeout`: it asks after half of it, and gives up after all of it.
    pub timeout: Duration,
}
