//! A link that stays cut, and the WAL that the primary retains meanwhile. No other fault is here.

use std::time::Instant;

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::drift::drift;
use replication_lab::record::Reading;
use replication_lab::sampler::STEP;
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{Node, Result, Sampler, Shutdown, Standby, Topology, stat};
use rstest::{Context, rstest};

use super::pair::{impatient, most, passed, same_orders};
use crate::steps::repeat::times;
use crate::steps::shop::{ORDERS, shop};
use crate::steps::slot::wait_for_slot;
use crate::steps::wal::{WRITTEN, file_is_there, next_wal_file};
use crate::support::{Lab, scenario};

const GAVE_UP: &str = "terminating walsender process due to replication timeout";
const GAVE_UP_TOO: &str = "terminating walreceiver due to timeout";
const REMOVED: &str = "has already been removed";

/// A cut is noticed by nobody but PostgreSQL's own timeouts; the slot keeps what the standby misses,
/// and after the heal it comes back without hands.
///
/// Method: cut the link, place orders, wait until each side has noticed; look at the slot, at what the
/// standby answers, and at the bytes that passed; heal.
#[rstest]
fn with_a_slot(#[context] test: Context) {
    let about = "A cut is noticed only by timeouts; the slot keeps what the standby misses";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a shop, where both ends give up after two silent seconds");
        let pair = lab.start(impatient(Topology::pair())).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        shop(&writer, 100).await?;
        let sampler = Sampler::start(primary, STEP).await?;

        lab.step("The link is cut, and orders come in");
        let link = pair.link("standby1")?;
        let said = standby.log().await?.len();
        let (cut, began, before) = (link.cut(), Instant::now(), passed(link));
        let start: Lsn = writer.value(WRITTEN).await?;
        let rows = lab.scaled(5_000);
        writer.run(&format!("SELECT place_orders({rows})")).await?;
        let written = bytes_between(start, writer.value(WRITTEN).await?);
        let seen = primary.wait_for_log(GAVE_UP).await?;
        lab.key_figure("until the primary noticed", began.elapsed());
        let sender = lab.fact("what the primary says", &seen);
        let seen = standby.wait_for_log(GAVE_UP_TOO).await?;
        lab.measure("until the standby had noticed too", began.elapsed());
        let receiver = lab.fact("what the standby says", &seen);
        let seen = tells_of_an_end(standby, said).await?;
        let quiet = lab.must_be("does its log tell of a reset or an end", seen, false);

        lab.step("Meanwhile");
        let slot = wait_for_slot(&writer, "standby1", false).await?;
        lab.must_be("is the slot active", slot.active, false);
        lab.key_figure("WAL held by the slot", Reading::Bytes(slot.retained().unwrap_or(0)));
        let kept = slot.retained() >= Some(written);
        let kept = lab.must_be("does it hold at least what was written", kept, true);
        let seen = [writer.count(ORDERS).await?, reader.count(ORDERS).await?];
        let stale = lab.must_be("orders on the primary, on the standby", seen, [200 + rows, 200]);
        let bytes = passed(link) - before;
        let silent = lab.must_be("bytes that passed the link", bytes, 0_u64);

        lab.step("The link is healed");
        let healed = Instant::now();
        cut.heal();
        wait_for_no_lag(&writer, "standby1").await?;
        lab.key_figure("until the standby had everything", healed.elapsed());
        let samples = sampler.stop().await?;
        lab.measure("peak lag while it was connected", most(samples.peak("standby1")));
        lab.measure("lag", samples.lag("standby1"));
        lab.measure("WAL held by the slot over time", samples.retained("standby1"));
        let slot = wait_for_slot(&writer, "standby1", true).await?;
        let active = lab.must_be("is the slot active", slot.active, true);
        let differ = drift(&writer, &reader, "orders", "id").await?.rows() as u64;
        let whole = lab.must_be("orders that differ", differ, 0_u64);

        lab.learn(
            "A cut is not an error to anybody: no reset, no end of file; only timeouts notice.",
            [&silent, &quiet, &sender, &receiver],
        );
        lab.learn("A standby that is cut off goes on answering, with what it had.", [&stale]);
        lab.learn(
            "The slot holds what the standby misses; after the heal it comes back by itself, whole.",
            [&kept, &active, &whole],
        );
        Ok(())
    });
}

/// Without a slot the primary recycles what the standby misses, and only a rebuild helps.
///
/// Method: cut the link, fill several WAL files and make a checkpoint; heal, read the logs, rebuild.
#[rstest]
fn without_a_slot(#[context] test: Context) {
    let about = "Without a slot the primary recycles what a cut-off standby still needs";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair without a slot, that keeps no more WAL than it must");
        let pair = lab
            .start(small(Topology::alone().standby(Standby::new("standby1").without_slot())))
            .await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let writer = primary.session().await?;
        shop(&writer, 100).await?;

        lab.step("The link is cut while WAL goes by");
        let link = pair.link("standby1")?;
        let (cut, before) = (link.cut(), passed(link));
        let looker = primary.session_unrecorded().await?;
        let needed: String = looker.value(NEEDED).await?;
        times(4, |_| next_wal_file(&writer, "SELECT place_orders(1)")).await?;
        writer.run("CHECKPOINT").await?;
        let there = looker.count(&file_is_there(&needed)).await?;
        let gone =
            lab.must_be("is the WAL file that the standby needs still there", there > 0, false);
        lab.must_be("slots", stat::slots(&writer).await?.len() as u64, 0_u64);
        lab.must_be("bytes that passed the link", passed(link) - before, 0_u64);

        lab.step("The link is healed");
        cut.heal();
        let refused = lab.fact("what the primary says", primary.wait_for_log(REMOVED).await?);
        let told = lab.fact("what the standby says", standby.wait_for_log(REMOVED).await?);

        lab.step("The standby is made anew");
        let began = Instant::now();
        standby.stop(Shutdown::Fast).await?;
        pair.rebuild("standby1").await?;
        standby.start().await?;
        wait_for_no_lag(&writer, "standby1").await?;
        lab.key_figure("until the standby had everything", began.elapsed());
        let whole = same_orders(lab, &pair, &writer).await?;

        lab.learn(
            "Without a slot a checkpoint recycles WAL that a standby has not got.",
            [&gone, &refused],
        );
        lab.learn("The standby cannot go on then, and is made anew.", [&told, &whole]);
        Ok(())
    });
}

/// `max_slot_wal_keep_size` limits what a slot keeps; one that is beyond it is lost at the next
/// checkpoint, and so is its standby.
///
/// Method: cut the link until the slot is idle; hold the checkpointer, fill one WAL file after the other
/// and look at the slot after each; let the checkpointer go on; heal, and rebuild.
#[rstest]
fn with_a_limit(#[context] test: Context) {
    let about = "A slot with a limit goes from reserved to lost, and the primary's disk is safe";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair whose slots keep at most 80 MB, in WAL files of 16 MB");
        let limited = impatient(small(Topology::pair())).set("max_slot_wal_keep_size", "80MB");
        let pair = lab.start(limited).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let writer = primary.session().await?;
        shop(&writer, 100).await?;

        lab.step("The link is cut, and WAL goes by while no checkpoint is made");
        let cut = pair.link("standby1")?.cut();
        wait_for_slot(&writer, "standby1", false).await?;
        let held = primary.freeze_processes("checkpointer").await?;
        let mut states = times(8, |_| async {
            next_wal_file(&writer, "SELECT place_orders(1)").await?;
            Ok(stat::slot(&writer, "standby1").await?.wal_status)
        })
        .await?;
        states.dedup();
        let steps = [Some("reserved"), Some("extended"), Some("unreserved")];
        let steps = steps.map(|state| state.map(str::to_owned)).to_vec();
        let states = lab.must_be("states of the slot, one after the other", states, steps);

        lab.step("A checkpoint");
        held.thaw().await?;
        writer.run("CHECKPOINT").await?;
        let slot = stat::slot(&writer, "standby1").await?;
        let status = slot.wal_status.unwrap_or_default();
        let lost = lab.must_be("state of the slot", &status, "lost");
        let told = lab.fact("what the primary says", primary.wait_for_log("invalidating").await?);

        lab.step("The link is healed");
        cut.heal();
        let refused = lab.fact("what the standby says", standby.wait_for_log("WAL stream").await?);

        lab.step("The standby is made anew, with a new slot");
        standby.stop(Shutdown::Fast).await?;
        writer.run("SELECT pg_drop_replication_slot('standby1')").await?;
        pair.repoint("standby1", "primary").await?;
        pair.rebuild("standby1").await?;
        standby.start().await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let slot = wait_for_slot(&writer, "standby1", true).await?;
        let status = slot.wal_status.unwrap_or_default();
        lab.must_be("state of its slot", &status, "reserved");
        let whole = same_orders(lab, &pair, &writer).await?;

        lab.learn(
            "Beyond max_wal_size a slot is extended, beyond max_slot_wal_keep_size it is unreserved, \
             and the next checkpoint makes it lost.",
            [&states, &lost, &told],
        );
        lab.learn("The standby of a lost slot must be made anew.", [&refused, &whole]);
        Ok(())
    });
}

const NEEDED: &str = "SELECT pg_walfile_name(flush_lsn) FROM pg_stat_replication";

/// As little WAL is kept as PostgreSQL allows.
fn small(topology: Topology) -> Topology {
    let topology = topology.set("wal_keep_size", "0").set("max_wal_size", "32MB");
    topology.set("min_wal_size", "32MB")
}

/// Does what a server logged after its first `said` bytes tell that a connection was ended?
async fn tells_of_an_end(node: &Node, said: usize) -> Result<bool> {
    let log = node.log().await?;
    let since = log.get(said..).unwrap_or_default();
    Ok(since.contains("reset by peer") || since.contains("unexpectedly"))
}
