//! Replication slots: waits until a standby uses a slot, or has stopped using it. It never creates or
//! drops a slot.

use replication_lab::stat::{self, Slot};
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Result, Session};

/// Waits until somebody uses a slot, or nobody does any more.
pub(crate) async fn wait_for_slot(upstream: &Session, name: &str, active: bool) -> Result<Slot> {
    until("the slot is what it should be", PATIENCE, || async {
        let slot = stat::slot(upstream, name).await?;
        let other = Seen::NotYet(format!("{slot:?}"));
        Ok(if slot.active == active { Seen::Done(slot) } else { other })
    })
    .await
}
