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
    /// The system identifier of the cluster, which its primary and its standbys share.
    pub system: Option<i64>,
    /// The position of this standby's primary, where the caller has read it there: see
    /// [`end`](super::end()).
    pub upstream: Option<Lsn>,
    /// Every row of `pg_stat_replication`.
    pub standbys: Vec<Replication>,
    /// Every row of `pg_replication_slots`.
    pub slots: Vec<Slot>,
    /// `synchronous_standby_names`, on a primary.
    pub synchronous: String,
    /// What commits wait for.
    pub commits: Commits,
    /// `wal_sender_timeout`: a client that has been silent for longer is disconnected. Zero is no limit.
    pub sender_timeout: Duration,
    /// The subscriptions of a primary, in all of its databases.
    pub subscriptions: Vec<Subscription>,
    /// On a standby with `sync_replication_slots = on`, why slots cannot be synchronized: empty where they
    /// can.
    pub slot_sync: Option<Vec<String>>,
    /// Where `synchronized_standby_slots` names slots, which of them are not there or not used.
    pub standby_slots: Option<Vec<String>>,
    /// The archiver; `None` where this server does not archive.
    pub archiver: Option<Archiver>,
    /// Receipt and replay; `None` on a primary.
    pub replay: Option<Replay>,
    /// The row of `pg_stat_wal_receiver`, if there is one.
    pub receiver: Option<Receiver>,
    /// The session, slot or prepared transaction with the oldest xmin, and its age in transactions.
    pub oldest_xmin: Option<(String, u64)>,
    /// The session with the oldest transaction, and the transaction's age.
    pub oldest_transaction: Option<(String, Duration)>,
    /// The oldest prepared transaction, and its age.
    pub oldest_prepared: Option<(String, Duration)>,
}

/// What commits wait for, and the sessions that wait (manual: `synchronous_commit`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commits {
    /// `synchronous_commit`, as it applies to the role that queried.
    pub level: String,
    /// Number of sessions whose wait event is `SyncRep`.
    pub sessions: u64,
    /// The age of the oldest statement among those of these sessions: it can have done other work
    /// before it began to wait. `None` where no session waits, or the role must not see the age.
    pub longest: Option<Duration>,
}

/// The state of the archiver, from `pg_stat_archiver` and `pg_wal/archive_status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Archiver {
    /// Whether the last attempt failed.
    pub failing: bool,
    /// Whether `archive_command` and `archive_library` are both empty: every file waits.
    pub has_no_command: bool,
    /// Number of WAL files that wait; `None` where the role must not read the directory.
    pub waiting: Option<u64>,
    /// The time for which the oldest of them has waited; `None` where none waits, or as `waiting`.
    pub oldest: Option<Duration>,
}

/// Receipt and replay on a standby.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// `pg_last_wal_receive_lsn()`; null until the standby has streamed.
    pub received: Option<Lsn>,
    /// `pg_last_wal_replay_lsn()`.
    pub replayed: Option<Lsn>,
    /// `pg_is_wal_replay_paused()`.
    pub paused: bool,
    /// Whether `primary_conninfo` names an upstream. Without one, WAL can only come from an archive.
    /// `None` where the role must not see the setting.
    pub has_upstream: Option<bool>,
    /// The wait event of the startup process, which replays: `RecoveryPause`, `RecoveryApplyDelay`, a
    /// conflict, …; `None` while it replays.
    pub waits_for: Option<String>,
    /// The time since the last replayed transaction was committed on the primary
    /// (`pg_last_xact_replay_timestamp()`). It grows while the primary is idle.
    pub since_transaction: Option<Duration>,
    /// `recovery_min_apply_delay`: a standby may be delayed on purpose.
    pub delay: Duration,
}

/// The columns of `pg_stat_wal_receiver` that are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receiver {
    /// `starting`, `streaming`, `waiting`, …
    pub status: String,
    /// The end of the upstream's WAL in its last message (`latest_end_lsn`).
    pub latest_end: Option<Lsn>,
    /// The time since that end was last reported (`latest_end_time`).
    pub since_end: Option<Duration>,
    /// Time since the upstream's last message, by the standby's clock; `None` before the first one.
    pub silence: Option<Duration>,
    /// `wal_receiver_timeout`: after half of it in silence the walreceiver asks for a reply, after all of
    /// it it ends. Zero is no limit.
    pub timeout: Duration,
}

/// A subscription (manual: Subscription).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Its name.
    pub name: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Whether a worker applies its changes at this moment.
    pub applies: bool,
    /// The number of errors while applying changes; `None` before PostgreSQL 15.
    pub errors: Option<u64>,
}

/// Where the WAL of a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The system identifier of the cluster.
    pub system: i64,
    /// What the server has written, or, as a standby, received or replayed.
    pub lsn: Option<Lsn>,
}
