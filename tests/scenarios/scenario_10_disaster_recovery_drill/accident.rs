//! A table is dropped, and restored from a base backup and the WAL archive. No standby takes part here.

use std::time::Instant;

use macro_rules_attribute::apply;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::wal::Timeline;
use replication_lab::{RecoveryTarget, Result, Session, Topology};
use rstest::{Context, rstest};

use crate::steps::archive::TO_ARCHIVE;
use crate::steps::shop::{ORDERS, USERS};
use crate::steps::shutdown::shut_down;
use crate::support::{Lab, exercise, scenario};

const ROWS: &str = "SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM orders AS o";

/// Point-in-time recovery restores a dropped table with every row that was committed before the chosen
/// time; rows that were committed afterwards are not restored.
///
/// Method: archive WAL, make a base backup, write; read the time, drop a table, write; recover to that
/// time (manual: Continuous Archiving and Point-in-Time Recovery).
#[apply(exercise)]
#[rstest]
fn point_in_time(#[context] test: Context) {
    let about = "Point-in-time recovery restores a dropped table with every row. The whole data directory with pg_wal may be deleted here because every WAL file is in the archive by then; otherwise save pg_wal first";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary that archives its WAL, a shop, and a base backup");
        let cluster = lab.start(Topology::alone().archiving()).await?;
        let primary = cluster.primary();
        let writer = primary.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT fill_shop(100)").await?;
        cluster.back_up("primary").await?;

        lab.step("Orders are placed, the time is read, and then the table is dropped");
        writer.run("SELECT place_orders(1000)").await?;
        let before = lab.must_be("orders before the drop", writer.count(ORDERS).await?, 1200_u64);
        let rows: String = writer.value(ROWS).await?;
        let moment: String = writer.value("SELECT clock_timestamp()::text").await?;
        writer.run("DROP TABLE orders").await?;
        let refused = writer.refusal(ORDERS).await?;
        lab.must_be("SQLSTATE of a query on orders after the drop", refused.sqlstate(), "42P01");
        writer.run("SELECT insert_bulk_users(50)").await?;
        lab.must_be("users, 50 of them added after the drop", writer.count(USERS).await?, 150_u64);

        lab.step(
            "The last WAL file is switched and archived: pg_wal has nothing that the archive lacks",
        );
        archived(&writer).await?;
        let left = writer.count(TO_ARCHIVE).await?;
        let safe = lab.must_be("WAL files that are not archived yet", left, 0_u64);

        lab.step("The data directory is replaced by the base backup, and recovery stops at the time before the drop");
        let began = Instant::now();
        shut_down(lab, primary).await?;
        cluster.recover("primary", &RecoveryTarget::Time(moment)).await?;
        primary.start().await?;
        let writer = primary.session().await?;
        is_primary(&writer).await?;
        lab.key_figure("from the stop until recovery had ended", began.elapsed());
        let after = lab.must_be("orders after the recovery", writer.count(ORDERS).await?, 1200_u64);
        let equal = writer.value::<String>(ROWS).await? == rows;
        let equal = lab.must_be("are they the same orders as before the drop", equal, true);
        let users = lab.must_be("users after the recovery", writer.count(USERS).await?, 100_u64);
        let branch = primary.branch(Timeline(2)).await?;
        let timeline = lab.must_be("parent of the new timeline 2", branch.parent, Timeline(1));
        let writes = writer.attempt("SELECT place_orders(1)").await?;
        let writes = lab.must_be("refusal of an order after the recovery", writes, None);

        lab.learn(
            "A base backup and the archived WAL restore a dropped table as it was at a chosen time.",
            [&before, &after, &equal],
        );
        lab.learn(
            "Recovery to that time discards what was committed after it, in every table: users, too.",
            [&users],
        );
        lab.learn(
            "Before a data directory is deleted for a recovery, all of its WAL should be archived, or \
             pg_wal be saved. Here the last WAL file was switched and archived first.",
            [&safe],
        );
        lab.learn("After the recovery the server writes on a new timeline.", [&timeline, &writes]);
        Ok(())
    });
}

/// Switches to a new WAL file, and waits until the one before is archived.
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

/// Waits until a server accepts writes.
async fn is_primary(session: &Session) -> Result<()> {
    until("recovery has ended", PATIENCE, || async {
        let standby: bool = session.value("SELECT pg_is_in_recovery()").await?;
        Ok(if standby { Seen::NotYet("still in recovery".to_owned()) } else { Seen::Done(()) })
    })
    .await
}
