//! Rows of PostgreSQL's replication views, as values with PostgreSQL's own names. Plain data: no
//! judgement, no I/O.

use std::time::Duration;

use crate::wal::{Lsn, Timeline, bytes_between};

/// A row of `pg_stat_replication`: a walsender and the standby it feeds
/// (manual: Monitoring Database Activity).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replication {
    /// The standby's `application_name`, which is its `cluster_name` by default.
    pub application_name: String,
    /// `startup`, `catchup`, `streaming`, `backup` or `stopping`.
    pub state: String,
    /// The upstream's own position, a moment later: what it had written, or, as a standby,
    /// received. It is not a column of the view.
    pub own_lsn: Option<Lsn>,
    /// The last position sent; null while the walsender starts up.
    pub sent_lsn: Option<Lsn>,
    /// The last position the standby wrote to its disk.
    pub write_lsn: Option<Lsn>,
    /// The last position the standby flushed to its disk.
    pub flush_lsn: Option<Lsn>,
    /// The last position the standby replayed.
    pub replay_lsn: Option<Lsn>,
    /// The time until the upstream received the report that its last WAL was written on the
    /// standby; null when no new report has come for a while.
    pub write_lag: Option<Duration>,
    /// The time until the report that it was flushed.
    pub flush_lag: Option<Duration>,
    /// The time until the report that it was replayed.
    pub replay_lag: Option<Duration>,
    /// `async`, `potential`, `sync` or `quorum`.
    pub sync_state: String,
}

impl Replication {
    /// Returns the bytes of WAL that the upstream has and the standby has not reported as replayed;
    /// null while its walsender starts up.
    pub fn lag(&self) -> Option<u64> {
        Some(bytes_between(self.replay_lsn?, self.own_lsn?))
    }

    /// Tells whether `sent ≥ write ≥ flush ≥ replay`. This holds while the standby streams; right
    /// after a reconnect it need not.
    pub fn is_in_order(&self) -> bool {
        let positions = [self.replay_lsn, self.flush_lsn, self.write_lsn, self.sent_lsn];
        positions.iter().all(Option::is_some) && positions.is_sorted()
    }
}

/// A row of `pg_replication_slots` (manual: System Views).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slot {
    /// The slot's name.
    pub slot_name: String,
    /// Tells whether a walsender uses it.
    pub active: bool,
    /// The oldest WAL that it retains; null until it has been used or has reserved WAL.
    pub restart_lsn: Option<Lsn>,
    /// `reserved`, `extended`, `unreserved` or `lost`; null where `restart_lsn` is null.
    pub wal_status: Option<String>,
    /// Tells whether it is a standby's copy of its primary's slot, which exists from PostgreSQL 17
    /// on.
    pub synced: bool,
    /// The server's own position: what it had written, or, as a standby, received. It is not a
    /// column of the view.
    pub own_lsn: Option<Lsn>,
}

impl Slot {
    /// Returns the bytes of retained WAL: from the oldest that the slot retains to the newest.
    pub fn retained(&self) -> Option<u64> {
        Some(bytes_between(self.restart_lsn?, self.own_lsn?))
    }
}

/// A server's position in the WAL, as a primary or as a standby.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// Tells whether it is in recovery, as a standby is.
    pub in_recovery: bool,
    /// The timeline in its control file. Right after a promotion, until the next checkpoint has
    /// completed, it is still the old one.
    pub control_timeline: Timeline,
    /// The end of the WAL that it has written (a primary) or replayed (a standby).
    pub lsn: Option<Lsn>,
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    /// Returns a row of a standby whose upstream is at 90.
    fn row([sent, write, flush, replay]: [u64; 4]) -> Replication {
        Replication {
            application_name: "a".to_owned(),
            state: "streaming".to_owned(),
            own_lsn: Some(Lsn::from(90)),
            sent_lsn: Some(Lsn::from(sent)),
            write_lsn: Some(Lsn::from(write)),
            flush_lsn: Some(Lsn::from(flush)),
            replay_lsn: Some(Lsn::from(replay)),
            write_lag: None,
            flush_lag: None,
            replay_lag: None,
            sync_state: "async".to_owned(),
        }
    }

    #[test]
    fn the_lag_is_from_what_is_replayed_to_what_the_upstream_has() {
        let behind = row([85, 70, 60, 40]);
        assert_eq!(behind.lag(), Some(50));
        assert_eq!(row([90; 4]).lag(), Some(0));
        assert_eq!(Replication { replay_lsn: None, ..behind.clone() }.lag(), None);
        assert_eq!(Replication { own_lsn: None, ..behind }.lag(), None);
    }

    #[test]
    fn positions_are_in_order_where_none_is_beyond_the_one_before() {
        for positions in [[85, 70, 60, 40], [80, 80, 80, 80], [80, 80, 60, 60]] {
            assert!(row(positions).is_in_order(), "{positions:?}");
        }
        for positions in [[69, 70, 60, 40], [85, 59, 60, 40], [85, 70, 39, 40], [40, 60, 70, 85]] {
            assert!(!row(positions).is_in_order(), "{positions:?}");
        }
        let whole = row([80; 4]);
        for missing in [
            Replication { sent_lsn: None, ..whole.clone() },
            Replication { write_lsn: None, ..whole.clone() },
            Replication { flush_lsn: None, ..whole.clone() },
            Replication { replay_lsn: None, ..whole },
        ] {
            assert!(!missing.is_in_order(), "{missing:?}");
        }
    }

    #[test]
    fn a_slot_retains_what_is_between_its_oldest_wal_and_the_newest() {
        let slot = Slot {
            slot_name: "s".to_owned(),
            active: true,
            restart_lsn: Some(Lsn::from(30)),
            wal_status: None,
            synced: false,
            own_lsn: Some(Lsn::from(100)),
        };
        assert_eq!(slot.retained(), Some(70));
        assert_eq!(Slot { restart_lsn: None, ..slot.clone() }.retained(), None);
        assert_eq!(Slot { own_lsn: None, ..slot }.retained(), None);
    }
}
