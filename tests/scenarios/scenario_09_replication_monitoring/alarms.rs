//! Every alert, brought about and cleared. Nothing here types a check that the lab did not write.

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::health::Severity;
use replication_lab::{Shutdown, Topology};
use rstest::{Context, rstest};

use super::alerts::{Judges, install_with};
use super::monitoring::{
    HOLDER, archive, fill, held, impatient, line, low_lag, message, rule, status, tidy,
    wait_for_count,
};
use crate::support::{Lab, scenario};

/// Lag has three levels, and replay that is paused is an alert of its own.
///
/// Method: pause replay, write more and more; each level is seen by the SQL and by `health.rs` on both
/// servers; resume.
#[rstest]
fn lag(#[context] test: Context) {
    let about = "Lag is worth knowing, then to be looked after, then critical; and clears";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair, with levels of 10 kB, 100 kB and 1 MB");
        let pair = lab.start(Topology::pair().set("autovacuum", "off")).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        install_with(&writer, &low_lag()).await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let (above, below) =
            (Judges::of(primary, low_lag()).await?, Judges::of(standby, low_lag()).await?);

        lab.step("Replay is paused, and WAL comes in");
        let mut seen = vec![below.say("replay_paused", "", Severity::Ok).await?];
        let mut up = vec![above.say("lag", "standby1", Severity::Ok).await?];
        let mut down = vec![below.say("lag", "", Severity::Ok).await?];
        reader.run("SELECT pg_wal_replay_pause()").await?;
        seen.push(below.say("replay_paused", "", Severity::Warning).await?);
        writer.run(&message(20_000)).await?;
        up.push(above.say("lag", "standby1", Severity::Info).await?);
        down.push(below.say("lag", "", Severity::Info).await?);
        writer.run(&message(200_000)).await?;
        up.push(above.say("lag", "standby1", Severity::Warning).await?);
        down.push(below.say("lag", "", Severity::Warning).await?);
        writer.run(&message(2_000_000)).await?;
        up.push(above.say("lag", "standby1", Severity::Critical).await?);
        down.push(below.say("lag", "", Severity::Critical).await?);

        lab.step("Replay goes on");
        reader.run("SELECT pg_wal_replay_resume()").await?;
        seen.push(below.say("replay_paused", "", Severity::Ok).await?);
        up.push(above.say("lag", "standby1", Severity::Ok).await?);
        down.push(below.say("lag", "", Severity::Ok).await?);
        let paused = lab.must_be("replay_paused", seen, ["OK", "WARNING", "OK"]);
        let levels = ["OK", "INFO", "WARNING", "CRITICAL", "OK"];
        let up = lab.must_be("lag, as the primary sees it", up, levels);
        let down = lab.must_be("lag, as the standby sees it", down, levels);

        lab.learn("Both ends judge the lag alike while the connection is up.", [&up, &down]);
        lab.learn("Only the standby knows why: its replay is paused.", [&paused]);
        Ok(())
    });
}

/// What only a primary can be wrong with: its archive, its synchronous rule, an old transaction.
///
/// Method: each is brought about, seen by the SQL and by `health.rs`, and undone.
#[rstest]
fn primary(#[context] test: Context) {
    let about = "An archiver that fails, a synchronous standby that is missing, an old transaction";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair whose primary archives");
        let archiving = Topology::pair().set("archive_mode", "on").set("archive_command", "true");
        let pair = lab.start(archiving.set("wal_receiver_status_interval", "1s")).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        install_with(&writer, &impatient()).await?;
        let judges = Judges::of(primary, impatient()).await?;

        lab.step("The archive is full");
        let mut fails = vec![judges.say("archiver", "", Severity::Ok).await?];
        let mut waits = vec![judges.say("archive_waiting", "", Severity::Ok).await?];
        archive(primary, "false").await?;
        fails.push(judges.say("archiver", "", Severity::Warning).await?);
        waits.push(judges.say("archive_waiting", "", Severity::Warning).await?);
        archive(primary, "true").await?;
        fails.push(judges.say("archiver", "", Severity::Ok).await?);
        waits.push(judges.say("archive_waiting", "", Severity::Ok).await?);
        let fails = lab.must_be("archiver", fails, ["OK", "WARNING", "OK"]);
        let waits = lab.must_be("archive_waiting", waits, ["OK", "WARNING", "OK"]);

        lab.step("A synchronous standby that nobody has");
        rule(primary, "FIRST 2 (standby1, standby2)").await?;
        let mut seen = vec![judges.say("synchronous", "", Severity::Critical).await?];
        rule(primary, "standby1").await?;
        seen.push(judges.say("synchronous", "", Severity::Ok).await?);
        let sync = lab.must_be("synchronous", seen, ["CRITICAL", "OK"]);
        rule(primary, "").await?;

        lab.step("A transaction that does not end, on the primary and then on the standby");
        let old = primary.session().await?;
        let mut seen = vec![held(&judges, &writer, &old).await?];
        let mut holders = vec![line(&writer, HOLDER).await?];
        old.run("COMMIT").await?;
        seen.push(judges.say("oldest_xmin", "", Severity::Ok).await?);
        reader.run("ALTER SYSTEM SET hot_standby_feedback = on").await?;
        standby.reload().await?;
        let ids = "SELECT count(*) FROM pg_replication_slots WHERE xmin IS NOT NULL";
        wait_for_count(&writer, ids, 1).await?;
        let old = standby.session().await?;
        seen.push(held(&judges, &writer, &old).await?);
        holders.push(line(&writer, HOLDER).await?);
        old.run("COMMIT").await?;
        seen.push(judges.say("oldest_xmin", "", Severity::Ok).await?);
        let xmin = lab.must_be("oldest_xmin", seen, ["WARNING", "OK", "WARNING", "OK"]);
        let who = lab.must_be("who holds on to it", holders, ["client backend", "slot standby1"]);

        lab.learn("An archiver that fails lets WAL files wait.", [&fails, &waits]);
        lab.learn(
            "A synchronous rule that asks for more standbys than stream is critical.",
            [&sync],
        );
        lab.learn(
            "A transaction on a standby with feedback holds back the primary.",
            [&xmin, &who],
        );
        Ok(())
    });
}

/// A slot is idle, holds back WAL, is in danger, and is lost.
///
/// Method: stop the standby, hold the checkpointer, fill WAL files; let the standby come back in time;
/// then once more, with a checkpoint, and make it anew.
#[rstest]
fn slots(#[context] test: Context) {
    let about = "A slot that nobody uses holds WAL back until it is in danger, and then lost";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair whose slots keep at most 32 MB");
        let small = Topology::pair().set("wal_keep_size", "0").set("max_wal_size", "32MB");
        let small = small.set("min_wal_size", "32MB").set("max_slot_wal_keep_size", "32MB");
        let pair = lab.start(small).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let writer = primary.session().await?;
        install_with(&writer, &tidy()).await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let judges = Judges::of(primary, tidy()).await?;

        lab.step("The standby is away, and no checkpoint is made");
        standby.stop(Shutdown::Fast).await?;
        let mut idle = vec![judges.say("slot_active", "standby1", Severity::Warning).await?];
        let held = primary.freeze_processes("checkpointer").await?;
        fill(&writer, 1).await?;
        let mut kept = vec![judges.say("slot_retained", "standby1", Severity::Warning).await?];
        fill(&writer, 1).await?;
        kept.push(judges.say("slot_retained", "standby1", Severity::Critical).await?);
        let mut there = vec![judges.say("slot_wal", "standby1", Severity::Ok).await?];
        fill(&writer, 1).await?;
        there.push(judges.say("slot_wal", "standby1", Severity::Critical).await?);
        let mut states = vec![status(&writer).await?];

        lab.step("It comes back in time");
        standby.start().await?;
        idle.push(judges.say("slot_active", "standby1", Severity::Ok).await?);
        kept.push(judges.say("slot_retained", "standby1", Severity::Ok).await?);
        there.push(judges.say("slot_wal", "standby1", Severity::Ok).await?);
        states.push(status(&writer).await?);

        lab.step("It is away once more, and a checkpoint is made");
        held.thaw().await?;
        standby.stop(Shutdown::Fast).await?;
        idle.push(judges.say("slot_active", "standby1", Severity::Warning).await?);
        fill(&writer, 4).await?;
        writer.run("CHECKPOINT").await?;
        there.push(judges.say("slot_wal", "standby1", Severity::Critical).await?);
        states.push(status(&writer).await?);

        lab.step("It gets a new slot; it has to be made anew itself");
        writer.run("SELECT pg_drop_replication_slot('standby1')").await?;
        writer.run("SELECT pg_create_physical_replication_slot('standby1', true)").await?;
        there.push(judges.say("slot_wal", "standby1", Severity::Ok).await?);
        kept.push(judges.say("slot_retained", "standby1", Severity::Ok).await?);
        let idle = lab.must_be("slot_active", idle, ["WARNING", "OK", "WARNING"]);
        let kept = lab.must_be("slot_retained", kept, ["WARNING", "CRITICAL", "OK", "OK"]);
        let there = lab.must_be("slot_wal", there, ["OK", "CRITICAL", "OK", "CRITICAL", "OK"]);
        let states = lab.must_be(
            "wal_status: in danger, back, gone",
            states,
            ["unreserved", "reserved", "lost"],
        );

        lab.learn("A slot that nobody uses is told before it costs anything.", [&idle, &kept]);
        lab.learn(
            "Unreserved is the last call: a standby that comes back saves it.",
            [&there, &states],
        );
        Ok(())
    });
}
