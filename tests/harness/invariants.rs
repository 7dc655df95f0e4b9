//! The invariants of ARCHITECTURE.md that clippy cannot enforce. Method: the sources as text.

use std::fs;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;

/// Only the scenarios' support compares pages; the journal, which is rendered from records, is
/// compared by its own test.
#[test]
fn only_the_support_of_the_scenarios_and_the_report_know_insta() {
    let knowing = sources().into_iter().filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name != Some("invariants.rs") && read(path).contains("insta::")
    });
    let mut knowing: Vec<_> = knowing.collect();
    knowing.sort();
    let known = ["tests/harness/report.rs", "tests/scenarios/support/comparison.rs"];
    assert_eq!(knowing, known.map(|path| root().join(path)));
}

#[test]
fn every_file_says_what_it_is_for_and_no_test_is_ignored() {
    for path in sources() {
        let source = read(&path);
        assert!(source.starts_with("//! "), "{} does not say what it is for", path.display());
        let ignored = concat!("#[", "ignore");
        assert!(!source.contains(ignored), "{} ignores a test", path.display());
    }
}

/// A scenario's body is arrange, act, observe, learn: it has no branch.
#[test]
fn scenarios_have_no_branches() {
    for path in scenarios() {
        for line in read(&path).lines().map(str::trim) {
            let branches = ["if ", "} else", "match ", "for ", "while ", "loop "];
            let branch = branches.iter().find(|word| line.starts_with(**word));
            assert_eq!(branch, None, "{}: {line}", path.display());
        }
    }
}

/// Every page belongs to a test that exists: `module@test.snap`, `module@test.pg18.snap`.
#[test]
fn every_page_belongs_to_a_test() {
    let pages = list(&root().join("snapshots"));
    let pages: Vec<_> = pages.iter().filter_map(|page| page.file_name()?.to_str()).collect();
    let is_page = |page: &&str| Path::new(page).extension().is_some_and(|end| end == "snap");
    assert!(pages.iter().any(is_page), "there are pages");
    for page in pages.into_iter().filter(|page| *page != "README.md") {
        let (module, rest) = page.split_once('@').unwrap_or((page, ""));
        let test = rest.split('.').next().unwrap_or_default();
        let source = source_of_tests(module);
        assert!(is_page(&page), "{page} is no accepted page");
        let cases = test.match_indices('_').any(|(at, _)| {
            let (test, case) = (test.get(..at), test.get(at + 1..));
            let is_there =
                |words: Option<String>| words.is_some_and(|words| source.contains(&words));
            is_there(test.map(|test| format!("fn {test}(")))
                && is_there(case.map(|case| format!("#[case::{case}(")))
        });
        let whole = source.contains(&format!("fn {test}("));
        assert!(whole || cases, "{page} belongs to no test");
    }
}

/// Steps that two scenarios share are in `tests/scenarios/steps`.
#[test]
fn no_scenario_uses_the_steps_of_another() {
    let folder = root().join("tests/scenarios");
    for path in sources().into_iter().filter(|path| path.starts_with(&folder)) {
        let source = read(&path);
        for way in ["crate::scenario_", "super::scenario_", "super::super::"] {
            assert!(!source.contains(way), "{} says {way}", path.display());
        }
    }
}

/// No file of tests has a test's name in its own: `cargo test promote` compares with the whole path
/// of a test, which includes the file.
#[test]
fn no_file_of_tests_has_a_name_with_a_test_in_it() {
    let sources: Vec<_> = scenarios().iter().map(|path| read(path)).collect();
    let lines = sources.iter().flat_map(|source| source.lines());
    let tests: Vec<_> = lines.filter_map(name_of_test).collect();
    assert!(!tests.is_empty(), "there are tests");
    for path in scenarios() {
        let file = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let test = tests.iter().find(|test| file.contains(**test));
        assert_eq!(test, None, "{}", path.display());
    }
}

/// The head of a page names the scenario that it belongs to.
#[test]
fn every_page_names_its_scenario() {
    for path in list(&root().join("snapshots")) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((scenario, _)) = name.split_once('@') else { continue };
        let head = format!("---\nsource: tests/scenarios/{scenario}\n---\n");
        assert!(read(&path).starts_with(&head), "{name} does not begin with {head:?}");
    }
}

/// The page in the README is the accepted one.
#[test]
fn the_readme_shows_a_real_page() {
    let readme = read(&root().join("README.md"));
    let name = readme.split("<!-- page: ").nth(1).and_then(|rest| rest.split(" -->").next());
    let shown = readme.split("~~~markdown\n").nth(1).and_then(|rest| rest.split("\n~~~").next());
    let page = read(&root().join(format!("snapshots/{}.snap", name.unwrap_or_default())));
    let page = page.splitn(3, "---\n").nth(2).map(str::trim);
    assert_eq!(shown, page);
}

/// Every sabotage names a place that is there, once, and replaces whole expressions or statements: else the copy
/// with all of them would not build, which only a run of them would show.
#[test]
fn every_sabotage_replaces_code_that_is_there() {
    let folder = root().join("tests/sabotage/table");
    let tables = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
    let tables = tables.flatten().map(|entry| read(&entry.path()));
    let mut seen = 0;
    for table in tables {
        let table: toml::Table = table.parse().unwrap_or_else(|error| panic!("{error}"));
        let sabotages = table.get("sabotage").and_then(toml::Value::as_array);
        for sabotage in sabotages.unwrap_or_else(|| panic!("no sabotage in a table")) {
            let text =
                |key: &str| sabotage.get(key).and_then(toml::Value::as_str).unwrap_or_default();
            let [name, file, old] = ["name", "file", "old"].map(text);
            assert_eq!(
                read(&root().join(file)).matches(old).count(),
                1,
                "{name}: {old:?} in {file}"
            );
            let is_rust = Path::new(file).extension().is_some_and(|extension| extension == "rs");
            let is_whole =
                |code: &str| syn::parse_str::<syn::Block>(&format!("{{ {code} }}")).is_ok();
            for code in [old, text("new")] {
                assert!(!is_rust || is_whole(code), "{name}: {code:?} is no whole code");
            }
            seen += 1;
        }
    }
    assert!(seen > 200, "{seen}");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the files that hold the tests of scenarios. Files of steps have no test, and may branch.
fn scenarios() -> Vec<PathBuf> {
    let folder = root().join("tests/scenarios");
    let is_scenario = |path: &PathBuf| {
        let below = path.strip_prefix(&folder).ok().and_then(|path| path.to_str());
        below.is_some_and(|below| below.starts_with("scenario_"))
    };
    let files = sources().into_iter().filter(is_scenario);
    let tests: Vec<_> = files.filter(|path| read(path).contains("#[rstest]")).collect();
    assert!(!tests.is_empty(), "there are scenarios");
    tests
}

/// Returns the source of the tests of one scenario, of all its files.
fn source_of_tests(scenario: &str) -> String {
    let folder = root().join("tests/scenarios").join(scenario);
    scenarios().iter().filter(|path| path.starts_with(&folder)).map(|path| read(path)).collect()
}

/// Returns the name of the test that a line begins.
fn name_of_test(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("fn ")?.split_once("(#[context]")?;
    Some(name)
}

fn sources() -> Vec<PathBuf> {
    let mut sources = Vec::new();
    let mut folders =
        ["src", "tests", "benches", "examples"].map(|folder| root().join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for path in list(&folder) {
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|end| end == "rs") => sources.push(path),
                false => {}
            }
        }
    }
    sources
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
