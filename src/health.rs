//! Judges the health of a server's replication: one judgement for the scenarios, for `lab check` and for
//! the disaster recovery drill.
//!
//! ```text
//!   observe.rs ─▶ Observation ─▶ judge.rs ─▶ Finding
//!   queries a     observation.rs  │  pure     finding.rs
//!   server                        ├ judge/ by subject: standbys, commits, slots, logical, …
//!                                 ├ pattern.rs: the names that a caller leaves out
//!                                 └ synchronous.rs: how many standbys must confirm a commit
//! ```

pub(crate) mod finding;
mod judge;
mod observation;
mod observe;
mod pattern;
mod synchronous;
#[cfg(test)]
mod tests;

pub use self::finding::{Expected, Figure, Finding, Levels, Severity, Thresholds, Unit, worst};
pub use self::judge::judge;
pub use self::observation::{Archiver, Commits, End, Observation, Receiver, Replay, Subscription};
pub use self::observe::{end, observe};
pub use self::pattern::Pattern;
