//! The lab's own guarantees: nothing is left behind, errors say what to do, and the architecture is
//! as ARCHITECTURE.md says. Tests that need servers run on the chosen host, like the scenarios.

mod acts;
mod beside;
mod check;
mod cleanup;
mod edges;
mod errors;
mod faults;
#[cfg(feature = "container")]
mod images;
mod installed;
mod invariants;
mod journal;
mod monitoring;
mod outcome;
mod program;
mod proxies;
mod report;
mod roles;
mod sandbox;
mod settings;
mod shapes;
mod support;
mod traces;
mod waits;
mod words;
mod workbook;
