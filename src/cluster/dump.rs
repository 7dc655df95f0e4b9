//! A logical copy: a server of its own, made by `initdb`, and what `pg_dump` says of another one
//! restored into it. It has the same rows and never the same history; nothing here starts a server.

use super::Cluster;
use crate::conf::conninfo;
use crate::error::Result;
use crate::host::script::Script;
use crate::site::template;

impl Cluster {
    /// Empties a stopped node's data directory and makes one of its own in it, with a system
    /// identifier that nobody else has (manual: `initdb`). The superuser's password is the cluster's.
    pub async fn initdb(&self, node: &str) -> Result<()> {
        let node = self.node(node)?;
        let script = Script::new(format!("rm -rf \"$PGDATA\"/* && {}", template::fill()));
        let script = script.with("PASSWORD", node.password().as_str());
        node.prepare(script, &self.conf_of(node)).await.map(drop)
    }

    /// Dumps the database of the server that a node's link leads to, and restores it into the running
    /// server of the node (manual: `pg_dump`): without privileges, because the roles that have them are
    /// in no dump of a database.
    pub async fn restore_dump(&self, node: &str) -> Result<()> {
        let (host, port) = self.link(node)?.address();
        let server = conninfo(&[
            ("host", host),
            ("port", &port.to_string()),
            ("user", "postgres"),
            ("dbname", "postgres"),
        ]);
        let line = "pg_dump -x -d \"$UPSTREAM\" -f ../dump.sql && \
                    psql -X -q -v ON_ERROR_STOP=1 -f ../dump.sql";
        let script = Script::new(line).with("UPSTREAM", server);
        self.node(node)?.run_as_client(script).await.map(drop)
    }
}
