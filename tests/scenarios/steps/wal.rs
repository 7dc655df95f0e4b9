//! WAL positions and WAL files, as statements of a client. Nothing here waits or judges.

use replication_lab::{Result, Session};

/// The position up to which a primary has written WAL.
pub(crate) const WRITTEN: &str = "SELECT pg_current_wal_lsn()";
/// The position up to which a standby has replayed WAL.
pub(crate) const REPLAYED: &str = "SELECT pg_last_wal_replay_lsn()";

/// Switches to the next WAL file, and writes into it: a switch in an empty file does nothing.
pub(crate) async fn next_wal_file(writer: &Session, small_write: &str) -> Result<()> {
    writer.run("SELECT pg_switch_wal()").await?;
    writer.run(small_write).await
}

/// Returns a query that counts the WAL files of this name in `pg_wal`.
pub(crate) fn file_is_there(file: &str) -> String {
    format!("SELECT count(*) FROM pg_ls_waldir() WHERE name = '{file}'")
}
