//! A standby's lag while its primary writes as fast as it can. Nothing here judges how large a lag is.

use std::time::Instant;

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_no_lag;
use replication_lab::record::Reading;
use replication_lab::sampler::STEP;
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{Sampler, Topology, pgbench};
use rstest::{Context, rstest};

use super::load::{TENTH, lag, lag_after, load};
use crate::steps::bounds::must_be_sampled;
use crate::steps::repeat::times;
use crate::steps::shop::{USERS, sessions};
use crate::steps::wal::{REPLAYED, WRITTEN};
use crate::support::{Lab, exercise, scenario};

/// A standby has every transaction of a `pgbench` load once it has caught up.
///
/// Method: `pgbench` as it comes with the server, with this number of clients; sample the lag meanwhile;
/// count the rows of its history on both servers.
#[apply(exercise)]
#[rstest]
#[case::one_client(1)]
#[case::four_clients(4)]
#[case::sixteen_clients(16)]
fn pgbench_load(#[context] test: Context, #[case] clients: u64) {
    let about = format!(
        "The lag of a standby during a pgbench load (number of clients: {clients}), and its rows afterwards"
    );
    scenario(&test, &about, async |lab: &Lab| {
        lab.step("A pair with the tables of pgbench");
        let pair = lab.start(Topology::pair()).await?;
        pgbench::initialise(pair.primary(), lab.scaled(1)).await?;
        pair.wait_for_catchup("standby1").await?;

        lab.step("pgbench runs, without pauses between transactions");
        let loaded = load(lab, &pair, clients).await?;
        let failed = lab.must_be("transactions that failed", loaded.failed, 0_u64);
        let name = "difference between pgbench's count and its history on the primary";
        let on_primary = lab.must_be(name, loaded.missing_on_primary, 0_u64);
        let name = "difference between pgbench's count and its history on the standby";
        let on_standby = lab.must_be(name, loaded.missing_on_standby, 0_u64);
        let name = "lag after the standby has caught up, in bytes";
        let after = lab.must_be(name, loaded.afterwards, Some(0_u64));

        lab.learn(
            "The standby has every transaction of the load once it has caught up.",
            [&failed, &on_primary, &on_standby, &after],
        );
        Ok(())
    });
}

/// A standby lags while a load runs; once it has caught up, its lag is 0 and says nothing of that.
///
/// Method: a million users in ten statements; sample the lag during the load, and read it afterwards.
#[apply(exercise)]
#[rstest]
fn a_million_rows(#[context] test: Context) {
    let about =
        "The lag of a standby while a million rows are inserted, and after it has caught up";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with an empty shop");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, reader) = sessions(&pair).await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        pair.wait_for_catchup("standby1").await?;

        lab.step("A million users are inserted in ten statements, and the lag is sampled");
        let sampler = Sampler::start(pair.primary(), STEP).await?;
        let (began, start): (_, Lsn) = (Instant::now(), writer.value(WRITTEN).await?);
        let part = format!("SELECT insert_bulk_users({})", lab.scaled(100_000));
        times(10, |_| writer.run(&part)).await?;
        let took = began.elapsed();
        let written = bytes_between(start, writer.value(WRITTEN).await?);
        let last = wait_for_no_lag(&writer, "standby1").await?;
        lab.measure(
            "from the last insert until the standby had replayed everything",
            began.elapsed().saturating_sub(took),
        );
        let rows = lab.scaled(100_000) * 10;
        lab.key_figure("rows inserted", Reading::rate(rows, took, "rows"));
        lab.key_figure("WAL written", Reading::rate(written, took, "bytes"));
        let samples = sampler.stop().await?;
        must_be_sampled(lab, &samples, took);
        lab.measure("WAL written over time", samples.wal_rate("standby1", TENTH));
        let samples = samples.until(took);
        lag(lab, &samples);
        let behind = samples.peak("standby1") > Some(0);
        let behind =
            lab.must_be("was the lag above 0 bytes in a sample during the inserts", behind, true);
        let order = samples.are_in_order("standby1");
        lab.must_be(
            "is sent_lsn ≥ write_lsn ≥ flush_lsn ≥ replay_lsn in every sample",
            order,
            true,
        );

        lab.step("The standby has caught up");
        let none = "lag after the standby has caught up, in bytes";
        let none = lab.must_be(none, last.lag(), Some(0_u64));
        let on_primary = lab.must_be("users on the primary", writer.count(USERS).await?, rows);
        let on_standby = lab.must_be("users on the standby", reader.count(USERS).await?, rows);

        lab.learn(
            "The lag read after a load can be 0 although the standby lagged: sample it during the load.",
            [&behind, &none],
        );
        lab.learn("The standby has every row.", [&on_primary, &on_standby]);
        Ok(())
    });
}

/// A standby that does not replay falls behind by all that the primary writes, and still answers queries;
/// once it replays again it catches up, and no row is missing.
///
/// Method: pause replay during three loads and read the lag after each; resume, and sample the lag.
#[apply(exercise)]
#[rstest]
fn cannot_keep_up(#[context] test: Context) {
    let about =
        "The lag of a standby whose replay is paused during three loads, and after it has resumed";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a shop; replay is paused on the standby");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, reader) = sessions(&pair).await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        pair.wait_for_catchup("standby1").await?;
        reader.run("SELECT pg_wal_replay_pause()").await?;
        let stood: Lsn = reader.value(REPLAYED).await?;
        let sampler = Sampler::start(pair.primary(), STEP).await?;

        lab.step("Three loads on the primary");
        let (start, rows): (Lsn, _) = (writer.value(WRITTEN).await?, lab.scaled(30_000));
        let part = format!("SELECT insert_bulk_users({rows})");
        let lags = times(3, |_| lag_after(&writer, &part)).await?;
        let grows = lags.is_sorted_by(|before, after| before < after);
        let grows =
            lab.must_be("is the lag larger after each load than after the one before", grows, true);
        let written = bytes_between(start, writer.value(WRITTEN).await?);
        let whole = lag_after(&writer, "SELECT 1").await? >= written;
        let whole = lab.must_be(
            "is the lag after the last load at least the WAL written by all three",
            whole,
            true,
        );
        let still = reader.value::<Lsn>(REPLAYED).await? == stood;
        lab.must_be("is pg_last_wal_replay_lsn() on the standby unchanged", still, true);
        let new = lab.must_be("users on the primary", writer.count(USERS).await?, 3 * rows);
        let stale = "users on the standby while replay is paused";
        let stale = lab.must_be(stale, reader.count(USERS).await?, 0);

        lab.step("Replay is resumed");
        let began = Instant::now();
        reader.run("SELECT pg_wal_replay_resume()").await?;
        let last = wait_for_no_lag(&writer, "standby1").await?;
        lab.key_figure("WAL replayed", Reading::rate(written, began.elapsed(), "bytes"));
        lab.measure("from the resume until everything was replayed", began.elapsed());
        lag(lab, &sampler.stop().await?);
        let none = "lag after the standby has caught up, in bytes";
        let none = lab.must_be(none, last.lag(), Some(0_u64));
        let all = "users on the standby after it has caught up";
        let all = lab.must_be(all, reader.count(USERS).await?, 3 * rows);

        lab.learn(
            "A standby whose replay is paused falls behind by all that the primary writes, and answers \
             queries with the rows that it has replayed.",
            [&grows, &whole, &new, &stale],
        );
        lab.learn(
            "After pg_wal_replay_resume() it catches up without further action, and no row is missing.",
            [&none, &all],
        );
        Ok(())
    });
}
