//! Scenario 05: network interruption. What each end of a replication connection notices when the network
//! between them fails, which WAL the primary retains meanwhile, and what brings the standby back.
//!
//! For readers who know `MySQL`: a standby of PostgreSQL needs no `START SLAVE` after an interruption. Its
//! walreceiver connects again by itself, and goes on where it stopped while the primary has the WAL.
//!
//! Its tests are in `retention` and `faults`, its own steps in `interruption`, `pair` and `archive`.

mod archive;
mod faults;
mod interruption;
mod pair;
mod retention;
