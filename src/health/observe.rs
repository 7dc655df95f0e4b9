//! Queries a server's replication views for `judge.rs`: any server from 13 on, primary or standby, with a
//! role that has `pg_monitor` and nothing else. One read-only transaction; it never writes, waits or
//! judges.

use std::time::Duration;

use tokio_postgres::Row;

use super::observation::{Archiver, Observation, Receiver, Replay};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::stat;

/// Begins the transaction. Settings are local to it, because a pooler may give the connection to another
/// client afterwards; the timeouts end it on a server that has lost this client.
const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog; \
     SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '60s'";

const SERVER: &str = "SELECT pg_is_in_recovery() AS in_recovery, \
     current_setting('transaction_read_only')::boolean AS read_only, \
     pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all, \
     current_setting('synchronous_standby_names') AS synchronous, \
     current_setting('archive_mode') AS archive_mode";

/// Archiving is failing while the last failure is newer than the last success.
const ARCHIVER: &str = "SELECT last_failed_time IS NOT NULL \
     AND (last_archived_time IS NULL OR last_failed_time > last_archived_time) AS failing, \
     CASE WHEN has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE') THEN \
         (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') END AS waiting \
     FROM pg_stat_archiver";

const REPLAY: &str = "SELECT pg_last_wal_receive_lsn() AS received, \
     pg_last_wal_replay_lsn() AS replayed, pg_is_wal_replay_paused() AS paused, \
     NOT EXISTS (SELECT FROM pg_settings WHERE name = 'primary_conninfo' AND setting = '') \
         AS has_upstream \
     WHERE pg_is_in_recovery()";

const RECEIVER: &str = "SELECT coalesce(status, '') AS status, latest_end_lsn, \
     extract(epoch FROM clock_timestamp() - last_msg_receipt_time)::float8 AS silence, \
     extract(epoch FROM current_setting('wal_receiver_timeout')::interval)::float8 AS timeout \
     FROM pg_stat_wal_receiver";

/// The oldest xmin and its holder. Autovacuum workers are left out: vacuum ignores their xmin.
const OLDEST_XMIN: &str = "SELECT holder, xmin_age FROM ( \
     SELECT 'slot ' || slot_name, greatest(age(xmin), age(catalog_xmin)) FROM pg_replication_slots \
     UNION ALL SELECT 'prepared transaction ' || gid, age(transaction) FROM pg_prepared_xacts \
     UNION ALL SELECT coalesce(backend_type, 'process') || ' ' || pid, age(backend_xmin) \
         FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
         AND backend_type IS DISTINCT FROM 'autovacuum worker' \
     ) AS held (holder, xmin_age) WHERE xmin_age IS NOT NULL ORDER BY xmin_age DESC, holder LIMIT 1";

/// Queries everything that [`judge`](super::judge()) judges, in one read-only transaction.
///
/// ```no_run
/// # async fn example(session: &replication_lab::Session) -> replication_lab::Result<()> {
/// use replication_lab::health::{Expected, Severity, Thresholds, judge, observe, worst};
/// let findings = judge(&observe(session).await?, &Thresholds::default(), Expected::default());
/// assert_eq!(worst(&findings), Severity::Ok, "{findings:?}");
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// The connection broke, the server refused a query, or a query took longer than 60 s.
pub async fn observe(session: &Session) -> Result<Observation> {
    session.run_unrecorded(BEGIN).await?;
    let seen = look(session).await;
    let ended = session.run_unrecorded("ROLLBACK").await;
    let seen = seen?;
    ended.map(|()| seen)
}

async fn look(session: &Session) -> Result<Observation> {
    let server = one(session, SERVER).await?;
    let (in_recovery, archive_mode): (bool, String) =
        (read(&server, SERVER, "in_recovery")?, read(&server, SERVER, "archive_mode")?);
    let archives = archive_mode == "always" || archive_mode == "on" && !in_recovery;
    Ok(Observation {
        in_recovery,
        timeline: Some(stat::timeline(session).await?),
        read_only: read(&server, SERVER, "read_only")?,
        sees_all: read(&server, SERVER, "sees_all")?,
        standbys: stat::replication(session).await?,
        slots: stat::slots(session).await?,
        synchronous: read(&server, SERVER, "synchronous")?,
        archiver: if archives { Some(archiver(session).await?) } else { None },
        replay: replay(session).await?,
        receiver: receiver(session).await?,
        oldest_xmin: oldest_xmin(session).await?,
    })
}

async fn archiver(session: &Session) -> Result<Archiver> {
    let row = one(session, ARCHIVER).await?;
    let waiting: Option<i64> = read(&row, ARCHIVER, "waiting")?;
    let failing = read(&row, ARCHIVER, "failing")?;
    Ok(Archiver { failing, waiting: waiting.map(i64::unsigned_abs) })
}

async fn replay(session: &Session) -> Result<Option<Replay>> {
    let rows = session.rows_unrecorded(REPLAY).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Replay {
        received: read(row, REPLAY, "received")?,
        replayed: read(row, REPLAY, "replayed")?,
        paused: read(row, REPLAY, "paused")?,
        // A role without pg_read_all_settings sees no row for primary_conninfo: this counts as set.
        has_upstream: read(row, REPLAY, "has_upstream")?,
    }))
}

async fn receiver(session: &Session) -> Result<Option<Receiver>> {
    let rows = session.rows_unrecorded(RECEIVER).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let silence: Option<f64> = read(row, RECEIVER, "silence")?;
    Ok(Some(Receiver {
        status: read(row, RECEIVER, "status")?,
        latest_end: read(row, RECEIVER, "latest_end_lsn")?,
        silence: silence.map(seconds),
        timeout: seconds(read(row, RECEIVER, "timeout")?),
    }))
}

async fn oldest_xmin(session: &Session) -> Result<Option<(String, u64)>> {
    let rows = session.rows_unrecorded(OLDEST_XMIN).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let age: i32 = read(row, OLDEST_XMIN, "xmin_age")?;
    Ok(Some((read(row, OLDEST_XMIN, "holder")?, u64::try_from(age).unwrap_or(0))))
}

async fn one(session: &Session, sql: &str) -> Result<Row> {
    let rows = session.rows_unrecorded(sql).await?;
    rows.into_iter().next().ok_or_else(|| Error::unreadable(format!("running {sql:?}"), "no row"))
}

fn read<T: tokio_postgres::types::FromSqlOwned>(row: &Row, sql: &str, column: &str) -> Result<T> {
    row.try_get(column).map_err(|source| Error::sql(format!("running {sql:?}"), source))
}
