//! The positions that a standby reports, each of them held back in turn. Nothing here measures a load.

use std::time::Duration;

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::stat::{self, Replication};
use replication_lab::wait::{PATIENCE, Seen, stays, until};
use replication_lab::wal::Lsn;
use replication_lab::{Result, Session, Topology};
use rstest::{Context, rstest};

use crate::steps::shop::USERS;
use crate::steps::wal::WRITTEN;
use crate::support::{Lab, scenario};

/// How long it is watched that something does not move.
const A_WHILE: Duration = Duration::from_millis(300);

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
        let (standby, link) = (pair.standby()?, pair.link("standby1")?);
        let (writer, reader) = (pair.primary().session().await?, standby.session().await?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("Replay is paused: WAL arrives and is flushed, and nobody sees its rows");
        reader.run("SELECT pg_wal_replay_pause()").await?;
        let target = insert_ten(&writer).await?;
        wait_for_flush(&writer, target).await?;
        stays_reached(&writer, target, [true, true, false]).await?;
        let paused = lab.must_be(REACHED, reached(&writer, target).await?, [true, true, false]);
        let unseen = lab.must_be("users on the standby", reader.count(USERS).await?, 0_u64);
        reader.run("SELECT pg_wal_replay_resume()").await?;
        let last = wait_for_no_lag(&writer, "standby1").await?;
        lab.must_be("bytes of lag once it goes on", last.lag(), Some(0));
        lab.must_be("users on the standby then", reader.count(USERS).await?, 10_u64);

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
        let slow = link.delay(ONE_WAY);
        let report = report(&writer).await?;
        lab.key_figure("write lag", report.write_lag.unwrap_or_default());
        lab.measure("flush lag", report.flush_lag.unwrap_or_default());
        lab.measure("replay lag", report.replay_lag.unwrap_or_default());
        let round_trip = report.write_lag >= Some(2 * ONE_WAY);
        let far = lab.must_be("is the write lag at least 40 ms", round_trip, true);
        slow.heal();
        let last = wait_for_no_lag(&writer, "standby1").await?;
        lab.must_be("bytes of lag once it is healed", last.lag(), Some(0));
        lab.must_be("users on the standby", reader.count(USERS).await?, 20_u64);

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

const REACHED: &str = "written, flushed, replayed by the standby";
const ONE_WAY: Duration = Duration::from_millis(20);

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
