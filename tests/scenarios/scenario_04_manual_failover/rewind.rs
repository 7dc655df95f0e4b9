//! The conditions under which `pg_rewind` works. The other ways out of a split brain are not here.

use replication_lab::wal::Timeline;
use replication_lab::{Shutdown, Topology};
use rstest::{Context, rstest};

use super::split_brain::{diverge, joined, timelines, verdict};
use crate::steps::repeat::times;
use crate::steps::shop::ADD_PRODUCT;
use crate::steps::slot::wait_for_slot;
use crate::steps::wal::{file_is_there, next_wal_file};
use crate::support::{Lab, scenario};

/// `pg_rewind` refuses what it cannot do safely.
///
/// Method: a target that runs; then a target that was stopped, without `wal_log_hints`.
#[rstest]
fn rewind_conditions(#[context] test: Context) {
    let about = "What pg_rewind refuses, and what it needs";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A split brain, on servers without wal_log_hints");
        let pair = lab.start(Topology::pair().set("wal_log_hints", "off")).await?;
        let (_, on_new) = diverge(&pair).await?;
        pair.repoint("primary", "standby1").await?;
        on_new.run("CHECKPOINT").await?;
        let hints = lab.fact("wal_log_hints", on_new.value::<String>("SHOW wal_log_hints").await?);
        let checksums: String = on_new.value("SHOW data_checksums").await?;
        let checksums = lab.fact("data_checksums", checksums);

        lab.step("The target runs");
        let running = lab.fact(
            "what pg_rewind says of a target that runs",
            verdict(pair.rewind("primary").await),
        );

        lab.step("The target is stopped");
        pair.primary().stop(Shutdown::Fast).await?;
        let stopped = lab.fact(
            "what pg_rewind says of one that is stopped",
            verdict(pair.rewind("primary").await),
        );

        lab.learn("pg_rewind refuses a target that runs.", [&running]);
        lab.learn(
            "It needs wal_log_hints or data checksums, from before the divergence on.",
            [&hints, &checksums, &stopped],
        );
        Ok(())
    });
}

/// `pg_rewind` reads the target's own WAL back to before the divergence. Where that is recycled, it
/// refuses, and only a rebuild helps.
///
/// Method: drop the old primary's slot, fill several WAL files and make checkpoints there; then rewind,
/// and rebuild.
#[rstest]
fn rewind_without_wal(#[context] test: Context) {
    let about = "pg_rewind needs the target's WAL back to the last common checkpoint";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A split brain, and an old primary that keeps no more WAL than it must");
        let small = Topology::pair().set("wal_keep_size", "0").set("max_wal_size", "32MB");
        let pair = lab.start(small.set("min_wal_size", "32MB")).await?;
        let (on_old, on_new) = diverge(&pair).await?;
        on_new.run("CHECKPOINT").await?;

        lab.step("It recycles the WAL from before the divergence");
        wait_for_slot(&on_old, "standby1", false).await?;
        let fork = pair.standby()?.branch(Timeline(2)).await?.at;
        let looker = pair.primary().session_unrecorded().await?;
        let needed: String = looker.value(&format!("SELECT pg_walfile_name('{fork}')")).await?;
        on_old.run("SELECT pg_drop_replication_slot('standby1')").await?;
        times(4, |_| next_wal_file(&on_old, ADD_PRODUCT)).await?;
        on_old.run("CHECKPOINT").await?;
        let there = looker.count(&file_is_there(&needed)).await?;
        let gone = lab.must_be("is the WAL file of the fork still there", there > 0, false);

        lab.step("It is to follow the new primary");
        pair.repoint("primary", "standby1").await?;
        pair.primary().stop(Shutdown::Fast).await?;
        let said = pair.rewind("primary").await.map_err(|error| error.to_string());
        let refused = said.as_ref().is_err_and(|said| said.contains(&format!("pg_wal/{needed}")));
        let refused = lab.must_be("is that the file that pg_rewind misses", refused, true);
        pair.rebuild("primary").await?;
        pair.primary().start().await?;
        let same = joined(lab, &pair, &on_new).await?;

        lab.learn(
            "pg_rewind needs the WAL that the target wrote since the last common checkpoint.",
            [&gone, &refused],
        );
        lab.learn("Where it is recycled, the old primary is made anew.", [&refused, &same]);
        Ok(())
    });
}

/// Right after a promotion the new primary's control file still shows the old timeline. Up to 15
/// `pg_rewind` believes it, and would leave the divergence where it is, with success.
///
/// Method: give the checkpoint after the promotion much to write and an hour's time; ask `pg_rewind`
/// meanwhile, without changing anything, and after a checkpoint.
#[rstest]
fn rewind_too_early(#[context] test: Context) {
    let about = "What pg_rewind would do before the new primary's first checkpoint, and does after";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A split brain; the new primary's first checkpoint takes its time");
        let spread = Topology::pair().set("checkpoint_timeout", "1h");
        let pair = lab.start(spread.set("checkpoint_completion_target", "0.9")).await?;
        let (_, on_new) = diverge(&pair).await?;
        pair.repoint("primary", "standby1").await?;
        pair.primary().stop(Shutdown::Fast).await?;

        lab.step("Before that has ended");
        let early = verdict(pair.rewind_dry_run("primary").await);
        let early = lab.fact("what pg_rewind would do", early);
        let seen = timelines(&on_new).await?;
        let before = lab.must_be("timelines of WAL and control file before it", seen, [2, 1]);

        lab.step("After a checkpoint");
        on_new.run("CHECKPOINT").await?;
        let seen = timelines(&on_new).await?;
        let after = lab.must_be("timelines of WAL and control file after it", seen, [2, 2]);
        let done = verdict(pair.rewind("primary").await);
        let done = lab.must_be("what pg_rewind says then", &done, "pg_rewind: Done!");
        pair.configure_standby("primary").await?;
        pair.primary().start().await?;
        let same = joined(lab, &pair, &on_new).await?;

        lab.learn(
            "Until the first checkpoint after a promotion has ended, the new primary's control file \
             shows the old timeline.",
            [&before, &after],
        );
        lab.learn(
            "Make a CHECKPOINT on the new primary before pg_rewind, which then finds the divergence; \
             before, the answer depends on the version.",
            [&early, &done, &same],
        );
        Ok(())
    });
}
