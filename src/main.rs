//! The program `lab`: runs the scenarios, brings up a cluster to try things on, or checks a real
//! one. Its code is in `src/cli.rs` and below.

use std::process::ExitCode;

fn main() -> ExitCode {
    replication_lab::lab()
}
