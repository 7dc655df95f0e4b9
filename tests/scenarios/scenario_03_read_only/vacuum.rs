//! Vacuum on the primary, and what it does to the standby and its queries. Nothing here runs on the
//! standby but reads.

use replication_lab::record::Reading;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Result, Session, Topology};
use rstest::{Context, rstest};

use crate::steps::shop::USERS;
use crate::support::{Lab, scenario};

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
        let reader = pair.standby()?.session().await?;
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
        let (writer, standby) = (pair.primary().session().await?, pair.standby()?);
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
        let before = reader.count(USERS).await?;
        wait_for_xmin(&writer).await?;
        let xmin: bool = writer.value(XMIN).await?;
        let xmin = lab.must_be("does the slot show an xmin", xmin, true);
        writer.run("DELETE FROM users WHERE id % 3 = 1").await?;
        writer.run("VACUUM users").await?;
        pair.wait_for_catchup("standby1").await?;
        let seen = [before, reader.count(USERS).await?, writer.count(USERS).await?];
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

const VACUUMS: &str = "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'users'";
const CONFLICTS: &str =
    "SELECT sum(confl_snapshot)::bigint FROM pg_stat_database_conflicts WHERE datname = 'postgres'";
const XMIN: &str = "SELECT xmin IS NOT NULL FROM pg_replication_slots";
const SLEEPERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";

async fn size(session: &Session) -> Result<u64> {
    session.count("SELECT pg_relation_size('users')").await
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
