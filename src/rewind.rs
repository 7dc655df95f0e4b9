//! A server that diverged made a follower of the one that it diverged from: `pg_rewind` over the
//! node's link. It discards what only the diverged server had, and it never starts one.

use crate::basebackup::Source;
use crate::conf::{Conf, conninfo};
use crate::error::Result;
use crate::host::Script;
use crate::node::Node;
use crate::password::Password;

/// The role that it connects as; it may call the functions that the manual lists, and no others.
pub(crate) const REWINDER: &str = "rewinder";

/// Rewinds a stopped node to the history of the server that its link leads to (manual:
/// `pg_rewind`), and writes its own configuration over the one that comes with it. Gives what
/// `pg_rewind` said.
///
/// Right after a promotion the new primary's control file still shows the old timeline: make a
/// checkpoint there first, or 13 says that no rewind is required and leaves the divergence.
pub(crate) async fn rewind(
    node: &Node,
    source: &Source<'_>,
    rewinder: &Password,
    conf: &Conf,
) -> Result<String> {
    let (host, port) = source.link.address();
    let server = conninfo(&[
        ("host", host),
        ("port", &port.to_string()),
        ("user", REWINDER),
        ("dbname", "postgres"),
    ]);
    let line = "pg_rewind -D \"$PGDATA\" --source-server=\"$UPSTREAM\" 2>&1";
    let script = Script::new(line).with("UPSTREAM", server);
    node.prepare(script.with("PGPASSWORD", rewinder.as_str()), conf).await
}
