//! A logical slot that is to survive a promotion: its synchronisation to the standby, and what it decodes
//! afterwards. Before PostgreSQL 17 there is no such slot, and these steps return what the server has.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Cluster, Result, Session};

use crate::support::Lab;

/// Creates the slot that is to survive.
pub(super) const CREATE: &str =
    "SELECT pg_create_logical_replication_slot('kept', 'test_decoding', failover => true)";

/// Lists the logical slots of a server.
pub(super) const SLOTS: &str = "SELECT coalesce(string_agg(slot_name, ', ' ORDER BY slot_name), 'none') \
                                FROM pg_replication_slots WHERE slot_type = 'logical'";

const ORDERS: &str = "SELECT count(*) FROM pg_logical_slot_peek_changes('kept', NULL, NULL) \
                      WHERE data LIKE 'table public.orders: INSERT%'";
const SYNCHRONISED: &str = "SELECT count(*) FROM pg_replication_slots \
                            WHERE slot_name = 'kept' AND synced AND NOT temporary";
const CONSUME: &str = "SELECT pg_log_standby_snapshot(); \
                       SELECT pg_replication_slot_advance('kept', pg_current_wal_lsn())";

const RECEIVER: &str = "SELECT (SELECT pid FROM pg_stat_wal_receiver WHERE status = 'streaming')";

/// The first version with slots that are synchronised.
const SINCE: u16 = 17;

/// Adds `dbname` to the standby's `primary_conninfo`, which the synchronisation of slots needs to read the
/// primary's slots, and waits for the walreceiver that uses it: while the standby has none, a primary that
/// stops sends it nothing. Not recorded, because the password is in it.
pub(super) async fn name_a_database(pair: &Cluster) -> Result<()> {
    let (source, standby) = (pair.source("standby1")?, pair.standby()?);
    let own = replication_lab::conf::conninfo(&[
        ("dbname", "postgres"),
        ("password", source.password.as_str()),
    ]);
    let sql = format!("ALTER SYSTEM SET primary_conninfo = '{} {own}'", source.conninfo());
    let reader = standby.session_unrecorded().await?;
    let before: Option<i32> = reader.value(RECEIVER).await?;
    reader.run(&sql).await?;
    standby.reload().await?;
    until("a new walreceiver streams to the standby", PATIENCE, || async {
        Ok(match reader.value::<Option<i32>>(RECEIVER).await? {
            Some(pid) if Some(pid) != before => Seen::Done(()),
            seen => Seen::NotYet(format!("walreceiver {seen:?}, before the reload {before:?}")),
        })
    })
    .await
}

/// Waits until the slot is synchronised to the standby, where the version has that.
///
/// The standby may have removed what the slot needs, and then waits for the slot to move on: so the slot
/// is advanced meanwhile, as a subscriber would advance it.
pub(super) async fn wait_until_synchronised(lab: &Lab, pair: &Cluster) -> Result<()> {
    if lab.major() < SINCE {
        return Ok(());
    }
    let writer = pair.primary().session_unrecorded().await?;
    let reader = pair.standby()?.session_unrecorded().await?;
    until("the standby has synchronised the slot kept", PATIENCE, || async {
        writer.run(CONSUME).await?;
        Ok(match reader.count(SYNCHRONISED).await? {
            0 => Seen::NotYet(reader.value::<String>(SLOTS).await?),
            _ => Seen::Done(()),
        })
    })
    .await
}

/// Returns the number of orders that the slot decodes, or the server's refusal.
pub(super) async fn decoded(session: &Session) -> Result<String> {
    match session.count(ORDERS).await {
        Ok(orders) => Ok(orders.to_string()),
        Err(error) => match error.server_message() {
            Some(message) => Ok(message.to_string()),
            None => Err(error),
        },
    }
}
