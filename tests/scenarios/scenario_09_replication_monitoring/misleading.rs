//! Checks that mislead: by the wrong question, without a privilege, or without an expectation. Nothing here
//! changes a threshold.

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_no_lag;
use replication_lab::health::{Expected, Severity, Thresholds};
use replication_lab::{Shutdown, Topology};
use rstest::{Context, rstest};

use super::causes::{held_at_the_start, message};
use super::judges::{Judges, MONITOR, install, observe_as, verdicts};
use super::questions::{USUAL_BYTES, USUAL_LAG, wait_for_count, wait_for_idleness};
use crate::support::{Lab, exercise, scenario};

/// Three usual checks find no problem where there is one, or one where there is none.
///
/// Method: freeze the walreceiver; cut its link until it ends; leave the primary idle; hold a walsender in
/// its startup. Each time run the usual query, and both judgements of the lab.
#[apply(exercise)]
#[rstest]
fn blind_spots(#[context] test: Context) {
    let about =
        "Three usual checks mislead: received equals replayed, age of the last replay, largest lag";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with wal_receiver_timeout = 2s");
        let pair = lab.start(Topology::pair().set("wal_receiver_timeout", "2s")).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        install(&writer).await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let above = Judges::of(lab, primary, &Thresholds::default()).await?;
        let below = Judges::of(lab, standby, &Thresholds::default()).await?;

        lab.step("The walreceiver is frozen, and a table is created");
        let frozen = standby.freeze_processes("walreceiver").await?;
        writer.run("CREATE TABLE news AS SELECT 1 AS a").await?;
        let silent = below.judge("receiver", "", Severity::Critical, "while it is frozen").await?;
        let seen: bool = reader.value(USUAL_BYTES).await?;
        let usual = lab.must_be("frozen: does received equal replayed", seen, true);
        let seen = reader.count(NEWS).await?;
        let missing = lab.must_be("frozen: new tables on the standby", seen, 0_u64);
        frozen.thaw().await?;
        below.judge("receiver", "", Severity::Ok, "after the thaw").await?;
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("The link is cut, the walreceiver ends after its timeout, and a row is inserted");
        let cut = pair.link("standby1")?.cut();
        writer.run("INSERT INTO news VALUES (2)").await?;
        wait_for_count(&reader, RECEIVING, 0).await?;
        let ended =
            below.judge("receiver", "", Severity::Critical, "while the link is cut").await?;
        let seen: bool = reader.value(USUAL_BYTES).await?;
        let cut_off = lab.must_be("cut: does received equal replayed", seen, true);
        let seen = reader.count("SELECT count(*) FROM news").await?;
        let stale = lab.must_be("cut: rows on the standby of two on the primary", seen, 1_u64);
        cut.heal();
        below.judge("receiver", "", Severity::Ok, "after the heal").await?;
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("The primary is idle for more than a second");
        let old = wait_for_idleness(&reader).await?;
        let time = "idle: is the last replayed transaction more than a second old";
        let time = lab.must_be(time, old, true);
        let idle = below.judge("lag", "", Severity::Ok, "on an idle primary").await?;

        lab.step("A walsender starts up behind a cut link, and 1 MB of WAL is written");
        let cut = held_at_the_start(&pair, &writer).await?;
        writer.run(&message(1_000_000)).await?;
        let seen = writer.count("SELECT count(*) FROM pg_stat_replication").await?;
        lab.must_be("rows in pg_stat_replication", seen, 1_u64);
        let seen = writer.count(USUAL_LAG).await?;
        let lag = lab.must_be("largest lag in pg_stat_replication, in bytes", seen, 0_u64);
        let starting =
            above.judge("client", "standby1", Severity::Info, "during the startup").await?;
        cut.heal();
        above.judge("streaming", "standby1", Severity::Ok, "after the startup").await?;

        lab.learn(
            "A standby that receives nothing can have replayed everything that it received: check the \
             walreceiver's status and the age of its last message, too.",
            [&usual, &missing, &silent, &cut_off, &stale, &ended],
        );
        lab.learn(
            "now() - pg_last_xact_replay_timestamp() grows while the primary is idle, without any lag: \
             compare WAL positions.",
            [&time, &idle],
        );
        lab.learn(
            "A walsender in state startup has no positions, and a maximum over them ignores it. Such a client \
             is not counted as a standby: only a check that expects its standby finds that it is missing.",
            [&lag, &starting],
        );
        Ok(())
    });
}

/// A health check needs `pg_monitor` and nothing else, and writes nothing.
///
/// Method: run the library's check with such a role on both servers, and with a role without it; then stop
/// the standby.
#[apply(exercise)]
#[rstest]
fn health_check(#[context] test: Context) {
    let about = "A health check needs pg_monitor alone, is read-only, and works on a primary and on a standby";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair, a role with pg_monitor and a role without");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let writer = primary.session().await?;
        writer.run(MONITOR).await?;
        writer.run("CREATE ROLE unprivileged LOGIN PASSWORD 'unprivileged'").await?;
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("The standby streams: the check runs on both servers");
        let expected =
            Expected { in_recovery: Some(false), standbys: Some(1), ..Expected::default() };
        let seen = observe_as(primary, "monitor").await?;
        let quiet =
            lab.must_be("was the transaction on the primary read-only", seen.read_only, true);
        let up =
            lab.must_be("findings of the primary", verdicts(&seen, &expected), HEALTHY_PRIMARY);
        let seen = observe_as(standby, "monitor").await?;
        let still =
            lab.must_be("was the transaction on the standby read-only", seen.read_only, true);
        let findings = verdicts(&seen, &Expected::default());
        let down = lab.must_be("findings of the standby", findings, HEALTHY_STANDBY);
        let seen = verdicts(&seen, &expected);
        let other = lab.must_be(
            "first finding of the standby where a primary is expected",
            seen.first().cloned(),
            Some("role CRITICAL".to_owned()),
        );

        lab.step("The check runs on the primary with the role without pg_monitor");
        let seen = observe_as(primary, "unprivileged").await?;
        let blind = lab.must_be("findings without pg_monitor", verdicts(&seen, &expected), UNSEEN);

        lab.step("The standby stops: the check runs on the primary");
        standby.stop(Shutdown::Fast).await?;
        wait_for_count(&writer, "SELECT count(*) FROM pg_replication_slots WHERE active", 0)
            .await?;
        let seen = observe_as(primary, "monitor").await?;
        let gone = lab.must_be(
            "findings where one standby is expected",
            verdicts(&seen, &expected),
            DESERTED,
        );
        let findings = verdicts(&seen, &Expected::default());
        let silent = lab.must_be("findings where no standby is expected", findings, IDLE_SLOT);

        lab.learn(
            "pg_monitor is enough for the check, on a primary and on a standby, and the check is \
             read-only.",
            [&up, &down, &quiet, &still],
        );
        lab.learn("Without pg_monitor the check reports UNKNOWN for what it cannot see.", [&blind]);
        lab.learn(
            "A primary has no row for a standby that has stopped, at most an inactive slot. Only a check \
             with an expectation finds that a standby is missing, or that the server has the wrong role.",
            [&gone, &silent, &other],
        );
        Ok(())
    });
}

/// From 19 on a walreceiver that is still connecting has a row, too.
const RECEIVING: &str = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'";
const NEWS: &str = "SELECT count(*) FROM pg_class WHERE relname = 'news'";

const HEALTHY_PRIMARY: [&str; 14] = [
    "role OK",
    "streaming OK",
    "flush OK",
    "lag OK",
    "lag_time OK",
    "standbys OK",
    "synchronous NONE",
    "slot_active OK",
    "slot_wal OK",
    "slot_retained OK",
    "archiver NONE",
    "oldest_xmin OK",
    "oldest_transaction OK",
    "oldest_prepared OK",
];
const HEALTHY_STANDBY: [&str; 11] = [
    "role OK",
    "standbys NONE",
    "receiver OK",
    "slot_active NONE",
    "archiver NONE",
    "replay_paused OK",
    "lag OK",
    "lag_time OK",
    "oldest_xmin OK",
    "oldest_transaction OK",
    "oldest_prepared OK",
];
const UNSEEN: [&str; 8] = [
    "role OK",
    "privileges UNKNOWN",
    "slot_active OK",
    "slot_wal OK",
    "slot_retained OK",
    "archiver NONE",
    "oldest_xmin OK",
    "oldest_prepared OK",
];
const DESERTED: [&str; 10] = [
    "role OK",
    "standbys CRITICAL",
    "synchronous NONE",
    "slot_active WARNING",
    "slot_wal OK",
    "slot_retained OK",
    "archiver NONE",
    "oldest_xmin OK",
    "oldest_transaction OK",
    "oldest_prepared OK",
];
const IDLE_SLOT: [&str; 10] = [
    "role OK",
    "standbys NONE",
    "synchronous NONE",
    "slot_active WARNING",
    "slot_wal OK",
    "slot_retained OK",
    "archiver NONE",
    "oldest_xmin OK",
    "oldest_transaction OK",
    "oldest_prepared OK",
];
