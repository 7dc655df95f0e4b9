//! TODO.

use std::time::Instant;

use replication_lab::catchup::{wait_for_no_lag, wait_for_replay_of, wait_for_streaming};
use replication_lab::drift::drift;
use replication_lab::record::Reading;
use replication_lab::wal::{Lsn, Timeline, bytes_between};
use replication_lab::{Direction, Node, Result, Session, Shutdown, Topology};
use rstest::{Context, rstest};
use tokio_postgres::config::TargetSessionAttrs::ReadWrite;

use super::split_brain::{
    FILL, OURS, Resolution, THEIRS, diverge, joined, kinds, stays_behind, timelines, verdict,
};
use crate::steps::log::wait_for_log;
use crate::steps::repeat::times;
use crate::steps::shop::sums;
use crate::steps::slot::wait_for_slot;
use crate::steps::wal::file_is_there;
use crate::steps::wal::next_wal_file;
use crate::support::{Lab, scenario};

const ADD: &str = "INSERT INTO products (name, price) VALUES ('one more', 1)";
const WHO: &str = "SELECT current_setting('cluster_name')";

/// A promoted standby has every row and takes writes, and clients that ask for a server to write to
/// find it by themselves.
///
/// Method: replay everything, stop the primary, `pg_promote()`, connect with the same string.
#[rstest]
fn promote(#[context] test: Context) {
    let about = "A promoted standby has every row and takes writes; clients find it by themselves";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair, and a standby that has replayed everything");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run(FILL).await?;
        pair.wait_for_catchup("standby1").await?;
        let both = [rows(&writer).await?, rows(&reader).await?];
        let rows_before = lab.must_be("rows on the primary and on the standby", both, [1000, 1000]);

        lab.step("Who may write, and who may promote");
        let found = pair.client(ReadWrite).await?.value::<String>(WHO).await?;
        let found_before =
            lab.must_be("a client that asks for read-write reaches", &found, "primary");
        let refused = reader.refusal(ADD).await?;
        let read_only =
            lab.must_be("SQLSTATE of a write on the standby", refused.sqlstate(), "25006");
        lab.fact("what the standby says", &refused);
        let refused = writer.refusal("SELECT pg_promote()").await?;
        lab.must_be("SQLSTATE of a promotion of the primary", refused.sqlstate(), "55000");
        lab.fact("what the primary says", &refused);

        lab.step("The primary stops, and the standby is promoted");
        primary.stop(Shutdown::Fast).await?;
        wait_for_replay_of(&reader, primary.last_checkpoint().await?).await?;
        let called = Instant::now();
        standby.promote().await?;
        let client = pair.client(ReadWrite).await?;
        client.run(ADD).await?;
        lab.key_figure("from pg_promote() to the first row that a client wrote", called.elapsed());
        let found = client.value::<String>(WHO).await?;
        let found_after = lab.must_be("the same connection string now reaches", &found, "standby1");
        let added = reader.execute(ADD, &[]).await?;
        let same_session = lab.must_be("rows the refused session adds now", added, 1);

        lab.step("What was lost");
        let kept = reader.count("SELECT count(*) FROM products WHERE id <= 1000").await?;
        let kept = lab.must_be("rows of 1000 that are there", kept, 1000);
        let id = reader.count("SELECT min(id) FROM products WHERE id > 1000").await?;
        let id = lab.fact("id of the first row after row 1000", id);

        lab.learn("A standby refuses to write until it is promoted.", [&read_only, &same_session]);
        lab.learn("What was replayed is kept by a promotion.", [&rows_before, &kept]);
        lab.learn(
            "A client that names both servers and asks for read-write needs no new connection string.",
            [&found_before, &found_after],
        );
        lab.learn("A promotion may skip ids: sequences are logged ahead of their use.", [&id]);
        Ok(())
    });
}

/// A promotion starts timeline 2 exactly where the standby's replay ended.
///
/// Method: stop the primary, wait until the standby has replayed its last record, `pg_promote()`,
/// and look wherever a timeline shows.
#[rstest]
fn timeline(#[context] test: Context) {
    let about = "A promotion starts a new timeline, exactly where the standby's replay ended";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair on timeline 1");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        let seen = timelines(&writer).await?;
        let before = lab.must_be("timeline of the WAL file and of the control file", seen, [1, 1]);

        lab.step("The primary stops; the standby replays its last record, the shutdown checkpoint");
        primary.stop(Shutdown::Fast).await?;
        let replayed = wait_for_replay_of(&reader, primary.last_checkpoint().await?).await?;
        lab.measure("last position replayed", replayed);

        lab.step("The standby is promoted");
        standby.promote().await?;
        reader.run("CHECKPOINT").await?;
        let seen = timelines(&reader).await?;
        let after =
            lab.must_be("timeline of the WAL file and of the control file then", seen, [2, 2]);
        let written: Lsn = reader.value("SELECT pg_current_wal_lsn()").await?;
        lab.key_figure("WAL since the promotion", Reading::Bytes(bytes_between(replayed, written)));
        let branch = standby.branch(Timeline(2)).await?;
        let parent = lab.must_be("00000002.history: branched off", branch.parent, Timeline(1));
        let exactly = branch.at == replayed;
        let exactly = lab.must_be("00000002.history: at the last position replayed", exactly, true);
        lab.fact("00000002.history: reason", branch.reason);

        lab.learn(
            "A promotion counts the timeline up: in the name of every new WAL file, in the control \
             file, and in a history file that says where and why.",
            [&before, &after, &parent],
        );
        lab.learn("The new timeline begins where replay ended, and nowhere earlier.", [&exactly]);
        Ok(())
    });
}

/// A timeline does not prevent split brain. It makes it visible, and a server that diverged refuses to
/// follow.
///
/// Method: promote the standby while the primary runs, write on both, make the old primary follow the
/// new one as it is; start it, and start it once more.
#[rstest]
fn split_brain(#[context] test: Context) {
    let about =
        "A timeline does not prevent split brain: it makes it visible and refuses to merge it";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("The standby is promoted while the primary runs; both take writes");
        let pair = lab.start(Topology::pair()).await?;
        let (old, new) = (pair.primary(), pair.node("standby1")?);
        let (on_old, on_new) = diverge(&pair).await?;
        let both = [rows(&on_old).await?, rows(&on_new).await?];
        let counts = lab.must_be("rows on the old and on the new primary", both, [1001, 1001]);
        let seen = [sums(&on_old).await?, sums(&on_new).await?];
        let differ = lab.must_be("are they the same rows", seen[0] == seen[1], false);
        let seen = [timelines(&on_old).await?[0], timelines(&on_new).await?[0]];
        let visible = lab.must_be("timelines of their WAL", seen, [1, 2]);

        lab.step("The old one is told to follow the new one, with the data it has");
        old.stop(Shutdown::Fast).await?;
        pair.lead("primary", "standby1").await?;
        pair.follow("primary").await?;
        old.start().await?;
        let forked = wait_for_log(old, "forked off current database system timeline").await?;
        let told = lab.fact("what its log says", &forked);
        let reader = old.session().await?;
        let recovers: bool = reader.value("SELECT pg_is_in_recovery()").await?;
        let serves = lab.must_be("does it serve reads, in recovery", recovers, true);
        stays_behind(&reader).await?;
        let arrived = reader.count(OURS).await?;
        let away = lab.must_be("rows of the new primary that have arrived", arrived, 0);

        lab.step("It is started once more");
        old.stop(Shutdown::Fast).await?;
        let ended = old.start().await.err().is_some_and(|error| error.is_ended());
        let ended = lab.must_be("does it end by itself", ended, true);
        let refused = wait_for_log(old, "FATAL:  requested timeline 2 is not a child").await?;
        lab.must_be("new primary still takes writes: rows added", new_row(new).await?, 1);
        let refused = lab.fact("what its log says then", &refused);

        lab.learn(
            "Nothing prevents split brain: the old primary knows nothing of the promotion, and takes \
             writes as long as clients reach it.",
            [&counts, &differ],
        );
        lab.learn("The timelines make it visible.", [&visible]);
        lab.learn(
            "A server that has WAL past the fork is not merged: it serves old reads, gets nothing of the \
             new timeline, and does not start again.",
            [&told, &serves, &away, &ended, &refused],
        );
        Ok(())
    });
}

/// An old primary that stopped before the promotion, and has nothing that the new one lacks, follows
/// it without rewind or rebuild.
///
/// Method: stop the primary, promote when everything was replayed, make the old one follow.
#[rstest]
fn clean_rejoin(#[context] test: Context) {
    let about = "An old primary with nothing past the fork follows the new one as it is";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("The primary stops, and the standby, which has everything, is promoted");
        let pair = lab.start(Topology::pair()).await?;
        let (old, new) = (pair.primary(), pair.node("standby1")?);
        let writer = old.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run(FILL).await?;
        let reader = new.session().await?;
        old.stop(Shutdown::Fast).await?;
        wait_for_replay_of(&reader, old.last_checkpoint().await?).await?;
        new.promote().await?;
        let added = reader.execute(ADD, &[]).await?;
        lab.must_be("rows that the new primary adds", added, 1);

        lab.step("The old one follows, with the data it has");
        pair.lead("primary", "standby1").await?;
        pair.follow("primary").await?;
        old.start().await?;
        let followed = joined(lab, &pair, &reader).await?;
        lab.learn(
            "An old primary with nothing past the fork needs neither pg_rewind nor a rebuild.",
            [&followed],
        );
        Ok(())
    });
}

/// Three ways out of a split brain; after each of them both servers have the same rows on one timeline,
/// and stream.
///
/// Method: diverge, resolve, compare every table; look what became of the row that only the old primary
/// had, and how much was copied.
#[rstest]
#[case::rebuild(Resolution::Rebuild, 0)]
#[case::rewind(Resolution::Rewind, 0)]
#[case::salvage(Resolution::Salvage, 1)]
fn resolve(#[context] test: Context, #[case] resolution: Resolution, #[case] kept: u64) {
    let about = "A way out of a split brain, what it costs, and what becomes of the diverged row";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("Both have taken a row that the other has not");
        let pair = lab.start(Topology::pair()).await?;
        let (_, on_new) = diverge(&pair).await?;
        pair.lead("primary", "standby1").await?;

        lab.step("The old primary is brought back");
        let link = pair.link("primary")?;
        let (before, called) = (link.bytes(Direction::ToStandby), Instant::now());
        resolution.apply(&pair, &on_new).await?;
        pair.primary().start().await?;
        wait_for_streaming(&on_new, &["primary"]).await?;
        lab.key_figure("until it streams", called.elapsed());
        let copied = link.bytes(Direction::ToStandby).saturating_sub(before);
        lab.key_figure("copied over its link", Reading::Bytes(copied));

        lab.step("What there is now");
        let same = joined(lab, &pair, &on_new).await?;
        let theirs = on_new.count(THEIRS).await?;
        let theirs = lab.must_be("rows of the old primary that are there", theirs, kept);
        let ours = on_new.count(OURS).await?;
        let ours = lab.must_be("rows of the new primary that are there", ours, 1);

        lab.learn("Afterwards both hold the same rows on one timeline, and stream.", [&same]);
        lab.learn(
            "The new primary's rows stay; the old one's are gone unless somebody copied them first.",
            [&theirs, &ours],
        );
        Ok(())
    });
}

/// Thousands of rows that differ on two primaries are found by checksums, without comparing row by row.
///
/// Method: insert, update and delete on both sides of a split brain over three tables; find what differs;
/// resolve; find nothing.
#[rstest]
fn bulk_drift(#[context] test: Context) {
    let about =
        "Thousands of rows that differ are found by checksums, listed by kind, and gone after";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A shop on both sides of a split brain; WAL is kept, or it could not be rewound");
        let pair = lab.start(Topology::pair().set("wal_keep_size", "1GB")).await?;
        let (old, new) = (pair.primary().session().await?, pair.node("standby1")?.session().await?);
        old.run_file("fixtures/sql/shop.sql").await?;
        old.run(&format!("SELECT fill_shop({})", lab.scaled(20_000).max(20_000))).await?;
        pair.wait_for_catchup("standby1").await?;
        pair.node("standby1")?.promote().await?;

        lab.step("Both add, change and delete");
        old.run_file("fixtures/sql/drift_old.sql").await?;
        new.run_file("fixtures/sql/drift_new.sql").await?;

        lab.step("What differs: only on the old primary, only on the new one, changed");
        let looked = Instant::now();
        let users = drift(&old, &new, "users", "id").await?;
        let products = drift(&old, &new, "products", "id").await?;
        let orders = drift(&old, &new, "orders", "id").await?;
        lab.key_figure("finding all of it took", looked.elapsed());
        let compared = users.compared + products.compared + orders.compared;
        lab.key_figure("hashes that were compared", Reading::Bytes(compared));
        lab.measure("size of the tables", Reading::Bytes(new.count(SIZE).await?));
        let users = lab.must_be("users", kinds(&users), [200, 500, 1000]);
        let products = lab.must_be("products", kinds(&products), [10, 20, 100]);
        let orders = lab.must_be("orders", kinds(&orders), [400, 700, 2000]);

        lab.step("The old primary is rewound");
        pair.lead("primary", "standby1").await?;
        Resolution::Rewind.apply(&pair, &new).await?;
        pair.primary().start().await?;
        wait_for_streaming(&new, &["primary"]).await?;
        wait_for_no_lag(&new, "primary").await?;
        let old = pair.primary().session().await?;
        let left = [
            drift(&old, &new, "users", "id").await?.rows() as u64,
            drift(&old, &new, "products", "id").await?.rows() as u64,
            drift(&old, &new, "orders", "id").await?.rows() as u64,
        ];
        let left = lab.must_be("users, products and orders that differ", left, [0, 0, 0]);

        lab.learn(
            "Checksums of buckets find every row that was added, changed or deleted on either side.",
            [&users, &products, &orders],
        );
        lab.learn("After a rewind nothing differs.", [&left]);
        Ok(())
    });
}

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
        pair.lead("primary", "standby1").await?;
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
        let fork = pair.node("standby1")?.branch(Timeline(2)).await?.at;
        let looker = pair.primary().session_unnoted().await?;
        let needed: String = looker.value(&format!("SELECT pg_walfile_name('{fork}')")).await?;
        on_old.run("SELECT pg_drop_replication_slot('standby1')").await?;
        times(4, |_| next_wal_file(&on_old, ADD)).await?;
        on_old.run("CHECKPOINT").await?;
        let there = looker.count(&file_is_there(&needed)).await?;
        let gone = lab.must_be("is the WAL file of the fork still there", there > 0, false);

        lab.step("It is to follow the new primary");
        pair.lead("primary", "standby1").await?;
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
        pair.lead("primary", "standby1").await?;
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
        pair.follow("primary").await?;
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

const SIZE: &str = "SELECT sum(pg_relation_size(name))::bigint \
                    FROM unnest(ARRAY['users', 'products', 'orders']) AS name";
async fn new_row(node: &Node) -> Result<u64> {
    node.session().await?.execute(ADD, &[]).await
}

async fn rows(session: &Session) -> Result<u64> {
    session.count("SELECT count(*) FROM products").await
}
