//! TODO.

use std::time::Instant;

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::pgbench;
use replication_lab::record::Reading;
use replication_lab::sampler::STEP;
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{Sampler, Topology};
use rstest::{Context, rstest};

use super::load::{TENTH, lag, lag_after, load, price, wal_of};
use crate::steps::repeat::times;
use crate::steps::shop::sessions;
use crate::support::{Lab, scenario};

const WRITTEN: &str = "SELECT pg_current_wal_lsn()";
const REPLAYED: &str = "SELECT pg_last_wal_replay_lsn()";
const USERS: &str = "SELECT count(*) FROM users";

/// A standby follows `pgbench`, and has every transaction in the end.
///
/// Method: `pgbench` as it comes with the server, for so many clients; look at the lag meanwhile; count
/// the rows of its history on both servers.
#[rstest]
#[case::one_client(1)]
#[case::four_clients(4)]
#[case::sixteen_clients(16)]
fn pgbench_load(#[context] test: Context, #[case] clients: u64) {
    let about = "A standby follows pgbench, and has every transaction in the end";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with the tables of pgbench");
        let pair = lab.start(Topology::pair()).await?;
        pgbench::initialise(pair.primary(), lab.scaled(1)).await?;
        pair.wait_for_catchup("standby1").await?;

        lab.step("Clients write as fast as they can");
        let loaded = load(lab, &pair, clients).await?;
        let failed = lab.must_be("transactions that failed", loaded.failed, 0_u64);
        let rows = "rows amiss in its history on the primary, on the standby";
        let rows = lab.must_be(rows, loaded.amiss, [0_u64, 0]);
        let after = lab.must_be("bytes of lag afterwards", loaded.afterwards, Some(0_u64));

        lab.learn(
            "The standby has every transaction of such a load once it has caught up.",
            [&failed, &rows, &after],
        );
        Ok(())
    });
}

/// Lag is what happens while a load runs; afterwards there is none.
///
/// Method: a million users in ten statements; the lag sampled all the while, and read afterwards.
#[rstest]
fn a_million_rows(#[context] test: Context) {
    let about = "A million rows: there is lag while they come, and none afterwards";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with an empty shop");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, reader) = sessions(&pair).await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        pair.wait_for_catchup("standby1").await?;

        lab.step("A million users");
        let sampler = Sampler::start(pair.primary(), STEP).await?;
        let (began, start): (_, Lsn) = (Instant::now(), writer.value(WRITTEN).await?);
        let part = format!("SELECT insert_bulk_users({})", lab.scaled(100_000));
        times(10, |_| writer.run(&part)).await?;
        let took = began.elapsed();
        let written = bytes_between(start, writer.value(WRITTEN).await?);
        let last = wait_for_no_lag(&writer, "standby1").await?;
        lab.measure(
            "from the last insert until all was replayed",
            began.elapsed().saturating_sub(took),
        );
        let rows = lab.scaled(100_000) * 10;
        lab.key_figure("inserted", Reading::rate(rows, took, "rows"));
        lab.key_figure("WAL written", Reading::rate(written, took, "bytes"));
        let samples = sampler.stop().await?;
        lab.measure("WAL written over time", samples.wal_rate("standby1", TENTH));
        let samples = samples.until(took);
        lag(lab, &samples);
        let behind = samples.peak("standby1") > Some(0);
        let behind = lab.must_be("was there lag while they came", behind, true);
        let order = samples.are_in_order("standby1");
        lab.must_be("was sent ≥ write ≥ flush ≥ replay in every sample", order, true);

        lab.step("Afterwards");
        let none = lab.must_be("bytes of lag", last.lag(), Some(0_u64));
        let seen = [writer.count(USERS).await?, reader.count(USERS).await?];
        let both = lab.must_be("users on the primary, on the standby", seen, [rows, rows]);

        lab.learn(
            "Who looks afterwards sees no lag, and there was lag: look while the load runs.",
            [&behind, &none],
        );
        lab.learn("The standby has every row.", [&both]);
        Ok(())
    });
}

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

/// A standby that replays more slowly than the primary writes falls behind for as long as that lasts;
/// nothing breaks, and nothing is lost.
///
/// Method: replay held back through three loads, lag read after each; then let go, lag sampled.
#[rstest]
fn cannot_keep_up(#[context] test: Context) {
    let about = "A standby that cannot keep up: its lag grows with the load, and shrinks after it";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a shop, where replay is held back");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, reader) = sessions(&pair).await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        pair.wait_for_catchup("standby1").await?;
        reader.run("SELECT pg_wal_replay_pause()").await?;
        let stood: Lsn = reader.value(REPLAYED).await?;
        let sampler = Sampler::start(pair.primary(), STEP).await?;

        lab.step("Three loads");
        let (start, rows): (Lsn, _) = (writer.value(WRITTEN).await?, lab.scaled(30_000));
        let part = format!("SELECT insert_bulk_users({rows})");
        let lags = times(3, |_| lag_after(&writer, &part)).await?;
        let grows = lags.is_sorted_by(|before, after| before < after);
        let grows = lab.must_be("is the lag larger after each of them", grows, true);
        let written = bytes_between(start, writer.value(WRITTEN).await?);
        let whole = lag_after(&writer, "SELECT 1").await? >= written;
        let whole = lab.must_be("is it at least what was written at last", whole, true);
        let still = reader.value::<Lsn>(REPLAYED).await? == stood;
        lab.must_be("does the standby stand where it stood", still, true);
        let seen = [writer.count(USERS).await?, reader.count(USERS).await?];
        let stale = lab.must_be("users on the primary, on the standby", seen, [3 * rows, 0]);

        lab.step("It may replay again");
        let began = Instant::now();
        reader.run("SELECT pg_wal_replay_resume()").await?;
        let last = wait_for_no_lag(&writer, "standby1").await?;
        lab.key_figure("replayed", Reading::rate(written, began.elapsed(), "bytes"));
        lab.measure("until it had everything", began.elapsed());
        lag(lab, &sampler.stop().await?);
        let none = lab.must_be("bytes of lag", last.lag(), Some(0_u64));
        let seen = [writer.count(USERS).await?, reader.count(USERS).await?];
        let both = lab.must_be("users on the primary, on the standby", seen, [3 * rows, 3 * rows]);

        lab.learn(
            "A standby that cannot keep up falls behind by what the primary writes, and answers with \
             what it has.",
            [&grows, &whole, &stale],
        );
        lab.learn("When it can, it catches up by itself, and nothing is missing.", [&none, &both]);
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
