//! Differences between PostgreSQL versions: facts in the records of several versions whose values
//! differ. Nothing here judges them.

use std::collections::BTreeMap;

use super::run::{Run, values};
use super::runs::Runs;
use super::tables::Table;

/// Returns the versions of which there are records, in order.
pub(super) fn there(runs: &Runs) -> Vec<u16> {
    let mut majors: Vec<_> = runs.all.iter().map(Run::major).collect();
    majors.sort_unstable();
    majors.dedup();
    majors
}

/// Returns a row for every change of a fact from one version to the next one that has a run of its
/// exercise.
pub(super) fn differences(runs: &Runs) -> Table {
    let mut exercises: BTreeMap<String, BTreeMap<u16, &Run>> = BTreeMap::new();
    for run in runs.all.iter().filter(|run| run.passed()) {
        // A fact is the same on both hosts, so any run of a version serves.
        exercises.entry(run.exercise()).or_default().insert(run.major(), run);
    }
    let mut rows = Vec::new();
    for (exercise, versions) in &exercises {
        let pairs = versions.iter().zip(versions.iter().skip(1));
        for ((before, old), (since, new)) in pairs {
            for name in names(old, new) {
                let value = |run: &Run| match values(&run.facts(name)) {
                    nothing if nothing.is_empty() => "no such fact".to_owned(),
                    value => value,
                };
                let (old, new) = (value(old), value(new));
                if old != new {
                    let (until, since) = (format!("{before}: {old}"), format!("{since}: {new}"));
                    rows.push(vec![exercise.clone(), name.to_owned(), until, since]);
                }
            }
        }
    }
    let header = ["exercise", "fact", "up to", "since"];
    Table { title: String::new(), header: header.map(str::to_owned).to_vec(), rows }
}

/// Returns the names of the facts of both runs, in order.
fn names<'a>(old: &'a Run, new: &'a Run) -> Vec<&'a str> {
    let mut names = Vec::new();
    for name in old.fact_names().chain(new.fact_names()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
