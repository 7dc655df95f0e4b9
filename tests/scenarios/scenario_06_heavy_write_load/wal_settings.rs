//! What a WAL setting changes, as the server counts it: checkpoints that WAL has requested, WAL that is
//! not flushed yet, syncs of WAL. Nothing here changes a setting.

use std::sync::Arc;
use std::time::Instant;

use replication_lab::record::Reading;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::workload::orders;
use replication_lab::{Cluster, Node, Proof, Result, Session, Writers};

use crate::steps::repeat::times;
use crate::steps::wal::next_wal_file;
use crate::support::Lab;

/// How the line of the log of a checkpoint begins; the causes follow.
const STARTS: &str = "checkpoint starting:";

/// Kills the walwriter. The session that runs it ends with the other ones.
const KILL: &str = "COPY (SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter') \
                    TO PROGRAM 'read pid && kill -KILL $pid'";

/// A small write for a WAL file of its own.
const SMALL: &str = "INSERT INTO packed VALUES ((SELECT max(id) FROM packed) + 1, 0, '')";

/// Tells whether WAL is inserted and not flushed yet.
pub(super) const UNFLUSHED: &str =
    "SELECT pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()";

/// Fills six WAL files, 96 MB. A switch to the next file counts as a whole file.
pub(super) async fn six_wal_files(writer: &Session) -> Result<()> {
    times(6, |_| next_wal_file(writer, SMALL)).await.map(drop)
}

/// Counts the checkpoints in a server's log, from `bytes` on, that WAL has requested.
pub(super) async fn requested_by_wal(node: &Node, bytes: usize) -> Result<u64> {
    let log = node.log().await?;
    let new = log.get(bytes..).unwrap_or_default();
    let causes = new.lines().filter_map(|line| line.split_once(STARTS));
    Ok(causes.filter(|(_, causes)| causes.split_whitespace().any(|cause| cause == "wal")).count()
        as u64)
}

/// Waits until a server logs that a checkpoint which WAL has requested starts.
pub(super) async fn wait_for_checkpoint_by_wal(node: &Node, bytes: usize) -> Result<()> {
    node.wait_for_log_since(bytes, &format!("{STARTS} wal")).await.map(drop)
}

/// Waits until the view of this version counts more than `before` requested checkpoints.
pub(super) async fn wait_for_requested(lab: &Lab, looker: &Session, before: u64) -> Result<u64> {
    until(&format!("more than {before} checkpoints are requested"), PATIENCE, || async {
        Ok(match requested(lab, looker).await? {
            more if more > before => Seen::Done(more),
            seen => Seen::NotYet(format!("{seen} are")),
        })
    })
    .await
}

/// Returns how many checkpoints were requested, by WAL or by CHECKPOINT: up to 16 `pg_stat_bgwriter`
/// counts them, from 17 on `pg_stat_checkpointer`.
pub(super) async fn requested(lab: &Lab, looker: &Session) -> Result<u64> {
    let sql = match lab.major() {
        ..17 => "SELECT checkpoints_req FROM pg_stat_bgwriter",
        _ => "SELECT num_requested FROM pg_stat_checkpointer",
    };
    looker.count(sql).await
}

/// Kills the walwriter (SIGKILL): the server then loses its shared memory, with the WAL in it that is not
/// written yet, and recovers. Returns a session once it has recovered.
pub(super) async fn lose_shared_memory(node: &Node) -> Result<Session> {
    let before = node.log().await?.len();
    // The statement may be answered, or its session ends first; the log shows that the walwriter is gone.
    let _ = node.session().await?.run(KILL).await;
    node.wait_for_log_since(before, "database system is ready to accept connections").await?;
    until("the server takes connections", PATIENCE, || async {
        Ok(Seen::Done(node.session().await?))
    })
    .await
}

/// Places orders with eight writers until `acks` are acked; notes the figures under `what`, and returns the
/// fact that no order is lost.
pub(super) async fn place(
    lab: &Lab,
    cluster: &Arc<Cluster>,
    acks: u64,
    what: &str,
) -> Result<Proof> {
    let looker = cluster.primary().session_unrecorded().await?;
    looker.run("TRUNCATE orders RESTART IDENTITY").await?;
    let (before, began) = (syncs(lab, &looker).await?, Instant::now());
    let writers = Writers::start(cluster, 8);
    writers.wait_for_acks(acks).await?;
    let (acked, took) = (writers.acked(), began.elapsed());
    let ledger = writers.stop().await?;
    lab.key_figure(&format!("orders, {what}"), Reading::rate(acked, took, "orders"));
    if let (Some(before), Some(after)) = (before, syncs(lab, &looker).await?) {
        let each = (after - before) * 1000 / acked.max(1);
        let name = format!("syncs of WAL for 1000 orders, {what}");
        lab.key_figure(&name, Reading::Count(each));
    }
    let wrong: u64 = ledger.compare(orders(&looker).await?).wrong().iter().sum();
    let name = format!("orders lost, unexpected or duplicated, {what}");
    Ok(lab.must_be(&name, wrong, 0_u64))
}

/// Returns how often WAL was synced, in the versions that count it: from 14 on in `pg_stat_wal`, from 18
/// on in `pg_stat_io`.
async fn syncs(lab: &Lab, looker: &Session) -> Result<Option<u64>> {
    let sql = match lab.major() {
        ..14 => return Ok(None),
        14..18 => "SELECT wal_sync FROM pg_stat_wal",
        _ => "SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal'",
    };
    looker.count(sql).await.map(Some)
}
