//! What standbys cost a primary, and what a row costs in WAL. Nothing here judges a time.

use replication_lab::Topology;
use rstest::{Context, rstest};

use super::load::{price, wal_of};
use crate::support::{Lab, scenario};

/// What one standby more costs the primary is measured; that each has everything is proven.
///
/// Method: the same load on a primary alone, with one standby, and with two.
#[rstest]
fn price_of_replicas(#[context] test: Context) {
    let about = "The same load with no standby, with one and with two, measured";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary alone");
        let amiss = price(lab, "no standby", Topology::alone()).await?;
        lab.must_be("transactions amiss on the primary", amiss, [0_u64]);

        lab.step("One standby");
        let amiss = price(lab, "one standby", Topology::pair()).await?;
        let one = "transactions amiss on the primary, on the standby";
        let one = lab.must_be(one, amiss, [0_u64; 2]);

        lab.step("Two standbys");
        let two = Topology::pair().standby("standby2");
        let amiss = price(lab, "two standbys", two).await?;
        let two = "transactions amiss on the primary, on each standby";
        let two = lab.must_be(two, amiss, [0_u64; 3]);

        lab.learn("One standby or two: each has every transaction of the primary.", [&one, &two]);
        Ok(())
    });
}

/// The first change of a page after a checkpoint puts the whole page into the WAL; later ones do not.
///
/// Method: a table with one row on each page; the same statement twice after a checkpoint, with
/// what `EXPLAIN (ANALYZE, WAL)` says of each.
#[rstest]
fn wal_per_row(#[context] test: Context) {
    let about = "The first change of a page after a checkpoint costs the whole page in WAL";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair, and a table with one row on each page");
        let pair = lab.start(Topology::pair()).await?;
        let writer = pair.primary().session().await?;
        writer.run_file("fixtures/sql/wal_cost.sql").await?;
        let rows = lab.scaled(1_000);
        writer.run(&format!("SELECT fill_pages({rows})")).await?;
        writer.run("VACUUM spread, packed").await?;
        let pages = writer.count("SELECT pg_relation_size('spread') / 8192").await?;
        lab.must_be("rows, pages", [rows, pages], [rows, rows]);

        lab.step("Every row is changed twice after a checkpoint");
        writer.run("CHECKPOINT").await?;
        let first = wal_of(lab, &writer, "spread", rows, "first").await?;
        let second = wal_of(lab, &writer, "spread", rows, "second").await?;
        let whole = "is there a whole page for every row in the WAL of the first change";
        let whole = lab.must_be(whole, first >= rows, true);
        let few = "is there one for every hundredth row in that of the second";
        let few = lab.must_be(few, second * 100 >= rows, false);

        lab.step("The same with many rows on each page");
        writer.run("CHECKPOINT").await?;
        let first = wal_of(lab, &writer, "packed", rows, "first").await?;
        wal_of(lab, &writer, "packed", rows, "second").await?;
        let shared = "is there a whole page for every tenth row in the WAL of the first change";
        let shared = lab.must_be(shared, first * 10 >= rows, false);
        pair.wait_for_catchup("standby1").await?;

        lab.learn(
            "After a checkpoint the first change of a page logs the whole page, the next one only \
             what changed.",
            [&whole, &few],
        );
        lab.learn("Rows that share a page share its cost.", [&whole, &shared]);
        Ok(())
    });
}
