//! The report of all runs, from their records alone: the journal in Markdown, with the structure of
//! the learner's notebook and every blank filled, its plots, and the same content as one page of
//! HTML. Records in, text out: it never reads a server, a clock or the disk.
//!
//! ```text
//!  records ─▶ run ─▶ runs ────┬─▶ tables, versions ─▶ journal (journal.md) ─▶ html (page.html)
//!                             └─▶ plots ─▶ drawing ─▶ svg ─────────────────────▲
//!  workbook.toml ─▶ workbook ─┘
//! ```
//!
//! No exercise, fact or figure is named here. The workbook names them, and is data beside the
//! scenarios: a fact that is renamed in a test is renamed in the file `workbook.toml` of the same
//! folder.
//!
//! The journal leaves out what only a person can write: books, projects, goals, insights. It is
//! replaced after every run and refers to the file beside it where a person keeps those.

mod drawing;
mod html;
mod journal;
mod lines;
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

use crate::error::{Error, Result};
pub use journal::NOTES;
use runs::Runs;
pub use workbook::{Expected, Reference, Workbook};

/// The rendered report.
#[derive(Clone, Debug)]
pub struct Report {
    /// The journal, in Markdown. It refers to the plots as `plots/<name>`.
    pub journal: String,
    /// The journal as one HTML file that needs no other file, no network and no script.
    pub html: String,
    /// The plots as files of their own: name and SVG.
    pub plots: Vec<(String, String)>,
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
    let journal = journal::write(&runs, workbook, &drawn).map_err(failed)?;
    let html = html::write(&journal, &drawn).map_err(failed)?;
    let plots = drawn.into_iter().map(|plot| (plot.file, svg::alone(&plot.svg))).collect();
    Ok(Report { journal, html, plots })
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over a Result")]
fn failed(error: askama::Error) -> Error {
    Error::unreadable("rendering the report", error.to_string())
        .remedy("report it to the authors of this lab")
}
