//! Judges the health of a server's replication: one judgement for the scenarios, for `lab check` and for
//! the disaster recovery drill.
//!
//! ```text
//!   observe.rs ─▶ Observation ─▶ judge.rs ─▶ Finding
//!   queries a     observation.rs  │  pure     finding.rs
//!   server                        └ synchronous.rs: how many standbys must confirm a commit
//! ```

pub(crate) mod finding;
mod judge;
mod observation;
mod observe;
mod synchronous;
#[cfg(test)]
mod tests;

pub use self::finding::{Expected, Figure, Finding, Levels, Severity, Thresholds, Unit, worst};
pub use self::judge::judge;
pub use self::observation::{Archiver, Observation, Receiver, Replay};
pub use self::observe::observe;
