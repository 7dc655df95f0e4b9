//! Scenario 08: synchronous replication. What a commit waits for, which standbys must confirm it, what
//! happens while they are missing, and what it buys: no acknowledged commit is lost with the primary.
//!
//! For those who come from `MySQL`: semi-synchronous replication continues without its replica after a
//! timeout. Here a commit waits until enough standbys confirm it, or until an administrator intervenes.
//! Each session chooses what is confirmed, the write, the flush or the replay: `synchronous_commit`.
//!
//! Its tests are in `levels`, `durability`, `absence`, `candidates` and `crashes`, its own steps in
//! `commits`, `pair`, `sync_rules` and `unflushable`.

mod absence;
mod candidates;
mod commits;
mod crashes;
mod durability;
mod levels;
mod pair;
mod sync_rules;
mod unflushable;
