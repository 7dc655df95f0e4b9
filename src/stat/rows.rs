//! Rows of PostgreSQL's replication views, as values with PostgreSQL's own names. Plain data: no
//! judgement, no I/O.

use std::time::Duration;

use crate::wal::{Lsn, Timeline, bytes_between};

/// A row of `pg_stat_replication`: a walsender and the standby it feeds
/// (manual: Monitoring Database Activity).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replication {
    /// The standby's `application_name`, which is its `cluster_name` by default.
    pub application_name: String,
    /// `startup`, `catchup`, `streaming`, `backup` or `stopping`.
    pub state: String,
    /// The upstream's own position, a moment later: what it had written, or, as a standby,
    /// received or replayed. It is not a column of the view.
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
    /// Tells whether the walsender decodes: it uses a logical slot. It is not a column of the view.
    pub logical: bool,
    /// The time since the client's last report, which the client dated by its own clock (`reply_time`);
    /// null before the first one.
    pub since_reply: Option<Duration>,
}

/// What the client of a walsender is, as far as its upstream can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Client {
    /// A server that receives WAL and replays it.
    Standby,
    /// A client that receives WAL and has reported no position: a standby that does not report, or
    /// a program.
    Unreported,
    /// A program that receives WAL and replays none, such as `pg_receivewal` or the WAL stream of
    /// `pg_basebackup`.
    Receiver,
    /// A base backup.
    Backup,
    /// A client that receives decoded changes: a subscription, or another logical consumer.
    Subscriber,
    /// A connection that does not receive WAL: it has not begun, or has ended.
    Idle,
}

impl Replication {
    /// Returns what the client is. A standby reports what it has replayed, and a program that only
    /// receives WAL reports what it has written; only a logical walsender uses a logical slot.
    pub fn client(&self) -> Client {
        const PROGRAMS: [&str; 2] = ["pg_receivewal", "pg_basebackup"];
        match self.state.as_str() {
            "backup" => Client::Backup,
            _ if self.logical => Client::Subscriber,
            "startup" | "" => Client::Idle,
            _ if self.replay_lsn.is_some() => Client::Standby,
            _ if self.write_lsn.is_some() => Client::Receiver,
            _ if PROGRAMS.contains(&self.application_name.as_str()) => Client::Receiver,
            _ => Client::Unreported,
        }
    }

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "these are columns of the view")]
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
    /// The server's own position: what it had written, or, as a standby, received or replayed. It
    /// is not a column of the view.
    pub own_lsn: Option<Lsn>,
    /// Tells whether it is a logical slot; otherwise it is physical.
    pub logical: bool,
    /// Tells whether it ends with the connection that created it, or, as a copy of the primary's
    /// slot, is not ready for a failover yet.
    pub temporary: bool,
    /// Why the server has invalidated it: `invalidation_reason`, from PostgreSQL 17 on, or a
    /// conflict with recovery, from 16 on; null otherwise.
    pub invalidation: Option<String>,
    /// The bytes of WAL that can be written before the slot may lose WAL: negative beyond that
    /// point, null without a limit.
    pub safe_wal_size: Option<i64>,
    /// The bytes of large transactions that its walsender has written to files, since the statistics
    /// were reset; null for a physical slot, and before PostgreSQL 14.
    pub spilled: Option<u64>,
}

impl Slot {
    /// Tells whether the slot cannot be used any more: its WAL is lost, or the server has
    /// invalidated it. Such a slot retains nothing and holds back no vacuum.
    pub fn is_beyond_use(&self) -> bool {
        self.wal_status.as_deref() == Some("lost") || self.invalidation.is_some()
    }

    /// Returns the bytes of retained WAL: from the oldest that the slot retains to the newest. A slot
    /// that is beyond use retains none; null while the slot has reserved no WAL, and where the
    /// server's own position is not known.
    pub fn retained(&self) -> Option<u64> {
        if self.is_beyond_use() {
            return Some(0);
        }
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
            ..Replication::default()
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

    /// The client of each row that PostgreSQL can show: by its state, its slot and its reports.
    #[test]
    fn a_client_is_known_by_what_it_reports() {
        let reports = |write: Option<u64>, replay: Option<u64>| Replication {
            write_lsn: write.map(Lsn::from),
            replay_lsn: replay.map(Lsn::from),
            ..row([90; 4])
        };
        let named =
            |name: &str| Replication { application_name: name.to_owned(), ..reports(None, None) };
        let at = |state: &str| Replication { state: state.to_owned(), ..row([90; 4]) };
        for (row, client) in [
            (row([90; 4]), Client::Standby),
            (at("catchup"), Client::Standby),
            (at("stopping"), Client::Standby),
            (reports(Some(9), None), Client::Receiver),
            (reports(None, None), Client::Unreported),
            (named("pg_receivewal"), Client::Receiver),
            (named("pg_basebackup"), Client::Receiver),
            (at("backup"), Client::Backup),
            (Replication { logical: true, ..row([90; 4]) }, Client::Subscriber),
            (Replication { logical: true, ..at("catchup") }, Client::Subscriber),
            (at("startup"), Client::Idle),
            (at(""), Client::Idle),
        ] {
            assert_eq!(row.client(), client, "{row:?}");
        }
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
            restart_lsn: Some(Lsn::from(30)),
            own_lsn: Some(Lsn::from(100)),
            ..Slot::default()
        };
        assert_eq!(slot.retained(), Some(70));
        assert_eq!(Slot { restart_lsn: None, ..slot.clone() }.retained(), None);
        let lost = Slot { wal_status: Some("lost".to_owned()), ..slot.clone() };
        assert_eq!(lost.retained(), Some(0));
        let idle = Slot { invalidation: Some("idle_timeout".to_owned()), ..slot.clone() };
        assert_eq!(idle.retained(), Some(0));
        assert_eq!(Slot { own_lsn: None, ..slot }.retained(), None);
    }
}
