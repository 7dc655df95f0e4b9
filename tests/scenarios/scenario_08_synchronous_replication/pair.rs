//! The pair with a synchronous standby, its shop, and the statements that pause its replay or empty its
//! rule. Nothing here commits an order.

use std::sync::Arc;

use replication_lab::{Cluster, Result, Topology};

use crate::steps::shop::shop;
use crate::support::Lab;

pub(super) const PAUSE: &str = "SELECT pg_wal_replay_pause()";
pub(super) const RESUME: &str = "SELECT pg_wal_replay_resume()";
pub(super) const NO_RULE: &str = "ALTER SYSTEM SET synchronous_standby_names = ''";
pub(super) const RELOAD: &str = "SELECT pg_reload_conf()";

/// Starts a pair whose standby is synchronous, with a shop of ten users and twenty orders.
pub(super) async fn synchronous_pair(lab: &Lab) -> Result<Arc<Cluster>> {
    synchronous_pair_of(lab, Topology::pair()).await
}

/// Starts this pair with `standby1` as its synchronous standby, and with the same shop.
pub(super) async fn synchronous_pair_of(lab: &Lab, pair: Topology) -> Result<Arc<Cluster>> {
    // An autovacuum worker would commit, and flush WAL, beside the commits that are observed.
    let quiet = pair.set("autovacuum", "off");
    let pair = lab.start(quiet.synchronous("standby1")).await?;
    shop(&pair.primary().session().await?, 10).await?;
    Ok(pair)
}
