//! Runs the scenarios of `tests/scenarios` through cargo, one at a time.

use std::process::{Command, Stdio};

use replication_lab::settings;

/// Runs every scenario with `filter` in its name. Without one there is an error that lists them.
pub(crate) fn run(filter: &str) -> Result<(), String> {
    let listed = cargo(&["--list", filter]).stdout(Stdio::piped()).output();
    let listed = listed.map_err(|error| format!("running cargo: {error}"))?;
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    if listed.status.success() && !names.contains(": test") {
        let all = cargo(&["--list", "scenario_"]).stdout(Stdio::piped()).output();
        let all = all.map_err(|error| format!("running cargo: {error}"))?;
        let all = String::from_utf8_lossy(&all.stdout).replace(": test", "");
        return Err(format!("no scenario has {filter:?} in its name; there are\n{all}"));
    }
    let ran =
        cargo(&["--test-threads=1", "--format=pretty", filter]).env("LAB_ALONE", "1").status();
    match ran.map_err(|error| format!("running cargo: {error}"))?.success() {
        true => Ok(()),
        false => Err("not every scenario passed".to_owned()),
    }
}

/// `cargo test` of the scenarios. Cargo's variables of this program are taken away: with them, build
/// scripts would run again at every switch between `cargo lab` and `cargo test`.
#[expect(clippy::disallowed_methods, reason = "cli/ runs cargo")]
fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    for variable in settings::cargo_variables() {
        cargo.env_remove(variable);
    }
    cargo.args(["test", "--quiet", "--test", "scenarios", "--"]).args(arguments);
    cargo.env("INSTA_UPDATE", "no");
    cargo
}
