//! Waits of a reader until a standby has replayed a commit: with `WAIT FOR LSN`, which exists from
//! PostgreSQL 19 on, and before by asking for the replayed position. What a read then sees is the
//! scenario's to say.

use std::fmt::Display;
use std::time::{Duration, Instant};

use replication_lab::catchup::wait_for_replay;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::wal::Lsn;
use replication_lab::{Cluster, Result, Session};

use crate::steps::shop::{ORDER, ORDERS};
use crate::steps::wal::WRITTEN;
use crate::support::Lab;

/// The first version with the statement.
const SINCE: u16 = 19;

/// A position that no server of the lab reaches.
pub(super) const FAR: &str = "F/0";

const WAITING: &str = "SELECT count(*) FROM pg_stat_activity \
                       WHERE query LIKE 'WAIT FOR LSN%' AND wait_event_type <> 'Client'";

/// Runs `WAIT FOR LSN`, and returns the status that it returns, or the server's refusal.
pub(super) async fn wait_for_lsn(
    session: &Session,
    lsn: impl Display,
    options: &str,
) -> Result<String> {
    let sql = format!("WAIT FOR LSN '{lsn}'{options}");
    match session.value::<String>(&sql).await {
        Ok(status) => Ok(status),
        Err(error) => match error.server_message() {
            Some(message) => Ok(message.to_string()),
            None => Err(error),
        },
    }
}

/// Waits on a standby until it has replayed a commit, as its version can, and returns how.
pub(super) async fn wait_for_commit(
    lab: &Lab,
    standby: &Session,
    commit: Lsn,
) -> Result<&'static str> {
    if lab.major() < SINCE {
        wait_for_replay(standby, commit).await?;
        return Ok("pg_last_wal_replay_lsn(), until it is the commit's LSN");
    }
    standby.run(&format!("WAIT FOR LSN '{commit}' WITH (TIMEOUT '60s')")).await?;
    Ok("WAIT FOR LSN")
}

/// Waits as [`wait_for_commit`] does while replay is paused, and resumes replay meanwhile.
pub(super) async fn wait_and_resume(
    lab: &Lab,
    standby: &Session,
    commit: Lsn,
    other: &Session,
) -> Result<&'static str> {
    let resume = other.run("SELECT pg_wal_replay_resume()");
    let (how, resumed) = tokio::join!(wait_for_commit(lab, standby, commit), resume);
    resumed?;
    how
}

/// Inserts an order, waits on the standby until it has replayed it, and reads. Returns whether the read
/// missed the order, and the time from the answer to the commit until the wait ended.
pub(super) async fn read_after_wait(
    lab: &Lab,
    primary: &Session,
    standby: &Session,
) -> Result<(bool, Duration)> {
    let there = standby.count(ORDERS).await?;
    primary.run(ORDER).await?;
    let answered = Instant::now();
    let commit: Lsn = primary.value(WRITTEN).await?;
    wait_for_commit(lab, standby, commit).await?;
    let waited = answered.elapsed();
    Ok((standby.count(ORDERS).await? <= there, waited))
}

/// Promotes the standby while a session waits there for a position that is never reached, and returns the
/// answer to that session.
pub(super) async fn promote_while_waiting(lab: &Lab, pair: &Cluster) -> Result<String> {
    let standby = pair.standby()?;
    let (session, looker) = (standby.session().await?, standby.session_unrecorded().await?);
    let promote = async {
        wait_until_it_waits(lab, &looker).await?;
        standby.promote().await
    };
    let (said, promoted) = tokio::join!(wait_for_lsn(&session, FAR, ""), promote);
    promoted?;
    said
}

async fn wait_until_it_waits(lab: &Lab, looker: &Session) -> Result<()> {
    if lab.major() < SINCE {
        return Ok(());
    }
    until("the statement waits", PATIENCE, || async {
        Ok(match looker.count(WAITING).await? {
            0 => Seen::NotYet("no session waits".to_owned()),
            _ => Seen::Done(()),
        })
    })
    .await
}
