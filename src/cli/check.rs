//! `lab check`: judges the health of replication on any server, with the scenarios' judgement, and writes
//! the result for a monitoring system. It never writes to the server, and never runs longer than
//! `--timeout`.
//!
//! ```text
//!   options ─▶ words (service) ─▶ target (auth, sockets) ─▶ reach ─▶ attempt (passfile) ─▶ a session ─▶ findings
//!                                                                       │                              │
//!                                                                       └─▶ tls (names), wire (watch)  └─▶ formats
//! ```

mod attempt;
mod auth;
mod formats;
mod names;
pub(super) mod options;
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
use crate::health::observe;
use crate::health::{self, Finding, Severity, Thresholds};

/// The exit code of a plugin whose check could not be made.
pub(super) const UNKNOWN: u8 = 3;

/// Runs the check, prints its result, and returns the exit code. It has no errors: a failure is a finding.
pub(super) async fn run(options: &Options) -> ExitCode {
    let started = Instant::now();
    let invalid = |sentence| (None, vec![Finding::new("arguments", Severity::Unknown, sentence)]);
    let (server, findings) = match (string::read(&options.target), options.thresholds()) {
        (Ok(target), Ok(thresholds)) => {
            examine(&target, options, &thresholds, started + options.timeout).await
        }
        (Err(BadTarget(why)), _) => invalid(format!("reading the connection string: {why}")),
        (_, Err(why)) => invalid(format!("reading the levels: {why}")),
    };
    let report = Report { server, findings, took: started.elapsed() };
    let _ = std::io::stdout().write_all(report.text(options.format).as_bytes());
    ExitCode::from(report.exit_code())
}

/// Connects to the first server that answers, queries it and judges it.
async fn examine(
    target: &Target,
    options: &Options,
    thresholds: &Thresholds,
    until: Instant,
) -> (Option<String>, Vec<Finding>) {
    let (session, place) = match reach::reach(target, until).await {
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
    let left = until.saturating_duration_since(Instant::now());
    let failed = |severity, why: String| (None, vec![Finding::new("connection", severity, why)]);
    let seen = tokio::time::timeout(left, observe(&session)).await;
    session.close(until.saturating_duration_since(Instant::now()).min(reach::GOODBYE)).await;
    match seen {
        Ok(Ok(seen)) => (Some(place), health::judge(&seen, thresholds, options.expected())),
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
