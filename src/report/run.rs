//! One record as the report reads it: the outcome of the run, and its values by name. Nothing here
//! reads the record of another run.

use std::time::{Duration, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::record::event::{self, Begin, Entry, Event};
use crate::record::fact::Fact;
use crate::record::format::Record;
use crate::record::page;
use crate::record::reading::Reading;
use crate::version::Version;

/// One run of an exercise.
pub(super) struct Run {
    pub(super) begin: Begin,
    pub(super) entries: Vec<Entry>,
    pub(super) outcome: Outcome,
    /// The number of events that this lab does not know.
    skipped: usize,
}

/// The outcome of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// The machine lacks what the exercise needs; the text says what.
    Skipped(String),
    /// The record has no last line: the run was killed, or goes on.
    Unfinished,
}

/// A measurement, and the step in which it was taken.
pub(super) struct Measured<'a> {
    pub(super) at: Duration,
    pub(super) step: &'a str,
    pub(super) name: &'a str,
    pub(super) reading: &'a Reading,
    pub(super) key: bool,
}

impl Run {
    /// Reads the text of a record.
    pub(super) fn read(file: &str, text: &str) -> Result<Self> {
        let refused = |error: Error| {
            error
                .while_doing(format!("reading the record {file}"))
                .remedy("read it with the lab that wrote it, or remove it from this directory")
        };
        let record = Record::read(text).map_err(refused)?;
        let begin = record.begin()?.clone();
        let outcome = match record.entries.last().map(|entry| &entry.event) {
            Some(Event::End(event::Outcome::Passed)) => Outcome::Passed,
            Some(Event::End(event::Outcome::Failed)) => Outcome::Failed,
            Some(Event::End(event::Outcome::Skipped(why))) => Outcome::Skipped(why.clone()),
            _ => Outcome::Unfinished,
        };
        let skipped = record.skipped.len();
        Ok(Self { begin, entries: record.entries, outcome, skipped })
    }

    /// Returns the short name of the exercise: `04@promote`.
    pub(super) fn exercise(&self) -> String {
        let (scenario, test) = self.begin.page.split_once('@').unwrap_or((&self.begin.page, ""));
        let number = scenario.trim_start_matches("scenario_").split('_').next();
        format!("{}@{test}", number.unwrap_or_default())
    }

    /// Returns PostgreSQL's major version; 0 where it cannot be parsed.
    pub(super) fn major(&self) -> u16 {
        self.begin.postgres.parse().map_or(0, |version: Version| version.major())
    }

    pub(super) fn passed(&self) -> bool {
        self.outcome == Outcome::Passed
    }

    /// Returns the duration of the run, as far as its record goes.
    pub(super) fn took(&self) -> Duration {
        Duration::from_millis(self.entries.last().map_or(0, |entry| entry.at_ms))
    }

    /// Returns the end of the run, in seconds since 1970.
    pub(super) fn ended(&self) -> u64 {
        self.begin.started + self.took().as_secs()
    }

    /// Returns the outcome of the run, in words.
    pub(super) fn status(&self) -> String {
        let step = || self.steps().last().unwrap_or("its begin");
        let ended = match &self.outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed => format!("failed, in the step \"{}\"", step()),
            Outcome::Skipped(why) => format!("skipped: {why}"),
            Outcome::Unfinished => format!("unfinished, ended in the step \"{}\"", step()),
        };
        match self.skipped {
            0 => ended,
            events => format!("{ended}; events of a newer lab that were skipped: {events}"),
        }
    }

    /// Returns the values of a fact, in order; a repeated value appears once.
    pub(super) fn facts(&self, wanted: &str) -> Vec<&Fact> {
        let facts = self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Fact { name, value } if name == wanted => Some(value),
            _ => None,
        });
        let mut facts: Vec<_> = facts.collect();
        facts.dedup();
        facts
    }

    /// Returns the names of all facts, in order.
    pub(super) fn fact_names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Fact { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }

    /// Returns all measurements.
    pub(super) fn measured(&self) -> impl Iterator<Item = Measured<'_>> {
        let mut step = "";
        self.entries.iter().filter_map(move |entry| match &entry.event {
            Event::Step { title } => {
                step = title;
                None
            }
            Event::Measure { name, reading, key } => Some(Measured {
                at: Duration::from_millis(entry.at_ms),
                step,
                name,
                reading,
                key: *key,
            }),
            _ => None,
        })
    }

    /// Returns a figure as the report shows it: the last measurement of this name, or else the fact
    /// of this name.
    pub(super) fn shown(&self, name: &str) -> Option<String> {
        let measured = self.measured().filter(|one| one.name == name).last();
        let figure = measured.map(|one| self.figure(one.reading));
        figure.or_else(|| Some(values(&self.facts(name))).filter(|values| !values.is_empty()))
    }

    /// Returns a figure as [`shown`](Self::shown) does, within one step.
    pub(super) fn shown_in(&self, step: &str, name: &str) -> Option<String> {
        let mut now = "";
        let shown = self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Step { title } => {
                now = title;
                None
            }
            Event::Measure { name: one, reading, .. } if now == step && one == name => {
                Some(self.figure(reading))
            }
            Event::Fact { name: one, value } if now == step && one == name => {
                Some(value.to_string())
            }
            _ => None,
        });
        shown.last()
    }

    /// Returns a reading as text, marked where it was taken beside other tests.
    pub(super) fn figure(&self, reading: &Reading) -> String {
        let mark = if self.begin.alone { "" } else { " †" };
        format!("{reading}{mark}")
    }

    /// Returns the titles of its steps.
    pub(super) fn steps(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Step { title } => Some(title.as_str()),
            _ => None,
        })
    }

    /// Returns its learnings: the sentence, and the names of the facts that prove it. A run that
    /// did not pass has none, because it proves nothing.
    pub(super) fn learnings(&self) -> impl Iterator<Item = (&str, &[String])> {
        let entries = self.entries.iter().filter(|_| self.passed());
        entries.filter_map(|entry| match &entry.event {
            Event::Learn { sentence, because } => Some((sentence.as_str(), because.as_slice())),
            _ => None,
        })
    }

    /// Returns the topologies of its clusters.
    pub(super) fn topologies(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Provision { topology } => Some(topology.as_str()),
            _ => None,
        })
    }

    /// Returns the versions that its servers reported; before a server was ready, the requested
    /// version.
    pub(super) fn servers(&self) -> Vec<&str> {
        let said = self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Ready { server_version } => Some(server_version.as_str()),
            _ => None,
        });
        let said: Vec<_> = said.collect();
        if said.is_empty() { vec![&self.begin.postgres] } else { said }
    }

    /// Returns its page with every figure, from the first step on; the learnings are shown
    /// elsewhere.
    pub(super) fn page(&self) -> Vec<String> {
        let page = page::with_figures(&self.entries);
        let steps = page.split_once("\n## 1. ").map_or("", |(_, steps)| steps);
        let steps = steps.split("\n## Learned\n").next().unwrap_or_default();
        let lines = format!("## 1. {steps}");
        lines.trim_end().lines().map(str::to_owned).collect()
    }

    /// Tells whether this was typed after a cluster was built.
    pub(super) fn typed(&self, word: &str) -> bool {
        self.page().iter().any(|line| line.starts_with("    ") && line.contains(word))
    }
}

/// Returns the values of a fact, in words.
pub(super) fn values(facts: &[&Fact]) -> String {
    let values: Vec<_> = facts.iter().map(ToString::to_string).collect();
    values.join(", then ")
}

/// Returns a time for people, in UTC.
pub(super) fn date(seconds: u64) -> String {
    let rfc3339 =
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    let minute = rfc3339.get(..16).unwrap_or(&rfc3339);
    format!("{} UTC", minute.replace('T', " "))
}
