//! Scenario 04: manual failover. What a promotion does, and what it leaves to the person who
//! promotes.
//!
//! For those who come from `MySQL`: PostgreSQL counts promotions. The *timeline* in every WAL file's
//! name is that count, and its history file says where it branched off and why. A GTID identifies
//! a transaction; a timeline identifies a history.
//!
//! Its tests are in `promotion`, `divergence` and `rewind`, its own steps in `split_brain`.

mod divergence;
mod promotion;
mod rewind;
mod split_brain;
