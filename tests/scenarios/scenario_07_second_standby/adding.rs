//! A server that is added to a primary: how its data come about, and what it serves. Nothing here changes
//! the upstream of a standby.

use std::time::{Duration, Instant};

use macro_rules_attribute::apply;
use replication_lab::catchup::{wait_for_no_lag, wait_for_streaming};
use replication_lab::ledger::Outcome;
use replication_lab::record::Reading;
use replication_lab::sampler::STEP;
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{
    BackupOptions, Result, Sampler, Samples, Session, Shutdown, Standby, Topology, Writers, stat,
};
use rstest::{Context, rstest};

use super::backup_phases::{in_order, phases};
use super::ledger_on_each::wrong_on_each;
use crate::steps::machine::cores;
use crate::steps::reads::reads;
use crate::steps::repeat::times;
use crate::steps::shop::{ORDERS, shop, sums};
use crate::steps::wal::WRITTEN;
use crate::support::{Lab, exercise, scenario};

const IDENTIFIER: &str = "SELECT system_identifier FROM pg_control_system()";

/// A second standby is added while orders come in, and each standby has a lag of its own.
///
/// Method: writers place orders during the slot, the base backup at a limited rate and the start; poll
/// the phases of the backup; compare the writers' ledger with every server. Then pause replay on one
/// standby, and write in batches that the other one replays before the next.
#[apply(exercise)]
#[rstest]
fn added_under_load(#[context] test: Context) {
    let about = "A second standby is added while orders come in; each standby has a lag of its own";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with writers that place orders, and a machine for a second standby");
        let cluster =
            lab.start(Topology::pair().standby(Standby::new("standby2").deferred())).await?;
        let (primary, second) = (cluster.primary(), cluster.node("standby2")?);
        let (writer, looker) = (primary.session().await?, primary.session_unrecorded().await?);
        shop(&writer, 100).await?;
        let writers = Writers::start(&cluster, 2);

        lab.step("standby2 gets a slot, a base backup at a limited rate, and is started");
        let (began, before) = (Instant::now(), writers.acked());
        cluster.repoint("standby2", "primary").await?;
        let slow = BackupOptions::default().max_rate_mb(16);
        let seen = phases(&looker, cluster.rebuild_with("standby2", &slow)).await?;
        lab.key_figure("time of the base backup", began.elapsed());
        let streamed = seen.iter().any(|phase| phase == "streaming database files");
        let streamed = lab.must_be("was the phase streaming database files seen", streamed, true);
        let order = lab.must_be(
            "were the phases that were seen in the manual's order",
            in_order(&seen),
            true,
        );
        let meanwhile = writers.acked() - before;
        lab.measure("orders acked during the base backup", Reading::Count(meanwhile));
        let went_on = lab.must_be("were orders acked during the base backup", meanwhile > 0, true);
        second.start().await?;
        wait_for_streaming(&looker, &["standby1", "standby2"]).await?;
        lab.key_figure(
            "from the start of the base backup until standby2 streamed",
            began.elapsed(),
        );
        writers.wait_for_acks(writers.acked() + 20).await?;

        lab.step("The writers stop, and their ledger is compared with every server");
        let ledger = writers.stop().await?;
        wait_for_no_lag(&looker, "standby1").await?;
        wait_for_no_lag(&looker, "standby2").await?;
        let unclear = ledger.count(Outcome::Failed) + ledger.count(Outcome::Unknown);
        lab.must_be("orders that failed or whose outcome is unknown", unclear, 0_u64);
        let whole = "orders lost, unexpected or duplicated on each server";
        let seen = wrong_on_each(&ledger, cluster.nodes()).await?;
        let whole = lab.must_be(whole, seen, "primary: 0, standby1: 0, standby2: 0");

        lab.step(
            "Replay is paused on standby2; twenty batches of orders, each replayed by standby1",
        );
        let sampler = Sampler::start(primary, STEP).await?;
        let reader = second.session().await?;
        reader.run("SELECT pg_wal_replay_pause()").await?;
        let start: Lsn = writer.value(WRITTEN).await?;
        let batch = format!("SELECT place_orders({})", lab.scaled(1_000));
        times(20, |_| replayed(&writer, &batch, "standby1")).await?;
        let written = bytes_between(start, writer.value(WRITTEN).await?);
        let lag = wait_for_no_lag(&looker, "standby1").await?.lag();
        let first = lab.must_be("lag of standby1 after the batches, in bytes", lag, Some(0_u64));
        let lag = stat::replication_to(&looker, "standby2").await?.and_then(|row| row.lag());
        let behind = "is the lag of standby2 after the batches at least the WAL of all of them";
        let behind = lab.must_be(behind, lag >= Some(written), true);
        reader.run("SELECT pg_wal_replay_resume()").await?;
        let lag = wait_for_no_lag(&looker, "standby2").await?.lag();
        let both = "lag of standby2 after it has resumed and caught up, in bytes";
        let both = lab.must_be(both, lag, Some(0_u64));
        let less = peaks(lab, &sampler.stop().await?);
        let peak = "is the largest lag of standby1 below the largest lag of standby2";
        let peak = lab.must_be(peak, less, true);

        lab.learn(
            "A standby can be added while the primary accepts writes: create a slot, run pg_basebackup, \
             start it.",
            [&streamed, &order, &went_on, &whole],
        );
        lab.learn(
            "Each standby has its own lag: replay that is paused on one does not delay the other.",
            [&first, &behind, &both, &peak],
        );
        Ok(())
    });
}

/// A physical copy can stream; a restored dump has the same rows, another system identifier, and cannot.
///
/// Method: one server by `pg_basebackup`, one by `initdb` and `pg_dump`; compare rows and system
/// identifiers; configure both as standbys.
#[apply(exercise)]
#[rstest]
fn copy_or_dump(#[context] test: Context) {
    let about = "A physical copy can stream from the primary; a restored dump has the same rows, but cannot (a \
                 MySQL replica may begin with a dump)";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with a shop, and machines for a copy and for a dump");
        let machine = |name: &str| Standby::new(name).deferred();
        let machines = Topology::alone().standby(machine("copy")).standby(machine("restored"));
        let cluster = lab.start(machines).await?;
        let writer = cluster.primary().session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT fill_shop(100)").await?;
        let own: i64 = writer.value(IDENTIFIER).await?;

        lab.step("A physical copy, by pg_basebackup");
        cluster.repoint("copy", "primary").await?;
        cluster.rebuild("copy").await?;
        let copy = cluster.node("copy")?;
        copy.start().await?;
        let state = wait_for_no_lag(&writer, "copy").await?.state;
        let streams = lab.must_be("state of the copy in pg_stat_replication", &state, "streaming");
        let reader = copy.session().await?;
        let same = reader.value::<i64>(IDENTIFIER).await? == own;
        let same = lab.must_be("does the copy have the primary's system identifier", same, true);
        let equal = sums(&writer).await? == sums(&reader).await?;
        lab.must_be("does the copy have the same rows in every table", equal, true);

        lab.step("A logical dump, restored on a server of its own");
        cluster.repoint("restored", "primary").await?;
        cluster.initdb("restored").await?;
        let restored = cluster.node("restored")?;
        restored.start().await?;
        cluster.restore_dump("restored").await?;
        let reader = restored.session().await?;
        let equal = sums(&writer).await? == sums(&reader).await?;
        let equal =
            lab.must_be("does the restored server have the same rows in every table", equal, true);
        let is_own = reader.value::<i64>(IDENTIFIER).await? == own;
        let other = "does the restored server have the primary's system identifier";
        let other = lab.must_be(other, is_own, false);

        lab.step("The restored server is configured as a standby, and started");
        restored.stop(Shutdown::Fast).await?;
        cluster.configure_standby("restored").await?;
        restored.start().await?;
        let seen = restored.wait_for_log("database system identifier differs").await?;
        let refused = lab.fact("log of the restored server", seen);
        let seen = restored.wait_for_log("The primary's identifier").await?;
        let why = lab.fact("detail in its log", seen);
        let reader = restored.session().await?;
        let reads = "orders on the restored server";
        let reads = lab.must_be(reads, reader.count(ORDERS).await?, 200_u64);

        lab.learn(
            "A physical copy has the primary's system identifier and can stream from it.",
            [&streams, &same],
        );
        lab.learn(
            "A server with a restored dump has the same rows and another system identifier: as a standby \
             it answers queries and cannot stream from the primary.",
            [&equal, &other, &refused, &why, &reads],
        );
        Ok(())
    });
}

/// Three servers answer reads. How many more reads that makes on one machine depends on its cores.
///
/// Method: six readers on the primary alone, then two on each of the three, for the same time.
#[apply(exercise)]
#[rstest]
fn reads_over_three(#[context] test: Context) {
    let about = "Reads of six readers on one server and on three. All servers share the CPU cores of one \
                 machine: the figures show what a second and a third server add there, not what they add \
                 on machines of their own";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with two standbys, and a shop full of orders");
        let cluster = lab.start(Topology::pair().standby("standby2")).await?;
        let writer = cluster.primary().session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run(&format!("SELECT fill_shop({})", lab.scaled(2000))).await?;
        writer.run("VACUUM ANALYZE").await?;
        cluster.wait_for_catchup("standby1").await?;
        cluster.wait_for_catchup("standby2").await?;

        lab.step("Six readers on the primary, then two on each server");
        let span = Duration::from_secs(lab.scaled(1));
        let (one, all) = ([cluster.primary(); 6], cluster.nodes().iter().cycle().take(6));
        let (alone, _) = reads(&one, span).await?;
        let (spread, servers) = reads(&all.collect::<Vec<_>>(), span).await?;
        cores(lab);
        lab.key_figure("reads on one server", Reading::rate(alone, span, "reads"));
        lab.key_figure("reads on three servers", Reading::rate(spread, span, "reads"));
        let three = ["primary", "standby1", "standby2"];
        let served = lab.must_be("servers that answered", servers, three);
        lab.learn("A primary and its two standbys answer reads at the same time.", [&served]);
        Ok(())
    });
}

/// Runs a statement, and waits until a standby has replayed it.
async fn replayed(writer: &Session, sql: &str, standby: &str) -> Result<()> {
    writer.run(sql).await?;
    wait_for_no_lag(writer, standby).await.map(drop)
}

/// Notes the lags of both standbys, and returns whether the largest of `standby1` is the smaller one.
fn peaks(lab: &Lab, samples: &Samples) -> bool {
    let [first, second] = ["standby1", "standby2"].map(|name| samples.peak(name).unwrap_or(0));
    lab.key_figure("largest lag of standby1, which replays", Reading::Bytes(first));
    lab.key_figure("largest lag of standby2, whose replay is paused", Reading::Bytes(second));
    lab.measure("lag of standby1 over time", samples.lag("standby1"));
    lab.measure("lag of standby2 over time", samples.lag("standby2"));
    first < second
}
