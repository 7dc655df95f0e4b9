//! Readers on one node or several, and how many answers they get. Nothing here judges a rate.

use std::time::Duration;

use futures_util::future::try_join_all;
use replication_lab::{Node, Result, Session};

use crate::steps::repeat::for_a_while;

/// The name of the server that answers.
pub(crate) const SERVER: &str = "SELECT current_setting('cluster_name')";

/// The turnover of every product.
pub(crate) const BY_PRODUCT: &str = "SELECT p.name || ': ' || sum(o.amount * p.price) FROM orders o \
                          JOIN products p ON p.id = o.product GROUP BY p.name ORDER BY p.name";

/// Reads the turnover of every product and drops the rows: it is read for the time it takes.
pub(crate) async fn turnover(session: &Session) -> Result<()> {
    session.rows(BY_PRODUCT).await.map(drop)
}

/// Runs one reader per node, which reads the turnover again and again for this time. Returns the number of reads,
/// and the `cluster_name` of every server that answered.
pub(crate) async fn reads(nodes: &[&Node], span: Duration) -> Result<(u64, Vec<String>)> {
    let read = try_join_all(nodes.iter().map(|node| async {
        let session = node.session_unrecorded().await?;
        let reads = for_a_while(span, || turnover(&session)).await?;
        Ok((reads, session.value::<String>("SHOW cluster_name").await?))
    }));
    let (reads, mut servers): (Vec<u64>, Vec<_>) = read.await?.into_iter().unzip();
    servers.sort_unstable();
    servers.dedup();
    Ok((reads.iter().sum(), servers))
}
