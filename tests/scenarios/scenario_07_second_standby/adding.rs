//! A server that is added beside a primary: how it is made, and what it serves. Nothing here changes
//! the upstream of a standby.

use std::time::{Duration, Instant};

use replication_lab::catchup::{wait_for_no_lag, wait_for_streaming};
use replication_lab::ledger::Outcome;
use replication_lab::record::Reading;
use replication_lab::sampler::STEP;
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{BackupOptions, Sampler, Shutdown, Standby, Topology, Writers, stat};
use rstest::{Context, rstest};

use super::more_standbys::{amiss, in_order, phases};
use crate::steps::reads::reads;
use crate::steps::shop::{ORDERS, shop, sums};
use crate::steps::wal::WRITTEN;
use crate::support::{Lab, scenario};

const IDENTIFIER: &str = "SELECT system_identifier FROM pg_control_system()";

/// A second standby joins while orders come in, and each standby has a lag of its own.
///
/// Method: writers at work all the while; slot, base backup at a limited rate, start; look at the phases
/// of the backup; compare the writers' ledger with every node. Then hold back replay on one.
#[rstest]
fn added_under_load(#[context] test: Context) {
    let about = "A second standby joins under load; each standby has a lag of its own";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair, writers at work, and a machine for a second standby");
        let cluster =
            lab.start(Topology::pair().standby(Standby::new("standby2").deferred())).await?;
        let (primary, second) = (cluster.primary(), cluster.node("standby2")?);
        let (writer, looker) = (primary.session().await?, primary.session_unrecorded().await?);
        shop(&writer, 100).await?;
        let writers = Writers::start(&cluster, 2);

        lab.step("A slot, a base backup at a limited rate, a start");
        let (began, before) = (Instant::now(), writers.acked());
        cluster.repoint("standby2", "primary").await?;
        let slow = BackupOptions::default().max_rate_mb(16);
        let seen = phases(&looker, cluster.rebuild_with("standby2", &slow)).await?;
        lab.key_figure("base backup", began.elapsed());
        let streamed = seen.iter().any(|phase| phase == "streaming database files");
        let streamed = lab.must_be("was it seen streaming database files", streamed, true);
        let order = lab.must_be("were its phases in the manual's order", in_order(&seen), true);
        let meanwhile = writers.acked() - before;
        lab.measure("orders acked meanwhile", Reading::Count(meanwhile));
        let went_on = lab.must_be("were orders acked meanwhile", meanwhile > 0, true);
        second.start().await?;
        wait_for_streaming(&looker, &["standby1", "standby2"]).await?;
        lab.key_figure("until it streamed", began.elapsed());
        writers.wait_for_acks(writers.acked() + 20).await?;

        lab.step("The writers stop");
        let ledger = writers.stop().await?;
        wait_for_no_lag(&looker, "standby1").await?;
        wait_for_no_lag(&looker, "standby2").await?;
        let unclear = ledger.count(Outcome::Failed) + ledger.count(Outcome::Unknown);
        lab.must_be("orders that failed, or whose outcome is unknown", unclear, 0_u64);
        let seen = amiss(&ledger, cluster.nodes()).await?;
        let whole = lab.must_be("orders amiss on each of the three", seen, [0_u64; 3]);

        lab.step("Replay is held back on the second one, and orders come in");
        let sampler = Sampler::start(primary, STEP).await?;
        let reader = second.session().await?;
        reader.run("SELECT pg_wal_replay_pause()").await?;
        let start: Lsn = writer.value(WRITTEN).await?;
        writer.run(&format!("SELECT place_orders({})", lab.scaled(20_000))).await?;
        let written = bytes_between(start, writer.value(WRITTEN).await?);
        let lag = wait_for_no_lag(&looker, "standby1").await?.lag();
        let first = lab.must_be("bytes of lag of the first", lag, Some(0_u64));
        let lag = stat::replication_to(&looker, "standby2").await?.and_then(|row| row.lag());
        let behind = lag >= Some(written);
        let behind = lab.must_be("is that of the second at least what was written", behind, true);
        reader.run("SELECT pg_wal_replay_resume()").await?;
        let lag = wait_for_no_lag(&looker, "standby2").await?.lag();
        let both = lab.must_be("bytes of lag of the second, afterwards", lag, Some(0_u64));
        let samples = sampler.stop().await?;
        let most = |standby| Reading::Bytes(samples.peak(standby).unwrap_or(0));
        lab.key_figure("lag of standby1, largest", most("standby1"));
        lab.key_figure("lag of standby2, largest", most("standby2"));
        lab.measure("lag of standby1", samples.lag("standby1"));
        lab.measure("lag of standby2", samples.lag("standby2"));

        lab.learn(
            "A standby is added while the primary takes writes: a slot, pg_basebackup, a start.",
            [&streamed, &order, &went_on, &whole],
        );
        lab.learn("Every standby has its own lag.", [&first, &behind, &both]);
        Ok(())
    });
}

/// A copy of the files can stream; a restored dump has the same rows, and cannot.
///
/// Method: one server by `pg_basebackup`, one by `initdb` and `pg_dump`; compare rows and system
/// identifiers; ask both to stream.
#[rstest]
fn copy_or_dump(#[context] test: Context) {
    let about = "A copy of the files can stream; a restored dump has the same rows, and cannot";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with a shop, and two machines");
        let machine = |name: &str| Standby::new(name).deferred();
        let machines = Topology::alone().standby(machine("copy")).standby(machine("restored"));
        let cluster = lab.start(machines).await?;
        let writer = cluster.primary().session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT fill_shop(100)").await?;
        let own: i64 = writer.value(IDENTIFIER).await?;

        lab.step("A physical copy");
        cluster.repoint("copy", "primary").await?;
        cluster.rebuild("copy").await?;
        let copy = cluster.node("copy")?;
        copy.start().await?;
        let state = wait_for_no_lag(&writer, "copy").await?.state;
        let streams = lab.must_be("state of its walsender", &state, "streaming");
        let reader = copy.session().await?;
        let same = reader.value::<i64>(IDENTIFIER).await? == own;
        let same = lab.must_be("has it the primary's system identifier", same, true);
        let equal = sums(&writer).await? == sums(&reader).await?;
        lab.must_be("are all tables the same", equal, true);

        lab.step("A logical dump, restored");
        cluster.repoint("restored", "primary").await?;
        cluster.initdb("restored").await?;
        let restored = cluster.node("restored")?;
        restored.start().await?;
        cluster.restore_dump("restored").await?;
        let reader = restored.session().await?;
        let equal = sums(&writer).await? == sums(&reader).await?;
        let equal = lab.must_be("are all tables the same", equal, true);
        let other = reader.value::<i64>(IDENTIFIER).await? == own;
        let other = lab.must_be("has it the primary's system identifier", other, false);

        lab.step("It is asked to stream");
        restored.stop(Shutdown::Fast).await?;
        cluster.configure_standby("restored").await?;
        restored.start().await?;
        let seen = restored.wait_for_log("database system identifier differs").await?;
        let refused = lab.fact("what it says", seen);
        let seen = restored.wait_for_log("The primary's identifier").await?;
        let why = lab.fact("and the detail", seen);
        let reader = restored.session().await?;
        let reads = lab.must_be("orders that it still shows", reader.count(ORDERS).await?, 200_u64);

        lab.learn(
            "A standby is a copy of the files, and has the primary's identifier.",
            [&streams, &same],
        );
        lab.learn(
            "A restored dump has the same rows and another identifier: it serves reads, and can \
             never stream.",
            [&equal, &other, &refused, &why, &reads],
        );
        Ok(())
    });
}

/// Three nodes answer reads, and how many more that makes depends on the machine.
///
/// Method: six readers on the primary alone, then two on each of the three, for the same time.
#[rstest]
fn reads_over_three(#[context] test: Context) {
    let about = "Reads on one node and on three: how many, measured";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with two standbys, and a shop full of orders");
        let cluster = lab.start(Topology::pair().standby("standby2")).await?;
        let writer = cluster.primary().session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run(&format!("SELECT fill_shop({})", lab.scaled(2000))).await?;
        writer.run("VACUUM ANALYZE").await?;
        cluster.wait_for_catchup("standby1").await?;
        cluster.wait_for_catchup("standby2").await?;

        lab.step("Six readers on the primary, then two on each node");
        let span = Duration::from_secs(lab.scaled(1));
        let (one, all) = ([cluster.primary(); 6], cluster.nodes().iter().cycle().take(6));
        let (alone, _) = reads(&one, span).await?;
        let (spread, servers) = reads(&all.collect::<Vec<_>>(), span).await?;
        lab.key_figure("reads with one node", Reading::rate(alone, span, "reads"));
        lab.key_figure("reads with three nodes", Reading::rate(spread, span, "reads"));
        let three = ["primary", "standby1", "standby2"];
        let served = lab.must_be("servers that answered", servers, three);
        lab.learn("Readers can be spread over a primary and its two standbys.", [&served]);
        Ok(())
    });
}
