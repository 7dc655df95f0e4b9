//! The pair whose link is interrupted: its settings, the bytes that passed, the orders on both servers.
//! Nothing here interrupts the link.

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::drift::drift;
use replication_lab::record::Reading;
use replication_lab::{Cluster, Direction, Link, Proof, Result, Session, Topology};

use crate::support::Lab;

/// Both ends of a replication connection give up after two seconds without a word.
pub(super) fn impatient(topology: Topology) -> Topology {
    topology.set("wal_sender_timeout", "2s").set("wal_receiver_timeout", "2s")
}

/// The bytes that passed a link, both ways.
pub(super) fn passed(link: &Link) -> u64 {
    link.bytes(Direction::ToStandby) + link.bytes(Direction::ToUpstream)
}

pub(super) fn most(bytes: Option<u64>) -> Reading {
    Reading::Bytes(bytes.unwrap_or(0))
}

pub(super) async fn same_orders(lab: &Lab, pair: &Cluster, writer: &Session) -> Result<Proof> {
    let reader = pair.standby()?.session().await?;
    wait_for_no_lag(writer, "standby1").await?;
    let differ = drift(writer, &reader, "orders", "id").await?.rows() as u64;
    Ok(lab.must_be("orders that differ", differ, 0_u64))
}
