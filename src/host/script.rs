//! What is run on a host, what came of it, and where a client reaches what listens there. Plain
//! data: nothing here runs anything.

use std::fmt;
use std::path::PathBuf;

/// A line for `sh`, and the variables that it needs beside those that every script on the host has:
/// passwords and file contents, which belong in no command line.
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

/// What a program printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    /// None where a signal ended it.
    pub(crate) status: Option<i64>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Where a client in this process reaches a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket: its directory, and the port that is part of its name.
    Unix(PathBuf, u16),
    /// A TCP port: its host, and the port.
    Tcp(String, u16),
}

impl Endpoint {
    /// Returns `host` and `port` as connection strings have them (manual: libpq, Parameter Key Words).
    pub fn host_and_port(&self) -> (String, u16) {
        match self {
            Self::Unix(directory, port) => (directory.display().to_string(), *port),
            Self::Tcp(host, port) => (host.clone(), *port),
        }
    }
}
