//! The report's workbook as the program contains it: the files beside the scenarios, as they were
//! when it was built. No exercise is named here, and no file is read when the program runs.

use crate::error::Result;
use crate::report::Workbook;

/// The files below `tests/scenarios`, with their text.
macro_rules! parts {
    ($($file:literal),+ $(,)?) => {
        [$(($file, include_str!(concat!("../../tests/scenarios/", $file)))),+]
    };
}

const PARTS: [(&str, &str); 12] = parts![
    "notebook.md",
    "workbook.toml",
    "scenario_01_replication_lag/workbook.toml",
    "scenario_02_read_distribution/workbook.toml",
    "scenario_03_read_only/workbook.toml",
    "scenario_04_manual_failover/workbook.toml",
    "scenario_05_network_interruption/workbook.toml",
    "scenario_06_heavy_write_load/workbook.toml",
    "scenario_07_second_standby/workbook.toml",
    "scenario_08_synchronous_replication/workbook.toml",
    "scenario_09_replication_monitoring/workbook.toml",
    "scenario_10_disaster_recovery_drill/workbook.toml",
];

/// Reads the workbook that the program was built with.
pub(super) fn read() -> Result<Workbook> {
    Workbook::read(&PARTS)
}
