//! The workbook: the questions of the learner's notebook and where a run answers them, as data
//! beside the scenarios. No exercise, fact or figure is named here, and no file is read.
//!
//! ```text
//!  workbook.toml ───────────▶ whole ────┐
//!  scenario_…/workbook.toml ▶ scenario ─┼─▶ Workbook ─▶ the journal, its tables, its plots
//!  notebook.md ─────────────▶ notebook ─┘      ├──────▶ reference: what it expects of exercises
//!    (claim, arithmetic, checklist, plots)     └──────▶ place: which part answers a line of the notebook
//! ```

pub(crate) mod arithmetic;
pub(crate) mod checklist;
pub(crate) mod claim;
pub(crate) mod notebook;
pub(crate) mod place;
pub(crate) mod plots;
mod reference;
pub(crate) mod scenario;
#[cfg(test)]
mod tests;
pub(crate) mod whole;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use checklist::{Tick, Tool};
use claim::Claim;
use notebook::Line;
use plots::{Bars, Wanted};
pub use reference::{Expected, Reference};
use scenario::{Blank, Scenario};
use whole::{Aside, Change, Whole};

/// The name of the file of what spans scenarios, and of a scenario's file in its folder.
const FILE: &str = "workbook.toml";

/// The name of the file of the notebook itself.
const NOTEBOOK: &str = "notebook.md";

/// The questions of the learner's notebook, the judgements of its sentences, and the plots.
#[derive(Clone, Debug)]
pub struct Workbook {
    pub(crate) levels: Vec<Level>,
    pub(crate) deep_dives: Vec<Tick>,
    pub(crate) tools: Vec<Tool>,
    /// Claims that belong to no scenario.
    pub(crate) claims: Vec<Claim>,
    pub(crate) asides: Vec<Aside>,
    pub(crate) changes: Vec<Change>,
    /// The figures, and the exercises with plots, of the report's first screen.
    pub(crate) highlights: Vec<Blank>,
    pub(crate) shown_first: Vec<String>,
    /// The exercise whose steps are the runbook.
    pub(crate) runbook: Option<String>,
    /// The lines of the notebook, in order.
    pub(crate) notebook: Vec<Line>,
    /// The files that exercises run: path and text.
    pub(crate) files: Vec<(String, String)>,
}

/// A level of the learner's notebook, with its scenarios in order.
#[derive(Clone, Debug)]
pub(crate) struct Level {
    pub(crate) name: String,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) skills: Vec<Tick>,
}

impl Workbook {
    /// Reads a workbook from its files: the path of each below the folder of the scenarios, and its
    /// text. There is `workbook.toml`, `<folder>/workbook.toml` for every scenario of a level, and
    /// `notebook.md`, the learner's notebook that all of them answer.
    ///
    /// # Errors
    ///
    /// A file is missing, is not valid TOML, has an unknown field, belongs to no level, or has the
    /// number of another scenario: the error names the file.
    pub fn read(parts: &[(&str, &str)]) -> Result<Self> {
        let whole: Whole = parse(parts, FILE)?;
        let levels = whole.levels.into_iter().map(|level| {
            let scenarios = level.scenarios.iter().map(|folder| scenario(parts, folder));
            let scenarios = scenarios.collect::<Result<_>>()?;
            Ok(Level { name: level.name, scenarios, skills: level.skills })
        });
        let levels = levels.collect::<Result<_>>()?;
        let workbook = Self {
            levels,
            deep_dives: whole.deep_dives,
            tools: whole.tools,
            claims: whole.claims,
            asides: whole.asides,
            changes: whole.changes,
            highlights: whole.highlights,
            shown_first: whole.shown_first,
            runbook: whole.runbook,
            notebook: notebook::lines(part(parts, NOTEBOOK)?),
            files: Vec::new(),
        };
        workbook.refuse_duplicates()?;
        workbook.refuse_strangers(parts)?;
        workbook.refuse_unproven()?;
        Ok(workbook)
    }

    /// Adds files that exercises run with `\i`, each given by its path as it was typed and its text.
    /// The journal shows the text of those that a run typed.
    #[must_use]
    pub fn with_files(mut self, files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        self.files.extend(files);
        self
    }

    /// Returns each scenario's folder, such as `scenario_04_manual_failover`, its title, and the names
    /// of its pages, such as `scenario_04_manual_failover@promote`, in the order of the workbook.
    pub fn contents(&self) -> impl Iterator<Item = (&str, &str, Vec<String>)> {
        self.scenarios().map(|scenario| {
            let folder = scenario.folder();
            let names = scenario.exercises.iter().filter_map(|name| name.split_once('@'));
            let pages = names.map(|(_, test)| format!("{folder}@{test}")).collect();
            (folder, scenario.title.as_str(), pages)
        })
    }

    /// Returns the paths of the files whose text it has.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(path, _)| path.as_str())
    }

    /// Returns the names of all exercises, such as `04@promote`, in the order of the workbook.
    pub fn exercises(&self) -> impl Iterator<Item = &str> {
        self.scenarios().flat_map(|scenario| scenario.exercises.iter().map(String::as_str))
    }

    /// Returns everything that the workbook expects of exercises, so that a test can compare it
    /// with their pages.
    pub fn references(&self) -> Vec<Reference> {
        let skills = self.levels.iter().flat_map(|level| &level.skills);
        let mut references = reference::of_ticks(FILE, skills.chain(&self.deep_dives));
        references.extend(reference::of_claims(FILE, &self.claims));
        let named = self.shown_first.iter().chain(&self.runbook);
        references.extend(reference::of_first_screen(FILE, &self.highlights, named));
        references.extend(self.scenarios().flat_map(reference::of_scenario));
        references
    }

    /// Returns the lines of the notebook that nothing answers, each with its heading; and what is
    /// said to answer a line that is not in the notebook.
    pub fn unanswered(&self) -> Vec<String> {
        let open = self.notebook.iter().filter(|line| self.place(line).is_none());
        let open = open.map(|line| format!("{}: {}", line.heading, line.words));
        open.chain(self.strange_lines()).collect()
    }

    /// Returns all scenarios, in the order of the levels.
    pub(crate) fn scenarios(&self) -> impl Iterator<Item = &Scenario> {
        self.levels.iter().flat_map(|level| &level.scenarios)
    }

    /// Returns the plots of series of an exercise.
    pub(crate) fn plots<'a>(&'a self, exercise: &'a str) -> impl Iterator<Item = &'a Wanted> {
        let plots = self.scenarios().flat_map(|scenario| &scenario.plots);
        plots.filter(move |wanted| wanted.exercise == exercise)
    }

    /// Returns the bars of an exercise.
    pub(crate) fn bars<'a>(&'a self, exercise: &'a str) -> impl Iterator<Item = &'a Bars> {
        let bars = self.scenarios().flat_map(|scenario| &scenario.bars);
        bars.filter(move |wanted| wanted.exercise == exercise)
    }

    fn refuse_duplicates(&self) -> Result<()> {
        let mut before: Vec<&Scenario> = Vec::new();
        for scenario in self.scenarios() {
            if let Some(other) = before.iter().find(|other| other.number == scenario.number) {
                let said = format!("{} has the number {}, too", other.file, scenario.number);
                return Err(refused(&scenario.file, said));
            }
            before.push(scenario);
        }
        Ok(())
    }

    fn refuse_unproven(&self) -> Result<()> {
        let of_scenarios = self
            .scenarios()
            .flat_map(|scenario| scenario.claims.iter().map(move |claim| (&*scenario.file, claim)));
        let mut claims = of_scenarios.chain(self.claims.iter().map(|claim| (FILE, claim)));
        match claims.find(|(_, claim)| claim.proofs.is_empty() && claim.reckoned.is_empty()) {
            Some((file, claim)) => Err(refused(file, format!("nothing proves {:?}", claim.says))),
            None => Ok(()),
        }
    }

    fn refuse_strangers(&self, parts: &[(&str, &str)]) -> Result<()> {
        let is_known = |file: &str| {
            [FILE, NOTEBOOK].contains(&file) || self.scenarios().any(|one| one.file == file)
        };
        match parts.iter().find(|(file, _)| !is_known(file)) {
            Some((file, _)) => Err(refused(file, format!("no level in {FILE} has its scenario"))),
            None => Ok(()),
        }
    }
}

fn scenario(parts: &[(&str, &str)], folder: &str) -> Result<Scenario> {
    let file = format!("{folder}/{FILE}");
    let scenario: Scenario = parse(parts, &file)?;
    Ok(Scenario { file, ..scenario })
}

fn parse<T: DeserializeOwned>(parts: &[(&str, &str)], file: &str) -> Result<T> {
    toml::from_str(part(parts, file)?).map_err(|error| refused(file, error.to_string()))
}

fn part<'a>(parts: &[(&str, &'a str)], file: &str) -> Result<&'a str> {
    let part = parts.iter().find(|(name, _)| *name == file);
    part.map(|(_, text)| *text).ok_or_else(|| refused(file, "there is no such file"))
}

fn refused(file: &str, there: impl Into<String>) -> Error {
    let remedy = format!("correct that file; the head of {FILE} explains the tables");
    Error::unreadable(format!("reading {file} of the workbook"), there).remedy(remedy)
}
