//! Scenario 04: manual failover. What a promotion does, and what it leaves to the person who
//! promotes.
//!
//! For those who come from `MySQL`: PostgreSQL counts promotions. The *timeline* in every WAL file's
//! name is that count, and the timeline's history file names its parent, the position of the fork and
//! the reason. A GTID identifies a transaction; a timeline identifies a history.
//!
//! Its tests are in `promotion`, `clients`, `held_promotion`, `two_standbys`, `divergence`, `rewind` and
//! `price`, its own steps in `lead`, `split_brain`, `sizes`, `unreplayed`, `way` and `wal_of_the_target`.

mod clients;
mod divergence;
mod held_promotion;
mod lead;
mod price;
mod promotion;
mod rewind;
mod sizes;
mod split_brain;
mod two_standbys;
mod unreplayed;
mod wal_of_the_target;
mod way;
