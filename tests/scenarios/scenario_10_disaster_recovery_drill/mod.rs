//! Scenario 10: the disaster recovery drill. The primary's server crashes under load; a health check
//! notices, the old primary is fenced, the standby is promoted, clients find it, the old primary
//! returns. And the accident that no standby helps against: a table is dropped.
//!
//! For those who come from `MySQL`: point-in-time recovery there replays binary logs, statement by
//! statement, onto a restored dump. PostgreSQL replays the WAL onto a copy of the files, and stops
//! before the record that one names.
//!
//! Its tests are in `outage` and `accident`, its own steps in `drill`.

mod accident;
mod drill;
mod outage;
