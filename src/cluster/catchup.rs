//! Waits for a standby to replay what its upstream had written: an LSN barrier, as in PostgreSQL's
//! own tests. WAL that is written after the barrier is not waited for.

use crate::error::Result;
use crate::session::Session;
use crate::stat;
use crate::wait::{PATIENCE, Seen, until};
use crate::wal::Lsn;

/// Waits until `standby` has replayed all WAL that `primary` has written so far, and returns the
/// position it has reached. The bytes not yet replayed are then 0, as long as no client writes.
///
/// # Errors
///
/// A server does not answer, or the standby does not replay it within [`PATIENCE`].
pub async fn wait_for_catchup(primary: &Session, standby: &Session) -> Result<Lsn> {
    let barrier: Lsn = primary.value_unrecorded("SELECT pg_current_wal_lsn()").await?;
    wait_for_replay(standby, barrier).await
}

/// Waits until `standby` has replayed up to `barrier`, and returns the position it has reached.
///
/// # Errors
///
/// The standby does not reach the barrier within [`PATIENCE`]: the error has the position it
/// reached.
pub async fn wait_for_replay(standby: &Session, barrier: Lsn) -> Result<Lsn> {
    until(&format!("the standby has replayed {barrier}"), PATIENCE, || async {
        let replayed: Option<Lsn> =
            standby.value_unrecorded("SELECT pg_last_wal_replay_lsn()").await?;
        Ok(match replayed {
            Some(replayed) if replayed >= barrier => Seen::Done(replayed),
            Some(replayed) => Seen::NotYet(format!("replayed up to {replayed}")),
            None => Seen::NotYet("no WAL replayed".to_owned()),
        })
    })
    .await
}

/// Waits until `standby` has replayed the record that begins at `record`, and returns the position
/// it has reached: the end of that record, when it is the last one.
///
/// # Errors
///
/// As those of [`wait_for_replay`].
pub async fn wait_for_replay_of(standby: &Session, record: Lsn) -> Result<Lsn> {
    wait_for_replay(standby, Lsn::from(u64::from(record).saturating_add(1))).await
}

/// Waits until this standby has reported to `upstream` that it has replayed everything, and returns
/// its row: the view of the upstream, too, then shows a lag of 0 bytes.
///
/// # Errors
///
/// The standby does not stream without lag within [`PATIENCE`]: the error has its row.
pub async fn wait_for_no_lag(upstream: &Session, standby: &str) -> Result<stat::Replication> {
    until(&format!("{standby} has 0 bytes of lag"), PATIENCE, || async {
        Ok(match stat::replication_to(upstream, standby).await? {
            Some(row) if row.state == "streaming" && row.lag() == Some(0) => Seen::Done(row),
            seen => Seen::NotYet(format!("in pg_stat_replication: {seen:?}")),
        })
    })
    .await
}

/// Waits until every one of `standbys` streams from the server of this session.
///
/// # Errors
///
/// One of them does not stream within [`PATIENCE`]: the error has all rows of
/// `pg_stat_replication`.
pub async fn wait_for_streaming(upstream: &Session, standbys: &[&str]) -> Result<()> {
    until(&format!("{} streams", standbys.join(", ")), PATIENCE, || async {
        let there = stat::replication(upstream).await?;
        let streams = |name: &&str| {
            there.iter().any(|row| row.application_name == **name && row.state == "streaming")
        };
        Ok(match standbys.iter().all(streams) {
            true => Seen::Done(()),
            false => Seen::NotYet(format!("in pg_stat_replication: {there:?}")),
        })
    })
    .await
}

/// Waits until the primary's `synchronous_standby_names` is in effect: at least one streaming
/// standby counts as synchronous.
///
/// # Errors
///
/// No standby counts as synchronous within [`PATIENCE`]: the error has all rows of
/// `pg_stat_replication`.
pub async fn wait_for_sync(primary: &Session) -> Result<()> {
    until("a standby counts as synchronous", PATIENCE, || async {
        let there = stat::replication(primary).await?;
        let counts = |row: &stat::Replication| {
            row.state == "streaming" && ["sync", "quorum"].contains(&row.sync_state.as_str())
        };
        Ok(match there.iter().any(counts) {
            true => Seen::Done(()),
            false => Seen::NotYet(format!("in pg_stat_replication: {there:?}")),
        })
    })
    .await
}
