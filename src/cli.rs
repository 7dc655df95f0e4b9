//! The command line of `lab`: arguments, and what each leads to. Errors go to standard error, as
//! a person reads them, and make the exit code 1.

mod scenarios;
mod up;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use replication_lab::{Leftover, Result, Settings, Site};

/// PostgreSQL streaming replication, proven by tests.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  cargo lab                      all scenarios, one at a time
  cargo lab run scenario_04      one of them
  cargo lab up                   a pair to play with, until Ctrl-C
  LAB_HOST=local LAB_PG=17 cargo lab up

Where and on which PostgreSQL: LAB_HOST=auto|container|local, LAB_PG=<major>; the README has all."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios, one at a time, so that their figures are worth quoting (the default)
    Run {
        /// Only those with this in their name, such as `scenario_04`
        #[arg(default_value = "scenario_")]
        scenario: String,
    },
    /// Bring up a primary and its standbys, and leave them until Ctrl-C or the end of the input
    Up {
        /// How many standbys, all of them streaming from the primary
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=8))]
        standbys: u8,
    },
    /// Say which host and which PostgreSQL would be used here, and why
    Where,
    /// Take away the clusters of processes that ended: kept ones, and what nothing else could
    Clean {
        /// Remove the templates that nodes start from, too: they are made again when needed
        #[arg(long)]
        all: bool,
    },
}

pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let all = Command::Run { scenario: "scenario_".to_owned() };
    let outcome = match arguments.command.unwrap_or(all) {
        Command::Run { scenario } => scenarios::run(&scenario),
        Command::Up { standbys } => on_runtime(up::run(standbys)),
        Command::Where => on_runtime(tell_where()),
        Command::Clean { all } => on_runtime(clean(all)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "lab: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn tell_where() -> Result<()> {
    // Choosing says it, on standard error.
    Site::choose(&Settings::from_env()?).await.map(drop)
}

async fn clean(all: bool) -> Result<()> {
    let mut out = std::io::stdout();
    let settings = Settings::from_env()?;
    for host in Leftover::all(&settings).await? {
        let place = host.place();
        if host.is_orphan() {
            host.remove().await?;
            let _ = writeln!(out, "removed {place}");
        } else {
            let _ = writeln!(out, "left {place}: process {} still runs", host.process);
        }
    }
    let templates = if all { Leftover::remove_templates(&settings).await? } else { Vec::new() };
    for template in templates {
        let _ = writeln!(out, "removed {template}");
    }
    Ok(())
}

/// Does not wait for a read of standard input that may never end.
fn on_runtime(work: impl Future<Output = Result<()>>) -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| format!("starting a runtime: {error}"))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done.map_err(|error| format!("{error:?}"))
}
