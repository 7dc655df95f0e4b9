//! The positions that a standby reports, each of them held back in turn. Nothing here measures a load.

use std::time::{Duration, Instant};

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_no_lag;
use replication_lab::stat::{self, Replication};
use replication_lab::wait::{PATIENCE, Seen, stays, until};
use replication_lab::wal::Lsn;
use replication_lab::{Cluster, Proof, Result, Session, Topology};
use rstest::{Context, rstest};

use super::receiver;
use crate::steps::shop::USERS;
use crate::steps::wal::WRITTEN;
use crate::support::{Lab, exercise, scenario};

/// How long the test checks that no position moves.
const A_WHILE: Duration = Duration::from_millis(300);
const ONE_WAY: Duration = Duration::from_millis(20);

/// WAL that was sent can be not yet written, not yet flushed, or not yet replayed.
///
/// Method: hold back each of the three in turn, insert, and compare the positions in
/// `pg_stat_replication` with the end of the insert. At last delay the link and read the lag columns.
#[apply(exercise)]
#[rstest]
fn three_kinds_of_lag(#[context] test: Context) {
    let about = "Three kinds of lag: WAL is not yet written, not yet flushed, or not yet replayed";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary and a standby without lag");
        let pair = lab.start(Topology::pair()).await?;
        let writer = pair.primary().session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("Not written: the standby's walreceiver is frozen, its state is still streaming");
        let [received, streams] = not_written(lab, &pair, &writer).await?;

        lab.step("Written, not flushed: pg_receivewal flushes at the end of a WAL file");
        let [unflushed, flushed] = not_flushed(lab, &pair, &writer).await?;

        lab.step("Flushed, not replayed: replay is paused on the standby");
        let [paused, unseen] = not_replayed(lab, &pair, &writer).await?;

        lab.step("The link delays every byte by 20 ms: a report comes after a round trip of 40 ms");
        let slow = pair.link("standby1")?.delay(ONE_WAY);
        let began = Instant::now();
        let report = report(&writer).await?;
        lab.key_figure("write lag", report.write_lag.unwrap_or_default());
        lab.measure("flush lag", report.flush_lag.unwrap_or_default());
        lab.measure("replay lag", report.replay_lag.unwrap_or_default());
        let round_trip = report.write_lag >= Some(2 * ONE_WAY);
        let far = lab.must_be("is the write lag at least 40 ms", round_trip, true);
        let possible = report.write_lag <= Some(began.elapsed());
        lab.must_be("is the write lag shorter than this step", possible, true);
        let ordered = report.write_lag <= report.flush_lag && report.flush_lag <= report.replay_lag;
        lab.must_be("is write lag ≤ flush lag ≤ replay lag", ordered, true);
        slow.heal();
        let last = wait_for_no_lag(&writer, "standby1").await?;
        lab.must_be("bytes of replay lag without the delay", last.lag(), Some(0));

        lab.learn(
            "A standby whose walreceiver does not run still counts as streaming: the state says that \
             the connection is open, the positions say what has arrived.",
            [&received, &streams],
        );
        lab.learn(
            "Written and flushed are two positions: pg_receivewal without --synchronous reports WAL as \
             written at once, and as flushed at the end of a WAL file.",
            [&unflushed, &flushed],
        );
        lab.learn(
            "Replay lag without flush lag: the WAL is on the standby's disk, and queries there do not \
             see its rows yet.",
            [&paused, &unseen],
        );
        lab.learn("Write lag contains the round trip: it grows with the network's delay.", [&far]);
        Ok(())
    });
}

const NOTHING: &str = "written: no, flushed: no, replayed: no";
const FLUSHED: &str = "written: yes, flushed: yes, replayed: no";

/// Freezes the walreceiver while ten users are inserted.
async fn not_written(lab: &Lab, pair: &Cluster, writer: &Session) -> Result<[Proof; 2]> {
    let frozen = pair.standby()?.freeze_processes("walreceiver").await?;
    let target = insert_ten(writer).await?;
    let looker = pair.primary().session_unrecorded().await?;
    stays_reached(&looker, target, NOTHING).await?;
    let received = lab.must_be(
        "the insert's WAL, walreceiver frozen",
        reached(writer, target).await?,
        NOTHING,
    );
    let row = stat::replication_to(writer, "standby1").await?;
    let state = row.map_or_else(String::new, |row| row.state);
    let streams = lab.must_be("state in pg_stat_replication", &state, "streaming");
    frozen.thaw().await?;
    let last = wait_for_no_lag(writer, "standby1").await?;
    lab.must_be("bytes of replay lag when the walreceiver runs again", last.lag(), Some(0));
    Ok([received, streams])
}

/// Inserts ten users beside `pg_receivewal`. The standby cannot show this kind: its walreceiver flushes
/// right after it has written, and no setting holds it between the two.
async fn not_flushed(lab: &Lab, pair: &Cluster, writer: &Session) -> Result<[Proof; 2]> {
    receiver::start(pair.primary(), writer).await?;
    let target = insert_ten(writer).await?;
    let seen = receiver::wait_for_write(writer, target).await?;
    let unflushed =
        lab.must_be("the insert's WAL in pg_receivewal", &seen, "written: yes, flushed: no");
    writer.run("SELECT pg_switch_wal()").await?;
    let seen = receiver::wait_for_flush(writer, target).await?;
    let flushed = lab.must_be("the same WAL after the switch", &seen, "written: yes, flushed: yes");
    wait_for_no_lag(writer, "standby1").await?;
    Ok([unflushed, flushed])
}

/// Pauses replay while ten users are inserted.
async fn not_replayed(lab: &Lab, pair: &Cluster, writer: &Session) -> Result<[Proof; 2]> {
    let reader = pair.standby()?.session().await?;
    reader.run("SELECT pg_wal_replay_pause()").await?;
    let target = insert_ten(writer).await?;
    let looker = pair.primary().session_unrecorded().await?;
    wait_for_flush(&looker, target).await?;
    stays_reached(&looker, target, FLUSHED).await?;
    let paused =
        lab.must_be("the insert's WAL, replay paused", reached(writer, target).await?, FLUSHED);
    lab.must_be("users on the primary", writer.count(USERS).await?, 30_u64);
    let unseen = lab.must_be("users on the standby", reader.count(USERS).await?, 20_u64);
    reader.run("SELECT pg_wal_replay_resume()").await?;
    let last = wait_for_no_lag(writer, "standby1").await?;
    lab.must_be("bytes of replay lag when replay goes on", last.lag(), Some(0));
    lab.must_be("users on the standby then", reader.count(USERS).await?, 30_u64);
    Ok([paused, unseen])
}

/// Inserts ten users, and returns the position that the standby must reach to have them.
async fn insert_ten(writer: &Session) -> Result<Lsn> {
    writer.run("SELECT insert_bulk_users(10)").await?;
    writer.value(WRITTEN).await
}

/// Inserts until the standby's report is seen while it has times: PostgreSQL shows null as soon as
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

const POSITIONS: &str = "SELECT write_lsn, flush_lsn, replay_lsn FROM pg_stat_replication \
                         WHERE application_name = 'standby1'";

/// Which of the standby's reported positions are at `target` or behind it.
async fn reached(primary: &Session, target: Lsn) -> Result<String> {
    let rows = primary.rows(POSITIONS).await?;
    let position = |name: &str| rows.first().and_then(|row| row.get::<_, Option<Lsn>>(name));
    let yes = |name| if position(name) >= Some(target) { "yes" } else { "no" };
    let [write, flush, replay] = ["write_lsn", "flush_lsn", "replay_lsn"].map(yes);
    Ok(format!("written: {write}, flushed: {flush}, replayed: {replay}"))
}

async fn wait_for_flush(primary: &Session, target: Lsn) -> Result<()> {
    until("the standby has flushed the insert's WAL", PATIENCE, || async {
        let seen = reached(primary, target).await?;
        Ok(if seen.contains("flushed: yes") { Seen::Done(()) } else { Seen::NotYet(seen) })
    })
    .await
}

async fn stays_reached(primary: &Session, target: Lsn, expected: &str) -> Result<()> {
    stays("no position of the standby moves", A_WHILE, || async {
        let seen = reached(primary, target).await?;
        Ok(if seen == expected { Seen::Done(()) } else { Seen::NotYet(seen) })
    })
    .await
}
