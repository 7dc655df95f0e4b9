//! The table at the end of a run: each scenario with its outcome, its duration and its key figures,
//! from its record; after a run on several versions, a column for each of them. It is pure: it asks no
//! server and opens no file.

use std::path::PathBuf;
use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::record::event::{self, Entry, Event};
use crate::record::format::Record;

/// The outcome of one scenario.
pub(super) struct Outcome {
    /// Where it ran, such as `container 17`.
    pub(super) place: String,
    pub(super) scenario: String,
    pub(super) ended: Ended,
    pub(super) took: Duration,
    pub(super) figures: Vec<(String, String)>,
    pub(super) record: PathBuf,
}

/// How a scenario ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Passed,
    Failed,
    /// It did not run; the text says what the machine lacks.
    Skipped(String),
}

impl Ended {
    /// Returns the word for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::Skipped(_) => "skipped",
        }
    }
}

/// Returns why an exercise was skipped, from the text of its record; none where it was not.
pub(super) fn skipped_in(record: &str) -> Option<String> {
    match Record::read(record).ok()?.entries.pop()?.event {
        Event::End(event::Outcome::Skipped(why)) => Some(why),
        _ => None,
    }
}

/// Returns the number of scenarios by how they ended: those that were skipped only where there are
/// some.
pub(super) fn counted(outcomes: &[Outcome]) -> String {
    let count = |word| outcomes.iter().filter(|outcome| outcome.ended.word() == word).count();
    let skipped = match count("skipped") {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    format!("{} passed, {} failed{skipped}", count("passed"), count("FAILED"))
}

/// Returns the key figures in the text of a record; of several with one name the last one. A text
/// that is not a record has none.
pub(super) fn figures_in(record: &str) -> Vec<(String, String)> {
    Record::read(record).map(|record| key_figures(&record.entries)).unwrap_or_default()
}

fn key_figures(entries: &[Entry]) -> Vec<(String, String)> {
    let mut figures: Vec<(String, String)> = Vec::new();
    for entry in entries {
        let Event::Measure { name, reading, key: true } = &entry.event else { continue };
        figures.retain(|(known, _)| known != name);
        figures.push((name.clone(), reading.to_string()));
    }
    figures
}

/// Returns the table as text: of several places, one with a column for each.
pub(super) fn table(outcomes: &[Outcome]) -> String {
    match places(outcomes).as_slice() {
        [] | [_] => with_figures(outcomes),
        places => side_by_side(outcomes, places),
    }
}

/// Returns a line for each place: how many of its exercises did what the accepted pages say, and which
/// did not. A skipped exercise says nothing.
pub(super) fn verdicts(outcomes: &[Outcome]) -> String {
    let verdict = |place: &&str| {
        let here = outcomes.iter().filter(|one| one.place == **place);
        let ran: Vec<_> = here.filter(|one| !matches!(one.ended, Ended::Skipped(_))).collect();
        let differ: Vec<_> = ran.iter().filter(|one| one.ended == Ended::Failed).collect();
        let names: Vec<_> = differ.iter().map(|one| one.scenario.as_str()).collect();
        let (same, all) = (ran.len() - names.len(), ran.len());
        match names.is_empty() {
            true => format!("{place}: as the accepted pages say, in {same} of {all} exercises"),
            false => format!(
                "{place}: as the accepted pages say, in {same} of {all} exercises; not in {}",
                names.join(", ")
            ),
        }
    };
    places(outcomes).iter().map(verdict).collect::<Vec<_>>().join("\n")
}

/// Returns the places, in the order in which they were reached.
fn places(outcomes: &[Outcome]) -> Vec<&str> {
    let mut places = Vec::new();
    for outcome in outcomes {
        if !places.contains(&outcome.place.as_str()) {
            places.push(outcome.place.as_str());
        }
    }
    places
}

/// Returns a table with a row for each scenario, and in the column of a place the seconds that it took
/// there, or the word for its end. The last row has the sums.
fn side_by_side(outcomes: &[Outcome], places: &[&str]) -> String {
    let mut table = plain();
    table.set_header(["scenario"].iter().chain(places));
    let mut scenarios: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !scenarios.contains(&outcome.scenario.as_str()) {
            scenarios.push(&outcome.scenario);
        }
    }
    for scenario in scenarios {
        let cell = |place: &&str| {
            let is_it = |one: &&Outcome| one.place == **place && one.scenario == scenario;
            outcomes.iter().find(is_it).map_or(String::new(), |one| match one.ended {
                Ended::Passed => format!("{:.1}", one.took.as_secs_f64()),
                Ended::Failed | Ended::Skipped(_) => one.ended.word().to_owned(),
            })
        };
        table.add_row([scenario.to_owned()].into_iter().chain(places.iter().map(cell)));
    }
    let sum = |place: &&str| {
        let here = outcomes.iter().filter(|one| one.place == **place);
        format!("{:.0} s", here.map(|one| one.took.as_secs_f64()).sum::<f64>())
    };
    table.add_row(["together".to_owned()].into_iter().chain(places.iter().map(sum)));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    text(&table)
}

fn with_figures(outcomes: &[Outcome]) -> String {
    let mut table = plain();
    table.set_header(["scenario", "", "s", "key figures"]);
    for outcome in outcomes {
        let figures = outcome.figures.iter().map(|(name, reading)| format!("{name}: {reading}"));
        let why = match &outcome.ended {
            Ended::Skipped(why) => Some(why.clone()),
            Ended::Passed | Ended::Failed => None,
        };
        table.add_row([
            outcome.scenario.clone(),
            outcome.ended.word().to_owned(),
            format!("{:.1}", outcome.took.as_secs_f64()),
            why.into_iter().chain(figures).collect::<Vec<_>>().join("\n"),
        ]);
    }
    if let Some(seconds) = table.column_mut(2) {
        seconds.set_cell_alignment(CellAlignment::Right);
    }
    text(&table)
}

/// Returns a table without lines, as wide as the terminal.
pub(super) fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// Returns a table as lines without trailing blanks.
pub(super) fn text(table: &Table) -> String {
    let lines = table.to_string();
    lines.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::event::Begin;
    use crate::record::reading::Reading;

    #[test]
    fn of_a_figure_that_was_taken_often_the_last_one_counts() {
        let entry = |name: &str, bytes, key| {
            let (name, reading) = (name.to_owned(), Reading::Bytes(bytes));
            Entry::new(0, Event::Measure { name, reading, key })
        };
        let entries = [entry("peak", 1, true), entry("x", 2, false), entry("peak", 3000, true)];
        assert_eq!(key_figures(&entries), [("peak".to_owned(), "3 kB".to_owned())]);
    }

    #[test]
    fn a_row_for_every_scenario() {
        let outcome = Outcome {
            place: "local 15".to_owned(),
            scenario: "scenario_04 promote".to_owned(),
            ended: Ended::Failed,
            took: Duration::from_millis(2340),
            figures: vec![("a".to_owned(), "1 B".to_owned()), ("b".to_owned(), "2 B".to_owned())],
            record: PathBuf::new(),
        };
        let table = table(&[outcome]);
        for part in ["scenario_04 promote", "FAILED", "2.3", "a: 1 B", "b: 2 B"] {
            assert!(table.contains(part), "{part:?} is missing in:\n{table}");
        }
    }

    #[test]
    fn several_places_stand_side_by_side() {
        let outcome = |place: &str, scenario: &str, ended, millis| Outcome {
            place: place.to_owned(),
            scenario: scenario.to_owned(),
            ended,
            took: Duration::from_millis(millis),
            figures: vec![("a".to_owned(), "1 B".to_owned())],
            record: PathBuf::new(),
        };
        let skipped = Ended::Skipped("no haproxy".to_owned());
        let outcomes = [
            outcome("container 13", "b", Ended::Passed, 1_200),
            outcome("container 13", "a", Ended::Failed, 2_000),
            outcome("local 9", "b", Ended::Passed, 340),
            outcome("local 9", "a", skipped, 100),
            outcome("local 9", "c", Ended::Passed, 5_000),
        ];
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let table = table(&outcomes);
        let lines: Vec<_> = table.lines().map(words).collect();
        let expected = [
            "scenario container 13 local 9",
            "b 1.2 0.3",
            "a FAILED skipped",
            "c 5.0",
            "together 3 s 5 s",
        ];
        assert_eq!(lines, expected);
        assert_eq!(
            verdicts(&outcomes),
            "container 13: as the accepted pages say, in 1 of 2 exercises; not in a\n\
             local 9: as the accepted pages say, in 2 of 2 exercises"
        );
    }

    #[test]
    fn the_figures_of_a_text_are_those_of_its_record() {
        let entry = |at_ms, event| serde_json::to_string(&Entry::new(at_ms, event)).unwrap() + "\n";
        let measure = |name: &str, bytes, key| {
            let (name, reading) = (name.to_owned(), Reading::Bytes(bytes));
            Event::Measure { name, reading, key }
        };
        let text = entry(0, Event::Begin(Begin::new("p@t", "17")))
            + &entry(1, measure("b", 5, true))
            + &entry(2, measure("c", 7, false))
            + &entry(3, measure("a", 6, true));
        let figure = |name: &str, shown: &str| (name.to_owned(), shown.to_owned());
        assert_eq!(figures_in(&text), [figure("b", "5 B"), figure("a", "6 B")]);
        assert_eq!(figures_in("no record\n"), []);
    }

    #[test]
    fn an_exercise_that_was_skipped_says_what_it_lacks() {
        let end = |outcome| {
            let entry = |event| serde_json::to_string(&Entry::new(0, event)).unwrap() + "\n";
            entry(Event::Begin(Begin::new("p@t", "17"))) + &entry(Event::End(outcome))
        };
        let skipped = end(event::Outcome::Skipped("no haproxy".to_owned()));
        assert_eq!(skipped_in(&skipped).as_deref(), Some("no haproxy"));
        assert_eq!(skipped_in(&end(event::Outcome::Passed)), None);
        assert_eq!(skipped_in(""), None);
    }

    #[test]
    fn outcomes_stand_in_order_and_lines_have_no_blanks_at_their_end() {
        let outcome = |scenario: &str, ended, millis| Outcome {
            place: "local 15".to_owned(),
            scenario: scenario.to_owned(),
            ended,
            took: Duration::from_millis(millis),
            figures: Vec::new(),
            record: PathBuf::new(),
        };
        let outcomes = [
            outcome("b", Ended::Passed, 12_340),
            outcome("c", Ended::Failed, 1_000),
            outcome("a", Ended::Passed, 50),
            outcome("d", Ended::Skipped("no haproxy".to_owned()), 10),
        ];
        let table = table(&outcomes);
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<_> = table.lines().map(words).collect();
        assert_eq!(
            lines,
            [
                "scenario s key figures",
                "b passed 12.3",
                "c FAILED 1.0",
                "a passed 0.1",
                "d skipped 0.0 no haproxy"
            ]
        );
        assert!(table.lines().all(|line| line.trim_end() == line), "{table:?}");
        assert_eq!(counted(&outcomes), "2 passed, 1 failed, 1 skipped");
        assert_eq!(counted(&[]), "0 passed, 0 failed");
        assert!(
            table.lines().any(|line| line.ends_with("  1.0")),
            "numbers end in one column: {table}"
        );
    }
}
