//! The program `lab`: runs the scenarios, brings up a cluster to play with, or checks a real one. It
//! decides nothing: all of it is `src/cli.rs` and below.

use std::process::ExitCode;

fn main() -> ExitCode {
    replication_lab::lab()
}
