//! How clients and people connect to a cluster: one server or several, as values, as strings, as lines to
//! paste. Nothing here changes a server.

use tokio_postgres::Config;
use tokio_postgres::config::TargetSessionAttrs;

use super::Cluster;
use super::rewind::REWINDER;
use crate::conf::conninfo;
use crate::error::{Error, Result};
use crate::node::{Node, superuser};
use crate::record::notebook::Notebook;
use crate::session::Session;

impl Cluster {
    /// How a client connects that has these nodes in its connection string, in this order (manual:
    /// Specifying Multiple Hosts). Its first server that answers and fits is taken.
    pub fn config_of(&self, nodes: &[&str]) -> Result<Config> {
        let mut config = superuser(&self.passwords.superuser);
        for name in nodes {
            let (host, port) = self.node(name)?.endpoint().host_and_port();
            config.host(host).port(port);
        }
        Ok(config)
    }

    /// The same as libpq reads it (manual: Connection Strings). The password in it is this cluster's own
    /// and goes with it.
    pub fn connection_string(&self, nodes: &[&str]) -> Result<String> {
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for name in nodes {
            let (host, port) = self.node(name)?.endpoint().host_and_port();
            hosts.push(host);
            ports.push(port.to_string());
        }
        let password = self.passwords.superuser.as_str();
        Ok(conninfo(&[
            ("host", &hosts.join(",")),
            ("port", &ports.join(",")),
            ("user", "postgres"),
            ("password", password),
            ("dbname", "postgres"),
        ]))
    }

    /// A client that knows every node, tries one after the other and stays where the session has
    /// these attributes, as libpq does with several hosts in a connection string (manual:
    /// `target_session_attrs`). A node that accepts a connection and then says nothing costs the
    /// time of one attempt, not the whole search.
    ///
    /// # Errors
    ///
    /// No node will do: the error has what each of them said.
    pub async fn client(&self, attributes: TargetSessionAttrs) -> Result<Session> {
        self.client_with(attributes, &self.notebook).await
    }

    /// The same, for one whose statements are too many to note.
    pub(crate) async fn client_unrecorded(
        &self,
        attributes: TargetSessionAttrs,
    ) -> Result<Session> {
        self.client_with(attributes, &Notebook::in_memory()).await
    }

    async fn client_with(
        &self,
        attributes: TargetSessionAttrs,
        notebook: &Notebook,
    ) -> Result<Session> {
        let mut said = Vec::new();
        for node in &self.nodes {
            let mut config = node.config();
            config.target_session_attrs(attributes);
            match Session::open(&config, "client", notebook).await {
                Ok(session) => return Ok(session),
                Err(error) => said.push(format!("{}: {error:?}", node.name())),
            }
        }
        let act = format!("looking for a server with target_session_attrs={attributes:?}");
        Err(Error::not_found(act, said.join("\n  ")))
    }

    /// How `pg_rewind` connects to this node as its source: with a role that has no right but to
    /// read files by the functions that the manual lists.
    pub fn rewinder(&self, node: &str) -> Result<Config> {
        let mut config = self.node(node)?.config();
        config.user(REWINDER).password(self.passwords.rewinder.as_str());
        Ok(config)
    }

    /// A line for each node to paste into a shell. The password in it is this cluster's own and
    /// goes with it.
    pub fn psql_lines(&self) -> Vec<(String, String)> {
        let line = |node: &Node| {
            let (host, port) = node.endpoint().host_and_port();
            let password = self.passwords.superuser.as_str();
            let to =
                conninfo(&[("host", &host), ("port", &port.to_string()), ("user", "postgres")]);
            (
                format!("{}, {}", node.name(), node.host().location()),
                format!("PGPASSWORD={password} psql \"{to}\""),
            )
        };
        self.nodes.iter().map(line).collect()
    }
}
