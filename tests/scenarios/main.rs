//! The ten scenarios, one module each: `cargo test scenario_04` runs exactly one of them.

mod alerts;
mod commits;
mod crash;
mod drill;
mod interruption;
mod load;
mod monitoring;
mod more_standbys;
mod reads;
mod repeat;
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
mod shop;
mod split_brain;
mod statements;
mod support;
mod sync_rules;
mod watch;
