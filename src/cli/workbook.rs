//! The report's workbook as the program contains it: the files beside the scenarios, as they were
//! when it was built. No exercise is named here, and no file is read when the program runs.

use crate::error::Result;
use crate::report::Workbook;

/// Files below a directory, with their text.
macro_rules! texts {
    ($directory:literal: $($file:literal),+ $(,)?) => {
        [$(($file, include_str!(concat!($directory, $file)))),+]
    };
}

/// The files of the workbook, by their path below `tests/scenarios`.
const PARTS: [(&str, &str); 12] = texts!["../../tests/scenarios/":
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

/// The files that exercises run, by their path in the repository.
const FILES: [(&str, &str); 11] = texts!["../../":
    "fixtures/sql/shop.sql",
    "fixtures/sql/replication_health.sql",
    "fixtures/sql/drift_old.sql",
    "fixtures/sql/drift_new.sql",
    "fixtures/sql/wal_cost.sql",
    "fixtures/sql/monitoring/alerts.sql",
    "fixtures/sql/monitoring/dashboard.sql",
    "fixtures/sql/monitoring/history.sql",
    "fixtures/sql/monitoring/slots.sql",
    "fixtures/sql/monitoring/standby.sql",
    "fixtures/sql/monitoring/wal.sql",
];

/// Reads the workbook that the program was built with.
pub(super) fn read() -> Result<Workbook> {
    Ok(Workbook::read(&PARTS)?.with_files(&FILES))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::read;

    /// The program has the text of every file that a page runs.
    #[test]
    fn every_file_that_a_page_runs_is_there() {
        let workbook = read().unwrap_or_else(|error| panic!("{error}"));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots");
        let pages = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
        let pages = pages.filter_map(|page| std::fs::read_to_string(page.ok()?.path()).ok());
        let mut ran = 0;
        for page in pages {
            for path in page.lines().filter_map(|line| line.split_once(r"=# \i ").map(|it| it.1)) {
                ran += 1;
                assert!(workbook.files().any(|file| file == path), "{path}");
            }
        }
        assert!(ran > 50, "no page was read");
    }
}
