//! Scenario 06: heavy write load. How far a standby falls behind while the primary writes as fast as it
//! can, what standbys cost the primary, and what a change of a row costs in WAL.
//!
//! For those who come from `MySQL`: a standby does not execute statements or row events again. One
//! process, the startup process, applies changes of pages from the WAL: a whole page for the first change
//! of that page after a checkpoint, and only what changed for later ones.
//!
//! Its tests are in `under_load` and `cost`, its own steps in `load`.

mod cost;
mod load;
mod under_load;
