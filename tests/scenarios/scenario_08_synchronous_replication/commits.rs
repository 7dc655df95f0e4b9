//! Commits that may have to wait for a standby: one under way, whether it is answered or waits in vain,
//! and how long many of them take. What they should do is the scenario's to say.

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
/// How `pg_stat_activity` shows a commit that waits for a standby.
pub(super) const SYNC_REP: &str = "IPC: SyncRep";

const WAITING: &str = "SELECT wait_event_type || ': ' || wait_event FROM pg_stat_activity \
                       WHERE wait_event = 'SyncRep'";

/// The levels of `synchronous_commit`, from the one that waits least to the one that waits most.
pub(super) const LEVELS: [&str; 5] = ["off", "local", "remote_write", "on", "remote_apply"];

/// How long a commit that waits is watched.
const WATCHED: Duration = Duration::from_millis(100);

/// A commit under way, in a session of its own.
#[derive(Debug)]
pub(super) struct Commit(JoinHandle<Answer>);

/// What the client of a commit was told.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) result: Result<()>,
    pub(super) warnings: Vec<ServerMessage>,
}

impl Commit {
    /// Sends a statement that commits.
    pub(super) fn of(session: Session, sql: &'static str) -> Self {
        Self(tokio::spawn(async move {
            let result = session.run(sql).await;
            Answer { result, warnings: session.notices() }
        }))
    }

    /// Waits for its end.
    pub(super) async fn answer(self) -> Answer {
        self.0.await.unwrap_or_else(|ended| panic!("the session of a commit ended: {ended}"))
    }

    /// Waits until it is answered or waits in vain, and then cancels it; was it answered by itself?
    /// One that was answered in the end has nothing to be cancelled, and is not warned.
    async fn answered_by_itself(
        self,
        looker: &Session,
        in_vain: impl Future<Output = Result<()>>,
    ) -> Result<bool> {
        let mut answer = std::pin::pin!(self.answer());
        let answer = tokio::select! {
            answer = &mut answer => answer,
            vain = in_vain => {
                vain?;
                looker.run(CANCEL).await?;
                answer.await
            }
        };
        answer.result.map(|()| answer.warnings.is_empty())
    }
}

/// The one warning of a commit, or how many there were.
pub(super) fn warning(warnings: &[ServerMessage]) -> String {
    match warnings {
        [warning] => warning.to_string(),
        warnings => format!("{} warnings", warnings.len()),
    }
}

/// Waits until a commit waits for a standby, and says what it shows then.
pub(super) async fn wait_for_sync_rep(looker: &Session) -> Result<String> {
    until("a commit waits for a standby", PATIENCE, || async {
        let waiting = looker.rows(WAITING).await?;
        let none = Seen::NotYet("no session waits for a standby".to_owned());
        Ok(waiting.first().map_or(none, |row| Seen::Done(row.get(0))))
    })
    .await
}

/// Watches that a commit goes on waiting for a standby.
pub(super) async fn waits_on(looker: &Session, span: Duration) -> Result<()> {
    stays("a commit waits for a standby", span, || async {
        let gone = Seen::NotYet("no session waits for a standby".to_owned());
        Ok(if looker.rows(WAITING).await?.is_empty() { gone } else { Seen::Done(()) })
    })
    .await
}

/// Places an order where no standby can confirm anything: is it answered?
pub(super) async fn is_answered_alone(session: Session, looker: &Session) -> Result<bool> {
    let alone = async {
        wait_for_sync_rep(looker).await?;
        waits_on(looker, WATCHED).await
    };
    Commit::of(session, ORDER).answered_by_itself(looker, alone).await
}

/// Places an order, and waits until it is answered, or all standbys have confirmed its WAL to no avail.
pub(super) async fn is_answered(session: Session, looker: &Session) -> Result<bool> {
    let confirmed = async {
        wait_for_sync_rep(looker).await?;
        // A walsender deals with one report to its end, and releases whom it can, before it reads the
        // next one: only the second proves that the first has released nobody.
        wait_for_reports(looker).await?;
        wait_for_reports(looker).await
    };
    Commit::of(session, ORDER).answered_by_itself(looker, confirmed).await
}

/// Waits until every standby that is there has reported WAL as flushed that is written now.
pub(super) async fn wait_for_reports(looker: &Session) -> Result<()> {
    // A transaction, because what is written without one is left to the WAL writer.
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

/// A session that commits at this level.
pub(super) async fn session_at(node: &Node, level: &str) -> Result<Session> {
    let session = node.session().await?;
    session.run(&format!("SET synchronous_commit = {level}")).await?;
    Ok(session)
}

/// Places an order while nobody flushes WAL but who commits: is it flushed when it is answered?
pub(super) async fn is_flushed(session: Session, looker: &Session) -> Result<bool> {
    let before: Lsn = looker.value("SELECT pg_current_wal_insert_lsn()").await?;
    session.run(ORDER).await?;
    let flushed: Lsn = looker.value("SELECT pg_current_wal_flush_lsn()").await?;
    Ok(flushed > before)
}

/// Does the same at each of [`LEVELS`].
pub(super) async fn at_each_level<F>(node: &Node, act: impl Fn(Session) -> F) -> Result<[bool; 5]>
where
    F: Future<Output = Result<bool>>,
{
    let at = async |level| act(session_at(node, level).await?).await;
    let [off, local, write, on, apply] = LEVELS;
    Ok([at(off).await?, at(local).await?, at(write).await?, at(on).await?, at(apply).await?])
}

/// What commits wait for, at each level: from whether they were flushed on the primary when they were
/// answered, and whether they were answered without a standby that receives, or one that replays.
pub(super) fn told(flushed: [bool; 5], alone: [bool; 5], unseen: [bool; 5]) -> [String; 5] {
    let mut answered = alone.into_iter().zip(unseen);
    flushed.map(|flushed| {
        let (alone, unseen) = answered.next().unwrap_or_default();
        let waits = [
            ("the primary's disk", flushed),
            ("the standby to receive", !alone),
            ("the standby to replay", !unseen),
        ];
        let waits: Vec<_> =
            waits.iter().filter(|(_, waits)| *waits).map(|(what, _)| *what).collect();
        if waits.is_empty() { "nothing".to_owned() } else { waits.join(", ") }
    })
}

/// How long commits took at a level.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) shortest: Duration,
    pub(super) median: Duration,
}

/// Times so many commits of one client at each of [`LEVELS`] and notes them, also against `local`.
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
        lab.measure(&format!("commit, {level}, {link}, against local"), impact);
    }
    Ok(all)
}

async fn at_level(lab: &Lab, node: &Node, level: &str, link: &str, count: u64) -> Result<Times> {
    // The one that is noted takes the pages that are new to a session with it.
    session_at(node, level).await?.run(ORDER).await?;
    let session = node.session_unrecorded().await?;
    session.run(&format!("SET synchronous_commit = {level}")).await?;
    session.run(ORDER).await?;
    let taken = times(count, |_| timed(session.run(ORDER))).await?;
    let micros = taken.iter().map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    let parts = quantiles(&micros.collect::<Vec<_>>(), [0.5, 0.99]);
    let [median, most] = parts.map(Duration::from_micros);
    let name = format!("commit, {level}, {link}");
    lab.measure(&format!("{name}, median"), median);
    lab.measure(&format!("{name}, 99 %"), most);
    lab.measure(
        &format!("{name}, one client"),
        Reading::rate(count, taken.iter().sum(), "commits"),
    );
    Ok(Times { shortest: taken.into_iter().min().unwrap_or_default(), median })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_a_commit_up_is_what_it_waits_for() {
        let [none, disk, all, ..] = told(
            [false, true, true, true, true],
            [true, true, false, false, false],
            [true, true, false, true, true],
        );
        assert_eq!(none, "nothing");
        assert_eq!(disk, "the primary's disk");
        assert_eq!(all, "the primary's disk, the standby to receive, the standby to replay");
    }

    #[test]
    fn one_warning_is_told_and_several_are_counted() {
        let one = ServerMessage::from_log("WARNING:  careful");
        assert_eq!(warning(std::slice::from_ref(&one)), "WARNING:  careful");
        assert_eq!(warning(&[]), "0 warnings");
        assert_eq!(warning(&[one.clone(), one]), "2 warnings");
    }
}
