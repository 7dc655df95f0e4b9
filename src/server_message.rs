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
/// `‹lsn›`, `‹identifier›` (a system identifier), `‹pid›`, and `‹host›` and `‹port›` of a connection.
fn normalise(text: &str) -> Cow<'_, str> {
    static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            (r"\b[0-9A-F]{24}\b", "‹segment›"),
            (r"\b[0-9A-F]{1,8}/[0-9A-F]{1,8}\b", "‹lsn›"),
            (r"\b[0-9]{18,20}\b", "‹identifier›"),
            (r"\b(PID|pid|process) [0-9]+\b", "$1 ‹pid›"),
            (r#"\bhost "[^"]*""#, "host \"‹host›\""),
            (
                r#"\bserver at "[^"]*"( \([^)]*\))?, port [0-9]+"#,
                "server at \"‹host›\", port ‹port›",
            ),
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
pub(crate) mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio_postgres::{Config, NoTls};

    use super::*;

    /// Returns the error of a client that connects to a server which answers with an error of these
    /// fields (manual: Error and Notice Message Fields). The server is the other end of a pipe.
    pub(crate) async fn refused(fields: &[(u8, &str)]) -> tokio_postgres::Error {
        let field = |(kind, text): &(u8, &str)| [&[*kind], text.as_bytes(), &[0]].concat();
        let mut body: Vec<u8> = fields.iter().flat_map(field).collect();
        body.push(0);
        let length = u32::try_from(body.len() + 4).unwrap_or_else(|error| panic!("{error}"));
        let message = [b"E".as_slice(), &length.to_be_bytes(), &body].concat();
        let (client, mut server) = tokio::io::duplex(4096);
        let sent = server.write_all(&message).await;
        sent.unwrap_or_else(|error| panic!("{error}"));
        match Config::new().user("postgres").connect_raw(client, NoTls).await {
            Err(error) => error,
            Ok(_) => panic!("the client is connected"),
        }
    }

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

    #[tokio::test]
    async fn an_error_has_its_sqlstate_its_message_and_its_detail() {
        let missing = "relation \"t\" does not exist";
        let mut fields = vec![(b'S', "ERROR"), (b'C', "42P01"), (b'M', missing), (b'H', "A hint.")];
        let error = refused(&fields).await;
        let message = ServerMessage::from_server(error.as_db_error().unwrap());
        assert_eq!(message.code(), Some(&SqlState::UNDEFINED_TABLE));
        assert_eq!(message.sqlstate(), "42P01");
        assert_eq!(message.message(), missing);
        assert_eq!(message.to_string(), format!("42P01 {missing}"));

        fields.push((b'D', "The process 4711 has WAL up to 0/3EE4AD0."));
        let error = refused(&fields).await;
        let message = ServerMessage::from_server(error.as_db_error().unwrap());
        let shown = format!("{missing} — The process ‹pid› has WAL up to ‹lsn›.");
        assert_eq!(message.message(), shown);
        assert_eq!(message.to_string(), format!("42P01 {shown}"));
    }

    #[test]
    fn a_log_line_has_no_sqlstate_and_begins_with_its_first_severity() {
        for (line, message) in [
            ("t [7] LOG:  started", "LOG:  started"),
            ("t [7] FATAL:  terminating", "FATAL:  terminating"),
            ("t [7] ERROR:  said \"LOG: x\"", "ERROR:  said \"LOG: x\""),
            ("t [7] WARNING:  said ERROR: x", "WARNING:  said ERROR: x"),
            ("t [7] PANIC:  could not write", "PANIC:  could not write"),
            ("t [7] DETAIL:  of process 7", "DETAIL:  of process ‹pid›"),
            ("without a severity", "without a severity"),
        ] {
            let said = ServerMessage::from_log(line);
            assert_eq!(said.message(), message);
            assert_eq!((said.code(), said.sqlstate()), (None, ""));
            assert_eq!(said.to_string(), message);
        }
    }

    #[test]
    fn only_what_has_the_form_of_a_placeholder_is_replaced() {
        for (said, expected) in [
            ("0/0 and FFFFFFFF/FFFFFFFF", "‹lsn› and ‹lsn›"),
            ("a/b of 0/123456789", "a/b of 0/123456789"),
            ("00000001000000000000000", "00000001000000000000000"),
            ("12345678901234567", "12345678901234567"),
            ("123456789012345678", "‹identifier›"),
            ("12345678901234567890", "‹identifier›"),
            ("123456789012345678901", "123456789012345678901"),
            ("PID 1, pid 2, process 3", "PID ‹pid›, pid ‹pid›, process ‹pid›"),
            ("from host \"[local]\", user \"a\"", "from host \"‹host›\", user \"a\""),
            ("host a, ghost \"b\"", "host a, ghost \"b\""),
            ("server at \"127.0.0.1\", port 1 failed", "server at \"‹host›\", port ‹port› failed"),
            ("server at \"db\" (::1), port 22 failed", "server at \"‹host›\", port ‹port› failed"),
            ("server at \"db\", user 1", "server at \"db\", user 1"),
        ] {
            assert_eq!(normalise(said), expected);
        }
    }
}
