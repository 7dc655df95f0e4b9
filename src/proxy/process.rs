//! The process of a proxy, and what clients need of it: a directory on this machine, one address, a
//! log. Which program it is, and where it leads, the files beside this one know.

use tokio_postgres::Config;

use crate::cluster::Cluster;
use crate::error::{Error, Result, Why};
use crate::host::Host;
use crate::host::script::Script;
use crate::node::superuser;
use crate::password::Password;
use crate::record::event::Event;
use crate::record::notebook::Notebook;
use crate::session::Session;
use crate::wait::{PATIENCE, Seen, until};

/// A running proxy: its directory, its address, its log. It ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    pub(super) name: &'static str,
    pub(super) host: Host,
    pub(super) password: Password,
    pub(super) notebook: Notebook,
}

/// A variable of a line that is run: its name, its value, and the value that the notebook shows,
/// with placeholders for addresses and passwords.
pub(super) struct Variable {
    name: &'static str,
    pub(super) value: String,
    pub(super) shown: String,
}

impl Variable {
    pub(super) fn new(
        name: &'static str,
        value: impl Into<String>,
        shown: impl Into<String>,
    ) -> Self {
        Self { name, value: value.into(), shown: shown.into() }
    }
}

impl Proxy {
    pub(super) fn new(name: &'static str, host: Host, cluster: &Cluster) -> Self {
        let (password, notebook) = (cluster.superuser().clone(), cluster.notebook().clone());
        Self { name, host, password, notebook }
    }

    /// Returns the configuration of a client of the proxy: the superuser, at the proxy's address.
    pub fn config(&self) -> Config {
        let (host, port) = self.host.endpoint().host_and_port();
        let mut config = superuser(&self.password);
        config.host(host).port(port);
        config
    }

    /// Opens a session through the proxy.
    ///
    /// # Errors
    ///
    /// The proxy or the server behind it refuses the connection, or does not answer in time.
    pub async fn session(&self) -> Result<Session> {
        Session::open(&self.config(), "client", &self.notebook).await
    }

    /// Starts the proxy, whose log then goes to a file, and waits for a session through it or for
    /// its end.
    pub(super) async fn start(&self, line: &str, variables: &[Variable]) -> Result<()> {
        let line = format!("{line} >>../log 2>&1");
        self.note(&format!("{line} &"), variables);
        let script = Script::new(format!("{line}; echo $? >../exit"));
        self.host.spawn(&with(script, variables)).await.map_err(|error| error.on(self.name))
    }

    /// Waits until a probe of the running proxy is done; fails at once when the proxy has exited.
    pub(super) async fn ready<T, F>(&self, what: &str, mut probe: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<Seen<T>>>,
    {
        let ready = until(what, PATIENCE, || {
            let probed = probe();
            async {
                let status = Script::new("cat ../exit 2>/dev/null || true");
                match (probed.await, self.host.run(&status).await?.trim()) {
                    (Ok(Seen::Done(seen)), _) => Ok(Seen::Done(Ok(seen))),
                    (probed, "") => probed.map(|seen| match seen {
                        Seen::Done(seen) => Seen::Done(Ok(seen)),
                        Seen::NotYet(seen) => Seen::NotYet(seen),
                    }),
                    (_, status) => {
                        let why = Why::Ended { status: status.to_owned() };
                        Ok(Seen::Done(Err(Error::new("starting the proxy", why))))
                    }
                }
            }
        });
        match ready.await {
            Ok(Ok(seen)) => Ok(seen),
            Ok(Err(error)) | Err(error) => {
                let log = self.host.read("../log").await.unwrap_or_default();
                Err(error.on(self.name).log_tail(log))
            }
        }
    }

    /// Runs a line on this machine, and records it with what it needs.
    pub(super) async fn run(&self, line: &str, variables: &[Variable]) -> Result<()> {
        self.note(line, variables);
        let script = with(Script::new(line), variables);
        self.host.run(&script).await.map(drop).map_err(|error| error.on(self.name))
    }

    fn note(&self, line: &str, variables: &[Variable]) {
        let with = variables.iter().map(|one| (one.name.to_owned(), one.shown.clone())).collect();
        let (node, line) = (self.name.to_owned(), line.to_owned());
        self.notebook.note(Event::Command { node, line, with });
    }

    /// Ends the proxy and removes its directory.
    ///
    /// # Errors
    ///
    /// The directory is still there.
    pub async fn stop(self) -> Result<()> {
        self.host.remove().await
    }
}

fn with(script: Script, variables: &[Variable]) -> Script {
    variables.iter().fold(script, |script, one| script.with(one.name, one.value.clone()))
}
