//! The part of the workbook that spans scenarios: levels with the folders of their scenarios,
//! skills, deep dives, tools, and the lines of the notebook that belong to no scenario. Nothing here reads a scenario.

use serde::Deserialize;

use super::checklist::{Tick, Tool};
use super::claim::Claim;
use super::scenario::Blank;

/// The file `workbook.toml` above the scenarios' folders.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whole {
    #[serde(rename = "level")]
    pub(super) levels: Vec<Level>,
    #[serde(rename = "deep_dive", default)]
    pub(super) deep_dives: Vec<Tick>,
    #[serde(rename = "tool", default)]
    pub(super) tools: Vec<Tool>,
    #[serde(rename = "claim", default)]
    pub(super) claims: Vec<Claim>,
    /// The figures of the report's first screen.
    #[serde(rename = "highlight", default)]
    pub(super) highlights: Vec<Blank>,
    /// The exercises whose plots stand on the first screen.
    #[serde(default)]
    pub(super) shown_first: Vec<String>,
    /// The exercise whose steps are the runbook.
    pub(super) runbook: Option<String>,
    #[serde(rename = "aside", default)]
    pub(super) asides: Vec<Aside>,
    #[serde(rename = "change", default)]
    pub(super) changes: Vec<Change>,
}

/// A change of PostgreSQL that the pages of an exercise show.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// The major version that has it first, and whose release notes say so.
    pub(crate) since: u16,
    pub(crate) what: String,
    pub(crate) exercise: String,
}

/// Lines of the notebook that nothing judges, and why.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Aside {
    pub(crate) why: String,
    pub(crate) lines: Vec<String>,
}

/// A level: the folders of its scenarios in order, and its skills.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Level {
    pub(super) name: String,
    pub(super) scenarios: Vec<String>,
    pub(super) skills: Vec<Tick>,
}
