//! The journal: the content of its template (`journal.md`), scenario by scenario. Nothing here
//! decides more than which scenario is completed.

use std::time::Duration;

use askama::Template;

use super::lines;
use super::plots::Drawn;
use super::run::{Run, date};
use super::runs::{NOT_RUN, Runs, evidence};
use super::tables::{self, Table, Ticked};
use super::versions;
use super::workbook::claim::Proof;
use super::workbook::scenario::Scenario;
use super::workbook::{Level, Workbook};

/// The file beside the journal that a person writes.
pub const NOTES: &str = "notes.md";

#[derive(Template)]
#[template(path = "journal.md")]
struct Journal<'a> {
    postgres: String,
    began: String,
    updated: String,
    has_crowded: bool,
    progress: Vec<(String, usize, usize)>,
    completed: usize,
    scenarios: usize,
    percent: usize,
    passed: usize,
    deep_dives: Vec<Ticked>,
    levels: Vec<(String, Vec<Chapter<'a>>)>,
    corrections: Table,
    notebook: Table,
    edge_cases: Table,
    skills: Vec<(String, Vec<Ticked>)>,
    tools: Vec<Ticked>,
    key_figures: Table,
    versions: Vec<u16>,
    differences: Table,
    files: Vec<(&'a str, Vec<&'a str>)>,
    environment: Table,
    facts: usize,
    missing: Vec<&'a str>,
    notes: &'static str,
}

/// A scenario in the journal.
struct Chapter<'a> {
    number: &'a str,
    title: &'a str,
    completed: bool,
    status: String,
    began: String,
    ended: String,
    took: String,
    topologies: Vec<String>,
    tables: Vec<Table>,
    ticks: Vec<(&'a str, Vec<Ticked>)>,
    exercises: Vec<Exercise>,
}

/// A run of an exercise in the journal.
struct Exercise {
    name: String,
    about: String,
    status: String,
    alone: bool,
    learnings: Vec<(String, String)>,
    plots: Vec<(String, String)>,
    page: Vec<String>,
}

/// Renders the journal of these runs.
pub(super) fn write(runs: &Runs, workbook: &Workbook, drawn: &[Drawn]) -> askama::Result<String> {
    let is_open = |scenario: &&Scenario| !is_completed(runs, scenario);
    let missing = workbook.scenarios().filter(is_open).map(|scenario| scenario.number.as_str());
    let missing: Vec<_> = missing.collect();
    let scenarios = workbook.scenarios().count();
    let completed = scenarios - missing.len();
    let passed = || runs.journal().filter(|run| run.passed());
    let journal = Journal {
        postgres: postgres(runs),
        began: date(runs.journal().map(|run| run.begin.started).min().unwrap_or_default()),
        updated: date(runs.journal().map(Run::ended).max().unwrap_or_default()),
        has_crowded: runs.journal().any(|run| !run.begin.alone),
        progress: workbook.levels.iter().map(|level| progress(runs, level)).collect(),
        completed,
        scenarios,
        percent: completed * 100 / scenarios.max(1),
        passed: passed().count(),
        deep_dives: tables::ticked(runs, &workbook.deep_dives),
        levels: workbook.levels.iter().map(|level| chapters(runs, level, drawn)).collect(),
        corrections: tables::corrections(runs, workbook),
        notebook: lines::table(runs, workbook),
        edge_cases: edge_cases(runs, workbook.scenarios()),
        skills: workbook.levels.iter().map(|level| skills(runs, level)).collect(),
        tools: tables::tools(runs, &workbook.tools),
        key_figures: tables::key_figures(runs),
        versions: versions::there(runs),
        differences: versions::differences(runs),
        files: files(runs, workbook),
        environment: tables::environment(runs),
        facts: passed().map(|run| run.fact_names().count()).sum(),
        missing,
        notes: NOTES,
    };
    journal.render()
}

/// Returns a level's title, the number of its completed scenarios, and the number of all.
fn progress(runs: &Runs, level: &Level) -> (String, usize, usize) {
    let completed = level.scenarios.iter().filter(|scenario| is_completed(runs, scenario));
    (title(level), completed.count(), level.scenarios.len())
}

fn skills(runs: &Runs, level: &Level) -> (String, Vec<Ticked>) {
    (format!("{} skills", level.name), tables::ticked(runs, &level.skills))
}

fn chapters<'a>(runs: &Runs, level: &'a Level, drawn: &[Drawn]) -> (String, Vec<Chapter<'a>>) {
    let chapters = level.scenarios.iter().map(|scenario| chapter(runs, drawn, scenario));
    (title(level), chapters.collect())
}

fn title(level: &Level) -> String {
    format!("{} level", level.name)
}

/// Tells whether every exercise of a scenario passed: the scenario is then completed.
fn is_completed(runs: &Runs, scenario: &Scenario) -> bool {
    !scenario.exercises.is_empty()
        && scenario.exercises.iter().all(|exercise| runs.passed(exercise))
        && runs.of_scenario(&scenario.number).all(Run::passed)
}

fn chapter<'a>(runs: &Runs, drawn: &[Drawn], scenario: &'a Scenario) -> Chapter<'a> {
    let number = scenario.number.as_str();
    let of_it: Vec<_> = runs.of_scenario(number).collect();
    let or_not_run = |shown: Option<String>| shown.unwrap_or_else(|| NOT_RUN.to_owned());
    let completed = is_completed(runs, scenario);
    let took: Duration = of_it.iter().map(|run| run.took()).sum();
    let ended = of_it.iter().map(|run| run.ended()).max().filter(|_| completed);
    let mut tables: Vec<_> = scenario.lists.iter().map(|list| tables::list(runs, list)).collect();
    tables.extend(scenario.grids.iter().map(|grid| tables::grid(runs, grid)));
    let targets = Some(&scenario.targets).filter(|targets| !targets.is_empty());
    tables.extend(targets.map(|targets| tables::scorecard(runs, targets)));
    let mut topologies: Vec<_> =
        of_it.iter().flat_map(|run| run.topologies()).map(str::to_owned).collect();
    topologies.sort();
    topologies.dedup();
    let ticks = scenario.checklists.iter();
    let ticks = ticks.map(|list| (list.title.as_str(), tables::ticked(runs, &list.items)));
    Chapter {
        number,
        title: &scenario.title,
        completed,
        status: status(scenario, &of_it),
        began: or_not_run(of_it.iter().map(|run| run.begin.started).min().map(date)),
        ended: ended.map_or_else(|| "not completed".to_owned(), date),
        took: or_not_run((!of_it.is_empty()).then(|| format!("{:.1} s", took.as_secs_f64()))),
        topologies,
        tables,
        ticks: ticks.collect(),
        exercises: exercises(runs, drawn, scenario),
    }
}

/// Returns how many of a scenario's exercises passed, and which did not.
fn status(scenario: &Scenario, runs: &[&Run]) -> String {
    if runs.is_empty() {
        return NOT_RUN.to_owned();
    }
    let passed = runs.iter().filter(|run| run.passed()).count();
    let known = scenario.exercises.len().max(runs.len());
    let others = runs.iter().filter(|run| !run.passed());
    let others = others.map(|run| format!("; {} {}", run.exercise(), run.status()));
    format!("{passed} of {known} exercises passed{}", others.collect::<String>())
}

/// Returns the exercises of a scenario, run or not.
fn exercises(runs: &Runs, drawn: &[Drawn], scenario: &Scenario) -> Vec<Exercise> {
    let mut names = scenario.exercises.clone();
    let there = runs.of_scenario(&scenario.number).map(Run::exercise);
    let unknown: Vec<_> = there.filter(|name| !names.contains(name)).collect();
    names.extend(unknown);
    names.into_iter().map(|name| exercise(runs.of(&name), drawn, name)).collect()
}

fn exercise(run: Option<&Run>, drawn: &[Drawn], name: String) -> Exercise {
    let learned = |run: &Run| {
        let learnings = run.learnings();
        let rows =
            |(sentence, because): (&str, &[String])| (sentence.to_owned(), evidence(run, because));
        learnings.map(rows).collect()
    };
    let plots = drawn.iter().filter(|plot| plot.exercise == name);
    let plots = plots.map(|plot| (plot.title.clone(), plot.file.clone())).collect();
    Exercise {
        about: run.map_or(String::new(), |run| run.begin.about.clone()),
        status: run.map_or_else(|| NOT_RUN.to_owned(), Run::status),
        alone: run.is_none_or(|run| run.begin.alone),
        learnings: run.map(learned).unwrap_or_default(),
        plots,
        page: run.map(Run::page).unwrap_or_default(),
        name,
    }
}

/// Returns the files that runs typed, each with the lines of its text.
fn files<'a>(runs: &Runs, workbook: &'a Workbook) -> Vec<(&'a str, Vec<&'a str>)> {
    let typed = |path: &str| runs.journal().any(|run| run.typed(&format!("\\i {path}")));
    let files = workbook.files.iter().filter(|(path, _)| typed(path));
    files.map(|(path, text)| (path.as_str(), text.lines().collect())).collect()
}

fn edge_cases<'a>(runs: &Runs, scenarios: impl Iterator<Item = &'a Scenario>) -> Table {
    let row = |proof: &Proof| {
        let learned = runs.proof(proof).unwrap_or_else(|missing| missing);
        vec![proof.exercise.clone(), learned]
    };
    let header = ["exercise", "what was learned, and the facts that prove it"];
    let rows = scenarios.flat_map(|scenario| &scenario.edge_cases).map(row).collect();
    Table { title: String::new(), header: header.map(str::to_owned).to_vec(), rows }
}

/// Returns the versions of the servers of the journal's runs.
fn postgres(runs: &Runs) -> String {
    let mut versions: Vec<_> = runs.journal().flat_map(Run::servers).collect();
    versions.sort_unstable();
    versions.dedup();
    versions.join(", ")
}
