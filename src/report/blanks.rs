//! What the learner's notebook asks for, and where a run answers it: the one table to edit when a
//! scenario, an exercise or a figure gets another name. It has no figure of its own.
//!
//! An exercise is written `04@promote`: the scenario's number and the test's name.

use super::ticks::Tick;

/// The title of each level, and how many scenarios it has.
pub(super) const LEVELS: [(&str, usize); 3] =
    [("Beginner level", 3), ("Intermediate level", 3), ("Advanced level", 4)];

/// One scenario of the notebook.
pub(super) struct Scenario {
    pub(super) number: &'static str,
    pub(super) title: &'static str,
    /// Its exercises: the names of its tests. It is completed when all of them passed.
    pub(super) exercises: &'static [&'static str],
    pub(super) lists: &'static [List],
    pub(super) grids: &'static [Grid],
    pub(super) ticks: &'static [(&'static str, &'static [Tick])],
}

/// Blanks below one title: what is asked, the exercise that answers, and the figure or fact there.
pub(super) struct List {
    pub(super) title: &'static str,
    pub(super) blanks: &'static [(&'static str, &'static str, &'static str)],
}

/// A table of figures of the same kind.
pub(super) struct Grid {
    pub(super) title: &'static str,
    pub(super) rows: Rows,
    pub(super) columns: &'static [&'static str],
}

/// What the rows of a grid are.
pub(super) enum Rows {
    /// The steps of an exercise that have such figures.
    Steps(&'static str),
    /// These, in the names of an exercise's figures: `{row}` and `{column}` stand in the pattern.
    Named { exercise: &'static str, pattern: &'static str, rows: &'static [&'static str] },
    /// Several exercises, and what the table calls them.
    Exercises(&'static [(&'static str, &'static str)]),
}

/// What the drill should reach. A figure that misses it fails no test.
pub(super) struct Target {
    pub(super) what: &'static str,
    pub(super) exercise: &'static str,
    pub(super) figure: &'static str,
    /// In seconds; nothing else is allowed where it is 0.
    pub(super) below: u32,
}

const NONE: Scenario =
    Scenario { number: "", title: "", exercises: &[], lists: &[], grids: &[], ticks: &[] };

pub(super) const SCENARIOS: [Scenario; 10] = [
    Scenario {
        number: "01",
        title: "Understanding replication lag",
        exercises: &["bulk_inserts", "standby_down", "three_kinds_of_lag"],
        lists: &[List {
            title: "Three kinds of lag, behind a link of 20 ms each way",
            blanks: &[
                ("write", "01@three_kinds_of_lag", "write lag"),
                ("flush", "01@three_kinds_of_lag", "flush lag"),
                ("replay", "01@three_kinds_of_lag", "replay lag"),
            ],
        }],
        grids: &[
            Grid {
                title: "Experiments",
                rows: Rows::Steps("01@bulk_inserts"),
                columns: &[
                    "the insert took",
                    "inserted",
                    "peak lag while it ran",
                    "lag the moment it returned",
                    "from its return until all was replayed",
                    "bytes of lag afterwards",
                ],
            },
            Grid {
                title: "Positions in the WAL",
                rows: Rows::Steps("01@bulk_inserts"),
                columns: &[
                    "WAL position before",
                    "WAL position after",
                    "WAL written",
                    "WAL per row",
                ],
            },
        ],
        ..NONE
    },
    Scenario {
        number: "02",
        title: "Read load distribution",
        exercises: &["freshness", "routing", "same_answers", "scaling", "standby_fails"],
        lists: &[
            List {
                title: "How fresh a read on the standby is",
                blanks: &[
                    (
                        "until a commit is visible, median",
                        "02@freshness",
                        "from the answer to a commit until it is visible, median",
                    ),
                    (
                        "until a commit is visible, longest",
                        "02@freshness",
                        "from the answer to a commit until it is visible, longest",
                    ),
                ],
            },
            List {
                title: "Reads on one node and on two",
                blanks: &[
                    ("one node", "02@scaling", "reads with one node"),
                    ("two nodes", "02@scaling", "reads with two nodes"),
                ],
            },
        ],
        grids: &[Grid {
            title: "The same aggregation on both",
            rows: Rows::Named {
                exercise: "02@same_answers",
                pattern: "{row}, {column}",
                rows: &[
                    "primary, idle",
                    "standby, idle",
                    "primary, while it writes",
                    "standby, while the primary writes",
                ],
            },
            columns: &["median", "99 %", "longest"],
        }],
        ..NONE
    },
    Scenario {
        number: "03",
        title: "Read-only enforcement and limitations",
        exercises: &["conflicts", "maintenance", "standby_signal", "statements", "variables"],
        lists: &[List {
            title: "Operations tested",
            blanks: &[
                ("SELECT", "03@statements", "SELECT count(*) FROM users"),
                (
                    "built-in functions",
                    "03@statements",
                    "SELECT now(), version(), upper('a'), random()",
                ),
                ("EXPLAIN", "03@statements", "EXPLAIN SELECT * FROM users"),
                ("SELECT FOR UPDATE", "03@statements", "SELECT * FROM users FOR UPDATE"),
                ("INSERT", "03@statements", "INSERT INTO users (name, email) VALUES ('a', 'b')"),
                ("UPDATE", "03@statements", "UPDATE users SET name = 'a'"),
                ("DELETE", "03@statements", "DELETE FROM users"),
                ("CREATE TABLE", "03@statements", "CREATE TABLE t (a int)"),
                ("temporary table", "03@statements", "CREATE TEMPORARY TABLE t (a int)"),
                ("TRUNCATE", "03@statements", "TRUNCATE orders"),
                ("VACUUM", "03@statements", "VACUUM users"),
                ("ANALYZE", "03@statements", "ANALYZE users"),
            ],
        }],
        ..NONE
    },
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
                    ("standby lag under load", "06@pgbench_load_four_clients", "lag, largest"),
                ],
            },
            List {
                title: "What replicas cost the primary",
                blanks: &[
                    ("no standby", "06@price_of_replicas", "processed with no standby"),
                    ("one standby", "06@price_of_replicas", "processed with one standby"),
                    ("two standbys", "06@price_of_replicas", "processed with two standbys"),
                ],
            },
            List {
                title: "WAL of a changed row",
                blanks: &[
                    (
                        "first change of a page after a checkpoint",
                        "06@wal_per_row",
                        "spread, first change of a row",
                    ),
                    ("second change", "06@wal_per_row", "spread, second change of a row"),
                    (
                        "first change, many rows on each page",
                        "06@wal_per_row",
                        "packed, first change of a row",
                    ),
                ],
            },
        ],
        grids: &[Grid {
            title: "By number of clients",
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
                "lag, 95 %",
                "lag, largest",
                "from the end of the load until all was replayed",
            ],
        }],
        ..NONE
    },
    Scenario {
        number: "07",
        title: "Adding a second standby",
        exercises: &[
            "added_under_load",
            "cascade",
            "copy_or_dump",
            "reads_over_three",
            "reconfigure",
        ],
        lists: &[
            List {
                title: "Replication lag comparison, replay on one of them paused",
                blanks: &[
                    ("standby1", "07@added_under_load", "lag of standby1, largest"),
                    ("standby2", "07@added_under_load", "lag of standby2, largest"),
                ],
            },
            List {
                title: "Reads on one node and on three",
                blanks: &[
                    ("one node", "07@reads_over_three", "reads with one node"),
                    ("three nodes", "07@reads_over_three", "reads with three nodes"),
                ],
            },
        ],
        ..NONE
    },
    Scenario {
        number: "08",
        title: "Synchronous replication",
        exercises: &[
            "commit_levels",
            "losses_are_found",
            "remote_apply",
            "standby_gone",
            "standby_returns",
            "what_a_commit_waits_for",
            "who_counts",
            "zero_loss",
            "zero_loss_behind_a_cut",
        ],
        lists: &[List {
            title: "Performance comparison",
            blanks: &[
                ("asynchronous write time", "08@commit_levels", "asynchronous write time"),
                ("synchronous write time", "08@commit_levels", "synchronous write time"),
                ("performance impact", "08@commit_levels", "impact of synchronous commits"),
                (
                    "performance impact, standby 20 ms away",
                    "08@commit_levels",
                    "impact of synchronous commits, slow link",
                ),
            ],
        }],
        grids: &[Grid {
            title: "Until a commit is answered, by synchronous_commit",
            rows: Rows::Named {
                exercise: "08@commit_levels",
                pattern: "commit, {row}, {column}",
                rows: &["off", "local", "remote_write", "on", "remote_apply"],
            },
            columns: &[
                "direct link, median",
                "direct link, 99 %",
                "slow link, median",
                "slow link, 99 %",
            ],
        }],
        ..NONE
    },
    Scenario {
        number: "09",
        title: "Replication monitoring",
        exercises: &["blind_spots", "health_check", "lag", "primary", "queries", "slots"],
        ticks: &[(
            "Monitoring tools created",
            &[
                ("custom lag queries", &["09@queries"]),
                ("alert thresholds defined", &["09@lag", "09@slots", "09@primary"]),
                ("dashboard queries", &["09@queries", "09@blind_spots"]),
                ("health check scripts", &["09@health_check"]),
            ],
        )],
        ..NONE
    },
    Scenario {
        number: "10",
        title: "Disaster recovery drill",
        exercises: &["drill", "drill_behind", "point_in_time"],
        lists: &[
            List {
                title: "Recovery metrics",
                blanks: &[
                    ("detection time", "10@drill", "detection"),
                    ("failover time", "10@drill", "failover"),
                    ("recovery time", "10@drill", "recovery"),
                    ("total downtime, as clients saw it", "10@drill", "total downtime"),
                    ("acked orders lost", "10@drill", "orders lost"),
                ],
            },
            List {
                title: "The same with an asynchronous standby that is behind",
                blanks: &[
                    ("total downtime, as clients saw it", "10@drill_behind", "total downtime"),
                    ("acked orders lost", "10@drill_behind", "orders lost"),
                ],
            },
            List {
                title: "Recovery of a dropped table to the moment before",
                blanks: &[("recovery time", "10@point_in_time", "recovery")],
            },
        ],
        ..NONE
    },
];

/// The scorecard of the drill.
pub(super) const TARGETS: [Target; 5] = [
    Target { what: "downtime", exercise: "10@drill", figure: "total downtime", below: 60 },
    Target { what: "acked orders lost", exercise: "10@drill", figure: "orders lost", below: 0 },
    Target { what: "promotion", exercise: "10@drill", figure: "promotion", below: 10 },
    Target { what: "verification", exercise: "10@drill", figure: "verification", below: 30 },
    Target { what: "whole drill", exercise: "10@drill", figure: "whole drill", below: 120 },
];
