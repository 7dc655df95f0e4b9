//! A failover with a second standby: which one to promote, and how the other one follows. Here the
//! primary crashes; nothing here lets it return.

use macro_rules_attribute::apply;
use replication_lab::catchup::{wait_for_no_lag, wait_for_replay};
use replication_lab::wal::Timeline;
use replication_lab::{Shutdown, Standby, Topology, stat};
use rstest::{Context, rstest};

use super::lead::{
    BOTH, EARLY, LATE, crash_and_compare, leave_apart, on_each, orders, promote_with_pg_ctl,
    readers, received_timeline, wait_for_end_of_recovery, wait_for_flush,
};
use super::split_brain::verdict;
use crate::steps::crash::must_have_crashed;
use crate::steps::shop::{ORDERS, sessions, shop, sums};
use crate::support::{Lab, exercise, scenario};

const LATEST: &str = "SHOW recovery_target_timeline";

/// The standby that has received most has every acked order, even where it has replayed less than the
/// other one: a promotion first replays everything that was received. The other one follows.
///
/// Method: pause replay on one standby, cut the link of the other, crash the primary, compare positions,
/// promote the one that has received more, repoint the other.
#[apply(exercise)]
#[rstest]
fn most_advanced_standby(#[context] test: Context) {
    let about = "Failover with two standbys: the one that has received most WAL is promoted, and the \
                 other one follows it to the new timeline; no order is lost";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with two standbys, which have replayed everything");
        let cluster = lab.start(Topology::pair().standby("standby2")).await?;
        let writer = cluster.primary().session().await?;
        shop(&writer, 100).await?;
        cluster.wait_for_catchup("standby2").await?;
        let second = cluster.node("standby2")?;
        let postmaster = second.postmaster().await?;

        // The two standbys fall behind by different causes, so that they differ in both positions.
        lab.step("standby1 pauses its replay, and later the link of standby2 is cut");
        let (cut, _) = leave_apart(&cluster).await?;
        let acked = lab.must_be("orders acked", writer.count(ORDERS).await?, BOTH + EARLY + LATE);

        lab.step("The primary crashes; received and replayed positions of both standbys");
        let [received, replayed] = crash_and_compare(lab, &cluster).await?;
        let readers = readers(&cluster).await?;
        let seen = orders(&readers).await?;
        let visible = "orders that each standby shows";
        let visible = lab.must_be(visible, seen, on_each(BOTH, BOTH + EARLY));

        lab.step("standby1, which has received more, is promoted");
        promote_with_pg_ctl(cluster.node("standby1")?).await?;
        let [on_new, on_second] = &readers;
        let seen = on_new.count(ORDERS).await?;
        let kept = "orders on standby1 after its promotion";
        let kept = lab.must_be(kept, seen, BOTH + EARLY + LATE);

        // In the lab the address of a link stays, and its target changes. Elsewhere, change
        // primary_conninfo of standby2 and reload.
        lab.step("The link of standby2 is repointed to standby1, and healed");
        cluster.repoint("standby2", "standby1").await?;
        cluster.link("standby2")?.reset();
        cut.heal();
        let logged = lab.fact("log of standby2", second.wait_for_log("new target timeline").await?);
        on_new.run("SELECT place_orders(10)").await?;
        wait_for_no_lag(on_new, "standby2").await?;
        let latest: String = on_second.value(LATEST).await?;
        let latest = lab.must_be("recovery_target_timeline of standby2", &latest, "latest");
        let seen = received_timeline(on_second).await?;
        let follows = lab.must_be("timeline that standby2 receives", seen, 2_u32);
        let same = sums(on_new).await? == sums(on_second).await?;
        let same = lab.must_be("do both servers have the same rows in every table", same, true);
        let running = second.postmaster().await? == postmaster;
        let running = lab.must_be("does standby2 have the same postmaster", running, true);

        lab.learn(
            "Before a failover compare what the standbys have received, not what they have replayed: \
             a promotion first replays what was received, even where replay is paused.",
            [&received, &replayed, &visible, &acked, &kept],
        );
        lab.learn(
            "A standby that is behind the promoted one follows it to the new timeline without a restart \
             and without a rebuild, with recovery_target_timeline = latest, the default, and a slot on \
             the new primary.",
            [&received, &latest, &logged, &follows, &same, &running],
        );
        Ok(())
    });
}

/// Promoting the standby that has received less loses the acked orders that only the other one had, and
/// that one cannot follow as it is.
///
/// Method: the same, but promote the standby that has replayed more; repoint the other; then `pg_rewind`.
#[apply(exercise)]
#[rstest]
fn standby_that_is_behind(#[context] test: Context) {
    let about = "The wrong standby is promoted: the one that has replayed more and received less. Orders \
                 that only the other standby has are lost, and that one can follow only after pg_rewind";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with two standbys, which have replayed everything");
        let cluster = lab.start(Topology::pair().standby("standby2")).await?;
        let writer = cluster.primary().session().await?;
        shop(&writer, 100).await?;
        cluster.wait_for_catchup("standby2").await?;

        lab.step("standby1 pauses its replay, and later the link of standby2 is cut");
        // The cut lasts to the end: standby2 receives nothing more from the old primary.
        let (_cut, end) = leave_apart(&cluster).await?;
        let acked = lab.must_be("orders acked", writer.count(ORDERS).await?, BOTH + EARLY + LATE);

        lab.step("The primary crashes; received and replayed positions of both standbys");
        let [received, replayed] = crash_and_compare(lab, &cluster).await?;
        let readers = readers(&cluster).await?;

        lab.step("standby2, which has replayed more, is promoted");
        cluster.node("standby2")?.promote().await?;
        let [on_first, on_new] = &readers;
        let seen = on_new.count(ORDERS).await?;
        let kept = lab.must_be("orders on standby2 after its promotion", seen, BOTH + EARLY);

        lab.step("standby1 replays what it had received, and is repointed to standby2");
        on_first.run("SELECT pg_wal_replay_resume()").await?;
        wait_for_replay(on_first, end).await?;
        let seen = on_first.count(ORDERS).await?;
        let only = lab.must_be("orders on standby1", seen, BOTH + EARLY + LATE);
        on_new.run("CHECKPOINT").await?;
        let first = cluster.node("standby1")?;
        cluster.repoint("standby1", "standby2").await?;
        let logged = first.wait_for_log("forked off current database system timeline").await?;
        let forked = lab.fact("log of standby1", logged);

        lab.step("standby1 is rewound with pg_rewind, and started");
        first.stop(Shutdown::Fast).await?;
        let done = verdict(cluster.rewind("standby1").await);
        let done = lab.must_be("answer of pg_rewind on standby1", &done, "pg_rewind: Done!");
        cluster.configure_standby("standby1").await?;
        first.start().await?;
        let state = wait_for_no_lag(on_new, "standby1").await?.state;
        let streams = lab.must_be("state of standby1 on standby2", &state, "streaming");
        let on_first = first.session().await?;
        let seen = on_first.count(ORDERS).await?;
        let gone = lab.must_be("orders on standby1 after pg_rewind", seen, BOTH + EARLY);
        let same = sums(&on_first).await? == sums(on_new).await?;
        lab.must_be("do both servers have the same rows in every table", same, true);

        lab.learn(
            "Promoting a standby that has received less loses acked orders that the other standby still \
             has. The replayed position alone can point to the wrong one.",
            [&received, &replayed, &acked, &kept, &only],
        );
        lab.learn(
            "A standby that has replayed WAL past the fork cannot follow the promoted one as it is. \
             pg_rewind makes it a standby again, and discards the orders that only it had.",
            [&forked, &done, &streams, &gone],
        );
        Ok(())
    });
}

/// The session that waits in `pg_promote()` can be cancelled by the replay that is still to come. The
/// promotion goes on.
///
/// Method: while replay is paused, delete rows on the primary and VACUUM; crash it; `pg_promote()` with
/// delays of 0, which cancel a query in conflict at once.
#[apply(exercise)]
#[rstest]
fn pg_promote_cancelled(#[context] test: Context) {
    let about = "Replay that is still to come when pg_promote() is called can cancel the statement \
                 itself, which has a snapshot while it waits; the standby is promoted all the same";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair whose standby cancels queries that conflict with replay at once");
        let pair = Topology::pair().set("max_standby_streaming_delay", "0");
        let pair = pair.set("max_standby_archive_delay", "0").set("autovacuum", "off");
        let pair = lab.start(pair).await?;
        let (writer, reader) = sessions(&pair).await?;
        shop(&writer, 100).await?;

        lab.step("While replay is paused, the primary deletes orders and removes them by VACUUM");
        reader.run("SELECT pg_wal_replay_pause()").await?;
        writer.run("DELETE FROM orders").await?;
        writer.run("VACUUM orders").await?;
        let written = wait_for_flush(&writer, "standby1").await?;
        let seen = reader.count(ORDERS).await?;
        let before = lab.must_be("orders on the standby, whose replay is paused", seen, BOTH);
        pair.primary().crash().await?;
        must_have_crashed(lab, pair.primary(), "in production").await?;

        lab.step("The standby is promoted");
        // The startup process may signal the session again, which then ends: nothing else uses it.
        let cancelled = pair.standby()?.session().await?;
        let refused = cancelled.refusal("SELECT pg_promote()").await?;
        let refused = lab.fact("answer to pg_promote()", &refused);
        wait_for_end_of_recovery(&pair.standby()?.session_unrecorded().await?).await?;
        let seen = stat::timeline(&reader).await?;
        let promoted = lab.must_be("timeline of the standby afterwards", seen, Timeline(2));
        let fork = pair.standby()?.branch(Timeline(2)).await?.at;
        let all = "has it replayed all that the primary had written";
        let all = lab.must_be(all, fork >= written, true);
        let seen = reader.count(ORDERS).await?;
        let after = lab.must_be("orders on the new primary", seen, 0_u64);

        lab.learn(
            "pg_promote() that waits can itself be cancelled with 40001: it has a snapshot, and what is \
             still to be replayed can remove rows that the snapshot sees. The promotion goes on.",
            [&before, &refused, &promoted, &all, &after],
        );
        Ok(())
    });
}

/// In a cascade the standby below follows the promoted one without any act: its connection, its slot and
/// its upstream stay the same.
///
/// Method: a chain of three; crash the primary, promote the first standby, write there.
#[apply(exercise)]
#[rstest]
fn cascade_after_promotion(#[context] test: Context) {
    let about = "Failover in a cascade: the primary crashes and standby1 is promoted; standby2, which \
                 follows standby1, goes on without any act on it";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A cascade: standby1 follows the primary, and standby2 follows standby1");
        let chain = Topology::pair().standby(Standby::new("standby2").following("standby1"));
        let cluster = lab.start(chain).await?;
        let writer = cluster.primary().session().await?;
        shop(&writer, 100).await?;
        let [on_first, on_second] = readers(&cluster).await?;
        wait_for_no_lag(&on_first, "standby2").await?;
        let second = cluster.node("standby2")?;
        let postmaster = second.postmaster().await?;
        let seen = received_timeline(&on_second).await?;
        lab.must_be("timeline that standby2 receives before the promotion", seen, 1_u32);

        lab.step("The primary crashes, and standby1 is promoted");
        cluster.primary().crash().await?;
        must_have_crashed(lab, cluster.primary(), "in production").await?;
        cluster.node("standby1")?.promote().await?;

        lab.step("standby2, on which nothing was done");
        on_first.run("SELECT place_orders(10)").await?;
        let state = wait_for_no_lag(&on_first, "standby2").await?.state;
        let streams = lab.must_be("state of standby2 on standby1", &state, "streaming");
        let logged = second.wait_for_log("new target timeline").await?;
        let logged = lab.fact("log of standby2", logged);
        let seen = received_timeline(&on_second).await?;
        let follows = lab.must_be("timeline that standby2 receives", seen, 2_u32);
        let seen = orders(&[on_first, on_second]).await?;
        let whole = lab.must_be("orders on each server", seen, on_each(BOTH + 10, BOTH + 10));
        let same = second.postmaster().await? == postmaster;
        let same = lab.must_be("does standby2 have the same postmaster", same, true);

        lab.learn(
            "In a cascade the standby below the promoted one follows it to the new timeline by itself: \
             neither its configuration nor its slot changes, and it is not restarted.",
            [&streams, &logged, &follows, &whole, &same],
        );
        Ok(())
    });
}
