//! The WAL file that `pg_rewind` needs of an old primary: removed from `pg_wal`, looked for there and in
//! the archive. Nothing here rewinds.

use replication_lab::wal::Timeline;
use replication_lab::{Cluster, Result, Session};

use crate::steps::archive::{file_is_archived, wait_for_archived};
use crate::steps::repeat::times;
use crate::steps::shop::ADD_PRODUCT;
use crate::steps::slot::wait_for_slot;
use crate::steps::wal::{file_is_there, next_wal_file};

/// Makes the old primary write several WAL files and a checkpoint, so that it removes the file with
/// the fork, and returns that file's name. The slot of the promoted standby would retain it, so the
/// slot is dropped.
pub(super) async fn recycle(pair: &Cluster, on_old: &Session) -> Result<String> {
    wait_for_slot(on_old, "standby1", false).await?;
    let fork = pair.standby()?.branch(Timeline(2)).await?.at;
    let looker = pair.primary().session_unrecorded().await?;
    let needed = looker.value(&format!("SELECT pg_walfile_name('{fork}')")).await?;
    on_old.run("SELECT pg_drop_replication_slot('standby1')").await?;
    times(4, |_| next_wal_file(on_old, ADD_PRODUCT)).await?;
    wait_for_archived(&looker).await?;
    on_old.run("CHECKPOINT").await?;
    Ok(needed)
}

/// Returns whether the old primary, which runs, has a WAL file of this name.
pub(super) async fn is_in_pg_wal(pair: &Cluster, file: &str) -> Result<bool> {
    let looker = pair.primary().session_unrecorded().await?;
    Ok(looker.count(&file_is_there(file)).await? > 0)
}

/// Returns whether the old primary's archive has a file of this name.
pub(super) async fn is_archived(pair: &Cluster, file: &str) -> Result<bool> {
    let looker = pair.primary().session_unrecorded().await?;
    Ok(looker.count(&file_is_archived(file)).await? > 0)
}
