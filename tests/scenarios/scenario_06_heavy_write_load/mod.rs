//! Scenario 06: heavy write load. How far a standby falls behind while the primary writes as fast as it
//! can, what replicas cost it, and what a row costs in WAL.
//!
//! For those who come from `MySQL`: there is no thread of the replica that runs statements again. A
//! standby replays changes of pages in one process, and what it has to do for a row is what is in the
//! WAL: much after a checkpoint, and little later.
//!
//! Its tests are in `under_load` and `cost`, its own steps in `load`.

mod cost;
mod load;
mod under_load;
