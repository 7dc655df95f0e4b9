//! The blanks of the scenarios of the intermediate level. It has no figure of its own.

use super::{Grid, List, NONE, Rows, Scenario};

pub(super) const SCENARIOS: [Scenario; 3] = [
    Scenario {
        number: "04",
        title: "Manual failover",
        exercises: &[
            "bulk_drift",
            "clean_rejoin",
            "promote",
            "resolve_rebuild",
            "resolve_rewind",
            "resolve_salvage",
            "rewind_conditions",
            "rewind_too_early",
            "rewind_without_wal",
            "split_brain",
            "timeline",
        ],
        lists: &[
            List {
                title: "Failover metrics",
                blanks: &[
                    (
                        "timeline before (WAL file, control file)",
                        "04@timeline",
                        "timeline of the WAL file and of the control file",
                    ),
                    (
                        "timeline after (WAL file, control file)",
                        "04@timeline",
                        "timeline of the WAL file and of the control file then",
                    ),
                    (
                        "promotion, until a client has written",
                        "04@promote",
                        "from pg_promote() to the first row that a client wrote",
                    ),
                    ("rows kept, of 1000", "04@promote", "rows of 1000 that are there"),
                    ("WAL since the promotion", "04@timeline", "WAL since the promotion"),
                ],
            },
            List {
                title: "Split-brain experience",
                blanks: &[
                    (
                        "rows on the old and on the new primary",
                        "04@split_brain",
                        "rows on the old and on the new primary",
                    ),
                    ("are they the same", "04@split_brain", "are they the same rows"),
                    ("their timelines", "04@split_brain", "timelines of their WAL"),
                    ("the old one told to follow", "04@split_brain", "what its log says"),
                    ("and started once more", "04@split_brain", "what its log says then"),
                ],
            },
        ],
        grids: &[Grid {
            title: "Three ways out of it",
            rows: Rows::Exercises(&[
                ("rebuild", "04@resolve_rebuild"),
                ("pg_rewind", "04@resolve_rewind"),
                ("salvage, then pg_rewind", "04@resolve_salvage"),
            ]),
            columns: &[
                "until it streams",
                "copied over its link",
                "rows of the old primary that are there",
                "rows of the new primary that are there",
                "are all tables the same on both",
            ],
        }],
        ..NONE
    },
    Scenario {
        number: "05",
        title: "Network interruption",
        exercises: &["flapping", "kinds", "with_a_limit", "with_a_slot", "without_a_slot"],
        lists: &[
            List {
                title: "Observations",
                blanks: &[
                    ("WAL accumulated", "05@with_a_slot", "WAL held by the slot"),
                    ("catch-up time", "05@with_a_slot", "until the standby had everything"),
                    ("maximum lag observed", "05@with_a_slot", "peak lag while it was connected"),
                    ("until the primary noticed", "05@with_a_slot", "until the primary noticed"),
                ],
            },
            List {
                title: "What each end makes of it",
                blanks: &[
                    ("cut", "05@kinds", "cut"),
                    ("reset", "05@kinds", "reset"),
                    ("frozen standby", "05@kinds", "frozen standby"),
                    ("slow link", "05@kinds", "slow link"),
                    ("far away", "05@kinds", "far away"),
                    (
                        "nothing reaches the standby",
                        "05@kinds",
                        "one way, nothing reaches the standby",
                    ),
                    (
                        "nothing reaches the primary",
                        "05@kinds",
                        "one way, nothing reaches the primary",
                    ),
                ],
            },
        ],
        grids: &[Grid {
            title: "How long it took",
            rows: Rows::Named {
                exercise: "05@kinds",
                pattern: "{row}: {column}",
                rows: &[
                    "cut",
                    "reset",
                    "frozen standby",
                    "slow link",
                    "far away",
                    "one way, nothing reaches the standby",
                    "one way, nothing reaches the primary",
                ],
            },
            columns: &[
                "noticed by primary after",
                "noticed by standby1 after",
                "the row arrived after",
                "from the heal until no lag",
            ],
        }],
        ..NONE
    },
    Scenario {
        number: "06",
        title: "Heavy write load",
        exercises: &[
            "a_million_rows",
            "cannot_keep_up",
            "pgbench_load_four_clients",
            "pgbench_load_one_client",
            "pgbench_load_sixteen_clients",
            "price_of_replicas",
            "wal_per_row",
        ],
        lists: &[
            List {
                title: "Load test results, with four clients",
                blanks: &[
                    ("transactions per second", "06@pgbench_load_four_clients", "processed"),
                    ("WAL generation rate", "06@pgbench_load_four_clients", "WAL written"),
                    (
                        "standby lag under load, largest",
                        "06@pgbench_load_four_clients",
                        "lag, largest",
                    ),
                ],
            },
            List {
                title: "The price of replicas",
                blanks: &[
                    ("no standby", "06@price_of_replicas", "processed with no standby"),
                    ("one standby", "06@price_of_replicas", "processed with one standby"),
                    ("two standbys", "06@price_of_replicas", "processed with two standbys"),
                ],
            },
            List {
                title: "WAL per row, after a checkpoint",
                blanks: &[
                    (
                        "a row on each page, first change",
                        "06@wal_per_row",
                        "spread, first change of a row",
                    ),
                    (
                        "a row on each page, second change",
                        "06@wal_per_row",
                        "spread, second change of a row",
                    ),
                    (
                        "many rows on each page, first change",
                        "06@wal_per_row",
                        "packed, first change of a row",
                    ),
                    (
                        "many rows on each page, second change",
                        "06@wal_per_row",
                        "packed, second change of a row",
                    ),
                ],
            },
        ],
        grids: &[
            Grid {
                title: "The same load by the number of clients",
                rows: Rows::Exercises(&[
                    ("one", "06@pgbench_load_one_client"),
                    ("four", "06@pgbench_load_four_clients"),
                    ("sixteen", "06@pgbench_load_sixteen_clients"),
                ]),
                columns: &[
                    "processed",
                    "latency of a transaction, average",
                    "WAL written",
                    "lag, mean",
                    "lag, largest",
                    "replay lag, longest",
                    "from the end of the load until all was replayed",
                ],
            },
            Grid {
                title: "Rows in bulk, and a standby that may not replay and then may",
                rows: Rows::Exercises(&[
                    ("a million rows", "06@a_million_rows"),
                    ("held back", "06@cannot_keep_up"),
                ]),
                columns: &["lag, mean", "lag, 95 %", "lag, largest", "replay lag, longest"],
            },
        ],
        ..NONE
    },
];
