//! Scenario 08: synchronous replication. What a commit waits for, who counts as having it, what happens
//! when nobody does, and what it buys: no acknowledged commit is lost with the primary.
//!
//! For those who come from `MySQL`: semi-synchronous replication goes on without its replica after a
//! timeout. Here a commit waits until somebody confirms or somebody intervenes, and what is to be
//! confirmed, receipt or replay, is for each session to say: `synchronous_commit`.
//!
//! Its tests are in `levels`, `absence`, `candidates` and `crashes`, its own steps in `commits`,
//! `pair` and `sync_rules`.

mod absence;
mod candidates;
mod commits;
mod crashes;
mod levels;
mod pair;
mod sync_rules;
