//! Every kind of statement, run on a standby. Nothing here promotes it.

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_no_lag;
use replication_lab::{Proof, Topology};
use rstest::{Context, rstest};

use super::statements::{
    ADMINISTRATION, Answers, DEFINITIONS, EXPLAINS, LOCKS, MAINTENANCE, NOTIFICATIONS, READS, ROWS,
    TRANSACTIONS,
};
use crate::support::{Lab, exercise, scenario};

const SUM: &str = "SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM users u";

/// A standby accepts statements that need no transaction id and no lock above ROW EXCLUSIVE.
///
/// Method: run every statement in a session of its own, on a standby that has the shop; afterwards check
/// that the standby streams, and that both servers have the same rows (manual: Hot Standby, User's
/// Overview).
#[apply(exercise)]
#[rstest]
fn statements(#[context] test: Context) {
    let about =
        "Statement by statement: what a standby accepts, and with which error it refuses the rest";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A shop with a materialized view, and max_prepared_transactions = 2");
        let pair = lab
            .start(
                Topology::pair().set("max_prepared_transactions", 2).set("log_checkpoints", "on"),
            )
            .await?;
        let (writer, standby) = (pair.primary().session().await?, pair.standby()?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT insert_bulk_users(100)").await?;
        writer.run("CREATE MATERIALIZED VIEW names AS SELECT name FROM users").await?;
        pair.wait_for_catchup("standby1").await?;

        let mut said = Answers::default();
        lab.step("On the standby: queries");
        said.ask(lab, standby, READS).await?;
        lab.step("On the standby: EXPLAIN");
        said.ask(lab, standby, EXPLAINS).await?;
        lab.step("On the standby: statements that change or lock rows");
        said.ask(lab, standby, ROWS).await?;
        lab.step("On the standby: DDL, also for temporary tables");
        said.ask(lab, standby, DEFINITIONS).await?;
        lab.step("On the standby: maintenance");
        said.ask(lab, standby, MAINTENANCE).await?;
        lab.step("On the standby: locks");
        said.ask(lab, standby, LOCKS).await?;
        lab.step("On the standby: transactions");
        said.ask(lab, standby, TRANSACTIONS).await?;
        lab.step("On the standby: LISTEN and NOTIFY");
        said.ask(lab, standby, NOTIFICATIONS).await?;
        lab.step("On the standby: administration");
        said.ask(lab, standby, ADMINISTRATION).await?;

        lab.step("CHECKPOINT on the standby, after the primary's: it makes a restartpoint");
        writer.run("CHECKPOINT").await?;
        pair.wait_for_catchup("standby1").await?;
        standby.session().await?.run("CHECKPOINT").await?;
        let logged = standby.wait_for_log("restartpoint complete").await?;
        let logged = logged.message().split(':').take(2).collect::<Vec<_>>().join(":");
        let restartpoint = lab.must_be("the standby logs", &logged, RESTARTPOINT);

        lab.step(
            "Why temporary tables are refused: their definitions are rows of the system catalogs",
        );
        writer.run("CREATE TEMPORARY TABLE scratch (a int)").await?;
        pair.wait_for_catchup("standby1").await?;
        let reader = standby.session().await?;
        let seen = reader.count(SCRATCH).await?;
        let catalogs =
            lab.must_be("rows of the temporary table in the standby's pg_class", seen, 1_u64);

        lab.step("After all of them the standby still streams, and has the primary's rows");
        writer.run("SELECT insert_bulk_users(1)").await?;
        let last = wait_for_no_lag(&writer, "standby1").await?;
        let state = lab.must_be("state in pg_stat_replication", &last.state, "streaming");
        let same = reader.value::<String>(SUM).await? == writer.value::<String>(SUM).await?;
        let same = lab.must_be("are the users the same on both servers", same, true);

        learn(lab, &said, &Afterwards { catalogs, state, restartpoint, same });
        Ok(())
    });
}

const EXPLAIN_INSERT: &str = "EXPLAIN INSERT INTO users (name, email) VALUES ('a', 'b')";
const ANALYZE_INSERT: &str = "EXPLAIN ANALYZE INSERT INTO users (name, email) VALUES ('a', 'b')";
const SLOT: &str = "SELECT pg_create_physical_replication_slot('s'), pg_drop_replication_slot('s')";
const SCRATCH: &str = "SELECT count(*) FROM pg_class WHERE relname = 'scratch'";

const RESTARTPOINT: &str = "LOG:  restartpoint complete";

/// The facts that were seen after all statements.
struct Afterwards {
    catalogs: Proof,
    state: Proof,
    restartpoint: Proof,
    same: Proof,
}

fn learn(lab: &Lab, said: &Answers, then: &Afterwards) {
    lab.learn(
        "A standby answers queries while it replays.",
        [said.to("SELECT count(*) FROM users"), said.to("COPY users TO '/dev/null'"), &then.state],
    );
    lab.learn(
        "A standby accepts EXPLAIN of a write. It refuses EXPLAIN ANALYZE of it, which executes it.",
        [said.to(EXPLAIN_INSERT), said.to(ANALYZE_INSERT)],
    );
    lab.learn(
        "A write is refused for its kind, also where it would change no row.",
        [
            said.to("UPDATE users SET name = 'a' WHERE false"),
            said.to("DROP TABLE IF EXISTS nope"),
            &then.same,
        ],
    );
    lab.learn(
        "SQLSTATE 25006 has two wordings: \"in a read-only transaction\" and \"during recovery\". \
         Statements without a recovery check fail with XX000 (internal error).",
        [
            said.to("DELETE FROM users"),
            said.to("VACUUM users"),
            said.to("EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1 AS a"),
        ],
    );
    lab.learn(
        "Temporary tables are refused too: their definitions are rows of the system catalogs, which a \
         standby cannot change.",
        [said.to("CREATE TEMPORARY TABLE t (a int)"), &then.catalogs],
    );
    lab.learn(
        "LOCK TABLE is granted up to ROW EXCLUSIVE and refused from SHARE UPDATE EXCLUSIVE on; advisory \
         locks are granted.",
        [
            said.to("BEGIN; LOCK TABLE users IN ROW EXCLUSIVE MODE; COMMIT"),
            said.to("BEGIN; LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE; COMMIT"),
            said.to("SELECT pg_try_advisory_xact_lock(1)"),
        ],
    );
    lab.learn(
        "No read-only setting makes a session of a standby writable, and SERIALIZABLE is refused.",
        [
            said.to("SET transaction_read_only = off"),
            said.to("SET default_transaction_read_only = off; DELETE FROM users"),
            said.to("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT"),
        ],
    );
    lab.learn(
        "LISTEN and NOTIFY are refused on a standby.",
        [said.to("LISTEN news"), said.to("NOTIFY news, 'it rains'")],
    );
    lab.learn(
        "Configuration, slots and cumulative statistics are a standby's own and can be changed there.",
        [
            said.to("ALTER SYSTEM SET work_mem = '8MB'"),
            said.to(SLOT),
            said.to("SELECT pg_stat_reset()"),
        ],
    );
    lab.learn(
        "CHECKPOINT on a standby makes a restartpoint: it writes no checkpoint record, because a standby \
         writes no WAL.",
        [said.to("CHECKPOINT"), &then.restartpoint],
    );
}
