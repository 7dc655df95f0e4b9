//! `lab run`: builds the scenarios, chooses where they run, runs one after the other and shows the
//! progress. A scenario's steps come from its record, never from its output.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Output};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::process::Child;

use super::arguments::{Environment, Options};
use super::failure::{Failure, Result};
use super::suite::{Suite, Test, printed};
use super::summary::{Ended, Outcome, counted, figures_in, skipped_in, table, verdicts};
use super::view::View;
use super::{exercises, install, report};
use crate::record::{self, Entry, Event};
use crate::settings::Driver;
use crate::settings::Settings;
use crate::site::{Site, survey};

/// The interval at which the record of a running scenario is read.
const STEP: Duration = Duration::from_millis(100);

/// The exit code that a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// A place to run at, and the settings that lead to it.
struct Place {
    site: Site,
    given: Environment,
}

impl Place {
    /// Returns its name in the summary, such as `container 17`.
    fn name(&self) -> String {
        format!("{} {}", self.site.kind(), self.site.version())
    }

    /// Fixes the choice for the whole run: the tests must not choose again. They run in another
    /// directory, so paths are absolute.
    fn environment(&self) -> Environment {
        let (site, settings) = (&self.site, self.site.settings());
        let chosen = [("LAB_HOST", site.kind().to_owned()), ("LAB_PG", site.version().to_string())];
        let paths = [
            ("LAB_RECORDS", Some(&settings.records)),
            ("LAB_CONF", settings.conf.as_ref()),
            ("LAB_PG_BIN", settings.bin.as_ref()),
            ("LAB_DIR", Some(&settings.dir)),
        ];
        let paths = paths.into_iter().filter_map(|(name, path)| {
            let path = std::path::absolute(path?).ok()?;
            Some((name, path.display().to_string()))
        });
        self.given.iter().cloned().chain(chosen).chain(paths).collect()
    }
}

/// Runs the scenarios with one of `filters` in their name, on each version that the options name.
pub(super) async fn run(filters: &[String], options: &Options) -> Result<ExitCode> {
    exercises::must_be_there(filters)?;
    if options.pause && !std::io::stdin().is_terminal() {
        let there = "standard input, which is not a terminal";
        return Err(Failure::found(
            "pausing after each step",
            there,
            "run it in a terminal, or without --pause",
        ));
    }
    let environments = options.environments(survey::everywhere).await?;
    let Some(first) = environments.first() else {
        let act = "looking for every PostgreSQL of this machine (--pg all)";
        return Err(Failure::found(act, "none", "cargo lab --install installs one"));
    };
    let settings = Settings::from_env_with(first)?;
    let view = View::new(options.quiet, options.pause);
    let outcomes = Mutex::default();
    let work = run_everywhere(filters, options, &environments, &view, &outcomes);
    let done = tokio::select! {
        done = work => Some(done),
        _ = tokio::signal::ctrl_c() => None,
    };
    view.ends();
    match done {
        Some(Ok(())) => Ok(conclude(&taken(&outcomes), &settings, options.quiet)),
        Some(Err(error)) => Err(error),
        None => {
            // The scenario's process ends when its input ends, and its servers are removed with it.
            conclude(&taken(&outcomes), &settings, options.quiet);
            let kept = if settings.keep {
                "; its servers are kept, and cargo lab clean removes them"
            } else {
                ""
            };
            let _ = writeln!(std::io::stderr(), "lab: interrupted{kept}");
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// Chooses all places before anything is built or run: a version that is not there is an error then.
async fn run_everywhere(
    filters: &[String],
    options: &Options,
    environments: &[Environment],
    view: &View,
    outcomes: &Mutex<Vec<Outcome>>,
) -> Result<()> {
    view.preparing("choosing where to run");
    let mut places = Vec::new();
    for given in environments {
        let settings = Settings::from_env_with(given)?;
        let site = install::choose(&settings, options.install, view).await?;
        if !matches!(view, View::Quiet) {
            view.say(&site.announcement());
        }
        places.push(Place { site, given: given.clone() });
    }
    let suite = Suite::find(|line| view.preparing(line)).await?;
    if options.accept && !suite.is_checkout() {
        let there = "the scenarios that were installed with lab, whose pages are in the program";
        let remedy = "accept pages in a checkout of replication-lab";
        return Err(Failure::found("accepting pages", there, remedy));
    }
    let tests = suite.scenarios(filters).await?;
    view.begins(tests.len() * places.len());
    for place in &places {
        view.preparing("creating the template that servers start from");
        place.site.prepare().await?;
        if places.len() > 1 {
            view.reaches(&place.name());
        }
        for test in &tests {
            let outcome = run_one(&suite, test, place, view).await?;
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
        }
    }
    Ok(())
}

fn taken(outcomes: &Mutex<Vec<Outcome>>) -> Vec<Outcome> {
    std::mem::take(&mut outcomes.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn run_one(suite: &Suite, test: &Test, place: &Place, view: &View) -> Result<Outcome> {
    let Place { site: chosen, .. } = place;
    let name = record::file_name(&test.page(), chosen.version().major(), chosen.kind());
    let path = chosen.settings().records.join(name);
    // A record of an earlier run must not be read as this run's.
    let _ = std::fs::remove_file(&path);
    let scenario = test.page().replace('@', ": ").replace('_', " ");
    view.starts(&scenario);
    let started = Instant::now();
    let environment = place.environment();
    let output = match chosen.settings().driver {
        Driver::Person => suite.start_in_the_open(test, &environment)?.wait_with_output().await,
        Driver::Lab | Driver::Cargo => {
            watched(suite.start(test, &environment)?, &path, &scenario, view).await
        }
    };
    let output = output
        .map_err(|source| Failure::io(format!("running {}", test.name), source, "try it again"))?;
    let (passed, took) = (output.status.success(), started.elapsed());
    // A record that cannot be read has no figures.
    let record = std::fs::read_to_string(&path).unwrap_or_default();
    let ended = match (passed, skipped_in(&record)) {
        (false, _) => Ended::Failed,
        (true, Some(why)) => Ended::Skipped(why),
        (true, None) => Ended::Passed,
    };
    let output = printed(&output);
    view.ended(&scenario, took, &ended, Some(output.as_str()).filter(|_| !passed));
    let (place, figures) = (place.name(), figures_in(&record));
    Ok(Outcome { place, scenario, ended, took, figures, record: path })
}

/// Waits for the end of a test and shows its steps meanwhile. The test's input is held until then,
/// because its end would end the test.
async fn watched(
    mut child: Child,
    path: &Path,
    scenario: &str,
    view: &View,
) -> std::io::Result<Output> {
    let input = child.stdin.take();
    let mut tail = Tail { path: path.to_owned(), file: None, half: String::new() };
    #[expect(clippy::disallowed_methods, reason = "a view is drawn in steps")]
    let mut steps = tokio::time::interval(STEP);
    let ended = child.wait_with_output();
    tokio::pin!(ended);
    let output = loop {
        tokio::select! {
            output = &mut ended => break output,
            _ = steps.tick() => {
                if let Some(step) = tail.step() {
                    view.doing(scenario, &step);
                }
            }
        }
    };
    drop(input);
    output
}

/// A reader of a record while it is written.
struct Tail {
    path: PathBuf,
    file: Option<File>,
    half: String,
}

impl Tail {
    /// Returns the newest step since the last call.
    fn step(&mut self) -> Option<String> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        self.file.as_mut()?.read_to_string(&mut self.half).ok()?;
        // The last line may be half written; it stays in the buffer until its end is there.
        let whole = self.half.rfind('\n')?;
        let lines: String = self.half.drain(..=whole).collect();
        let mut steps = lines.lines().filter_map(|line| {
            match serde_json::from_str::<Entry>(line).ok()?.event {
                Event::Step { title } => Some(title),
                _ => None,
            }
        });
        steps.next_back()
    }
}

/// Prints the summary and writes the report.
fn conclude(outcomes: &[Outcome], settings: &Settings, quiet: bool) -> ExitCode {
    let failed = outcomes.iter().filter(|outcome| outcome.ended == Ended::Failed).count();
    if !quiet {
        let records = settings.records.display();
        let mut out = std::io::stdout();
        let _ = writeln!(out, "\n{}\n", table(outcomes));
        #[expect(clippy::float_cmp, reason = "it is the default, or was set")]
        if settings.scale == 1.0 {
            let _ = writeln!(out, "{}", verdicts(outcomes));
        }
        let _ = writeln!(out, "{}; records in {records}", counted(outcomes));
    }
    let records = outcomes.first().and_then(|outcome| outcome.record.parent());
    match records.map(|records| report::write(records, None)) {
        Some(Ok(page)) if !quiet => {
            let _ = writeln!(std::io::stdout(), "report in {}", page.display());
        }
        Some(Err(error)) => {
            let _ = writeln!(std::io::stderr(), "lab: the report was not written: {error:?}");
        }
        Some(Ok(_)) | None => {}
    }
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
