//! The blanks of the scenarios of the advanced level. It has no figure of its own.

use super::{Grid, List, NONE, Rows, Scenario};

pub(super) const SCENARIOS: [Scenario; 4] = [
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
                title: "Replication lag comparison, replay on the second one paused",
                blanks: &[
                    ("standby1", "07@added_under_load", "lag of standby1, largest"),
                    ("standby2", "07@added_under_load", "lag of standby2, largest"),
                ],
            },
            List {
                title: "Adding it",
                blanks: &[
                    ("base backup", "07@added_under_load", "base backup"),
                    (
                        "from its start until it streamed",
                        "07@added_under_load",
                        "until it streamed",
                    ),
                    ("orders acked meanwhile", "07@added_under_load", "orders acked meanwhile"),
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
        lists: &[
            List {
                title: "Performance comparison",
                blanks: &[
                    ("asynchronous write time", "08@commit_levels", "asynchronous write time"),
                    ("synchronous write time", "08@commit_levels", "synchronous write time"),
                    ("performance impact", "08@commit_levels", "impact of synchronous commits"),
                    (
                        "synchronous write time over a link of 20 ms each way",
                        "08@commit_levels",
                        "synchronous write time, slow link",
                    ),
                    (
                        "performance impact there",
                        "08@commit_levels",
                        "impact of synchronous commits, slow link",
                    ),
                ],
            },
            List {
                title: "What a commit waits for",
                blanks: &[
                    ("off", "08@what_a_commit_waits_for", "off"),
                    ("local", "08@what_a_commit_waits_for", "local"),
                    ("remote_write", "08@what_a_commit_waits_for", "remote_write"),
                    ("on", "08@what_a_commit_waits_for", "on"),
                    ("remote_apply", "08@what_a_commit_waits_for", "remote_apply"),
                ],
            },
        ],
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
                "direct link, against local",
                "slow link, median",
                "slow link, 99 %",
                "slow link, against local",
            ],
        }],
        ..NONE
    },
    Scenario {
        number: "09",
        title: "Replication monitoring",
        exercises: &["blind_spots", "health_check", "lag", "primary", "queries", "slots"],
        lists: &[List {
            title: "Alerts that were brought about, and cleared",
            blanks: &[
                ("lag, as the primary sees it", "09@lag", "lag, as the primary sees it"),
                ("lag, as the standby sees it", "09@lag", "lag, as the standby sees it"),
                ("replay paused", "09@lag", "replay_paused"),
                ("a slot that nobody uses", "09@slots", "slot_active"),
                ("what a slot keeps", "09@slots", "slot_retained"),
                ("a slot in danger, and lost", "09@slots", "slot_wal"),
                ("an archiver that fails", "09@primary", "archiver"),
                ("WAL files that wait for it", "09@primary", "archive_waiting"),
                ("a synchronous standby that is missing", "09@primary", "synchronous"),
                ("an old transaction", "09@primary", "oldest_xmin"),
            ],
        }],
        ticks: &[(
            "Monitoring tools created",
            &[
                ("custom lag queries", &["09@queries", "09@lag"]),
                ("alert thresholds defined", &["09@lag", "09@primary", "09@slots"]),
                ("dashboard queries", &["09@queries"]),
                ("health check scripts", &["09@health_check"]),
            ],
        )],
        ..NONE
    },
    Scenario {
        number: "10",
        title: "Disaster recovery drill",
        exercises: &["drill", "drill_behind", "point_in_time"],
        lists: &[List {
            title: "Recovery metrics",
            blanks: &[
                ("detection time", "10@drill", "detection"),
                ("failover time, from the crash to the first ack", "10@drill", "failover"),
                ("recovery time, until the old primary streams", "10@drill", "recovery"),
                ("total downtime, as clients saw it", "10@drill", "total downtime"),
                ("acked orders lost", "10@drill", "orders lost"),
                ("a dropped table, from base backup and archive", "10@point_in_time", "recovery"),
            ],
        }],
        grids: &[Grid {
            title: "With a synchronous standby, and with one that is behind",
            rows: Rows::Exercises(&[
                ("synchronous", "10@drill"),
                ("asynchronous, behind", "10@drill_behind"),
            ]),
            columns: &[
                "detection",
                "promotion",
                "failover",
                "recovery",
                "total downtime",
                "orders lost",
                "whole drill",
            ],
        }],
        ..NONE
    },
];
