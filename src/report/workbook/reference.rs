//! The expectations of the workbook towards exercises, as one list that a test compares with their
//! pages. Nothing here reads a page or a record.

use super::checklist::Tick;
use super::claim::{Claim, Evidence, Proof};
use super::plots::{Bars, Wanted};
use super::scenario::{Blank, Grid, Named, Rows, Scenario};

/// An expectation of the workbook towards an exercise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The file of the workbook that refers to the exercise.
    pub file: String,
    /// The exercise: `04@promote`.
    pub exercise: String,
    /// What the exercise must have.
    pub expected: Expected,
}

/// An expectation towards an exercise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The exercise itself.
    Exercise,
    /// A fact or a figure that has one of these names.
    Seen(Vec<String>),
    /// A figure or a series that has one of these names.
    Measured(Vec<String>),
    /// A learning that begins with this text.
    Learned(String),
}

type Expectation<'a> = (&'a str, Expected);

/// Returns the expectations of a file's ticks: exercises.
pub(super) fn of_ticks<'a>(file: &str, ticks: impl Iterator<Item = &'a Tick>) -> Vec<Reference> {
    let exercises = ticks.flat_map(|tick| tick.exercises.iter());
    from(file, exercises.map(|exercise| (exercise.as_str(), Expected::Exercise)))
}

/// Returns the expectations of a scenario's file.
pub(super) fn of_scenario(scenario: &Scenario) -> Vec<Reference> {
    let blanks = scenario.lists.iter().flat_map(|list| &list.blanks);
    let blanks = blanks.map(of_blank);
    let targets = scenario.targets.iter();
    let targets = targets.map(|target| (target.exercise.as_str(), seen(&target.seen)));
    let proofs = scenario.claims.iter().flat_map(|claim| &claim.proofs);
    let proofs = proofs.chain(&scenario.edge_cases).map(of_proof);
    let expected = blanks
        .chain(scenario.grids.iter().flat_map(of_grid))
        .chain(targets)
        .chain(proofs)
        .chain(scenario.plots.iter().flat_map(of_plot))
        .chain(scenario.bars.iter().flat_map(of_bars));
    let mut references = from(&scenario.file, expected);
    let advice = scenario.production.iter();
    let advice = advice.map(|one| (one.exercise.as_str(), Expected::Exercise));
    references.extend(from(&scenario.file, advice));
    let ticks = scenario.checklists.iter().flat_map(|list| &list.items);
    references.extend(of_ticks(&scenario.file, ticks));
    references
}

/// Returns the expectations of a file's claims.
pub(super) fn of_claims(file: &str, claims: &[Claim]) -> Vec<Reference> {
    from(file, claims.iter().flat_map(|claim| &claim.proofs).map(of_proof))
}

fn from<'a>(file: &str, expected: impl Iterator<Item = Expectation<'a>>) -> Vec<Reference> {
    let reference = |(exercise, expected): Expectation<'_>| Reference {
        file: file.to_owned(),
        exercise: exercise.to_owned(),
        expected,
    };
    expected.map(reference).collect()
}

/// Returns the expectations of the report's first screen: figures, and exercises.
pub(super) fn of_first_screen<'a>(
    file: &str,
    figures: &'a [Blank],
    exercises: impl Iterator<Item = &'a String>,
) -> Vec<Reference> {
    let exercises = exercises.map(|exercise| (exercise.as_str(), Expected::Exercise));
    from(file, figures.iter().map(of_blank).chain(exercises))
}

fn of_blank(blank: &Blank) -> Expectation<'_> {
    (&blank.exercise, seen(&blank.seen))
}

fn seen(name: &str) -> Expected {
    Expected::Seen(vec![name.to_owned()])
}

fn of_grid(grid: &Grid) -> Vec<Expectation<'_>> {
    let columns = |exercise| grid.columns.iter().map(move |name| (exercise, seen(name)));
    match &grid.rows {
        Rows::StepsOf(exercise) => columns(exercise.as_str()).collect(),
        Rows::Exercises(rows) => {
            rows.iter().flat_map(|row| columns(row.exercise.as_str())).collect()
        }
        Rows::Named(named) => of_named(named, &grid.columns),
    }
}

/// Returns the expectations of a named grid. Not every row has every figure, but there is one in
/// every row and in every column.
fn of_named<'a>(named: &'a Named, columns: &[String]) -> Vec<Expectation<'a>> {
    let labels = named.labels.iter();
    let cells_of_row =
        |row: &String| columns.iter().map(|column| named.figure(row, column)).collect();
    let rows = labels.map(cells_of_row);
    let cells_of_column =
        |column: &String| named.labels.iter().map(|row| named.figure(row, column)).collect();
    let cells = rows.chain(columns.iter().map(cells_of_column));
    cells.map(|names| (named.exercise.as_str(), Expected::Seen(names))).collect()
}

fn of_proof(proof: &Proof) -> Expectation<'_> {
    let expected = match &proof.evidence {
        Evidence::Learned(begin) => Expected::Learned(begin.clone()),
        Evidence::Seen(name) => seen(name),
    };
    (&proof.exercise, expected)
}

fn of_plot(plot: &Wanted) -> impl Iterator<Item = Expectation<'_>> {
    let lines = plot.panels.iter().flat_map(|panel| &panel.lines);
    let names = lines.map(|line| &line.series).chain(plot.moments.iter().map(|one| &one.seen));
    names.map(|name| (plot.exercise.as_str(), Expected::Measured(vec![name.clone()])))
}

/// Returns the expectations of bars. A version of PostgreSQL may lack a group, but there is a bar
/// in every group and of every name.
fn of_bars(wanted: &Bars) -> Vec<Expectation<'_>> {
    let in_group =
        |group: &String| wanted.names.iter().map(|bar| wanted.figure(group, bar)).collect();
    let of_name =
        |bar: &String| wanted.groups.iter().map(|group| wanted.figure(group, bar)).collect();
    let names = wanted.groups.iter().map(in_group).chain(wanted.names.iter().map(of_name));
    names.map(|names| (wanted.exercise.as_str(), Expected::Measured(names))).collect()
}
