//! Every kind of statement, typed on a standby. Nothing here promotes it.

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::{Proof, Topology};
use rstest::{Context, rstest};

use super::statements::{
    ADMINISTRATION, Answers, DEFINITIONS, EXPLAINS, LOCKS, MAINTENANCE, NOTIFICATIONS, READS, ROWS,
    TRANSACTIONS,
};
use crate::support::{Lab, scenario};

const SUM: &str = "SELECT md5(string_agg(u::text, ',' ORDER BY id)) FROM users u";

/// A standby accepts what needs no transaction id and no strong lock, and refuses the rest.
///
/// Method: every statement in a session of its own, on a standby that has the shop; afterwards the
/// standby still streams, and both nodes hold the same rows.
#[rstest]
fn statements(#[context] test: Context) {
    let about = "What a standby accepts, and what it refuses and how, statement by statement";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with the shop, a materialized view, and prepared transactions allowed");
        let pair = lab.start(Topology::pair().set("max_prepared_transactions", 2)).await?;
        let (writer, standby) = (pair.primary().session().await?, pair.standby()?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT insert_bulk_users(100)").await?;
        writer.run("CREATE MATERIALIZED VIEW names AS SELECT name FROM users").await?;
        pair.wait_for_catchup("standby1").await?;

        let mut said = Answers::default();
        lab.step("Reading");
        said.ask(lab, standby, READS).await?;
        lab.step("Explaining");
        said.ask(lab, standby, EXPLAINS).await?;
        lab.step("Changing rows");
        said.ask(lab, standby, ROWS).await?;
        lab.step("Changing definitions, temporary tables among them");
        said.ask(lab, standby, DEFINITIONS).await?;
        lab.step("Maintenance");
        said.ask(lab, standby, MAINTENANCE).await?;
        lab.step("Locks");
        said.ask(lab, standby, LOCKS).await?;
        lab.step("Transactions");
        said.ask(lab, standby, TRANSACTIONS).await?;
        lab.step("Notifications");
        said.ask(lab, standby, NOTIFICATIONS).await?;
        lab.step("Administration");
        said.ask(lab, standby, ADMINISTRATION).await?;

        lab.step("Why not even a temporary table: its definition is rows of the catalogs");
        writer.run("CREATE TEMPORARY TABLE scratch (a int)").await?;
        pair.wait_for_catchup("standby1").await?;
        let reader = standby.session().await?;
        let seen = reader.count(SCRATCH).await?;
        let catalogs = lab.must_be("rows in the standby's pg_class about it", seen, 1_u64);

        lab.step("The standby still streams, and holds what the primary holds");
        writer.run("SELECT insert_bulk_users(1)").await?;
        let last = wait_for_no_lag(&writer, "standby1").await?;
        let state = lab.must_be("state of its walsender", &last.state, "streaming");
        let same = reader.value::<String>(SUM).await? == writer.value::<String>(SUM).await?;
        let same = lab.must_be("are all users on both nodes the same", same, true);

        learn(lab, &said, &Afterwards { catalogs, state, same });
        Ok(())
    });
}

const EXPLAIN_INSERT: &str = "EXPLAIN INSERT INTO users (name, email) VALUES ('a', 'b')";
const ANALYZE_INSERT: &str = "EXPLAIN ANALYZE INSERT INTO users (name, email) VALUES ('a', 'b')";
const SLOT: &str = "SELECT pg_create_physical_replication_slot('s'), pg_drop_replication_slot('s')";
const SCRATCH: &str = "SELECT count(*) FROM pg_class WHERE relname = 'scratch'";

/// What was seen after all statements.
struct Afterwards {
    catalogs: Proof,
    state: Proof,
    same: Proof,
}

fn learn(lab: &Lab, said: &Answers, then: &Afterwards) {
    lab.learn(
        "A standby answers ordinary queries, and goes on replaying meanwhile.",
        [said.to("SELECT count(*) FROM users"), said.to("COPY users TO '/dev/null'"), &then.state],
    );
    lab.learn(
        "It explains a write, and refuses to explain and analyze it, which would run it.",
        [said.to(EXPLAIN_INSERT), said.to(ANALYZE_INSERT)],
    );
    lab.learn(
        "A statement is refused for what it is, not for what it would change.",
        [
            said.to("UPDATE users SET name = 'a' WHERE false"),
            said.to("DROP TABLE IF EXISTS nope"),
            &then.same,
        ],
    );
    lab.learn(
        "The refusal has two wordings and one SQLSTATE, 25006: \"in a read-only transaction\" and \
         \"during recovery\". What nobody thought of ends with XX000.",
        [
            said.to("DELETE FROM users"),
            said.to("VACUUM users"),
            said.to("EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1 AS a"),
        ],
    );
    lab.learn(
        "Temporary tables are refused too: their definitions are rows of the catalogs, which a \
         standby shares with its primary.",
        [said.to("CREATE TEMPORARY TABLE t (a int)"), &then.catalogs],
    );
    lab.learn(
        "Locks up to ROW EXCLUSIVE are granted, stronger ones refused; advisory locks are granted.",
        [
            said.to("BEGIN; LOCK TABLE users IN ROW EXCLUSIVE MODE; COMMIT"),
            said.to("BEGIN; LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE; COMMIT"),
            said.to("SELECT pg_try_advisory_xact_lock(1)"),
        ],
    );
    lab.learn(
        "No setting makes a session of a standby writable, and none of them is serializable.",
        [
            said.to("SET transaction_read_only = off"),
            said.to("SET default_transaction_read_only = off; DELETE FROM users"),
            said.to("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT"),
        ],
    );
    lab.learn(
        "Nobody listens on a standby, and nobody notifies.",
        [said.to("LISTEN news"), said.to("NOTIFY news, 'it rains'")],
    );
    lab.learn(
        "Configuration, slots, statistics and checkpoints are a standby's own: they may be changed.",
        [
            said.to("ALTER SYSTEM SET work_mem = '8MB'"),
            said.to(SLOT),
            said.to("SELECT pg_stat_reset()"),
            said.to("CHECKPOINT"),
        ],
    );
}
