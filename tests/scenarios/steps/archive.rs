//! The WAL archive of a server: what is in it, and the wait until nothing is left to be archived. Nothing
//! here restores from it.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Result, Session};

/// Counts the finished WAL files that are not archived yet.
pub(crate) const TO_ARCHIVE: &str =
    "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";

/// Waits until every finished WAL file is archived: a checkpoint removes none that is not.
pub(crate) async fn wait_for_archived(primary: &Session) -> Result<()> {
    until("every finished WAL file is archived", PATIENCE, || async {
        Ok(match primary.count(TO_ARCHIVE).await? {
            0 => Seen::Done(()),
            files => Seen::NotYet(format!("{files} files wait")),
        })
    })
    .await
}

/// Returns a query that counts the files of this name in the archive of a server.
pub(crate) fn file_is_archived(file: &str) -> String {
    format!("SELECT count(*) FROM pg_ls_dir('../archive') AS name WHERE name = '{file}'")
}
