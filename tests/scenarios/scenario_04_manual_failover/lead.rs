//! Two standbys of one primary, of which one has received more and the other has replayed more, and the
//! positions that tell them apart. Nothing here chooses the one to promote.

use std::fmt::Display;

use replication_lab::catchup::wait_for_catchup;
use replication_lab::record::Reading;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{Cluster, Fault, Node, Proof, Result, Session, stat};

use crate::steps::crash::must_have_crashed;
use crate::steps::shop::ORDERS;
use crate::steps::wal::{REPLAYED, WRITTEN};
use crate::support::Lab;

const RECEIVED: &str = "SELECT pg_last_wal_receive_lsn()";
const RECEIVED_TIMELINE: &str = "SELECT received_tli FROM pg_stat_wal_receiver";

/// Orders that both standbys have replayed.
pub(super) const BOTH: u64 = 200;
/// Orders that `standby1` has received and `standby2` has replayed.
pub(super) const EARLY: u64 = 10;
/// Orders that only `standby1` has received.
pub(super) const LATE: u64 = 40;

/// Leaves `standby1` with replay paused, and `standby2` behind a cut: `standby2` has replayed the early
/// orders and has none of the late ones, `standby1` has received all and has replayed none. Returns the
/// cut, and the end of the WAL of all these orders.
pub(super) async fn leave_apart(cluster: &Cluster) -> Result<(Fault, Lsn)> {
    let writer = cluster.primary().session().await?;
    let [first, second] = readers(cluster).await?;
    wait_for_catchup(&writer, &first).await?;
    first.run("SELECT pg_wal_replay_pause()").await?;
    writer.run(&format!("SELECT place_orders({EARLY})")).await?;
    wait_for_catchup(&writer, &second).await?;
    let cut = cluster.link("standby2")?.cut();
    writer.run(&format!("SELECT place_orders({LATE})")).await?;
    Ok((cut, wait_for_flush(&writer, "standby1").await?))
}

/// Opens a session on each standby.
pub(super) async fn readers(cluster: &Cluster) -> Result<[Session; 2]> {
    Ok([cluster.node("standby1")?.session().await?, cluster.node("standby2")?.session().await?])
}

/// Promotes a standby with `pg_ctl`. The session that calls `pg_promote()` has a snapshot while it waits:
/// replay that is still to come can conflict with it, and then waits for it or cancels it.
pub(super) async fn promote_with_pg_ctl(standby: &Node) -> Result<()> {
    standby.run("pg_ctl promote -D \"$PGDATA\"").await?;
    wait_for_end_of_recovery(&standby.session_unrecorded().await?).await
}

/// Waits until a standby that is promoted is a primary.
pub(super) async fn wait_for_end_of_recovery(looker: &Session) -> Result<()> {
    until("the server is not in recovery", PATIENCE, || async {
        let recovers: bool = looker.value("SELECT pg_is_in_recovery()").await?;
        Ok(if recovers { Seen::NotYet("it is".to_owned()) } else { Seen::Done(()) })
    })
    .await
}

/// Waits until a standby has reported that it has flushed all WAL that the primary has written so far, and
/// returns the end of that WAL. What a standby has received can end within a record; this does not.
pub(super) async fn wait_for_flush(primary: &Session, standby: &str) -> Result<Lsn> {
    let written: Lsn = primary.value(WRITTEN).await?;
    until(&format!("{standby} has flushed {written}"), PATIENCE, || async {
        Ok(match stat::replication_to(primary, standby).await? {
            Some(row) if row.flush_lsn >= Some(written) => Seen::Done(written),
            seen => Seen::NotYet(format!("in pg_stat_replication: {seen:?}")),
        })
    })
    .await
}

/// Crashes the primary; notes and asserts which standby has received more, and which one has replayed
/// more.
pub(super) async fn crash_and_compare(lab: &Lab, cluster: &Cluster) -> Result<[Proof; 2]> {
    cluster.primary().crash().await?;
    must_have_crashed(lab, cluster.primary(), "in production").await?;
    let readers = readers(cluster).await?;
    let [first, second] = positions(&readers, RECEIVED).await?;
    let seen = further([first, second]);
    let received = lab.must_be("standby that has received more WAL", seen, "standby1");
    let more = Reading::Bytes(bytes_between(second, first));
    lab.key_figure("WAL that standby1 has received and standby2 has not", more);
    let [first, second] = positions(&readers, REPLAYED).await?;
    let seen = further([first, second]);
    let replayed = lab.must_be("standby that has replayed more WAL", seen, "standby2");
    let more = Reading::Bytes(bytes_between(first, second));
    lab.key_figure("WAL that standby2 has replayed and standby1 has not", more);
    Ok([received, replayed])
}

/// Returns the orders that both standbys show, by server.
pub(super) async fn orders([first, second]: &[Session; 2]) -> Result<String> {
    Ok(on_each(first.count(ORDERS).await?, second.count(ORDERS).await?))
}

/// Returns a value of each standby, by server.
pub(super) fn on_each(first: impl Display, second: impl Display) -> String {
    format!("standby1: {first}, standby2: {second}")
}

/// Returns the timeline of the WAL that a standby receives.
pub(super) async fn received_timeline(reader: &Session) -> Result<u32> {
    Ok(reader.value::<i32>(RECEIVED_TIMELINE).await?.unsigned_abs())
}

async fn positions([first, second]: &[Session; 2], sql: &str) -> Result<[Lsn; 2]> {
    Ok([first.value(sql).await?, second.value(sql).await?])
}

/// Returns the standby whose position is further.
fn further([first, second]: [Lsn; 2]) -> &'static str {
    match first.cmp(&second) {
        std::cmp::Ordering::Less => "standby2",
        std::cmp::Ordering::Equal => "neither",
        std::cmp::Ordering::Greater => "standby1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standby_whose_position_is_further_is_named() {
        let named = |first: u64, second: u64| further([Lsn::from(first), Lsn::from(second)]);
        assert_eq!([named(2, 1), named(1, 2), named(1, 1)], ["standby1", "standby2", "neither"]);
    }
}
