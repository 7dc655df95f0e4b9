//! Two new orders, A and B, as a server shows them, and the wait of a commit for a standby. Nothing here
//! asserts.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Result, Session};

/// The new orders that a server shows: the one of 1001 pieces is A, the one of 1002 is B.
pub(super) const ORDERS_SEEN: &str = "SELECT coalesce(string_agg(CASE amount WHEN 1001 THEN 'A' ELSE 'B' END, \
     ', ' ORDER BY amount), 'none') FROM orders WHERE amount IN (1001, 1002)";

/// Waits until a server shows these new orders, and returns them.
pub(super) async fn wait_for_orders(session: &Session, orders: &str) -> Result<String> {
    until(&format!("the server shows {orders}"), PATIENCE, || async {
        let seen: String = session.value(ORDERS_SEEN).await?;
        Ok(if seen == orders { Seen::Done(seen) } else { Seen::NotYet(seen) })
    })
    .await
}

/// Waits until a commit waits for a standby, and returns its wait event.
pub(super) async fn wait_for_sync_rep(looker: &Session) -> Result<String> {
    const SQL: &str = "SELECT wait_event_type || ': ' || wait_event FROM pg_stat_activity \
                       WHERE wait_event = 'SyncRep'";
    until("a commit waits for a standby", PATIENCE, || async {
        let waiting = looker.rows(SQL).await?;
        let none = Seen::NotYet("no session waits for a standby".to_owned());
        Ok(waiting.first().map_or(none, |row| Seen::Done(row.get(0))))
    })
    .await
}
