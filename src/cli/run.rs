//! `lab run`: builds the scenarios, chooses where they run, runs one after the other and shows how
//! it goes. A scenario's steps come from its record, never from what it prints.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Output};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::process::Child;

use super::arguments::Options;
use super::failure::{Failure, Result};
use super::suite::{Suite, Test, printed};
use super::summary::{Outcome, figures_in, table};
use super::view::View;
use super::{install, report};
use crate::record::{self, Entry, Event};
use crate::settings::Driver;
use crate::settings::Settings;
use crate::site::Site;

/// How often the record of a running scenario is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What the shell calls a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Runs the scenarios with one of `filters` in their name.
pub(super) async fn run(filters: &[String], options: &Options) -> Result<ExitCode> {
    let given = options.environment();
    let settings = Settings::from_env_with(&given)?;
    if options.pause && !std::io::stdin().is_terminal() {
        let there = "standard input is no terminal";
        return Err(Failure::found("pausing after each step", there, "run it without --pause"));
    }
    let view = View::new(options.quiet, options.pause);
    let outcomes = Mutex::default();
    let work = run_in(filters, options.install, &settings, &given, &view, &outcomes);
    let done = tokio::select! {
        done = work => Some(done),
        _ = tokio::signal::ctrl_c() => None,
    };
    view.ends();
    match done {
        Some(Ok(())) => Ok(conclude(&taken(&outcomes), &settings, options.quiet)),
        Some(Err(error)) => Err(error),
        None => {
            // The scenario's process ends with its input, and its servers go with it.
            conclude(&taken(&outcomes), &settings, options.quiet);
            let kept = if settings.keep { "; what it ran is kept: cargo lab clean" } else { "" };
            let _ = writeln!(std::io::stderr(), "lab: interrupted{kept}");
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

async fn run_in(
    filters: &[String],
    install: bool,
    settings: &Settings,
    given: &[(&'static str, String)],
    view: &View,
    outcomes: &Mutex<Vec<Outcome>>,
) -> Result<()> {
    view.preparing("looking for somewhere to run");
    let place = install::choose(settings, install, view).await?;
    if !matches!(view, View::Quiet) {
        view.say(&place.announcement());
    }
    let suite = Suite::build(|line| view.preparing(line)).await?;
    let tests = suite.scenarios(filters).await?;
    view.preparing("making the template that servers start from");
    place.prepare().await?;
    view.begins(tests.len());
    let environment = environment(&place, given);
    for test in tests {
        let outcome = run_one(&suite, &test, &place, &environment, view).await?;
        outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
    }
    Ok(())
}

fn taken(outcomes: &Mutex<Vec<Outcome>>) -> Vec<Outcome> {
    std::mem::take(&mut outcomes.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What was chosen holds for the whole run: nobody looks around again.
fn environment(site: &Site, given: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let chosen = [("LAB_HOST", site.kind().to_owned()), ("LAB_PG", site.version().to_string())];
    given.iter().cloned().chain(chosen).collect()
}

async fn run_one(
    suite: &Suite,
    test: &Test,
    place: &Site,
    environment: &[(&'static str, String)],
    view: &View,
) -> Result<Outcome> {
    let name = record::file_name(&test.page(), place.version().major(), place.kind());
    let path = suite.root().join(&place.settings().records).join(name);
    // An older record of the same name is not this run's.
    let _ = std::fs::remove_file(&path);
    let scenario = test.page().replace('@', ": ").replace('_', " ");
    view.starts(&scenario);
    let started = Instant::now();
    let output = match place.settings().driver {
        Driver::Person => suite.start_in_the_open(test, environment)?.wait_with_output().await,
        Driver::Lab | Driver::Cargo => {
            watched(suite.start(test, environment)?, &path, &scenario, view).await
        }
    };
    let output = output
        .map_err(|source| Failure::io(format!("running {}", test.name), source, "try it again"))?;
    let (passed, took) = (output.status.success(), started.elapsed());
    let told = printed(&output);
    view.ended(&scenario, took, Some(told.as_str()).filter(|_| !passed));
    // A record that cannot be read has no figures.
    let record = std::fs::read_to_string(&path).unwrap_or_default();
    Ok(Outcome { scenario, passed, took, figures: figures_in(&record), record: path })
}

/// Waits for the end of a test, and shows its steps meanwhile. Its input is held for so long.
async fn watched(
    mut child: Child,
    path: &Path,
    scenario: &str,
    view: &View,
) -> std::io::Result<Output> {
    let input = child.stdin.take();
    let mut tail = Tail { path: path.to_owned(), file: None, half: String::new() };
    #[expect(clippy::disallowed_methods, reason = "a view is drawn in steps")]
    let mut looks = tokio::time::interval(LOOK);
    let ended = child.wait_with_output();
    tokio::pin!(ended);
    let output = loop {
        tokio::select! {
            output = &mut ended => break output,
            _ = looks.tick() => {
                if let Some(step) = tail.step() {
                    view.doing(scenario, &step);
                }
            }
        }
    };
    drop(input);
    output
}

/// Reads a record while it is written.
struct Tail {
    path: PathBuf,
    file: Option<File>,
    half: String,
}

impl Tail {
    /// The newest step since the last look.
    fn step(&mut self) -> Option<String> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        self.file.as_mut()?.read_to_string(&mut self.half).ok()?;
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

/// Says how it went, and writes the report.
fn conclude(outcomes: &[Outcome], settings: &Settings, quiet: bool) -> ExitCode {
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    if !quiet {
        let records = settings.records.display();
        let mut out = std::io::stdout();
        let _ = writeln!(out, "\n{}\n", table(outcomes));
        let passed = outcomes.len() - failed;
        let _ = writeln!(out, "{passed} passed, {failed} failed; records in {records}");
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
