//! Scenario 07: adding a second standby, while the primary takes writes; standbys of standbys, a new
//! upstream without a rebuild, and why a dump is no standby.
//!
//! For those who come from `MySQL`: a replica there may begin with a dump, at a position that was noted.
//! A standby is a copy of the files, with the primary's system identifier (`pg_basebackup`); what
//! `mysqldump` and `pg_dump` give has the same rows, and cannot stream.
//!
//! Its tests are in `adding` and `upstream`, its own steps in `more_standbys`.

mod adding;
mod more_standbys;
mod upstream;
