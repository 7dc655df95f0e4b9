//! The journal's tables: the questions of the learner's notebook, answered from the runs. An
//! exercise that was not run is named as such.

use super::run::{Run, date};
use super::runs::{NOT_RUN, Runs};
use super::workbook::Workbook;
use super::workbook::checklist::{Tick, Tool};
use super::workbook::claim::{Claim, Verdict};
use super::workbook::scenario::{Blank, Grid, List, Row, Rows, Scenario, Target};
use crate::record::fact::Fact;
use crate::record::reading::Reading;

/// A table with a title.
pub(super) struct Table {
    pub(super) title: String,
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// An item that is ticked or not, and the reason.
pub(super) struct Ticked {
    pub(super) done: bool,
    pub(super) what: String,
    pub(super) by: String,
}

/// Returns the table of blanks below one title.
pub(super) fn list(runs: &Runs, list: &List) -> Table {
    let row = |Blank { asks, exercise, seen, .. }: &Blank| {
        vec![asks.clone(), runs.shown(exercise, seen), exercise.clone()]
    };
    let rows = list.blanks.iter().map(row).collect();
    table(&list.title, &["", "seen", "exercise"], rows)
}

/// Returns the table of figures of the same kind.
pub(super) fn grid(runs: &Runs, grid: &Grid) -> Table {
    let row = |label: &str, cell: &dyn Fn(&str) -> String| {
        let cells = grid.columns.iter().map(|column| cell(column));
        std::iter::once(label.to_owned()).chain(cells).collect::<Vec<_>>()
    };
    let cells = |exercise: &str, name: &str| dash(runs.shown(exercise, name));
    let rows: Vec<_> = match &grid.rows {
        Rows::Named(named) => {
            let cell =
                |label: &str, column: &str| cells(&named.exercise, &named.figure(label, column));
            named.labels.iter().map(|label| row(label, &|column| cell(label, column))).collect()
        }
        Rows::Exercises(rows) => {
            let of = |one: &Row| row(&one.label, &|column| cells(&one.exercise, column));
            rows.iter().map(of).collect()
        }
        Rows::StepsOf(exercise) => {
            let run = runs.of(exercise).filter(|run| run.passed());
            let steps: Vec<_> = run.map(|run| run.steps().collect()).unwrap_or_default();
            let of = |step: &&str| {
                row(step, &|column| dash(runs.seen(exercise, |run| run.shown_in(step, column))))
            };
            let has_any = |row: &Vec<String>| row.iter().skip(1).any(|cell| cell != NOTHING);
            let rows: Vec<_> = steps.iter().map(of).filter(has_any).collect();
            match rows.is_empty() {
                true => vec![row("", &|_| runs.seen(exercise, |_| None))],
                false => rows,
            }
        }
    };
    let header: Vec<_> =
        std::iter::once("").chain(grid.columns.iter().map(String::as_str)).collect();
    table(&grid.title, &header, rows)
}

const NOTHING: &str = "–";

/// Returns a dash for a figure that is not in the record: in a grid not every row has every figure.
fn dash(shown: String) -> String {
    if shown == "not in its record" { NOTHING.to_owned() } else { shown }
}

/// Returns the scorecard of a scenario that has targets: a figure, its target, and whether it was
/// met. The figures that missed their target are to be improved.
pub(super) fn scorecard(runs: &Runs, targets: &[Target]) -> Table {
    let mut improve = Vec::new();
    let mut judge = |target: &Target| {
        let run = runs.of(&target.exercise).filter(|run| run.passed());
        let verdict = match run.and_then(|run| is_met(run, target)) {
            Some(true) => "met",
            Some(false) => "missed",
            None => NOT_RUN,
        };
        if verdict != "met" {
            improve.push(format!("{}: {verdict}", target.asks));
        }
        let wanted = match target.below_seconds {
            0 => "0".to_owned(),
            seconds => format!("below {seconds} s"),
        };
        let shown = runs.shown(&target.exercise, &target.seen);
        vec![target.asks.clone(), shown, wanted, verdict.to_owned()]
    };
    let mut rows: Vec<_> = targets.iter().map(&mut judge).collect();
    let improve = match improve.is_empty() {
        true => "none: every target was met".to_owned(),
        false => improve.join("; "),
    };
    rows.push(vec!["improvements identified".to_owned(), improve, String::new(), String::new()]);
    table("Scorecard", &["", "seen", "target", ""], rows)
}

fn is_met(run: &Run, target: &Target) -> Option<bool> {
    let measured = run.measured().filter(|one| one.name == target.seen).last();
    Some(match measured.map(|one| one.reading) {
        Some(Reading::Micros(micros)) => *micros < u64::from(target.below_seconds) * 1_000_000,
        Some(Reading::Count(count)) => *count <= u64::from(target.below_seconds),
        Some(_) => return None,
        None => match run.facts(&target.seen).last()? {
            Fact::Count(count) => *count <= u64::from(target.below_seconds),
            _ => return None,
        },
    })
}

/// Returns the claims of the learner's notebook beside what the runs showed.
pub(super) fn corrections(runs: &Runs, workbook: &Workbook) -> Table {
    let of_scenario = |scenario: &'_ Scenario| {
        let claims = scenario.claims.iter();
        claims.map(|claim| correction(runs, &scenario.number, claim)).collect::<Vec<_>>()
    };
    let of_all = workbook.claims.iter().map(|claim| correction(runs, "", claim));
    let rows = workbook.scenarios().flat_map(of_scenario).chain(of_all);
    table(
        "",
        &["", "the notebook says", "verdict", "what the run showed", "exercise"],
        rows.collect(),
    )
}

fn correction(runs: &Runs, number: &str, claim: &Claim) -> Vec<String> {
    let because = proofs(runs, claim).unwrap_or_default();
    vec![number.to_owned(), claim.says.clone(), verdict(runs, claim), because, claim.exercises()]
}

/// Returns the verdict on a claim, or why there is none: a proof is missing.
pub(super) fn verdict(runs: &Runs, claim: &Claim) -> String {
    match proofs(runs, claim) {
        Err(missing) => missing,
        Ok(_) => claim.verdict.word().to_owned(),
    }
}

fn proofs(runs: &Runs, claim: &Claim) -> Result<String, String> {
    let reckoned = claim.reckoned.iter().map(|one| Ok(one.shown()));
    let proofs = reckoned.chain(claim.proofs.iter().map(|proof| runs.proof(proof)));
    Ok(proofs.collect::<Result<Vec<_>, _>>()?.join(" · "))
}

impl Claim {
    /// Returns the exercises that prove it, or arithmetic where none is needed.
    pub(super) fn exercises(&self) -> String {
        let mut by: Vec<_> = self.proofs.iter().map(|proof| proof.exercise.as_str()).collect();
        by.dedup();
        if by.is_empty() { "arithmetic".to_owned() } else { by.join(", ") }
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Holds => "✓ holds",
            Self::Partly => "◐ holds in part",
            Self::Wrong => "✗ does not hold",
            Self::Figure => "≈ differs by run",
        }
    }
}

/// Returns every key figure of every run.
pub(super) fn key_figures(runs: &Runs) -> Table {
    let mut rows = Vec::new();
    for run in runs.journal().filter(|run| run.passed()) {
        for one in run.measured().filter(|one| one.key) {
            let name = one.name.to_owned();
            rows.push(vec![run.exercise(), one.step.to_owned(), name, run.figure(one.reading)]);
        }
    }
    table("", &["exercise", "step", "figure", "seen"], rows)
}

/// Returns items that are ticked where all of their exercises passed.
pub(super) fn ticked(runs: &Runs, ticks: &[Tick]) -> Vec<Ticked> {
    let tick = |Tick { what, exercises }: &Tick| {
        let open = exercises.iter().filter(|exercise| !runs.passed(exercise));
        let open: Vec<_> = open.map(String::as_str).collect();
        let by = match open.is_empty() {
            true => exercises.join(", "),
            false => format!("not yet passed: {}", open.join(", ")),
        };
        Ticked { done: open.is_empty(), what: what.clone(), by }
    };
    ticks.iter().map(tick).collect()
}

/// Returns tools that are ticked where a run that passed has used them.
pub(super) fn tools(runs: &Runs, tools: &[Tool]) -> Vec<Ticked> {
    let tool = |Tool { what, typed }: &Tool| {
        let Some(word) = typed else {
            let by = "no scenario uses it".to_owned();
            return Ticked { done: false, what: what.clone(), by };
        };
        let users = runs.journal().filter(|run| run.passed() && run.typed(word));
        let users: Vec<_> = users.map(Run::exercise).collect();
        let by = if users.is_empty() { NOT_RUN.to_owned() } else { users.join(", ") };
        Ticked { done: !users.is_empty(), what: what.clone(), by }
    };
    tools.iter().map(tool).collect()
}

/// Returns what the journal's runs ran on, and where.
pub(super) fn environment(runs: &Runs) -> Table {
    let said = |values: &dyn Fn(&Run) -> Vec<String>| {
        let mut said: Vec<_> = runs.journal().flat_map(values).collect();
        said.sort();
        said.dedup();
        if said.is_empty() { "not recorded".to_owned() } else { said.join("; ") }
    };
    let modes = |run: &Run| run.topologies().filter_map(mode).collect();
    let server = |run: &Run| run.servers().into_iter().map(str::to_owned).collect();
    let location = |run: &Run| match run.begin.location.is_empty() {
        true => vec!["not recorded".to_owned()],
        false => vec![run.begin.location.clone()],
    };
    let rows = [
        ("PostgreSQL", said(&server)),
        ("host", said(&|run| vec![run.begin.host.clone()])),
        ("location: system, cores, engine or programs", said(&location)),
        ("replication mode", said(&modes)),
        ("dates", said(&|run| vec![date(run.begin.started).split(' ').take(1).collect()])),
    ];
    let rows = rows.into_iter().map(|(what, seen)| vec![what.to_owned(), seen]).collect();
    table("", &["", ""], rows)
}

/// Returns how a topology, given as text, replicates: the text after its last standby.
fn mode(topology: &str) -> Option<String> {
    let words = ["asynchronous", "synchronous_standby_names"];
    let begin = words.iter().find_map(|word| topology.find(word))?;
    topology.get(begin..).map(str::to_owned)
}

fn table(title: &str, header: &[&str], rows: Vec<Vec<String>>) -> Table {
    let header = header.iter().map(|cell| (*cell).to_owned()).collect();
    Table { title: title.to_owned(), header, rows }
}
