//! The report of all runs, from their records alone: a journal in Markdown with what matters first, a
//! file for each scenario, a runbook, the plots, and all of it as one page of HTML. Records in, text
//! out: it never reads a server, a clock or the disk.
//!
//! ```text
//!  records ─▶ run ─▶ runs ────┬─▶ tables, versions, lines ─▶ journal, chapter, appendix ─▶ links ─▶ html
//!                             └─▶ plots ─▶ drawing ─▶ svg ───────────────────────────────────────────▲
//!  workbook.toml ─▶ workbook ─┘                                (the text around: templates/)
//! ```
//!
//! No exercise, fact or figure is named here. The workbook names them, and is data beside the
//! scenarios: a fact that is renamed in a test is renamed in the file `workbook.toml` of the same
//! folder.
//!
//! The journal leaves out what only a person can write: books, projects, goals, insights. It is
//! replaced after every run and refers to the file beside it where a person keeps those.

mod appendix;
mod changes;
mod chapter;
mod drawing;
mod html;
mod journal;
mod lines;
mod links;
pub(crate) mod markdown;
mod plots;
mod run;
mod runs;
mod svg;
mod tables;
#[cfg(test)]
mod tests;
mod versions;
mod workbook;

use askama::Template as _;

use crate::error::{Error, Result};
pub use changes::Changes;
use chapter::Chapter;
pub use journal::NOTES;
use plots::Drawn;
use runs::Runs;
pub use workbook::{Expected, Reference, Workbook};

/// The name of the journal's file.
const JOURNAL: &str = "journal.md";

/// The file for what only a person can write.
const NOTES_TO_WRITE: &str = include_str!("report/templates/notes.md");

/// The rendered report.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The journal, in Markdown: what matters first, and what spans scenarios. It refers to the plots
    /// as `plots/<name>`, and to the other files by their names.
    pub journal: String,
    /// The other files in Markdown, name and text: one for each scenario, such as `scenario_04.md`,
    /// the runbook, the notebook line by line, the SQL files.
    pub files: Vec<(String, String)>,
    /// All of it as one HTML file that needs no other file, no network and no script.
    pub html: String,
    /// The plots as files of their own: name and SVG.
    pub plots: Vec<(String, String)>,
    /// A file that a person fills, [`NOTES`]: it is written where there is none.
    pub notes: String,
}

/// Renders the report of records, each given by the name of its file and its text, for what the
/// workbook asks.
///
/// Where there are records of several versions, the journal shows those of the newest one.
///
/// # Errors
///
/// There is no record, or one cannot be read: the error names it.
pub fn render(workbook: &Workbook, records: &[(String, String)]) -> Result<Report> {
    let runs = Runs::read(records)?;
    let drawn = plots::all(&runs, workbook);
    let parts = parts(&runs, workbook, &drawn).map_err(failed)?;
    let html = html::write(&parts.in_order(), &drawn).map_err(failed)?;
    let plots = drawn.into_iter().map(|plot| (plot.file, svg::alone(&plot.svg))).collect();
    let journal = format!("{}\n{}", parts.opening.1, parts.closing.1);
    let files = parts.chapters.into_iter().chain(parts.appendices).collect();
    Ok(Report { journal, files, html, plots, notes: NOTES_TO_WRITE.to_owned() })
}

/// The parts of the report in Markdown, each with the name of its file.
struct Parts {
    opening: (String, String),
    chapters: Vec<(String, String)>,
    closing: (String, String),
    appendices: Vec<(String, String)>,
}

impl Parts {
    /// Returns the parts as one page shows them.
    fn in_order(&self) -> Vec<&(String, String)> {
        let begin = std::iter::once(&self.opening).chain(&self.chapters);
        begin.chain([&self.closing]).chain(&self.appendices).collect()
    }
}

fn parts(runs: &Runs, workbook: &Workbook, drawn: &[Drawn]) -> askama::Result<Parts> {
    let chapters = workbook.scenarios().map(|scenario| chapter::chapter(runs, drawn, scenario));
    let chapters: Vec<_> = chapters.collect();
    let appendices = appendix::all(runs, workbook)?;
    let names: Vec<_> = appendices.iter().map(|one| (one.title, one.file)).collect();
    let opening = journal::opening(runs, workbook, &chapters, drawn)?;
    let closing = journal::closing(runs, workbook, &chapters, &names)?;
    let exercises = chapters.iter().flat_map(Chapter::exercises).map(str::to_owned).collect();
    let part = |file: &str, text: &str| (file.to_owned(), links::linked(text, &exercises));
    let text = |one: &Chapter<'_>| Ok(part(&one.file, &one.render()?));
    Ok(Parts {
        opening: part(JOURNAL, &opening),
        chapters: chapters.iter().map(text).collect::<askama::Result<_>>()?,
        closing: part(JOURNAL, &closing),
        appendices: appendices.iter().map(|one| part(one.file, &one.text)).collect(),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over a Result")]
fn failed(error: askama::Error) -> Error {
    Error::unreadable("rendering the report", error.to_string())
        .remedy("report it to the authors of this lab")
}
