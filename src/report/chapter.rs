//! A scenario in the report: the content of its template (`templates/chapter.md`). Nothing here
//! reads another scenario.

use std::time::Duration;

use askama::Template;

use super::plots::Drawn;
use super::run::{Run, date};
use super::runs::{NOT_RUN, Proven, Runs, evidence};
use super::tables::{self, Table, Ticked};
use super::workbook::claim::Claim;
use super::workbook::scenario::Scenario;

/// A scenario in the report.
#[derive(Template)]
#[template(path = "chapter.md")]
pub(super) struct Chapter<'a> {
    pub(super) number: &'a str,
    pub(super) title: &'a str,
    /// The name of its file.
    pub(super) file: String,
    about: &'a str,
    mysql: &'a str,
    completed: bool,
    pub(super) status: String,
    pub(super) began: String,
    ended: String,
    pub(super) took: String,
    topologies: Vec<String>,
    /// What to do in production, and the exercise that shows why.
    production: Vec<(&'a str, &'a str)>,
    tables: Vec<Table>,
    ticks: Vec<(&'a str, Vec<Ticked>)>,
    exercises: Vec<Exercise>,
    beliefs: Vec<Belief<'a>>,
}

/// A run of an exercise in the report.
struct Exercise {
    name: String,
    about: String,
    status: String,
    took: String,
    alone: bool,
    learnings: Vec<(String, Vec<String>)>,
    plots: Vec<(String, String)>,
    figures: Table,
    page: Vec<String>,
}

/// A sentence of the notebook, its verdict and the proofs.
struct Belief<'a> {
    says: &'a str,
    verdict: String,
    proofs: Vec<Proven>,
}

impl Chapter<'_> {
    /// Returns the names of its exercises.
    pub(super) fn exercises(&self) -> impl Iterator<Item = &str> {
        self.exercises.iter().map(|exercise| exercise.name.as_str())
    }
}

/// Tells whether every exercise of a scenario passed: the scenario is then completed.
pub(super) fn is_completed(runs: &Runs, scenario: &Scenario) -> bool {
    !scenario.exercises.is_empty()
        && scenario.exercises.iter().all(|exercise| runs.passed(exercise))
        && runs.of_scenario(&scenario.number).all(Run::passed)
}

/// Returns a scenario with what the runs showed.
pub(super) fn chapter<'a>(runs: &Runs, drawn: &[Drawn], scenario: &'a Scenario) -> Chapter<'a> {
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
        file: format!("scenario_{number}.md"),
        about: &scenario.about,
        mysql: &scenario.mysql,
        completed,
        status: status(scenario, &of_it),
        began: or_not_run(of_it.iter().map(|run| run.begin.started).min().map(date)),
        ended: ended.map_or_else(|| "not completed".to_owned(), date),
        took: or_not_run((!of_it.is_empty()).then(|| format!("{:.1} s", took.as_secs_f64()))),
        topologies,
        tables,
        ticks: ticks.collect(),
        production: scenario.production.iter().map(|one| (&*one.advice, &*one.exercise)).collect(),
        exercises: exercises(runs, drawn, scenario),
        beliefs: scenario.claims.iter().map(|claim| belief(runs, claim)).collect(),
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
        took: run.map_or(String::new(), |run| format!("{:.1} s", run.took().as_secs_f64())),
        alone: run.is_none_or(|run| run.begin.alone),
        learnings: run.map(learned).unwrap_or_default(),
        plots,
        figures: tables::key_figures(run),
        page: run.map(Run::page).unwrap_or_default(),
        name,
    }
}

fn belief<'a>(runs: &Runs, claim: &'a Claim) -> Belief<'a> {
    let proofs = tables::proofs(runs, claim).unwrap_or_default();
    Belief { says: &claim.says, verdict: tables::verdict(runs, claim), proofs }
}
