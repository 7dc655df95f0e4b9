//! A standby that becomes a logical subscriber: what `pg_createsubscriber` says, where the version has it,
//! and the wait for rows that come later. What must come of it is the scenario's to say.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Result, ServerMessage, Session};

use crate::steps::shop::ORDERS;

/// Returns how `pg_createsubscriber` ended: its first error, that it is not there, or `done`.
pub(super) fn ending(said: Result<String>) -> String {
    let said = match said {
        Ok(_) => return "done".to_owned(),
        Err(error) => error.output().map_or(format!("{error:?}"), str::to_owned),
    };
    // A shell that does not find the program names it after itself, and each words the rest differently.
    if said.lines().all(|line| line.contains(": pg_createsubscriber: ")) {
        return "the program is not there".to_owned();
    }
    let error = said.lines().find(|line| line.contains("error: "));
    ServerMessage::from_log(error.unwrap_or(&said)).message().to_owned()
}

/// Waits until a server shows this number of orders.
pub(super) async fn wait_for_orders(session: &Session, orders: u64) -> Result<u64> {
    until(&format!("the server shows {orders} orders"), PATIENCE, || async {
        Ok(match session.count(ORDERS).await? {
            all if all == orders => Seen::Done(all),
            seen => Seen::NotYet(format!("{seen} orders")),
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_an_error_is_done() {
        assert_eq!(ending(Ok("pg_createsubscriber: a hint\n".to_owned())), "done");
    }
}
