//! What standbys cost a primary, and what a change of a row costs in WAL. Nothing here judges a time.

use macro_rules_attribute::apply;
use replication_lab::Topology;
use rstest::{Context, rstest};

use super::load::{price, wal_of};
use crate::steps::machine::cores;
use crate::support::{Lab, exercise, scenario};

/// What standbys cost the primary is measured; that each of them has every transaction is proven.
///
/// Method: the same load on a primary alone, with one standby, and with two.
#[apply(exercise)]
#[rstest]
fn price_of_replicas(#[context] test: Context) {
    let about = "The same pgbench load with no standby, one and two. All servers share the CPU cores of \
                 one machine: the figures show what standbys cost there, not what they cost a primary \
                 whose standbys have machines of their own";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary alone");
        cores(lab);
        price(lab, "no standby", Topology::alone(), "primary: 0").await?;

        lab.step("One standby");
        let none = "primary: 0, standby1: 0";
        let one = price(lab, "one standby", Topology::pair(), none).await?;

        lab.step("Two standbys");
        let shape = Topology::pair().standby("standby2");
        let none = "primary: 0, standby1: 0, standby2: 0";
        let two = price(lab, "two standbys", shape, none).await?;

        lab.learn(
            "With one standby and with two, each has every transaction of the load once it has caught up.",
            [&one, &two],
        );
        Ok(())
    });
}

/// The first change of a page after a checkpoint puts the whole page into the WAL; later ones do not. An
/// update that is not HOT costs more than one that is.
///
/// Method: three tables with the same number of rows; the same statement twice after a checkpoint, with
/// what `EXPLAIN (ANALYZE, WAL)` says of each; once more without `full_page_writes` (manual: WAL
/// Configuration; Heap-Only Tuples).
#[apply(exercise)]
#[rstest]
fn wal_per_row(#[context] test: Context) {
    let about = "What changing a row costs in WAL: a whole page for the page's first change after a \
                 checkpoint, more for an update that is not HOT, and less for one that is";
    scenario(&test, about, async |lab: &Lab| {
        lab.step(
            "A pair, and three tables with as many rows: one row on a page; 24 rows on a page and room \
             left; full pages",
        );
        let pair = lab.start(Topology::pair()).await?;
        let writer = pair.primary().session().await?;
        writer.run_file("fixtures/sql/wal_cost.sql").await?;
        let rows = lab.scaled(1_000);
        writer.run(&format!("SELECT fill_pages({rows})")).await?;
        writer.run("VACUUM spread, packed, filled").await?;
        let writes: String = writer.value("SHOW full_page_writes").await?;
        let writes = lab.must_be("full_page_writes", &writes, "on");
        let pages = writer.count("SELECT pg_relation_size('spread') / 8192").await?;
        lab.must_be("pages of the table with one row on a page", pages, rows);

        lab.step("One row on a page: a checkpoint, and two changes of every row");
        writer.run("CHECKPOINT").await?;
        let first = wal_of(lab, &writer, "spread", rows, "one row on a page, first change").await?;
        let second =
            wal_of(lab, &writer, "spread", rows, "one row on a page, second change").await?;
        let whole = "does the first change write at least one full-page image for each row";
        let whole = lab.must_be(whole, first.images >= rows, true);
        let few =
            "does the second change write one full-page image for every hundred rows, or more";
        let few = lab.must_be(few, second.images * 100 >= rows, false);

        lab.step("24 rows on a page, with room: a checkpoint, and two changes of every row");
        writer.run("CHECKPOINT").await?;
        let first = wal_of(lab, &writer, "packed", rows, "24 rows on a page, first change").await?;
        let hot = wal_of(lab, &writer, "packed", rows, "24 rows on a page, second change").await?;
        let shared = "does the first change write one full-page image for every ten rows, or more";
        let shared = lab.must_be(shared, first.images * 10 >= rows, false);
        let all_hot = lab.must_be("HOT updates in the second change", hot.hot, rows);

        lab.step("Full pages: a checkpoint, and two changes of every row");
        writer.run("CHECKPOINT").await?;
        let cold = wal_of(lab, &writer, "filled", rows, "full pages, first change").await?;
        let later = wal_of(lab, &writer, "filled", rows, "full pages, second change").await?;
        let no_hot = lab.must_be("HOT updates in the first change of full pages", cold.hot, 0);
        let more = "does the second change cost more WAL on full pages than on pages with room";
        let more = lab.must_be(more, later.bytes > hot.bytes, true);

        lab.step(
            "full_page_writes = off, one row on a page: a read sets the hint bits; a checkpoint, and a \
             change of every row",
        );
        pair.primary().set("full_page_writes", "off").await?;
        // With wal_log_hints = on, 13 writes an image for a page's first hint bit, whatever
        // full_page_writes is.
        writer.run("SELECT count(*) FROM spread").await?;
        writer.run("CHECKPOINT").await?;
        let name = "one row on a page, first change without full_page_writes";
        let torn = wal_of(lab, &writer, "spread", rows, name).await?;
        let none = "does it write one full-page image for every hundred rows, or more";
        let none = lab.must_be(none, torn.images * 100 >= rows, false);

        lab.learn(
            "With full_page_writes = on, the default, the first change of a page after a checkpoint \
             writes an image of the whole page; a later one writes what changed.",
            [&writes, &whole, &few],
        );
        lab.learn("Rows on the same page share its image.", [&whole, &shared]);
        lab.learn(
            "An update is not HOT where the page has no room for the new version. It costs more WAL: \
             the new version goes to another page, and each index gets an entry. A fillfactor below \
             100 leaves room.",
            [&all_hot, &no_hot, &more],
        );
        lab.learn(
            "With full_page_writes = off a first change does not write the whole page; the manual warns \
             that a system failure may then corrupt data unrecoverably.",
            [&none],
        );
        Ok(())
    });
}
