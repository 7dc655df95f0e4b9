//! Settings that make writes cheaper, and what each of them costs. The figures are of this machine; the
//! facts are counts of WAL, checkpoints and rows. Nothing here recommends a value.

use macro_rules_attribute::apply;
use replication_lab::Topology;
use rstest::{Context, rstest};

use super::load::wal_of;
use super::wal_settings::{
    UNFLUSHED, lose_shared_memory, place, requested, requested_by_wal, six_wal_files,
    wait_for_checkpoint_by_wal, wait_for_requested,
};
use crate::steps::machine::cores;
use crate::support::{Lab, exercise, scenario};

/// `wal_compression` compresses full-page images; what changes a page again is not compressed.
///
/// Method: change every row of a table after a checkpoint, without and with `wal_compression`; change
/// every row once more (manual: `wal_compression`).
#[apply(exercise)]
#[rstest]
fn wal_compression(#[context] test: Context) {
    let about = "wal_compression makes the full-page images after a checkpoint smaller; their number \
                 stays, and later changes of the same pages cost what they did";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary, and a table with one row on each page");
        let cluster = lab.start(Topology::alone().set("autovacuum", "off")).await?;
        let writer = cluster.primary().session().await?;
        writer.run_file("fixtures/sql/wal_cost.sql").await?;
        let rows = lab.scaled(1_000);
        writer.run(&format!("SELECT fill_pages({rows})")).await?;
        writer.run("VACUUM spread").await?;

        lab.step("wal_compression = off: a checkpoint, and two changes of every row");
        let off: String = writer.value("SHOW wal_compression").await?;
        let off = lab.must_be("wal_compression by default", &off, "off");
        writer.run("CHECKPOINT").await?;
        let plain = wal_of(lab, &writer, "spread", rows, "first change, not compressed").await?;
        let later = wal_of(lab, &writer, "spread", rows, "second change, not compressed").await?;
        let images = "does the first change write at least one full-page image for each row";
        let before = lab.must_be(images, plain.images >= rows, true);

        lab.step("wal_compression = on: a checkpoint, and two changes of every row");
        writer.run("SET wal_compression = on").await?;
        writer.run("CHECKPOINT").await?;
        let small = wal_of(lab, &writer, "spread", rows, "first change, compressed").await?;
        let again = wal_of(lab, &writer, "spread", rows, "second change, compressed").await?;
        let images =
            "does the first change with wal_compression write at least one image for each row";
        let whole = lab.must_be(images, small.images >= rows, true);
        let half = "is its WAL less than half of the WAL without wal_compression";
        let half = lab.must_be(half, small.bytes * 2 < plain.bytes, true);
        let same =
            "does the second change write at least nine tenths of the WAL that it wrote without";
        let same = lab.must_be(same, again.bytes * 10 >= later.bytes * 9, true);

        lab.learn(
            "wal_compression, which is off by default, compresses full-page images: there are as many, \
             and rows that compress well, as these do, cost less than half of the WAL.",
            [&off, &before, &whole, &half],
        );
        lab.learn(
            "wal_compression does not compress the records of later changes of the same pages.",
            [&same],
        );
        Ok(())
    });
}

/// WAL requests a checkpoint when it has grown by a part of `max_wal_size`; each checkpoint makes the next
/// change of every page write its image again.
///
/// Method: fill six WAL files with `max_wal_size` small and large, and change every row after that; count
/// checkpoints in the log and in the view of the version (manual: WAL Configuration).
#[apply(exercise)]
#[rstest]
fn checkpoints_by_wal(#[context] test: Context) {
    let about = "A small max_wal_size makes WAL request checkpoints, and after each of them pages are \
                 written to the WAL whole again; a large one does not";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with max_wal_size = 32MB and checkpoint_timeout = 1h, and a table");
        let small = Topology::alone().set("max_wal_size", "32MB").set("min_wal_size", "32MB");
        let small = small.set("checkpoint_timeout", "1h").set("log_checkpoints", "on");
        let cluster = lab.start(small.set("autovacuum", "off")).await?;
        let primary = cluster.primary();
        let (writer, looker) = (primary.session().await?, primary.session_unrecorded().await?);
        writer.run_file("fixtures/sql/wal_cost.sql").await?;
        let rows = lab.scaled(1_000);
        writer.run(&format!("SELECT fill_pages({rows})")).await?;
        writer.run("VACUUM spread").await?;
        writer.run("CHECKPOINT").await?;
        wal_of(lab, &writer, "spread", rows, "first change").await?;

        lab.step("Six WAL files of 16 MB are filled, and every row is changed");
        let (log, before) = (primary.log().await?.len(), requested(lab, &looker).await?);
        six_wal_files(&writer).await?;
        wait_for_checkpoint_by_wal(primary, log).await?;
        let counted = wait_for_requested(lab, &looker, before).await? > before;
        let counted = lab.must_be("did WAL request a checkpoint", counted, true);
        let name = "change after checkpoints that WAL requested";
        let often = wal_of(lab, &writer, "spread", rows, name).await?;
        let images = "does the change write at least one full-page image for each row";
        let images = lab.must_be(images, often.images >= rows, true);

        lab.step("max_wal_size = 1GB: a checkpoint, a change of every row, and the same again");
        primary.set("max_wal_size", "1GB").await?;
        writer.run("CHECKPOINT").await?;
        wal_of(lab, &writer, "spread", rows, "first change, max_wal_size = 1GB").await?;
        let log = primary.log().await?.len();
        six_wal_files(&writer).await?;
        let name = "change without a checkpoint since the last one";
        let seldom = wal_of(lab, &writer, "spread", rows, name).await?;
        // A request that is under way would be part of this checkpoint, and in its line of the log.
        writer.run("CHECKPOINT").await?;
        let seen = requested_by_wal(primary, log).await?;
        let none = lab.must_be("checkpoints that WAL requested with 1GB", seen, 0_u64);
        let few = "does the change write one full-page image for every hundred rows, or more";
        let few = lab.must_be(few, seldom.images * 100 >= rows, false);
        let less = "is its WAL less than that of the change after the requested checkpoints";
        let less = lab.must_be(less, seldom.bytes < often.bytes, true);

        lab.learn(
            "96 MB of WAL request a checkpoint with max_wal_size = 32MB and none with 1GB.",
            [&counted, &none],
        );
        lab.learn(
            "Checkpoints that are further apart save WAL: a page is written whole only with its first \
             change after a checkpoint.",
            [&images, &few, &less],
        );
        Ok(())
    });
}

/// With `synchronous_commit = off` a commit is answered before its WAL is flushed, and a crash loses it.
///
/// Method: freeze the walwriter, which would flush it; commit; kill the walwriter, so that the server
/// loses its shared memory and recovers (manual: Asynchronous Commit).
#[apply(exercise)]
#[rstest]
fn asynchronous_commit(#[context] test: Context) {
    let about = "With synchronous_commit = off a commit is answered before its WAL is flushed; a crash \
                 before the walwriter has flushed it loses acked rows, and nothing else";
    scenario(&test, about, async |lab: &Lab| {
        // Nothing but the commits writes WAL here, and nothing but them and the walwriter flushes it.
        lab.step("A primary whose other processes neither write nor flush WAL, and a table");
        let quiet = Topology::alone().set("autovacuum", "off").set("bgwriter_lru_maxpages", "0");
        let quiet = quiet.set("wal_level", "minimal").set("max_wal_senders", "0");
        let cluster = lab.start(quiet.set("checkpoint_timeout", "1h")).await?;
        let primary = cluster.primary();
        let writer = primary.session().await?;
        writer.run("CREATE TABLE notes (id integer PRIMARY KEY, body text NOT NULL)").await?;

        lab.step("The walwriter is frozen; a commit with synchronous_commit = on");
        let frozen = primary.freeze_processes("walwriter").await?;
        writer.run("INSERT INTO notes SELECT i, 'on' FROM generate_series(1, 10) AS i").await?;
        let seen: bool = writer.value(UNFLUSHED).await?;
        let flushed = "is WAL unflushed after a commit with synchronous_commit = on";
        let flushed = lab.must_be(flushed, seen, false);

        lab.step("A commit with synchronous_commit = off");
        writer.run("SET synchronous_commit = off").await?;
        writer.run("INSERT INTO notes SELECT i, 'off' FROM generate_series(11, 15) AS i").await?;
        let seen: bool = writer.value(UNFLUSHED).await?;
        let unflushed = "is WAL unflushed after a commit with synchronous_commit = off";
        let unflushed = lab.must_be(unflushed, seen, true);
        let rows = primary.session().await?.count("SELECT count(*) FROM notes").await?;
        let visible = lab.must_be("rows that another session sees", rows, 15_u64);

        lab.step("The server crashes before the walwriter has flushed it, and recovers");
        let after = lose_shared_memory(primary).await?;
        drop(frozen);
        let rows = after.count("SELECT count(*) FROM notes WHERE body = 'on'").await?;
        let kept = lab.must_be("rows of the commit with on", rows, 10_u64);
        let rows = after.count("SELECT count(*) FROM notes WHERE body = 'off'").await?;
        let lost = lab.must_be("rows of the commit with off", rows, 0_u64);
        let delay: String = after.value("SHOW wal_writer_delay").await?;
        let delay = lab.must_be("wal_writer_delay", &delay, "200ms");

        lab.learn(
            "With synchronous_commit = off other sessions see rows whose WAL is not flushed, and a crash \
             can lose them although their commit was answered. The manual limits that to the commits of \
             the last three times wal_writer_delay.",
            [&unflushed, &visible, &lost, &delay],
        );
        lab.learn(
            "A commit with synchronous_commit = on is flushed when it is answered, and survives the crash. \
             Each transaction can choose.",
            [&flushed, &kept],
        );
        Ok(())
    });
}

/// `commit_delay` lets one sync of the WAL serve more commits. What that gains depends on the disk.
///
/// Method: eight clients place orders without and with `commit_delay`; compare orders and syncs.
#[apply(exercise)]
#[rstest]
fn group_commit(#[context] test: Context) {
    let about = "The same orders of eight clients without and with commit_delay: how many syncs of WAL \
                 the commits need, on this machine, and that no order is lost";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with a shop");
        let cluster = lab.start(Topology::alone().set("autovacuum", "off")).await?;
        let primary = cluster.primary();
        let writer = primary.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT fill_shop(10)").await?;
        cores(lab);
        let orders = lab.scaled(1_000);

        lab.step("commit_delay = 0, the default");
        let none = place(lab, &cluster, orders, "commit_delay = 0").await?;

        lab.step("commit_delay = 2 ms, where at least two other transactions are open");
        primary.set("commit_siblings", "2").await?;
        primary.set("commit_delay", "2000").await?;
        let some = place(lab, &cluster, orders, "commit_delay = 2000").await?;

        lab.learn(
            "commit_delay changes how many commits share a sync of WAL, not what an ack means: no order is \
             lost or duplicated. How many syncs that saves, and whether it gains throughput, differs by \
             machine: measure it.",
            [&none, &some],
        );
        Ok(())
    });
}
