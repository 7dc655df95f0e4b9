//! The notebook line by line: the part of the workbook that answers each line, and what it says
//! after these runs.

use super::runs::Runs;
use super::tables::{self, Table};
use super::workbook::Workbook;
use super::workbook::checklist::{Tick, Tool};
use super::workbook::place::Place;

/// Returns the table of all lines of the notebook. A heading stands beside its first line only.
pub(super) fn table(runs: &Runs, workbook: &Workbook) -> Table {
    let mut above = "";
    let mut rows = Vec::new();
    for line in &workbook.notebook {
        let heading = if line.heading == above { "" } else { &line.heading };
        let place = workbook.place(line);
        let (verdict, by) = place.map(|place| answer(runs, place)).unwrap_or_default();
        rows.push(vec![heading.to_owned(), line.words.clone(), verdict, by]);
        above = &line.heading;
    }
    let header = ["heading", "the notebook's line", "verdict or value", "by"];
    Table { title: String::new(), header: header.map(str::to_owned).to_vec(), rows }
}

/// Returns the verdict on a line or its value, and the exercises or the reason.
fn answer(runs: &Runs, place: Place<'_>) -> (String, String) {
    match place {
        Place::Claim(claim) => (tables::verdict(runs, claim), claim.exercises()),
        Place::Blank(blank) => (runs.shown(&blank.exercise, &blank.seen), blank.exercise.clone()),
        Place::Tick(tick) => ticked(tables::ticked(runs, std::slice::from_ref::<Tick>(tick))),
        Place::Tool(tool) => ticked(tables::tools(runs, std::slice::from_ref::<Tool>(tool))),
        Place::Title(scenario) => ("a table".to_owned(), format!("scenario {}", scenario.number)),
        Place::Aside(aside) => ("not judged".to_owned(), aside.why.clone()),
    }
}

fn ticked(ticked: Vec<tables::Ticked>) -> (String, String) {
    let one = ticked.into_iter().next();
    one.map(|one| (if one.done { "✓ done" } else { "open" }.to_owned(), one.by)).unwrap_or_default()
}
