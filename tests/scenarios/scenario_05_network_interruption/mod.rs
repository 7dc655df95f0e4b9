//! Scenario 05: network interruption. What the two ends of a replication connection notice when the
//! network between them fails, what the primary keeps meanwhile, and what it takes to be whole again.
//!
//! For those who come from `MySQL`: a standby needs no `START SLAVE` after an interruption. Its
//! walreceiver connects again by itself, and goes on where it stopped, for as long as the WAL is there.
//!
//! Its tests are in `retention` and `faults`, its own steps in `interruption` and `pair`.

mod faults;
mod interruption;
mod pair;
mod retention;
