//! A server that diverged made a standby of the server that it diverged from: `pg_rewind` over the
//! node's link. It discards the changes that only the diverged server has. Nothing here starts a
//! server.

use super::basebackup::Source;
use crate::conf::{Conf, conninfo};
use crate::error::Result;
use crate::host::script::Script;
use crate::node::Node;
use crate::password::Password;

/// The role that `pg_rewind` connects as; it may call the functions that the manual lists, and no
/// others.
pub(crate) const REWINDER: &str = "rewinder";

/// Rewinds a stopped node to the history of the server that its link leads to (manual:
/// `pg_rewind`), replaces the copied configuration by the node's own, and returns the output of
/// `pg_rewind`.
///
/// Right after a promotion the new primary's control file still shows the old timeline. Make a
/// checkpoint there first: without it, PostgreSQL 13 reports that no rewind is required and leaves
/// the divergence.
pub(crate) async fn rewind(
    node: &Node,
    source: &Source<'_>,
    rewinder: &Password,
    conf: &Conf,
) -> Result<String> {
    node.prepare(script(source, rewinder, ""), conf).await
}

/// Rewinds as [`rewind`] does, and gets the WAL files that the node has removed through its own
/// `restore_command`.
pub(crate) async fn rewind_restoring_wal(
    node: &Node,
    source: &Source<'_>,
    rewinder: &Password,
    conf: &Conf,
) -> Result<String> {
    node.prepare(script(source, rewinder, " --restore-target-wal"), conf).await
}

/// Runs `pg_rewind --dry-run`, which changes nothing, and returns its output.
pub(crate) async fn dry_run(
    node: &Node,
    source: &Source<'_>,
    rewinder: &Password,
) -> Result<String> {
    let script = script(source, rewinder, " --dry-run");
    node.run_recorded(&script.line.clone(), &script).await
}

fn script(source: &Source<'_>, rewinder: &Password, option: &str) -> Script {
    let (host, port) = source.link.address();
    let server = conninfo(&[
        ("host", host),
        ("port", &port.to_string()),
        ("user", REWINDER),
        ("dbname", "postgres"),
    ]);
    let line = format!("pg_rewind -D \"$PGDATA\" --source-server=\"$UPSTREAM\"{option} 2>&1");
    Script::new(line).with("UPSTREAM", server).with("PGPASSWORD", rewinder.as_str())
}
