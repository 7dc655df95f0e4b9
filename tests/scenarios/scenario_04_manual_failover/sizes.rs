//! A split brain over data of a given size, ended by `pg_rewind` and then by a rebuild of the same server,
//! with the bytes that each copies. What the numbers mean is the scenario's to say.

use replication_lab::catchup::wait_for_streaming;
use replication_lab::record::Reading;
use replication_lab::{Cluster, Direction, Result, Session, Shutdown, Topology};

use super::split_brain::{Resolution, diverge};
use crate::support::Lab;

/// Rows of the filler for little data, and for 105 MB more: seven of them fill a block of 8 kB.
pub(super) const SMALL_ROWS: u64 = 7;
pub(super) const LARGE_ROWS: u64 = 7 * 12_800;

const DATA: &str = "SELECT sum(pg_database_size(oid))::bigint FROM pg_database";
const FILLER: &str = "SELECT pg_relation_size('filler')";
const WAL: &str = "SELECT sum(size)::bigint FROM pg_ls_waldir()";

/// The bytes that both ways copied, and the bytes of the filler.
pub(super) struct Copied {
    pub(super) filler: u64,
    pub(super) rewind: u64,
    pub(super) rebuild: u64,
}

/// Brings the old primary of a split brain back by `pg_rewind`, then rebuilds it, and measures both.
///
/// `max_wal_size` is small, so that the WAL that `pg_rewind` copies does not grow with the data.
pub(super) async fn copied_by_both(lab: &Lab, data: &str, rows: u64) -> Result<Copied> {
    let small_wal = Topology::pair().set("max_wal_size", "32MB").set("min_wal_size", "32MB");
    let pair = lab.start(small_wal).await?;
    let writer = pair.primary().session().await?;
    writer
        .run(&format!(
            "CREATE TABLE filler AS SELECT i AS id, repeat('x', 1000) AS text \
             FROM generate_series(1, {rows}) AS i"
        ))
        .await?;
    // The checkpoints, and the restartpoint of the standby, remove the WAL of the filler. pg_rewind needs
    // the WAL from the last common checkpoint on: so it is in the file in which the servers diverge.
    writer.run("SELECT pg_switch_wal()").await?;
    writer.run("CHECKPOINT").await?;
    pair.wait_for_catchup("standby1").await?;
    pair.standby()?.session().await?.run("CHECKPOINT").await?;
    let (_, on_new) = diverge(&pair).await?;
    pair.repoint("primary", "standby1").await?;

    let before = sent(&pair)?;
    Resolution::Rewind.apply(&pair, &on_new).await?;
    let rewind = streams(&pair, &on_new, before).await?;
    let before = sent(&pair)?;
    pair.primary().stop(Shutdown::Fast).await?;
    pair.rebuild("primary").await?;
    let rebuild = streams(&pair, &on_new, before).await?;
    let (size, wal) = (on_new.count(DATA).await?, on_new.count(WAL).await?);
    let filler = on_new.count(FILLER).await?;
    lab.key_figure(&format!("size of the databases, {data}"), Reading::Bytes(size));
    lab.measure(&format!("WAL files of the new primary, {data}"), Reading::Bytes(wal));
    lab.key_figure(&format!("copied by pg_rewind, {data}"), Reading::Bytes(rewind));
    lab.key_figure(&format!("copied by the rebuild, {data}"), Reading::Bytes(rebuild));
    lab.stop(pair).await?;
    Ok(Copied { filler, rewind, rebuild })
}

/// Starts the old primary, waits until it streams, and returns the bytes since `before`.
async fn streams(pair: &Cluster, on_new: &Session, before: u64) -> Result<u64> {
    pair.primary().start().await?;
    wait_for_streaming(on_new, &["primary"]).await?;
    Ok(sent(pair)? - before)
}

fn sent(pair: &Cluster) -> Result<u64> {
    Ok(pair.link("primary")?.bytes(Direction::ToStandby))
}
