//! Queries a server's replication views for `judge.rs`: any server from 13 on, primary or standby, with a
//! role that has `pg_monitor` and nothing else. One read-only transaction; it never writes, waits or
//! judges.

use std::time::Duration;

use tokio_postgres::Row;

use super::observation::{Archiver, Commits, End, Observation, Receiver, Replay, Subscription};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::stat;
use crate::stat::Slot;

/// Begins the transaction. Settings are local to it, because a pooler may give the connection to another
/// client afterwards; the timeouts end it on a server that has lost this client.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL search_path = pg_catalog; \
     SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '60s'";

const SERVER: &str = "SELECT pg_is_in_recovery() AS in_recovery, \
     current_setting('transaction_read_only')::boolean AS read_only, \
     pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all, \
     current_setting('synchronous_standby_names') AS synchronous, \
     current_setting('synchronous_commit') AS level, \
     extract(epoch FROM current_setting('wal_sender_timeout')::interval)::float8 AS sender_timeout, \
     current_setting('archive_mode') AS archive_mode";

/// The sessions whose commits wait for a standby. The age is that of the statement: no column has the
/// beginning of the wait.
const WAITING: &str = "SELECT count(*) AS sessions, \
     extract(epoch FROM max(clock_timestamp() - query_start))::float8 AS longest \
     FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

/// Archiving is failing while the last failure is newer than the last success.
const ARCHIVER: &str = "SELECT last_failed_time IS NOT NULL \
     AND (last_archived_time IS NULL OR last_failed_time > last_archived_time) AS failing, \
     current_setting('archive_command') || coalesce(current_setting('archive_library', true), '') = '' \
         AS has_no_command \
     FROM pg_stat_archiver";

/// The WAL files that wait to be archived: the archiver removes their marks.
const ARCHIVE: &str = "SELECT count(*) AS waiting, greatest(extract(epoch FROM \
     max(clock_timestamp() - modification)), CASE WHEN count(*) > 0 THEN 0 END)::float8 AS oldest \
     FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";

const MAY_LIST: &str = "SELECT has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE')";

const REPLAY: &str = "SELECT pg_last_wal_receive_lsn() AS received, \
     pg_last_wal_replay_lsn() AS replayed, pg_is_wal_replay_paused() AS paused, \
     (SELECT setting <> '' FROM pg_settings WHERE name = 'primary_conninfo') AS has_upstream, \
     (SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup') AS waits_for, \
     extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 \
         AS since_transaction, \
     extract(epoch FROM current_setting('recovery_min_apply_delay')::interval)::float8 AS delay \
     WHERE pg_is_in_recovery()";

const RECEIVER: &str = "SELECT coalesce(status, '') AS status, latest_end_lsn, \
     extract(epoch FROM clock_timestamp() - latest_end_time)::float8 AS since_end, \
     extract(epoch FROM clock_timestamp() - last_msg_receipt_time)::float8 AS silence, \
     extract(epoch FROM current_setting('wal_receiver_timeout')::interval)::float8 AS timeout \
     FROM pg_stat_wal_receiver";

/// The oldest xmin and its holder. Autovacuum workers are left out, because vacuum ignores their xmin,
/// and so are slots that are beyond use.
const OLDEST_XMIN: &str = "SELECT holder, xmin_age FROM ( \
     SELECT 'slot ' || slot_name, greatest(age(xmin), age(catalog_xmin)) \
         FROM pg_replication_slots AS slot \
         WHERE wal_status IS DISTINCT FROM 'lost' \
         AND to_jsonb(slot) ->> 'invalidation_reason' IS NULL \
         AND (to_jsonb(slot) ->> 'conflicting')::boolean IS NOT TRUE \
     UNION ALL SELECT 'prepared transaction ' || gid, age(transaction) FROM pg_prepared_xacts \
     UNION ALL SELECT coalesce(backend_type, 'process') || ' ' || pid, age(backend_xmin) \
         FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
         AND backend_type IS DISTINCT FROM 'autovacuum worker' \
     ) AS held (holder, xmin_age) WHERE xmin_age IS NOT NULL ORDER BY xmin_age DESC, holder LIMIT 1";

/// A role without privileges sees neither the identifier nor the connection of a subscription on 13.
const SUBSCRIPTIONS: &str = "SELECT subname::text AS name, subenabled AS enabled, \
     EXISTS (SELECT FROM pg_stat_subscription AS worker WHERE worker.subname = subscription.subname \
         AND worker.pid IS NOT NULL AND worker.relid IS NULL) AS applies \
     FROM pg_subscription AS subscription WHERE NOT pg_is_in_recovery() ORDER BY subname";

const HAS_ERRORS: &str = "SELECT to_regclass('pg_catalog.pg_stat_subscription_stats') IS NOT NULL";

const ERRORS: &str = "SELECT subname::text AS name, apply_error_count AS errors \
     FROM pg_stat_subscription_stats";

/// Why slots cannot be synchronized (manual: Replication Slot Synchronization). A role that must not see
/// `primary_conninfo` does not learn about it.
const SLOT_SYNC: &str = "SELECT array_remove(ARRAY[ \
     CASE WHEN current_setting('hot_standby_feedback') = 'off' THEN 'hot_standby_feedback is off' END, \
     CASE WHEN current_setting('primary_slot_name') = '' THEN 'primary_slot_name is empty' END, \
     (SELECT 'primary_conninfo has no dbname' FROM pg_settings WHERE name = 'primary_conninfo' \
         AND setting !~ '((^|\\s)dbname\\s*=\\s*[^\\s]|^postgres(ql)?://[^?]*/[^?\\s])'), \
     CASE WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'slotsync worker') \
         THEN 'no slot sync worker runs' END], NULL) AS causes \
     WHERE pg_is_in_recovery() AND current_setting('sync_replication_slots', true) = 'on'";

const STANDBY_SLOTS: &str = "SELECT array_remove(array_agg( \
     CASE WHEN slot.slot_name IS NULL THEN 'there is no slot ' || wanted.name \
         WHEN NOT slot.active THEN 'slot ' || wanted.name || ' is inactive' END), NULL) AS causes \
     FROM (SELECT trim(both ' \"' FROM item) AS name FROM unnest(string_to_array( \
         current_setting('synchronized_standby_slots', true), ',')) AS item) AS wanted \
     LEFT JOIN pg_replication_slots AS slot \
         ON slot.slot_name = wanted.name AND slot.slot_type = 'physical' \
     WHERE wanted.name <> '' AND NOT pg_is_in_recovery() HAVING count(*) > 0";

/// The session with the oldest transaction. Walsenders and autovacuum are left out.
const OLDEST_TRANSACTION: &str = "SELECT backend_type || ' ' || pid AS holder, \
     greatest(extract(epoch FROM clock_timestamp() - xact_start), 0)::float8 AS age \
     FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() \
     AND backend_type NOT IN ('autovacuum worker', 'walsender') ORDER BY xact_start, pid LIMIT 1";

const OLDEST_PREPARED: &str = "SELECT gid AS holder, \
     greatest(extract(epoch FROM clock_timestamp() - prepared), 0)::float8 AS age \
     FROM pg_prepared_xacts ORDER BY prepared, gid LIMIT 1";

/// Queries everything that [`judge`](super::judge()) judges, in one read-only transaction.
///
/// ```no_run
/// # async fn example(session: &replication_lab::Session) -> replication_lab::Result<()> {
/// use replication_lab::health::{Expected, Severity, Thresholds, judge, observe, worst};
/// let findings = judge(&observe(session).await?, &Thresholds::default(), &Expected::default());
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
        system: Some(end(session).await?.system),
        upstream: None,
        read_only: read(&server, SERVER, "read_only")?,
        sees_all: read(&server, SERVER, "sees_all")?,
        standbys: stat::replication(session).await?,
        slots: slots(session).await?,
        subscriptions: subscriptions(session).await?,
        slot_sync: causes(session, SLOT_SYNC).await?,
        standby_slots: causes(session, STANDBY_SLOTS).await?,
        synchronous: read(&server, SERVER, "synchronous")?,
        commits: commits(session, read(&server, SERVER, "level")?).await?,
        sender_timeout: span(read(&server, SERVER, "sender_timeout")?),
        archiver: if archives { Some(archiver(session).await?) } else { None },
        replay: replay(session).await?,
        receiver: receiver(session).await?,
        oldest_xmin: oldest_xmin(session).await?,
        oldest_transaction: oldest(session, OLDEST_TRANSACTION).await?,
        oldest_prepared: oldest(session, OLDEST_PREPARED).await?,
    })
}

/// Queries where the WAL of a server ends, so that the lag of its standby can be measured against it.
///
/// # Errors
///
/// The connection broke, or the server refused the query.
pub async fn end(session: &Session) -> Result<End> {
    let sql = format!(
        "SELECT system_identifier, {} AS own_lsn FROM pg_catalog.pg_control_system()",
        stat::queries::OWN
    );
    let row = one(session, &sql).await?;
    Ok(End { system: read(&row, &sql, "system_identifier")?, lsn: read(&row, &sql, "own_lsn")? })
}

/// Returns the slots, with what the logical ones have spilled.
async fn slots(session: &Session) -> Result<Vec<Slot>> {
    let mut slots = stat::slots(session).await?;
    for (name, bytes) in stat::queries::spilled(session).await? {
        for slot in slots.iter_mut().filter(|slot| slot.slot_name == name) {
            slot.spilled = Some(bytes);
        }
    }
    Ok(slots)
}

async fn subscriptions(session: &Session) -> Result<Vec<Subscription>> {
    let read = |row: &Row| {
        Ok(Subscription {
            name: read(row, SUBSCRIPTIONS, "name")?,
            enabled: read(row, SUBSCRIPTIONS, "enabled")?,
            applies: read(row, SUBSCRIPTIONS, "applies")?,
            errors: None,
        })
    };
    let rows = session.rows_unrecorded(SUBSCRIPTIONS).await?;
    let mut subscriptions = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    if !subscriptions.is_empty() && session.value_unrecorded::<bool>(HAS_ERRORS).await? {
        for row in session.rows_unrecorded(ERRORS).await? {
            let (name, errors): (String, i64) =
                (self::read(&row, ERRORS, "name")?, self::read(&row, ERRORS, "errors")?);
            for one in subscriptions.iter_mut().filter(|one| one.name == name) {
                one.errors = Some(errors.unsigned_abs());
            }
        }
    }
    Ok(subscriptions)
}

/// Returns why something cannot work; null where it is not set.
async fn causes(session: &Session, sql: &str) -> Result<Option<Vec<String>>> {
    let rows = session.rows_unrecorded(sql).await?;
    rows.first().map(|row| read(row, sql, "causes")).transpose()
}

async fn commits(session: &Session, level: String) -> Result<Commits> {
    let row = one(session, WAITING).await?;
    let sessions: i64 = read(&row, WAITING, "sessions")?;
    let longest: Option<f64> = read(&row, WAITING, "longest")?;
    Ok(Commits { level, sessions: sessions.unsigned_abs(), longest: longest.map(span) })
}

async fn archiver(session: &Session) -> Result<Archiver> {
    let row = one(session, ARCHIVER).await?;
    let archiver = Archiver {
        failing: read(&row, ARCHIVER, "failing")?,
        has_no_command: read(&row, ARCHIVER, "has_no_command")?,
        ..Archiver::default()
    };
    if !session.value_unrecorded::<bool>(MAY_LIST).await? {
        return Ok(archiver);
    }
    let row = one(session, ARCHIVE).await?;
    let waiting: i64 = read(&row, ARCHIVE, "waiting")?;
    let oldest: Option<f64> = read(&row, ARCHIVE, "oldest")?;
    Ok(Archiver { waiting: Some(waiting.unsigned_abs()), oldest: oldest.map(span), ..archiver })
}

async fn replay(session: &Session) -> Result<Option<Replay>> {
    let rows = session.rows_unrecorded(REPLAY).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let since: Option<f64> = read(row, REPLAY, "since_transaction")?;
    Ok(Some(Replay {
        received: read(row, REPLAY, "received")?,
        replayed: read(row, REPLAY, "replayed")?,
        paused: read(row, REPLAY, "paused")?,
        // A role without pg_read_all_settings sees no row for primary_conninfo.
        has_upstream: read(row, REPLAY, "has_upstream")?,
        waits_for: read(row, REPLAY, "waits_for")?,
        since_transaction: since.map(span),
        delay: span(read(row, REPLAY, "delay")?),
    }))
}

async fn receiver(session: &Session) -> Result<Option<Receiver>> {
    let rows = session.rows_unrecorded(RECEIVER).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (since_end, silence): (Option<f64>, Option<f64>) =
        (read(row, RECEIVER, "since_end")?, read(row, RECEIVER, "silence")?);
    Ok(Some(Receiver {
        status: read(row, RECEIVER, "status")?,
        latest_end: read(row, RECEIVER, "latest_end_lsn")?,
        since_end: since_end.map(span),
        silence: silence.map(span),
        timeout: span(read(row, RECEIVER, "timeout")?),
    }))
}

/// Returns the holder of something old, and its age.
async fn oldest(session: &Session, sql: &str) -> Result<Option<(String, Duration)>> {
    let rows = session.rows_unrecorded(sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some((read(row, sql, "holder")?, span(read(row, sql, "age")?))))
}

/// Reads seconds; a negative number, from clocks that differ, is none.
fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
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
