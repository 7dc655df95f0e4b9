//! The pair with a synchronous standby: its shop, its orders, and what holds its standby back. Nothing
//! here commits an order.

use std::sync::Arc;

use replication_lab::{Cluster, Result, Session, Topology};

use crate::steps::shop::{ORDERS, shop};
use crate::support::Lab;

pub(super) const PAUSE: &str = "SELECT pg_wal_replay_pause()";
pub(super) const RESUME: &str = "SELECT pg_wal_replay_resume()";
pub(super) const NO_RULE: &str = "ALTER SYSTEM SET synchronous_standby_names = ''";
pub(super) const RELOAD: &str = "SELECT pg_reload_conf()";

/// A pair whose standby is synchronous, with a shop of ten users and twenty orders on both servers.
pub(super) async fn synchronous_pair(lab: &Lab) -> Result<Arc<Cluster>> {
    // Nobody but who is looked at commits, or flushes WAL.
    let quiet = Topology::pair().set("autovacuum", "off");
    let pair = lab.start(quiet.synchronous("standby1")).await?;
    shop(&pair.primary().session().await?, 10).await?;
    Ok(pair)
}

pub(super) async fn counts(writer: &Session, reader: &Session) -> Result<[u64; 2]> {
    Ok([writer.count(ORDERS).await?, reader.count(ORDERS).await?])
}
