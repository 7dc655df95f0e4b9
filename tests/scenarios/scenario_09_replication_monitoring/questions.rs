//! The questions of scenario 09: queries of its views with one line for an answer, and the usual checks.
//! Nothing here changes a server.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Result, Session};

pub(super) const DASHBOARD: &str = "SELECT role || ', timeline ' || timeline || ': ' || \
     CASE role WHEN 'primary' THEN 'standbys that stream: ' || streaming || ', inactive slots: ' || idle_slots \
     ELSE 'receiver ' || receiver END || \
     CASE WHEN critical + warning + info = 0 THEN ', no alert' ELSE ', alerts' END \
     FROM replication_dashboard";
pub(super) const SLOTS: &str = "SELECT slot_name || ' ' || slot_type || ', used by ' || used_by || ', ' || wal_status \
     FROM slot_health";
pub(super) const WAL: &str = "SELECT 'WAL files on disk: ' || CASE WHEN files > 0 AND bytes > 0 THEN 'yes' ELSE 'no' END || \
     ', archiving: ' || CASE WHEN archive_waiting IS NULL THEN 'no' ELSE 'yes' END \
     FROM wal_statistics";
pub(super) const STANDBY: &str = "SELECT 'the walreceiver hears from its upstream: ' || CASE WHEN hears THEN 'yes' ELSE 'no' END || \
     ', less than 1 MB behind: ' || \
     CASE WHEN not_received_bytes < 1000000 AND not_replayed_bytes < 1000000 \
     THEN 'yes' ELSE 'no' END \
     FROM standby_health";
pub(super) const HISTORY: &str = "SELECT 'rows: ' || count(*) || ', standby: ' || standby || ', state: ' || state || \
     ', worst severity: ' || worst \
     FROM replication_history GROUP BY standby, state, worst";
pub(super) const HOLDER: &str = "SELECT regexp_replace(holder, ' [0-9]+$', '') FROM old_transactions \
     ORDER BY xmin_age DESC LIMIT 1";

/// Returns the text of a query's only row; `none` without a row.
pub(super) async fn line(session: &Session, sql: &str) -> Result<String> {
    session.value(&format!("SELECT coalesce(({sql}), 'none')")).await
}

/// Waits until a query returns this count.
pub(super) async fn wait_for_count(session: &Session, sql: &str, expected: u64) -> Result<()> {
    until(&format!("{sql} returns {expected}"), PATIENCE, || async {
        let count = session.count(sql).await?;
        let other = Seen::NotYet(count.to_string());
        Ok(if count == expected { Seen::Done(()) } else { other })
    })
    .await
}

/// A usual check on a standby: whether everything that was received is replayed.
pub(super) const USUAL_BYTES: &str = "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()";
/// A usual check on a standby, with a threshold of a second.
const USUAL_TIME: &str = "SELECT now() - pg_last_xact_replay_timestamp() > '1 second'";
/// A usual check on a primary: the largest lag of its standbys.
pub(super) const USUAL_LAG: &str = "SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), 0)::bigint \
     FROM pg_stat_replication";

/// Waits until the last replayed transaction is more than a second old.
pub(super) async fn wait_for_idleness(reader: &Session) -> Result<bool> {
    until("the last replayed transaction is more than a second ago", PATIENCE, || async {
        let is_old: bool = reader.value(USUAL_TIME).await?;
        Ok(if is_old { Seen::Done(is_old) } else { Seen::NotYet("it is not".to_owned()) })
    })
    .await
}
