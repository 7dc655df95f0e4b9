//! A logical copy: a server initialised by `initdb`, into which the `pg_dump` of another one, or of its
//! schema, is restored. It has another system identifier. Nothing here starts a server.

use super::Cluster;
use crate::conf::conninfo;
use crate::error::Result;
use crate::host::script::Script;
use crate::site::template;

impl Cluster {
    /// Empties a stopped node's data directory and initialises it, with a new system identifier
    /// (manual: `initdb`). The superuser's password is the cluster's.
    ///
    /// # Errors
    ///
    /// The cluster has no such node, or `initdb` fails.
    pub async fn initdb(&self, node: &str) -> Result<()> {
        let node = self.node(node)?;
        let script = Script::new(format!("rm -rf \"$PGDATA\"/* && {}", template::fill()));
        let script = script.with("PASSWORD", node.password().as_str());
        node.prepare(script, &self.conf_of(node)).await.map(drop)
    }

    /// Dumps the database of the server that a node's link leads to, and restores it into the
    /// running server of the node (manual: `pg_dump`). Privileges are left out, because the dump of
    /// a database does not contain the roles that they refer to.
    ///
    /// # Errors
    ///
    /// The cluster has no such node, or `pg_dump` or `psql` fails.
    pub async fn restore_dump(&self, node: &str) -> Result<()> {
        self.restore(node, "pg_dump -x").await
    }

    /// Dumps the schema of the database of the server that a node's link leads to, without its rows, and
    /// restores it as [`restore_dump`](Self::restore_dump) does: logical replication copies rows, and
    /// needs the tables (manual: Logical Replication, Restrictions).
    ///
    /// # Errors
    ///
    /// As those of [`restore_dump`](Self::restore_dump).
    pub async fn restore_schema(&self, node: &str) -> Result<()> {
        self.restore(node, "pg_dump -x --schema-only").await
    }

    /// Restores into a node what `dump` writes about the server that the node's link leads to.
    async fn restore(&self, node: &str, dump: &str) -> Result<()> {
        let (host, port) = self.link(node)?.address();
        let server = conninfo(&[
            ("host", host),
            ("port", &port.to_string()),
            ("user", "postgres"),
            ("dbname", "postgres"),
        ]);
        let line = format!(
            "{dump} -d \"$UPSTREAM\" -f ../dump.sql && \
             psql -X -q -v ON_ERROR_STOP=1 -f ../dump.sql"
        );
        let script = Script::new(line).with("UPSTREAM", server);
        self.node(node)?.run_as_client(script).await.map(drop)
    }
}
