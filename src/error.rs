//! The one error of this crate: what was being done, on which node, why it failed, what to do
//! next, and the last lines of the server's log. It never repeats its source in its own text:
//! `Display` is this error alone, `Debug` the whole chain, as a failed test prints it;
//! `error/brief.rs` tells it in one line.

#[cfg(feature = "cli")]
pub(crate) mod brief;

use std::time::Duration;
use std::{error, fmt, io};

use tokio_postgres::error::SqlState;

use crate::server_message::ServerMessage;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something the lab could not do, told so that a person knows the next step.
pub struct Error(Box<Failure>);

struct Failure {
    act: String,
    node: Option<String>,
    why: Why,
    remedy: Option<String>,
    log: Option<String>,
}

/// Why it failed. Private, so that reasons can be added: ask the [`Error`] instead.
pub(crate) enum Why {
    /// A setting has a value that nobody understands.
    Setting { value: String, allowed: &'static str },
    /// A cluster was described that cannot be built.
    Topology(&'static str),
    /// Text that is no version of PostgreSQL that the lab is for.
    Version { text: String },
    /// The machine does not have what the settings ask for.
    Missing { there: String },
    /// A cluster or a server has no such node, slot, process or file.
    NotFound { there: String },
    /// A program, a file or a server gave an answer that is not understood.
    Unreadable { answer: String },
    /// A line of a record is no entry.
    RecordLine { number: usize, source: serde_json::Error },
    /// A record without its head.
    RecordWithoutBegin,
    /// A record in a format of a newer lab.
    NewerRecord { format: u64, known: u32 },
    /// Containers cannot connect to this process.
    #[cfg(feature = "container")]
    NoRoute { tried: String },
    /// The server ended by itself, with this exit status.
    Ended { status: String },
    /// PostgreSQL said no.
    Refused(ServerMessage),
    /// PostgreSQL said yes where a refusal was expected.
    Accepted,
    /// The connection to PostgreSQL broke, or never came about.
    Connection(tokio_postgres::Error),
    /// A program ended with an error.
    Command { line: String, status: Option<i64>, output: String },
    /// A condition did not come about in time.
    Deadline { waited: Duration, last: String },
    /// A condition did not come about in time, because looking for it failed, in the end with this.
    LookFailed { waited: Duration, last: Error },
    /// A condition that should stay did not.
    Changed { after: Duration, last: String },
    /// A file or a socket.
    Io(io::Error),
    /// The container engine said no.
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

    /// Names what was being done more exactly than the one who failed could.
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

    /// The node on which it happened, where there was one.
    pub fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    /// Returns what PostgreSQL said, if it was PostgreSQL that refused.
    pub fn server_message(&self) -> Option<&ServerMessage> {
        match &self.0.why {
            Why::Refused(message) => Some(message),
            _ => None,
        }
    }

    /// The SQLSTATE of the refusal, if it was PostgreSQL that refused
    /// (manual: Appendix A, PostgreSQL Error Codes).
    pub fn code(&self) -> Option<&SqlState> {
        self.server_message().and_then(ServerMessage::code)
    }

    /// Did a wait reach its deadline?
    pub fn is_deadline(&self) -> bool {
        matches!(self.0.why, Why::Deadline { .. } | Why::LookFailed { .. })
    }

    /// Does this machine lack something that the settings ask for: an engine, an image, a
    /// PostgreSQL installation, a version?
    pub fn is_missing(&self) -> bool {
        matches!(self.0.why, Why::Missing { .. })
    }

    /// Does the cluster or the server have no such node, slot, process or file?
    pub fn is_not_found(&self) -> bool {
        matches!(self.0.why, Why::NotFound { .. })
    }

    /// Returns what the program printed that ended with an error, if it was a program.
    pub fn output(&self) -> Option<&str> {
        match &self.0.why {
            Why::Command { output, .. } => Some(output),
            _ => None,
        }
    }

    /// Can containers not connect to this process?
    #[cfg(feature = "container")]
    pub(crate) fn is_no_route(&self) -> bool {
        matches!(self.0.why, Why::NoRoute { .. })
    }

    /// Did the server end by itself?
    pub fn is_ended(&self) -> bool {
        matches!(self.0.why, Why::Ended { .. })
    }

    /// Did the connection break, or never come about, without a word from the server? What a
    /// statement then did is unknown.
    pub fn is_connection(&self) -> bool {
        matches!(self.0.why, Why::Connection(_))
    }

    /// Was a setting, a version or a topology not understood, so that nothing was started at all?
    pub fn is_bad_input(&self) -> bool {
        matches!(self.0.why, Why::Setting { .. } | Why::Topology(_) | Why::Version { .. })
    }
}

impl Failure {
    /// The first line: the node, what was being done, and why it failed, as far as that is short.
    fn headline(&self) -> String {
        let node = self.node.as_ref().map(|node| format!("{node}: ")).unwrap_or_default();
        format!("{node}{}{}", self.act, self.why.in_short())
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
            write!(f, "\n  last lines of its log:")?;
            quote(f, log)?;
        }
        Ok(())
    }
}

impl Why {
    /// What stands behind the act on the same line; empty where only the details or the source say why.
    fn in_short(&self) -> String {
        match self {
            Self::Setting { value, .. } => format!(": {value:?} is not understood"),
            Self::Topology(reason) => format!(": {reason}"),
            #[cfg(feature = "container")]
            Self::NoRoute { tried } => format!(": no answer at {tried}"),
            Self::Ended { status } => format!(": it ended by itself, with exit status {status}"),
            Self::Refused(message) => format!(": PostgreSQL refused: {message}"),
            Self::Accepted => ": PostgreSQL accepted it".to_owned(),
            Self::Command { line, status: Some(status), .. } => {
                format!(": exit status {status} of: {line}")
            }
            Self::Command { line, status: None, .. } => format!(": ended by a signal: {line}"),
            Self::Deadline { waited, .. } | Self::LookFailed { waited, .. } => {
                format!(": not within {waited:.1?}")
            }
            Self::Changed { after, .. } => format!(": changed after {after:.1?}"),
            Self::Version { text } => format!(": {text:?} is no version from 13 on"),
            Self::Missing { .. }
            | Self::NotFound { .. }
            | Self::Unreadable { .. }
            | Self::RecordLine { .. }
            | Self::RecordWithoutBegin
            | Self::NewerRecord { .. }
            | Self::Connection(_)
            | Self::Io(_) => String::new(),
            #[cfg(feature = "container")]
            Self::Engine(_) => String::new(),
        }
    }

    /// What stands on lines of its own.
    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { allowed, .. } => write!(f, "\n  allowed: {allowed}"),
            Self::Missing { there }
            | Self::NotFound { there }
            | Self::Unreadable { answer: there } => write!(f, "\n  what is there: {there}"),
            Self::RecordLine { number, .. } => {
                write!(f, "\n  what is there: line {number} is no entry of a record")
            }
            Self::RecordWithoutBegin => {
                write!(f, "\n  what is there: it does not begin with a \"begin\" event")
            }
            Self::NewerRecord { format, known } => write!(
                f,
                "\n  what is there: written in format {format}; this lab reads up to {known}: read it \
                 with a newer lab"
            ),
            Self::Command { output, .. } => quote(f, output.trim_end()),
            Self::Deadline { last, .. } | Self::Changed { last, .. } => {
                write!(f, "\n  seen last: {last}")
            }
            Self::LookFailed { last, .. } => write!(f, "\n  seen last: {last:?}"),
            _ => Ok(()),
        }
    }
}

/// Lines that a program or a server wrote.
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
            "standby1: reading the configuration\n  what to do: write it first\n  \
             last lines of its log:\n    | LOG:  one\n    | LOG:  two"
        );
        assert!(!error.to_string().contains("no such file"));
        assert!(format!("{error:?}").ends_with("\n  because: no such file"));
    }
}
