//! The program `lab`: runs the scenarios, brings up a cluster to play with, or checks a real one. It knows no
//! scenario by name; their bodies are in `tests/scenarios`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::parse().map_or_else(|code| code, cli::run)
}
