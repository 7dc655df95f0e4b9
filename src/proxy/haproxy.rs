//! HAProxy: a proxy for TCP connections. It gives a new connection to a server whose check passes;
//! the check asks the server for its role. It knows nothing of timelines.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::process::{Proxy, Variable};
use crate::cluster::Cluster;
use crate::cluster::basebackup::REPLICATOR;
use crate::error::{Error, Result};
use crate::host::script::Endpoint;
use crate::session::Session;
use crate::site::Site;
use crate::site::companion::Companion;
use crate::wait::{PATIENCE, Seen, until};

/// The part of the configuration before the proxies. Paths are relative to the directory in which
/// HAProxy is started. A check that runs a program must end within `inter`, so that is long, and a
/// server is down after three of them; one that is down is asked more often.
const GLOBAL: &str = "\
global
    external-check
    insecure-fork-wanted
    stats socket unix@../stats mode 600 level admin
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    default-server check inter 3s fastinter 500ms downinter 500ms fall 3 rise 1
";

/// The proxy for clients: its check runs a script.
const ROLE: &str = "\
listen role
    bind unix@../.s.PGSQL.6432 mode 600
    option external-check
    external-check path \"$PATH\"
    external-check command ./check
    default-server on-marked-down shutdown-sessions
";

/// A second proxy for the same servers, whose check asks no role.
const ANSWER: &str = "\
listen answer
    bind unix@../.s.PGSQL.6433 mode 600
    balance roundrobin
    option pgsql-check user replicator
";

/// The check: HAProxy runs it with the address and the port of a server as `$3` and `$4`. For a Unix
/// socket they are its path and `NOT_USED`.
const CHECK: &str = r#"#!/bin/sh
# $3 and $4 are the address and the port of the server; of a Unix socket its path and NOT_USED.
port=${4#NOT_USED}
server="host=${3%/.s.PGSQL.*} port=${port:-5432} user=replicator dbname=postgres connect_timeout=2"
[ "$(PGPASSFILE=./passfile psql -XAtq "$server" -c 'SELECT pg_is_in_recovery()')" = f ]
"#;

/// A proxy in the configuration, by its check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// An external check that asks whether the server is a primary: `SELECT pg_is_in_recovery()`.
    Role,
    /// HAProxy's `option pgsql-check`, which asks whether the server answers.
    Answer,
}

impl Check {
    fn name(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Answer => "answer",
        }
    }
}

/// A running HAProxy with two addresses: behind the first its check asks a server for its role,
/// behind the second only whether it answers.
#[derive(Debug)]
pub struct HaProxy(Proxy);

impl Deref for HaProxy {
    type Target = Proxy;

    fn deref(&self) -> &Proxy {
        &self.0
    }
}

impl HaProxy {
    /// Starts HAProxy in front of every node of the cluster, and waits until it has checked each of
    /// them and has found a primary.
    ///
    /// # Errors
    ///
    /// HAProxy or `psql`, which its check needs, is not installed (see
    /// [`Error::is_missing`](crate::Error::is_missing)), or HAProxy does not start.
    pub async fn start(site: &Site, cluster: &Cluster) -> Result<Self> {
        let needed = [Companion::HaProxy, Companion::Psql];
        let proxy = Self(Proxy::new("haproxy", site.host_of_a_proxy("haproxy", &needed)?, cluster));
        let passfile = format!("*:*:*:{REPLICATOR}:");
        let password = cluster.replicator().as_str();
        let (value, shown) = (format!("{passfile}{password}\n"), format!("{passfile}‹password›\n"));
        let check = Variable::new("CHECK", CHECK, CHECK);
        let passfile = Variable::new("PASSFILE", value, shown);
        let line = "umask 077; printf %s \"$CHECK\" >check; printf %s \"$PASSFILE\" >passfile; \
                    chmod u+x check";
        proxy.run(line, &[check, passfile]).await?;
        proxy.run("printf %s \"$CONF\" >haproxy.cfg", &[configuration(cluster)]).await?;
        proxy.0.start("haproxy -f haproxy.cfg", &[]).await?;
        proxy
            .0
            .ready("HAProxy has checked every server and found a primary", || proxy.has_checked())
            .await?;
        Ok(proxy)
    }

    async fn has_checked(&self) -> Result<Seen<()>> {
        let states = states(&self.ask("show stat").await?);
        let waiting: Vec<_> = states.iter().filter(|state| !state.checked).collect();
        let primary = states.iter().any(|state| state.proxy == Check::Role.name() && state.up);
        let all = waiting.is_empty() && primary;
        Ok(if all { Seen::Done(()) } else { Seen::NotYet(format!("{states:?}")) })
    }

    /// Returns the servers that a check lets connections through to.
    async fn servers_up(&self, check: Check) -> Result<Vec<String>> {
        let states = states(&self.ask("show stat").await?);
        let up = states.into_iter().filter(|state| state.proxy == check.name() && state.up);
        Ok(up.map(|state| state.server).collect())
    }

    /// Waits until exactly these servers are up by a check.
    ///
    /// # Errors
    ///
    /// Others are up after [`PATIENCE`].
    pub async fn wait_for_up(&self, check: Check, servers: &[&str]) -> Result<Vec<String>> {
        let what = format!("HAProxy has these servers up: {servers:?}");
        until(&what, PATIENCE, || async {
            let up = self.servers_up(check).await?;
            Ok(if up == servers { Seen::Done(up) } else { Seen::NotYet(format!("{up:?} are")) })
        })
        .await
    }

    /// Opens a session at the address whose check asks only whether a server answers.
    ///
    /// # Errors
    ///
    /// HAProxy or the server behind it refuses the connection, or does not answer in time.
    pub async fn session_on_any(&self) -> Result<Session> {
        let (host, port) = self.host.endpoint().host_and_port();
        let mut config = crate::node::superuser(&self.password);
        config.host(host).port(port + 1);
        Session::open(&config, "client", &self.notebook).await
    }

    /// Sends a command to HAProxy's own socket and returns its answer (HAProxy's management guide:
    /// Unix Socket commands).
    async fn ask(&self, command: &str) -> Result<String> {
        let failed = |source| Error::io(format!("asking HAProxy {command:?}"), source);
        let socket = Path::new(&self.host.home()).join("stats");
        let mut stream = UnixStream::connect(socket).await.map_err(failed)?;
        stream.write_all(format!("{command}\n").as_bytes()).await.map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map_err(failed)?;
        Ok(answer)
    }
}

/// Returns the configuration, with the servers of the cluster behind both addresses.
fn configuration(cluster: &Cluster) -> Variable {
    let servers = |address: &dyn Fn(&crate::node::Node) -> String| -> String {
        let line =
            |node| format!("    server {} {}\n", crate::node::Node::name(node), address(node));
        cluster.nodes().iter().map(line).collect()
    };
    let real = servers(&|node| match node.endpoint() {
        Endpoint::Unix(directory, port) => format!("unix@{}/.s.PGSQL.{port}", directory.display()),
        Endpoint::Tcp(host, port) => format!("{host}:{port}"),
    });
    let shown = servers(&|node| format!("‹address of {}›", node.name()));
    let whole = |servers: String| format!("{GLOBAL}{ROLE}{servers}{ANSWER}{servers}");
    Variable::new("CONF", whole(real), whole(shown))
}

/// The state of a server behind a proxy of HAProxy.
#[derive(Debug, PartialEq, Eq)]
struct State {
    proxy: String,
    server: String,
    up: bool,
    checked: bool,
}

/// Reads the answer to `show stat`: comma-separated values below a line with their names. Rows of
/// proxies themselves are left out.
fn states(answer: &str) -> Vec<State> {
    let mut lines = answer.lines();
    let names = lines.next().unwrap_or_default().trim_start_matches("# ");
    let names: Vec<_> = names.split(',').collect();
    let row = |line: &str| -> BTreeMap<String, String> {
        let names = names.iter().map(|name| (*name).to_owned());
        names.zip(line.split(',').map(str::to_owned)).collect()
    };
    let state = |row: BTreeMap<String, String>| {
        let value = |name: &str| row.get(name).cloned().unwrap_or_default();
        let server = value("svname");
        (!server.is_empty() && server != "FRONTEND" && server != "BACKEND").then(|| State {
            proxy: value("pxname"),
            server,
            up: value("status").starts_with("UP"),
            checked: !["", "INI", "* INI"].contains(&value("check_status").as_str()),
        })
    };
    lines.map(row).filter_map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_server_is_read_by_the_names_of_the_columns() {
        let answer = "# pxname,svname,status,check_status,\nrole,FRONTEND,OPEN,,\n\
                      role,a,UP,PROCOK,\nrole,b,DOWN,PROCERR,\nrole,c,UP,INI,\nrole,BACKEND,UP,,\n\n";
        let seen: Vec<_> = states(answer)
            .into_iter()
            .map(|state| (state.server, state.up, state.checked))
            .collect();
        let expected = [("a", true, true), ("b", false, true), ("c", true, false)];
        assert_eq!(seen, expected.map(|(server, up, checked)| (server.to_owned(), up, checked)));
    }
}
