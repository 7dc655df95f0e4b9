//! TODO.

use std::sync::Arc;
use std::time::Duration;

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::ledger::Outcome;
use replication_lab::record::Reading;
use replication_lab::{Cluster, Node, Result, Session, Shutdown, Topology};
use rstest::{Context, rstest};

use super::commits::{
    CANCEL, Commit, ORDER, SYNC_REP, TERMINATE, at_each_level, commit_times, is_answered,
    is_answered_alone, is_flushed, session_at, told, wait_for_reports, wait_for_sync_rep, waits_on,
    warning,
};
use super::sync_rules::wait_for_followers;
use super::sync_rules::{RULES, judged, under};
use crate::steps::crash::{
    WRITERS, around_the_cut, at_work, cut_between, take_over, verdict, wait_for_waiting,
};
use crate::steps::shop::{ORDERS, shop};
use crate::support::{Lab, scenario};

const PAUSE: &str = "SELECT pg_wal_replay_pause()";
const RESUME: &str = "SELECT pg_wal_replay_resume()";
const CANCELLED: &str = "01000 canceling wait for synchronous replication due to user request — The \
    transaction has already committed locally, but might not have been replicated to the standby.";
const TERMINATED: &str = "57P01 canceling the wait for synchronous replication and terminating \
    connection due to administrator command — The transaction has already committed locally, but \
    might not have been replicated to the standby.";

const IN_A_BLOCK: &str = "DO $$ BEGIN INSERT INTO orders (user_id, product, amount) \
    VALUES (1, 1, 1); COMMIT; END $$";
const NO_RULE: &str = "ALTER SYSTEM SET synchronous_standby_names = ''";
const RELOAD: &str = "SELECT pg_reload_conf()";

const ONE_WAY: Duration = Duration::from_millis(20);
const TIMEOUT: Duration = Duration::from_secs(2);

/// Each level of `synchronous_commit` waits for something else.
///
/// Method: hold back one thing after the other, the primary's WAL writer, the standby's walreceiver, its
/// replay, and commit at each level; then without a rule. What tells `on` from `remote_write` is a crash
/// of the standby's operating system, which the lab cannot bring about.
#[rstest]
fn what_a_commit_waits_for(#[context] test: Context) {
    let about = "What a commit waits for at each level of synchronous_commit";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby");
        let pair = synchronous_pair(lab).await?;
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        let looker = &primary.session_unnoted().await?;

        lab.step("A commit at each level, while nobody else flushes WAL on the primary");
        let held = primary.freeze_processes("walwriter").await?;
        let flushed = at_each_level(primary, |session| is_flushed(session, looker)).await?;
        held.thaw().await?;

        lab.step("The same while the standby receives nothing");
        let held = standby.freeze_processes("walreceiver").await?;
        let alone = at_each_level(primary, |session| is_answered_alone(session, looker)).await?;
        held.thaw().await?;
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("The same while the standby receives, and replays nothing");
        reader.run(PAUSE).await?;
        let unseen = at_each_level(primary, |session| is_answered(session, looker)).await?;
        reader.run(RESUME).await?;

        lab.step("What they wait for");
        let [off, local, write, on, apply] = told(flushed, alone, unseen);
        let off = lab.must_be("off", &off, "nothing");
        let local = lab.must_be("local", &local, "the primary's disk");
        let write = lab.must_be("remote_write", &write, RECEIPT);
        let on = lab.must_be("on", &on, RECEIPT);
        let apply = lab.must_be("remote_apply", &apply, REPLAY);

        lab.step("Without a rule, while the standby receives nothing");
        let held = standby.freeze_processes("walreceiver").await?;
        writer.run(NO_RULE).await?;
        writer.run(RELOAD).await?;
        let free = Commit::of(session_at(primary, "on").await?, ORDER).answer().await;
        let free = lab.must_be("on: is it answered", free.result.is_ok(), true);
        held.thaw().await?;

        lab.learn("off waits for nothing, not even for the primary's own disk.", [&off]);
        lab.learn("local waits for the primary's own disk, and for nobody else.", [&local]);
        lab.learn(
            "remote_write and on wait until the standby has received the commit, not until a read \
             there shows it.",
            [&write, &on],
        );
        lab.learn("remote_apply waits until a read there shows it.", [&apply]);
        lab.learn("Without a rule on waits as local does: that is asynchronous.", [&free, &local]);
        Ok(())
    });
}

/// Over a slow link a commit that waits for the standby takes the round trip at least.
///
/// Method: time the commits of one client at each level, over a direct link and over one that takes
/// 20 ms each way. What `local` waits for is what a commit of an asynchronous pair waits for.
#[rstest]
fn commit_levels(#[context] test: Context) {
    let about = "How long a commit takes at each level, over a direct link and over a slow one";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby");
        let pair = synchronous_pair(lab).await?;
        let primary = pair.primary();

        lab.step("Over a direct link");
        let times = commit_times(lab, primary, "direct link", lab.scaled(100)).await?;
        let [_, asynchronous, _, synchronous, _] = times.map(|times| times.median);
        lab.key_figure("asynchronous write time", asynchronous);
        lab.key_figure("synchronous write time", synchronous);
        let impact = Reading::impact(asynchronous, synchronous);
        lab.key_figure("impact of synchronous commits", impact);

        lab.step("Over a slow link");
        let slow = pair.link("standby1")?.latency(ONE_WAY);
        let times = commit_times(lab, primary, "slow link", lab.scaled(10)).await?;
        slow.heal();
        let [_, asynchronous, _, synchronous, _] = times.map(|times| times.median);
        lab.key_figure("synchronous write time, slow link", synchronous);
        let impact = Reading::impact(asynchronous, synchronous);
        lab.key_figure("impact of synchronous commits, slow link", impact);
        let [_, _, write, on, apply] = times.map(|times| times.shortest >= ONE_WAY * 2);
        let write = lab.must_be("remote_write: did every commit take at least 40 ms", write, true);
        let on = lab.must_be("on: did every commit take at least 40 ms", on, true);
        let apply = lab.must_be("remote_apply: did every commit take at least 40 ms", apply, true);

        lab.learn(
            "A commit that waits for the standby waits for the network, there and back.",
            [&write, &on, &apply],
        );
        Ok(())
    });
}

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
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
        let (writer, looker) = (primary.session().await?, primary.session_unnoted().await?);
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
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
        let (writer, looker) = (primary.session().await?, primary.session_unnoted().await?);
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

/// The rule says who counts, in which order, and how many of them: with too few a commit blocks.
///
/// Method: three standbys, one rule after the other, a commit under each; stop the first standby, and the
/// same again. A commit that blocks is one that all standbys have confirmed, and that still waits.
#[rstest]
fn who_counts(#[context] test: Context) {
    let about = "Who counts under a rule, and who takes over or blocks without the first standby";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with three standbys");
        let three = Topology::alone().standby("s1").standby("s2").standby("s3");
        let cluster = lab.start(three).await?;
        let (primary, first) = (cluster.primary(), cluster.node("s1")?);
        let writer = primary.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT fill_shop(10)").await?;

        lab.step("One rule after the other, with all three standbys, and then without the first");
        let all = under(primary, &RULES).await?;
        first.stop(Shutdown::Fast).await?;
        wait_for_followers(&primary.session_unnoted().await?, 2).await?;
        let without = under(primary, &RULES).await?;

        lab.step("How each standby counts, with its priority, and what becomes of a commit");
        let [one, case, two, two_of_three, any, both, most, star, short, short_any] =
            judged(lab, &RULES, &all, &without);

        lab.learn(
            "FIRST counts standbys in the order of the rule, and the next one takes over.",
            [&one, &two_of_three],
        );
        lab.learn("ANY knows no order: each standby that it names is quorum, and so many of them must confirm.", [&any, &both, &most]);
        lab.learn("A rule that wants all that it names blocks when one is gone.", [&two, &both]);
        lab.learn("* means every standby, each with the same priority.", [&star]);
        lab.learn("Names compare without case.", [&case]);
        lab.learn(
            "A rule that wants more standbys than it names is accepted, and blocks with all of them there.",
            [&short, &short_any],
        );
        Ok(())
    });
}

/// A read on the standby sees every commit that was answered at `remote_apply`.
///
/// Method: pause replay and commit at `on` and at `remote_apply`; resume, and read at once.
#[rstest]
fn remote_apply(#[context] test: Context) {
    let about = "remote_apply reads its own writes on the standby, on does not";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, where replay is paused");
        let pair = synchronous_pair(lab).await?;
        let primary = pair.primary();
        let (writer, reader) = (primary.session().await?, pair.node("standby1")?.session().await?);
        let looker = primary.session_unnoted().await?;
        reader.run(PAUSE).await?;

        lab.step("A commit at on");
        session_at(primary, "on").await?.run(ORDER).await?;
        let missed = lab.must_be("orders on each", counts(&writer, &reader).await?, [21, 20]);

        lab.step("A commit at remote_apply, which the standby has flushed");
        let commit = Commit::of(session_at(primary, "remote_apply").await?, ORDER);
        wait_for_sync_rep(&looker).await?;
        wait_for_reports(&looker).await?;
        wait_for_reports(&looker).await?;
        let seen = wait_for_sync_rep(&looker).await?;
        let waits = lab.must_be("what it waits for", &seen, SYNC_REP);
        let hidden =
            lab.must_be("orders on each meanwhile", counts(&writer, &reader).await?, [21, 20]);

        lab.step("Replay goes on");
        reader.run(RESUME).await?;
        commit.answer().await.result?;
        let orders = reader.count(ORDERS).await?;
        let seen = lab.must_be("orders on the standby once it is answered", orders, 22_u64);

        lab.learn("A commit at on is answered before a read on the standby shows it.", [&missed]);
        lab.learn(
            "One at remote_apply is not, and nobody sees it before: who reads on the standby after \
             the answer sees it.",
            [&waits, &hidden, &seen],
        );
        Ok(())
    });
}

/// No order that was acked is lost when a synchronous primary crashes at work.
///
/// Method: writers note what they are told; kill the primary at work, promote the standby, let the
/// writers go on there, and compare.
#[rstest]
fn zero_loss(#[context] test: Context) {
    let about = "A synchronous primary crashes at work, and no order that was acked is lost";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, and writers at work");
        let synchronous = Topology::pair().synchronous("standby1");
        let (pair, writers) = at_work(lab, synchronous).await?;

        lab.step("The primary crashes, and the standby takes over");
        pair.primary().crash().await?;
        let ledger = take_over(lab, &pair, writers).await?;

        lab.step("What the new primary has");
        let verdict = verdict(lab, &pair, &ledger).await?;
        let none = lab.must_be("lost, unexpected, twice", verdict.wrong(), [0_u64; 3]);

        lab.learn("No order that was acked is lost.", [&none]);
        Ok(())
    });
}

/// Nor is one when the standby was out of reach before the crash: nothing was acked then.
///
/// Method: cut the link at a moment when nobody writes, wait until every writer waits for the standby,
/// kill the primary, promote the standby behind the cut.
#[rstest]
fn zero_loss_behind_a_cut(#[context] test: Context) {
    let about = "A synchronous primary crashes behind a cut link: nothing was acked there, and nothing is lost";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, and writers at work");
        let synchronous = Topology::pair().synchronous("standby1");
        let (pair, writers) = at_work(lab, synchronous).await?;

        lab.step("The link is cut, and every writer waits");
        let (cut, before) = cut_between(&pair, &writers).await?;
        let looker = pair.primary().session_unnoted().await?;
        wait_for_waiting(&looker, "wait_event = 'SyncRep'").await?;

        lab.step("The primary crashes, and the standby takes over");
        pair.primary().crash().await?;
        let acked = writers.acked() - before;
        let silent = lab.must_be("orders acked behind the cut", acked, 0_u64);
        let ledger = take_over(lab, &pair, writers).await?;
        cut.heal();

        lab.step("What the new primary has");
        let verdict = verdict(lab, &pair, &ledger).await?;
        let none = lab.must_be("lost, unexpected, twice", verdict.wrong(), [0_u64; 3]);
        let all = ledger.count(Outcome::Unknown) >= WRITERS as u64;
        let all = lab.must_be("did every writer wait for an answer in vain", all, true);
        let there = verdict.recovered.len() as u64;
        let there = lab.must_be("orders without an answer that are there", there, 0_u64);

        lab.learn("What no standby has is acked to nobody, and cannot be lost.", [&silent, &none]);
        lab.learn(
            "An order without an answer may be gone: nobody was promised it.",
            [&all, &there],
        );
        Ok(())
    });
}

/// The same check finds what an asynchronous pair loses: everything that was acked behind the cut.
///
/// Method: as with a synchronous standby, without it.
#[rstest]
fn losses_are_found(#[context] test: Context) {
    let about = "The counter-proof: an asynchronous pair loses what was acked behind the cut";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("An asynchronous pair, and writers at work");
        let (pair, writers) = at_work(lab, Topology::pair()).await?;

        lab.step("The link is cut, and orders are acked all the same");
        let (cut, before) = cut_between(&pair, &writers).await?;
        writers.wait_for_acks(before + lab.scaled(200)).await?;

        lab.step("The primary crashes, and the standby takes over");
        pair.primary().crash().await?;
        let then = writers.acked();
        let ledger = take_over(lab, &pair, writers).await?;
        cut.heal();

        lab.step("What the new primary has");
        let verdict = verdict(lab, &pair, &ledger).await?;
        lab.key_figure("acked orders lost", Reading::Count(verdict.lost.len() as u64));
        let [lost, there] = around_the_cut(&ledger, &verdict, before, then);
        let kept = lab.must_be("orders acked before the cut, and lost", lost, 0_u64);
        let gone = lab.must_be("orders acked between cut and crash, and there", there, 0_u64);
        let [lost, unexpected, twice] = verdict.wrong();
        let found = lab.must_be("does the check find losses", lost >= then - before, true);
        lab.must_be("unexpected, twice", [unexpected, twice], [0_u64; 2]);

        lab.learn("An asynchronous pair loses what was acked and not yet sent.", [&gone, &found]);
        lab.learn("What the standby had before the cut is kept.", [&kept]);
        Ok(())
    });
}

const RECEIPT: &str = "the primary's disk, the standby to receive";
const REPLAY: &str = "the primary's disk, the standby to receive, the standby to replay";

/// A session whose statements may take as long as [`TIMEOUT`]: far more than an order needs.
async fn impatient(primary: &Node) -> Result<Session> {
    let session = primary.session().await?;
    session.run("SET statement_timeout = '2s'").await?;
    Ok(session)
}

/// A pair whose standby is synchronous, with a shop of ten users and twenty orders on both servers.
async fn synchronous_pair(lab: &Lab) -> Result<Arc<Cluster>> {
    // Nobody but who is looked at commits, or flushes WAL.
    let quiet = Topology::pair().set("autovacuum", "off");
    let pair = lab.start(quiet.synchronous("standby1")).await?;
    shop(&pair.primary().session().await?, 10).await?;
    Ok(pair)
}

async fn counts(writer: &Session, reader: &Session) -> Result<[u64; 2]> {
    Ok([writer.count(ORDERS).await?, reader.count(ORDERS).await?])
}
