//! `lab check`: is replication healthy on a server that is not the lab's? It looks, judges as the
//! scenarios do, and says so as monitoring systems want it. It never writes, and never waits longer than
//! it was told.
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

/// Exit code of a plugin that cannot tell.
pub(super) const UNKNOWN: u8 = 3;

/// Checks, and says what was found. It has no errors: what goes wrong is a finding.
pub(super) async fn run(options: &Options) -> ExitCode {
    let started = Instant::now();
    let not_understood =
        |sentence| (None, vec![Finding::new("arguments", Severity::Unknown, sentence)]);
    let (server, findings) = match (read(&options.target), options.thresholds()) {
        (Ok(target), Ok(thresholds)) => {
            look(&target, options, &thresholds, started + options.timeout).await
        }
        (Err(BadTarget(why)), _) => {
            not_understood(format!("the connection string is not understood: {why}"))
        }
        (_, Err(why)) => not_understood(why),
    };
    let report = Report { server, findings, took: started.elapsed() };
    let _ = std::io::stdout().write_all(report.text(options.format).as_bytes());
    ExitCode::from(report.exit_code())
}

async fn look(
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
            failed(Severity::Critical, format!("the connection to {place} broke: {error:?}"))
        }
        Ok(Err(error)) => failed(Severity::Unknown, format!("looking at {place}: {error}")),
        Err(_) => failed(Severity::Critical, format!("{place} does not answer any more")),
    }
}

fn read(text: &str) -> Result<Target, BadTarget> {
    let name = User::from_uid(geteuid()).ok().flatten().map(|user| user.name).unwrap_or_default();
    let home = dirs::home_dir().unwrap_or_else(|| PathBuf::from("/"));
    Target::read(text, settings::libpq(), &Me { name: &name, home: &home, socket: sockets::used() })
}
