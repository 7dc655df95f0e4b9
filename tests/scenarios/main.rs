//! The ten scenarios, one module each: `cargo test scenario_04` runs exactly one of them.

mod alerts;
mod interruption;
mod monitoring;
mod repeat;
mod scenario_01_replication_lag;
mod scenario_02_read_distribution;
mod scenario_03_read_only;
mod scenario_04_manual_failover;
mod scenario_05_network_interruption;
mod scenario_09_replication_monitoring;
mod split_brain;
mod statements;
mod support;
mod watch;
