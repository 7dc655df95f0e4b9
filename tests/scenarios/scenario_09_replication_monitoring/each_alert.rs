//! Every alert, raised and cleared. Nothing here uses a check from outside the lab.

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_no_lag;
use replication_lab::health::Severity;
use replication_lab::{Proof, Shutdown, Topology};
use rstest::{Context, rstest};

use super::causes::{
    archive, fill, held, low_archive_and_xmin, low_lag, low_retained, message, rule, status,
};
use super::judges::{Judges, install_with};
use super::questions::{HOLDER, line, wait_for_count};
use crate::support::{Lab, exercise, scenario};

/// Lag has three levels, paused replay is an alert of its own, and both clear.
///
/// Method: pause replay and write more and more WAL; the views and `health.rs` judge each level on both
/// servers; resume.
#[apply(exercise)]
#[rstest]
fn lag(#[context] test: Context) {
    let about = "Lag becomes INFO, WARNING and CRITICAL as it grows, and clears";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair, with levels for lag of 10 kB, 100 kB and 1 MB");
        let pair = lab.start(Topology::pair().set("autovacuum", "off")).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        install_with(&writer, &low_lag()).await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let above = Judges::of(lab, primary, &low_lag()).await?;
        let below = Judges::of(lab, standby, &low_lag()).await?;

        lab.step("Replay is paused");
        reader.run("SELECT pg_wal_replay_pause()").await?;
        let paused =
            below.judge("replay_paused", "", Severity::Warning, "while it is paused").await?;

        lab.step("20 kB of WAL are written");
        writer.run(&message(20_000)).await?;
        let info = above.judge("lag", "standby1", Severity::Info, "after 20 kB").await?;
        let own_info = below.judge("lag", "", Severity::Info, "after 20 kB").await?;

        lab.step("200 kB more are written");
        writer.run(&message(200_000)).await?;
        let warning =
            above.judge("lag", "standby1", Severity::Warning, "after 200 kB more").await?;
        let own_warning = below.judge("lag", "", Severity::Warning, "after 200 kB more").await?;

        lab.step("2 MB more are written");
        writer.run(&message(2_000_000)).await?;
        let critical =
            above.judge("lag", "standby1", Severity::Critical, "after 2 MB more").await?;
        let own_critical = below.judge("lag", "", Severity::Critical, "after 2 MB more").await?;

        lab.step("Replay is resumed");
        reader.run("SELECT pg_wal_replay_resume()").await?;
        let resumed = below.judge("replay_paused", "", Severity::Ok, "after the resume").await?;
        let clear = above.judge("lag", "standby1", Severity::Ok, "after the resume").await?;
        let own_clear = below.judge("lag", "", Severity::Ok, "after the resume").await?;

        lab.learn(
            "While the standby streams, the primary and the standby judge its lag alike.",
            [
                &info,
                &own_info,
                &warning,
                &own_warning,
                &critical,
                &own_critical,
                &clear,
                &own_clear,
            ],
        );
        lab.learn(
            "Only the standby shows that its replay is paused: the primary shows the lag alone.",
            [&paused, &resumed, &critical],
        );
        Ok(())
    });
}

/// A failing archiver, a missing synchronous standby and an old xmin are alerts of a primary, and clear.
///
/// Method: each is caused, judged by the views and by `health.rs`, and undone.
#[apply(exercise)]
#[rstest]
fn primary(#[context] test: Context) {
    let about = "A failing archiver, a missing synchronous standby and an old xmin raise alerts, which clear";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair whose primary archives");
        let archiving = Topology::pair().set("archive_mode", "on").set("archive_command", "true");
        let pair = lab.start(archiving.set("wal_receiver_status_interval", "1s")).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        install_with(&writer, &low_archive_and_xmin()).await?;
        let judges = Judges::of(lab, primary, &low_archive_and_xmin()).await?;
        judges.judge("archiver", "", Severity::Ok, "at the start").await?;

        lab.step("archive_command fails, as on a full archive");
        archive(primary, "false").await?;
        let fails =
            judges.judge("archiver", "", Severity::Warning, "while archive_command fails").await?;
        let waits = judges
            .judge("archive_waiting", "", Severity::Warning, "while archive_command fails")
            .await?;

        lab.step("archive_command succeeds again");
        archive(primary, "true").await?;
        let works =
            judges.judge("archiver", "", Severity::Ok, "once archive_command succeeds").await?;
        let done = judges
            .judge("archive_waiting", "", Severity::Ok, "once archive_command succeeds")
            .await?;

        lab.step("The rule requires a synchronous standby that does not exist");
        rule(primary, "FIRST 2 (standby1, standby2)").await?;
        let missing = judges
            .judge("synchronous", "", Severity::Critical, "where one of two is missing")
            .await?;

        lab.step("The rule requires standby1 only, and then none");
        rule(primary, "standby1").await?;
        let enough = judges.judge("synchronous", "", Severity::Ok, "where one is required").await?;
        rule(primary, "").await?;
        let no_rule = judges.judge("synchronous", "", Severity::None, "without a rule").await?;

        lab.step("A transaction on the primary stays open while others commit");
        let old = primary.session().await?;
        let held_here = held(&judges, &writer, &old, "while a transaction is open").await?;
        let seen = line(&writer, HOLDER).await?;
        let session = lab.must_be("primary: holder of the oldest xmin", seen, "client backend");
        old.run("COMMIT").await?;
        judges.judge("oldest_xmin", "", Severity::Ok, "after the first transaction").await?;

        lab.step("A transaction on the standby stays open, with hot_standby_feedback = on");
        reader.run("ALTER SYSTEM SET hot_standby_feedback = on").await?;
        standby.reload().await?;
        let ids = "SELECT count(*) FROM pg_replication_slots WHERE xmin IS NOT NULL";
        wait_for_count(&writer, ids, 1).await?;
        let old = standby.session().await?;
        let held_there =
            held(&judges, &writer, &old, "while a transaction is open on the standby").await?;
        let seen = line(&writer, HOLDER).await?;
        let slot = lab.must_be("primary: holder of the oldest xmin now", seen, "slot standby1");
        old.run("COMMIT").await?;
        let released =
            judges.judge("oldest_xmin", "", Severity::Ok, "after the second transaction").await?;

        lab.learn(
            "While archive_command fails, WAL files wait to be archived.",
            [&fails, &waits, &works, &done],
        );
        lab.learn(
            "A rule that requires more synchronous standbys than stream is CRITICAL: commits wait. \
             Without a rule there is nothing to judge.",
            [&missing, &enough, &no_rule],
        );
        lab.learn(
            "With hot_standby_feedback = on, an open transaction on a standby holds back vacuum on the \
             primary, through the xmin of its slot.",
            [&held_here, &session, &held_there, &slot, &released],
        );
        Ok(())
    });
}

/// A slot is inactive, retains more and more WAL, becomes unreserved, and is lost.
///
/// Method: stop the standby, freeze the checkpointer, fill WAL segments; start the standby before a
/// checkpoint; stop it once more, make a checkpoint, and replace the slot.
#[apply(exercise)]
#[rstest]
fn slots(#[context] test: Context) {
    let about =
        "An inactive slot retains WAL until it is unreserved, and a checkpoint makes it lost";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with max_slot_wal_keep_size = 32MB");
        let small = Topology::pair().set("wal_keep_size", "0").set("max_wal_size", "32MB");
        let small = small.set("min_wal_size", "32MB").set("max_slot_wal_keep_size", "32MB");
        let pair = lab.start(small).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let writer = primary.session().await?;
        install_with(&writer, &low_retained()).await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let judges = Judges::of(lab, primary, &low_retained()).await?;

        lab.step("The standby stops, and no checkpoint is made");
        let held = primary.freeze_processes("checkpointer").await?;
        standby.stop(Shutdown::Fast).await?;
        let inactive = judges
            .judge("slot_active", "standby1", Severity::Warning, "while the standby is stopped")
            .await?;

        lab.step("One WAL segment is filled");
        fill(&writer, 1).await?;
        let more = judges
            .judge("slot_retained", "standby1", Severity::Warning, "after one segment")
            .await?;

        lab.step("A second WAL segment is filled");
        fill(&writer, 1).await?;
        let most = judges
            .judge("slot_retained", "standby1", Severity::Critical, "after two segments")
            .await?;
        let kept = judges.judge("slot_wal", "standby1", Severity::Ok, "after two segments").await?;

        lab.step("A third WAL segment is filled, and the slot exceeds its limit");
        fill(&writer, 1).await?;
        let danger = judges
            .judge("slot_wal", "standby1", Severity::Critical, "after three segments")
            .await?;
        let seen = status(&writer).await?;
        let unreserved = lab.must_be("wal_status beyond the limit", &seen, "unreserved");

        lab.step("The standby starts before a checkpoint");
        standby.start().await?;
        let active =
            judges.judge("slot_active", "standby1", Severity::Ok, "after the start").await?;
        judges.judge("slot_retained", "standby1", Severity::Ok, "after the start").await?;
        let saved = judges.judge("slot_wal", "standby1", Severity::Ok, "after the start").await?;
        let seen = status(&writer).await?;
        let reserved = lab.must_be("wal_status after the catch-up", &seen, "reserved");

        lab.step("The standby stops, four WAL segments are filled, and a checkpoint is made");
        held.thaw().await?;
        standby.stop(Shutdown::Fast).await?;
        judges.judge("slot_active", "standby1", Severity::Warning, "after the second stop").await?;
        fill(&writer, 4).await?;
        writer.run("CHECKPOINT").await?;
        let lost = judges
            .judge("slot_wal", "standby1", Severity::Critical, "after the checkpoint")
            .await?;
        let seen = status(&writer).await?;
        let gone = lab.must_be("wal_status after the checkpoint", &seen, "lost");

        lab.step("The slot is replaced; its standby still lacks the removed WAL");
        writer.run("SELECT pg_drop_replication_slot('standby1')").await?;
        judges.judge("slot_active", "", Severity::None, "without the slot").await?;
        writer.run("SELECT pg_create_physical_replication_slot('standby1', true)").await?;
        judges.judge("slot_wal", "standby1", Severity::Ok, "with the new slot").await?;

        learn_from_slots(lab, [&inactive, &more, &most, &kept, &active]);
        lab.learn(
            "An unreserved slot can still be saved: its standby catches up if it returns before a \
             checkpoint removes the WAL.",
            [&danger, &unreserved, &saved, &reserved],
        );
        lab.learn(
            "Beyond max_slot_wal_keep_size, the next checkpoint made the slot lost.",
            [&lost, &gone],
        );
        Ok(())
    });
}

/// Notes what the first half of `slots` shows: which alert comes before which.
fn learn_from_slots(lab: &Lab, [inactive, more, most, kept, active]: [&Proof; 5]) {
    lab.learn(
        "An inactive slot is a WARNING before its retained WAL reaches a level, and its retained WAL \
         is CRITICAL while that WAL is still available.",
        [inactive, more, most, kept, active],
    );
}
