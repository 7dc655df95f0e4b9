//! Waiting until a standby has replayed what its upstream had written: an LSN barrier, as in
//! PostgreSQL's own tests. It never looks at lag that comes after the barrier.

use crate::error::Result;
use crate::session::Session;
use crate::stat;
use crate::wait::{PATIENCE, Seen, until};
use crate::wal::Lsn;

/// Waits until `standby` has replayed all that `primary` has written by now, and gives the position
/// it has reached. The bytes not yet replayed are then 0, as long as nobody writes.
pub async fn wait_for_catchup(primary: &Session, standby: &Session) -> Result<Lsn> {
    let barrier: Lsn = primary.value_unrecorded("SELECT pg_current_wal_lsn()").await?;
    wait_for_replay(standby, barrier).await
}

/// Waits until `standby` has replayed up to `barrier`, and gives the position it has reached.
pub async fn wait_for_replay(standby: &Session, barrier: Lsn) -> Result<Lsn> {
    until(&format!("the standby has replayed {barrier}"), PATIENCE, || async {
        let replayed: Option<Lsn> =
            standby.value_unrecorded("SELECT pg_last_wal_replay_lsn()").await?;
        Ok(match replayed {
            Some(replayed) if replayed >= barrier => Seen::Done(replayed),
            Some(replayed) => Seen::NotYet(format!("replayed up to {replayed}")),
            None => Seen::NotYet("nothing replayed at all".to_owned()),
        })
    })
    .await
}

/// Waits until `standby` has replayed the record that begins at `record`, and gives the position it
/// has reached: the end of that record, when it is the last one.
pub async fn wait_for_replay_of(standby: &Session, record: Lsn) -> Result<Lsn> {
    wait_for_replay(standby, Lsn::from(u64::from(record).saturating_add(1))).await
}

/// Waits until `upstream` has heard from this standby that it has replayed everything: the lag is 0
/// bytes there too.
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

/// Waits until the primary's synchronous rule is in effect: somebody who streams counts.
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
