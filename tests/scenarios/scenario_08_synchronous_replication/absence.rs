//! Commits while the synchronous standby is stopped, and what ends their wait. The primary never stops
//! here.

use std::time::Duration;

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_no_lag;
use replication_lab::{Node, Proof, Result, Session, Shutdown};
use rstest::{Context, rstest};

use super::commits::{
    CANCEL, Commit, SYNC_REP, TERMINATE, keeps_waiting, wait_for_sync_rep, warning,
};
use super::pair::{NO_RULE, RELOAD, synchronous_pair};
use crate::steps::shop::{ORDER, ORDERS};
use crate::support::{Lab, exercise, scenario};

const CANCELLED: &str = "01000 canceling wait for synchronous replication due to user request — The \
    transaction has already committed locally, but might not have been replicated to the standby.";
const TERMINATED: &str = "57P01 canceling the wait for synchronous replication and terminating \
    connection due to administrator command — The transaction has already committed locally, but \
    might not have been replicated to the standby.";
const IN_A_BLOCK: &str = "DO $$ BEGIN INSERT INTO orders (user_id, product, amount) \
    VALUES (1, 1, 1); COMMIT; END $$";
const TIMEOUT: Duration = Duration::from_secs(2);

/// Without its synchronous standby a commit waits, and no other session sees it. Cancelling the wait, a
/// timeout and the end of the session do not undo the commit.
///
/// Method: stop the standby, commit, look; cancel, terminate, let a timeout pass; start the standby
/// behind a cut link, and count on both.
#[apply(exercise)]
#[rstest]
fn standby_gone(#[context] test: Context) {
    let about =
        "Without its synchronous standby a commit waits; ending the wait does not undo the commit";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, which stops");
        let pair = synchronous_pair(lab).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, looker) = (primary.session().await?, primary.session_unrecorded().await?);
        standby.stop(Shutdown::Fast).await?;

        lab.step("A commit waits, also beyond its statement_timeout");
        let commit = Commit::of(with_timeout(primary).await?, ORDER);
        let seen = wait_for_sync_rep(&looker).await?;
        let waits = lab.must_be("wait event of the commit", &seen, SYNC_REP);
        let orders = writer.count(ORDERS).await?;
        let hidden = lab.must_be("orders that another session sees meanwhile", orders, 20_u64);
        keeps_waiting(&looker, TIMEOUT + TIMEOUT / 5).await?;
        let seen = wait_for_sync_rep(&looker).await?;
        let on = lab.must_be("wait event of the commit after its timeout", &seen, SYNC_REP);

        lab.step("The wait is cancelled");
        writer.run(CANCEL).await?;
        let answer = commit.answer().await;
        answer.result?;
        let seen = warning(&answer.warnings);
        let warned = lab.must_be("warning to the cancelled commit", seen, CANCELLED);
        let orders = writer.count(ORDERS).await?;
        let shown = lab.must_be("orders after the cancel", orders, 21_u64);

        lab.step("A COMMIT within a DO block waits, and statement_timeout ends the wait");
        let answer = Commit::of(with_timeout(primary).await?, IN_A_BLOCK).answer().await;
        answer.result?;
        let seen = warning(&answer.warnings);
        let timed_out = lab.must_be("warning to the commit that timed out", seen, CANCELLED);
        lab.must_be("orders after the timeout", writer.count(ORDERS).await?, 22_u64);

        lab.step("A session whose commit waits is terminated");
        let commit = Commit::of(primary.session().await?, ORDER);
        wait_for_sync_rep(&looker).await?;
        writer.run(TERMINATE).await?;
        let answer = commit.answer().await;
        let seen = answer.result.is_err_and(|error| error.is_connection());
        let broken = lab.must_be("does the connection end without an answer", seen, true);
        let seen = warning(&answer.warnings);
        let last = lab.must_be("last warning to the terminated session", seen, TERMINATED);
        let orders = writer.count(ORDERS).await?;
        let there = lab.must_be("orders after the termination", orders, 23_u64);

        lab.step("The standby starts behind a link that is cut");
        let cut = pair.link("standby1")?.cut();
        standby.start().await?;
        lab.must_be("orders on the primary", writer.count(ORDERS).await?, 23_u64);
        let orders = standby.session().await?.count(ORDERS).await?;
        let apart = lab.must_be("orders on the standby", orders, 20_u64);
        cut.heal();

        learn_from_absence(lab, [&waits, &hidden, &on, &timed_out]);
        lab.learn(
            "Cancelling the wait does not undo the commit: a warning says that it is committed on the \
             primary, and it was not on the standby.",
            [&warned, &shown, &apart],
        );
        lab.learn(
            "Terminating the session does not undo the commit either. A WARNING with SQLSTATE 57P01 says \
             so, but the commit has no answer: a client that ignores warnings does not know the outcome.",
            [&broken, &last, &there],
        );
        Ok(())
    });
}

/// A commit that waits is answered when the standby returns, or when the rule is emptied.
///
/// Method: stop the standby, commit, start it; stop it again, commit, empty the rule and reload.
#[apply(exercise)]
#[rstest]
fn standby_returns(#[context] test: Context) {
    let about =
        "A commit that waits is answered once its standby returns, or once the rule is emptied";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair whose synchronous standby stops, and a commit that waits");
        let pair = synchronous_pair(lab).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, looker) = (primary.session().await?, primary.session_unrecorded().await?);
        standby.stop(Shutdown::Fast).await?;
        let commit = Commit::of(primary.session().await?, ORDER);
        let seen = wait_for_sync_rep(&looker).await?;
        let waits = lab.must_be("wait event of the first commit", &seen, SYNC_REP);

        lab.step("The standby starts again");
        standby.start().await?;
        let answer = commit.answer().await;
        answer.result?;
        let seen = answer.warnings.len() as u64;
        let quiet = lab.must_be("warnings to the first commit", seen, 0_u64);
        wait_for_no_lag(&writer, "standby1").await?;
        lab.must_be("orders on the primary", writer.count(ORDERS).await?, 21_u64);
        let orders = standby.session().await?.count(ORDERS).await?;
        let both = lab.must_be("orders on the standby", orders, 21_u64);

        lab.step("The standby stops again, and a second commit waits");
        standby.stop(Shutdown::Fast).await?;
        let commit = Commit::of(primary.session().await?, ORDER);
        let seen = wait_for_sync_rep(&looker).await?;
        let again = lab.must_be("wait event of the second commit", &seen, SYNC_REP);

        lab.step("synchronous_standby_names is emptied and reloaded");
        writer.run(NO_RULE).await?;
        writer.run(RELOAD).await?;
        let answer = commit.answer().await;
        answer.result?;
        let seen = answer.warnings.len() as u64;
        let freed = lab.must_be("warnings to the second commit", seen, 0_u64);
        let orders = writer.count(ORDERS).await?;
        let alone = lab.must_be("orders on the primary, its standby stopped", orders, 22_u64);

        lab.learn(
            "A commit that waits is answered when its standby returns and confirms it.",
            [&waits, &quiet, &both],
        );
        lab.learn(
            "Emptying synchronous_standby_names with a reload answers a commit that waits, too: without \
             a warning, and without a standby that has it.",
            [&again, &freed, &alone],
        );
        Ok(())
    });
}

/// Notes what the first half of `standby_gone` shows: the wait, and which timeouts end it.
fn learn_from_absence(lab: &Lab, [waits, hidden, on, timed_out]: [&Proof; 4]) {
    lab.learn(
        "While its synchronous standby is stopped, a commit waits, and no other session sees it.",
        [waits, hidden],
    );
    lab.learn(
        "statement_timeout does not end the wait of a statement that commits at its end. It ends the \
         wait of a COMMIT within a statement, as in DO: with the same warning, and committed.",
        [on, timed_out],
    );
}

/// Opens a session with [`TIMEOUT`] as its `statement_timeout`: far more than an order needs.
async fn with_timeout(primary: &Node) -> Result<Session> {
    let session = primary.session().await?;
    session.run("SET statement_timeout = '2s'").await?;
    Ok(session)
}
