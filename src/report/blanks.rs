//! What the learner's notebook asks for, and where a run answers it: the one table to edit when a
//! scenario, an exercise or a figure gets another name. It has no figure of its own.
//!
//! An exercise is written `04@promote`: the scenario's number and the test's name.

mod advanced;
mod beginner;
mod intermediate;

use super::ticks::Tick;

/// The levels, and the scenarios of each.
pub(super) const LEVELS: [(&str, &[Scenario]); 3] = [
    ("Beginner level", &beginner::SCENARIOS),
    ("Intermediate level", &intermediate::SCENARIOS),
    ("Advanced level", &advanced::SCENARIOS),
];

/// All of them.
pub(super) fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    LEVELS.into_iter().flat_map(|(_, scenarios)| scenarios)
}

/// One scenario of the notebook.
pub(super) struct Scenario {
    pub(super) number: &'static str,
    pub(super) title: &'static str,
    /// Its exercises: the names of its tests. It is completed when all of them passed.
    pub(super) exercises: &'static [&'static str],
    pub(super) lists: &'static [List],
    pub(super) grids: &'static [Grid],
    pub(super) ticks: &'static [(&'static str, &'static [Tick])],
}

/// Blanks below one title: what is asked, the exercise that answers, and the figure or fact there.
pub(super) struct List {
    pub(super) title: &'static str,
    pub(super) blanks: &'static [(&'static str, &'static str, &'static str)],
}

/// A table of figures of the same kind.
pub(super) struct Grid {
    pub(super) title: &'static str,
    pub(super) rows: Rows,
    pub(super) columns: &'static [&'static str],
}

/// What the rows of a grid are.
pub(super) enum Rows {
    /// The steps of an exercise that have such figures.
    Steps(&'static str),
    /// These, in the names of an exercise's figures: `{row}` and `{column}` stand in the pattern.
    Named { exercise: &'static str, pattern: &'static str, rows: &'static [&'static str] },
    /// Several exercises, and what the table calls them.
    Exercises(&'static [(&'static str, &'static str)]),
}

/// What the drill should reach. A figure that misses it fails no test.
pub(super) struct Target {
    pub(super) what: &'static str,
    pub(super) exercise: &'static str,
    pub(super) figure: &'static str,
    /// In seconds; nothing else is allowed where it is 0.
    pub(super) below: u32,
}

const NONE: Scenario =
    Scenario { number: "", title: "", exercises: &[], lists: &[], grids: &[], ticks: &[] };

/// The scorecard of the drill.
pub(super) const TARGETS: [Target; 5] = [
    Target { what: "downtime", exercise: "10@drill", figure: "total downtime", below: 60 },
    Target { what: "promotion", exercise: "10@drill", figure: "promotion", below: 10 },
    Target { what: "verification", exercise: "10@drill", figure: "verification", below: 30 },
    Target { what: "whole drill", exercise: "10@drill", figure: "whole drill", below: 120 },
    Target { what: "acked orders lost", exercise: "10@drill", figure: "orders lost", below: 0 },
];
