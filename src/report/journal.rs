//! The journal: what matters on one screen, and what spans scenarios (`templates/opening.md`,
//! `templates/closing.md`); the scenarios are chapters of their own. Nothing here decides more than
//! what comes first.

use askama::Template;

use super::chapter::{Chapter, is_completed};
use super::plots::Drawn;
use super::run::{Run, date};
use super::runs::Runs;
use super::tables::{self, Table, Ticked};
use super::versions;
use super::workbook::claim::Proof;
use super::workbook::scenario::Scenario;
use super::workbook::{Level, Workbook};

/// The file beside the journal that a person writes.
pub const NOTES: &str = "notes.md";

/// The beginning of the journal.
#[derive(Template)]
#[template(path = "opening.md")]
struct Opening<'a> {
    postgres: String,
    began: String,
    updated: String,
    has_crowded: bool,
    completed: usize,
    scenarios: usize,
    percent: usize,
    passed: usize,
    progress: Vec<(String, usize, usize)>,
    /// The exercises that were run and did not pass.
    failed: Vec<(String, String)>,
    chapters: &'a [Chapter<'a>],
    highlights: Table,
    plots: Vec<(&'a str, &'a str)>,
    beliefs: Table,
}

/// The end of the journal.
#[derive(Template)]
#[template(path = "closing.md")]
struct Closing<'a> {
    edge_cases: Vec<(String, &'a str)>,
    skills: Vec<(String, Vec<Ticked>)>,
    deep_dives: Vec<Ticked>,
    tools: Vec<Ticked>,
    versions: Vec<u16>,
    differences: Table,
    environment: Table,
    chapters: &'a [Chapter<'a>],
    /// Other files of the report: title and name.
    appendices: &'a [(&'static str, &'static str)],
    notes: &'static str,
    postgres: String,
    updated: String,
    completed: usize,
    scenarios: usize,
    passed: usize,
    facts: usize,
    missing: Vec<&'a str>,
}

/// Renders the beginning of the journal.
pub(super) fn opening(
    runs: &Runs,
    workbook: &Workbook,
    chapters: &[Chapter<'_>],
    drawn: &[Drawn],
) -> askama::Result<String> {
    let scenarios = workbook.scenarios().count();
    let completed = scenarios - missing(runs, workbook).count();
    let failed = runs.journal().filter(|run| !run.passed());
    let opening = Opening {
        postgres: postgres(runs),
        began: date(runs.journal().map(|run| run.begin.started).min().unwrap_or_default()),
        updated: updated(runs),
        has_crowded: runs.journal().any(|run| !run.begin.alone),
        completed,
        scenarios,
        percent: completed * 100 / scenarios.max(1),
        passed: passed(runs).count(),
        progress: workbook.levels.iter().map(|level| progress(runs, level)).collect(),
        failed: failed.map(|run| (run.exercise(), run.status())).collect(),
        chapters,
        highlights: tables::highlights(runs, &workbook.highlights),
        plots: highlighted(workbook, drawn),
        beliefs: tables::beliefs(runs, workbook),
    };
    opening.render()
}

/// Renders the end of the journal.
pub(super) fn closing(
    runs: &Runs,
    workbook: &Workbook,
    chapters: &[Chapter<'_>],
    appendices: &[(&'static str, &'static str)],
) -> askama::Result<String> {
    let missing: Vec<_> = missing(runs, workbook).collect();
    let scenarios = workbook.scenarios().count();
    let closing = Closing {
        edge_cases: edge_cases(runs, workbook.scenarios()),
        skills: workbook.levels.iter().map(|level| skills(runs, level)).collect(),
        deep_dives: tables::ticked(runs, &workbook.deep_dives),
        tools: tables::tools(runs, &workbook.tools),
        versions: versions::there(runs),
        differences: versions::differences(runs),
        environment: tables::environment(runs),
        chapters,
        appendices,
        notes: NOTES,
        postgres: postgres(runs),
        updated: updated(runs),
        completed: scenarios - missing.len(),
        scenarios,
        passed: passed(runs).count(),
        facts: passed(runs).map(|run| run.fact_names().count()).sum(),
        missing,
    };
    closing.render()
}

/// Returns the runs that passed.
fn passed(runs: &Runs) -> impl Iterator<Item = &Run> {
    runs.journal().filter(|one| one.passed())
}

/// Returns the numbers of the scenarios that are not completed.
fn missing<'a>(runs: &Runs, workbook: &'a Workbook) -> impl Iterator<Item = &'a str> {
    let open = workbook.scenarios().filter(|scenario| !is_completed(runs, scenario));
    open.map(|scenario| scenario.number.as_str())
}

/// Returns the plots of the first screen: title and file.
fn highlighted<'a>(workbook: &Workbook, drawn: &'a [Drawn]) -> Vec<(&'a str, &'a str)> {
    let of = |exercise: &String| drawn.iter().find(|plot| plot.exercise == *exercise);
    let plots = workbook.shown_first.iter().filter_map(of);
    plots.map(|plot| (plot.title.as_str(), plot.file.as_str())).collect()
}

/// Returns a level's title, the number of its completed scenarios, and the number of all.
fn progress(runs: &Runs, level: &Level) -> (String, usize, usize) {
    let completed = level.scenarios.iter().filter(|scenario| is_completed(runs, scenario));
    (format!("{} level", level.name), completed.count(), level.scenarios.len())
}

fn skills(runs: &Runs, level: &Level) -> (String, Vec<Ticked>) {
    (format!("{} skills", level.name), tables::ticked(runs, &level.skills))
}

fn updated(runs: &Runs) -> String {
    date(runs.journal().map(Run::ended).max().unwrap_or_default())
}

/// Returns what the runs showed about edge cases, each with its exercise.
fn edge_cases<'a>(
    runs: &Runs,
    scenarios: impl Iterator<Item = &'a Scenario>,
) -> Vec<(String, &'a str)> {
    let row = |proof: &'a Proof| Some((runs.proof(proof).ok()?.0, proof.exercise.as_str()));
    scenarios.flat_map(|scenario| &scenario.edge_cases).filter_map(row).collect()
}

/// Returns the versions of the servers of the journal's runs.
pub(super) fn postgres(runs: &Runs) -> String {
    let mut versions: Vec<_> = runs.journal().flat_map(Run::servers).collect();
    versions.sort_unstable();
    versions.dedup();
    versions.join(", ")
}
