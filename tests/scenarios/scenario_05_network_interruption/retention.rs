//! A link that stays cut, and the WAL that the primary retains meanwhile. Nothing here is another fault.

use std::time::Instant;

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_no_lag;
use replication_lab::drift::drift;
use replication_lab::record::Reading;
use replication_lab::sampler::STEP;
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{Node, Result, Sampler, Shutdown, Standby, Topology, stat};
use rstest::{Context, rstest};

use super::archive::set_restore_command;
use super::pair::{impatient, most, passed, same_orders};
use crate::steps::archive::{file_is_archived, wait_for_archived};
use crate::steps::repeat::times;
use crate::steps::shop::{ORDERS, shop};
use crate::steps::slot::wait_for_slot;
use crate::steps::wal::{WRITTEN, file_is_there, next_wal_file};
use crate::support::{Lab, exercise, scenario};

const GAVE_UP: &str = "terminating walsender process due to replication timeout";
const GAVE_UP_TOO: &str = "terminating walreceiver due to timeout";
const REMOVED: &str = "has already been removed";

/// Only timeouts end a connection over a link that is cut; the slot retains the WAL, and after the heal
/// the standby connects again and catches up.
///
/// Method: cut the link, place orders, wait until each side's timeout ends the connection; read the slot,
/// the standby's answers, and the bytes that passed; heal.
#[apply(exercise)]
#[rstest]
fn with_a_slot(#[context] test: Context) {
    let about = "A link is cut: timeouts end the connection, and the slot retains the standby's WAL (afterwards \
                 the standby connects by itself; there is nothing like MySQL's START REPLICA)";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with wal_sender_timeout and wal_receiver_timeout of 2 seconds");
        let pair = lab.start(impatient(Topology::pair())).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        shop(&writer, 100).await?;
        let sampler = Sampler::start(primary, STEP).await?;

        lab.step(
            "The link is cut while orders are placed: each side's timeout ends the connection",
        );
        let link = pair.link("standby1")?;
        let said = standby.log().await?.len();
        let (cut, began, before) = (link.cut(), Instant::now(), passed(link));
        let start: Lsn = writer.value(WRITTEN).await?;
        let rows = lab.scaled(5_000);
        writer.run(&format!("SELECT place_orders({rows})")).await?;
        let written = bytes_between(start, writer.value(WRITTEN).await?);
        let seen = primary.wait_for_log(GAVE_UP).await?;
        lab.key_figure("until the primary noticed", began.elapsed());
        let sender = lab.fact("the primary logs", &seen);
        let seen = standby.wait_for_log(GAVE_UP_TOO).await?;
        lab.measure("until the standby noticed", began.elapsed());
        let receiver = lab.fact("the standby logs", &seen);
        let seen = logs_an_end(standby, said).await?;
        let quiet = lab.must_be("does the standby log a reset or an end of file", seen, false);

        lab.step("While the link is cut, the slot retains WAL and the standby answers queries");
        let slot = wait_for_slot(&writer, "standby1", false).await?;
        lab.must_be("is the slot active while the link is cut", slot.active, false);
        lab.key_figure("WAL retained by the slot", Reading::Bytes(slot.retained().unwrap_or(0)));
        let kept = slot.retained() >= Some(written);
        let kept = lab.must_be("does the slot retain all WAL since the cut", kept, true);
        lab.must_be("orders on the primary", writer.count(ORDERS).await?, 200 + rows);
        let stale = lab.must_be("orders on the standby", reader.count(ORDERS).await?, 200_u64);
        let bytes = passed(link) - before;
        let silent = lab.must_be("bytes that passed the link", bytes, 0_u64);

        lab.step("The link is healed: the standby connects again and catches up");
        let healed = Instant::now();
        cut.heal();
        wait_for_no_lag(&writer, "standby1").await?;
        lab.key_figure("until the standby had everything", healed.elapsed());
        let samples = sampler.stop().await?;
        lab.measure("peak lag while it was connected", most(samples.peak("standby1")));
        lab.measure("lag", samples.lag("standby1"));
        lab.measure("WAL retained by the slot over time", samples.retained("standby1"));
        let slot = wait_for_slot(&writer, "standby1", true).await?;
        let active = lab.must_be("is the slot active after the heal", slot.active, true);
        let differ = drift(&writer, &reader, "orders", "id").await?.rows() as u64;
        let whole = lab.must_be("orders that differ", differ, 0_u64);

        lab.learn(
            "A cut link sends neither a reset nor an end of file: wal_sender_timeout and \
             wal_receiver_timeout end the connection.",
            [&silent, &quiet, &sender, &receiver],
        );
        lab.learn("A standby whose link is cut answers queries, with old rows.", [&stale]);
        lab.learn(
            "The slot retains the WAL that the standby has not received; after the heal the standby \
             connects by itself and has every row.",
            [&kept, &active, &whole],
        );
        Ok(())
    });
}

/// Without a slot a checkpoint removes WAL that the standby has not received. Without an archive the
/// standby then needs a rebuild.
///
/// Method: cut the link, fill several WAL files and make a checkpoint; heal, read the logs, rebuild.
#[apply(exercise)]
#[rstest]
fn without_a_slot(#[context] test: Context) {
    let about = "Without a slot a checkpoint removes WAL that the cut-off standby still needs";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A standby without a slot, and wal_keep_size = 0 on the primary");
        let pair = lab.start(small(without_slot())).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let writer = primary.session().await?;
        shop(&writer, 100).await?;

        lab.step("The link is cut; the primary fills four WAL files and makes a checkpoint");
        let link = pair.link("standby1")?;
        let (cut, before) = (link.cut(), passed(link));
        let looker = primary.session_unrecorded().await?;
        let needed: String = looker.value(NEEDED).await?;
        times(4, |_| next_wal_file(&writer, "SELECT place_orders(1)")).await?;
        writer.run("CHECKPOINT").await?;
        let there = looker.count(&file_is_there(&needed)).await?;
        let gone = lab.must_be("WAL files that the standby needs next, in pg_wal", there, 0_u64);
        lab.must_be("replication slots", stat::slots(&writer).await?.len() as u64, 0_u64);
        lab.must_be("bytes that passed the link", passed(link) - before, 0_u64);

        lab.step("The link is healed: the standby asks for the removed file");
        cut.heal();
        let refused = lab.fact("the primary logs", primary.wait_for_log(REMOVED).await?);
        let logged = lab.fact("the standby logs", standby.wait_for_log(REMOVED).await?);

        lab.step("There is no archive: the standby is rebuilt with pg_basebackup");
        let began = Instant::now();
        standby.stop(Shutdown::Fast).await?;
        pair.rebuild("standby1").await?;
        standby.start().await?;
        wait_for_no_lag(&writer, "standby1").await?;
        lab.key_figure("until the standby had everything", began.elapsed());
        let whole = same_orders(lab, &pair, &writer).await?;

        lab.learn(
            "Without a slot, and beyond wal_keep_size, a checkpoint removes WAL that a standby has not \
             received.",
            [&gone, &refused],
        );
        lab.learn(
            "A standby that needs a removed WAL file cannot stream. Without a WAL archive a new base \
             backup brings it back.",
            [&logged, &whole],
        );
        Ok(())
    });
}

/// With a WAL archive a standby gets the removed files from there, and streams again.
///
/// Method: as without a slot, but the primary archives its WAL. After the heal set `restore_command` on
/// the standby and restart it (manual: Standby Server Operation).
#[apply(exercise)]
#[rstest]
fn without_a_slot_but_an_archive(#[context] test: Context) {
    let about =
        "A standby restores removed WAL files from an archive and streams again, without a rebuild";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A standby without a slot, and a primary that archives its WAL");
        let pair = lab.start(impatient(small(without_slot().archiving()))).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        shop(&writer, 100).await?;

        lab.step("The link is cut; the primary fills and archives four WAL files, and makes a checkpoint");
        let cut = pair.link("standby1")?.cut();
        let looker = primary.session_unrecorded().await?;
        let needed: String = looker.value(NEEDED).await?;
        // The walsender of the time before the cut could go on with WAL that it has read already.
        primary.wait_for_log(GAVE_UP).await?;
        times(4, |_| next_wal_file(&writer, "SELECT place_orders(1)")).await?;
        wait_for_archived(&writer).await?;
        writer.run("CHECKPOINT").await?;
        let there = looker.count(&file_is_there(&needed)).await?;
        let gone = lab.must_be("WAL files that the standby needs next, in pg_wal", there, 0_u64);
        let there = looker.count(&file_is_archived(&needed)).await?;
        let kept = lab.must_be("the same file in the archive", there, 1_u64);

        lab.step("The link is healed: the standby asks for the removed file");
        cut.heal();
        let refused = lab.fact("the standby logs", standby.wait_for_log(REMOVED).await?);

        lab.step(
            "The standby gets a restore_command that reads the primary's archive, here with psql",
        );
        let began = Instant::now();
        set_restore_command(&pair, &reader).await?;
        standby.stop(Shutdown::Fast).await?;
        standby.start().await?;
        let restored = standby.wait_for_log("restored log file").await?;
        let restored = lab.fact("the standby logs then", restored);
        let last = wait_for_no_lag(&writer, "standby1").await?;
        lab.key_figure("until the standby had everything", began.elapsed());
        let streams = lab.must_be("state in pg_stat_replication", &last.state, "streaming");
        let whole = same_orders(lab, &pair, &writer).await?;

        lab.learn(
            "A WAL file that a checkpoint removed from pg_wal is still in the archive, if there is one.",
            [&gone, &kept],
        );
        lab.learn(
            "With a restore_command the standby restores the missing WAL from the archive and then \
             streams again: it needs no new base backup.",
            [&refused, &restored, &streams, &whole],
        );
        Ok(())
    });
}

/// `max_slot_wal_keep_size` limits the WAL that a slot retains; the next checkpoint invalidates a slot
/// beyond the limit.
///
/// Method: cut the link until the slot is inactive; hold the checkpointer, fill one WAL file after the
/// other and read the slot after each; let the checkpointer go on; heal, and rebuild.
#[apply(exercise)]
#[rstest]
fn with_a_limit(#[context] test: Context) {
    let about =
        "max_slot_wal_keep_size: a slot goes from reserved to lost, and the primary's disk is safe";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A slot that may retain 80 MB, with max_wal_size = 32MB and WAL files of 16 MB");
        let limited = impatient(small(Topology::pair())).set("max_slot_wal_keep_size", "80MB");
        let pair = lab.start(limited).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let writer = primary.session().await?;
        shop(&writer, 100).await?;

        lab.step(
            "The link is cut and the checkpointer is frozen; the primary fills eight WAL files",
        );
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
        let states = lab.must_be("wal_status of the slot, file by file", states, steps);

        lab.step("A checkpoint invalidates the slot");
        held.thaw().await?;
        writer.run("CHECKPOINT").await?;
        let slot = stat::slot(&writer, "standby1").await?;
        let status = slot.wal_status.unwrap_or_default();
        let lost = lab.must_be("wal_status after the checkpoint", &status, "lost");
        let logged = lab.fact("the primary logs", primary.wait_for_log("invalidating").await?);

        lab.step("The link is healed: the standby cannot stream through the lost slot");
        cut.heal();
        let refused = lab.fact("the standby logs", standby.wait_for_log("WAL stream").await?);

        lab.step("There is no archive: the standby is rebuilt, with a new slot");
        // Two seconds are too short for a base backup on a busy machine.
        primary.set("wal_sender_timeout", "1min").await?;
        standby.stop(Shutdown::Fast).await?;
        writer.run("SELECT pg_drop_replication_slot('standby1')").await?;
        pair.repoint("standby1", "primary").await?;
        pair.rebuild("standby1").await?;
        standby.start().await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let slot = wait_for_slot(&writer, "standby1", true).await?;
        let status = slot.wal_status.unwrap_or_default();
        lab.must_be("wal_status of the new slot", &status, "reserved");
        let whole = same_orders(lab, &pair, &writer).await?;

        lab.learn(
            "A slot is extended beyond max_wal_size, unreserved beyond max_slot_wal_keep_size, and lost \
             after the next checkpoint.",
            [&states, &lost, &logged],
        );
        lab.learn(
            "A standby cannot stream through a lost slot. Without a WAL archive it needs a new base \
             backup.",
            [&refused, &whole],
        );
        Ok(())
    });
}

/// A pair whose standby has no slot.
fn without_slot() -> Topology {
    Topology::alone().standby(Standby::new("standby1").without_slot())
}

const NEEDED: &str = "SELECT pg_walfile_name(flush_lsn) FROM pg_stat_replication";

/// Retains as little WAL as PostgreSQL allows with files of 16 MB.
fn small(topology: Topology) -> Topology {
    let topology = topology.set("wal_keep_size", "0").set("max_wal_size", "32MB");
    topology.set("min_wal_size", "32MB")
}

/// Whether a server logged, after the first `said` bytes of its log, that its connection was ended by the
/// other side.
async fn logs_an_end(node: &Node, said: usize) -> Result<bool> {
    let log = node.log().await?;
    let since = log.get(said..).unwrap_or_default();
    Ok(since.contains("reset by peer") || since.contains("unexpectedly"))
}
