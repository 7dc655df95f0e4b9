//! What a server said: an error, a notice or a line of its log, in a form that is the same on every
//! run. This file holds the project's only normaliser; it never decides whether a message was expected.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use tokio_postgres::error::{DbError, SqlState};

/// What a server said: the SQLSTATE and message of an error or a notice, or the message of a log line.
///
/// Two messages are equal when PostgreSQL said the same for the same reason; LSNs, WAL segments, system
/// identifiers and process ids do not count: a placeholder such as `‹lsn›` stands in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerMessage {
    code: Option<SqlState>,
    message: String,
}

impl ServerMessage {
    /// Creates the message of a server's answer to a statement (manual: Error and Notice Message
    /// Fields).
    pub(crate) fn from_server(error: &DbError) -> Self {
        let mut message = normalise(error.message()).into_owned();
        if let Some(detail) = error.detail() {
            message.push_str(" — ");
            message.push_str(&normalise(detail));
        }
        Self { code: Some(error.code().clone()), message }
    }

    /// Creates the message of one line of a server's log, from the severity on.
    pub fn from_log(line: &str) -> Self {
        Self { code: None, message: normalise(after_prefix(line)).into_owned() }
    }

    /// Returns the SQLSTATE; none for a log line.
    pub fn code(&self) -> Option<&SqlState> {
        self.code.as_ref()
    }

    /// Returns the five characters of the SQLSTATE; empty for a log line.
    pub fn sqlstate(&self) -> &str {
        self.code.as_ref().map_or("", SqlState::code)
    }

    /// Returns the message and its detail, normalised.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{} {}", code.code(), self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Returns a log line from its severity on, without time and process id.
fn after_prefix(line: &str) -> &str {
    const SEVERITIES: [&str; 6] = ["LOG:", "FATAL:", "ERROR:", "WARNING:", "PANIC:", "DETAIL:"];
    let start = SEVERITIES.iter().filter_map(|severity| line.find(severity)).min();
    start.and_then(|start| line.get(start..)).unwrap_or(line)
}

/// Puts a placeholder where PostgreSQL prints what differs from run to run: `‹segment›`,
/// `‹lsn›`, `‹identifier›` (a system identifier) and `‹pid›`.
fn normalise(text: &str) -> Cow<'_, str> {
    static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            (r"\b[0-9A-F]{24}\b", "‹segment›"),
            (r"\b[0-9A-F]{1,8}/[0-9A-F]{1,8}\b", "‹lsn›"),
            (r"\b[0-9]{18,20}\b", "‹identifier›"),
            (r"\b(PID|pid|process) [0-9]+\b", "$1 ‹pid›"),
        ]
        .into_iter()
        .filter_map(|(pattern, mark)| Some((Regex::new(pattern).ok()?, mark)))
        .collect()
    });
    RULES.iter().fold(Cow::Borrowed(text), |text, (rule, mark)| {
        Cow::Owned(rule.replace_all(&text, *mark).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_runs_is_marked_and_the_rest_is_kept() {
        let cases = [
            (
                "requested WAL segment 000000010000000000000003 has already been removed",
                "requested WAL segment ‹segment› has already been removed",
            ),
            (
                "new timeline 2 forked off current database system timeline 1 before 0/03EE4AD0",
                "new timeline 2 forked off current database system timeline 1 before ‹lsn›",
            ),
            (
                "The primary's identifier is 7301234567890123456.",
                "The primary's identifier is ‹identifier›.",
            ),
            ("slot \"s1\" is active for PID 4711", "slot \"s1\" is active for PID ‹pid›"),
            ("cannot execute INSERT in a read-only transaction", ""),
        ];
        for (said, expected) in cases {
            let expected = if expected.is_empty() { said } else { expected };
            assert_eq!(normalise(said), expected);
        }
    }

    #[test]
    fn a_log_line_loses_its_time_and_process() {
        let line = "2026-11-23 22:29:01.123 UTC [4711] FATAL:  no pg_hba.conf entry";
        assert_eq!(ServerMessage::from_log(line).message(), "FATAL:  no pg_hba.conf entry");
    }
}
