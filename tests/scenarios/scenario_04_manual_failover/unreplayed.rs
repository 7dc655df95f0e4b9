//! WAL that a standby has received and does not replay: what holds it, and the waits for it. Nothing here
//! promotes a standby.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::wal::Lsn;
use replication_lab::{Node, Result, Session, stat};

/// The name of the WAL file that a primary writes; its first eight digits are the timeline.
pub(super) const OWN_TIMELINE: &str = "SELECT pg_walfile_name(pg_current_wal_lsn())";

/// What holds replay on a standby while it goes on receiving WAL.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hold {
    /// `pg_wal_replay_pause()`.
    Paused,
    /// `recovery_min_apply_delay`.
    Delayed,
}

impl Hold {
    /// What the exercise of this hold is about.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Paused => {
                "A promotion while replay is paused: the pause ends, all WAL that the standby has received \
                 is replayed, and what it has not received is missing"
            }
            Self::Delayed => {
                "A promotion of a standby with recovery_min_apply_delay: the delay ends, all WAL that the \
                 standby has received is replayed, and what it has not received is missing"
            }
        }
    }

    /// What the step does that holds replay.
    pub(super) fn step(self) -> &'static str {
        match self {
            Self::Paused => "Replay is paused; 100 orders arrive on the standby's disk",
            Self::Delayed => {
                "recovery_min_apply_delay is set to one hour; 100 orders arrive on the standby's disk"
            }
        }
    }

    /// What the exercise of this hold shows.
    pub(super) fn learning(self) -> &'static str {
        match self {
            Self::Paused => {
                "A promotion ends a pause of replay: the standby first replays all WAL that it has received."
            }
            Self::Delayed => {
                "A promotion ends recovery_min_apply_delay: the standby first replays all WAL that it has \
                 received, however young. So a promotion of a delayed standby does not undo a mistake whose \
                 WAL has arrived there."
            }
        }
    }

    /// The wait event in `pg_stat_activity` of a startup process that this holds.
    pub(super) fn wait_event(self) -> &'static str {
        match self {
            Self::Paused => "IPC: RecoveryPause",
            Self::Delayed => "Timeout: RecoveryApplyDelay",
        }
    }

    /// Holds replay on this standby.
    pub(super) async fn on(self, standby: &Node) -> Result<()> {
        match self {
            Self::Paused => standby.session().await?.run("SELECT pg_wal_replay_pause()").await,
            Self::Delayed => standby.set("recovery_min_apply_delay", "1h").await,
        }
    }
}

/// Waits until `standby1` has flushed all WAL that the primary of this session has flushed.
pub(super) async fn wait_for_flush(primary: &Session) -> Result<()> {
    let written: Lsn = primary.value("SELECT pg_current_wal_flush_lsn()").await?;
    until(&format!("standby1 has flushed {written}"), PATIENCE, || async {
        let row = stat::replication_to(primary, "standby1").await?;
        let flushed = row.as_ref().and_then(|row| row.flush_lsn);
        let seen = Seen::NotYet(format!("in pg_stat_replication: {row:?}"));
        Ok(if flushed >= Some(written) { Seen::Done(()) } else { seen })
    })
    .await
}

/// Waits until the startup process of this session's server shows this wait event, and returns it.
pub(super) async fn wait_for_replay_to_wait(standby: &Session, event: &str) -> Result<String> {
    const SQL: &str = "SELECT concat_ws(': ', wait_event_type, wait_event) FROM pg_stat_activity \
                       WHERE backend_type = 'startup'";
    until(&format!("the startup process waits for {event}"), PATIENCE, || async {
        let seen: String = standby.value(SQL).await?;
        Ok(if seen == event { Seen::Done(seen) } else { Seen::NotYet(seen) })
    })
    .await
}

/// Waits until this session's server is no longer in recovery.
pub(super) async fn wait_for_the_end_of_recovery(standby: &Session) -> Result<()> {
    until("the server is not in recovery", PATIENCE, || async {
        let recovers: bool = standby.value("SELECT pg_is_in_recovery()").await?;
        Ok(if recovers { Seen::NotYet("in recovery".to_owned()) } else { Seen::Done(()) })
    })
    .await
}
