//! TODO.

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::health::{Expected, Severity, Thresholds};
use replication_lab::{Shutdown, Topology};
use rstest::{Context, rstest};

use super::alerts::{Judges, MONITOR, install, install_with, look_as, session_as, verdicts};
use super::monitoring::{
    DASHBOARD, HISTORY, HOLDER, SLOTS, STANDBY, USUAL_BYTES, USUAL_LAG, WAL, archive, fill, held,
    held_at_the_start, impatient, line, low_lag, message, rule, status, tidy, wait_for_count,
    wait_for_idleness,
};
use crate::support::{Lab, scenario};

/// One set of queries answers for every version and either role.
///
/// Method: a pair with a shop; a role with `pg_monitor` alone reads every view on both servers.
#[rstest]
fn queries(#[context] test: Context) {
    let about = "The same queries work on a primary and on a standby, with pg_monitor alone";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair, the queries, and a role that may look");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
        let writer = primary.session().await?;
        install(&writer).await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let (above, below) =
            (session_as(primary, "monitor").await?, session_as(standby, "monitor").await?);

        lab.step("The dashboard");
        let seen = line(&above, DASHBOARD).await?;
        let up = lab.must_be(
            "on the primary",
            seen,
            "primary, timeline 1: 1 streams, 0 idle slots, no alert",
        );
        let seen = line(&below, DASHBOARD).await?;
        let down = lab.must_be(
            "on the standby",
            seen,
            "standby, timeline 1: receiver streaming, no alert",
        );

        lab.step("Slots, WAL, the standby's side");
        let seen = line(&above, SLOTS).await?;
        let slots = lab.must_be("slots", seen, "standby1 physical, used by standby1, reserved");
        lab.must_be("slots of the standby", line(&below, SLOTS).await?, "none");
        let seen = [line(&above, WAL).await?, line(&below, WAL).await?];
        let wal =
            lab.must_be("WAL on the primary, on the standby", seen, ["files, not archived"; 2]);
        let seen = line(&below, STANDBY).await?;
        let side = lab.must_be("the standby's side", seen, "hears yes, is not behind");
        lab.must_be("the primary is no standby", line(&above, STANDBY).await?, "none");

        lab.step("History");
        writer.run("SELECT note_replication(), note_replication(keep => '1 hour')").await?;
        let seen = line(&above, HISTORY).await?;
        let past = lab.must_be("what was noted", seen, "2 times: standby1 streaming, worst OK");
        let reader = standby.session().await?;
        let noted = reader.count("SELECT note_replication()").await?;
        let nothing = lab.must_be("rows that the standby notes", noted, 0_u64);
        writer.run("SELECT note_replication(keep => '0 s')").await?;
        let seen = line(&above, HISTORY).await?;
        let kept = lab.must_be(
            "what is left when nothing old is kept",
            seen,
            "1 times: standby1 streaming, worst OK",
        );

        lab.learn("One dashboard does for both roles.", [&up, &down]);
        lab.learn("pg_monitor is enough to see everything.", [&up, &slots, &wal, &side]);
        lab.learn(
            "A history is written by the primary alone, and forgets what is old.",
            [&past, &nothing, &kept],
        );
        Ok(())
    });
}

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
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
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
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
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
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
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

/// Checks that are often seen say that all is well when it is not, and the other way round.
///
/// Method: a walreceiver that is frozen, one that gave up, a primary that is idle, a walsender that
/// starts up; each time the usual query is typed, and ours.
#[rstest]
fn blind_spots(#[context] test: Context) {
    let about = "Three checks that are often seen, what each is fooled by, and what is not";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair whose standby gives up after two silent seconds");
        let pair = lab.start(Topology::pair().set("wal_receiver_timeout", "2s")).await?;
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        install(&writer).await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let (above, below) = (
            Judges::of(primary, Thresholds::default()).await?,
            Judges::of(standby, Thresholds::default()).await?,
        );

        lab.step("The walreceiver is frozen, and a row is written");
        let frozen = standby.freeze_processes("walreceiver").await?;
        writer.run("CREATE TABLE news AS SELECT 1 AS a").await?;
        let mut ours = vec![below.say("receiver", "", Severity::Critical).await?];
        let seen: bool = reader.value(USUAL_BYTES).await?;
        let usual = lab.must_be("frozen: is everything replayed that was received", seen, true);
        let missing = reader.count(NEWS).await?;
        let missing = lab.must_be("frozen: is the new table there", missing, 0_u64);
        frozen.thaw().await?;
        ours.push(below.say("receiver", "", Severity::Ok).await?);
        let frozen = lab.must_be("frozen: receiver", ours, ["CRITICAL", "OK"]);
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("The network is cut, the walreceiver gives up, and a row is written");
        let cut = pair.link("standby1")?.cut();
        writer.run("INSERT INTO news VALUES (2)").await?;
        wait_for_count(&reader, RECEIVING, 0).await?;
        let mut ours = vec![below.say("receiver", "", Severity::Critical).await?];
        let seen: bool = reader.value(USUAL_BYTES).await?;
        let cut_off = lab.must_be("cut off: is everything replayed that was received", seen, true);
        let stale = reader.count("SELECT count(*) FROM news").await?;
        let stale = lab.must_be("cut off: rows of the two", stale, 1_u64);
        cut.heal();
        ours.push(below.say("receiver", "", Severity::Ok).await?);
        let gone = lab.must_be("cut off: receiver", ours, ["CRITICAL", "OK"]);
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("Nobody writes for a while");
        let old = wait_for_idleness(&reader).await?;
        let time =
            lab.must_be("idle: is the last replayed transaction more than a second ago", old, true);
        let seen = below.say("lag", "", Severity::Ok).await?;
        let idle = lab.must_be("idle: lag", seen, "OK");

        lab.step("A walsender starts up, and a megabyte is written");
        let cut = held_at_the_start(&pair, &writer).await?;
        writer.run(&message(1_000_000)).await?;
        let seen = writer.count("SELECT count(*) FROM pg_stat_replication").await?;
        lab.must_be("standbys in pg_stat_replication", seen, 1_u64);
        let lag = lab.must_be("the largest lag there", writer.count(USUAL_LAG).await?, 0_u64);
        let mut seen = vec![above.say("streaming", "standby1", Severity::Critical).await?];
        cut.heal();
        seen.push(above.say("streaming", "standby1", Severity::Ok).await?);
        let state = lab.must_be("streaming", seen, ["CRITICAL", "OK"]);

        lab.learn(
            "What was received is replayed, says a standby that receives nothing: look at the \
             walreceiver and at when it last heard something.",
            [&usual, &missing, &frozen, &cut_off, &stale, &gone],
        );
        lab.learn(
            "The last replayed transaction is old when nobody writes: compare positions.",
            [&time, &idle],
        );
        lab.learn(
            "A walsender that starts up has no positions, and no lag: look at its state.",
            [&lag, &state],
        );
        Ok(())
    });
}

/// A health check needs `pg_monitor` and nothing else, and changes nothing.
///
/// Method: the library's check with a role of that kind on both servers, and with one without; then
/// without a standby.
#[rstest]
fn health_check(#[context] test: Context) {
    let about = "A health check with pg_monitor alone, read-only, on either role";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair, a role that may look, and one that may not");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
        let writer = primary.session().await?;
        writer.run(MONITOR).await?;
        writer.run("CREATE ROLE nobody LOGIN PASSWORD 'nobody'").await?;
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("All is well");
        let expected = Expected { in_recovery: Some(false), standbys: Some(1) };
        let seen = look_as(primary, "monitor").await?;
        let quiet = seen.read_only;
        let up = lab.must_be("the primary", verdicts(&seen, expected), HEALTHY_PRIMARY);
        let seen = look_as(standby, "monitor").await?;
        let quiet =
            lab.must_be("were both transactions read-only", [quiet, seen.read_only], [true; 2]);
        let down =
            lab.must_be("the standby", verdicts(&seen, Expected::default()), HEALTHY_STANDBY);
        let seen = verdicts(&seen, expected);
        let other = lab.must_be(
            "the standby, where a primary is expected",
            seen.first().cloned(),
            Some("role CRITICAL".to_owned()),
        );

        lab.step("A role that may not look");
        let seen = look_as(primary, "nobody").await?;
        let blind = lab.must_be("the primary, to others", verdicts(&seen, expected), UNSEEN);

        lab.step("The standby stops");
        standby.stop(Shutdown::Fast).await?;
        wait_for_count(&writer, "SELECT count(*) FROM pg_replication_slots WHERE active", 0)
            .await?;
        let seen = look_as(primary, "monitor").await?;
        let gone =
            lab.must_be("the primary, without its standby", verdicts(&seen, expected), DESERTED);
        let seen = verdicts(&seen, Expected::default());
        let silent = lab.must_be("and where nobody is expected", seen, IDLE_SLOT);

        lab.learn(
            "pg_monitor is enough, on either role, and the check is read-only.",
            [&up, &down, &quiet],
        );
        lab.learn("Without it the check says so, and does not guess.", [&blind]);
        lab.learn(
            "Who is missing can only be seen by who is told to expect them: but for a slot, nothing \
             is left of a standby that has gone.",
            [&gone, &silent, &other],
        );
        Ok(())
    });
}

/// From 19 on a walreceiver that tries to connect has a row, too.
const RECEIVING: &str = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'";
const NEWS: &str = "SELECT count(*) FROM pg_class WHERE relname = 'news'";

const HEALTHY_PRIMARY: [&str; 8] = [
    "role OK",
    "streaming OK",
    "lag OK",
    "standbys OK",
    "slot_active OK",
    "slot_wal OK",
    "slot_retained OK",
    "oldest_xmin OK",
];
const HEALTHY_STANDBY: [&str; 6] =
    ["role OK", "standbys OK", "receiver OK", "replay_paused OK", "lag OK", "oldest_xmin OK"];
const UNSEEN: [&str; 6] = [
    "role OK",
    "privileges UNKNOWN",
    "slot_active OK",
    "slot_wal OK",
    "slot_retained OK",
    "oldest_xmin OK",
];
const DESERTED: [&str; 6] = [
    "role OK",
    "standbys CRITICAL",
    "slot_active WARNING",
    "slot_wal OK",
    "slot_retained OK",
    "oldest_xmin OK",
];
const IDLE_SLOT: [&str; 6] = [
    "role OK",
    "standbys OK",
    "slot_active WARNING",
    "slot_wal OK",
    "slot_retained OK",
    "oldest_xmin OK",
];
