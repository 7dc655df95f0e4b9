//! Queries of the replication views and functions. Each works unchanged from PostgreSQL 13 on.
//! Nothing here waits or judges.

use std::time::Duration;

use tokio_postgres::Row;

use super::rows::{Position, Replication, Slot};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::wal::Timeline;

/// The SQL expression for the server's own position: what it has written, or, as a standby, the
/// greater of what it has received and replayed. A standby that is fed from an archive has received
/// nothing.
pub(crate) const OWN: &str = "CASE WHEN pg_is_in_recovery() \
                   THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) \
                   ELSE pg_current_wal_lsn() END";

/// The SQL expression for the reason why a slot was invalidated; null for one that was not. The columns
/// are read through JSON, because they came with PostgreSQL 17 and 16.
const INVALIDATION: &str = "coalesce(to_jsonb(slot) ->> 'invalidation_reason', \
     CASE WHEN (to_jsonb(slot) ->> 'conflicting')::boolean THEN 'conflict with recovery' END)";

/// Returns every row of `pg_stat_replication`, ordered by name.
///
/// # Errors
///
/// The server refuses the query, or the connection is lost.
pub async fn replication(session: &Session) -> Result<Vec<Replication>> {
    let sql = format!(
        "SELECT application_name, state, sent_lsn, write_lsn, flush_lsn, replay_lsn, \
         extract(epoch FROM write_lag)::float8 AS write_lag, \
         extract(epoch FROM flush_lag)::float8 AS flush_lag, \
         extract(epoch FROM replay_lag)::float8 AS replay_lag, sync_state, {OWN} AS own_lsn, \
         coalesce((SELECT slot_type = 'logical' FROM pg_replication_slots WHERE active_pid = pid), \
             false) AS logical, \
         CASE WHEN reply_time IS NOT NULL THEN \
             greatest(extract(epoch FROM clock_timestamp() - reply_time), 0)::float8 END AS since_reply \
         FROM pg_stat_replication ORDER BY application_name, pid"
    );
    let rows = session.rows_unrecorded(&sql).await?;
    rows.iter().map(|row| replication_row(row).map_err(|source| Error::sql(&sql, source))).collect()
}

/// Returns the row of `pg_stat_replication` with this name; none while no standby of that name is
/// connected.
///
/// # Errors
///
/// The server refuses the query, or the connection is lost.
pub async fn replication_to(session: &Session, standby: &str) -> Result<Option<Replication>> {
    let rows = replication(session).await?;
    Ok(rows.into_iter().find(|row| row.application_name == standby))
}

fn replication_row(row: &Row) -> Result<Replication, tokio_postgres::Error> {
    let span = |column| {
        let seconds: Option<f64> = row.try_get(column)?;
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    };
    Ok(Replication {
        application_name: row.try_get("application_name")?,
        state: row.try_get::<_, Option<String>>("state")?.unwrap_or_default(),
        own_lsn: row.try_get("own_lsn")?,
        sent_lsn: row.try_get("sent_lsn")?,
        write_lsn: row.try_get("write_lsn")?,
        flush_lsn: row.try_get("flush_lsn")?,
        replay_lsn: row.try_get("replay_lsn")?,
        write_lag: span("write_lag")?,
        flush_lag: span("flush_lag")?,
        replay_lag: span("replay_lag")?,
        sync_state: row.try_get::<_, Option<String>>("sync_state")?.unwrap_or_default(),
        logical: row.try_get("logical")?,
        since_reply: span("since_reply")?,
    })
}

/// Returns every row of `pg_replication_slots`, ordered by name.
///
/// # Errors
///
/// The server refuses the query, or the connection is lost.
pub async fn slots(session: &Session) -> Result<Vec<Slot>> {
    let sql = format!(
        "SELECT slot_name::text, active, restart_lsn, wal_status, {OWN} AS own_lsn, \
         coalesce((to_jsonb(slot) ->> 'synced')::boolean, false) AS synced, \
         slot_type = 'logical' AS logical, temporary, {INVALIDATION} AS invalidation, \
         CASE WHEN NOT pg_is_in_recovery() THEN safe_wal_size END AS safe_wal_size \
         FROM pg_replication_slots AS slot ORDER BY slot_name"
    );
    let rows = session.rows_unrecorded(&sql).await?;
    rows.iter().map(|row| slot_row(row).map_err(|source| Error::sql(&sql, source))).collect()
}

/// Returns the bytes that each logical slot has spilled to files, by the slot's name; none before
/// PostgreSQL 14.
///
/// # Errors
///
/// The server refuses the query, or the connection is lost.
pub(crate) async fn spilled(session: &Session) -> Result<Vec<(String, u64)>> {
    const KNOWN: &str = "SELECT to_regclass('pg_catalog.pg_stat_replication_slots') IS NOT NULL";
    const SQL: &str = "SELECT slot_name, spill_bytes FROM pg_stat_replication_slots";
    if !session.value_unrecorded::<bool>(KNOWN).await? {
        return Ok(Vec::new());
    }
    let read = |row: &Row| Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?.unsigned_abs()));
    let rows = session.rows_unrecorded(SQL).await?;
    rows.iter().map(|row| read(row).map_err(|source| Error::sql(SQL, source))).collect()
}

/// Returns the row of `pg_replication_slots` with this name.
///
/// # Errors
///
/// There is no slot of that name: the error has the names that there are.
pub async fn slot(session: &Session, name: &str) -> Result<Slot> {
    let slots = slots(session).await?;
    let names: Vec<_> = slots.iter().map(|slot| slot.slot_name.clone()).collect();
    slots
        .into_iter()
        .find(|slot| slot.slot_name == name)
        .ok_or_else(|| Error::not_found(format!("looking for a slot {name:?}"), names.join(", ")))
}

fn slot_row(row: &Row) -> Result<Slot, tokio_postgres::Error> {
    Ok(Slot {
        slot_name: row.try_get("slot_name")?,
        active: row.try_get("active")?,
        restart_lsn: row.try_get("restart_lsn")?,
        wal_status: row.try_get("wal_status")?,
        synced: row.try_get("synced")?,
        own_lsn: row.try_get("own_lsn")?,
        logical: row.try_get("logical")?,
        temporary: row.try_get("temporary")?,
        invalidation: row.try_get("invalidation")?,
        safe_wal_size: row.try_get("safe_wal_size")?,
        spilled: None,
    })
}

/// Returns the position and the role of the server of this session.
///
/// # Errors
///
/// The server refuses the query, or the connection is lost.
pub async fn position(session: &Session) -> Result<Position> {
    const SQL: &str = "SELECT pg_is_in_recovery() AS in_recovery, timeline_id, \
                       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
                       ELSE pg_current_wal_lsn() END AS lsn FROM pg_control_checkpoint()";
    let rows = session.rows_unrecorded(SQL).await?;
    let read = |row: &Row| {
        let timeline: i32 = row.try_get("timeline_id")?;
        Ok(Position {
            in_recovery: row.try_get("in_recovery")?,
            control_timeline: Timeline(timeline.unsigned_abs()),
            lsn: row.try_get("lsn")?,
        })
    };
    let row = rows.first().ok_or_else(|| Error::unreadable(SQL, "no row"))?;
    read(row).map_err(|source| Error::sql(SQL, source))
}

/// The SQL expression for the timeline that a server writes, or, as a standby, receives or received
/// last.
pub(crate) const TIMELINE: &str = "CASE WHEN pg_is_in_recovery() THEN greatest( \
       (SELECT received_tli FROM pg_stat_wal_receiver), \
       (SELECT min_recovery_end_timeline FROM pg_control_recovery()), \
       (SELECT timeline_id FROM pg_control_checkpoint())) \
     ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END";

/// Returns the timeline that the server writes, or, as a standby, receives or received last. Unlike
/// the timeline in the control file it is the new one as soon as the server is promoted.
///
/// # Errors
///
/// The server refuses the query, or the connection is lost.
pub async fn timeline(session: &Session) -> Result<Timeline> {
    let timeline = session.value_unrecorded::<i32>(&format!("SELECT {TIMELINE}")).await?;
    Ok(Timeline(timeline.unsigned_abs()))
}
