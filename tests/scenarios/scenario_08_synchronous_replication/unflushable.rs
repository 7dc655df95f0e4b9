//! A standby that can write its next WAL segment and cannot flush it. It stands in for a standby whose
//! operating system crashes between the write and the flush, which the lab cannot bring about.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Node, Result, ServerMessage, Session};

use super::sync_rules::wait_for_walsenders;

/// Links the segment after the newest one to `/dev/null`, where `pwrite` succeeds and `fdatasync` fails
/// with EINVAL. The newest one is the one that the walreceiver wrote last.
const LINK: &str = "cd \"$PGDATA/pg_wal\" && \
     last=$(ls -t | grep -E '^[0-9A-F]{24}$' | head -n 1) && \
     ln -sfn /dev/null $(printf '%s%08X' ${last%????????} $((0x${last#????????????????} + 1)))";
const UNLINK: &str = "find \"$PGDATA/pg_wal\" -type l -exec rm {} +";

/// Sends all further WAL into a segment that the standby cannot flush.
///
/// Nothing but the commits of the exercise may write WAL on the primary meanwhile: the walreceiver stops
/// the standby with a PANIC at the first flush.
pub(super) async fn continue_in_an_unflushable_segment(
    writer: &Session,
    standby: &Node,
) -> Result<()> {
    standby.run(LINK).await?;
    writer.run("SELECT pg_switch_wal()").await
}

/// Waits until the flush has failed, the standby has ended and its walsender has gone, and returns what
/// the standby logged. Then nothing is left that could release a commit which still waits.
pub(super) async fn wait_for_failed_flush(
    standby: &Node,
    logged: usize,
    looker: &Session,
) -> Result<ServerMessage> {
    let panic = standby.wait_for_log_since(logged, "PANIC").await?;
    until("the standby has ended", PATIENCE, || async {
        let running = Seen::NotYet("it runs".to_owned());
        Ok(standby.exit_status().await?.map_or(running, |_| Seen::Done(())))
    })
    .await?;
    wait_for_walsenders(looker, 0).await?;
    Ok(panic)
}

/// Removes the link and starts the standby: it has the WAL before that segment, and nothing of it.
pub(super) async fn repair(standby: &Node) -> Result<()> {
    standby.run(UNLINK).await?;
    standby.start().await
}
