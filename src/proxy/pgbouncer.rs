//! PgBouncer: a connection pooler. Its configuration names the one server that its clients reach;
//! a person changes the file and says RELOAD.

use std::ops::Deref;

use super::process::{Proxy, Variable};
use crate::cluster::Cluster;
use crate::error::Result;
use crate::record::notebook::Notebook;
use crate::session::Session;
use crate::site::Site;
use crate::site::companion::Companion;
use crate::wait::Seen;

/// The configuration without the server. In pool mode `transaction` a client keeps no server
/// between its transactions, so PAUSE needs not wait for clients to disconnect.
const CONF: &str = "\
[pgbouncer]
unix_socket_dir = ..
listen_port = 6432
auth_type = scram-sha-256
auth_file = userlist.txt
admin_users = postgres
pool_mode = transaction
server_login_retry = 1
";

/// A running PgBouncer, in transaction mode.
#[derive(Debug)]
pub struct PgBouncer(Proxy);

impl Deref for PgBouncer {
    type Target = Proxy;

    fn deref(&self) -> &Proxy {
        &self.0
    }
}

impl PgBouncer {
    /// Starts PgBouncer with this node as its server, and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// PgBouncer is not installed (see [`Error::is_missing`](crate::Error::is_missing)), the cluster
    /// has no such node, or PgBouncer does not start.
    pub async fn start(site: &Site, cluster: &Cluster, node: &str) -> Result<Self> {
        let host = site.host_of_a_proxy("pgbouncer", &[Companion::PgBouncer])?;
        let proxy = Self(Proxy::new("pgbouncer", host, cluster));
        let password = Variable::new("PASSWORD", proxy.password.as_str(), "‹password›");
        let line = "umask 077; printf '\"postgres\" \"%s\"\\n' \"$PASSWORD\" >userlist.txt";
        proxy.run(line, &[password]).await?;
        proxy.configure(cluster, node).await?;
        proxy.0.start("pgbouncer pgbouncer.ini", &[]).await?;
        proxy.0.ready("PgBouncer takes connections", || proxy.answers()).await?;
        Ok(proxy)
    }

    async fn answers(&self) -> Result<Seen<()>> {
        let mut config = self.config();
        config.dbname("pgbouncer");
        Session::open(&config, self.name, &Notebook::in_memory()).await.map(|_| Seen::Done(()))
    }

    /// Writes the configuration with this node as the server. PgBouncer reads it at its next
    /// `RELOAD`.
    ///
    /// # Errors
    ///
    /// The cluster has no such node, or the file cannot be written.
    pub async fn configure(&self, cluster: &Cluster, node: &str) -> Result<()> {
        let (host, port) = cluster.node(node)?.endpoint().host_and_port();
        let conf = |host: &str, port: &str| {
            format!("[databases]\npostgres = host={host} port={port}\n{CONF}")
        };
        let shown = conf(&format!("‹host of {node}›"), &format!("‹port of {node}›"));
        let conf = Variable::new("CONF", conf(&host, &port.to_string()), shown);
        self.run("printf %s \"$CONF\" >pgbouncer.ini", &[conf]).await
    }

    /// Opens a session on PgBouncer's own console, which takes its commands (PgBouncer's manual:
    /// Admin Console).
    ///
    /// # Errors
    ///
    /// PgBouncer refuses the connection.
    pub async fn console(&self) -> Result<Session> {
        let mut config = self.config();
        config.dbname("pgbouncer");
        Session::open(&config, self.name, &self.notebook).await
    }
}
