//! A standby's lag while its primary writes as fast as it can. Nothing here judges how large a lag is.

use std::time::Instant;

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::record::Reading;
use replication_lab::sampler::STEP;
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{Sampler, Topology, pgbench};
use rstest::{Context, rstest};

use super::load::{TENTH, lag, lag_after, load};
use crate::steps::repeat::times;
use crate::steps::shop::{USERS, sessions};
use crate::steps::wal::{REPLAYED, WRITTEN};
use crate::support::{Lab, scenario};

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
