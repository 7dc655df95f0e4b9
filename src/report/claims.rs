//! What the learner's notebook says, and what a run showed: sentence by sentence the verdict, and
//! what proves it. A sentence that no run has anything to say about is not here.

/// A sentence of the notebook.
pub(super) struct Claim {
    /// The scenario that it was written under.
    pub(super) scenario: &'static str,
    pub(super) said: &'static str,
    pub(super) verdict: Verdict,
    /// Where that comes from: the exercises, and what of each.
    pub(super) proofs: &'static [(&'static str, Proof)],
}

/// What to make of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Holds,
    /// True, and not all of the truth.
    Partly,
    Wrong,
    /// A figure of one machine on one day; that of this run stands beside it.
    Figure,
}

/// What of an exercise.
pub(super) enum Proof {
    /// The learning that begins so.
    Learned(&'static str),
    /// A fact, or a figure.
    Seen(&'static str),
}

use Proof::{Learned, Seen};
use Verdict::{Figure, Holds, Partly, Wrong};

const fn claim(
    scenario: &'static str,
    said: &'static str,
    verdict: Verdict,
    proofs: &'static [(&'static str, Proof)],
) -> Claim {
    Claim { scenario, said, verdict, proofs }
}

pub(super) const CLAIMS: [Claim; 40] = [
    claim(
        "01",
        "Async replication maintained 0-byte lag even with 100,000 row inserts",
        Wrong,
        &[("01@bulk_inserts", Learned("A standby lags behind while rows are written"))],
    ),
    claim(
        "01",
        "Why was lag 0 bytes even for 100K rows? Network is Docker localhost (no latency)",
        Wrong,
        &[
            ("01@bulk_inserts", Learned("A standby lags behind while rows are written")),
            ("01@bulk_inserts", Seen("peak lag while it ran")),
        ],
    ),
    claim(
        "01",
        "Insert performance: ~121,000 rows/second sustained",
        Figure,
        &[("01@bulk_inserts", Seen("inserted"))],
    ),
    claim("01", "Tracked WAL growth (~26 MB)", Figure, &[("01@bulk_inserts", Seen("WAL written"))]),
    claim(
        "01",
        "Three lag types: write, flush, replay",
        Holds,
        &[
            ("01@bulk_inserts", Learned("What is replayed was flushed")),
            ("01@three_kinds_of_lag", Learned("Replay lag without write or flush lag")),
        ],
    ),
    claim(
        "01",
        "Replication slot keeps WAL available, prevents data loss",
        Partly,
        &[
            ("01@standby_down", Learned("A slot keeps WAL for a standby that is away")),
            ("05@with_a_limit", Learned("Beyond max_wal_size")),
        ],
    ),
    claim(
        "01",
        "Network latency would add to write_lag",
        Holds,
        &[("01@three_kinds_of_lag", Learned("Write lag is a round trip at the least"))],
    ),
    claim(
        "01",
        "What if standby goes down? Replication slot retains WAL until standby catches up",
        Holds,
        &[("01@standby_down", Learned("A standby that comes back goes on by itself"))],
    ),
    claim(
        "02",
        "Standby is truly read-only (rejects all write operations)",
        Holds,
        &[("03@statements", Learned("No setting makes a session of a standby writable"))],
    ),
    claim(
        "02",
        "Replication lag: 0 bytes (< 1ms) = real-time data; invisible to users",
        Wrong,
        &[
            ("02@freshness", Learned("A read on the standby can miss")),
            ("02@freshness", Learned("A read that waits for the commit's LSN")),
        ],
    ),
    claim(
        "02",
        "Standby 22% faster for aggregation queries (185 ms against 145 ms, one run)",
        Figure,
        &[
            ("02@same_answers", Seen("primary, idle, median")),
            ("02@same_answers", Seen("standby, idle, median")),
            ("02@same_answers", Seen("primary, while it writes, median")),
            ("02@same_answers", Seen("standby, while the primary writes, median")),
        ],
    ),
    claim(
        "02",
        "Horizontal read scaling: add standbys = multiply read capacity",
        Figure,
        &[
            ("02@scaling", Learned("Readers can be spread")),
            ("02@scaling", Seen("reads with one node")),
            ("02@scaling", Seen("reads with two nodes")),
            ("07@reads_over_three", Seen("reads with three nodes")),
        ],
    ),
    claim(
        "02",
        "Intelligent routing: writes→primary, analytics→standby",
        Holds,
        &[("02@routing", Learned("With target_session_attrs one string"))],
    ),
    claim(
        "02",
        "What if standby fails? Reads failover to primary temporarily",
        Partly,
        &[
            ("02@standby_fails", Learned("A reader that falls back to any server")),
            ("02@routing", Learned("Who finds nobody that fits")),
        ],
    ),
    claim(
        "03",
        "Standby is STRICTLY read-only (even temp tables rejected!)",
        Holds,
        &[("03@statements", Learned("Temporary tables are refused too"))],
    ),
    claim(
        "03",
        "Strict read-only recovery mode prevents ANY catalog changes",
        Holds,
        &[("03@statements", Learned("Temporary tables are refused too"))],
    ),
    claim(
        "03",
        "All SELECT operations work perfectly (simple, complex, aggregations)",
        Wrong,
        &[
            ("03@statements", Seen("SELECT * FROM users FOR UPDATE")),
            ("03@statements", Seen("SELECT nextval('users_id_seq')")),
            ("03@conflicts", Learned("VACUUM on the primary cancels queries")),
        ],
    ),
    claim(
        "03",
        "Read-only functions work (NOW, VERSION, string functions)",
        Holds,
        &[("03@statements", Seen("SELECT now(), version(), upper('a'), random()"))],
    ),
    claim(
        "03",
        "EXPLAIN works perfectly",
        Partly,
        &[("03@statements", Learned("It explains a write, and refuses"))],
    ),
    claim(
        "03",
        "NO write operations allowed (INSERT/UPDATE/DELETE), NO DDL",
        Holds,
        &[("03@statements", Learned("A statement is refused for what it is"))],
    ),
    claim(
        "03",
        "NO maintenance (VACUUM/ANALYZE); primary's VACUUM replicates automatically",
        Partly,
        &[
            ("03@maintenance", Learned("Maintenance is done on the primary")),
            ("03@maintenance", Learned("Statistics are each server's own")),
            ("03@conflicts", Learned("VACUUM on the primary cancels queries")),
        ],
    ),
    claim(
        "03",
        "Error message format: \"cannot execute <operation> in a read-only transaction\"",
        Partly,
        &[("03@statements", Learned("The refusal has two wordings"))],
    ),
    claim(
        "03",
        "Protection mechanism prevents accidental data corruption",
        Partly,
        &[("03@standby_signal", Learned("Who deletes standby.signal"))],
    ),
    claim(
        "04",
        "Timeline prevents split-brain by blocking old primary from rejoining",
        Wrong,
        &[
            ("04@split_brain", Learned("Nothing prevents split brain")),
            ("04@split_brain", Learned("The timelines make it visible")),
        ],
    ),
    claim(
        "04",
        "Split-brain protection is built-in (MySQL needs external tools)",
        Wrong,
        &[("04@split_brain", Learned("Nothing prevents split brain"))],
    ),
    claim(
        "04",
        "Old primary cannot rejoin without pg_rewind or full rebuild",
        Wrong,
        &[("04@clean_rejoin", Learned("An old primary with nothing past the fork"))],
    ),
    claim(
        "04",
        "PostgreSQL forces manual decision: pg_rewind or rebuild",
        Wrong,
        &[
            ("04@clean_rejoin", Learned("An old primary with nothing past the fork")),
            ("04@resolve_salvage", Learned("The new primary's rows stay")),
        ],
    ),
    claim(
        "04",
        "Old primary can still accept writes (dangerous!)",
        Holds,
        &[("04@split_brain", Learned("Nothing prevents split brain"))],
    ),
    claim(
        "04",
        "Same count, completely different data",
        Partly,
        &[
            ("04@split_brain", Seen("rows on the old and on the new primary")),
            ("04@split_brain", Seen("are they the same rows")),
        ],
    ),
    claim(
        "04",
        "Timeline mismatch prevented automatic reconciliation",
        Holds,
        &[("04@split_brain", Learned("A server that has WAL past the fork"))],
    ),
    claim(
        "04",
        "WAL filenames include timeline prefix; a history file tracks the branch point",
        Holds,
        &[("04@timeline", Learned("A promotion counts the timeline up"))],
    ),
    claim(
        "04",
        "Timeline visible in: WAL filenames, pg_control_checkpoint(), history files",
        Partly,
        &[("04@rewind_too_early", Learned("Until the first checkpoint after a promotion"))],
    ),
    claim(
        "04",
        "Promotion time: ~5 seconds",
        Figure,
        &[("04@promote", Seen("from pg_promote() to the first row that a client wrote"))],
    ),
    claim(
        "04",
        "Data loss: 0 rows (clean failover with 0 lag)",
        Holds,
        &[("04@promote", Learned("What was replayed is kept"))],
    ),
    claim(
        "04",
        "LSN jump: 0/639EC30 → 0/639EDC0 (192 bytes)",
        Partly,
        &[
            ("04@timeline", Learned("The new timeline begins where replay ended")),
            ("04@timeline", Seen("WAL since the promotion")),
        ],
    ),
    claim(
        "04",
        "Ids 10002 and 10034: the new primary goes on at a later one",
        Holds,
        &[("04@promote", Learned("A promotion may skip ids"))],
    ),
    claim(
        "04",
        "Use connection pooler (PgBouncer/HAProxy) to redirect traffic",
        Partly,
        &[("04@promote", Learned("A client that names both servers"))],
    ),
    claim(
        "04",
        "Remove old data → pg_basebackup from new primary → start as standby",
        Holds,
        &[("04@resolve_rebuild", Learned("Afterwards both hold the same rows"))],
    ),
    claim(
        "04",
        "Divergent data discarded, consistent data replicated",
        Holds,
        &[("04@resolve_rebuild", Learned("The new primary's rows stay"))],
    ),
    claim(
        "04",
        "Created replication slot on new primary for WAL retention",
        Holds,
        &[("04@resolve_rebuild", Seen("is its slot active"))],
    ),
];
