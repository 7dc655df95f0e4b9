//! The state of a server's replication at one moment. Plain data: no judgement, no I/O.

use std::time::Duration;

use crate::stat::rows::{Replication, Slot};
use crate::wal::{Lsn, Timeline};

/// The state of a server's replication at one moment: see [`observe`](super::observe()).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Whether the server is in recovery: a standby.
    pub in_recovery: bool,
    /// The timeline that a primary writes; on a standby, the one that it receives or received last.
    pub timeline: Option<Timeline>,
    /// Whether the transaction that queried the views was read-only.
    pub read_only: bool,
    /// Whether the role that queried sees the statistics of all roles (`pg_read_all_stats`, a part of
    /// `pg_monitor`).
    pub sees_all: bool,
    /// Every row of `pg_stat_replication`.
    pub standbys: Vec<Replication>,
    /// Every row of `pg_replication_slots`.
    pub slots: Vec<Slot>,
    /// `synchronous_standby_names`, on a primary.
    pub synchronous: String,
    /// The archiver; `None` where this server does not archive.
    pub archiver: Option<Archiver>,
    /// Receipt and replay; `None` on a primary.
    pub replay: Option<Replay>,
    /// The row of `pg_stat_wal_receiver`, if there is one.
    pub receiver: Option<Receiver>,
    /// The session, slot or prepared transaction with the oldest xmin, and its age in transactions.
    pub oldest_xmin: Option<(String, u64)>,
}

/// The state of the archiver, from `pg_stat_archiver` and `pg_wal/archive_status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Archiver {
    /// Whether the last attempt failed.
    pub failing: bool,
    /// Number of WAL files that wait; `None` where the role must not read the directory.
    pub waiting: Option<u64>,
}

/// Receipt and replay on a standby.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// `pg_last_wal_receive_lsn()`; null until the standby has streamed.
    pub received: Option<Lsn>,
    /// `pg_last_wal_replay_lsn()`.
    pub replayed: Option<Lsn>,
    /// `pg_is_wal_replay_paused()`.
    pub paused: bool,
    /// Whether `primary_conninfo` names an upstream. Without one, WAL can only come from an archive.
    pub has_upstream: bool,
}

/// The columns of `pg_stat_wal_receiver` that are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receiver {
    /// `starting`, `streaming`, `waiting`, …
    pub status: String,
    /// The end of the upstream's WAL in its last message (`latest_end_lsn`).
    pub latest_end: Option<Lsn>,
    /// Time since the upstream's last message, by the standby's clock; `None` before the first one.
    pub silence: Option<Duration>,
    /// `wal_receiver_timeout`: after half of it in silence the walreceiver asks for a reply, after all of
    /// it it ends. Zero is no limit.
    pub timeout: Duration,
}
