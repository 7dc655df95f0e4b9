//! A machine for one server: it runs commands as the server's user, and a server can listen on it.
//! It is a container, or a directory on this machine. Nothing in this folder knows PostgreSQL: a
//! [`Guest`] describes what runs on a host.
//!
//! ```text
//!   Host ─┬─ Container   container.rs ── Engine   engine.rs     the engine's client
//!         └─ Local       local.rs ────── Account  account.rs    the user that servers run as
//!
//!   script.rs     the line that is run, and what came of it
//!   guest.rs      what runs on a host, as far as the host must know it
//!   switch.rs     the dead man's switch: cleans up when this process ends
//!   program.rs    the only code that runs programs of this machine
//! ```

pub(crate) mod account;
#[cfg(feature = "container")]
pub(crate) mod container;
#[cfg(feature = "container")]
pub(crate) mod engine;
pub(crate) mod guest;
pub(crate) mod local;
pub(crate) mod program;
pub(crate) mod script;
pub(crate) mod switch;

#[cfg(feature = "container")]
use self::container::Container;
use self::local::Local;
use self::script::{Endpoint, Output, Script};
use crate::error::{Error, Result, Why};

/// A machine for one server.
#[derive(Debug)]
pub struct Host(Kind);

/// A closed choice of two, so that code above it is written once for both.
#[derive(Debug)]
enum Kind {
    #[cfg(feature = "container")]
    Container(Box<Container>),
    Local(Box<Local>),
}

/// A script that holds a resource until it is released. The end of this process releases it, too.
#[derive(Debug)]
pub(crate) struct Held(HeldOn);

#[derive(Debug)]
enum HeldOn {
    #[cfg(feature = "container")]
    Container(container::Attached),
    Local(tokio::process::Child),
}

impl Held {
    /// Ends the script's input and waits until the script has exited.
    pub(crate) async fn release(self) -> Result<()> {
        match self.0 {
            #[cfg(feature = "container")]
            HeldOn::Container(attached) => attached.end().await,
            HeldOn::Local(mut child) => {
                drop(child.stdin.take());
                let ended = child.wait().await;
                ended.map(drop).map_err(|source| Error::io("ending a helper script", source))
            }
        }
    }
}

#[cfg(feature = "container")]
impl From<Container> for Host {
    fn from(container: Container) -> Self {
        Self(Kind::Container(Box::new(container)))
    }
}

impl From<Local> for Host {
    fn from(local: Local) -> Self {
        Self(Kind::Local(Box::new(local)))
    }
}

impl Host {
    /// Runs a script to its end and returns what it printed to standard output.
    ///
    /// # Errors
    ///
    /// The script ended with another status than 0: the error has the line and what it printed.
    pub async fn run(&self, script: &Script) -> Result<String> {
        let Output { status, stdout, stderr } = match &self.0 {
            #[cfg(feature = "container")]
            Kind::Container(container) => container.run(script).await?,
            Kind::Local(local) => local.run(script).await?,
        };
        match status {
            Some(0) => Ok(stdout),
            status => {
                let (line, output) = (script.line.clone(), stdout + &stderr);
                Err(Error::new("running a command", Why::Command { line, status, output }))
            }
        }
    }

    /// Starts a script and does not wait for it.
    ///
    /// # Errors
    ///
    /// The script could not be started. How it ends is not reported.
    pub async fn spawn(&self, script: &Script) -> Result<()> {
        match &self.0 {
            #[cfg(feature = "container")]
            Kind::Container(container) => container.spawn(script).await,
            Kind::Local(local) => local.spawn(script),
        }
    }

    /// Starts a script that holds a resource: it prints a line once it does, and releases the
    /// resource when its input ends.
    pub(crate) async fn hold(&self, script: &Script) -> Result<Held> {
        let held = match &self.0 {
            #[cfg(feature = "container")]
            Kind::Container(container) => HeldOn::Container(container.hold(script).await?),
            Kind::Local(local) => HeldOn::Local(local.hold(script).await?),
        };
        Ok(Held(held))
    }

    /// Reads a text file; `path` is relative to the data directory.
    ///
    /// # Errors
    ///
    /// There is no such file, or the servers' user may not read it.
    pub async fn read(&self, path: &str) -> Result<String> {
        self.run(&Script::new("cat \"$FILE\"").with("FILE", path)).await
    }

    /// Returns where clients in this process reach the server on this host.
    pub fn endpoint(&self) -> Endpoint {
        match &self.0 {
            #[cfg(feature = "container")]
            Kind::Container(container) => container.endpoint(),
            Kind::Local(local) => local.endpoint(),
        }
    }

    /// Returns the container of this host, if it is one.
    #[cfg(feature = "container")]
    pub(crate) fn container(&self) -> Option<&Container> {
        match &self.0 {
            Kind::Container(container) => Some(container),
            Kind::Local(_) => None,
        }
    }

    /// Returns the directory on the host that holds the data directory, the log and the socket.
    pub(crate) fn home(&self) -> String {
        match &self.0 {
            #[cfg(feature = "container")]
            Kind::Container(_) => container::HOME.to_owned(),
            Kind::Local(local) => local.home().display().to_string(),
        }
    }

    /// Tells whether a server on this host is to listen on TCP, beside its Unix socket.
    pub(crate) fn listens_on_tcp(&self) -> bool {
        match &self.0 {
            #[cfg(feature = "container")]
            Kind::Container(_) => true,
            Kind::Local(_) => false,
        }
    }

    /// Returns where a person finds what is on this host: a container and a directory in it, or a
    /// directory on this machine.
    pub fn location(&self) -> String {
        match &self.0 {
            #[cfg(feature = "container")]
            Kind::Container(container) => container.location(),
            Kind::Local(local) => local.home().display().to_string(),
        }
    }

    /// Ends every process on the host and removes the host.
    ///
    /// # Errors
    ///
    /// The engine did not remove the container, or the directory is still there.
    pub async fn remove(self) -> Result<()> {
        match self.0 {
            #[cfg(feature = "container")]
            Kind::Container(container) => container.remove().await,
            Kind::Local(local) => local.remove().await,
        }
    }
}
