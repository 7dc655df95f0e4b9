//! Scenario 10: the disaster recovery drill. The primary's server crashes under load; a health check
//! reports it, the old primary is fenced, the standby is promoted, clients connect to it, and the old
//! primary becomes its standby. And the accident that a standby repeats: a table is dropped.
//!
//! For those who come from `MySQL`: point-in-time recovery there applies binary logs to a restored dump.
//! PostgreSQL replays WAL onto a physical base backup, and stops at the recovery target.
//!
//! Its tests are in `outage` and `accident`, its own steps in `drill`.

mod accident;
mod drill;
mod outage;
