//! `lab report`: renders the records in a directory into a report in another one. It runs no
//! scenario and asks no server.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::failure::{Failure, Result};
use super::workbook;
use crate::report;
use crate::settings::Settings;

/// Renders the report and prints where it is.
pub(super) fn run(records: Option<PathBuf>, out: Option<&Path>) -> Result<ExitCode> {
    let records = match records {
        Some(records) => records,
        None => Settings::from_env()?.records,
    };
    let page = write(&records, out)?;
    let _ = writeln!(std::io::stdout(), "report in {}", page.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes the report of a directory's records, by default into `report` in it; returns the path of
/// its page.
pub(super) fn write(records: &Path, out: Option<&Path>) -> Result<PathBuf> {
    let out = out.map_or_else(|| records.join("report"), Path::to_owned);
    let report = report::render(&workbook::read()?, &read(records)?)?;
    let plots = out.join("plots");
    // Plots of an earlier report may belong to runs whose records are gone.
    let _ = fs::remove_dir_all(&plots);
    fs::create_dir_all(&plots).map_err(|source| failed("making", &plots, source))?;
    let page = out.join("report.html");
    put(&page, &report.html)?;
    put(&out.join("journal.md"), &report.journal)?;
    report.files.iter().try_for_each(|(name, text)| put(&out.join(name), text))?;
    let notes = out.join(report::NOTES);
    if !notes.exists() {
        put(&notes, &report.notes)?;
    }
    report.plots.iter().try_for_each(|(name, svg)| put(&plots.join(name), svg))?;
    Ok(page)
}

/// Reads the records of a directory: names of files, and texts.
fn read(directory: &Path) -> Result<Vec<(String, String)>> {
    let remedy = "run cargo lab, which writes records, or name their directory with --records";
    let act = || format!("reading the records in {}", directory.display());
    let entries = fs::read_dir(directory).map_err(|source| Failure::io(act(), source, remedy))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_record = |path: &PathBuf| path.extension().is_some_and(|end| end == "ndjson");
    let mut paths: Vec<_> = paths.filter(is_record).collect();
    paths.sort();
    if paths.is_empty() {
        return Err(Failure::found(act(), "no file with the extension .ndjson", remedy));
    }
    let record = |path: PathBuf| {
        let text = fs::read(&path).map_err(|source| failed("reading", &path, source))?;
        Ok((path.display().to_string(), String::from_utf8_lossy(&text).into_owned()))
    };
    paths.into_iter().map(record).collect()
}

fn put(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|source| failed("writing", path, source))
}

fn failed(act: &str, path: &Path, source: std::io::Error) -> Failure {
    let act = format!("{act} {}", path.display());
    Failure::io(act, source, "name a directory that you can write to with --out")
}
