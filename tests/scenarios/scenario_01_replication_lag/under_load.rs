//! TODO.

use std::time::{Duration, Instant};

use replication_lab::catchup::{wait_for_no_lag, wait_for_streaming};
use replication_lab::record::Reading;
use replication_lab::sampler::STEP;
use replication_lab::stat::{self, Replication};
use replication_lab::wait::{PATIENCE, Seen, stays, until};
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{Cluster, Proof, Result, Sampler, Samples, Session, Shutdown, Topology};
use rstest::{Context, rstest};

use crate::steps::slot::wait_for_slot;
use crate::support::{Lab, scenario};

const WRITTEN: &str = "SELECT pg_current_wal_lsn()";

/// How long it is watched that something does not move.
const A_WHILE: Duration = Duration::from_millis(300);

/// A standby lags while a bulk insert runs, and has caught up a moment after.
///
/// Method: insert ever more rows, sample the lag every 5 ms meanwhile, compare the peak with what is
/// seen afterwards.
#[rstest]
fn bulk_inserts(#[context] test: Context) {
    let about = "A standby lags while a bulk insert runs, and has caught up a moment after";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with an empty shop");
        let pair = lab.start(Topology::pair()).await?;
        let writer = pair.primary().session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run_file("fixtures/sql/replication_health.sql").await?;
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("A thousand rows");
        insert(lab, &pair, &writer, 1_000).await?;
        lab.step("Ten thousand rows");
        insert(lab, &pair, &writer, 10_000).await?;
        lab.step("A hundred thousand rows");
        let bulk = insert(lab, &pair, &writer, 100_000).await?;
        let longest = |lag: fn(&Replication) -> Option<Duration>| {
            bulk.samples.longest("standby1", lag).unwrap_or_default()
        };
        lab.measure("longest write lag", longest(|row| row.write_lag));
        lab.measure("longest flush lag", longest(|row| row.flush_lag));
        lab.measure("longest replay lag", longest(|row| row.replay_lag));
        let lagged = bulk.peak > Some(0);
        let lagged = lab.must_be("was there lag while it ran", lagged, true);

        lab.step("What the view for people says afterwards");
        wait_for_no_lag(&writer, "standby1").await?;
        let health: String = writer.value(HEALTH).await?;
        lab.must_be("replication_health", &health, "standby1 streaming, 0 bytes not replayed");

        lab.learn(
            "A standby lags behind while rows are written, and catches up when they are: who looks \
             only afterwards sees 0 bytes, and has learned nothing about the lag under load.",
            [&lagged, &bulk.afterwards],
        );
        lab.learn(
            "What is replayed was flushed, what is flushed was written, what is written was sent.",
            [&bulk.in_order],
        );
        Ok(())
    });
}

/// A standby can be behind in three ways: it has not got the WAL, has not flushed it, has not
/// replayed it.
///
/// Method: pause replay, freeze the walreceiver, put latency on the link; write each time, and look
/// which of the positions reach what was written.
#[rstest]
fn three_kinds_of_lag(#[context] test: Context) {
    let about = "A standby can be behind in three ways: in what it got, flushed, or replayed";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair without lag");
        let pair = lab.start(Topology::pair()).await?;
        let (standby, link) = (pair.node("standby1")?, pair.link("standby1")?);
        let (writer, reader) = (pair.primary().session().await?, standby.session().await?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("Replay is paused: WAL arrives and is flushed, and nobody sees its rows");
        reader.run("SELECT pg_wal_replay_pause()").await?;
        let target = insert_ten(&writer).await?;
        wait_for_flush(&writer, target).await?;
        stays_reached(&writer, target, [true, true, false]).await?;
        let paused = lab.must_be(REACHED, reached(&writer, target).await?, [true, true, false]);
        let unseen = lab.must_be("users on the standby", count(&reader).await?, 0_u64);
        reader.run("SELECT pg_wal_replay_resume()").await?;
        let last = wait_for_no_lag(&writer, "standby1").await?;
        lab.must_be("bytes of lag once it goes on", last.lag(), Some(0));
        lab.must_be("users on the standby then", count(&reader).await?, 10_u64);

        lab.step("The walreceiver is frozen: nothing moves, and it still counts as streaming");
        let frozen = standby.freeze_processes("walreceiver").await?;
        let target = insert_ten(&writer).await?;
        stays_reached(&writer, target, [false; 3]).await?;
        let received = lab.must_be(REACHED, reached(&writer, target).await?, [false; 3]);
        let row = stat::replication_to(&writer, "standby1").await?;
        let state = row.map_or_else(String::new, |row| row.state);
        let streams = lab.must_be("state of its walsender", &state, "streaming");
        frozen.thaw().await?;
        let last = wait_for_no_lag(&writer, "standby1").await?;
        lab.must_be("bytes of lag once it goes on", last.lag(), Some(0));

        lab.step(
            "The link takes 20 ms each way: a commit is reported after a round trip at the least",
        );
        let slow = link.latency(ONE_WAY);
        let report = report(&writer).await?;
        lab.key_figure("write lag", report.write_lag.unwrap_or_default());
        lab.measure("flush lag", report.flush_lag.unwrap_or_default());
        lab.measure("replay lag", report.replay_lag.unwrap_or_default());
        let round_trip = report.write_lag >= Some(2 * ONE_WAY);
        let far = lab.must_be("is the write lag at least 40 ms", round_trip, true);
        slow.heal();
        let last = wait_for_no_lag(&writer, "standby1").await?;
        lab.must_be("bytes of lag once it is healed", last.lag(), Some(0));
        lab.must_be("users on the standby", count(&reader).await?, 20_u64);

        lab.learn(
            "Replay lag without write or flush lag: the WAL is safe on the standby, and its readers \
             see old rows.",
            [&paused, &unseen],
        );
        lab.learn(
            "A standby that does not move at all still counts as streaming: the state says that a \
             connection is there, the positions say whether it is used.",
            [&received, &streams],
        );
        lab.learn("Write lag is a round trip at the least: it grows with the network.", [&far]);
        Ok(())
    });
}

/// A slot keeps the WAL for a standby that is away, for as long as it takes.
///
/// Method: stop the standby, write, recycle WAL with a checkpoint, look at the slot; start it again.
#[rstest]
fn standby_down(#[context] test: Context) {
    let about = "A slot keeps the WAL for a standby that is away";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair that keeps no more WAL than it must");
        let small = Topology::pair().set("wal_keep_size", "0").set("max_wal_size", "32MB");
        let pair = lab.start(small.set("min_wal_size", "32MB")).await?;
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
        let writer = primary.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let slot = stat::slot(&writer, "standby1").await?;
        lab.must_be("is the slot active", slot.active, true);

        lab.step("The standby stops, and the primary goes on");
        standby.stop(Shutdown::Fast).await?;
        let idle = wait_for_slot(&writer, "standby1", false).await?;
        let before: Lsn = writer.value(WRITTEN).await?;
        let rows = lab.scaled(10_000);
        writer.run(&format!("SELECT insert_bulk_users({rows})")).await?;
        writer.run("SELECT pg_switch_wal()").await?;
        writer.run("INSERT INTO products (name, price) VALUES ('one', 1)").await?;
        writer.run("CHECKPOINT").await?;
        let after: Lsn = writer.value(WRITTEN).await?;
        let written = bytes_between(before, after);
        let slot = stat::slot(&writer, "standby1").await?;
        lab.measure("WAL written meanwhile", Reading::Bytes(written));
        lab.key_figure("WAL retained by the slot", Reading::Bytes(slot.retained().unwrap_or(0)));
        let inactive = lab.must_be("is the slot active", slot.active, false);
        let stands = slot.restart_lsn.is_some() && slot.restart_lsn == idle.restart_lsn;
        let stands = lab.must_be("has its restart_lsn stayed where it was", stands, true);
        let kept = slot.retained() >= Some(written);
        let kept = lab.must_be("does it retain at least what was written", kept, true);
        let file: bool = writer.value(OLDEST_THERE).await?;
        let file = lab.must_be("is its oldest WAL file there after the checkpoint", file, true);

        lab.step("The standby comes back");
        let called = Instant::now();
        standby.start().await?;
        wait_for_streaming(&writer, &["standby1"]).await?;
        wait_for_no_lag(&writer, "standby1").await?;
        lab.key_figure("from its start until it had everything", called.elapsed());
        let slot = wait_for_slot(&writer, "standby1", true).await?;
        let active = lab.must_be("is the slot active", slot.active, true);
        let reader = standby.session().await?;
        let both = [count(&writer).await?, count(&reader).await?];
        let whole = lab.must_be("users on the primary and on the standby", both, [rows; 2]);

        lab.learn(
            "A slot keeps WAL for a standby that is away, from where it stopped, through switches \
             and checkpoints.",
            [&inactive, &stands, &kept, &file],
        );
        lab.learn(
            "A standby that comes back goes on by itself and misses nothing.",
            [&active, &whole],
        );
        Ok(())
    });
}

const HEALTH: &str = "SELECT standby || ' ' || state || ', ' || not_replayed_bytes || ' bytes not replayed' \
     FROM replication_health";

const OLDEST_THERE: &str = "SELECT count(*) = 1 FROM pg_ls_waldir() \
     WHERE name = (SELECT pg_walfile_name(restart_lsn) FROM pg_replication_slots)";

const REACHED: &str = "written, flushed, replayed by the standby";

const ONE_WAY: Duration = Duration::from_millis(20);

/// What a bulk insert showed.
struct Bulk {
    samples: Samples,
    peak: Option<u64>,
    afterwards: Proof,
    in_order: Proof,
}

/// Inserts users while the standby's lag is sampled, and notes what that took.
async fn insert(lab: &Lab, pair: &Cluster, writer: &Session, rows: u64) -> Result<Bulk> {
    let rows = lab.scaled(rows);
    let reader = pair.node("standby1")?.session().await?;
    let expected = count(writer).await? + rows;
    let before: Lsn = writer.value(WRITTEN).await?;
    let sampler = Sampler::start(pair.primary(), STEP).await?;
    let called = Instant::now();
    writer.run(&format!("SELECT insert_bulk_users({rows})")).await?;
    let took = called.elapsed();
    let at_return = stat::replication_to(writer, "standby1").await?.and_then(|row| row.lag());
    let last = wait_for_no_lag(writer, "standby1").await?;
    let caught_up = called.elapsed().saturating_sub(took);
    let seen = sampler.stop().await?;
    let during = seen.clone().until(took).peak("standby1").max(at_return);
    let after: Lsn = writer.value(WRITTEN).await?;
    let wal = bytes_between(before, after);

    lab.measure("the insert took", took);
    lab.key_figure("inserted", Reading::rate(rows, took, "rows"));
    lab.measure("WAL position before", before);
    lab.measure("WAL position after", after);
    lab.measure("WAL written", Reading::Bytes(wal));
    lab.measure("WAL per row", Reading::Bytes(wal / rows));
    lab.measure("lag, sampled every 5 ms", seen.lag("standby1"));
    lab.measure("one look of the sampler", seen.cost());
    lab.key_figure("peak lag while it ran", Reading::Bytes(during.unwrap_or(0)));
    lab.key_figure("lag the moment it returned", Reading::Bytes(at_return.unwrap_or(0)));
    lab.measure("from its return until all was replayed", caught_up);
    let both = [count(writer).await?, count(&reader).await?];
    lab.must_be("users on the primary and on the standby", both, [expected; 2]);
    let in_order = seen.are_in_order("standby1");
    Ok(Bulk {
        samples: seen,
        peak: during,
        afterwards: lab.must_be("bytes of lag afterwards", last.lag(), Some(0)),
        in_order: lab.must_be("sent ≥ write ≥ flush ≥ replay in every sample", in_order, true),
    })
}

/// Inserts ten users, and gives the position that the standby must reach to have them.
async fn insert_ten(writer: &Session) -> Result<Lsn> {
    writer.run("SELECT insert_bulk_users(10)").await?;
    writer.value(WRITTEN).await
}

/// Writes until the standby's report of it is seen while it has times: they are nulled as soon as
/// there is nothing new to report.
async fn report(writer: &Session) -> Result<Replication> {
    until("a report with times is seen", PATIENCE, || async {
        writer.run("INSERT INTO products (name, price) VALUES ('one', 1)").await?;
        let row = wait_for_no_lag(writer, "standby1").await?;
        let nulled = Seen::NotYet(format!("{row:?}"));
        Ok(if row.write_lag.is_some() { Seen::Done(row) } else { nulled })
    })
    .await
}

async fn count(session: &Session) -> Result<u64> {
    session.count("SELECT count(*) FROM users").await
}

/// Has the standby said that it has written, flushed, replayed up to `target`?
async fn reached(primary: &Session, target: Lsn) -> Result<[bool; 3]> {
    let row = stat::replication_to(primary, "standby1").await?;
    let positions = row.map_or([None; 3], |row| [row.write_lsn, row.flush_lsn, row.replay_lsn]);
    Ok(positions.map(|position| position >= Some(target)))
}

async fn wait_for_flush(primary: &Session, target: Lsn) -> Result<()> {
    until("the standby has flushed what was written", PATIENCE, || async {
        Ok(match reached(primary, target).await? {
            [_, true, _] => Seen::Done(()),
            seen => Seen::NotYet(format!("{REACHED}: {seen:?}")),
        })
    })
    .await
}

async fn stays_reached(primary: &Session, target: Lsn, expected: [bool; 3]) -> Result<()> {
    stays("the standby's positions are where they were", A_WHILE, || async {
        let seen = reached(primary, target).await?;
        let changed = Seen::NotYet(format!("{REACHED}: {seen:?}"));
        Ok(if seen == expected { Seen::Done(()) } else { changed })
    })
    .await
}
