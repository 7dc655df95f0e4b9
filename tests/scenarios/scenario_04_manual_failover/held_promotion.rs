//! Promotions that do not complete at once: the request, what holds it, and what the standby replays before
//! it is a primary. Nothing here starts the old primary again.

use macro_rules_attribute::apply;
use replication_lab::Topology;
use replication_lab::wal::Timeline;
use rstest::{Context, rstest};

use super::unreplayed::{
    Hold, OWN_TIMELINE, wait_for_flush, wait_for_replay_to_wait, wait_for_the_end_of_recovery,
};
use crate::steps::crash::must_have_crashed;
use crate::steps::shop::{ORDER, ORDERS, USERS, sessions, shop};
use crate::steps::shutdown::{shut_down, shut_down_and_replay};
use crate::support::{Lab, exercise, scenario};

const IN_RECOVERY: &str = "SELECT pg_is_in_recovery()";
const LATE: &str = "01000 server did not promote within 2 seconds";

/// `pg_promote(false)` returns before the standby is a primary: its answer says that the promotion was
/// requested.
///
/// Method: freeze the startup process, which ends the recovery; call `pg_promote(false)`, look, write; thaw
/// it, and wait for the end of recovery (manual: Recovery Control Functions).
#[apply(exercise)]
#[rstest]
fn promotion_unawaited(#[context] test: Context) {
    let about = "pg_promote(false) requests a promotion and returns: its answer does not say that the \
                 standby is a primary";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair whose standby has replayed everything; the primary stops");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, reader) = sessions(&pair).await?;
        shop(&writer, 10).await?;
        shut_down_and_replay(lab, pair.primary(), &reader).await?;

        lab.step(
            "The standby's startup process is frozen: it replays the WAL, and it is the process that ends \
             the recovery. pg_promote(false) is called meanwhile",
        );
        let frozen = pair.standby()?.freeze_processes("startup").await?;
        let answer: bool = reader.value("SELECT pg_promote(false)").await?;
        let requested = lab.must_be("answer of pg_promote(false)", answer, true);
        let recovers: bool = reader.value(IN_RECOVERY).await?;
        let name = "pg_is_in_recovery() after the answer of pg_promote(false)";
        let still = lab.must_be(name, recovers, true);
        let refused = reader.refusal(ORDER).await?;
        let name = "SQLSTATE of an INSERT after the answer of pg_promote(false)";
        let refuses = lab.must_be(name, refused.sqlstate(), "25006");
        lab.fact("answer to an INSERT after the answer of pg_promote(false)", &refused);

        lab.step("The startup process is thawed, and the client waits for the end of recovery");
        frozen.thaw().await?;
        wait_for_the_end_of_recovery(&reader).await?;
        let recovers: bool = reader.value(IN_RECOVERY).await?;
        let ended = lab.must_be("pg_is_in_recovery() after the wait", recovers, false);
        let added = reader.execute(ORDER, &[]).await?;
        let writes = lab.must_be("rows that an INSERT adds after the wait", added, 1);

        lab.learn(
            "pg_promote(false) returns true when the promotion is requested; the server can still be in \
             recovery then, and refuse writes.",
            [&requested, &still, &refuses],
        );
        lab.learn(
            "After pg_promote(false), wait until pg_is_in_recovery() is false before you send writes.",
            [&ended, &writes],
        );
        Ok(())
    });
}

/// A promotion replays all WAL that the standby has received, also while replay is paused or delayed.
///
/// Method: hold replay, write, wait until the standby has flushed it; cut the link, write more; crash the
/// primary, promote, count.
#[apply(exercise)]
#[rstest]
#[case::paused(Hold::Paused)]
#[case::delayed(Hold::Delayed)]
fn promotion_behind(#[context] test: Context, #[case] hold: Hold) {
    scenario(&test, hold.about(), async |lab: &Lab| {
        lab.step("A pair with 20 orders that the standby has replayed");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = sessions(&pair).await?;
        shop(&writer, 10).await?;

        lab.step(hold.step());
        hold.on(standby).await?;
        writer.run("SELECT place_orders(100)").await?;
        wait_for_flush(&writer).await?;
        let event = wait_for_replay_to_wait(&reader, hold.wait_event()).await?;
        let held = lab.must_be("wait event of the startup process", &event, hold.wait_event());

        lab.step("The link is cut, 10 more orders are placed, and the primary crashes");
        let cut = pair.link("standby1")?.cut();
        writer.run("SELECT place_orders(10)").await?;
        let orders = writer.count(ORDERS).await?;
        let all = lab.must_be("orders on the primary before its crash", orders, 130_u64);
        primary.crash().await?;
        must_have_crashed(lab, primary, "in production").await?;
        let orders = reader.count(ORDERS).await?;
        let before = lab.must_be("orders on the standby before the promotion", orders, 20_u64);

        lab.step("The standby is promoted");
        let logged = standby.log().await?.len();
        standby.promote().await?;
        let request = standby.wait_for_log_since(logged, "promote request").await?;
        lab.fact("log of the standby: the request", request);
        let orders = reader.count(ORDERS).await?;
        let name = "orders on the new primary: 20 replayed before, 100 received before the cut";
        let after = lab.must_be(name, orders, 120_u64);
        drop(cut);

        lab.learn(hold.learning(), [&held, &before, &after]);
        lab.learn(
            "Rows that an asynchronous standby had not received before its primary crashed are not on the \
             new primary.",
            [&all, &after],
        );
        Ok(())
    });
}

/// A query on the standby can hold a promotion; `pg_promote()` then returns false, and the promotion
/// completes when the query's transaction ends.
///
/// Method: with `max_standby_streaming_delay = -1`, a transaction on the standby that has read a table, and
/// an ALTER TABLE of it in the received WAL; promote with a timeout, end the transaction.
#[apply(exercise)]
#[rstest]
fn promotion_held_by_a_transaction(#[context] test: Context) {
    let about = "A transaction on the standby that holds replay holds a promotion, too: pg_promote() returns \
                 false after its timeout, and the promotion completes later";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A standby with max_standby_streaming_delay = -1, and a transaction that has read users");
        let pair = lab.start(Topology::pair().set("max_standby_streaming_delay", -1)).await?;
        let (writer, reader) = sessions(&pair).await?;
        shop(&writer, 10).await?;
        let holder = pair.standby()?.session().await?;
        holder.run("BEGIN").await?;
        lab.must_be("users in the transaction on the standby", holder.count(USERS).await?, 10);

        lab.step("The primary changes the table, takes an order, and stops");
        writer.run("ALTER TABLE users ADD COLUMN note text").await?;
        writer.run(ORDER).await?;
        wait_for_flush(&writer).await?;
        let event = wait_for_replay_to_wait(&reader, "Lock: relation").await?;
        let waits = lab.must_be("wait event of the startup process", &event, "Lock: relation");
        shut_down(lab, pair.primary()).await?;

        lab.step("The standby is promoted, with a timeout of two seconds");
        let answer: bool = reader.value("SELECT pg_promote(true, 2)").await?;
        let gave_up = lab.must_be("answer of pg_promote(true, 2)", answer, false);
        let said: Vec<_> = reader.notices().iter().map(ToString::to_string).collect();
        let warned = lab.must_be("warning of pg_promote(true, 2)", said, [LATE]);
        let recovers: bool = reader.value(IN_RECOVERY).await?;
        let name = "pg_is_in_recovery() after the answer of pg_promote(true, 2)";
        let still = lab.must_be(name, recovers, true);

        lab.step("The transaction ends; no second promotion is requested");
        holder.run("COMMIT").await?;
        wait_for_the_end_of_recovery(&reader).await?;
        let recovers: bool = reader.value(IN_RECOVERY).await?;
        let ended = lab.must_be("pg_is_in_recovery() after the wait", recovers, false);
        let file: String = reader.value(OWN_TIMELINE).await?;
        let name = "timeline in the name of the current WAL file";
        let timeline = lab.must_be(name, Timeline::of_wal_file(&file), Some(Timeline(2)));
        let orders = reader.count(ORDERS).await?;
        let kept = lab.must_be("orders on the new primary", orders, 21_u64);

        lab.learn(
            "With max_standby_streaming_delay = -1 a transaction on the standby can hold a promotion: all \
             received WAL is replayed before the promotion, and replay waits for the transaction's lock.",
            [&waits, &still, &kept],
        );
        lab.learn(
            "pg_promote() returns false with a WARNING when the server is still in recovery after the \
             timeout. The request stays: the promotion completes once its cause is gone. Before you promote \
             another standby instead, make sure that this one cannot become a primary.",
            [&gave_up, &warned, &ended, &timeline],
        );
        Ok(())
    });
}
