//! Replication slots: waits until a slot is active or inactive. Nothing here creates or drops a slot.

use replication_lab::stat::{self, Slot};
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Result, Session};

/// Waits until a slot is active, or inactive, and returns it.
pub(crate) async fn wait_for_slot(upstream: &Session, name: &str, active: bool) -> Result<Slot> {
    until(&format!("the slot {name} has active = {active}"), PATIENCE, || async {
        let slot = stat::slot(upstream, name).await?;
        let other = Seen::NotYet(format!("{slot:?}"));
        Ok(if slot.active == active { Seen::Done(slot) } else { other })
    })
    .await
}
