//! The program `lab-scenarios`: the ten scenarios without a test harness, for `lab run` outside of a
//! checkout. `--list` prints the names, as libtest does, and `--exact NAME` runs one exercise.

// `main.rs` has the tests.
#![cfg(not(test))]
#![expect(
    clippy::similar_names,
    clippy::too_many_lines,
    reason = "an exercise compares pairs, reader and writer, and stands as a whole"
)]

mod scenario_01_replication_lag;
mod scenario_02_read_distribution;
mod scenario_03_read_only;
mod scenario_04_manual_failover;
mod scenario_05_network_interruption;
mod scenario_06_heavy_write_load;
mod scenario_07_second_standby;
mod scenario_08_synchronous_replication;
mod scenario_09_replication_monitoring;
mod scenario_10_disaster_recovery_drill;
mod steps;
mod support;

use std::io::Write as _;
use std::process::ExitCode;

use rstest::Context;

use self::support::Exercise;

/// Runs the program. A failed assertion is a panic, whose exit code is 101, as in libtest.
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let mut all: Vec<_> = inventory::iter::<Exercise>.into_iter().flat_map(named).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    if arguments.iter().any(|argument| argument == "--list") {
        let mut out = std::io::stdout();
        for one in &all {
            let _ = writeln!(out, "{}: test", one.name);
        }
        return ExitCode::SUCCESS;
    }
    let asked = arguments.last().map_or("", String::as_str);
    let Some(chosen) = all.into_iter().find(|one| one.name == asked) else {
        let usage =
            "lab-scenarios is run by lab: lab-scenarios --list, or lab-scenarios --exact NAME\n";
        let _ = std::io::stderr().write_all(usage.as_bytes());
        return ExitCode::from(2);
    };
    (chosen.body)(chosen.context);
    ExitCode::SUCCESS
}

/// A case of an exercise under the name that libtest gives it.
struct Named {
    name: String,
    body: fn(Context),
    context: Context,
}

fn named(exercise: &'static Exercise) -> impl Iterator<Item = Named> {
    let Exercise { module, name, cases } = exercise;
    // The name begins with the program's.
    let path = module.split_once("::").map_or(*module, |(_, path)| path);
    cases.iter().zip(1..).map(move |((case, body), number): (_, u32)| {
        let case_name = case.map_or(String::new(), |case| format!("::case_{number}_{case}"));
        let context = Context::new(module, name, *case, None);
        Named { name: format!("{path}::{name}{case_name}"), body: *body, context }
    })
}
