//! Scenario 03: what a standby accepts, and what it refuses and how.
//!
//! For those who come from `MySQL`: `read_only` is a setting there, and a superuser writes all the
//! same. A standby of PostgreSQL is in recovery: nobody writes, whatever they are and set. And no
//! statement makes a standby, as `CHANGE MASTER` and `START SLAVE` do: a file, `standby.signal`, and
//! `primary_conninfo` do, which `pg_basebackup -R` writes.
//!
//! Its tests are in `writes`, `mode` and `vacuum`, its own steps in `statements`.

mod mode;
mod statements;
mod vacuum;
mod writes;
