//! For how long WAL has waited for a standby, as its upstream sees it. It never compares with a level.

use std::time::Duration;

use crate::stat::rows::Replication;
use crate::wal::Lsn;

/// Returns for how long WAL has waited to reach this position of a standby; zero where nothing waits, and
/// null where the standby has reported no position.
///
/// The upstream measures the lag when a report arrives, so the time since the last report is added. A
/// client that is silent for longer than `wal_sender_timeout` is disconnected: a greater time comes from
/// clocks that differ, because the client's clock dates its reports.
pub(super) fn behind(
    row: &Replication,
    position: Option<Lsn>,
    lag: Option<Duration>,
    sender_timeout: Duration,
) -> Option<Duration> {
    if position? >= row.own_lsn? {
        return Some(Duration::ZERO);
    }
    let silence = row.since_reply?;
    let silence = if sender_timeout.is_zero() { silence } else { silence.min(sender_timeout) };
    Some(lag.unwrap_or_default() + silence)
}
