//! The workbook of the report against the accepted pages: whatever it asks of an exercise stands on
//! a page. Method: the files in `tests/scenarios` and the pages in `snapshots`, as text; no server
//! runs.

use std::collections::BTreeMap;
use std::path::Path;

use pretty_assertions::assert_eq;
use replication_lab::report::{Changes, Expected, Workbook};

/// The workbook has exactly the exercises that have pages.
#[test]
fn the_workbook_has_the_exercises_that_have_pages() {
    let workbook = workbook();
    let mut listed: Vec<_> = workbook.exercises().collect();
    listed.sort_unstable();
    let pages = pages();
    assert_eq!(listed, pages.keys().map(String::as_str).collect::<Vec<_>>());
}

/// Every blank, claim, plot, tick, edge case and target asks for something that a page has.
#[test]
fn whatever_the_workbook_asks_for_stands_on_a_page() {
    let pages = pages();
    let references = workbook().references();
    let missing = references.iter().filter(|one| {
        let page = pages.get(&one.exercise);
        !page.is_some_and(|page| has(page, &one.expected))
    });
    let missing = missing.map(|one| {
        let what = in_words(&one.expected);
        format!("tests/scenarios/{}: no page of {} has {what}", one.file, one.exercise)
    });
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
    let files = references.iter().map(|one| one.file.as_str());
    let files: std::collections::BTreeSet<_> = files.collect();
    assert_eq!(files.len() + 1, parts().len(), "every file but the notebook asks for something");
}

/// Every line of the learner's notebook has a verdict, a value, a tick, or a reason why nothing judges it; and
/// no part of the workbook answers a line that is not there.
#[test]
fn every_line_of_the_notebook_is_answered() {
    let unanswered = workbook().unanswered();
    assert!(unanswered.is_empty(), "\n{}", unanswered.join("\n"));
}

/// Every page of a version has a change of the workbook that says why it differs from the page before, every
/// change has its page, and `docs/versions.md` says all of them.
#[test]
fn versions_differ_as_the_workbook_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let folder = root.join("snapshots");
    let pages = names_in(&folder).into_iter().map(|name| (name.clone(), read(&folder.join(&name))));
    let (workbook, pages) = (workbook(), pages.collect::<Vec<_>>());
    let changes = Changes::read(&workbook, &pages);
    assert_eq!(changes.unexplained(), Vec::<String>::new());
    let written = read(&root.join("docs/versions.md"));
    let current = changes.render().unwrap_or_else(|error| panic!("{error}"));
    assert!(written.trim_end() == current.trim_end(), "cargo lab versions > docs/versions.md");
}

fn has(page: &str, expected: &Expected) -> bool {
    match expected {
        Expected::Exercise => true,
        Expected::Seen(names) => names.iter().any(|name| page.contains(&format!("\n- {name}: "))),
        Expected::Measured(names) => {
            names.iter().any(|name| page.contains(&format!("\n- {name}: ‹")))
        }
        Expected::Learned(begin) => page.contains(&format!("\n- {begin}")),
    }
}

fn in_words(expected: &Expected) -> String {
    match expected {
        Expected::Exercise => "been accepted".to_owned(),
        Expected::Seen(names) => format!("the fact or figure {:?}", names.join(" or ")),
        Expected::Measured(names) => format!("the figure or series {:?}", names.join(" or ")),
        Expected::Learned(begin) => format!("a learning that begins {begin:?}"),
    }
}

/// Reads the workbook from the checkout.
pub(crate) fn workbook() -> Workbook {
    let parts = parts();
    let parts: Vec<_> = parts.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    Workbook::read(&parts).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the files of the workbook: the path of each below `tests/scenarios`, and its text.
fn parts() -> Vec<(String, String)> {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let folders = names_in(&scenarios).into_iter().map(|name| format!("{name}/workbook.toml"));
    let files = ["notebook.md", "workbook.toml"].map(str::to_owned).into_iter().chain(folders);
    let read = |file: String| Some((std::fs::read_to_string(scenarios.join(&file)).ok()?, file));
    files.filter_map(read).map(|(text, file)| (file, text)).collect()
}

/// Returns the pages by exercise, those of all versions together.
fn pages() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots");
    let mut pages: BTreeMap<String, String> = BTreeMap::new();
    for name in names_in(&folder) {
        let Some((scenario, test)) = name.split_once('@') else { continue };
        let number = scenario.split('_').nth(1).unwrap_or_default();
        let test = test.split('.').next().unwrap_or_default();
        let page = std::fs::read_to_string(folder.join(&name));
        let page = page.unwrap_or_else(|error| panic!("{name}: {error}"));
        *pages.entry(format!("{number}@{test}")).or_default() += &page;
    }
    pages
}

/// Returns the names in a folder, in order.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
