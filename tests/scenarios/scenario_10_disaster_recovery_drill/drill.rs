//! The acts of a disaster recovery drill, and what is looked at afterwards. The order of the acts, and
//! what must have come of them, is the scenario's to say.

use std::time::Instant;

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

/// A primary with one standby is what a health check wants to see.
const WHOLE: Expected = Expected { in_recovery: Some(false), standbys: Some(1) };

/// What a health check says of a primary; one that cannot be asked is critical.
pub(super) async fn health(node: &Node) -> Severity {
    let seen = async { observe(&node.session_unrecorded().await?).await };
    seen.await
        .map_or(Severity::Critical, |seen| worst(&judge(&seen, &Thresholds::default(), WHOLE)))
}

/// Looks until a health check says this of a primary.
pub(super) async fn wait_for_health(node: &Node, severity: Severity) -> Result<String> {
    until(&format!("a health check says {severity} of {}", node.name()), PATIENCE, || async {
        let seen = health(node).await;
        Ok(if seen == severity { Seen::Done(()) } else { Seen::NotYet(seen.to_string()) })
    })
    .await?;
    Ok(severity.to_string())
}

/// Fences the old primary, promotes the standby, and waits until a writer has an order acked there.
pub(super) async fn fail_over(lab: &Lab, pair: &Cluster, writers: &Writers) -> Result<()> {
    pair.primary().fence().await?;
    let asked = Instant::now();
    pair.standby()?.promote().await?;
    lab.key_figure("promotion", asked.elapsed());
    writers.wait_for_acks(writers.acked() + 1).await
}

/// Rewinds the old primary, which runs read-only, and lets it follow the new one while orders come in.
pub(super) async fn rejoin(pair: &Cluster, on_new: &Session) -> Result<()> {
    let old = pair.primary();
    old.stop(Shutdown::Fast).await?;
    pair.rejoin("primary", "standby1").await?;
    old.start().await?;
    wait_for_streaming(on_new, &["primary"]).await?;
    wait_for_catchup(on_new, &old.session_unrecorded().await?).await.map(drop)
}

/// Makes the new primary's commits wait for the old one, as the old one's did for the new one, and
/// gives how that counts there.
pub(super) async fn synchronous_again(pair: &Cluster, on_new: &Session) -> Result<String> {
    pair.standby()?.set("synchronous_standby_names", "primary").await?;
    wait_for_sync(on_new).await?;
    Ok(wait_for_no_lag(on_new, "primary").await?.sync_state)
}

/// The servers that take writes.
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

/// What a person ticks off after a failover: role, writes, data, replication, health. Gives what all of
/// it is proven by.
pub(super) async fn checklist(lab: &Lab, pair: &Cluster, on_new: &Session) -> Result<[Proof; 4]> {
    let primary = !on_new.value::<bool>("SELECT pg_is_in_recovery()").await?;
    lab.must_be("is it a primary", primary, true);
    let accepted = on_new.attempt("SELECT place_orders(1)").await?;
    let writes = lab.must_be("refusal of a new order", accepted, None);
    let state = wait_for_no_lag(on_new, "primary").await?.state;
    let replicates = lab.must_be("state of the walsender of the old primary", &state, "streaming");
    let on_old = pair.primary().session_unrecorded().await?;
    let differ = [
        drift(on_new, &on_old, "users", "id").await?.rows() as u64,
        drift(on_new, &on_old, "products", "id").await?.rows() as u64,
        drift(on_new, &on_old, "orders", "id").await?.rows() as u64,
    ];
    let same = lab.must_be("users, products and orders that differ", differ, [0_u64; 3]);
    let said = wait_for_health(pair.standby()?, Severity::Ok).await?;
    let healthy = lab.must_be("what a health check says", &said, "OK");
    Ok([writes, replicates, same, healthy])
}

/// Notes what clients saw: the longest time without an answer, and all answers over time.
pub(super) fn as_clients_saw_it(lab: &Lab, ledger: &Ledger) {
    lab.key_figure("total downtime", ledger.longest_gap());
    lab.measure("orders acked over time", ledger.acked_over_time());
}

/// Notes how many orders are lost.
pub(super) fn lost(lab: &Lab, lost: &[i64]) {
    lab.key_figure("orders lost", Reading::Count(lost.len() as u64));
}
