//! The acts of a disaster recovery drill, and the checks after it. The order of the acts, and what the checks
//! must show, is the scenario's to say.

use std::time::{Duration, Instant};

use replication_lab::catchup::{
    wait_for_catchup, wait_for_no_lag, wait_for_streaming, wait_for_sync,
};
use replication_lab::drift::drift;
use replication_lab::health::observe;
use replication_lab::health::{Expected, Severity, Thresholds, judge, worst};
use replication_lab::ledger::Ledger;
use replication_lab::record::Reading;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Cluster, Node, Proof, Result, Session, Shutdown, Writers};

use crate::support::Lab;

/// What a health check expects of the pair: a primary with one standby.
fn whole() -> Expected {
    Expected { in_recovery: Some(false), standbys: Some(1), ..Expected::default() }
}

/// Returns what a health check says of a primary that can be reached.
async fn health(node: &Node) -> Result<Severity> {
    let seen = observe(&node.session_unrecorded().await?).await?;
    Ok(worst(&judge(&seen, &Thresholds::default(), &whole())))
}

/// Repeats a health check of a primary until it has this result, and returns the result.
pub(super) async fn wait_for_health(node: &Node, severity: Severity) -> Result<String> {
    until(&format!("a health check says {severity} of {}", node.name()), PATIENCE, || async {
        match health(node).await {
            Ok(seen) if seen == severity => Ok(Seen::Done(())),
            Ok(seen) => Ok(Seen::NotYet(seen.to_string())),
            // A primary that cannot be reached is critical.
            Err(_) if severity == Severity::Critical => Ok(Seen::Done(())),
            Err(unreached) => Err(unreached),
        }
    })
    .await?;
    Ok(severity.to_string())
}

/// Fences the old primary, promotes the standby, and waits until the new primary has acked an order. Returns
/// the time that the fence took: no server accepts writes meanwhile. (The promotion's own time is no such
/// bound: `pg_promote()` looks every 100 ms, and clients write on the new primary before it returns.)
///
/// The fence is a command on the old primary's machine (see [`Node::fence`]): it needs a machine that
/// answers.
pub(super) async fn fail_over(lab: &Lab, pair: &Cluster, writers: &Writers) -> Result<Duration> {
    let fencing = Instant::now();
    pair.primary().fence().await?;
    let fenced = fencing.elapsed();
    let asked = Instant::now();
    pair.standby()?.promote().await?;
    lab.key_figure("time of the promotion", asked.elapsed());
    writers.wait_for_acks(writers.acked() + 1).await?;
    Ok(fenced)
}

/// Rewinds the old primary, which runs read-only, and makes it a standby of the new one while orders come
/// in.
pub(super) async fn rejoin(pair: &Cluster, on_new: &Session) -> Result<()> {
    let old = pair.primary();
    old.stop(Shutdown::Fast).await?;
    pair.rejoin("primary", "standby1").await?;
    old.start().await?;
    wait_for_streaming(on_new, &["primary"]).await?;
    wait_for_catchup(on_new, &old.session_unrecorded().await?).await.map(drop)
}

/// Makes commits on the new primary wait for the old one, as they did the other way before, and returns the
/// old primary's `sync_state`.
pub(super) async fn synchronous_again(pair: &Cluster, on_new: &Session) -> Result<String> {
    pair.standby()?.set("synchronous_standby_names", "primary").await?;
    wait_for_sync(on_new).await?;
    Ok(wait_for_no_lag(on_new, "primary").await?.sync_state)
}

/// Returns the servers that accept writes.
pub(super) async fn writable(cluster: &Cluster) -> Result<Vec<String>> {
    let mut writable = Vec::new();
    for node in cluster.nodes() {
        let session = node.session().await?;
        if session.value::<String>("SHOW transaction_read_only").await? == "off" {
            writable.push(node.name().to_owned());
        }
    }
    Ok(writable)
}

/// Notes and asserts the checklist after a failover: role, writes, replication, data, health.
pub(super) async fn checklist(lab: &Lab, pair: &Cluster, on_new: &Session) -> Result<[Proof; 4]> {
    let primary = !on_new.value::<bool>("SELECT pg_is_in_recovery()").await?;
    lab.must_be("is pg_is_in_recovery() false on the new primary", primary, true);
    let accepted = on_new.attempt("SELECT place_orders(1)").await?;
    let writes = lab.must_be("refusal of an order on the new primary", accepted, None);
    let state = wait_for_no_lag(on_new, "primary").await?.state;
    let replicates = "state of the old primary in pg_stat_replication";
    let replicates = lab.must_be(replicates, &state, "streaming");
    let on_old = pair.primary().session_unrecorded().await?;
    let mut differ = Vec::new();
    for table in ["users", "products", "orders"] {
        differ.push(format!("{table}: {}", drift(on_new, &on_old, table, "id").await?.rows()));
    }
    let same = "rows that differ between the servers";
    let same = lab.must_be(same, differ.join(", "), "users: 0, products: 0, orders: 0");
    let said = wait_for_health(pair.standby()?, Severity::Ok).await?;
    let healthy = lab.must_be("health check of the new primary", &said, "OK");
    Ok([writes, replicates, same, healthy])
}

/// Notes what the clients saw: the longest time between two acked orders, and the acked orders over time.
/// Asserts that no order was acked while the old primary was fenced.
pub(super) fn as_clients_saw_it(lab: &Lab, ledger: &Ledger, fenced: Duration, drill: Duration) {
    let downtime = ledger.longest_gap();
    lab.key_figure("downtime: longest time without an acked order", downtime);
    let possible = downtime >= fenced && downtime <= drill;
    lab.must_be(
        "is the downtime at least the time of the fence, and less than the drill's",
        possible,
        true,
    );
    lab.measure("orders acked over time", ledger.acked_over_time());
}

/// Notes how many acked orders are lost.
pub(super) fn lost(lab: &Lab, lost: &[i64]) {
    lab.key_figure("acked orders lost", Reading::Count(lost.len() as u64));
}

/// Names the parts of a verdict.
pub(super) fn named([lost, unexpected, duplicated]: [u64; 3]) -> String {
    format!("{lost} acked and lost, {unexpected} unexpected, {duplicated} duplicated")
}
