//! Scripts for a host, their output, and the address of a server on a host. Plain data: nothing
//! here runs a script.

use std::fmt;
use std::path::PathBuf;

/// A line for `sh`, and its variables beside those that every script on the host has: passwords and
/// file contents, which must not be part of a command line.
#[derive(Clone)]
pub struct Script {
    pub(crate) line: String,
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl fmt::Debug for Script {
    /// Shows the line alone: the variables may hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Script").field(&self.line).finish()
    }
}

impl Script {
    /// Creates a script without variables of its own.
    pub fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), environment: Vec::new() }
    }

    /// Adds a variable.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }
}

/// The output and the exit status of a program.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit status; none where a signal ended the program.
    pub(crate) status: Option<i64>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The address at which a client in this process connects to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket: its directory, and the port that is part of its name.
    Unix(PathBuf, u16),
    /// A TCP port: its host, and the port.
    Tcp(String, u16),
}

impl Endpoint {
    /// Returns `host` and `port` as connection strings have them (manual: libpq, Parameter Key
    /// Words).
    pub fn host_and_port(&self) -> (String, u16) {
        match self {
            Self::Unix(directory, port) => (directory.display().to_string(), *port),
            Self::Tcp(host, port) => (host.clone(), *port),
        }
    }
}
