//! Scenario 09: replication monitoring. Queries to keep, thresholds with every alert raised and cleared,
//! blind spots of the usual checks, and a health check for any server.
//!
//! For those who come from `MySQL`: there is no `SHOW REPLICA STATUS` with everything in it. A primary
//! shows its standbys, a standby shows its upstream, and a slot shows the WAL that it retains for a standby
//! that is away: each has what the others lack.
//!
//! Its tests are in `views`, `inventory`, `each_alert` and `misleading`; its own steps in `judges` (both judgements),
//! `causes` (what raises each alert) and `questions` (queries with one line for an answer).

mod causes;
mod each_alert;
mod inventory;
mod judges;
mod misleading;
mod questions;
mod views;
