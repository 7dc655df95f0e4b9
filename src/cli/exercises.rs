//! `lab list`, `lab show` and `lab versions`: the exercises and their pages, without a build and without a server;
//! and whether a name that was typed belongs to one of them. The names come from the workbook.

use std::io::Write as _;
use std::process::ExitCode;

use super::failure::{Failure, Result};
use super::nearest::nearest;
use super::workbook;
use crate::files;
use crate::record::page;
use crate::report::{Changes, Workbook};

/// Prints every scenario with its exercises, and what each of them shows.
pub(super) fn list() -> Result<ExitCode> {
    let workbook = workbook::read()?;
    let mut out = std::io::stdout();
    for (scenario, title, exercises) in workbook.contents() {
        let _ = writeln!(out, "{} {title}", number(scenario));
        for exercise in exercises {
            let about = accepted(&exercise, u16::MAX).as_deref().map(about).unwrap_or_default();
            let name = exercise.split_once('@').map_or(&*exercise, |(_, name)| name);
            let _ = writeln!(out, "  {name:<32} {about}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the accepted pages of the exercises with one of `names` in their name, as they hold for a
/// major version, or for the newest one.
pub(super) fn show(names: &[String], major: Option<u16>) -> Result<ExitCode> {
    let workbook = workbook::read()?;
    let known = pages(&workbook);
    must_be_known(&known, names)?;
    let mut out = std::io::stdout();
    for page in known.iter().filter(|page| names.iter().any(|name| fits(page, name))) {
        let text = accepted(page, major.unwrap_or(u16::MAX)).ok_or_else(|| {
            let act = format!("reading the accepted page of {page}");
            Failure::found(
                act,
                "no such file",
                "cargo lab run, which shows what there is to accept",
            )
        })?;
        let _ = writeln!(out, "{}", without_head(&text));
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what differs between versions of PostgreSQL.
pub(super) fn versions() -> Result<ExitCode> {
    let workbook = workbook::read()?;
    let pages = files::page_names().filter_map(|name| Some((name.clone(), files::page(&name)?)));
    let text = Changes::read(&workbook, &pages.collect::<Vec<_>>()).render()?;
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(ExitCode::SUCCESS)
}

/// Refuses the first of `names` that no exercise has in its name, and names those that are nearest.
/// A name with `::` is one of the test program, which knows it.
pub(super) fn must_be_there(names: &[String]) -> Result<()> {
    must_be_known(&pages(&workbook::read()?), names)
}

fn must_be_known(known: &[String], names: &[String]) -> Result<()> {
    let is_known = |name: &str| name.contains("::") || known.iter().any(|page| fits(page, name));
    let Some(unknown) = names.iter().find(|name| !is_known(name)) else { return Ok(()) };
    let names: Vec<_> = known.iter().flat_map(|page| parts(page)).collect();
    let nearest = nearest(unknown, names.iter().map(String::as_str));
    let there = match nearest.is_empty() {
        true => "no exercise with such a name".to_owned(),
        false => format!("no exercise with such a name; the nearest: {}", nearest.join(", ")),
    };
    let remedy = "cargo lab list shows all of them; a part of a name, such as 04, is enough";
    Err(Failure::found(format!("looking for {unknown:?}"), there, remedy))
}

/// Tells whether a page belongs to a name: it has it, or it is the name of the scenario and the
/// exercise, `04@promote`.
pub(super) fn fits(page: &str, name: &str) -> bool {
    page.contains(name) || short(page) == name
}

/// Returns what a person may type for a page: the number, the scenario, the exercise, the number with
/// the exercise, and the words in the names.
fn parts(page: &str) -> Vec<String> {
    let (scenario, exercise) = page.split_once('@').unwrap_or((page, page));
    let whole = [scenario.to_owned(), exercise.to_owned(), short(page)];
    let words = page.split(['_', '@']).filter(|word| *word != "scenario").map(str::to_owned);
    whole.into_iter().chain(words).collect()
}

fn short(page: &str) -> String {
    let (scenario, exercise) = page.split_once('@').unwrap_or((page, page));
    format!("{}@{exercise}", number(scenario))
}

fn number(scenario: &str) -> &str {
    scenario.split('_').nth(1).unwrap_or(scenario)
}

fn pages(workbook: &Workbook) -> Vec<String> {
    workbook.contents().flat_map(|(_, _, exercises)| exercises).collect()
}

/// Returns the accepted page that holds for a major version; none where there is none.
fn accepted(exercise: &str, major: u16) -> Option<String> {
    files::page(&(page::since(files::page_names(), exercise, major) + ".snap"))
}

/// Returns a page without the head that the snapshot library writes.
fn without_head(text: &str) -> &str {
    let body = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    body.map_or(text, |(_, body)| body)
}

/// Returns the sentence below the title of a page.
fn about(text: &str) -> String {
    let mut lines = without_head(text).lines().filter(|line| !line.is_empty());
    lines.nth(1).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn known() -> Vec<String> {
        ["scenario_01_lag@peak", "scenario_04_failover@promote", "scenario_04_failover@timeline"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn a_name_is_known_by_its_parts() {
        for name in ["04", "promote", "04@promote", "scenario_04", "scenario_04_failover@timeline"]
        {
            assert!(must_be_known(&known(), &[name.to_owned()]).is_ok(), "{name}");
        }
        assert!(must_be_known(&known(), &["a::case_1".to_owned()]).is_ok(), "the suite knows it");
        assert!(must_be_known(&known(), &[]).is_ok());
    }

    #[test]
    fn the_nearest_names_are_offered() {
        let refused = |name: &str| {
            let refused = must_be_known(&known(), &["04".to_owned(), name.to_owned()]);
            refused.map_err(|error| error.to_string()).unwrap_err()
        };
        let said = refused("promot3");
        assert!(said.contains("looking for \"promot3\""), "{said}");
        assert!(said.contains("the nearest: promote"), "{said}");
        assert!(refused("Timelin").contains("the nearest: timeline"));
        assert!(refused("failver").contains("the nearest: failover"), "{}", refused("failver"));
        assert!(refused("05").contains("the nearest: 01, 04"), "{}", refused("05"));
        assert!(!refused("xyzzy").contains("nearest"), "{}", refused("xyzzy"));
    }

    #[test]
    fn a_page_is_shown_without_its_head() {
        let page = "---\nsource: x\n---\n# title\n\nWhat it shows\n\n## 1. Step\n";
        assert_eq!(without_head(page), "# title\n\nWhat it shows\n\n## 1. Step\n");
        assert_eq!(about(page), "What it shows");
        assert_eq!(about(""), "");
    }
}
