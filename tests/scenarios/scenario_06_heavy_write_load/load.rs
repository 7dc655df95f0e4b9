//! Load on a cluster, the lag of its standbys, and what a statement costs in WAL. Nothing here judges a
//! figure.

use std::time::{Duration, Instant};

use replication_lab::catchup::{wait_for_catchup, wait_for_no_lag};
use replication_lab::pgbench::{self, Report};
use replication_lab::record::Reading;
use replication_lab::sampler::STEP;
use replication_lab::topology::PRIMARY;
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{Cluster, Proof, Result, Sampler, Samples, Session, Topology, stat};

use crate::steps::bounds::{must_be_sampled, must_be_the_work_of};
use crate::steps::repeat::quantiles;
use crate::support::Lab;

/// What a load showed.
pub(super) struct Loaded {
    /// The lag in bytes once the standby had replayed everything.
    pub(super) afterwards: Option<u64>,
    /// The difference between pgbench's count and the rows of its history on the primary.
    pub(super) missing_on_primary: u64,
    /// The difference between pgbench's count and the rows of its history on the standby.
    pub(super) missing_on_standby: u64,
    /// The transactions that failed.
    pub(super) failed: u64,
}

/// Runs pgbench on the primary of a pair, samples the standby's lag meanwhile, and notes figures.
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
    must_be_the_work_of(lab, clients, &report);
    must_be_sampled(lab, &seen, took);
    lab.key_figure("WAL written", Reading::rate(written, took, "bytes"));
    lab.measure("WAL written over time", seen.wal_rate("standby1", TENTH));
    lag(lab, &seen);
    lab.measure("from the end of the load until the standby had replayed it", caught_up);
    let expected = before + report.transactions;
    Ok(Loaded {
        afterwards: last.lag(),
        missing_on_primary: history(&writer).await?.abs_diff(expected),
        missing_on_standby: history(&reader).await?.abs_diff(expected),
        failed: report.failed,
    })
}

/// Starts a cluster of this shape, runs pgbench on its primary, and notes its throughput. Notes and asserts,
/// once the standbys have caught up, by how many rows each server's history differs from pgbench's count:
/// `none` is what that must be. Stops the cluster, so that it takes nothing from the next one.
pub(super) async fn price(lab: &Lab, shape: &str, topology: Topology, none: &str) -> Result<Proof> {
    let cluster = lab.start(topology).await?;
    pgbench::initialise(cluster.primary(), lab.scaled(1)).await?;
    let report = pgbench::run(cluster.primary(), 4, lab.scaled(2)).await?;
    must_be_the_work_of(lab, 4, &report);
    let tps = Reading::Rate(report.tps, "transactions".to_owned());
    lab.key_figure(&format!("throughput with {shape}"), tps);
    lab.measure(&format!("mean latency of a transaction with {shape}"), report.latency);
    let (writer, mut seen) = (cluster.primary().session_unrecorded().await?, Vec::new());
    for node in cluster.nodes() {
        let reader = node.session_unrecorded().await?;
        if node.name() != PRIMARY {
            wait_for_catchup(&writer, &reader).await?;
        }
        let missing = history(&reader).await?.abs_diff(report.transactions);
        seen.push(format!("{}: {missing}", node.name()));
    }
    let name = format!("difference between pgbench's count and its history, with {shape}");
    let proof = lab.must_be(&name, seen.join(", "), none);
    lab.stop(cluster).await?;
    Ok(proof)
}

/// Runs a statement, and returns the lag of `standby1` right after it, in bytes.
pub(super) async fn lag_after(writer: &Session, sql: &str) -> Result<u64> {
    writer.run(sql).await?;
    let row = stat::replication_to(writer, "standby1").await?;
    Ok(row.and_then(|row| row.lag()).unwrap_or(0))
}

/// What a change of every row of a table cost.
pub(super) struct Cost {
    /// Full-page images in its WAL.
    pub(super) images: u64,
    /// Bytes of its WAL.
    pub(super) bytes: u64,
    /// How many of the updates were HOT.
    pub(super) hot: u64,
}

/// Changes every row of a table, notes the WAL per row under the name `what`, and returns the cost.
pub(super) async fn wal_of(
    lab: &Lab,
    writer: &Session,
    table: &str,
    rows: u64,
    what: &str,
) -> Result<Cost> {
    let sql = format!(
        "SELECT images, bytes, hot FROM wal_of('UPDATE {table} SET changed = changed + 1')"
    );
    let seen = writer.rows(&sql).await?;
    let [images, bytes, hot] = ["images", "bytes", "hot"]
        .map(|column| seen.first().map_or(0, |row| row.get::<_, i64>(column).unsigned_abs()));
    lab.key_figure(&format!("WAL per row: {what}"), Reading::Bytes(bytes / rows));
    let header = "is there at least the header of a WAL record, 24 bytes, for each row";
    lab.must_be(header, bytes >= rows * 24, true);
    Ok(Cost { images, bytes, hot })
}

/// The step of the WAL rate over time: a tenth of a second shows that WAL comes in bursts.
pub(super) const TENTH: Duration = Duration::from_millis(100);

/// The number of transactions in pgbench's history.
pub(super) async fn history(session: &Session) -> Result<u64> {
    session.count("SELECT count(*) FROM pgbench_history").await
}

fn throughput(lab: &Lab, report: &Report) {
    let tps = Reading::Rate(report.tps, "transactions".to_owned());
    lab.key_figure("throughput", tps);
    lab.measure("transactions per second over time", report.tps_over_time());
    lab.measure("mean latency of a transaction", report.latency);
}

/// Notes the lag of `standby1` in bytes, and `replay_lag`: the mean, the 95th percentile and the largest of
/// the samples.
pub(super) fn lag(lab: &Lab, seen: &Samples) {
    let bytes: Vec<_> = seen.of("standby1").filter_map(|(_, row)| row.lag()).collect();
    let [most, largest] = quantiles(&bytes, [0.95, 1.0]);
    lab.measure("lag, mean", Reading::Bytes(mean(&bytes)));
    lab.measure("lag, 95th percentile", Reading::Bytes(most));
    lab.key_figure("lag, largest", Reading::Bytes(largest));
    lab.measure("lag over time", seen.lag("standby1"));
    let times = seen.of("standby1").filter_map(|(_, row)| row.replay_lag);
    let micros: Vec<_> =
        times.map(|lag| u64::try_from(lag.as_micros()).unwrap_or(u64::MAX)).collect();
    let [most, longest] = quantiles(&micros, [0.95, 1.0]).map(Duration::from_micros);
    lab.measure("replay_lag, mean", Duration::from_micros(mean(&micros)));
    lab.measure("replay_lag, 95th percentile", most);
    lab.measure("replay_lag, longest", longest);
}

fn mean(values: &[u64]) -> u64 {
    values.iter().sum::<u64>() / (values.len() as u64).max(1)
}
