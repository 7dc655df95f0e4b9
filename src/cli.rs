//! The program `lab`: the code of each command. An error goes to standard error and makes the exit
//! code 1; arguments that are not understood make it 2; an interrupted run 130. `lab check` has the
//! exit codes of a monitoring plugin, 0 to 3, for errors and arguments, too. No scenario is named
//! here; their bodies are in `tests/scenarios`.
//!
//! ```text
//!   arguments ─▶ run      a run of the scenarios: suite (the test program), view, summary, install
//!   (location)   report   the report again, from records
//!                exercises   the list of exercises, and their pages
//!                up       a cluster to play with (up/)
//!                check    is replication healthy on any server? (check/)
//!                doctor   what this machine offers
//!                clean    takes away what dead processes left
//!   failure: what the program could not do; typed: the program's name as people type it
//! ```

mod arguments;
mod check;
mod clean;
mod doctor;
mod exercises;
mod failure;
mod install;
mod location;
mod nearest;
mod report;
mod run;
mod suite;
mod summary;
mod typed;
mod up;
mod view;
mod workbook;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use self::arguments::{Arguments, Command, Options};
use self::failure::Result;

/// Runs the command line and returns the exit code of the process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return not_understood(&error),
    };
    on_runtime(run_command(arguments)).unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "lab: {}", typed::as_here(&error));
        ExitCode::FAILURE
    })
}

/// Prints help, or what is wrong with the arguments.
fn not_understood(error: &clap::Error) -> ExitCode {
    let is_check = std::env::args().nth(1).is_some_and(|command| command == "check");
    let code = match (error.use_stderr(), is_check) {
        (false, _) => 0,
        (true, true) => check::UNKNOWN,
        (true, false) => 2,
    };
    let plain = typed::as_here(&error.render().to_string());
    let styled = typed::as_here(&error.render().ansi().to_string());
    let _ = match (code, error.use_stderr()) {
        // A monitoring system reads standard output only.
        (check::UNKNOWN, _) => write!(std::io::stdout(), "{plain}"),
        (_, true) if console::colors_enabled_stderr() => write!(std::io::stderr(), "{styled}"),
        (_, true) => write!(std::io::stderr(), "{plain}"),
        (_, false) if console::colors_enabled() => write!(std::io::stdout(), "{styled}"),
        (_, false) => write!(std::io::stdout(), "{plain}"),
    };
    ExitCode::from(code)
}

async fn run_command(arguments: Arguments) -> Result<ExitCode> {
    let run = Command::Run { scenarios: Vec::new(), options: arguments.options };
    match arguments.command.unwrap_or(run) {
        Command::Run { scenarios, options } => run::run(&scenarios, &options).await,
        Command::Accept { scenarios, location } => {
            run::run(&scenarios, &Options::accepting(location)).await
        }
        Command::Report { records, out } => Ok(report::run(records, out.as_deref())?),
        Command::List => exercises::list(),
        Command::Versions => exercises::versions(),
        Command::Show { exercises, pg } => exercises::show(&exercises, pg),
        Command::Check(options) => Ok(check::run(&options).await),
        Command::Up(shape) => up::run(&shape).await.map(|()| ExitCode::SUCCESS),
        Command::Doctor { location, install } => doctor::run(&location, install).await,
        Command::Clean { all, dry_run } => {
            clean::run(all, dry_run).await.map(|()| ExitCode::SUCCESS)
        }
    }
}

/// Runs work on a runtime that is not waited for: a read of standard input may never end.
fn on_runtime(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode, String> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| format!("starting a runtime: {error}"))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done.map_err(|error| format!("{error:?}"))
}
