//! What raises each alert: lag, a failing archiver, a missing synchronous standby, an old transaction, full
//! WAL segments, a walsender that starts up; and thresholds low enough to see it. Nothing here judges.

use std::time::Duration;

use replication_lab::health::{Levels, Severity, Thresholds};
use replication_lab::{Cluster, Fault, Node, Proof, Result, Session, stat};

use super::judges::Judges;
use super::questions::wait_for_count;
use crate::steps::repeat::times;

/// Returns a statement that writes about this many bytes of WAL and changes no table.
pub(super) fn message(bytes: u64) -> String {
    format!("SELECT pg_logical_emit_message(false, 'lab', repeat('x', {bytes}))")
}

/// Sets `archive_command`, and fills a WAL segment for it.
pub(super) async fn archive(primary: &Node, command: &str) -> Result<()> {
    primary.set("archive_command", command).await?;
    fill(&primary.session().await?, 1).await
}

/// Sets `synchronous_standby_names`.
pub(super) async fn rule(primary: &Node, names: &str) -> Result<()> {
    primary.set("synchronous_standby_names", names).await
}

/// Begins a transaction in `old`, lets ten others commit, and waits for the alert.
pub(super) async fn held(
    judges: &Judges<'_>,
    writer: &Session,
    old: &Session,
    when: &str,
) -> Result<Proof> {
    old.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM replication_thresholds")
        .await?;
    times(10, |_| writer.run("SELECT txid_current()")).await?;
    judges.judge("oldest_xmin", "", Severity::Warning, when).await
}

/// Switches to the next WAL segment and writes its first record, `files` times.
pub(super) async fn fill(writer: &Session, files: u64) -> Result<()> {
    times(files, |_| async {
        writer.run("SELECT pg_switch_wal()").await?;
        writer.run("SELECT pg_create_restore_point('next')").await
    })
    .await
    .map(drop)
}

/// Returns the `wal_status` of the slot of `standby1`.
pub(super) async fn status(writer: &Session) -> Result<String> {
    Ok(stat::slot(writer, "standby1").await?.wal_status.unwrap_or_default())
}

/// Returns the default thresholds with low levels for lag.
pub(super) fn low_lag() -> Thresholds {
    let lag = Levels { info: Some(10_000), warning: 100_000, critical: 1_000_000 };
    Thresholds { lag, flush: lag, ..Thresholds::default() }
}

/// Returns the default thresholds with a WARNING from the first WAL file that waits to be archived, and
/// from an xmin that is six transactions old.
pub(super) fn low_archive_and_xmin() -> Thresholds {
    let levels = |warning, critical| Levels { info: None, warning, critical };
    let (archive_waiting, oldest_xmin) = (levels(0, 100), levels(5, 1_000));
    Thresholds { archive_waiting, oldest_xmin, ..Thresholds::default() }
}

/// Returns the default thresholds with low levels for retained WAL: wherever in a 16 MB segment a slot
/// stands, one more segment is a WARNING and two are CRITICAL.
pub(super) fn low_retained() -> Thresholds {
    let slot_retained = Levels { info: None, warning: 100_000, critical: 17_000_000 };
    Thresholds { slot_retained, ..Thresholds::default() }
}

/// Makes the standby reconnect over a delayed link, and cuts the link while its walsender starts up.
pub(super) async fn held_at_the_start(pair: &Cluster, writer: &Session) -> Result<Fault> {
    const STARTING: &str = "SELECT count(*) FROM pg_stat_replication \
         WHERE state = 'startup' AND sent_lsn IS NULL";
    let link = pair.link("standby1")?;
    let delay = link.delay(Duration::from_millis(500));
    link.reset();
    wait_for_count(writer, STARTING, 1).await?;
    let cut = link.cut();
    drop(delay);
    Ok(cut)
}
