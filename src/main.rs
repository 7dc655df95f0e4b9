//! The program `lab`: runs the scenarios, or brings up a cluster to play with. It knows no
//! scenario by name; their bodies are in `tests/scenarios`.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    cli::run(cli::Arguments::parse())
}
