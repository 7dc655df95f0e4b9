//! The shop of the exercises, filled, and what its writers say of it against what is there. What must
//! come of that is the scenarios' to say.

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::ledger::Verdict;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::workload::FIRST;
use replication_lab::{Result, Session, Writers};

pub(crate) const ORDERS: &str = "SELECT count(*) FROM orders";

/// A shop with a hundred users and two hundred orders, on the primary and on `standby1`.
pub(crate) async fn shop(writer: &Session) -> Result<()> {
    writer.run_file("fixtures/sql/shop.sql").await?;
    writer.run("SELECT fill_shop(100)").await?;
    wait_for_no_lag(writer, "standby1").await.map(drop)
}

pub(crate) async fn wait_for_acks(writers: &Writers, acks: u64) -> Result<()> {
    until(&format!("{acks} orders are acked"), PATIENCE, || async {
        let acked = writers.acked();
        let fewer = Seen::NotYet(format!("{acked} are"));
        Ok(if acked >= acks { Seen::Done(()) } else { fewer })
    })
    .await
}

/// The ids of the writers' orders that are there.
pub(crate) async fn orders(session: &Session) -> Result<Vec<i64>> {
    let rows = session.rows(&format!("SELECT id FROM orders WHERE id >= {FIRST}")).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// How many orders are lost, unexpected, or there twice.
pub(crate) fn odd(verdict: &Verdict) -> [u64; 3] {
    [&verdict.lost, &verdict.unexpected, &verdict.twice].map(|ids| ids.len() as u64)
}
