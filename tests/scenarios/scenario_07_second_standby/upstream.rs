//! The upstream of a standby: another standby, or a new primary. Nothing here rebuilds a standby.

use std::time::Instant;

use replication_lab::catchup::{wait_for_no_lag, wait_for_streaming};
use replication_lab::conf::conninfo;
use replication_lab::wal::Lsn;
use replication_lab::{Cluster, Direction, Result, Session, Shutdown, Standby, Topology, stat};
use rstest::{Context, rstest};

use crate::steps::shop::{ORDERS, shop};
use crate::steps::slot::wait_for_slot;
use crate::steps::wal::REPLAYED;
use crate::support::{Lab, scenario};

const RECEIVER: &str = "SELECT pid FROM pg_stat_wal_receiver";
const HIDDEN: &str = "SELECT conninfo LIKE '%password=********%' FROM pg_stat_wal_receiver";
const TIMELINE: &str = "SELECT received_tli FROM pg_stat_wal_receiver";

/// A standby of a standby has what that has, and no more.
///
/// Method: a chain of three; cut the link of the first, write, look at the second; heal.
#[rstest]
fn cascade(#[context] test: Context) {
    let about = "A standby of a standby has what that has, and no more";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A chain: the second standby follows the first");
        let chain = Topology::pair().standby(Standby::new("standby2").following("standby1"));
        let cluster = lab.start(chain).await?;
        let writer = cluster.primary().session().await?;
        let first = cluster.node("standby1")?.session().await?;
        let second = cluster.node("standby2")?.session().await?;
        shop(&writer, 100).await?;
        wait_for_no_lag(&first, "standby2").await?;
        let seen = [followers(&writer).await?, followers(&first).await?];
        lab.must_be("who follows the primary, who the first", seen, ["standby1", "standby2"]);
        let process = receiver(&second).await?;

        lab.step("The first is cut off, and orders come in");
        let link = cluster.link("standby1")?;
        let (cut, before) = (link.cut(), link.bytes(Direction::ToStandby));
        wait_for_no_lag(&first, "standby2").await?;
        let (stood, rows) = (position(&second).await?, lab.scaled(1_000));
        writer.run(&format!("SELECT place_orders({rows})")).await?;
        let (all, some) = (200 + rows, 200);
        let seen =
            [writer.count(ORDERS).await?, first.count(ORDERS).await?, second.count(ORDERS).await?];
        let stale = lab.must_be("orders on each of the three", seen, [all, some, some]);
        let still = position(&second).await? == stood;
        let still = lab.must_be("does the second stand where it stood", still, true);
        let bytes = link.bytes(Direction::ToStandby) - before;
        lab.must_be("bytes that passed to the first", bytes, 0_u64);

        lab.step("The link is healed");
        let healed = Instant::now();
        cut.heal();
        wait_for_no_lag(&writer, "standby1").await?;
        lab.measure("until the first had everything", healed.elapsed());
        wait_for_no_lag(&first, "standby2").await?;
        lab.key_figure("until the second had everything", healed.elapsed());
        let seen =
            [writer.count(ORDERS).await?, first.count(ORDERS).await?, second.count(ORDERS).await?];
        let whole = lab.must_be("orders on each of the three", seen, [all; 3]);
        let same = receiver(&second).await? == process;
        let same = lab.must_be("has the second still the same walreceiver", same, true);

        lab.learn(
            "When the first is cut off, the second goes no further either, and notices nothing.",
            [&stale, &still, &same],
        );
        lab.learn("Both catch up by themselves.", [&whole]);
        Ok(())
    });
}

/// A standby connects in another way, and to another primary, by a reload: no rebuild, no restart.
///
/// Method: change `primary_conninfo` and `primary_slot_name`, and reload; stop the primary, promote the
/// first standby, lead the second one's link there, so that the address stays; change the slot again.
#[rstest]
fn reconfigure(#[context] test: Context) {
    let about = "A standby follows a new primary to its timeline by a reload, without a rebuild";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("Two standbys of one primary");
        let cluster = lab.start(Topology::pair().standby("standby2")).await?;
        let (primary, second) = (cluster.primary(), cluster.node("standby2")?);
        let (writer, reader) = (primary.session().await?, second.session().await?);
        shop(&writer, 100).await?;
        cluster.wait_for_catchup("standby2").await?;
        let postmaster = second.postmaster().await?;

        lab.step("The second has another name and another slot from now on");
        writer.run("SELECT pg_create_physical_replication_slot('reporting', true)").await?;
        second.session_unrecorded().await?.run(&renamed(&cluster, "reporting")?).await?;
        reader.run("ALTER SYSTEM SET primary_slot_name = 'reporting'").await?;
        second.reload().await?;
        wait_for_streaming(&writer, &["reporting", "standby1"]).await?;
        let seen = [
            wait_for_slot(&writer, "reporting", true).await?.active,
            wait_for_slot(&writer, "standby2", false).await?.active,
        ];
        let slots = lab.must_be("are its new and its old slot active", seen, [true, false]);
        let told = second.wait_for_log("terminating walreceiver process").await?;
        let told = lab.fact("what it says", told);
        let same = second.postmaster().await? == postmaster;
        let reloaded = lab.must_be("is it still the same postmaster", same, true);
        let hidden: bool = reader.value(HIDDEN).await?;
        let hidden = lab.must_be("does the view hide the password", hidden, true);

        lab.step("The primary stops, and the first standby is promoted");
        primary.stop(Shutdown::Fast).await?;
        let first = cluster.node("standby1")?;
        first.promote().await?;
        cluster.repoint("standby2", "standby1").await?;
        let missing = second.wait_for_log("\"reporting\" does not exist").await?;
        let missing = lab.fact("what the second says of the new primary", missing);

        lab.step("The second uses the slot that was made there");
        let began = Instant::now();
        reader.run("ALTER SYSTEM SET primary_slot_name = 'standby2'").await?;
        second.reload().await?;
        let on_new = first.session().await?;
        on_new.run("SELECT place_orders(10)").await?;
        wait_for_no_lag(&on_new, "reporting").await?;
        lab.key_figure("until it had everything", began.elapsed());
        let timeline: i32 = reader.value(TIMELINE).await?;
        let timeline = timeline.unsigned_abs();
        let follows = lab.must_be("timeline that it receives", timeline, 2_u32);
        let seen = [on_new.count(ORDERS).await?, reader.count(ORDERS).await?];
        let whole = lab.must_be("orders on the new primary, on the second", seen, [210, 210]);
        let same = second.postmaster().await? == postmaster;
        let never = lab.must_be("is it still the same postmaster", same, true);

        lab.learn(
            "primary_conninfo and primary_slot_name change by a reload: only the walreceiver ends and \
             comes again.",
            [&told, &slots, &reloaded],
        );
        lab.learn("pg_stat_wal_receiver shows how it connects, without the password.", [&hidden]);
        lab.learn("Slots do not come with a promotion: make them on the new primary.", [&missing]);
        lab.learn(
            "A standby that is not past the fork follows the new primary to its timeline, without a \
             rebuild and without a restart.",
            [&follows, &whole, &never],
        );
        Ok(())
    });
}

/// What makes `standby2` connect under this name.
fn renamed(cluster: &Cluster, name: &str) -> Result<String> {
    let source = cluster.source("standby2")?;
    let own = conninfo(&[("password", source.password.as_str()), ("application_name", name)]);
    Ok(format!("ALTER SYSTEM SET primary_conninfo = '{} {own}'", source.conninfo()))
}

async fn position(session: &Session) -> Result<Lsn> {
    session.value(REPLAYED).await
}

async fn receiver(session: &Session) -> Result<i32> {
    session.value(RECEIVER).await
}

/// Who follows the server of this session.
async fn followers(upstream: &Session) -> Result<String> {
    let rows = stat::replication(upstream).await?;
    Ok(rows.into_iter().map(|row| row.application_name).collect())
}
