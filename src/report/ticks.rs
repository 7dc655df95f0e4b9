//! What is ticked off when its exercises passed: skills, deep dives, tools; and the learnings that
//! surprise. It ticks nothing itself.

/// Something that can be ticked off, and the exercises that must have passed for it.
pub(super) type Tick = (&'static str, &'static [&'static str]);

/// The skills, by level.
pub(super) const SKILLS: [(&str, &[Tick]); 3] = [
    (
        "Beginner skills",
        &[
            ("understand replication lag", &["01@bulk_inserts", "01@three_kinds_of_lag"]),
            ("measure LSN positions", &["01@bulk_inserts", "04@timeline"]),
            ("route reads to standby", &["02@routing", "02@standby_fails"]),
            ("verify read-only mode", &["03@statements", "03@variables"]),
            ("basic monitoring", &["01@three_kinds_of_lag", "01@standby_down"]),
        ],
    ),
    (
        "Intermediate skills",
        &[
            ("perform manual failover", &["04@promote", "04@clean_rejoin"]),
            ("handle network issues", &["05@with_a_slot", "05@kinds", "05@flapping"]),
            ("monitor under load", &["06@pgbench_load_four_clients", "06@a_million_rows"]),
            ("understand timelines", &["04@timeline", "04@split_brain"]),
            ("reconfigure topology", &["07@reconfigure"]),
        ],
    ),
    (
        "Advanced skills",
        &[
            ("multi-standby setup", &["07@added_under_load", "07@cascade"]),
            ("synchronous replication", &["08@commit_levels", "08@standby_gone"]),
            ("advanced monitoring", &["09@slots", "09@primary", "09@blind_spots"]),
            ("disaster recovery", &["10@drill", "10@drill_behind", "10@point_in_time"]),
            ("performance tuning", &["06@price_of_replicas", "06@wal_per_row"]),
        ],
    ),
];

/// The deep dives.
pub(super) const DEEP_DIVES: [Tick; 7] = [
    (
        "split brain: three resolutions",
        &["04@split_brain", "04@resolve_rebuild", "04@resolve_rewind", "04@resolve_salvage"],
    ),
    ("recovery from bulk data drift", &["04@bulk_drift"]),
    ("read-only variables: recovery mode against settings", &["03@variables"]),
    ("recovery mode: what standby.signal does", &["03@standby_signal"]),
    ("a standby's setup, against START SLAVE", &["07@added_under_load", "05@kinds"]),
    ("pg_basebackup against a dump", &["07@copy_or_dump"]),
    ("what pg_basebackup does, phase by phase", &["07@added_under_load"]),
];

/// The tools, and a word of what is typed with them. Without a word it is one that no scenario uses.
pub(super) const TOOLS: [(&str, Option<&str>); 12] = [
    ("pg_basebackup", Some("pg_basebackup")),
    ("pg_stat_replication", Some("pg_stat_replication")),
    ("pg_replication_slots", Some("pg_replication_slots")),
    ("pg_promote()", Some("pg_promote()")),
    ("pg_rewind", Some("pg_rewind")),
    ("pg_controldata", Some("pg_controldata")),
    ("pgbench", Some("pgbench")),
    ("pg_dump", Some("pg_dump")),
    ("target_session_attrs", Some("current_setting('cluster_name')")),
    ("Patroni", None),
    ("repmgr", None),
    ("PgBouncer", None),
];

/// Learnings that surprise: an exercise, and how the sentence begins.
pub(super) const EDGE_CASES: [(&str, &str); 14] = [
    ("03@statements", "A statement is refused for what it is"),
    ("03@variables", "A session that was open across a promotion"),
    ("03@standby_signal", "Who deletes standby.signal"),
    ("04@promote", "A promotion may skip ids"),
    ("04@clean_rejoin", "An old primary with nothing past the fork"),
    ("04@rewind_too_early", "Make a CHECKPOINT on the new primary"),
    ("04@rewind_without_wal", "pg_rewind needs the WAL"),
    ("05@kinds", "One silent way is enough"),
    ("05@with_a_limit", "Beyond max_wal_size"),
    ("07@reconfigure", "Slots do not come with a promotion"),
    ("08@standby_gone", "Cancelled, it is committed all the same"),
    ("08@who_counts", "A rule that wants more standbys than it names"),
    ("09@blind_spots", "What was received is replayed, says a standby"),
    ("10@drill_behind", "Everything is green afterwards"),
];
