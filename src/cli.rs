//! The command line of `lab`: arguments, and what each leads to. Errors go to standard error, as
//! a person reads them, and make the exit code 1; arguments that are not understood 2; an interrupted
//! run 130. `lab check` has the exit codes of a monitoring plugin, 0 to 3, also for those.

mod check;
mod clean;
mod doctor;
mod install;
mod report;
mod run;
mod suite;
mod summary;
mod up;
mod view;
mod workbook;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use replication_lab::Result;

/// PostgreSQL streaming replication, proven by tests.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  cargo lab                      all scenarios, one at a time
  cargo lab --install            the same, after installing PostgreSQL where nothing serves
  cargo lab run scenario_04      one of them
  cargo lab run 04 --pause       the same, step by step, with psql lines to look around
  cargo lab run --host local --pg 17
  cargo lab report               the report of what was run, again
  cargo lab up --standbys 2      a cluster to play with, until Ctrl-C
  cargo lab doctor               what this machine offers, and what is missing
  cargo lab check 'host=db1'     is replication healthy there?
  cargo lab clean                takes away what dead runs left

What is not said here comes from the environment (LAB_HOST, LAB_PG, …); the README has all."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios, one at a time, so that their figures are worth quoting (the default)
    #[command(after_help = "Examples:
  cargo lab run                  all of them
  cargo lab run 01 04            those with 01 or 04 in their name
  cargo lab run 04 --pause       step by step, with psql lines to look around
  cargo lab run promote --keep   keep its servers if it fails
  cargo lab run --host local     without containers, on what is installed
  cargo lab run --scale 10       ten times the rows and the load
  cargo lab run --quiet          nothing but failures, and the exit code")]
    Run {
        /// Only those with one of these in their name, such as `scenario_04` or `promote`
        scenarios: Vec<String>,
        #[command(flatten)]
        options: Options,
    },
    /// Render the report again, from records alone: one page of HTML, and the journal in Markdown
    #[command(after_help = "Examples:
  cargo lab report                         of the records in target/lab
  cargo lab report --records from-ci --out /tmp/report")]
    Report {
        /// Where the records are (`LAB_RECORDS`)
        #[arg(long, value_name = "DIR")]
        records: Option<PathBuf>,
        /// Where the report goes; by default `report` below the records
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Bring up a primary and its standbys to play with, until Ctrl-C, quit or the end of the input
    #[command(after_help = UP)]
    Up(up::Shape),
    /// Say what this machine offers, what a run would take and why, and what is missing
    #[command(after_help = "Examples:
  cargo lab doctor               what is here, and what a run takes
  cargo lab doctor --pg 15       would a run on 15 start?
  cargo lab doctor --host local  and one without containers?
  cargo lab doctor --install     get PostgreSQL where nothing serves

The exit code is 0 when a run can start.")]
    Doctor {
        #[command(flatten)]
        place: Place,
        /// Install PostgreSQL where nothing serves
        #[arg(long)]
        install: bool,
    },
    /// Say whether replication is healthy on any server, as monitoring systems want it
    #[command(after_help = check::HELP)]
    Check(check::Options),
    /// Take away the clusters of processes that ended: kept ones, and what nothing else could
    #[command(after_help = "Examples:
  cargo lab clean                what dead runs left, and what was kept with LAB_KEEP=1
  cargo lab clean --dry-run      say what that would be
  cargo lab clean --all          the templates that servers start from, too

Nothing of a process that still runs is touched. Local clusters are looked for in LAB_DIR.")]
    Clean {
        /// Remove the templates that nodes start from, too: they are made again when needed
        #[arg(long)]
        all: bool,
        /// Say what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// What is said below the arguments of `lab up`.
const UP: &str = "Examples:
  cargo lab up                            a primary and a standby
  cargo lab up --standbys 2 --cascade     a chain: standby2 follows standby1
  cargo lab up --standbys 2 --sync 'ANY 1 (*)'
                                          a commit waits until one of them has it
  cargo lab up --latency 20ms             as if they were far apart
  cargo lab up --host local --pg 15

While it runs, try this:
  load 10        then cut 1: the lag grows, and what the slot keeps; heal 1
  load 10        then crash primary, promote 1: the clients find it by themselves
  start primary  two servers take writes: a split brain
  stop primary   then rewind primary: the old one follows the new one
  help           lists all that can be typed

First of all, paste the psql lines that it prints into two other terminals.";

/// Where nodes run.
#[derive(Debug, Args)]
struct Place {
    /// Where the nodes run (`LAB_HOST`)
    #[arg(long, value_enum)]
    host: Option<Host>,
    /// PostgreSQL's major version (`LAB_PG`)
    #[arg(long, value_name = "MAJOR")]
    pg: Option<String>,
}

impl Place {
    /// The settings that it stands for.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let host = self.host.and_then(|host| host.to_possible_value());
        let host = host.map(|host| ("LAB_HOST", host.get_name().to_owned()));
        host.into_iter().chain(self.pg.clone().map(|pg| ("LAB_PG", pg))).collect()
    }
}

/// How a run is done.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of a command line")]
struct Options {
    #[command(flatten)]
    place: Place,
    /// Multiply row counts and load durations (`LAB_SCALE`)
    #[arg(long, value_name = "FACTOR")]
    scale: Option<String>,
    /// Keep the servers of a scenario that fails (`LAB_KEEP`); `lab clean` takes them away
    #[arg(long)]
    keep: bool,
    /// Stop after each step, show how to look at every node, and go on with Enter
    #[arg(long, conflicts_with = "quiet")]
    pause: bool,
    /// Say nothing but what failed
    #[arg(long, short)]
    quiet: bool,
    /// Install PostgreSQL first, where neither a container engine nor an installation serves
    #[arg(long)]
    install: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Host {
    /// Containers where an engine answers and has the image, else local processes
    Auto,
    /// Containers, or not at all
    Container,
    /// Processes of the PostgreSQL that is installed, or not at all
    Local,
}

impl Options {
    /// The settings that these options stand for.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let given = [
            ("LAB_SCALE", self.scale.clone()),
            ("LAB_KEEP", self.keep.then(|| "1".to_owned())),
            ("LAB_DRIVER", Some(if self.pause { "person" } else { "lab" }.to_owned())),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
        self.place.environment().into_iter().chain(given).collect()
    }
}

/// Reads the arguments; what is wrong with them, or help, is said here, and the exit code given.
pub(crate) fn parse() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        let is_check = std::env::args().nth(1).is_some_and(|command| command == "check");
        let code = match (error.use_stderr(), is_check) {
            (false, _) => 0,
            (true, true) => check::UNKNOWN,
            (true, false) => 2,
        };
        let _ = match code {
            // A monitoring system reads standard output only.
            check::UNKNOWN => write!(std::io::stdout(), "{}", error.render()),
            _ => error.print(),
        };
        ExitCode::from(code)
    })
}

pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let run = Command::Run { scenarios: Vec::new(), options: arguments.options };
    let done = on_runtime(async {
        match arguments.command.unwrap_or(run) {
            Command::Run { scenarios, options } => run::run(&scenarios, &options).await,
            Command::Report { records, out } => report::run(records, out.as_deref()),
            Command::Check(options) => Ok(check::run(&options).await),
            Command::Up(shape) => up::run(&shape).await.map(|()| ExitCode::SUCCESS),
            Command::Doctor { place, install } => doctor::run(&place, install).await,
            Command::Clean { all, dry_run } => {
                clean::run(all, dry_run).await.map(|()| ExitCode::SUCCESS)
            }
        }
    });
    done.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "lab: {error}");
        ExitCode::FAILURE
    })
}

/// Does not wait for a read of standard input that may never end.
fn on_runtime(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode, String> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| format!("starting a runtime: {error}"))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done.map_err(|error| format!("{error:?}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// The words of a line as a shell has them, with nothing but single quotes.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (part, text) in line.split('\'').enumerate() {
            match part % 2 {
                0 => words.extend(text.split_whitespace().map(str::to_owned)),
                _ => words.push(text.to_owned()),
            }
        }
        words
    }

    #[test]
    fn every_example_in_the_help_is_understood() {
        let mut lab = Arguments::command();
        let mut helps = vec![lab.render_long_help().to_string()];
        helps.extend(lab.get_subcommands_mut().map(|one| one.render_long_help().to_string()));
        let mut examples = 0;
        for line in helps.iter().flat_map(|help| help.lines()) {
            let Some(line) = line.strip_prefix("  cargo ") else { continue };
            // What an example is for stands behind at least two blanks.
            let example = line.split("  ").next().unwrap_or_default();
            let parsed = Arguments::try_parse_from(words(example));
            assert!(parsed.is_ok(), "{example}: {:?}", parsed.err().map(|error| error.to_string()));
            examples += 1;
        }
        assert!(examples > 20, "{examples}");
    }
}
