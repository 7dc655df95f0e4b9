//! Somewhere commands run as the server's user and a server can listen: a container, or a
//! directory on this machine. It knows nothing of replication, and of PostgreSQL only where its
//! programs are.
//!
//! ```text
//!   Site (chosen once) ── Engine, Image ─▶ Host::Container   engine.rs, image.rs, route.rs, container.rs
//!          site.rs     └─ Installation ──▶ Host::Local       installation.rs, local.rs
//!
//!   every host starts from a template                        template.rs
//!   and is armed with a dead man's switch                    switch.rs, leftover.rs
//! ```

#[cfg(feature = "container")]
pub(crate) mod container;
#[cfg(feature = "container")]
pub(crate) mod engine;
#[cfg(feature = "container")]
pub(crate) mod image;
pub(crate) mod installation;
pub(crate) mod leftover;
pub(crate) mod local;
#[cfg(feature = "container")]
pub(crate) mod route;
pub(crate) mod site;
pub(crate) mod survey;
pub(crate) mod switch;
pub(crate) mod template;

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Result, Why};

/// The port every server listens on, inside its container or as the name of its socket.
pub(crate) const PORT: u16 = 5432;

/// A machine for one server: a closed choice of two, so that everything above is written once.
#[derive(Debug)]
pub enum Host {
    /// A container; the server is a process in it.
    #[cfg(feature = "container")]
    Container(Box<container::Container>),
    /// A directory on this machine; the server listens on a Unix socket in it.
    Local(local::Local),
}

/// A line for `sh`, and what it needs in its environment beside the host's own `PGDATA`, `PGHOST`
/// and `PATH`: passwords and file contents, which belong in no command line.
#[derive(Clone)]
pub struct Script {
    pub(crate) line: String,
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl fmt::Debug for Script {
    /// The line alone: what is in the environment is nobody's to see.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Script").field(&self.line).finish()
    }
}

impl Script {
    /// A script without an environment of its own.
    pub fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), environment: Vec::new() }
    }

    /// Gives the script a variable.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }
}

/// How a client in this process reaches a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket in this directory.
    Unix(PathBuf),
    /// A published port.
    Tcp(String, u16),
}

impl Endpoint {
    /// `host` and `port` as connection strings have them.
    pub fn host_and_port(&self) -> (String, u16) {
        match self {
            Self::Unix(directory) => (directory.display().to_string(), PORT),
            Self::Tcp(host, port) => (host.clone(), *port),
        }
    }
}

/// A script that holds something until it is released; the end of this process releases it too.
#[derive(Debug)]
pub(crate) enum Held {
    #[cfg(feature = "container")]
    Container(container::Attached),
    Local(tokio::process::Child),
}

impl Held {
    /// Ends the script's input and waits for its end.
    pub(crate) async fn release(self) -> Result<()> {
        match self {
            #[cfg(feature = "container")]
            Self::Container(attached) => attached.end().await,
            Self::Local(mut child) => {
                drop(child.stdin.take());
                let ended = child.wait().await;
                ended.map(drop).map_err(|source| Error::io("releasing what was held", source))
            }
        }
    }
}

/// What a program said and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: Option<i64>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Host {
    /// Runs a script to its end and gives what it printed.
    ///
    /// # Errors
    ///
    /// It ended with another status than 0: the error has the line and what it printed.
    pub async fn run(&self, script: &Script) -> Result<String> {
        let output = match self {
            #[cfg(feature = "container")]
            Self::Container(container) => container.run(script).await?,
            Self::Local(local) => local.run(script).await?,
        };
        match output.status {
            Some(0) => Ok(output.stdout),
            status => {
                let line = script.line.clone();
                let output = output.stdout + &output.stderr;
                Err(Error::new("running a command", Why::Command { line, status, output }))
            }
        }
    }

    /// Starts a script that goes on by itself.
    pub async fn spawn(&self, script: &Script) -> Result<()> {
        match self {
            #[cfg(feature = "container")]
            Self::Container(container) => container.spawn(script).await,
            Self::Local(local) => local.spawn(script),
        }
    }

    /// Starts a script that holds something, says a line when it does, and lets go when its input
    /// ends.
    pub(crate) async fn hold(&self, script: &Script) -> Result<Held> {
        match self {
            #[cfg(feature = "container")]
            Self::Container(container) => container.hold(script).await.map(Held::Container),
            Self::Local(local) => local.hold(script).await.map(Held::Local),
        }
    }

    /// Reads a text file; `path` is relative to the data directory.
    pub async fn read(&self, path: &str) -> Result<String> {
        self.run(&Script::new("cat \"$FILE\"").with("FILE", path)).await
    }

    /// Where clients reach a server on this host.
    pub fn endpoint(&self) -> Endpoint {
        match self {
            #[cfg(feature = "container")]
            Self::Container(container) => container.endpoint(),
            Self::Local(local) => local.endpoint(),
        }
    }

    /// The `listen_addresses` and `unix_socket_directories` of a server on this host.
    pub(crate) fn listening(&self) -> (&'static str, String) {
        match self {
            #[cfg(feature = "container")]
            Self::Container(_) => ("*", container::HOME.to_owned()),
            Self::Local(local) => ("", local.home().display().to_string()),
        }
    }

    /// Where a person finds what is on this host.
    pub fn place(&self) -> String {
        match self {
            #[cfg(feature = "container")]
            Self::Container(container) => container.place(),
            Self::Local(local) => local.home().display().to_string(),
        }
    }

    /// Takes the host away, and everything on it.
    pub async fn remove(self) -> Result<()> {
        match self {
            #[cfg(feature = "container")]
            Self::Container(container) => container.remove().await,
            Self::Local(local) => local.remove().await,
        }
    }
}
