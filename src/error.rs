//! The one error of this crate: what was being done, on which node, why it failed, what to do next,
//! and the last lines of the server's log. `Display` is this error alone, without the text of its
//! source; `Debug` is the whole chain, as a failed test prints it; `error/brief.rs` renders one
//! line.

#[cfg(feature = "cli")]
pub(crate) mod brief;

use std::time::Duration;
use std::{error, fmt, io};

use tokio_postgres::error::SqlState;

use crate::server_message::ServerMessage;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, with what was being done, the node, the reason and the next step.
pub struct Error(Box<Failure>);

struct Failure {
    act: String,
    node: Option<String>,
    why: Why,
    remedy: Option<String>,
    log: Option<String>,
}

/// The reason of a failure. It is private, so that reasons can be added: the methods of [`Error`]
/// ask for it.
pub(crate) enum Why {
    /// The value of a setting is not understood.
    Setting { value: String, allowed: &'static str },
    /// The described cluster cannot be built.
    Topology(&'static str),
    /// The text is no supported version of PostgreSQL.
    Version { text: String },
    /// The machine lacks what the settings ask for.
    Missing { there: String },
    /// The cluster or the server has no such node, slot, process or file.
    NotFound { there: String },
    /// The answer of a program, a file or a server is not understood.
    Unreadable { answer: String },
    /// A line of a record is not an entry.
    RecordLine { number: usize, source: serde_json::Error },
    /// A record does not begin with its `begin` event.
    RecordWithoutBegin,
    /// A record is in the format of a newer lab.
    NewerRecord { format: u64, known: u32 },
    /// Containers cannot connect to this process.
    #[cfg(feature = "container")]
    NoRoute { tried: String },
    /// The server exited by itself, with this exit status.
    Ended { status: String },
    /// PostgreSQL refused.
    Refused(ServerMessage),
    /// PostgreSQL accepted what was expected to be refused.
    Accepted,
    /// The connection to PostgreSQL broke, or was never established.
    Connection(tokio_postgres::Error),
    /// A program exited with an error.
    Command { line: String, status: Option<i64>, output: String },
    /// A condition did not hold before the deadline.
    Deadline { waited: Duration, last: String },
    /// A condition did not hold before the deadline; the last probe failed with this error.
    ProbeFailed { waited: Duration, last: Error },
    /// A condition that should hold throughout stopped holding.
    Changed { after: Duration, last: String },
    /// The operating system reports an error of a file or a socket.
    Io(io::Error),
    /// The container engine reports an error.
    #[cfg(feature = "container")]
    Engine(Box<dyn error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn new(act: impl Into<String>, why: Why) -> Self {
        Self(Box::new(Failure { act: act.into(), node: None, why, remedy: None, log: None }))
    }

    pub(crate) fn io(act: impl Into<String>, source: io::Error) -> Self {
        Self::new(act, Why::Io(source))
    }

    #[cfg(feature = "container")]
    pub(crate) fn engine(
        act: impl Into<String>,
        source: impl Into<Box<dyn error::Error + Send + Sync>>,
    ) -> Self {
        Self::new(act, Why::Engine(source.into()))
    }

    pub(crate) fn missing(act: impl Into<String>, there: impl Into<String>) -> Self {
        Self::new(act, Why::Missing { there: there.into() })
    }

    pub(crate) fn not_found(act: impl Into<String>, there: impl Into<String>) -> Self {
        Self::new(act, Why::NotFound { there: there.into() })
    }

    pub(crate) fn unreadable(act: impl Into<String>, answer: impl Into<String>) -> Self {
        Self::new(act, Why::Unreadable { answer: answer.into() })
    }

    pub(crate) fn sql(act: impl Into<String>, source: tokio_postgres::Error) -> Self {
        let why = match source.as_db_error() {
            Some(refused) => Why::Refused(ServerMessage::from_server(refused)),
            None => Why::Connection(source),
        };
        Self::new(act, why)
    }

    /// Replaces what was being done by a more exact description of the caller's.
    #[cfg(feature = "cli")]
    pub(crate) fn while_doing(mut self, act: impl Into<String>) -> Self {
        self.0.act = act.into();
        self
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    pub(crate) fn on(mut self, node: impl Into<String>) -> Self {
        self.0.node.get_or_insert(node.into());
        self
    }

    pub(crate) fn log_tail(mut self, tail: impl Into<String>) -> Self {
        self.0.log.get_or_insert(tail.into());
        self
    }

    /// Returns the name of the node on which it happened, if there was one.
    pub fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    /// Returns PostgreSQL's message, if PostgreSQL refused.
    pub fn server_message(&self) -> Option<&ServerMessage> {
        match &self.0.why {
            Why::Refused(message) => Some(message),
            _ => None,
        }
    }

    /// Returns the SQLSTATE, if PostgreSQL refused (manual: Appendix A, PostgreSQL Error Codes).
    pub fn code(&self) -> Option<&SqlState> {
        self.server_message().and_then(ServerMessage::code)
    }

    /// Tells whether a wait reached its deadline.
    pub fn is_deadline(&self) -> bool {
        matches!(self.0.why, Why::Deadline { .. } | Why::ProbeFailed { .. })
    }

    /// Tells whether this machine lacks something that the settings ask for: an engine, an image,
    /// an installation of PostgreSQL, a version.
    pub fn is_missing(&self) -> bool {
        matches!(self.0.why, Why::Missing { .. })
    }

    /// Tells whether the cluster or the server has no such node, slot, process or file.
    pub fn is_not_found(&self) -> bool {
        matches!(self.0.why, Why::NotFound { .. })
    }

    /// Returns the output of the program that exited with an error, if a program failed.
    pub fn output(&self) -> Option<&str> {
        match &self.0.why {
            Why::Command { output, .. } => Some(output),
            _ => None,
        }
    }

    /// Tells whether containers cannot connect to this process.
    #[cfg(feature = "container")]
    pub(crate) fn is_no_route(&self) -> bool {
        matches!(self.0.why, Why::NoRoute { .. })
    }

    /// Tells whether the server exited by itself.
    pub fn is_ended(&self) -> bool {
        matches!(self.0.why, Why::Ended { .. })
    }

    /// Tells whether the connection broke, or was never established, without a message from the
    /// server. Whether the statement took effect is then unknown.
    pub fn is_connection(&self) -> bool {
        matches!(self.0.why, Why::Connection(_))
    }

    /// Tells whether a setting, a version or a topology was not understood, so that nothing was
    /// started.
    pub fn is_bad_input(&self) -> bool {
        matches!(self.0.why, Why::Setting { .. } | Why::Topology(_) | Why::Version { .. })
    }
}

impl Failure {
    /// Returns the first line: the node, what was being done, and the reason, as far as that is
    /// short.
    fn headline(&self) -> String {
        let node = self.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
        format!("{}{node}{}", self.act, self.why.in_short())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = &self.0;
        write!(f, "{}", failure.headline())?;
        failure.why.details(f)?;
        if let Some(remedy) = &failure.remedy {
            write!(f, "\n  what to do: {remedy}")?;
        }
        if let Some(log) = &failure.log {
            write!(f, "\n  last lines of the server's log:")?;
            quote(f, log)?;
        }
        Ok(())
    }
}

impl Why {
    /// Returns what follows the act on the same line; empty where only the details or the source
    /// give the reason.
    fn in_short(&self) -> String {
        match self {
            Self::Setting { value, .. } => format!(": the value {value:?} is not understood"),
            Self::Topology(reason) => format!(": {reason}"),
            #[cfg(feature = "container")]
            Self::NoRoute { tried } => format!(": no answer at {tried}"),
            Self::Ended { status } => {
                format!(": the server exited by itself, with exit status {status}")
            }
            Self::Refused(message) => format!(": PostgreSQL refused: {message}"),
            Self::Accepted => ": PostgreSQL accepted it".to_owned(),
            Self::Command { line, status: Some(status), .. } => {
                format!(": exit status {status} of the command: {line}")
            }
            Self::Command { line, status: None, .. } => {
                format!(": a signal ended the command: {line}")
            }
            Self::Deadline { waited, .. } | Self::ProbeFailed { waited, .. } => {
                format!(": it did not happen within {waited:.1?}")
            }
            Self::Changed { after, .. } => format!(": it changed after {after:.1?}"),
            Self::Version { text } => format!(": {text:?} is not a PostgreSQL version from 13 on"),
            Self::Missing { .. }
            | Self::NotFound { .. }
            | Self::Unreadable { .. }
            | Self::RecordLine { .. }
            | Self::RecordWithoutBegin
            | Self::NewerRecord { .. }
            | Self::Connection(_)
            | Self::Io(_) => " failed".to_owned(),
            #[cfg(feature = "container")]
            Self::Engine(_) => " failed".to_owned(),
        }
    }

    /// Writes the lines below the headline.
    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { allowed, .. } => write!(f, "\n  allowed values: {allowed}"),
            Self::Missing { there }
            | Self::NotFound { there }
            | Self::Unreadable { answer: there } => write!(f, "\n  found: {there}"),
            Self::RecordLine { number, .. } => {
                write!(f, "\n  found: line {number} is not an entry of a record")
            }
            Self::RecordWithoutBegin => {
                write!(f, "\n  found: a record that does not begin with a \"begin\" event")
            }
            Self::NewerRecord { format, known } => write!(
                f,
                "\n  found: a record in format {format}; this lab reads formats up to {known}: read it with \
                 a newer lab"
            ),
            Self::Command { output, .. } => quote(f, output.trim_end()),
            Self::Deadline { last, .. } | Self::Changed { last, .. } => {
                write!(f, "\n  seen last: {last}")
            }
            Self::ProbeFailed { last, .. } => write!(f, "\n  seen last: {last:?}"),
            _ => Ok(()),
        }
    }
}

/// Writes the lines of a program's output or a server's log.
fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.lines().try_for_each(|line| write!(f, "\n    | {line}"))
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = error::Error::source(self);
        while let Some(cause) = source {
            write!(f, "\n  because: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match &self.0.why {
            Why::Connection(source) => Some(source),
            Why::Io(source) => Some(source),
            Why::RecordLine { source, .. } => Some(source),
            #[cfg(feature = "container")]
            Why::Engine(source) => Some(source.as_ref()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_tells_the_next_step_and_leaves_the_source_to_debug() {
        let source = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let error = Error::io("reading the configuration", source)
            .on("standby1")
            .remedy("write it first")
            .log_tail("LOG:  one\nLOG:  two");
        assert_eq!(
            error.to_string(),
            "reading the configuration on standby1 failed\n  \
             what to do: write it first\n  last lines of the server's log:\n    | LOG:  one\n    | LOG:  two"
        );
        assert!(!error.to_string().contains("no such file"));
        assert!(format!("{error:?}").ends_with("\n  because: no such file"));
    }
}
