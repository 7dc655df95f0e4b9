//! Statements for a standby, as a table: each statement, and how it must end from which version on.
//! Nothing here explains the answers.

use std::collections::HashMap;

use pretty_assertions::assert_eq;
use replication_lab::{Node, Proof, Result, ServerMessage};

use crate::support::Lab;

/// A statement and how it ends. It is not run on a version that does not have it.
type Row = (&'static str, Since);

/// How a statement ends from a major version on: `accepted`, an SQLSTATE, or [`GONE`].
type Since = &'static [(u16, &'static str)];

const GONE: &str = "gone";
const ACCEPTED: Since = &[(13, "accepted")];
/// `read_only_sql_transaction`.
const READ_ONLY: Since = &[(13, "25006")];
/// `object_not_in_prerequisite_state`.
const IN_RECOVERY: Since = &[(13, "55000")];
/// `feature_not_supported`.
const UNSUPPORTED: Since = &[(13, "0A000")];
/// `internal_error`: PostgreSQL has no recovery check for the statement and fails later.
const INTERNAL: Since = &[(13, "XX000")];

pub(super) const READS: &[Row] = &[
    ("SELECT count(*) FROM users", ACCEPTED),
    (
        "SELECT u.name, count(o.id) FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.name",
        ACCEPTED,
    ),
    ("SELECT now(), version(), upper('a'), random()", ACCEPTED),
    ("WITH few AS (SELECT * FROM users LIMIT 3) SELECT name FROM few", ACCEPTED),
    ("TABLE names", ACCEPTED),
    ("VALUES (1), (2)", ACCEPTED),
    ("BEGIN; DECLARE c CURSOR FOR SELECT name FROM users; FETCH 2 FROM c; COMMIT", ACCEPTED),
    (
        "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT name FROM users; COMMIT; FETCH 2 FROM c",
        ACCEPTED,
    ),
    ("PREPARE p AS SELECT 1; EXECUTE p; DEALLOCATE p", ACCEPTED),
    ("COPY users TO '/dev/null'", ACCEPTED),
    ("COPY (SELECT name FROM users) TO PROGRAM 'cat >/dev/null'", ACCEPTED),
    ("DO $$ BEGIN PERFORM count(*) FROM users; END $$", ACCEPTED),
    ("SET work_mem = '8MB'; SHOW work_mem; RESET work_mem", ACCEPTED),
    ("SELECT last_value FROM users_id_seq", ACCEPTED),
];

pub(super) const EXPLAINS: &[Row] = &[
    ("EXPLAIN SELECT * FROM users", ACCEPTED),
    ("EXPLAIN ANALYZE SELECT * FROM users", ACCEPTED),
    ("EXPLAIN INSERT INTO users (name, email) VALUES ('a', 'b')", ACCEPTED),
    ("EXPLAIN ANALYZE INSERT INTO users (name, email) VALUES ('a', 'b')", READ_ONLY),
    ("EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1 AS a", INTERNAL),
];

pub(super) const ROWS: &[Row] = &[
    ("INSERT INTO users (name, email) VALUES ('a', 'b')", READ_ONLY),
    ("UPDATE users SET name = 'a'", READ_ONLY),
    ("UPDATE users SET name = 'a' WHERE false", READ_ONLY),
    ("DELETE FROM users", READ_ONLY),
    ("WITH gone AS (DELETE FROM users RETURNING id) SELECT count(*) FROM gone", READ_ONLY),
    (
        "MERGE INTO users u USING names n ON u.name = n.name WHEN MATCHED THEN DELETE",
        &[(15, "25006")],
    ),
    ("TRUNCATE orders", READ_ONLY),
    ("COPY users FROM '/dev/null'", READ_ONLY),
    ("SELECT insert_bulk_users(1)", READ_ONLY),
    ("SELECT name INTO t FROM users", READ_ONLY),
    ("SELECT * FROM users FOR UPDATE", READ_ONLY),
    ("SELECT * FROM users FOR SHARE", READ_ONLY),
    ("SELECT * FROM users FOR KEY SHARE", READ_ONLY),
    ("SELECT nextval('users_id_seq')", READ_ONLY),
    ("SELECT setval('users_id_seq', 1)", READ_ONLY),
    ("SELECT lo_create(0)", &[(13, "XX000"), (16, "25006")]),
];

pub(super) const DEFINITIONS: &[Row] = &[
    ("CREATE TABLE t (a int)", READ_ONLY),
    ("CREATE TEMPORARY TABLE t (a int)", READ_ONLY),
    ("CREATE TEMPORARY TABLE t AS SELECT 1 AS a", READ_ONLY),
    ("CREATE TEMPORARY VIEW v AS SELECT 1 AS a", READ_ONLY),
    ("CREATE INDEX ON users (name)", READ_ONLY),
    ("ALTER TABLE users ADD COLUMN a int", READ_ONLY),
    ("DROP TABLE users CASCADE", READ_ONLY),
    ("DROP TABLE IF EXISTS nope", READ_ONLY),
    ("CREATE SEQUENCE s", READ_ONLY),
    ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", READ_ONLY),
    ("CREATE ROLE r", READ_ONLY),
    ("CREATE DATABASE d", READ_ONLY),
    ("GRANT SELECT ON users TO PUBLIC", READ_ONLY),
    ("COMMENT ON TABLE users IS 'who buys'", READ_ONLY),
];

pub(super) const MAINTENANCE: &[Row] = &[
    ("VACUUM users", READ_ONLY),
    ("VACUUM FULL users", READ_ONLY),
    ("ANALYZE users", READ_ONLY),
    ("REINDEX TABLE users", READ_ONLY),
    ("CLUSTER users USING users_pkey", READ_ONLY),
    ("REFRESH MATERIALIZED VIEW names", READ_ONLY),
    ("CHECKPOINT", ACCEPTED),
];

pub(super) const LOCKS: &[Row] = &[
    ("BEGIN; LOCK TABLE users IN ACCESS SHARE MODE; COMMIT", ACCEPTED),
    ("BEGIN; LOCK TABLE users IN ROW SHARE MODE; COMMIT", ACCEPTED),
    ("BEGIN; LOCK TABLE users IN ROW EXCLUSIVE MODE; COMMIT", ACCEPTED),
    ("BEGIN; LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE; COMMIT", READ_ONLY),
    ("BEGIN; LOCK TABLE users IN SHARE MODE; COMMIT", READ_ONLY),
    ("BEGIN; LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE; COMMIT", READ_ONLY),
    ("BEGIN; LOCK TABLE users IN EXCLUSIVE MODE; COMMIT", READ_ONLY),
    ("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE; COMMIT", READ_ONLY),
    ("BEGIN; LOCK TABLE users; COMMIT", READ_ONLY),
    ("SELECT pg_advisory_lock(1), pg_advisory_unlock(1)", ACCEPTED),
    ("SELECT pg_try_advisory_xact_lock(1)", ACCEPTED),
];

pub(super) const TRANSACTIONS: &[Row] = &[
    ("BEGIN READ ONLY; SELECT 1; COMMIT", ACCEPTED),
    ("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; COMMIT", ACCEPTED),
    ("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT", UNSUPPORTED),
    ("BEGIN; SAVEPOINT s; SELECT 1; ROLLBACK TO s; COMMIT", ACCEPTED),
    ("BEGIN READ WRITE", UNSUPPORTED),
    ("BEGIN; SET TRANSACTION READ WRITE; COMMIT", UNSUPPORTED),
    ("SET transaction_read_only = off", UNSUPPORTED),
    ("SET default_transaction_read_only = off; DELETE FROM users", READ_ONLY),
    ("BEGIN; PREPARE TRANSACTION 'p'", READ_ONLY),
    ("COMMIT PREPARED 'p'", READ_ONLY),
    ("ROLLBACK PREPARED 'p'", READ_ONLY),
    ("SELECT txid_current()", READ_ONLY),
    ("SELECT pg_current_xact_id()", READ_ONLY),
    ("SELECT pg_current_xact_id_if_assigned() IS NULL", ACCEPTED),
    ("SELECT pg_current_snapshot()", ACCEPTED),
    ("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_export_snapshot(); COMMIT", ACCEPTED),
];

pub(super) const NOTIFICATIONS: &[Row] = &[
    ("LISTEN news", READ_ONLY),
    ("NOTIFY news, 'it rains'", READ_ONLY),
    ("SELECT pg_notify('news', 'it rains')", READ_ONLY),
    ("UNLISTEN news", ACCEPTED),
];

pub(super) const ADMINISTRATION: &[Row] = &[
    ("ALTER SYSTEM SET work_mem = '8MB'", ACCEPTED),
    ("ALTER SYSTEM RESET work_mem", ACCEPTED),
    ("SELECT pg_reload_conf()", ACCEPTED),
    ("ALTER ROLE postgres SET work_mem = '8MB'", READ_ONLY),
    ("SELECT pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()", ACCEPTED),
    ("SELECT pg_wal_replay_pause(), pg_wal_replay_resume()", ACCEPTED),
    ("SELECT pg_current_wal_lsn()", IN_RECOVERY),
    ("SELECT pg_switch_wal()", IN_RECOVERY),
    ("SELECT pg_create_restore_point('before')", IN_RECOVERY),
    ("SELECT pg_walfile_name('0/1000000')", IN_RECOVERY),
    ("SELECT pg_logical_emit_message(false, 'a', 'b')", INTERNAL),
    ("SELECT pg_create_physical_replication_slot('s'), pg_drop_replication_slot('s')", ACCEPTED),
    ("SELECT pg_start_backup('b', true, false)", &[(13, "accepted"), (15, GONE)]),
    ("SELECT pg_backup_start('b', true)", &[(15, "accepted")]),
    ("SELECT pg_stat_reset()", ACCEPTED),
];

/// The facts of how statements ended, by statement.
#[derive(Default)]
pub(super) struct Answers(HashMap<&'static str, Proof>);

impl Answers {
    /// Returns the fact of how this statement ended.
    pub(super) fn to(&self, statement: &str) -> &Proof {
        self.0.get(statement).unwrap_or_else(|| panic!("{statement:?} was not run"))
    }

    /// Runs every statement in a session of its own, records how it ended, and compares that with the
    /// table.
    pub(super) async fn ask(&mut self, lab: &Lab, node: &Node, rows: &[Row]) -> Result<()> {
        for (statement, since) in rows {
            let holds = since.iter().rev().find(|(major, _)| *major <= lab.major());
            let Some((_, expected)) = holds.filter(|(_, end)| *end != GONE) else { continue };
            let session = node.session_unrecorded().await?;
            let refusal = session.attempt(statement).await?;
            let ended = refusal.as_ref().map_or("accepted", ServerMessage::sqlstate).to_owned();
            let answer = refusal.map_or_else(|| ended.clone(), |refusal| refusal.to_string());
            self.0.insert(statement, lab.fact(statement, answer));
            assert_eq!(ended, *expected, "{statement}");
        }
        Ok(())
    }
}
