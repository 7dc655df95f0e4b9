//! Scenario 03: the statements that a standby accepts and refuses, and the queries that replay cancels.
//!
//! For readers who know `MySQL`: there `read_only` is a setting, and a superuser can write all the same.
//! A standby of PostgreSQL is in recovery and refuses writes of every role. `MySQL` starts replication by
//! statements, `CHANGE MASTER` and `START SLAVE`; PostgreSQL by the file `standby.signal` and the setting
//! `primary_conninfo`, which `pg_basebackup -R` writes.
//!
//! Its tests are in `writes`, `mode`, `vacuum` and `cancelled`, its own steps in `statements` and
//! `queries`.

mod cancelled;
mod mode;
mod queries;
mod statements;
mod vacuum;
mod writes;
