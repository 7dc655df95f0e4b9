//! A primary that shuts down, and what only a shutdown leaves. Nothing here promotes a standby.

use replication_lab::catchup::wait_for_replay_of;
use replication_lab::wal::Lsn;
use replication_lab::{Node, Result, Session, Shutdown};

use crate::support::Lab;

/// The line of the control file that tells a shutdown from a crash.
pub(crate) const STATE: &str = "Database cluster state";

/// Shuts a primary down: it sends its standbys all remaining WAL, and its last record is a checkpoint.
/// Asserts what only that leaves.
pub(crate) async fn shut_down(lab: &Lab, primary: &Node) -> Result<()> {
    primary.stop(Shutdown::Fast).await?;
    let name = format!("control file of {}: state after its shutdown", primary.name());
    lab.must_be(&name, &primary.control(STATE).await?, "shut down");
    Ok(())
}

/// Shuts a primary down, waits until its standby has replayed its last record, the shutdown checkpoint, and
/// returns the position that the standby reached.
pub(crate) async fn shut_down_and_replay(
    lab: &Lab,
    primary: &Node,
    reader: &Session,
) -> Result<Lsn> {
    shut_down(lab, primary).await?;
    wait_for_replay_of(reader, primary.last_checkpoint().await?).await
}
