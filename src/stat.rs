//! Rows of PostgreSQL's replication views and functions, with PostgreSQL's own names. They are
//! what the server said at one moment; nothing here waits or judges.

use tokio_postgres::Row;

use crate::error::{Error, Result};
use crate::session::Session;
use crate::wal::{Lsn, Timeline};

/// A row of `pg_stat_replication`: a walsender and the standby it feeds
/// (manual: Monitoring Database Activity).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replication {
    /// The standby's name for itself.
    pub application_name: String,
    /// `startup`, `catchup`, `streaming`, `backup` or `stopping`.
    pub state: String,
    /// The last position sent; null while the walsender starts up.
    pub sent_lsn: Option<Lsn>,
    /// The last position the standby wrote to its disk.
    pub write_lsn: Option<Lsn>,
    /// The last position the standby flushed to its disk.
    pub flush_lsn: Option<Lsn>,
    /// The last position the standby replayed.
    pub replay_lsn: Option<Lsn>,
    /// `async`, `potential`, `sync` or `quorum`.
    pub sync_state: String,
}

/// Every row of `pg_stat_replication`, by name.
pub async fn replication(session: &Session) -> Result<Vec<Replication>> {
    const SQL: &str = "SELECT application_name, state, sent_lsn, write_lsn, flush_lsn, replay_lsn, \
                       sync_state FROM pg_stat_replication ORDER BY application_name";
    let rows = session.look(SQL).await?;
    rows.iter().map(|row| replication_row(row).map_err(|source| Error::sql(SQL, source))).collect()
}

fn replication_row(row: &Row) -> Result<Replication, tokio_postgres::Error> {
    Ok(Replication {
        application_name: row.try_get("application_name")?,
        state: row.try_get::<_, Option<String>>("state")?.unwrap_or_default(),
        sent_lsn: row.try_get("sent_lsn")?,
        write_lsn: row.try_get("write_lsn")?,
        flush_lsn: row.try_get("flush_lsn")?,
        replay_lsn: row.try_get("replay_lsn")?,
        sync_state: row.try_get::<_, Option<String>>("sync_state")?.unwrap_or_default(),
    })
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
}

/// Every row of `pg_replication_slots`, by name.
pub async fn slots(session: &Session) -> Result<Vec<Slot>> {
    const SQL: &str = "SELECT slot_name::text, active, restart_lsn, wal_status \
                       FROM pg_replication_slots ORDER BY slot_name";
    let rows = session.look(SQL).await?;
    rows.iter().map(|row| slot_row(row).map_err(|source| Error::sql(SQL, source))).collect()
}

fn slot_row(row: &Row) -> Result<Slot, tokio_postgres::Error> {
    Ok(Slot {
        slot_name: row.try_get("slot_name")?,
        active: row.try_get("active")?,
        restart_lsn: row.try_get("restart_lsn")?,
        wal_status: row.try_get("wal_status")?,
    })
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

/// Where the server of this session stands.
pub async fn position(session: &Session) -> Result<Position> {
    const SQL: &str = "SELECT pg_is_in_recovery() AS in_recovery, timeline_id, \
                       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
                       ELSE pg_current_wal_lsn() END AS lsn FROM pg_control_checkpoint()";
    let rows = session.look(SQL).await?;
    let read = |row: &Row| {
        let timeline: i32 = row.try_get("timeline_id")?;
        Ok(Position {
            in_recovery: row.try_get("in_recovery")?,
            control_timeline: Timeline(timeline.unsigned_abs()),
            lsn: row.try_get("lsn")?,
        })
    };
    let row = rows.first().ok_or_else(|| Error::missing(SQL, "no row"))?;
    read(row).map_err(|source| Error::sql(SQL, source))
}
