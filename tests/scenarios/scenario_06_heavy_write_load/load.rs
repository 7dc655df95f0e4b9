//! Load on a pair, and what it did to the standby: what scenarios measure under load. Nothing here
//! judges a figure.

use std::time::{Duration, Instant};

use replication_lab::catchup::{wait_for_catchup, wait_for_no_lag};
use replication_lab::pgbench::{self, Report};
use replication_lab::record::Reading;
use replication_lab::sampler::STEP;
use replication_lab::topology::PRIMARY;
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{Cluster, Result, Sampler, Samples, Session, Topology, stat};

use crate::steps::repeat::quantiles;
use crate::support::Lab;

/// What a load showed.
pub(super) struct Loaded {
    /// The lag once the standby had everything.
    pub(super) afterwards: Option<u64>,
    /// By how many rows pgbench's history is not what it counted: on the primary, on the standby.
    pub(super) amiss: [u64; 2],
    /// The transactions that failed.
    pub(super) failed: u64,
}

/// Lets pgbench run on the primary of a pair while the standby's lag is sampled, and notes figures.
pub(super) async fn load(lab: &Lab, pair: &Cluster, clients: u64) -> Result<Loaded> {
    let writer = pair.primary().session_unrecorded().await?;
    let reader = pair.standby()?.session_unrecorded().await?;
    let before = history(&writer).await?;
    let start: Lsn = writer.value("SELECT pg_current_wal_lsn()").await?;
    let sampler = Sampler::start(pair.primary(), STEP).await?;
    let began = Instant::now();
    let report = pgbench::run(pair.primary(), clients, lab.scaled(2)).await?;
    let took = began.elapsed();
    let written = bytes_between(start, writer.value("SELECT pg_current_wal_lsn()").await?);
    let last = wait_for_no_lag(&writer, "standby1").await?;
    let caught_up = began.elapsed().saturating_sub(took);
    let seen = sampler.stop().await?;

    throughput(lab, &report);
    lab.key_figure("WAL written", Reading::rate(written, took, "bytes"));
    lab.measure("WAL written over time", seen.wal_rate("standby1", TENTH));
    lag(lab, &seen);
    lab.measure("from the end of the load until all was replayed", caught_up);
    let expected = before + report.transactions;
    let rows = [history(&writer).await?, history(&reader).await?];
    Ok(Loaded {
        afterwards: last.lag(),
        amiss: rows.map(|rows| rows.abs_diff(expected)),
        failed: report.failed,
    })
}

/// Starts a cluster of this shape, lets pgbench run on its primary, and notes what that reached. Gives
/// by how many rows each node's history is not what was counted, once the standbys have caught up. The
/// cluster is gone then, and takes nothing from the next one.
pub(super) async fn price(lab: &Lab, shape: &str, topology: Topology) -> Result<Vec<u64>> {
    let cluster = lab.start(topology).await?;
    pgbench::initialise(cluster.primary(), lab.scaled(1)).await?;
    let report = pgbench::run(cluster.primary(), 4, lab.scaled(2)).await?;
    let tps = Reading::Rate(report.tps, "transactions".to_owned());
    lab.key_figure(&format!("processed with {shape}"), tps);
    lab.measure(&format!("latency of a transaction with {shape}, average"), report.latency);
    let (writer, mut amiss) = (cluster.primary().session_unrecorded().await?, Vec::new());
    for node in cluster.nodes() {
        let reader = node.session_unrecorded().await?;
        if node.name() != PRIMARY {
            wait_for_catchup(&writer, &reader).await?;
        }
        amiss.push(history(&reader).await?.abs_diff(report.transactions));
    }
    lab.stop(cluster).await?;
    Ok(amiss)
}

/// Runs a statement, and gives the lag of `standby1` then.
pub(super) async fn lag_after(writer: &Session, sql: &str) -> Result<u64> {
    writer.run(sql).await?;
    let row = stat::replication_to(writer, "standby1").await?;
    Ok(row.and_then(|row| row.lag()).unwrap_or(0))
}

/// Changes every row of a table, notes what that costs in WAL, and gives the number of whole pages in
/// it.
pub(super) async fn wal_of(
    lab: &Lab,
    writer: &Session,
    table: &str,
    rows: u64,
    which: &str,
) -> Result<u64> {
    let sql =
        format!("SELECT images, bytes FROM wal_of('UPDATE {table} SET changed = changed + 1')");
    let seen = writer.rows(&sql).await?;
    let [images, bytes] = ["images", "bytes"]
        .map(|column| seen.first().map_or(0, |row| row.get::<_, i64>(column).unsigned_abs()));
    lab.key_figure(&format!("{table}, {which} change of a row"), Reading::Bytes(bytes / rows));
    Ok(images)
}

/// A tenth of a second shows how WAL comes in bursts.
pub(super) const TENTH: Duration = Duration::from_millis(100);

/// How many transactions pgbench's tables say there were.
pub(super) async fn history(session: &Session) -> Result<u64> {
    session.count("SELECT count(*) FROM pgbench_history").await
}

fn throughput(lab: &Lab, report: &Report) {
    let tps = Reading::Rate(report.tps, "transactions".to_owned());
    lab.key_figure("processed", tps);
    lab.measure("transactions per second over time", report.tps_over_time());
    lab.measure("latency of a transaction, average", report.latency);
}

/// Notes the lag of `standby1` in bytes and in time: the mean, what 95 % of the looks did not exceed,
/// and the largest.
pub(super) fn lag(lab: &Lab, seen: &Samples) {
    let bytes: Vec<_> = seen.of("standby1").filter_map(|(_, row)| row.lag()).collect();
    let [most, largest] = quantiles(&bytes, [0.95, 1.0]);
    lab.measure("lag, mean", Reading::Bytes(mean(&bytes)));
    lab.measure("lag, 95 %", Reading::Bytes(most));
    lab.key_figure("lag, largest", Reading::Bytes(largest));
    lab.measure("lag over time", seen.lag("standby1"));
    let times = seen.of("standby1").filter_map(|(_, row)| row.replay_lag);
    let micros: Vec<_> =
        times.map(|lag| u64::try_from(lag.as_micros()).unwrap_or(u64::MAX)).collect();
    let [most, longest] = quantiles(&micros, [0.95, 1.0]).map(Duration::from_micros);
    lab.measure("replay lag, mean", Duration::from_micros(mean(&micros)));
    lab.measure("replay lag, 95 %", most);
    lab.measure("replay lag, longest", longest);
}

fn mean(values: &[u64]) -> u64 {
    values.iter().sum::<u64>() / (values.len() as u64).max(1)
}
