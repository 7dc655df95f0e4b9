//! Writers whose primary crashes: a moment at which no write is in progress, the crash, and the orders on
//! the new primary, and what only a crash leaves. Whether an order may be missing there is the scenario's to
//! say.

use std::sync::Arc;

use replication_lab::ledger::{Attempt, Ledger, Outcome, Verdict};
use replication_lab::record::Reading;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::wal::Timeline;
use replication_lab::workload::orders;
use replication_lab::{Cluster, Fault, Node, Result, Session, Topology, Writers};
use tokio_postgres::config::TargetSessionAttrs::ReadWrite;

use crate::steps::reads::SERVER;
use crate::steps::shutdown::STATE;
use crate::support::Lab;

/// The number of writers.
pub(crate) const WRITERS: usize = 4;

/// The exit status of a process that SIGKILL ended: 128 and the number of the signal.
const KILLED: &str = "137";

/// Starts a pair with a shop, and writers that have placed some orders when this returns.
pub(crate) async fn at_work(lab: &Lab, topology: Topology) -> Result<(Arc<Cluster>, Writers)> {
    let pair = lab.start(topology).await?;
    let writer = pair.primary().session().await?;
    writer.run_file("fixtures/sql/shop.sql").await?;
    writer.run("SELECT fill_shop(10)").await?;
    let writers = Writers::start(&pair, WRITERS);
    writers.wait_for_acks(lab.scaled(200)).await?;
    Ok((pair, writers))
}

/// Cuts the link while a lock keeps every writer waiting and the standby has replayed everything. Returns
/// how many orders were acked by then: the standby has all of them, and none that is acked later.
pub(crate) async fn cut_between(pair: &Cluster, writers: &Writers) -> Result<(Fault, u64)> {
    let session = pair.primary().session().await?;
    let looker = pair.primary().session_unrecorded().await?;
    session.run("BEGIN; LOCK TABLE orders IN EXCLUSIVE MODE").await?;
    wait_for_waiting(&looker, "wait_event_type = 'Lock'").await?;
    let acked = writers.acked();
    pair.wait_for_catchup("standby1").await?;
    let cut = pair.link("standby1")?.cut();
    session.run("COMMIT").await?;
    Ok((cut, acked))
}

/// Waits until every writer waits for something, as `pg_stat_activity` shows it.
pub(crate) async fn wait_for_waiting(looker: &Session, what: &str) -> Result<()> {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE {what}");
    until(&format!("all writers show {what}"), PATIENCE, || async {
        let waiting = looker.count(&sql).await?;
        let some = Seen::NotYet(format!("{waiting} do"));
        Ok(if waiting >= WRITERS as u64 { Seen::Done(()) } else { some })
    })
    .await
}

/// Asserts what only a crash leaves: an exit status of SIGKILL, and a control file with the state that the
/// server was in while it ran.
pub(crate) async fn must_have_crashed(lab: &Lab, node: &Node, state: &str) -> Result<()> {
    let name = node.name();
    let status = node.exit_status().await?.unwrap_or_default();
    lab.must_be(&format!("exit status of {name} after its crash"), &status, KILLED);
    let seen = node.control(STATE).await?;
    lab.must_be(&format!("control file of {name}: state after its crash"), &seen, state);
    Ok(())
}

/// Promotes the standby, waits until the writers have placed orders there, and returns their ledger.
pub(crate) async fn take_over(lab: &Lab, pair: &Cluster, writers: Writers) -> Result<Ledger> {
    pair.standby()?.promote().await?;
    writers.wait_for_acks(writers.acked() + lab.scaled(50)).await?;
    let ledger = writers.stop().await?;
    lab.key_figure("orders acked", Reading::Count(ledger.count(Outcome::Acked)));
    lab.measure("longest time without an acked order", ledger.longest_gap());
    Ok(ledger)
}

/// Compares a ledger with the orders on the server that clients reach now, and asserts that the old
/// primary has crashed and is down.
pub(crate) async fn verdict(lab: &Lab, pair: &Cluster, ledger: &Ledger) -> Result<Verdict> {
    let survivor = survivor(lab, pair).await?;
    let answers = pair.primary().session_unrecorded().await.is_ok();
    lab.must_be("does the old primary accept connections", answers, false);
    must_have_crashed(lab, pair.primary(), "in production").await?;
    compared(lab, &survivor, ledger).await
}

/// Opens a session on the server that clients reach now, and asserts that it is the primary of the newest
/// timeline.
pub(crate) async fn survivor(lab: &Lab, pair: &Cluster) -> Result<Session> {
    let client = pair.client(ReadWrite).await?;
    lab.must_be(
        "server that the orders are read from",
        &client.value::<String>(SERVER).await?,
        "standby1",
    );
    let file: String = client.value("SELECT pg_walfile_name(pg_current_wal_lsn())").await?;
    lab.must_be("timeline of that server", Timeline::of_wal_file(&file), Some(Timeline(2)));
    Ok(client)
}

/// Compares a ledger with the orders on a server.
pub(crate) async fn compared(lab: &Lab, there: &Session, ledger: &Ledger) -> Result<Verdict> {
    let verdict = ledger.compare(orders(there).await?);
    lab.measure(
        "orders whose outcome is unknown to their writer",
        Reading::Count(ledger.count(Outcome::Unknown)),
    );
    lab.measure(
        "orders of unknown outcome that the new primary has",
        Reading::Count(verdict.recovered.len() as u64),
    );
    Ok(verdict)
}

/// Returns how many of the orders that were acked before a cut are lost, and how many of those that were
/// acked after it and before the crash are on the new primary.
pub(crate) fn around_the_cut(
    ledger: &Ledger,
    verdict: &Verdict,
    before_cut: u64,
    before_crash: u64,
) -> [u64; 2] {
    let acked = |attempt: &&Attempt| attempt.outcome == Outcome::Acked;
    let acked: Vec<_> = ledger.attempts().iter().filter(acked).map(|attempt| attempt.id).collect();
    let index = |count| usize::try_from(count).unwrap_or(usize::MAX).min(acked.len());
    let (early, rest) = acked.split_at(index(before_cut));
    let late = rest.iter().take(index(before_crash.saturating_sub(before_cut)));
    let is_lost = |id: &&i64| verdict.lost.binary_search(id).is_ok();
    let lost = early.iter().filter(is_lost).count();
    let there = late.filter(|id| !is_lost(id)).count();
    [lost as u64, there as u64]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn orders_are_told_apart_by_the_cut_and_the_crash() {
        let attempt = |id: u64, outcome| {
            let at = Duration::from_millis(id);
            Attempt { id: i64::try_from(id).unwrap_or_default(), at, outcome }
        };
        let acked = [1, 2, 3, 4, 6, 7].map(|id| attempt(id, Outcome::Acked));
        let mut attempts = acked.to_vec();
        attempts.push(attempt(5, Outcome::Unknown));
        let ledger = Ledger::new(attempts);
        let seen = |found: &[i64]| {
            let verdict = ledger.compare(found.iter().copied());
            around_the_cut(&ledger, &verdict, 2, 4)
        };
        assert_eq!(seen(&[1, 2, 6, 7]), [0, 0]);
        assert_eq!(seen(&[2, 4, 7]), [1, 1]);
        assert_eq!(seen(&[]), [2, 0]);
    }
}
