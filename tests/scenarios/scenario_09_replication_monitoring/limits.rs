//! What a check cannot see: from one server, without a privilege, or without being told what to expect.
//! Nothing here changes a threshold.

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::health::{Expected, Severity, Thresholds};
use replication_lab::{Shutdown, Topology};
use rstest::{Context, rstest};

use super::alerts::{Judges, MONITOR, install, look_as, verdicts};
use super::monitoring::{
    USUAL_BYTES, USUAL_LAG, held_at_the_start, message, wait_for_count, wait_for_idleness,
};
use crate::support::{Lab, scenario};

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
        let (primary, standby) = (pair.primary(), pair.standby()?);
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
        let (primary, standby) = (pair.primary(), pair.standby()?);
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
