//! Runs the scenarios of `tests/scenarios` through cargo, one at a time.

use std::io::Write as _;
use std::process::{Command, ExitCode};

use replication_lab::settings;

/// Runs every scenario with `filter` in its name; the exit code is that of the tests.
pub(crate) fn run(filter: &str) -> ExitCode {
    let mut cargo = cargo();
    for variable in settings::cargo_variables() {
        cargo.env_remove(variable);
    }
    cargo
        .args([
            "test",
            "--quiet",
            "--test",
            "scenarios",
            "--",
            "--test-threads=1",
            "--format=pretty",
        ])
        .arg(filter)
        .env("LAB_ALONE", "1")
        .env("INSTA_UPDATE", "no");
    let code = match cargo.status() {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "lab: running cargo: {error}");
            1
        }
    };
    ExitCode::from(code)
}

#[expect(clippy::disallowed_methods, reason = "cli/ runs cargo")]
fn cargo() -> Command {
    Command::new("cargo")
}
