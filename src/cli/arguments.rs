//! The command line of `lab`: its commands, their arguments and their help. Nothing here acts; clap
//! reports what is not understood.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::check::options as check;
use super::failure::Result;
use super::location::Location;
use super::up::shape::Shape;
use crate::settings::Settings;
use crate::version::Version;

/// PostgreSQL streaming replication, proven by tests.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  cargo lab                      all scenarios, one at a time
  cargo lab --install            install PostgreSQL first, where nothing can run it
  cargo lab run scenario_04      one of them
  cargo lab run 04 --pause       step by step, with psql lines to inspect the servers
  cargo lab run --pg 13,15,17    on several versions, one after the other
  cargo lab list                 what there is to run
  cargo lab show 04@promote      what PostgreSQL did in one of them
  cargo lab report               render the report of recorded runs again
  cargo lab up --standbys 2      a cluster to try things on, until Ctrl-C
  cargo lab doctor               what this machine offers, and what is missing
  cargo lab check 'host=db1'     is replication healthy there?
  cargo lab clean                remove what killed runs left

Other settings come from the environment (LAB_HOST, LAB_PG, …); the README lists them."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) options: Options,
}

/// A command of `lab`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run scenarios, one at a time, so that their figures are comparable (the default)
    #[command(after_help = "Examples:
  cargo lab run                  all of them
  cargo lab run 01 04            those with 01 or 04 in their name
  cargo lab run 04 --pause       step by step, with psql lines to inspect the servers
  cargo lab run 04@promote --keep
                                 keep its servers if it fails
  cargo lab run --host local     without containers, on the installed PostgreSQL
  cargo lab run --pg 13,15,17    on these versions, one after the other
  cargo lab run --pg all         on every host and version that this machine has
  cargo lab run --image registry.example/postgres:17
                                 does this image do what the accepted pages say?
  cargo lab run --scale 10       ten times the rows and the load
  cargo lab run --quiet          print failures only; the exit code tells the outcome")]
    Run {
        /// Run only scenarios with one of these in their name, such as `scenario_04` or `promote`
        scenarios: Vec<String>,
        #[command(flatten)]
        options: Options,
    },
    /// Run scenarios and accept their pages as they are: write them into `snapshots`
    #[command(after_help = "Examples:
  cargo lab accept 04@promote              then read: git diff snapshots/
  cargo lab accept --pg 18 scenario_05     the pages of PostgreSQL 18

A page holds from its version on: snapshots/README.md says when a version gets a page of its own.")]
    Accept {
        /// Those with one of these in their name, such as `scenario_04@promote`
        #[arg(required = true)]
        scenarios: Vec<String>,
        #[command(flatten)]
        location: Location,
    },
    /// List the scenarios and their exercises
    List,
    /// Show the accepted pages of exercises: what was typed, and what PostgreSQL did
    #[command(after_help = "Examples:
  cargo lab show 04@promote      the page of one exercise
  cargo lab show 04              the pages of a scenario
  cargo lab show statements --pg 13
                                 as it is on PostgreSQL 13")]
    Show {
        /// Exercises with one of these in their name, such as `04@promote` or `scenario_04`
        #[arg(required = true)]
        exercises: Vec<String>,
        /// Major version of PostgreSQL; by default the newest that has a page
        #[arg(long, value_name = "MAJOR")]
        pg: Option<u16>,
    },
    /// Print what differs between versions of PostgreSQL, from the accepted pages, in Markdown
    #[command(after_help = "Example:
  cargo lab versions > docs/versions.md")]
    Versions,
    /// Render the report of recorded runs: one page of HTML, and the journal in Markdown
    #[command(after_help = "Examples:
  cargo lab report                         of the records in target/lab
  cargo lab report --records from-ci --out /tmp/report")]
    Report {
        /// Directory of the records (`LAB_RECORDS`)
        #[arg(long, value_name = "DIR")]
        records: Option<PathBuf>,
        /// Directory for the report; by default `report` in the directory of the records
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Bring up a primary and its standbys to try things on, until Ctrl-C, quit or the end of the
    /// input
    #[command(after_help = UP)]
    Up(Shape),
    /// Show what this machine offers, what a run would take and why, and what is missing
    #[command(after_help = "Examples:
  cargo lab doctor               what this machine offers, and what a run takes
  cargo lab doctor --pg 15       can a run on PostgreSQL 15 start?
  cargo lab doctor --host local  can a run without containers start?
  cargo lab doctor --install     install PostgreSQL where nothing can run it

The exit code is 0 when a run can start.")]
    Doctor {
        #[command(flatten)]
        location: Location,
        /// Install PostgreSQL where neither a container engine nor an installation can run it
        #[arg(long)]
        install: bool,
    },
    /// Check whether replication is healthy on any server, for people and for monitoring systems
    #[command(after_help = check::HELP)]
    Check(check::Options),
    /// Remove the clusters of processes that have ended: kept ones, and those of killed processes
    #[command(after_help = "Examples:
  cargo lab clean                what killed runs left, and what LAB_KEEP=1 kept
  cargo lab clean --dry-run      show what would be removed
  cargo lab clean --all          the templates that servers start from, too

Clusters of processes that still run are left alone. Local clusters are searched in LAB_DIR.")]
    Clean {
        /// Remove the templates that nodes start from, too: they are created again when needed
        #[arg(long)]
        all: bool,
        /// Show what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// The text below the arguments of `lab up`.
const UP: &str = "Examples:
  cargo lab up                            a primary and a standby
  cargo lab up --standbys 2 --cascade     a chain: standby2 follows standby1
  cargo lab up --standbys 2 --sync 'ANY 1 (*)'
                                          a commit waits until one of them has flushed it
  cargo lab up --delay 20ms               20 ms more in each direction of every link
  cargo lab up --host local --pg 15

While it runs, try this:
  load 10        then cut 1: the lag and the slot's retained WAL grow; then heal 1
  load 10        then crash primary, promote 1: the clients find the new primary
  start primary  two servers take writes: a split brain
  stop primary   then rewind primary: the old primary follows the new one
  help           lists all verbs

To begin with, paste the psql lines that it prints into two other terminals.";

/// The options of a run.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of a command line")]
pub(super) struct Options {
    #[command(flatten)]
    location: Location,
    /// Multiply row counts and load durations (`LAB_SCALE`)
    #[arg(long, value_name = "FACTOR")]
    scale: Option<String>,
    /// Keep the servers of a scenario that fails (`LAB_KEEP`); `lab clean` removes them
    #[arg(long)]
    keep: bool,
    /// Stop after each step, show psql lines for every node, and continue with Enter
    #[arg(long, conflicts_with = "quiet")]
    pub(super) pause: bool,
    /// Print nothing but failures
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Install PostgreSQL first, where neither a container engine nor an installation can run it
    #[arg(long)]
    pub(super) install: bool,
    /// Tells whether the pages of this run are accepted as they are (`lab accept`).
    #[arg(skip)]
    pub(super) accept: bool,
}

impl Options {
    /// Returns the options of a run that accepts its pages.
    pub(super) fn accepting(location: Location) -> Self {
        let (scale, keep, pause, quiet, install) = (None, false, false, false, false);
        Self { location, scale, keep, pause, quiet, install, accept: true }
    }

    /// Returns the settings that these options stand for, once for each version in `--pg`. `all` stands
    /// for every version in `everywhere`, which is called only then.
    pub(super) async fn environments(
        &self,
        everywhere: impl AsyncFnOnce(&Settings) -> Vec<(&'static str, Version)>,
    ) -> Result<Vec<Environment>> {
        let mut all = self.environment();
        let Some(at) = all.iter().position(|(name, _)| *name == "LAB_PG") else {
            return Ok(vec![all]);
        };
        let (_, asked) = all.remove(at);
        let places: Vec<Environment> = match asked.as_str() {
            "all" => {
                let found = everywhere(&Settings::from_env_with(&all)?).await;
                let place = |(host, version): (&str, Version)| {
                    vec![("LAB_HOST", host.to_owned()), ("LAB_PG", version.to_string())]
                };
                found.into_iter().map(place).collect()
            }
            list => list.split(',').map(|one| vec![("LAB_PG", one.trim().to_owned())]).collect(),
        };
        // Of two values of a setting the first one counts.
        Ok(places.into_iter().map(|place| [place, all.clone()].concat()).collect())
    }

    /// Returns the settings that these options stand for.
    fn environment(&self) -> Environment {
        let given = [
            ("LAB_SCALE", self.scale.clone()),
            ("LAB_KEEP", self.keep.then(|| "1".to_owned())),
            ("INSTA_UPDATE", self.accept.then(|| "always".to_owned())),
            ("LAB_DRIVER", Some(if self.pause { "person" } else { "lab" }.to_owned())),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
        self.location.environment().into_iter().chain(given).collect()
    }
}

/// Settings as variables of the environment.
pub(super) type Environment = Vec<(&'static str, String)>;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Splits a line into words as a shell does, with single quotes only.
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

    /// Returns the versions and hosts of a run, as `LAB_HOST LAB_PG`, from its arguments.
    async fn places(line: &str) -> Vec<String> {
        let Some(Command::Run { options, .. }) =
            Arguments::try_parse_from(words(line)).unwrap().command
        else {
            panic!("{line} is no run");
        };
        let found = async |_: &Settings| {
            vec![("container", "13".parse().unwrap()), ("local", "15.3".parse().unwrap())]
        };
        let value = |environment: &Environment, asked: &str| {
            let found = environment.iter().find(|(name, _)| *name == asked);
            found.map_or("-".to_owned(), |(_, value)| value.clone())
        };
        let environments = options.environments(found).await.unwrap();
        let place = |one: &Environment| {
            assert_eq!(value(one, "LAB_DRIVER"), "lab");
            format!("{} {}", value(one, "LAB_HOST"), value(one, "LAB_PG"))
        };
        environments.iter().map(place).collect()
    }

    #[tokio::test]
    async fn a_run_has_a_place_for_each_version() {
        assert_eq!(places("lab run").await, ["- -"]);
        assert_eq!(places("lab run --pg 17 --host local").await, ["local 17"]);
        let three = ["container 13", "container 17.4", "container 19rc1"];
        assert_eq!(places("lab run --host container --pg '13, 17.4,19rc1'").await, three);
        assert_eq!(places("lab run --pg all").await, ["container 13", "local 15.3"]);
    }

    #[test]
    fn every_example_in_the_help_is_understood() {
        let mut lab = Arguments::command();
        let mut helps = vec![lab.render_long_help().to_string()];
        helps.extend(lab.get_subcommands_mut().map(|one| one.render_long_help().to_string()));
        let mut examples = 0;
        for line in helps.iter().flat_map(|help| help.lines()) {
            let Some(line) = line.strip_prefix("  cargo ") else { continue };
            // Two blanks separate an example from its description; where its output goes is the shell's.
            let example = line.split("  ").next().unwrap_or_default();
            let example = example.split(" > ").next().unwrap_or_default();
            let parsed = Arguments::try_parse_from(words(example));
            assert!(parsed.is_ok(), "{example}: {:?}", parsed.err().map(|error| error.to_string()));
            examples += 1;
        }
        assert!(examples > 20, "{examples}");
    }
}
