//! Queries on a standby that replay cancels, or that replay waits for. Nothing here runs on the standby
//! but reads and settings.

use macro_rules_attribute::apply;
use replication_lab::Topology;
use replication_lab::catchup::wait_for_no_lag;
use rstest::{Context, rstest};

use super::queries::{
    Conflict, SLEEP, cancelled_by, wait_for_conflict, wait_for_current_feedback, wait_for_end,
    wait_for_sleeper, wait_for_waiting_replay, wait_for_xmin,
};
use crate::steps::shop::USERS;
use crate::support::{Lab, exercise, scenario};

/// Replay of VACUUM cancels a query that may need the rows that VACUUM removed. It does not with
/// `hot_standby_feedback`, because then VACUUM leaves them.
///
/// Method: a query that lasts, rows deleted and vacuumed on the primary meanwhile; then again with
/// `hot_standby_feedback`, in a transaction that counts twice (manual: Handling Query Conflicts).
#[apply(exercise)]
#[rstest]
fn conflicts(#[context] test: Context) {
    let about = "Snapshot conflicts: VACUUM cancels a query on the standby, unless hot_standby_feedback is on";
    scenario(&test, about, async |lab: &Lab| {
        lab.step(
            "A standby with max_standby_streaming_delay = 0: replay does not wait for queries",
        );
        let pair = lab.start(no_delay()).await?;
        let (writer, standby) = (pair.primary().session().await?, pair.standby()?);
        let watcher = standby.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT insert_bulk_users(1000)").await?;
        pair.wait_for_catchup("standby1").await?;

        lab.step("Without feedback: VACUUM removes rows that a running query may still need");
        let vacuum = async {
            writer.run("DELETE FROM users WHERE id % 3 = 0").await?;
            writer.run("VACUUM users").await
        };
        let cancelled = cancelled_by(standby, &watcher, vacuum).await?;
        let code = lab.must_be("SQLSTATE of the query", cancelled.sqlstate(), "40001");
        lab.fact("error of the query", &cancelled);
        let counted = wait_for_conflict(&watcher, Conflict::Snapshot).await?;
        let counted = lab.must_be(
            "is confl_snapshot in pg_stat_database_conflicts above 0",
            counted > 0,
            true,
        );

        lab.step(
            "With hot_standby_feedback: the slot shows the standby's xmin, and VACUUM leaves the rows",
        );
        watcher.run("ALTER SYSTEM SET hot_standby_feedback = on").await?;
        watcher.run("SELECT pg_reload_conf()").await?;
        pair.wait_for_catchup("standby1").await?;
        let reader = standby.session().await?;
        reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        let before = lab.must_be("users in the transaction", reader.count(USERS).await?, 667_u64);
        let xmin = wait_for_xmin(&writer).await?;
        let xmin = lab.must_be("slots with an xmin", xmin, 1_u64);
        writer.run("DELETE FROM users WHERE id % 3 = 1").await?;
        writer.run("VACUUM users").await?;
        pair.wait_for_catchup("standby1").await?;
        lab.must_be("users on the primary", writer.count(USERS).await?, 333_u64);
        let seen = reader.count(USERS).await?;
        let after = lab.must_be("users in the transaction after VACUUM", seen, 667_u64);
        reader.run("COMMIT").await?;

        lab.learn(
            "With max_standby_streaming_delay = 0 replay of VACUUM cancels a query on the standby whose \
             snapshot may need the removed rows: SQLSTATE 40001.",
            [&code, &counted],
        );
        lab.learn(
            "With hot_standby_feedback the standby's oldest snapshot holds back VACUUM on the primary, \
             and this conflict does not arise.",
            [&xmin, &before, &after],
        );
        Ok(())
    });
}

/// `hot_standby_feedback` prevents snapshot conflicts alone: a lock that replay must take, and a page
/// that a query has pinned, still end the query, unless `max_standby_streaming_delay` lets it finish.
///
/// Method: with feedback on, an open cursor on a page that VACUUM prunes; a query on a table that VACUUM
/// truncates; the same with ALTER TABLE and a delay of -1 (manual: Handling Query Conflicts).
#[apply(exercise)]
#[rstest]
fn conflicts_despite_feedback(#[context] test: Context) {
    let about = "hot_standby_feedback prevents neither buffer pin conflicts nor lock conflicts";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A standby with hot_standby_feedback = on and max_standby_streaming_delay = 0");
        let pair = lab.start(no_delay().set("hot_standby_feedback", "on")).await?;
        let (writer, standby) = (pair.primary().session().await?, pair.standby()?);
        let (holder, watcher) = (standby.session().await?, standby.session().await?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT insert_bulk_users(1000)").await?;
        pair.wait_for_catchup("standby1").await?;

        lab.step("Buffer pin: a cursor is open on the page that VACUUM prunes; its rows were deleted before");
        writer.run("DELETE FROM users WHERE id <= 10").await?;
        pair.wait_for_catchup("standby1").await?;
        holder.run("BEGIN; DECLARE c CURSOR FOR SELECT * FROM users; FETCH 1 FROM c").await?;
        wait_for_current_feedback(&writer).await?;
        writer.run("VACUUM users").await?;
        let ended = wait_for_end(&holder).await?;
        let pin_code = lab.must_be("SQLSTATE that ends the session", ended.sqlstate(), "40001");
        let pin = lab.fact("error that ends the session", &ended);
        let counted = wait_for_conflict(&watcher, Conflict::BufferPin).await?;
        let pins = lab.must_be(
            "is confl_bufferpin in pg_stat_database_conflicts above 0",
            counted > 0,
            true,
        );

        lab.step(
            "Lock: VACUUM truncates the table while a query that began after the DELETE reads it",
        );
        writer.run("DELETE FROM users").await?;
        pair.wait_for_catchup("standby1").await?;
        let vacuum = async {
            wait_for_current_feedback(&writer).await?;
            writer.run("VACUUM users").await
        };
        let cancelled = cancelled_by(standby, &watcher, vacuum).await?;
        let code = lab.must_be("SQLSTATE of the query", cancelled.sqlstate(), "40001");
        let lock = lab.fact("error of the query", &cancelled);
        let counted = wait_for_conflict(&watcher, Conflict::Lock).await?;
        let locks =
            lab.must_be("is confl_lock in pg_stat_database_conflicts above 0", counted > 0, true);

        lab.step("Lock, with max_standby_streaming_delay = -1: replay waits for the query");
        standby.set("max_standby_streaming_delay", "-1").await?;
        pair.wait_for_catchup("standby1").await?;
        let reader = standby.session().await?;
        let alter = async {
            wait_for_sleeper(&watcher).await?;
            writer.run("ALTER TABLE users ADD COLUMN note text").await?;
            let waits = wait_for_waiting_replay(&watcher).await?;
            watcher.run(CANCEL).await?;
            Ok(waits)
        };
        let (query, waits) = tokio::join!(reader.refusal(SLEEP), alter);
        let waits = lab.must_be("startup processes that wait for a relation lock", waits?, 1_u64);
        let by_hand =
            lab.must_be("SQLSTATE of the query after a cancel", query?.sqlstate(), "57014");
        let last = wait_for_no_lag(&writer, "standby1").await?;
        lab.must_be("bytes of replay lag after the query", last.lag(), Some(0));

        lab.learn(
            "hot_standby_feedback does not prevent a buffer pin conflict: replay of pruning needs the \
             page for itself, and ends a session whose cursor has it pinned.",
            [&pin_code, &pin, &pins],
        );
        lab.learn(
            "hot_standby_feedback does not prevent a lock conflict: when VACUUM truncates a table it takes an ACCESS EXCLUSIVE lock, and \
             replay of that lock cancels the queries on the table.",
            [&code, &lock, &locks],
        );
        lab.learn(
            "max_standby_streaming_delay decides how long replay waits before it ends the query: with 0 \
             it does not wait, with -1 it waits until the query has ended.",
            [&lock, &waits, &by_hand],
        );
        Ok(())
    });
}

const CANCEL: &str = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity \
                      WHERE wait_event = 'PgSleep'";

/// A pair whose standby cancels at once, and reports its feedback every second. Autovacuum is off, so
/// that only the VACUUM of the exercise is replayed.
fn no_delay() -> Topology {
    let pair = Topology::pair().set("autovacuum", "off").set("max_standby_streaming_delay", 0);
    pair.set("wal_receiver_status_interval", "1s")
}
