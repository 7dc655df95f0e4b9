//! One scenario's part of the workbook: the blanks that its exercises fill, the sentences they
//! judge, the plots they make. It holds names and never a value.

use serde::Deserialize;

use super::checklist::Checklist;
use super::claim::{Claim, Proof};
use super::plots::{Bars, Wanted};

/// One scenario of the learner's notebook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// The file it was read from, below the folder of the scenarios.
    #[serde(skip)]
    pub(crate) file: String,
    /// Two digits: `04`.
    pub(crate) number: String,
    pub(crate) title: String,
    /// What it is about, in a few sentences.
    #[serde(default)]
    pub(crate) about: String,
    /// What differs for those who come from `MySQL`.
    #[serde(default)]
    pub(crate) mysql: String,
    /// Its exercises: `04@promote`. It is completed when all of them passed.
    pub(crate) exercises: Vec<String>,
    #[serde(default)]
    pub(crate) production: Vec<Advice>,
    #[serde(rename = "list", default)]
    pub(crate) lists: Vec<List>,
    #[serde(rename = "grid", default)]
    pub(crate) grids: Vec<Grid>,
    #[serde(rename = "checklist", default)]
    pub(crate) checklists: Vec<Checklist>,
    #[serde(rename = "claim", default)]
    pub(crate) claims: Vec<Claim>,
    /// Learnings about edge cases.
    #[serde(rename = "edge_case", default)]
    pub(crate) edge_cases: Vec<Proof>,
    #[serde(rename = "target", default)]
    pub(crate) targets: Vec<Target>,
    #[serde(rename = "plot", default)]
    pub(crate) plots: Vec<Wanted>,
    #[serde(default)]
    pub(crate) bars: Vec<Bars>,
}

impl Scenario {
    /// Returns the name of its folder: `scenario_04_manual_failover`.
    pub(crate) fn folder(&self) -> &str {
        self.file.split('/').next().unwrap_or_default()
    }
}

/// What to do in production, and the exercise that shows why.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Advice {
    #[serde(rename = "do")]
    pub(crate) advice: String,
    pub(crate) exercise: String,
}

/// Blanks below one title.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    pub(crate) title: String,
    pub(crate) blanks: Vec<Blank>,
}

/// A question of the learner's notebook, and the fact or figure of an exercise that answers it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Blank {
    pub(crate) asks: String,
    pub(crate) exercise: String,
    pub(crate) seen: String,
    /// The line of the notebook that asks it in other words.
    pub(crate) line: Option<String>,
}

/// A table of facts or figures of the same kind: a column for each name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grid {
    pub(crate) title: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Rows,
}

/// The rows of a grid.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rows {
    /// The steps of an exercise that have such figures.
    StepsOf(String),
    /// Several exercises.
    Exercises(Vec<Row>),
    /// Labels in the names of an exercise's figures.
    Named(Named),
}

/// A row's label in a grid, and its exercise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) exercise: String,
}

/// Rows of one exercise, whose figures have names that follow a pattern.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    pub(crate) exercise: String,
    pattern: String,
    pub(crate) labels: Vec<String>,
}

impl Named {
    /// Returns the name of the figure in a cell: `{row}` and `{column}` in the pattern are
    /// replaced.
    pub(crate) fn figure(&self, row: &str, column: &str) -> String {
        self.pattern.replace("{row}", row).replace("{column}", column)
    }
}

/// A figure and its target. A figure that misses its target fails no test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    pub(crate) asks: String,
    pub(crate) exercise: String,
    pub(crate) seen: String,
    /// The upper limit in seconds. Without one only 0 meets the target.
    #[serde(default)]
    pub(crate) below_seconds: u32,
}
