//! `lab check`: judges the health of replication on any server, with the scenarios' judgement, and writes
//! the result for a monitoring system. It never writes to the server, and never runs longer than
//! `--timeout`.
//!
//! ```text
//!   options ─▶ target (passfile, sockets) ─▶ reach (tls) ─▶ a session ─▶ findings ─▶ formats
//! ```

mod formats;
pub(super) mod options;
mod passfile;
mod reach;
mod sockets;
mod target;
mod tls;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use nix::unistd::{User, geteuid};

use self::formats::Report;
use self::options::Options;
use self::target::{BadTarget, Me, Target};
use crate::health::observe;
use crate::health::{self, Finding, Severity, Thresholds};
use crate::settings;

/// The exit code of a plugin whose check could not be made.
pub(super) const UNKNOWN: u8 = 3;

/// Runs the check, prints its result, and returns the exit code. It has no errors: a failure is a finding.
pub(super) async fn run(options: &Options) -> ExitCode {
    let started = Instant::now();
    let invalid = |sentence| (None, vec![Finding::new("arguments", Severity::Unknown, sentence)]);
    let (server, findings) = match (read(&options.target), options.thresholds()) {
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
    match tokio::time::timeout(left, observe(&session)).await {
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

/// Reads the connection string with the defaults of this account and machine.
fn read(text: &str) -> Result<Target, BadTarget> {
    let name = User::from_uid(geteuid()).ok().flatten().map(|user| user.name).unwrap_or_default();
    let home = dirs::home_dir().unwrap_or_else(|| PathBuf::from("/"));
    Target::read(text, settings::libpq(), &Me { name: &name, home: &home, socket: sockets::used() })
}
