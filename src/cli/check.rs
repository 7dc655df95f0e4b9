//! `lab check`: judges the health of replication on any server, with the scenarios' judgement, and writes
//! the result for a monitoring system. It never writes to the server, and never runs longer than
//! `--timeout`.
//!
//! ```text
//!   options ─▶ words (service) ─▶ target (auth, sockets) ─▶ reach ─▶ attempt (passfile) ─▶ a session ─▶ findings
//!                                                                       │                              │
//!                                                                       └─▶ tls (names), wire (watch)  └─▶ formats ─▶ output
//! ```

mod attempt;
mod auth;
mod formats;
mod names;
pub(super) mod options;
mod output;
mod passfile;
mod places;
mod reach;
mod service;
mod sockets;
mod string;
mod target;
mod tls;
mod watch;
mod wire;
mod words;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use self::formats::Report;
use self::options::Options;
use self::target::Target;
use self::words::BadTarget;
use crate::health::{self, Expected, Finding, Observation, Severity, Thresholds, observe};
use crate::session::Session;
use crate::wal::Lsn;

/// The exit code of a plugin whose check could not be made.
pub(super) const UNKNOWN: u8 = 3;

/// Runs the check, prints its result or writes it to a file, and returns the exit code. It has no errors: a
/// failure is a finding.
pub(super) async fn run(options: &Options) -> ExitCode {
    let started = Instant::now();
    let read = Arguments::read(options);
    let (server, findings) = match &read {
        Ok(arguments) => examine(arguments, started + options.timeout).await,
        Err(why) => (None, vec![Finding::new("arguments", Severity::Unknown, why.as_str())]),
    };
    let address = server.clone().or_else(|| read.ok().map(|arguments| arguments.address()));
    let labels = labels(address.unwrap_or_else(|| "unknown".to_owned()), &options.label);
    let report = Report { server, labels, findings, took: started.elapsed() };
    let text = report.text(options.format);
    let written = match &options.output {
        Some(file) => output::replace(file, &text),
        None => std::io::stdout().write_all(text.as_bytes()),
    };
    match (written, &options.output) {
        (Err(error), Some(file)) => {
            let _ = writeln!(std::io::stderr(), "lab check: writing {}: {error}", file.display());
            ExitCode::from(UNKNOWN)
        }
        _ => ExitCode::from(report.exit_code()),
    }
}

/// What the options say, read: the servers, the levels, what the caller expects.
struct Arguments {
    target: Target,
    upstream: Option<Target>,
    thresholds: Thresholds,
    expected: Expected,
}

impl Arguments {
    fn read(options: &Options) -> Result<Self, String> {
        let read = |text: &str| {
            string::read(text)
                .map_err(|BadTarget(why)| format!("reading the connection string: {why}"))
        };
        Ok(Self {
            target: read(&options.target)?,
            upstream: options.upstream.as_deref().map(read).transpose()?,
            thresholds: options.thresholds().map_err(|why| format!("reading the levels: {why}"))?,
            expected: options.expected(),
        })
    }

    /// The addresses that were tried, where none was reached.
    fn address(&self) -> String {
        let places = self.target.places.iter().map(ToString::to_string);
        places.collect::<Vec<_>>().join(",")
    }
}

/// The labels of every series: the server's address, unless the caller names the server, and the caller's.
fn labels(address: String, given: &[(String, String)]) -> Vec<(String, String)> {
    let named = given.iter().any(|(name, _)| name == "server");
    let address = (!named).then(|| ("server".to_owned(), address));
    let mut labels: Vec<(String, String)> = address.into_iter().collect();
    for (name, value) in given {
        // The last value of a name counts: a series has each label once.
        labels.retain(|(known, _)| known != name);
        labels.push((name.clone(), value.clone()));
    }
    labels
}

/// Connects to the first server that answers, queries it and judges it.
async fn examine(arguments: &Arguments, until: Instant) -> (Option<String>, Vec<Finding>) {
    let (session, place) = match reach::reach(&arguments.target, until).await {
        Ok(reached) => reached,
        Err(failures) => {
            let findings = failures.into_iter();
            let finding = |one: reach::Unreached| Finding {
                subject: Some(one.place),
                ..Finding::new("connection", one.severity, one.why)
            };
            return (None, findings.map(finding).collect());
        }
    };
    // The upstream's position is read first: read last, it would be ahead on a busy primary.
    let upstream = match &arguments.upstream {
        Some(target) => Some(position(target, until).await),
        None => None,
    };
    let left = until.saturating_duration_since(Instant::now());
    let failed = |severity, why: String| (None, vec![Finding::new("connection", severity, why)]);
    let seen = tokio::time::timeout(left, observe(&session)).await;
    close(session, until).await;
    match seen {
        Ok(Ok(mut seen)) => {
            let (end, trouble) = compared(upstream, &seen);
            seen.upstream = end;
            let findings = health::judge(&seen, &arguments.thresholds, &arguments.expected);
            (Some(place), findings.into_iter().chain(trouble).collect())
        }
        Ok(Err(error)) if error.server_message().is_none() => {
            failed(Severity::Critical, format!("querying {place}: the connection broke: {error:?}"))
        }
        Ok(Err(error)) => failed(Severity::Unknown, format!("querying {place}: {error}")),
        Err(_) => failed(
            Severity::Critical,
            format!(
                "querying {place}: no answer within the time of the check; look for locks on its views, or \
                 raise --timeout"
            ),
        ),
    }
}

/// Returns the identifier and the position of the upstream. It takes at most half of the time that is left.
async fn position(target: &Target, until: Instant) -> Result<health::End, String> {
    let half = until.saturating_duration_since(Instant::now()) / 2;
    let until = Instant::now() + half;
    let failed = |failures: Vec<reach::Unreached>| {
        failures.into_iter().map(|one| one.why).collect::<Vec<_>>().join("; ")
    };
    let (session, place) = reach::reach(target, until).await.map_err(failed)?;
    let left = until.saturating_duration_since(Instant::now());
    let end = tokio::time::timeout(left, health::end(&session)).await;
    close(session, until).await;
    end.map_err(|_| format!("querying {place}: no answer within half of the time of the check"))?
        .map_err(|error| format!("querying {place}: {error}"))
}

/// Returns the upstream's position, or why it cannot be compared with this server's.
fn compared(
    upstream: Option<Result<health::End, String>>,
    seen: &Observation,
) -> (Option<Lsn>, Option<Finding>) {
    let trouble = |why: String| Some(Finding::new("upstream", Severity::Unknown, why));
    match upstream {
        None => (None, None),
        Some(Err(why)) => (None, trouble(format!("the upstream's position is unknown: {why}"))),
        Some(Ok(end)) if Some(end.system) != seen.system => {
            (None, trouble("the upstream that is given is another cluster".to_owned()))
        }
        Some(Ok(end)) => (end.lsn, None),
    }
}

/// Ends the session as the protocol demands, so that the server's log has no line about a lost connection.
async fn close(session: Session, until: Instant) {
    session.close(until.saturating_duration_since(Instant::now()).min(reach::GOODBYE)).await;
}
