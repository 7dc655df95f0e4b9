//! The conditions under which `pg_rewind` works. The other ways out of a split brain are not here.

use macro_rules_attribute::apply;
use replication_lab::Topology;
use rstest::{Context, rstest};

use super::split_brain::{diverge, joined, must_be_on, verdict};
use super::wal_of_the_target::{is_archived, is_in_pg_wal, recycle};
use crate::steps::shutdown::shut_down;
use crate::support::{Lab, exercise, scenario};

/// `pg_rewind` refuses what it cannot do safely.
///
/// Method: a source without `full_page_writes`; then a target that runs; then a target that was stopped,
/// without `wal_log_hints` and, up to 17, without checksums (manual: `pg_rewind`).
#[apply(exercise)]
#[rstest]
fn rewind_conditions(#[context] test: Context) {
    let about = "What pg_rewind refuses: a source without full_page_writes, a target that runs, and a \
                 target with neither wal_log_hints nor data checksums (from 18 on initdb enables \
                 checksums)";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A split brain, on servers with wal_log_hints = off");
        let pair = lab.start(Topology::pair().set("wal_log_hints", "off")).await?;
        let (_, on_new) = diverge(&pair).await?;
        pair.repoint("primary", "standby1").await?;
        on_new.run("CHECKPOINT").await?;
        let hints = lab.fact("wal_log_hints", on_new.value::<String>("SHOW wal_log_hints").await?);
        let checksums: String = on_new.value("SHOW data_checksums").await?;
        let checksums = lab.fact("data_checksums", checksums);

        lab.step("full_page_writes is off on the source, the new primary");
        pair.standby()?.set("full_page_writes", "off").await?;
        let without_images = lab.fact(
            "answer of pg_rewind to a source with full_page_writes = off",
            verdict(pair.rewind("primary").await),
        );
        pair.standby()?.set("full_page_writes", "on").await?;

        lab.step("The target, the old primary, runs");
        let running = lab.fact(
            "answer of pg_rewind to a target that runs",
            verdict(pair.rewind("primary").await),
        );

        lab.step("The target is stopped");
        shut_down(lab, pair.primary()).await?;
        let stopped = lab.fact(
            "answer of pg_rewind to the stopped target",
            verdict(pair.rewind("primary").await),
        );

        lab.learn("pg_rewind needs full_page_writes = on on the source.", [&without_images]);
        lab.learn("pg_rewind refuses a target that runs.", [&running]);
        lab.learn(
            "pg_rewind needs wal_log_hints = on or data checksums on the target; set one of them \
             before a failover, not after it.",
            [&hints, &checksums, &stopped],
        );
        Ok(())
    });
}

/// `pg_rewind` reads the target's own WAL back to the last common checkpoint. Where neither the target nor
/// an archive has it, `pg_rewind` fails, and the target must be rebuilt.
///
/// Method: drop the old primary's slot, fill several WAL files and make a checkpoint there; then rewind,
/// and rebuild.
#[apply(exercise)]
#[rstest]
fn rewind_without_wal(#[context] test: Context) {
    let about = "pg_rewind fails when the target has removed its WAL since the last common checkpoint \
                 and has no archive of it; a rebuild still works";
    scenario(&test, about, async |lab: &Lab| {
        lab.step(
            "A split brain, and an old primary that keeps no more WAL than a checkpoint needs",
        );
        let small = Topology::pair().set("wal_keep_size", "0").set("max_wal_size", "32MB");
        let pair = lab.start(small.set("min_wal_size", "32MB")).await?;
        let (on_old, on_new) = diverge(&pair).await?;
        on_new.run("CHECKPOINT").await?;

        lab.step("The old primary removes the WAL file in which the servers diverged");
        let needed = recycle(&pair, &on_old).await?;
        let there = is_in_pg_wal(&pair, &needed).await?;
        let gone = "is the WAL file with the fork in the old primary's pg_wal";
        let gone = lab.must_be(gone, there, false);

        lab.step("pg_rewind is tried on the old primary, and then a rebuild");
        pair.repoint("primary", "standby1").await?;
        shut_down(lab, pair.primary()).await?;
        let said = pair.rewind("primary").await.map_err(|error| error.to_string());
        let refused = said.as_ref().is_err_and(|said| said.contains(&format!("pg_wal/{needed}")));
        let missing = "does pg_rewind fail because it cannot open that file";
        let refused = lab.must_be(missing, refused, true);
        pair.rebuild("primary").await?;
        pair.primary().start().await?;
        let [streams, timeline, same] = joined(lab, &pair, &on_new).await?;

        lab.learn(
            "pg_rewind needs the WAL that the target wrote since the last common checkpoint.",
            [&gone, &refused],
        );
        lab.learn(
            "An old primary that has removed this WAL, and has no archive of it, can be rebuilt with \
             pg_basebackup.",
            [&refused, &streams, &timeline, &same],
        );
        Ok(())
    });
}

/// Where the target's WAL is in an archive, `pg_rewind --restore-target-wal` gets it from there.
///
/// Method: the same as without an archive, on servers that archive their WAL and have a
/// `restore_command`; `pg_rewind` without the option, and with it.
#[apply(exercise)]
#[rstest]
fn rewind_from_archive(#[context] test: Context) {
    let about = "pg_rewind --restore-target-wal works although the target has removed its WAL: it runs \
                 the target's restore_command to get the files from the archive";
    scenario(&test, about, async |lab: &Lab| {
        lab.step(
            "A split brain; the old primary archives its WAL, and keeps little of it in pg_wal",
        );
        let small = Topology::pair().archiving().set("restore_command", "cp ../archive/%f %p");
        let small = small.set("wal_keep_size", "0").set("max_wal_size", "32MB");
        let pair = lab.start(small.set("min_wal_size", "32MB")).await?;
        let (on_old, on_new) = diverge(&pair).await?;
        on_new.run("CHECKPOINT").await?;

        lab.step("The old primary archives and removes the WAL file in which the servers diverged");
        let needed = recycle(&pair, &on_old).await?;
        let there = is_in_pg_wal(&pair, &needed).await?;
        let gone = "is the WAL file with the fork in the old primary's pg_wal";
        let gone = lab.must_be(gone, there, false);
        let archived = "is the WAL file with the fork in the old primary's archive";
        let archived = lab.must_be(archived, is_archived(&pair, &needed).await?, true);

        lab.step("pg_rewind runs without the option, and then with it");
        pair.repoint("primary", "standby1").await?;
        shut_down(lab, pair.primary()).await?;
        let said = pair.rewind("primary").await.map_err(|error| error.to_string());
        let refused = said.as_ref().is_err_and(|said| said.contains(&format!("pg_wal/{needed}")));
        let missing = "does pg_rewind without --restore-target-wal fail because of that file";
        let refused = lab.must_be(missing, refused, true);
        let done = verdict(pair.rewind_restoring_wal("primary").await);
        let restored = "answer of pg_rewind with --restore-target-wal";
        let restored = lab.must_be(restored, &done, "pg_rewind: Done!");
        pair.configure_standby("primary").await?;
        pair.primary().start().await?;
        let [streams, timeline, same] = joined(lab, &pair, &on_new).await?;

        lab.learn(
            "With --restore-target-wal (PostgreSQL 13 and later) and a restore_command in the target's \
             configuration, pg_rewind gets from the archive the WAL files that the target has removed.",
            [&gone, &archived, &refused, &restored, &streams, &timeline, &same],
        );
        Ok(())
    });
}

/// Right after a promotion the new primary's control file still shows the old timeline. Up to 15
/// `pg_rewind` compares with that one only, and leaves the divergence where it is, with success.
///
/// Method: give the checkpoint after the promotion much to write and an hour's time; run `pg_rewind
/// --dry-run` meanwhile, which changes nothing; then `CHECKPOINT` and `pg_rewind`.
#[apply(exercise)]
#[rstest]
fn rewind_too_early(#[context] test: Context) {
    let about = "The answer of pg_rewind before and after the new primary's first checkpoint, which \
                 writes the new timeline into the control file";
    scenario(&test, about, async |lab: &Lab| {
        lab.step(
            "A split brain; the new primary's first checkpoint is spread over most of an hour",
        );
        let spread = Topology::pair().set("checkpoint_timeout", "1h");
        let pair = lab.start(spread.set("checkpoint_completion_target", "0.9")).await?;
        let (_, on_new) = diverge(&pair).await?;
        pair.repoint("primary", "standby1").await?;
        shut_down(lab, pair.primary()).await?;

        lab.step("pg_rewind --dry-run before that checkpoint has ended");
        let early = verdict(pair.rewind_dry_run("primary").await);
        let early = lab.fact("answer of pg_rewind --dry-run before the checkpoint", early);
        let [_, old_control] = must_be_on(lab, &on_new, "before the checkpoint", [2, 1]).await?;

        lab.step("pg_rewind after a CHECKPOINT, which is not spread");
        on_new.run("CHECKPOINT").await?;
        let [_, new_control] = must_be_on(lab, &on_new, "after the checkpoint", [2, 2]).await?;
        let done = verdict(pair.rewind("primary").await);
        let late = "answer of pg_rewind after the checkpoint";
        let done = lab.must_be(late, &done, "pg_rewind: Done!");
        pair.configure_standby("primary").await?;
        pair.primary().start().await?;
        let [_, _, same] = joined(lab, &pair, &on_new).await?;

        lab.learn(
            "Until the first checkpoint after a promotion has ended, the new primary's control file \
             shows the old timeline.",
            [&old_control, &new_control],
        );
        lab.learn(
            "Run CHECKPOINT on the new primary before pg_rewind: it then finds the divergence. Before, \
             its answer depends on the version: up to 15 it says that no rewind is required.",
            [&early, &done, &same],
        );
        Ok(())
    });
}
