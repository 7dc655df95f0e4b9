//! A subscription of one server to another: its set-up, the waits for its copy and for what comes after,
//! and the sequences, which it does not contain. Nothing here stops writes.

use replication_lab::conf::conninfo;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::wal::Lsn;
use replication_lab::{Cluster, Result, Session, stat};

use crate::steps::wal::WRITTEN;

/// Publishes every table, and lets the role of the standbys read them.
pub(super) const PUBLISH: [&str; 2] = [
    "CREATE PUBLICATION moved FOR ALL TABLES",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO replicator",
];

const TABLES: &str = "SELECT count(*) FILTER (WHERE srsubstate <> 'r') AS unready, count(*) AS tables \
                      FROM pg_subscription_rel";

/// The last value of each sequence, and the statement that sets it.
const SEQUENCES: &str = "SELECT string_agg(format('SELECT setval(%L, %s)', sequencename, last_value), '; ' \
                         ORDER BY sequencename) FROM pg_sequences WHERE last_value IS NOT NULL";

/// Creates the subscription `moved` on a node, to the server that the node's link leads to. Not recorded,
/// because the password is in it.
pub(super) async fn subscribe(cluster: &Cluster, node: &str) -> Result<()> {
    let source = cluster.source(node)?;
    let own = conninfo(&[("dbname", "postgres"), ("password", source.password.as_str())]);
    let sql = format!(
        "CREATE SUBSCRIPTION moved CONNECTION '{} {own}' PUBLICATION moved",
        source.conninfo()
    );
    cluster.node(node)?.session_unrecorded().await?.run(&sql).await
}

/// Waits until the subscription has copied every table and follows its changes, and returns the number of
/// the tables.
pub(super) async fn wait_for_copy(subscriber: &Session) -> Result<u64> {
    until("every table is copied", PATIENCE, || async {
        let rows = subscriber.rows(TABLES).await?;
        let [unready, tables] = ["unready", "tables"]
            .map(|column| rows.first().map_or(0, |row| row.get::<_, i64>(column).unsigned_abs()));
        Ok(match (unready, tables) {
            (0, 1..) => Seen::Done(tables),
            _ => Seen::NotYet(format!("{unready} of {tables} tables are not")),
        })
    })
    .await
}

/// Waits until the subscriber has applied all that the publisher has written so far.
pub(super) async fn wait_for_apply(publisher: &Session) -> Result<()> {
    let written: Lsn = publisher.value(WRITTEN).await?;
    until(&format!("the subscription has applied {written}"), PATIENCE, || async {
        Ok(match stat::replication_to(publisher, "moved").await? {
            Some(row) if row.state == "streaming" && row.replay_lsn >= Some(written) => {
                Seen::Done(())
            }
            seen => Seen::NotYet(format!("in pg_stat_replication: {seen:?}")),
        })
    })
    .await
}

/// Sets the sequences of one server to the values that another one has.
pub(super) async fn copy_sequences(from: &Session, to: &Session) -> Result<()> {
    let statements: String = from.value(SEQUENCES).await?;
    to.run(&statements).await
}
