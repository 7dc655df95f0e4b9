//! A commit while its synchronous standby is stopped. The primary never stops here.

use std::time::Duration;

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::{Node, Result, Session, Shutdown};
use rstest::{Context, rstest};

use super::commits::{CANCEL, Commit, SYNC_REP, TERMINATE, wait_for_sync_rep, waits_on, warning};
use super::pair::{NO_RULE, RELOAD, counts, synchronous_pair};
use crate::steps::shop::{ORDER, ORDERS};
use crate::support::{Lab, scenario};

const CANCELLED: &str = "01000 canceling wait for synchronous replication due to user request — The \
    transaction has already committed locally, but might not have been replicated to the standby.";
const TERMINATED: &str = "57P01 canceling the wait for synchronous replication and terminating \
    connection due to administrator command — The transaction has already committed locally, but \
    might not have been replicated to the standby.";
const IN_A_BLOCK: &str = "DO $$ BEGIN INSERT INTO orders (user_id, product, amount) \
    VALUES (1, 1, 1); COMMIT; END $$";
const TIMEOUT: Duration = Duration::from_secs(2);

/// Without its standby a commit waits, visible to nobody; who ends the wait has committed all the same.
///
/// Method: stop the standby, commit, look; cancel, terminate, let a timeout pass; start the standby
/// behind a cut link, and count on both.
#[rstest]
fn standby_gone(#[context] test: Context) {
    let about = "Without its standby a commit waits; who ends the wait has committed all the same";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, which stops");
        let pair = synchronous_pair(lab).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, looker) = (primary.session().await?, primary.session_unrecorded().await?);
        standby.stop(Shutdown::Fast).await?;

        lab.step("A commit waits");
        let commit = Commit::of(impatient(primary).await?, ORDER);
        let seen = wait_for_sync_rep(&looker).await?;
        let waits = lab.must_be("what it waits for", &seen, SYNC_REP);
        let hidden = lab.must_be("orders meanwhile", writer.count(ORDERS).await?, 20_u64);
        waits_on(&looker, TIMEOUT + TIMEOUT / 5).await?;
        let seen = wait_for_sync_rep(&looker).await?;
        let on = lab.must_be("what it waits for after its timeout", &seen, SYNC_REP);

        lab.step("It is cancelled");
        writer.run(CANCEL).await?;
        let told = commit.answer().await;
        told.result?;
        let warned = lab.must_be("warning", warning(&told.warnings), CANCELLED);
        let shown = lab.must_be("orders after that", writer.count(ORDERS).await?, 21_u64);

        lab.step("One that is part of a statement runs into its timeout");
        let told = Commit::of(impatient(primary).await?, IN_A_BLOCK).answer().await;
        told.result?;
        let timed_out = lab.must_be("warning to it", warning(&told.warnings), CANCELLED);
        lab.must_be("orders after that too", writer.count(ORDERS).await?, 22_u64);

        lab.step("One is terminated");
        let commit = Commit::of(primary.session().await?, ORDER);
        wait_for_sync_rep(&looker).await?;
        writer.run(TERMINATE).await?;
        let told = commit.answer().await;
        let seen = told.result.is_err_and(|error| error.is_connection());
        let broken = lab.must_be("did the connection end without an answer", seen, true);
        lab.must_be("last warning", warning(&told.warnings), TERMINATED);
        let there = lab.must_be("orders at last", writer.count(ORDERS).await?, 23_u64);

        lab.step("The standby is back, behind a link that is cut");
        let cut = pair.link("standby1")?.cut();
        standby.start().await?;
        let reader = standby.session().await?;
        let apart = lab.must_be("orders on each", counts(&writer, &reader).await?, [23, 20]);
        cut.heal();

        lab.learn("A commit waits for its standby; nobody sees it meanwhile.", [&waits, &hidden]);
        lab.learn(
            "Cancelled, it is committed all the same, on the primary alone, and a warning says so.",
            [&warned, &shown, &apart],
        );
        lab.learn(
            "statement_timeout does not end the wait of a statement that commits; it does where a \
             COMMIT is within one, as in DO.",
            [&on, &timed_out],
        );
        lab.learn("Terminated, nobody is told that it is committed, and it is.", [&broken, &there]);
        Ok(())
    });
}

/// A commit that waits goes on when the standby is back, or when the rule is emptied.
///
/// Method: stop the standby, commit, start it; stop it again, commit, empty the rule and reload.
#[rstest]
fn standby_returns(#[context] test: Context) {
    let about = "A commit that waits goes on with the standby, or without the rule";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair whose synchronous standby stops, and a commit that waits");
        let pair = synchronous_pair(lab).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, looker) = (primary.session().await?, primary.session_unrecorded().await?);
        standby.stop(Shutdown::Fast).await?;
        let commit = Commit::of(primary.session().await?, ORDER);
        let seen = wait_for_sync_rep(&looker).await?;
        let waits = lab.must_be("what it waits for", &seen, SYNC_REP);

        lab.step("The standby is back");
        standby.start().await?;
        let told = commit.answer().await;
        told.result?;
        let quiet = lab.must_be("warnings", told.warnings.len() as u64, 0_u64);
        wait_for_no_lag(&writer, "standby1").await?;
        let reader = standby.session().await?;
        let both = lab.must_be("orders on each", counts(&writer, &reader).await?, [21, 21]);

        lab.step("The standby stops again, and another commit waits");
        standby.stop(Shutdown::Fast).await?;
        let commit = Commit::of(primary.session().await?, ORDER);
        let seen = wait_for_sync_rep(&looker).await?;
        let again = lab.must_be("what this one waits for", &seen, SYNC_REP);

        lab.step("The rule is emptied");
        writer.run(NO_RULE).await?;
        writer.run(RELOAD).await?;
        let told = commit.answer().await;
        told.result?;
        let freed = lab.must_be("warnings to this one", told.warnings.len() as u64, 0_u64);
        lab.must_be("orders on the primary", writer.count(ORDERS).await?, 22_u64);

        lab.learn("A commit that waits goes on when the standby is back.", [&waits, &quiet, &both]);
        lab.learn(
            "Or when synchronous_standby_names is emptied and reloaded: without a warning, and \
             without a standby that has it.",
            [&again, &freed],
        );
        Ok(())
    });
}

/// A session whose statements may take as long as [`TIMEOUT`]: far more than an order needs.
async fn impatient(primary: &Node) -> Result<Session> {
    let session = primary.session().await?;
    session.run("SET statement_timeout = '2s'").await?;
    Ok(session)
}
