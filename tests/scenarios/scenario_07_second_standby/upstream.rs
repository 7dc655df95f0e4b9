//! The upstream of a standby: another standby, or a new primary. Nothing here rebuilds a standby.

use std::time::Instant;

use macro_rules_attribute::apply;
use replication_lab::catchup::{wait_for_no_lag, wait_for_streaming};
use replication_lab::conf::conninfo;
use replication_lab::record::Reading;
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{Cluster, Direction, Result, Session, Standby, Topology, stat};
use rstest::{Context, rstest};

use crate::steps::shop::{ORDERS, shop};
use crate::steps::shutdown::shut_down;
use crate::steps::slot::wait_for_slot;
use crate::steps::wal::{REPLAYED, WRITTEN};
use crate::support::{Lab, exercise, scenario};

const RECEIVER: &str = "SELECT pid FROM pg_stat_wal_receiver";
const HIDDEN: &str = "SELECT conninfo LIKE '%password=********%' FROM pg_stat_wal_receiver";
const TIMELINE: &str = "SELECT received_tli FROM pg_stat_wal_receiver";

/// A standby that follows another standby gets the WAL that this one has received, and no more.
///
/// Method: a chain of three; cut the link of the first standby, write, compare the second; heal.
#[apply(exercise)]
#[rstest]
fn cascade(#[context] test: Context) {
    let about = "In a cascade the second standby gets what the first one has received: a cut above the first stops both, and both catch up afterwards";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A cascade: standby1 follows the primary, and standby2 follows standby1");
        let chain = Topology::pair().standby(Standby::new("standby2").following("standby1"));
        let cluster = lab.start(chain).await?;
        let writer = cluster.primary().session().await?;
        let first = cluster.node("standby1")?.session().await?;
        let second = cluster.node("standby2")?.session().await?;
        shop(&writer, 100).await?;
        wait_for_no_lag(&first, "standby2").await?;
        let name = "standbys in pg_stat_replication on the primary";
        lab.must_be(name, followers(&writer).await?, "standby1");
        let name = "standbys in pg_stat_replication on standby1";
        lab.must_be(name, followers(&first).await?, "standby2");
        let process = receiver(&second).await?;

        lab.step("The link between the primary and standby1 is cut, and orders come in");
        let link = cluster.link("standby1")?;
        let (cut, before) = (link.cut(), link.bytes(Direction::ToStandby));
        wait_for_no_lag(&first, "standby2").await?;
        let (stood, rows) = (position(&second).await?, lab.scaled(1_000));
        writer.run(&format!("SELECT place_orders({rows})")).await?;
        let all = 200 + rows;
        let seen = orders([&writer, &first, &second]).await?;
        let expected = format!("primary: {all}, standby1: 200, standby2: 200");
        let stale = lab.must_be("orders on each server during the cut", seen, expected);
        let still = position(&second).await? == stood;
        let still = lab.must_be("is the replay position of standby2 unchanged", still, true);
        let bytes = link.bytes(Direction::ToStandby) - before;
        lab.must_be("bytes that passed the link to standby1", bytes, 0_u64);

        lab.step("The link is healed");
        let healed = Instant::now();
        cut.heal();
        wait_for_no_lag(&writer, "standby1").await?;
        lab.measure("from the heal until standby1 had replayed everything", healed.elapsed());
        wait_for_no_lag(&first, "standby2").await?;
        lab.key_figure("from the heal until standby2 had replayed everything", healed.elapsed());
        let seen = orders([&writer, &first, &second]).await?;
        let expected = format!("primary: {all}, standby1: {all}, standby2: {all}");
        let whole = lab.must_be("orders on each server after the heal", seen, expected);
        let same = receiver(&second).await? == process;
        let same = lab.must_be("does standby2 still have the same walreceiver", same, true);

        lab.learn(
            "When the link above the first standby is cut, the second one gets no WAL either; its own \
             connection stays up.",
            [&stale, &still, &same],
        );
        lab.learn("After the heal both catch up without further action.", [&whole]);
        Ok(())
    });
}

/// Each upstream shows the lag of its own standbys, measured from the WAL that it has itself.
///
/// Method: a chain of three; cut the link of the first standby and write; heal; cut the link of the second
/// standby and write. Compare each time what the primary and standby1 show.
#[apply(exercise)]
#[rstest]
fn lags_of_a_cascade(#[context] test: Context) {
    let about = "Lag in a cascade, by its cause: each upstream shows the lag of its own standby, so that a \
                 fault above standby1 is not in the lag that standby1 shows of standby2";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A cascade: standby1 follows the primary, and standby2 follows standby1");
        let chain = Topology::pair().standby(Standby::new("standby2").following("standby1"));
        let cluster = lab.start(chain).await?;
        let writer = cluster.primary().session().await?;
        let first = cluster.node("standby1")?.session().await?;
        let second = cluster.node("standby2")?.session().await?;
        shop(&writer, 100).await?;
        wait_for_no_lag(&first, "standby2").await?;
        let batch = format!("SELECT place_orders({})", lab.scaled(1_000));

        lab.step("The link of standby1 is cut, and orders come in");
        let cut = cluster.link("standby1")?.cut();
        let written = wal_of(&writer, &batch).await?;
        let shown = lag(&writer, "standby1").await?;
        lab.key_figure("lag of standby1 on the primary, its link cut", Reading::Bytes(shown));
        let grows = "is the lag of standby1 on the primary at least the WAL of the orders";
        let grows = lab.must_be(grows, shown >= written, true);
        let shown = wait_for_no_lag(&first, "standby2").await?.lag();
        let hidden = "lag of standby2 on standby1 while the link of standby1 is cut, in bytes";
        let hidden = lab.must_be(hidden, shown, Some(0_u64));
        let behind = bytes_between(position(&second).await?, writer.value(WRITTEN).await?);
        let name = "WAL of the primary that standby2 has not replayed, the link of standby1 cut";
        lab.key_figure(name, Reading::Bytes(behind));
        let whole = "is standby2 behind the primary by at least the WAL of the orders";
        let whole = lab.must_be(whole, behind >= written, true);
        cut.heal();
        wait_for_no_lag(&writer, "standby1").await?;
        wait_for_no_lag(&first, "standby2").await?;

        lab.step("The link of standby2 is cut, and orders come in");
        let cut = cluster.link("standby2")?.cut();
        let written = wal_of(&writer, &batch).await?;
        let shown = wait_for_no_lag(&writer, "standby1").await?.lag();
        let none = "lag of standby1 on the primary while the link of standby2 is cut, in bytes";
        let none = lab.must_be(none, shown, Some(0_u64));
        let shown = lag(&first, "standby2").await?;
        lab.key_figure("lag of standby2 on standby1, its link cut", Reading::Bytes(shown));
        let own = "is the lag of standby2 on standby1 at least the WAL of the orders";
        let own = lab.must_be(own, shown >= written, true);
        let rows = followers(&writer).await?;
        let unseen =
            lab.must_be("standbys in pg_stat_replication on the primary", rows, "standby1");
        cut.heal();
        wait_for_no_lag(&first, "standby2").await?;

        lab.learn(
            "In a cascade each upstream shows the lag of its own standby: standby2 can be behind the \
             primary while standby1 shows 0 bytes for it.",
            [&grows, &hidden, &whole],
        );
        lab.learn(
            "The primary shows nothing of a standby that follows another standby: look at each upstream.",
            [&none, &own, &unseen],
        );
        Ok(())
    });
}

/// A reload is enough to change how a standby connects, and to which slot and primary: no rebuild, no
/// restart.
///
/// Method: change `primary_conninfo` and `primary_slot_name`, and reload; stop the primary, promote the
/// first standby, repoint the second one's link there, so that its address stays; change the slot again.
#[apply(exercise)]
#[rstest]
fn reconfigure(#[context] test: Context) {
    let about = "A reload changes the name and the slot of a standby, and lets it follow a new primary to its timeline, without a restart and without a rebuild";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("Two standbys of one primary");
        let cluster = lab.start(Topology::pair().standby("standby2")).await?;
        let (primary, second) = (cluster.primary(), cluster.node("standby2")?);
        let (writer, reader) = (primary.session().await?, second.session().await?);
        shop(&writer, 100).await?;
        cluster.wait_for_catchup("standby2").await?;
        let postmaster = second.postmaster().await?;

        lab.step("standby2 gets another application_name and another slot, reporting, by a reload");
        writer.run("SELECT pg_create_physical_replication_slot('reporting', true)").await?;
        second.session_unrecorded().await?.run(&renamed(&cluster, "reporting")?).await?;
        reader.run("ALTER SYSTEM SET primary_slot_name = 'reporting'").await?;
        second.reload().await?;
        wait_for_streaming(&writer, &["reporting", "standby1"]).await?;
        let active = wait_for_slot(&writer, "reporting", true).await?.active;
        let new_slot = lab.must_be("is its new slot, reporting, active", active, true);
        let active = wait_for_slot(&writer, "standby2", false).await?.active;
        let old_slot = lab.must_be("is its old slot, standby2, active", active, false);
        let logged = second.wait_for_log("terminating walreceiver process").await?;
        let ended = lab.fact("log of standby2 after the reload", logged);
        let same = second.postmaster().await? == postmaster;
        let reloaded = "does standby2 have the same postmaster after the reload";
        let reloaded = lab.must_be(reloaded, same, true);
        let hidden = "does pg_stat_wal_receiver show stars for the password";
        let hidden = lab.must_be(hidden, reader.value::<bool>(HIDDEN).await?, true);

        lab.step("The primary stops, standby1 is promoted, and standby2 connects to it");
        shut_down(lab, primary).await?;
        let first = cluster.node("standby1")?;
        first.promote().await?;
        cluster.repoint("standby2", "standby1").await?;
        let missing = second.wait_for_log("\"reporting\" does not exist").await?;
        let missing = lab.fact("log of standby2 after the promotion", missing);

        lab.step("standby2 changes to the slot that was created on the new primary, by a reload");
        let began = Instant::now();
        reader.run("ALTER SYSTEM SET primary_slot_name = 'standby2'").await?;
        second.reload().await?;
        let on_new = first.session().await?;
        on_new.run("SELECT place_orders(10)").await?;
        wait_for_no_lag(&on_new, "reporting").await?;
        lab.key_figure("from the change until standby2 had replayed everything", began.elapsed());
        let timeline: i32 = reader.value(TIMELINE).await?;
        let timeline = timeline.unsigned_abs();
        let follows = lab.must_be("timeline that standby2 receives", timeline, 2_u32);
        lab.must_be("orders on the new primary", on_new.count(ORDERS).await?, 210);
        let whole = lab.must_be("orders on standby2", reader.count(ORDERS).await?, 210);
        let same = second.postmaster().await? == postmaster;
        let never = "does standby2 have the same postmaster at the end";
        let never = lab.must_be(never, same, true);

        lab.learn(
            "A reload is enough to change primary_conninfo and primary_slot_name: the walreceiver ends, \
             and a new one connects.",
            [&ended, &new_slot, &old_slot, &reloaded],
        );
        lab.learn(
            "pg_stat_wal_receiver shows the connection string with stars for the password.",
            [&hidden],
        );
        lab.learn(
            "A physical slot of the old primary does not exist on the new one after a promotion: create \
             it there.",
            [&missing],
        );
        lab.learn(
            "A standby without WAL past the fork follows the new primary to its timeline without a \
             rebuild and without a restart.",
            [&follows, &whole, &never],
        );
        Ok(())
    });
}

/// Returns the statement that makes `standby2` connect under this name.
fn renamed(cluster: &Cluster, name: &str) -> Result<String> {
    let source = cluster.source("standby2")?;
    let own = conninfo(&[("password", source.password.as_str()), ("application_name", name)]);
    Ok(format!("ALTER SYSTEM SET primary_conninfo = '{} {own}'", source.conninfo()))
}

/// Runs a statement on the primary, and returns the bytes of WAL that were written meanwhile.
async fn wal_of(writer: &Session, sql: &str) -> Result<u64> {
    let start: Lsn = writer.value(WRITTEN).await?;
    writer.run(sql).await?;
    Ok(bytes_between(start, writer.value(WRITTEN).await?))
}

/// Returns the lag of a standby as its upstream shows it, in bytes.
async fn lag(upstream: &Session, standby: &str) -> Result<u64> {
    let row = stat::replication_to(upstream, standby).await?;
    Ok(row.and_then(|row| row.lag()).unwrap_or_default())
}

async fn position(session: &Session) -> Result<Lsn> {
    session.value(REPLAYED).await
}

async fn receiver(session: &Session) -> Result<i32> {
    session.value(RECEIVER).await
}

/// The orders on the primary and on both standbys, by server.
async fn orders([primary, first, second]: [&Session; 3]) -> Result<String> {
    Ok(format!(
        "primary: {}, standby1: {}, standby2: {}",
        primary.count(ORDERS).await?,
        first.count(ORDERS).await?,
        second.count(ORDERS).await?
    ))
}

/// The names of the standbys that stream from the server of this session.
async fn followers(upstream: &Session) -> Result<String> {
    let rows = stat::replication(upstream).await?;
    Ok(rows.into_iter().map(|row| row.application_name).collect())
}
