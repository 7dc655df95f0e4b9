//! Rows of PostgreSQL's replication views, as values with PostgreSQL's own names. Plain data: no
//! judgement, no I/O.

use std::time::Duration;

use crate::wal::{Lsn, Timeline, bytes_between};

/// A row of `pg_stat_replication`: a walsender and the standby it feeds
/// (manual: Monitoring Database Activity).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replication {
    /// The standby's name for itself.
    pub application_name: String,
    /// `startup`, `catchup`, `streaming`, `backup` or `stopping`.
    pub state: String,
    /// Where the upstream itself stood a moment later: what it had written, or, as a standby,
    /// received (no column of the view).
    pub own_lsn: Option<Lsn>,
    /// The last position sent; null while the walsender starts up.
    pub sent_lsn: Option<Lsn>,
    /// The last position the standby wrote to its disk.
    pub write_lsn: Option<Lsn>,
    /// The last position the standby flushed to its disk.
    pub flush_lsn: Option<Lsn>,
    /// The last position the standby replayed.
    pub replay_lsn: Option<Lsn>,
    /// How long it took until the upstream heard that its last WAL was written there; null when
    /// it has heard nothing new for a while.
    pub write_lag: Option<Duration>,
    /// The same until it was flushed there.
    pub flush_lag: Option<Duration>,
    /// The same until it was replayed there.
    pub replay_lag: Option<Duration>,
    /// `async`, `potential`, `sync` or `quorum`.
    pub sync_state: String,
}

impl Replication {
    /// The bytes that the upstream has and the standby has not reported as replayed; null while
    /// its walsender starts up.
    pub fn lag(&self) -> Option<u64> {
        Some(bytes_between(self.replay_lsn?, self.own_lsn?))
    }

    /// Is it so that what is replayed was flushed, what is flushed was written, and what is written
    /// was sent? It is while the standby streams; right after a reconnect it need not be.
    pub fn is_in_order(&self) -> bool {
        let positions = [self.replay_lsn, self.flush_lsn, self.write_lsn, self.sent_lsn];
        positions.iter().all(Option::is_some) && positions.is_sorted()
    }
}

/// A row of `pg_replication_slots` (manual: System Views).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub slot_name: String,
    /// Is a walsender using it?
    pub active: bool,
    /// The oldest WAL that it keeps; null until it was used or reserved WAL.
    pub restart_lsn: Option<Lsn>,
    /// `reserved`, `extended`, `unreserved` or `lost`; null like `restart_lsn`.
    pub wal_status: Option<String>,
    /// Is it a standby's copy of its primary's slot? There are such from 17 on.
    pub synced: bool,
    /// Where the server itself stood: what it had written, or, as a standby, received (no column
    /// of the view).
    pub own_lsn: Option<Lsn>,
}

impl Slot {
    /// The bytes of WAL from the oldest that it keeps to the newest.
    pub fn retained(&self) -> Option<u64> {
        Some(bytes_between(self.restart_lsn?, self.own_lsn?))
    }
}

/// Where a server stands, whichever role it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Is it in recovery: a standby?
    pub in_recovery: bool,
    /// The timeline in its control file. Right after a promotion, until the next checkpoint has
    /// ended, that is still the old one.
    pub control_timeline: Timeline,
    /// The end of what it has written (a primary) or replayed (a standby).
    pub lsn: Option<Lsn>,
}
