//! Scenario 07: adding a second standby while the primary accepts writes; cascading standbys, another
//! upstream without a rebuild, slots across a promotion, why a restored dump cannot stream, and an upgrade
//! by logical replication.
//!
//! For those who come from `MySQL`: a replica there may begin with a dump and the position that it was
//! made at. A PostgreSQL standby is a physical copy with the primary's system identifier
//! (`pg_basebackup`); a restored `pg_dump` has the same rows, and cannot stream.
//!
//! Its tests are in `from_nothing`, `adding`, `upstream`, `logical` and `switchover`, its own steps in
//! `missing_part`, `backup_phases`, `ledger_on_each`, `failover_slot`, `subscription` and `from_standby`.

mod adding;
mod backup_phases;
mod failover_slot;
mod from_nothing;
mod from_standby;
mod ledger_on_each;
mod logical;
mod missing_part;
mod subscription;
mod switchover;
mod upstream;
