//! The journal's tables: the questions of the learner's notebook, answered from the runs. An
//! exercise that was not run is named as such.

use super::run::{Run, date};
use super::runs::{NOT_RUN, Proven, Runs};
use super::workbook::Workbook;
use super::workbook::checklist::{Tick, Tool};
use super::workbook::claim::{Claim, Verdict};
use super::workbook::scenario::{Blank, Grid, List, Row, Rows, Target};
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
    table(&list.title, &["asked", "seen", "exercise"], rows)
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
        std::iter::once("of").chain(grid.columns.iter().map(String::as_str)).collect();
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
    table("Scorecard", &["figure", "seen", "target", "verdict"], rows)
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

/// Returns the claims of the learner's notebook with their verdicts; what does not hold comes first. What
/// holds by arithmetic is no belief about PostgreSQL, and is left to the notebook line by line.
pub(super) fn beliefs(runs: &Runs, workbook: &Workbook) -> Table {
    let of_scenarios = workbook.scenarios().flat_map(|scenario| &scenario.claims);
    let is_belief = |claim: &&Claim| !claim.proofs.is_empty() || claim.verdict != Verdict::Holds;
    let mut claims: Vec<_> = of_scenarios.chain(&workbook.claims).filter(is_belief).collect();
    let order = |claim: &&Claim| (proofs(runs, claim).is_err(), claim.verdict.rank());
    claims.sort_by_key(order);
    let row = |claim: &Claim| vec![verdict(runs, claim), claim.says.clone(), claim.exercises()];
    table("", &["verdict", "the notebook says", "by"], claims.into_iter().map(row).collect())
}

/// Returns the verdict on a claim, or why there is none: a proof is missing.
pub(super) fn verdict(runs: &Runs, claim: &Claim) -> String {
    match proofs(runs, claim) {
        Err(missing) => missing,
        Ok(_) => claim.verdict.word().to_owned(),
    }
}

/// Returns the proofs of a claim.
///
/// # Errors
///
/// One is missing: the text says why.
pub(super) fn proofs(runs: &Runs, claim: &Claim) -> Result<Vec<Proven>, String> {
    let reckoned = claim.reckoned.iter().map(|one| Ok((one.shown(), Vec::new())));
    reckoned.chain(claim.proofs.iter().map(|proof| runs.proof(proof))).collect()
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
    /// Returns the place of the verdict in a table: what does not hold comes first.
    fn rank(self) -> u8 {
        match self {
            Self::Wrong => 0,
            Self::Partly => 1,
            Self::Figure => 2,
            Self::Holds => 3,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Holds => "✓ holds",
            Self::Partly => "◐ holds in part",
            Self::Wrong => "✗ does not hold",
            Self::Figure => "≈ differs by run",
        }
    }
}

/// Returns the key figures of a run.
pub(super) fn key_figures(run: Option<&Run>) -> Table {
    let run = run.filter(|run| run.passed());
    let row = |run: &Run| {
        let key = run.measured().filter(|one| one.key);
        let rows =
            key.map(|one| vec![one.step.to_owned(), one.name.to_owned(), run.figure(one.reading)]);
        rows.collect()
    };
    table("", &["step", "figure", "value"], run.map(row).unwrap_or_default())
}

/// Returns the figures of the first screen, with the conditions that they were taken under.
pub(super) fn highlights(runs: &Runs, wanted: &[Blank]) -> Table {
    let row = |Blank { asks, exercise, seen, .. }: &Blank| {
        let conditions = runs.of(exercise).map(conditions).unwrap_or_default();
        vec![asks.clone(), runs.shown(exercise, seen), conditions, exercise.clone()]
    };
    let header = ["figure", "value", "conditions", "by"];
    table("", &header, wanted.iter().map(row).collect())
}

/// Returns the conditions of a run: the servers, the host, and how they replicate.
fn conditions(run: &Run) -> String {
    let topology = run.topologies().next().unwrap_or_default();
    let versions = run.servers().join(", ");
    [&format!("PostgreSQL {versions}"), &*run.begin.host, topology]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
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
    table("", &["what", "value"], rows)
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
