//! Connections of clients and people to a cluster: to one server or several, as values, as strings,
//! as lines to paste. Nothing here changes a server.

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
    /// Returns the configuration of a client with these nodes in its connection string, in this
    /// order: the first server that answers and has the required attributes is taken (manual:
    /// Specifying Multiple Hosts).
    ///
    /// # Errors
    ///
    /// The cluster has no such node.
    pub fn config_of(&self, nodes: &[&str]) -> Result<Config> {
        let mut config = superuser(&self.passwords.superuser);
        for name in nodes {
            let (host, port) = self.node(name)?.endpoint().host_and_port();
            config.host(host).port(port);
        }
        Ok(config)
    }

    /// Returns a connection string for these nodes, as libpq reads it (manual: Connection Strings).
    /// The password in it is generated for this cluster and removed with it.
    ///
    /// # Errors
    ///
    /// The cluster has no such node.
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

    /// Opens a session as a client whose connection string names every node: on the first one that
    /// answers and has these attributes (manual: `target_session_attrs`). A frozen node, which
    /// accepts connections and never answers, costs the time of one attempt, not the whole search.
    ///
    /// # Errors
    ///
    /// No node has these attributes: the error has what each of them answered.
    pub async fn client(&self, attributes: TargetSessionAttrs) -> Result<Session> {
        self.client_with(attributes, &self.notebook).await
    }

    /// Opens a session as [`client`](Self::client) does, unrecorded: a load has too many statements
    /// for the notebook.
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

    /// Returns the configuration with which `pg_rewind` connects to this node as its source: with a
    /// role that may only call the functions that the manual lists.
    ///
    /// # Errors
    ///
    /// The cluster has no such node.
    pub fn rewinder(&self, node: &str) -> Result<Config> {
        let mut config = self.node(node)?.config();
        config.user(REWINDER).password(self.passwords.rewinder.as_str());
        Ok(config)
    }

    /// Returns a `psql` line for each node, with a description of the node, to paste into a shell.
    /// The password in it is generated for this cluster and removed with it.
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
