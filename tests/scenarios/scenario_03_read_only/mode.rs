//! TODO.

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::record::Reading;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Proof, Result, Session, Shutdown, Topology};
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
        let (writer, standby) = (pair.primary().session().await?, pair.node("standby1")?);
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

/// Four settings tell a standby from a primary that was told to be read-only, and only one of the two
/// can be talked out of it.
///
/// Method: look on a primary, in a session with `default_transaction_read_only`, and on a standby; try
/// to write in each; promote, and try again in the sessions that were open.
#[rstest]
fn variables(#[context] test: Context) {
    let about =
        "What tells a standby from a read-only session, and which of the two can be talked out";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary, a session there that is read-only by default, and a standby");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
        let (writer, shy) = (primary.session().await?, primary.session().await?);
        let reader = standby.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        pair.wait_for_catchup("standby1").await?;
        shy.run("SET default_transaction_read_only = on").await?;
        let open = lab.fact(&format!("on a primary: {NAMES}"), variables_of(&writer).await?);
        let shy_ones = lab.fact("in the read-only session", variables_of(&shy).await?);
        let standbys = lab.fact("on a standby", variables_of(&reader).await?);

        lab.step("Both refuse a write; one of them can be talked out of it");
        let refused = shy.refusal(ADD).await?;
        let shy_refusal =
            lab.must_be("SQLSTATE in the read-only session", refused.sqlstate(), "25006");
        shy.run("SET default_transaction_read_only = off").await?;
        let added = shy.execute(ADD, &[]).await?;
        let talked = lab.must_be("rows it adds once that is off", added, 1);
        reader.run("SET default_transaction_read_only = off").await?;
        let refused = reader.refusal(ADD).await?;
        let firm =
            lab.must_be("SQLSTATE on the standby after the same", refused.sqlstate(), "25006");
        let refused = reader.refusal("SET transaction_read_only = off").await?;
        lab.fact("what the standby says to more than that", &refused);
        pair.wait_for_catchup("standby1").await?;

        lab.step("Sessions and transactions that are open across a promotion");
        let pending = standby.session().await?;
        pending.run("BEGIN").await?;
        pending.value::<i64>("SELECT count(*) FROM products").await?;
        primary.stop(Shutdown::Fast).await?;
        standby.promote().await?;
        let added = reader.execute(ADD, &[]).await?;
        let session = lab.must_be("rows that the session adds then", added, 1);
        let refused = pending.refusal(ADD).await?;
        let transaction = lab.must_be("SQLSTATE in the transaction", refused.sqlstate(), "25006");
        pending.run("ROLLBACK").await?;
        let added = pending.execute(ADD, &[]).await?;
        let next = lab.must_be("rows that its session adds after it", added, 1);

        lab.learn(
            "pg_is_in_recovery() says whether a server is a standby; the read-only settings do not.",
            [&open, &shy_ones, &standbys],
        );
        lab.learn(
            "A read-only session is a promise that it can take back; a standby cannot be talked out.",
            [&shy_refusal, &talked, &firm],
        );
        lab.learn(
            "A session that was open across a promotion writes afterwards; a transaction that was open \
             stays read-only to its end.",
            [&session, &transaction, &next],
        );
        Ok(())
    });
}

/// `standby.signal` makes a server a standby. Without it the same data open read-write on the same
/// timeline, and nobody can tell the two primaries apart.
///
/// Method: rebuild a standby with `pg_basebackup -R` and look at what it wrote; delete the file and
/// start; promote another standby for comparison.
#[rstest]
fn standby_signal(#[context] test: Context) {
    let about =
        "standby.signal makes a standby; without it there are two primaries on one timeline";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with two standbys, one of them made with pg_basebackup -R");
        let pair = lab.start(Topology::pair().standby("standby2")).await?;
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
        let writer = primary.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        standby.stop(Shutdown::Fast).await?;
        pair.rebuild("standby1").await?;
        let settings = standby.run(WRITTEN_BY_R).await?;
        let settings: Vec<_> = settings.split_whitespace().collect();
        let wrote = ["primary_conninfo", "primary_slot_name"];
        let auto = lab.must_be("settings in postgresql.auto.conf", settings, wrote);
        let size = standby.run("wc -c <\"$PGDATA/standby.signal\"").await?;
        let empty = lab.must_be("bytes in standby.signal", size.trim(), "0");

        lab.step("Without that file it opens for writes, and still on timeline 1");
        standby.run("rm \"$PGDATA/standby.signal\"").await?;
        standby.start().await?;
        let stray = standby.session().await?;
        let opened: bool = stray.value("SELECT pg_is_in_recovery()").await?;
        let opened = lab.must_be("is it in recovery", opened, false);
        let added = [writer.execute(ADD, &[]).await?, stray.execute(ADD, &[]).await?];
        let both = lab.must_be("rows that each of the two adds", added, [1, 1]);
        let seen = [timeline(&writer).await?, timeline(&stray).await?];
        let same = lab.must_be("timelines of the two", seen, [1, 1]);
        let seen = writer.value::<String>(SYSTEM).await? == stray.value::<String>(SYSTEM).await?;
        let system = lab.must_be("have they the same system identifier", seen, true);

        lab.step("A promotion of the other standby, for comparison");
        let promoted = pair.node("standby2")?;
        promoted.promote().await?;
        let seen = timeline(&promoted.session().await?).await?;
        let promotion = lab.must_be("its timeline", seen, 2_u32);

        lab.learn(
            "pg_basebackup -R writes how to reach the primary, and an empty file that makes a standby.",
            [&auto, &empty],
        );
        lab.learn(
            "Who deletes standby.signal and starts has a second primary that no timeline tells from the \
             first.",
            [&opened, &both, &same, &system],
        );
        lab.learn("A promotion starts a timeline of its own.", [&promotion]);
        Ok(())
    });
}

/// VACUUM on the primary shrinks the table on the standby too; the standby's own statistics do not
/// know of it.
///
/// Method: fill, delete and vacuum; compare sizes and statistics on both nodes.
#[rstest]
fn maintenance(#[context] test: Context) {
    let about = "What VACUUM does on the primary arrives on the standby, but not in its statistics";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A table that is full, and then empty");
        let pair = lab.start(Topology::pair().set("autovacuum", "off")).await?;
        let writer = pair.primary().session().await?;
        let reader = pair.node("standby1")?.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT insert_bulk_users(10000)").await?;
        writer.run("DELETE FROM users").await?;
        pair.wait_for_catchup("standby1").await?;
        let full = [size(&writer).await?, size(&reader).await?];
        lab.measure("size of the table after DELETE", Reading::Bytes(full[0]));
        let held = lab.must_be(
            "is there nothing in it but space, on both",
            full[0] > 0 && full[0] == full[1],
            true,
        );

        lab.step("VACUUM on the primary");
        writer.run("VACUUM users").await?;
        pair.wait_for_catchup("standby1").await?;
        let sizes = [size(&writer).await?, size(&reader).await?];
        let shrunk = lab.must_be("bytes on the primary and on the standby", sizes, [0, 0]);

        lab.step("What the statistics say");
        wait_for_vacuum(&writer).await?;
        let counts = [vacuums(&writer).await?, vacuums(&reader).await?];
        let counts = lab.must_be("vacuums that primary and standby have counted", counts, [1, 0]);

        lab.learn(
            "Maintenance is done on the primary, and its effect is replayed.",
            [&held, &shrunk],
        );
        lab.learn(
            "Statistics are each server's own: a standby's views know of no vacuum.",
            [&counts],
        );
        Ok(())
    });
}

/// A query on the standby that needs what VACUUM removes is cancelled, unless the standby tells its
/// primary what it needs.
///
/// Method: a query that lasts, rows deleted and vacuumed away under it; then the same with
/// `hot_standby_feedback`, in a transaction that looks twice.
#[rstest]
fn conflicts(#[context] test: Context) {
    let about = "A query on the standby is cancelled by VACUUM, unless hot_standby_feedback is on";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A standby that waits for nobody before it replays");
        let calm = Topology::pair().set("autovacuum", "off").set("max_standby_streaming_delay", 0);
        let pair = lab.start(calm.set("wal_receiver_status_interval", "1s")).await?;
        let (writer, standby) = (pair.primary().session().await?, pair.node("standby1")?);
        let (reader, watcher) = (standby.session().await?, standby.session().await?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT insert_bulk_users(1000)").await?;
        pair.wait_for_catchup("standby1").await?;

        lab.step("Rows that a query may still need are vacuumed away");
        let vacuum = async {
            wait_for_query(&watcher).await?;
            writer.run("DELETE FROM users WHERE id % 3 = 0").await?;
            writer.run("VACUUM users").await
        };
        let (cancelled, vacuumed) = tokio::join!(reader.refusal("SELECT pg_sleep(600)"), vacuum);
        vacuumed?;
        let cancelled = cancelled?;
        let code = lab.must_be("SQLSTATE of the query", cancelled.sqlstate(), "40001");
        lab.fact("what the standby says", &cancelled);
        let counted = wait_for_conflict(&watcher).await?;
        let counted = lab.must_be("confl_snapshot in pg_stat_database_conflicts", counted, 1);

        lab.step("The same with hot_standby_feedback");
        watcher.run("ALTER SYSTEM SET hot_standby_feedback = on").await?;
        watcher.run("SELECT pg_reload_conf()").await?;
        reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        let before = count(&reader).await?;
        wait_for_xmin(&writer).await?;
        let xmin: bool = writer.value(XMIN).await?;
        let xmin = lab.must_be("does the slot show an xmin", xmin, true);
        writer.run("DELETE FROM users WHERE id % 3 = 1").await?;
        writer.run("VACUUM users").await?;
        pair.wait_for_catchup("standby1").await?;
        let seen = [before, count(&reader).await?, count(&writer).await?];
        let kept = lab.must_be(
            "users that the transaction saw before and after, and that there are",
            seen,
            [667, 667, 333],
        );
        reader.run("COMMIT").await?;

        lab.learn(
            "VACUUM on the primary cancels queries on the standby that may need what it removed.",
            [&code, &counted],
        );
        lab.learn(
            "With hot_standby_feedback the standby's oldest transaction holds VACUUM back on the primary.",
            [&xmin, &kept],
        );
        Ok(())
    });
}

const ADD: &str = "INSERT INTO products (name, price) VALUES ('one more', 1)";
const NAMES: &str = "pg_is_in_recovery(), transaction_read_only, default_transaction_read_only, \
                     in_hot_standby";
const VARIABLES: &str = "SELECT concat_ws(', ', pg_is_in_recovery(), \
                         current_setting('transaction_read_only'), \
                         current_setting('default_transaction_read_only'), \
                         coalesce(current_setting('in_hot_standby', true), 'unknown'))";
const WRITTEN_BY_R: &str = "grep -o '^[a-z_]*' \"$PGDATA/postgresql.auto.conf\" | sort";
const SYSTEM: &str = "SELECT system_identifier::text FROM pg_control_system()";
const VACUUMS: &str = "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'users'";
const CONFLICTS: &str =
    "SELECT sum(confl_snapshot)::bigint FROM pg_stat_database_conflicts WHERE datname = 'postgres'";
const XMIN: &str = "SELECT xmin IS NOT NULL FROM pg_replication_slots";
const SLEEPERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";

async fn variables_of(session: &Session) -> Result<String> {
    session.value(VARIABLES).await
}

/// The timeline of a server, from its last checkpoint.
async fn timeline(session: &Session) -> Result<u32> {
    session.run("CHECKPOINT").await?;
    let timeline: i32 = session.value("SELECT timeline_id FROM pg_control_checkpoint()").await?;
    Ok(timeline.unsigned_abs())
}

async fn size(session: &Session) -> Result<u64> {
    session.count("SELECT pg_relation_size('users')").await
}

async fn count(session: &Session) -> Result<u64> {
    session.count("SELECT count(*) FROM users").await
}

async fn vacuums(session: &Session) -> Result<u64> {
    session.count(VACUUMS).await
}

/// Statistics arrive a moment after what they count.
async fn wait_for(what: &str, session: &Session, sql: &str) -> Result<u64> {
    until(what, PATIENCE, || async {
        Ok(match session.count(sql).await? {
            0 => Seen::NotYet(format!("{sql}: 0")),
            counted => Seen::Done(counted),
        })
    })
    .await
}

async fn wait_for_vacuum(session: &Session) -> Result<u64> {
    wait_for("the vacuum is counted", session, VACUUMS).await
}

async fn wait_for_query(session: &Session) -> Result<u64> {
    wait_for("the query runs", session, SLEEPERS).await
}

async fn wait_for_conflict(session: &Session) -> Result<u64> {
    wait_for("the conflict is counted", session, CONFLICTS).await
}

async fn wait_for_xmin(session: &Session) -> Result<u64> {
    wait_for("the slot has an xmin", session, "SELECT count(xmin) FROM pg_replication_slots").await
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
