//! The pair whose link is interrupted: its settings, the bytes that passed, the orders on both servers.
//! Nothing here interrupts the link.

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::drift::drift;
use replication_lab::record::Reading;
use replication_lab::{Cluster, Direction, Link, Proof, Result, Session, Topology};

use crate::support::Lab;

/// Ends a replication connection, on both sides, after two seconds without a message.
pub(super) fn impatient(topology: Topology) -> Topology {
    topology.set("wal_sender_timeout", "2s").set("wal_receiver_timeout", "2s")
}

/// Returns the bytes that passed a link, in both directions.
pub(super) fn passed(link: &Link) -> u64 {
    link.bytes(Direction::ToStandby) + link.bytes(Direction::ToUpstream)
}

/// A number of bytes; 0 where none was seen.
pub(super) fn most(bytes: Option<u64>) -> Reading {
    Reading::Bytes(bytes.unwrap_or(0))
}

/// Waits until the standby has no lag, and asserts that both servers have the same orders.
pub(super) async fn same_orders(lab: &Lab, pair: &Cluster, writer: &Session) -> Result<Proof> {
    let reader = pair.standby()?.session().await?;
    wait_for_no_lag(writer, "standby1").await?;
    let differ = drift(writer, &reader, "orders", "id").await?.rows() as u64;
    Ok(lab.must_be("orders that differ", differ, 0_u64))
}
