//! An error in one line, for tables and answers that have no room for more: what was done, why it
//! failed, and the last relevant line of a program's output or a server's log. It is built from the
//! error's fields; rendered text is never parsed.

use std::error::Error as _;

use super::{Error, Why};

impl Error {
    /// Returns the first line of the error, then the most relevant line of a program's output or of
    /// the log, then the first cause. Remedies and details are left out.
    pub(crate) fn in_one_line(&self) -> String {
        let headline = self.0.headline();
        let first = headline.lines().next().unwrap_or_default();
        let mut parts = vec![first.to_owned()];
        parts.extend(reason(&self.quoted()).map(|line| said_in(line).to_owned()));
        parts.extend(self.first_cause().map(|cause| said_in(&cause).to_owned()));
        parts.join(": ")
    }

    /// Returns the lines that a program or a server wrote, oldest first, without empty ones.
    fn quoted(&self) -> Vec<&str> {
        let mut lines = match &self.0.why {
            Why::Command { output, .. } => written(output),
            Why::ProbeFailed { last, .. } => last.quoted(),
            _ => Vec::new(),
        };
        lines.extend(self.0.log.as_deref().map(written).unwrap_or_default());
        lines
    }

    /// Returns the nearest cause; after a wait, the cause of the last failed probe.
    fn first_cause(&self) -> Option<String> {
        let nested = match &self.0.why {
            Why::ProbeFailed { last, .. } => last.first_cause(),
            _ => None,
        };
        nested.or_else(|| {
            let cause = self.source()?.to_string();
            cause.lines().next().map(|line| line.trim().to_owned())
        })
    }
}

/// Returns a line of a log without its time and process id.
pub(crate) fn said_in(line: &str) -> &str {
    line.split_once("] ").map_or(line, |(_, said)| said)
}

fn written(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect()
}

/// Returns the last line that names an error, or else the last line.
fn reason<'a>(quoted: &[&'a str]) -> Option<&'a str> {
    let names_an_error = |line: &&&str| {
        ["FATAL", "PANIC", "error:"].iter().any(|word| line.contains(word))
            // A server that starts or shuts down answers every client so; it is not the reason.
            && !line.contains("the database system is")
    };
    quoted.iter().rev().find(names_an_error).or(quoted.last()).copied()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use pretty_assertions::assert_eq;

    use super::*;
    use crate::server_message::ServerMessage;

    const LOG: &str = "2026-01-01 00:00:00.000 UTC [7] FATAL:  could not open file \"x\"\n\
                       2026-01-01 00:00:00.001 UTC [8] FATAL:  the database system is starting up\n\
                       2026-01-01 00:00:00.002 UTC [7] LOG:  database system is shut down\n";

    fn io_error() -> Error {
        Error::io("reading a file", io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }

    #[test]
    fn what_is_short_stands_behind_the_act() {
        let second = Duration::from_secs(1);
        for (why, expected) in [
            (
                Why::Setting { value: "podman".to_owned(), allowed: "auto" },
                "doing: the value \"podman\" is not understood",
            ),
            (Why::Topology("there is no such upstream"), "doing: there is no such upstream"),
            (Why::Missing { there: "a, b".to_owned() }, "doing failed"),
            #[cfg(feature = "container")]
            (Why::NoRoute { tried: "10.0.0.1".to_owned() }, "doing: no answer at 10.0.0.1"),
            (
                Why::Ended { status: "1".to_owned() },
                "doing: the server exited by itself, with exit status 1",
            ),
            (
                Why::Refused(ServerMessage::from_log("ERROR:  no")),
                "doing: PostgreSQL refused: ERROR:  no",
            ),
            (Why::Accepted, "doing: PostgreSQL accepted it"),
            (
                Why::Deadline { waited: second, last: "a\n  because: b".to_owned() },
                "doing: it did not happen within 1.0s",
            ),
            (
                Why::Changed { after: second, last: "a light".to_owned() },
                "doing: it changed after 1.0s",
            ),
            (Why::Io(io::ErrorKind::BrokenPipe.into()), "doing failed: broken pipe"),
            #[cfg(feature = "container")]
            (Why::Engine("no such container".into()), "doing failed: no such container"),
        ] {
            assert_eq!(Error::new("doing", why).remedy("do it again").in_one_line(), expected);
        }
    }

    #[test]
    fn the_node_stands_first_and_the_cause_last() {
        assert_eq!(
            io_error().on("standby1").in_one_line(),
            "reading a file on standby1 failed: no such file"
        );
    }

    #[test]
    fn a_program_is_quoted_with_the_line_that_names_the_error() {
        let ended = |output: &str, status| {
            let (line, output) = ("pg_rewind -D x".to_owned(), output.to_owned());
            Error::new("running", Why::Command { line, status, output }).in_one_line()
        };
        let output = "pg_rewind: connected\npg_rewind: error: no common ancestor\n\n  done \n";
        assert_eq!(
            ended(output, Some(1)),
            "running: exit status 1 of the command: pg_rewind -D x: pg_rewind: error: no common ancestor"
        );
        let said = ended("one\n  two \n", None);
        assert_eq!(said, "running: a signal ended the command: pg_rewind -D x:   two");
        assert_eq!(ended("\n", Some(2)), "running: exit status 2 of the command: pg_rewind -D x");
    }

    #[test]
    fn a_log_is_quoted_without_its_prefix_and_without_what_every_client_receives() {
        let why = Why::Ended { status: "1".to_owned() };
        let error = Error::new("starting the server", why).on("primary").log_tail(LOG);
        assert_eq!(
            error.in_one_line(),
            "starting the server on primary: the server exited by itself, with exit status 1: \
             FATAL:  could not open file \"x\""
        );
    }

    #[test]
    fn a_wait_whose_probes_failed_has_the_log_and_the_cause_of_the_last_probe() {
        let why = Why::ProbeFailed { waited: Duration::from_secs(60), last: io_error() };
        let error = Error::new("waiting until it answers", why).log_tail("LOG:  ready\n");
        assert_eq!(
            error.in_one_line(),
            "waiting until it answers: it did not happen within 60.0s: LOG:  ready: no such file"
        );
    }

    #[test]
    fn of_statements_with_many_lines_the_first_one_is_shown() {
        let error = Error::new("running SELECT\n  1", Why::Accepted);
        assert_eq!(error.in_one_line(), "running SELECT");
    }

    /// The error of a connection is described by its first cause, as in the whole error.
    #[tokio::test]
    async fn a_connection_that_was_never_established_has_its_cause() {
        let refused = tokio_postgres::connect("host=/nonexistent user=me", tokio_postgres::NoTls);
        let source = refused.await.err().unwrap();
        let cause = source.to_string();
        let error = Error::sql("connecting to PostgreSQL", source).on("standby1");
        assert_eq!(
            error.in_one_line(),
            format!("connecting to PostgreSQL on standby1 failed: {cause}")
        );
    }
}
