//! Queries that last, and what the views show while replay is in conflict with them. Nothing here
//! decides whether a query should be cancelled.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Node, Result, ServerMessage, Session};

/// Reads the table and then sleeps: the snapshot and the lock on the table stay.
pub(super) const SLEEP: &str = "SELECT count(*), pg_sleep(600) FROM users";

/// A kind of recovery conflict: its counter in `pg_stat_database_conflicts`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Conflict {
    Snapshot,
    Lock,
    BufferPin,
}

impl Conflict {
    fn counter(self) -> &'static str {
        match self {
            Self::Snapshot => "confl_snapshot",
            Self::Lock => "confl_lock",
            Self::BufferPin => "confl_bufferpin",
        }
    }
}

/// Runs a query that lasts on the standby, acts once it runs, and returns the error that ended it. The query has
/// a session of its own: the startup process may signal a conflict again when its query has ended, and then the
/// session ends, too.
pub(super) async fn cancelled_by(
    standby: &Node,
    watcher: &Session,
    act: impl Future<Output = Result<()>>,
) -> Result<ServerMessage> {
    let reader = standby.session().await?;
    let act = async {
        wait_for_sleeper(watcher).await?;
        act.await
    };
    let (cancelled, acted) = tokio::join!(reader.refusal(SLEEP), act);
    acted?;
    cancelled
}

/// Waits until a query sleeps.
pub(super) async fn wait_for_sleeper(watcher: &Session) -> Result<u64> {
    let sleepers = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    wait_for("a query sleeps", watcher, sleepers).await
}

/// Waits until conflicts of this kind are counted, and returns how many: statistics arrive a moment
/// after what they count, and PostgreSQL may count one conflict more than once, as it signals again.
pub(super) async fn wait_for_conflict(watcher: &Session, kind: Conflict) -> Result<u64> {
    let counter = kind.counter();
    let sql = format!(
        "SELECT {counter} FROM pg_stat_database_conflicts WHERE datname = current_database()"
    );
    wait_for(&format!("{counter} is above 0"), watcher, &sql).await
}

/// Waits until a slot has an xmin, and returns how many have one.
pub(super) async fn wait_for_xmin(primary: &Session) -> Result<u64> {
    wait_for("a slot has an xmin", primary, "SELECT count(xmin) FROM pg_replication_slots").await
}

/// Waits until the standby's feedback says that it needs nothing that was deleted before now: the
/// slot's xmin is the next transaction id.
pub(super) async fn wait_for_current_feedback(primary: &Session) -> Result<()> {
    let sql = "SELECT count(*) FROM pg_replication_slots WHERE age(xmin) = 0";
    wait_for("the slot's xmin is the newest", primary, sql).await.map(drop)
}

/// Waits until the startup process waits for a lock on a relation.
pub(super) async fn wait_for_waiting_replay(watcher: &Session) -> Result<u64> {
    let sql = "SELECT count(*) FROM pg_stat_activity \
               WHERE backend_type = 'startup' AND wait_event_type = 'Lock' AND wait_event = 'relation'";
    wait_for("replay waits for a lock", watcher, sql).await
}

/// Waits until the server has ended a session, and returns what it said.
pub(super) async fn wait_for_end(session: &Session) -> Result<ServerMessage> {
    until("the server ends the session", PATIENCE, || async {
        let open = Seen::NotYet("the session is open".to_owned());
        Ok(session.end().map_or(open, Seen::Done))
    })
    .await
}

async fn wait_for(what: &str, session: &Session, sql: &str) -> Result<u64> {
    until(what, PATIENCE, || async {
        Ok(match session.count(sql).await? {
            0 => Seen::NotYet(format!("{sql}: 0")),
            counted => Seen::Done(counted),
        })
    })
    .await
}
