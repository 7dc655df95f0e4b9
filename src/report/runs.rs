//! All runs of which there are records: which of them the journal shows, and their values. No
//! exercise is named here.

use std::collections::BTreeMap;

use super::run::{Outcome, Run, values};
use super::workbook::claim::{Evidence, Proof};
use crate::error::{Error, Result};

/// The text for an exercise that was not run.
pub(super) const NOT_RUN: &str = "not run";

/// The runs of all versions, and the runs of the journal.
pub(super) struct Runs {
    pub(super) all: Vec<Run>,
    /// For each exercise one run of the newest version.
    journal: BTreeMap<String, usize>,
}

impl Runs {
    /// Reads records, each given by the name of its file and its text.
    pub(super) fn read(records: &[(String, String)]) -> Result<Self> {
        let all = records.iter().map(|(file, text)| Run::read(file, text));
        let all: Vec<_> = all.collect::<Result<_>>()?;
        let newest = all.iter().map(Run::major).max().ok_or_else(|| {
            Error::not_found("rendering the report", "no record")
                .remedy("run cargo lab, which writes records")
        })?;
        let mut journal = BTreeMap::new();
        // Both hosts may have a run of an exercise: a run without others beside it is preferred,
        // then the newest.
        let worth = |index: &usize| all.get(*index).map(|run| (run.begin.alone, run.begin.started));
        for (index, run) in all.iter().enumerate().filter(|(_, run)| run.major() == newest) {
            let chosen = journal.entry(run.exercise()).or_insert(index);
            if worth(&index) > worth(chosen) {
                *chosen = index;
            }
        }
        Ok(Self { all, journal })
    }

    /// Returns the journal's runs, by exercise.
    pub(super) fn journal(&self) -> impl Iterator<Item = &Run> {
        self.journal.values().filter_map(|index| self.all.get(*index))
    }

    /// Returns the journal's run of an exercise such as `04@promote`.
    pub(super) fn of(&self, exercise: &str) -> Option<&Run> {
        self.all.get(*self.journal.get(exercise)?)
    }

    /// Returns the runs of a scenario such as `04`.
    pub(super) fn of_scenario(&self, number: &str) -> impl Iterator<Item = &Run> {
        let is_of = move |run: &&Run| run.exercise().split('@').next() == Some(number);
        self.journal().filter(is_of)
    }

    /// Tells whether an exercise passed.
    pub(super) fn passed(&self, exercise: &str) -> bool {
        self.of(exercise).is_some_and(Run::passed)
    }

    /// Returns a figure or a fact of an exercise as text, or why there is none.
    pub(super) fn shown(&self, exercise: &str, name: &str) -> String {
        self.seen(exercise, |run| run.shown(name))
    }

    /// Returns a text from the run of an exercise that passed, or why there is none.
    pub(super) fn seen(&self, exercise: &str, value: impl Fn(&Run) -> Option<String>) -> String {
        let Some(run) = self.of(exercise) else { return NOT_RUN.to_owned() };
        match &run.outcome {
            Outcome::Passed => value(run).unwrap_or_else(|| "not in its record".to_owned()),
            Outcome::Failed => "failed".to_owned(),
            Outcome::Skipped(_) => "skipped".to_owned(),
            Outcome::Unfinished => "unfinished".to_owned(),
        }
    }

    /// Returns the evidence for a claim: a figure, or a learning with the facts that prove it.
    ///
    /// # Errors
    ///
    /// There is no evidence: the text says why.
    pub(super) fn proof(&self, proof: &Proof) -> Result<Proven, String> {
        let run = self.of(&proof.exercise).filter(|run| run.passed());
        let proven = run.and_then(|run| match &proof.evidence {
            Evidence::Seen(name) => Some((format!("{name}: {}", run.shown(name)?), Vec::new())),
            Evidence::Learned(begin) => {
                let (sentence, because) =
                    run.learnings().find(|(sentence, _)| sentence.starts_with(begin))?;
                Some((sentence.to_owned(), evidence(run, because)))
            }
        });
        proven.ok_or_else(|| self.seen(&proof.exercise, |_| None))
    }
}

/// What proves a claim: a sentence or a figure, and the facts behind it.
pub(super) type Proven = (String, Vec<String>);

/// Returns the facts that prove a learning, with their values.
pub(super) fn evidence(run: &Run, because: &[String]) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    let names = because.iter().filter(|name| seen.insert(name.as_str()));
    names.map(|name| format!("{name}: {}", values(&run.facts(name)))).collect()
}
