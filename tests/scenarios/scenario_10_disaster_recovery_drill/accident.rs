//! A table is dropped, and comes back from a base backup and the archive. No standby takes part here.

use std::time::Instant;

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::wal::Timeline;
use replication_lab::{RecoveryTarget, Result, Session, Shutdown, Topology};
use rstest::{Context, rstest};

use crate::steps::shop::{ORDERS, USERS};
use crate::support::{Lab, scenario};

const ROWS: &str = "SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM orders AS o";

/// A table that was dropped by accident comes back, with every row that was committed before; what was
/// committed afterwards is not there.
///
/// Method: archive WAL, make a base backup, write; note the time, drop a table, write; recover to that
/// time.
#[rstest]
fn point_in_time(#[context] test: Context) {
    let about = "A dropped table comes back by recovery to the moment before, with every row";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary that archives its WAL, a shop, and a base backup");
        let cluster = lab.start(Topology::alone().archiving()).await?;
        let primary = cluster.primary();
        let writer = primary.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT fill_shop(100)").await?;
        cluster.back_up("primary").await?;

        lab.step("Orders come in, and then somebody drops the table");
        writer.run("SELECT place_orders(1000)").await?;
        let before = lab.must_be("orders before", writer.count(ORDERS).await?, 1200_u64);
        let rows: String = writer.value(ROWS).await?;
        let moment: String = writer.value("SELECT clock_timestamp()::text").await?;
        writer.run("DROP TABLE orders").await?;
        let refused = writer.refusal(ORDERS).await?;
        lab.must_be("SQLSTATE of a read of orders", refused.sqlstate(), "42P01");
        writer.run("SELECT insert_bulk_users(50)").await?;
        lab.must_be("users then", writer.count(USERS).await?, 150_u64);
        archived(&writer).await?;

        lab.step("Recovery to the moment before");
        let began = Instant::now();
        primary.stop(Shutdown::Fast).await?;
        cluster.recover("primary", &RecoveryTarget::Time(moment)).await?;
        primary.start().await?;
        let writer = primary.session().await?;
        is_primary(&writer).await?;
        lab.key_figure("recovery", began.elapsed());
        let after = lab.must_be("orders after it", writer.count(ORDERS).await?, 1200_u64);
        let equal = writer.value::<String>(ROWS).await? == rows;
        let equal = lab.must_be("are they the same orders", equal, true);
        let users = lab.must_be("users after it", writer.count(USERS).await?, 100_u64);
        let branch = primary.branch(Timeline(2)).await?;
        let timeline = lab.must_be("timeline it came from", branch.parent, Timeline(1));
        let writes = writer.attempt("SELECT place_orders(1)").await?;
        let writes = lab.must_be("refusal of a new order", writes, None);

        lab.learn(
            "From a base backup and the archived WAL a dropped table comes back as it was at a moment.",
            [&before, &after, &equal],
        );
        lab.learn("What was committed after that moment is not there any more.", [&users]);
        lab.learn("The recovered server is on a timeline of its own.", [&timeline, &writes]);
        Ok(())
    });
}

/// Waits until everything that was written by now is archived.
async fn archived(writer: &Session) -> Result<()> {
    let file: String = writer.value("SELECT pg_walfile_name(pg_switch_wal())").await?;
    until("the last WAL file is archived", PATIENCE, || async {
        let last: Option<String> =
            writer.value("SELECT last_archived_wal FROM pg_stat_archiver").await?;
        let there = last.as_ref().is_some_and(|last| *last >= file);
        Ok(if there { Seen::Done(()) } else { Seen::NotYet(format!("last archived: {last:?}")) })
    })
    .await
}

/// Waits until a server takes writes.
async fn is_primary(session: &Session) -> Result<()> {
    until("recovery has ended", PATIENCE, || async {
        let standby: bool = session.value("SELECT pg_is_in_recovery()").await?;
        Ok(if standby { Seen::NotYet("it goes on".to_owned()) } else { Seen::Done(()) })
    })
    .await
}
