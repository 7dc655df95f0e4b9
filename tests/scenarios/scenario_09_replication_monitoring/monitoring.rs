//! What scenario 09 asks and does, apart from what it says about it: questions with one line for an
//! answer, and ways to bring an alert about.

use std::time::Duration;

use replication_lab::health::{Levels, Severity, Thresholds};
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Cluster, Fault, Node, Result, Session, stat};

use super::alerts::Judges;
use crate::steps::repeat::times;

pub(super) const DASHBOARD: &str = "SELECT role || ', timeline ' || timeline || ': ' || \
     CASE role WHEN 'primary' THEN streaming || ' streams, ' || idle_slots || ' idle slots' \
     ELSE 'receiver ' || receiver END || \
     CASE WHEN critical + warning + info = 0 THEN ', no alert' ELSE ', alerts' END \
     FROM replication_dashboard";
pub(super) const SLOTS: &str = "SELECT slot_name || ' ' || slot_type || ', used by ' || used_by || ', ' || wal_status \
     FROM slot_health";
pub(super) const WAL: &str = "SELECT CASE WHEN files > 0 AND bytes > 0 THEN 'files' END || \
     CASE WHEN archive_waiting IS NULL THEN ', not archived' ELSE ', archived' END \
     FROM wal_statistics";
pub(super) const STANDBY: &str = "SELECT 'hears ' || CASE WHEN hears THEN 'yes' ELSE 'no' END || \
     CASE WHEN not_received_bytes < 1000000 AND not_replayed_bytes < 1000000 \
     THEN ', is not behind' ELSE ', is behind' END \
     FROM standby_health";
pub(super) const HISTORY: &str = "SELECT count(*) || ' times: ' || standby || ' ' || state || ', worst ' || worst \
     FROM replication_history GROUP BY standby, state, worst";
pub(super) const HOLDER: &str = "SELECT regexp_replace(holder, ' [0-9]+$', '') FROM old_transactions \
     ORDER BY xmin_age DESC LIMIT 1";

/// The text that a query gives, or that it gives none.
pub(super) async fn line(session: &Session, sql: &str) -> Result<String> {
    session.value(&format!("SELECT coalesce(({sql}), 'none')")).await
}

/// WAL of about this many bytes, of which a standby makes nothing.
pub(super) fn message(bytes: u64) -> String {
    format!("SELECT pg_logical_emit_message(false, 'lab', repeat('x', {bytes}))")
}

/// Has the archiver run this command, and gives it something to do.
pub(super) async fn archive(primary: &Node, command: &str) -> Result<()> {
    primary.set("archive_command", command).await?;
    fill(&primary.session().await?, 1).await
}

/// Sets the synchronous rule.
pub(super) async fn rule(primary: &Node, names: &str) -> Result<()> {
    primary.set("synchronous_standby_names", names).await
}

/// Begins a transaction in `old`, lets ten others go by, and waits for the alert.
pub(super) async fn held(judges: &Judges, writer: &Session, old: &Session) -> Result<String> {
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM replication_thresholds")
        .await?;
    times(10, |_| writer.run("SELECT txid_current()")).await?;
    judges.say("oldest_xmin", "", Severity::Warning).await
}

/// Waits until a query gives this count.
pub(super) async fn wait_for_count(session: &Session, sql: &str, expected: u64) -> Result<()> {
    until(&format!("{sql} gives {expected}"), PATIENCE, || async {
        let count = session.count(sql).await?;
        let other = Seen::NotYet(count.to_string());
        Ok(if count == expected { Seen::Done(()) } else { other })
    })
    .await
}

/// Fills the rest of a WAL file and begins the next one, so many times.
pub(super) async fn fill(writer: &Session, files: u64) -> Result<()> {
    times(files, |_| async {
        writer.run("SELECT pg_switch_wal()").await?;
        writer.run("SELECT pg_create_restore_point('next')").await
    })
    .await
    .map(drop)
}

/// The `wal_status` of the slot.
pub(super) async fn status(writer: &Session) -> Result<String> {
    Ok(stat::slot(writer, "standby1").await?.wal_status.unwrap_or_default())
}

/// The usual thresholds, with a lag that a moment of writing exceeds.
pub(super) fn low_lag() -> Thresholds {
    let lag = Levels { info: Some(10_000), warning: 100_000, critical: 1_000_000 };
    Thresholds { lag, ..Thresholds::default() }
}

/// The usual thresholds, with an archive that must not be late by one file, and a transaction that must
/// not be the sixth last.
pub(super) fn impatient() -> Thresholds {
    let levels = |warning, critical| Levels { info: None, warning, critical };
    let (archive_waiting, oldest_xmin) = (levels(0, 100), levels(5, 1_000));
    Thresholds { archive_waiting, oldest_xmin, ..Thresholds::default() }
}

/// The usual thresholds, with slots that may hold back as much as a WAL file, and no more: wherever in a
/// file they stand, filling it is a warning, and filling the next one is critical.
pub(super) fn tidy() -> Thresholds {
    let slot_retained = Levels { info: None, warning: 100_000, critical: 17_000_000 };
    Thresholds { slot_retained, ..Thresholds::default() }
}

/// What checks ask that are often seen: is everything replayed that was received?
pub(super) const USUAL_BYTES: &str = "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()";
const USUAL_TIME: &str = "SELECT now() - pg_last_xact_replay_timestamp() > '1 second'";
pub(super) const USUAL_LAG: &str = "SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), 0)::bigint \
     FROM pg_stat_replication";

/// Waits until nothing was replayed for more than a second.
pub(super) async fn wait_for_idleness(reader: &Session) -> Result<bool> {
    until("the last replayed transaction is more than a second ago", PATIENCE, || async {
        let is_old: bool = reader.value(USUAL_TIME).await?;
        Ok(if is_old { Seen::Done(is_old) } else { Seen::NotYet("it is not".to_owned()) })
    })
    .await
}

/// Lets the standby connect anew over a slow network, and cuts that while its walsender starts up.
pub(super) async fn held_at_the_start(pair: &Cluster, writer: &Session) -> Result<Fault> {
    const STARTING: &str = "SELECT count(*) FROM pg_stat_replication \
         WHERE state = 'startup' AND sent_lsn IS NULL";
    let link = pair.link("standby1")?;
    let slow = link.delay(Duration::from_millis(500));
    link.reset();
    wait_for_count(writer, STARTING, 1).await?;
    let cut = link.cut();
    drop(slow);
    Ok(cut)
}
