//! Vacuum on the primary, and what reaches the standby. Nothing here runs on the standby but reads.

use macro_rules_attribute::apply;
use replication_lab::record::Reading;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Result, Session, Topology};
use rstest::{Context, rstest};

use crate::support::{Lab, exercise, scenario};

/// VACUUM on the primary shrinks the table on the standby too. ANALYZE's planner statistics are rows of
/// a catalog and are replicated; the cumulative statistics are each server's own.
///
/// Method: fill, delete, vacuum and analyze on the primary; compare sizes and statistics on both servers.
#[apply(exercise)]
#[rstest]
fn maintenance(#[context] test: Context) {
    let about = "The standby gets what VACUUM and ANALYZE do to tables and catalogs, not the cumulative statistics";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A table whose rows were all deleted: its space is still there");
        let pair = lab.start(Topology::pair().set("autovacuum", "off")).await?;
        let writer = pair.primary().session().await?;
        let reader = pair.standby()?.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT fill_shop(1000)").await?;
        writer.run("DELETE FROM orders").await?;
        pair.wait_for_catchup("standby1").await?;
        let full = [size(&writer).await?, size(&reader).await?];
        lab.measure("size of the table after DELETE", Reading::Bytes(full[0]));
        let same = full[0] > 0 && full[0] == full[1];
        let held =
            lab.must_be("is the table as large on the standby as on the primary", same, true);

        lab.step("VACUUM on the primary gives the space back, on both servers");
        writer.run("VACUUM orders").await?;
        pair.wait_for_catchup("standby1").await?;
        let bytes = size(&writer).await?;
        lab.must_be("bytes of the table on the primary after VACUUM", bytes, 0_u64);
        let bytes = size(&reader).await?;
        let shrunk = lab.must_be("bytes of the table on the standby after VACUUM", bytes, 0_u64);

        lab.step("ANALYZE on the primary: planner statistics are rows of pg_statistic");
        writer.run("ANALYZE users").await?;
        pair.wait_for_catchup("standby1").await?;
        let planner = reader.count(PLANNER).await?;
        let planner = lab.must_be("columns of users in pg_stats on the standby", planner, 4_u64);

        lab.step("Cumulative statistics: each server counts what it did itself");
        wait_for_vacuum(&writer).await?;
        let counted = vacuums(&writer).await?;
        lab.must_be("vacuum_count of orders on the primary", counted, 1_u64);
        let counted = vacuums(&reader).await?;
        let own = lab.must_be("vacuum_count of orders on the standby", counted, 0_u64);

        lab.learn(
            "Maintenance is done on the primary, and its effect on tables is replayed on the standby.",
            [&held, &shrunk],
        );
        lab.learn(
            "Planner statistics are replicated: ANALYZE on the primary is enough.",
            [&planner],
        );
        lab.learn(
            "Cumulative statistics are each server's own: the standby's pg_stat_user_tables does not \
             count the primary's VACUUM.",
            [&own],
        );
        Ok(())
    });
}

const PLANNER: &str = "SELECT count(*) FROM pg_stats WHERE tablename = 'users'";
const VACUUMS: &str = "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'orders'";

async fn size(session: &Session) -> Result<u64> {
    session.count("SELECT pg_relation_size('orders')").await
}

async fn vacuums(session: &Session) -> Result<u64> {
    session.count(VACUUMS).await
}

/// Waits until the vacuum is counted: statistics arrive a moment after what they count.
async fn wait_for_vacuum(session: &Session) -> Result<()> {
    until("the vacuum is counted", PATIENCE, || async {
        Ok(match vacuums(session).await? {
            0 => Seen::NotYet("vacuum_count is 0".to_owned()),
            _ => Seen::Done(()),
        })
    })
    .await
}
