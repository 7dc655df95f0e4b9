//! Commits that may have to wait for a standby: one in progress, whether it is answered or blocks, and
//! how long many of them take. Nothing here asserts: the scenarios do.

use std::time::Duration;

use replication_lab::record::Reading;
use replication_lab::wait::{PATIENCE, Seen, stays, until};
use replication_lab::wal::Lsn;
use replication_lab::{Node, Result, ServerMessage, Session, stat};
use tokio::task::JoinHandle;

use crate::steps::repeat::{quantiles, timed, times};
use crate::steps::shop::ORDER;
use crate::support::Lab;

pub(super) const CANCEL: &str =
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
pub(super) const TERMINATE: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
/// The wait event in `pg_stat_activity` of a commit that waits for a standby.
pub(super) const SYNC_REP: &str = "IPC: SyncRep";

const WAITING: &str = "SELECT wait_event_type || ': ' || wait_event FROM pg_stat_activity \
                       WHERE wait_event = 'SyncRep'";

/// The levels of `synchronous_commit`, from the weakest guarantee to the strongest.
pub(super) const LEVELS: [&str; 5] = ["off", "local", "remote_write", "on", "remote_apply"];

/// How long a commit must stay in its wait to count as blocked where no standby can confirm.
const WATCHED: Duration = Duration::from_millis(100);

/// A commit in progress, in a session of its own.
#[derive(Debug)]
pub(super) struct Commit(JoinHandle<Answer>);

/// The answer to a commit: its result, and the warnings that came with it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) result: Result<()>,
    pub(super) warnings: Vec<ServerMessage>,
}

impl Commit {
    /// Sends a statement that commits.
    pub(super) fn of(session: Session, sql: impl Into<String>) -> Self {
        let sql = sql.into();
        Self(tokio::spawn(async move {
            let result = session.run(&sql).await;
            Answer { result, warnings: session.notices() }
        }))
    }

    /// Waits for the answer.
    pub(super) async fn answer(self) -> Answer {
        self.0.await.unwrap_or_else(|ended| panic!("the session of a commit ended: {ended}"))
    }

    /// Returns whether the commit is answered before `blocked` ends; cancels its wait otherwise.
    ///
    /// An answer may cross the cancel: a commit that was answered has no wait left to cancel, and comes
    /// without a warning.
    async fn answered_by_itself(
        self,
        (canceller, cancel): (&Session, &str),
        blocked: impl Future<Output = Result<()>>,
    ) -> Result<bool> {
        let mut answer = std::pin::pin!(self.answer());
        let answer = tokio::select! {
            answer = &mut answer => answer,
            blocked = blocked => {
                blocked?;
                canceller.run(cancel).await?;
                answer.await
            }
        };
        answer.result.map(|()| answer.warnings.is_empty())
    }
}

/// Returns the text of the one warning of a commit, or the number of warnings.
pub(super) fn warning(warnings: &[ServerMessage]) -> String {
    match warnings {
        [warning] => warning.to_string(),
        warnings => format!("{} warnings", warnings.len()),
    }
}

/// Waits until a commit waits for a standby, and returns its wait event.
pub(super) async fn wait_for_sync_rep(looker: &Session) -> Result<String> {
    until("a commit waits for a standby", PATIENCE, || async {
        let waiting = looker.rows(WAITING).await?;
        let none = Seen::NotYet("no session waits for a standby".to_owned());
        Ok(waiting.first().map_or(none, |row| Seen::Done(row.get(0))))
    })
    .await
}

/// Checks for a while that a commit still waits for a standby.
pub(super) async fn keeps_waiting(looker: &Session, span: Duration) -> Result<()> {
    stays("a commit waits for a standby", span, || async {
        let gone = Seen::NotYet("no session waits for a standby".to_owned());
        Ok(if looker.rows(WAITING).await?.is_empty() { gone } else { Seen::Done(()) })
    })
    .await
}

/// Sends a commit while no standby can confirm anything, and returns whether it is answered.
pub(super) async fn is_answered_unconfirmed(
    session: Session,
    order: String,
    [looker, canceller]: [&Session; 2],
) -> Result<bool> {
    let blocked = async {
        wait_for_sync_rep(looker).await?;
        keeps_waiting(looker, WATCHED).await
    };
    let cancel = cancel_of(&order);
    Commit::of(session, order).answered_by_itself((canceller, &cancel), blocked).await
}

/// Sends a commit, and returns whether it is answered: it blocks if it still waits after every connected
/// standby has confirmed its WAL.
pub(super) async fn is_answered(
    session: Session,
    order: String,
    [looker, canceller]: [&Session; 2],
) -> Result<bool> {
    let blocked = async {
        wait_for_sync_rep(looker).await?;
        // A walsender processes one report completely, and releases the commits that it confirms, before
        // it reads the next one: only the second report proves that the first one released none.
        wait_for_reports(looker).await?;
        wait_for_reports(looker).await
    };
    let cancel = cancel_of(&order);
    Commit::of(session, order).answered_by_itself((canceller, &cancel), blocked).await
}

/// Writes WAL, and waits until every connected standby has reported it as flushed.
pub(super) async fn wait_for_reports(looker: &Session) -> Result<()> {
    // In a transaction, because only a commit flushes the message; otherwise the WAL writer does.
    let written = "BEGIN; SET LOCAL synchronous_commit = local; \
                   SELECT pg_logical_emit_message(true, 'lab', ''); COMMIT";
    looker.run(written).await?;
    let written: Lsn = looker.value("SELECT pg_current_wal_flush_lsn()").await?;
    until(&format!("all standbys have flushed {written}"), PATIENCE, || async {
        let there = stat::replication(looker).await?;
        let all = there.iter().all(|standby| standby.flush_lsn >= Some(written));
        Ok(if all { Seen::Done(()) } else { Seen::NotYet(format!("{there:?}")) })
    })
    .await
}

/// Opens a session with this level of `synchronous_commit`.
pub(super) async fn session_at(node: &Node, level: &str) -> Result<Session> {
    let session = node.session().await?;
    session.run(&format!("SET synchronous_commit = {level}")).await?;
    Ok(session)
}

/// Commits while the WAL writer is frozen, and returns whether the commit is flushed when it is answered.
pub(super) async fn is_flushed(session: Session, order: String, looker: &Session) -> Result<bool> {
    let before: Lsn = looker.value("SELECT pg_current_wal_insert_lsn()").await?;
    session.run(&order).await?;
    let flushed: Lsn = looker.value("SELECT pg_current_wal_flush_lsn()").await?;
    Ok(flushed > before)
}

/// Asks a yes/no question about a commit at each of [`LEVELS`], notes each answer and returns them.
///
/// Each level has an order of its own, so that the page shows every statement: it prints a line that is
/// repeated within a step only once.
pub(super) async fn at_each_level<F>(
    lab: &Lab,
    node: &Node,
    question: &str,
    commit: impl Fn(Session, String) -> F,
) -> Result<[bool; 5]>
where
    F: Future<Output = Result<bool>>,
{
    let mut answers = [false; 5];
    for ((level, answer), amount) in LEVELS.iter().zip(&mut answers).zip(1_u64..) {
        *answer = commit(session_at(node, level).await?, order_of(amount)).await?;
        lab.fact(&format!("at {level}: {question}"), *answer);
    }
    Ok(answers)
}

/// Returns the statement of an order with this amount.
pub(super) fn order_of(amount: u64) -> String {
    format!("INSERT INTO orders (user_id, product, amount) VALUES (1, 1, {amount})")
}

/// Returns the statement that cancels the wait of this order's commit, and of no other.
fn cancel_of(order: &str) -> String {
    let values = order.split("VALUES ").last().unwrap_or_default();
    format!("{CANCEL} AND query LIKE '%{values}'")
}

/// Sums up for each level what its commit waits for: from whether it was flushed on the primary when it
/// was answered, and whether it was answered while the standby received nothing, and replayed nothing.
pub(super) fn summed_up(
    flushed: [bool; 5],
    unreceived: [bool; 5],
    unreplayed: [bool; 5],
) -> [String; 5] {
    let mut answered = unreceived.into_iter().zip(unreplayed);
    flushed.map(|flushed| {
        let (unreceived, unreplayed) = answered.next().unwrap_or_default();
        let waits = [
            ("flush on the primary", flushed),
            ("receipt on the standby", !unreceived),
            ("replay on the standby", !unreplayed),
        ];
        let waits: Vec<_> =
            waits.iter().filter(|(_, waits)| *waits).map(|(what, _)| *what).collect();
        if waits.is_empty() { "nothing".to_owned() } else { waits.join(", ") }
    })
}

/// The times of the commits at one level.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) shortest: Duration,
    pub(super) median: Duration,
}

/// Times `count` commits of one client at each of [`LEVELS`] and notes the times, and the difference to
/// `local` in percent.
pub(super) async fn commit_times(
    lab: &Lab,
    node: &Node,
    link: &str,
    count: u64,
) -> Result<[Times; 5]> {
    let mut all = [Times::default(); 5];
    for (level, times) in LEVELS.iter().zip(&mut all) {
        *times = at_level(lab, node, level, link, count).await?;
    }
    let [_, local, ..] = all;
    let others = LEVELS.iter().zip(&all).filter(|(level, _)| **level != "local");
    for (level, times) in others {
        let impact = Reading::impact(local.median, times.median);
        lab.measure(&format!("commit at {level}, {link}, median compared with local"), impact);
    }
    Ok(all)
}

async fn at_level(lab: &Lab, node: &Node, level: &str, link: &str, count: u64) -> Result<Times> {
    // One commit is recorded, for the page; those that are timed are not.
    session_at(node, level).await?.run(ORDER).await?;
    let session = node.session_unrecorded().await?;
    session.run(&format!("SET synchronous_commit = {level}")).await?;
    // The first statement of a session fills its caches.
    session.run(ORDER).await?;
    let taken = times(count, |_| timed(session.run(ORDER))).await?;
    let micros = taken.iter().map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    let parts = quantiles(&micros.collect::<Vec<_>>(), [0.5, 0.99]);
    let [median, most] = parts.map(Duration::from_micros);
    let name = format!("commit at {level}, {link}");
    lab.measure(&format!("{name}, median"), median);
    lab.measure(&format!("{name}, 99th percentile"), most);
    lab.measure(
        &format!("{name}, rate of one client"),
        Reading::rate(count, taken.iter().sum(), "commits"),
    );
    Ok(Times { shortest: taken.into_iter().min().unwrap_or_default(), median })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_waits_for_what_blocks_it() {
        let [none, disk, all, ..] = summed_up(
            [false, true, true, true, true],
            [true, true, false, false, false],
            [true, true, false, true, true],
        );
        assert_eq!(none, "nothing");
        assert_eq!(disk, "flush on the primary");
        assert_eq!(all, "flush on the primary, receipt on the standby, replay on the standby");
    }

    #[test]
    fn one_warning_is_shown_and_several_are_counted() {
        let one = ServerMessage::from_log("WARNING:  careful");
        assert_eq!(warning(std::slice::from_ref(&one)), "WARNING:  careful");
        assert_eq!(warning(&[]), "0 warnings");
        assert_eq!(warning(&[one.clone(), one]), "2 warnings");
    }
}
