//! Scenario 06: heavy write load. How far a standby falls behind while the primary writes as fast as it
//! can, what standbys cost the primary, what a change of a row costs in WAL, and which settings change
//! that.
//!
//! For those who come from `MySQL`: a standby does not execute statements or row events again. One
//! process, the startup process, applies changes of pages from the WAL: a whole page for the first change
//! of that page after a checkpoint, and only what changed for later ones.
//!
//! Its tests are in `under_load`, `cost` and `tuning`, its own steps in `load` and `wal_settings`.

mod cost;
mod load;
mod tuning;
mod under_load;
mod wal_settings;
