//! The ten scenarios, one folder each: `cargo test scenario_04` runs exactly one of them. The program
//! `lab-scenarios` (program.rs) has the same exercises, for `lab run` outside of a checkout.
//!
//! A folder has the scenario's tests and the steps that only they use; `steps` has what several
//! scenarios share, and `support` the frame of every test. No scenario uses another one's steps.

#![expect(clippy::similar_names, reason = "an exercise compares pairs, such as reader and writer")]

mod scenario_01_replication_lag;
mod scenario_02_read_distribution;
mod scenario_03_read_only;
mod scenario_04_manual_failover;
mod scenario_05_network_interruption;
mod scenario_06_heavy_write_load;
mod scenario_07_second_standby;
mod scenario_08_synchronous_replication;
mod scenario_09_replication_monitoring;
mod scenario_10_disaster_recovery_drill;
mod steps;
mod support;
