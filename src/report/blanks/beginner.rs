//! The blanks of the scenarios of the beginner level. It has no figure of its own.

use super::{Grid, List, NONE, Rows, Scenario};

pub(super) const SCENARIOS: [Scenario; 3] = [
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
];
