//! The table of blanks and the table of claims against the accepted pages: what they ask for is
//! there. Method: the pages as text.

use std::collections::BTreeMap;
use std::path::Path;

use pretty_assertions::assert_eq;

use super::blanks::{Rows, TARGETS, scenarios};
use super::claims::{CLAIMS, Proof};
use super::plots::WANTED;
use super::ticks::{DEEP_DIVES, EDGE_CASES, SKILLS};

/// Pages by exercise, those of all versions together.
fn pages() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots");
    let mut pages: BTreeMap<String, String> = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let Some((scenario, test)) = name.split_once('@') else { continue };
        let number = scenario.split('_').nth(1).unwrap();
        let test = test.split('.').next().unwrap();
        let page = std::fs::read_to_string(file).unwrap();
        *pages.entry(format!("{number}@{test}")).or_default() += &page;
    }
    pages
}

#[test]
fn a_scenario_has_the_exercises_that_have_pages() {
    let listed = scenarios().flat_map(|scenario| {
        scenario.exercises.iter().map(|test| format!("{}@{test}", scenario.number))
    });
    let mut listed: Vec<_> = listed.collect();
    listed.sort();
    assert_eq!(listed, pages().into_keys().collect::<Vec<_>>());
}

#[test]
fn every_blank_is_a_figure_or_a_fact_of_a_page() {
    let pages = pages();
    let mut asked = Vec::new();
    for scenario in scenarios() {
        for list in scenario.lists {
            asked.extend(list.blanks.iter().map(|(_, one, name)| (*one, (*name).to_owned())));
        }
        for grid in scenario.grids {
            let cells =
                |one: &'static str| grid.columns.iter().map(move |name| (one, (*name).to_owned()));
            match &grid.rows {
                Rows::Steps(exercise) => asked.extend(cells(exercise)),
                Rows::Exercises(all) => asked.extend(all.iter().flat_map(|(_, one)| cells(one))),
                // Not every row has every figure, but there is one of each in every row and column.
                Rows::Named { exercise, pattern, rows } => {
                    let page = pages.get(*exercise);
                    let page = page.unwrap_or_else(|| panic!("{exercise} has no page"));
                    let is_there = |row: &str, column: &str| {
                        let name = pattern.replace("{row}", row).replace("{column}", column);
                        page.contains(&format!("\n- {name}: "))
                    };
                    for row in *rows {
                        assert!(grid.columns.iter().any(|column| is_there(row, column)), "{row}");
                    }
                    for column in grid.columns {
                        assert!(rows.iter().any(|row| is_there(row, column)), "{column}");
                    }
                }
            }
        }
    }
    asked.extend(TARGETS.iter().map(|target| (target.exercise, target.figure.to_owned())));
    for (exercise, name) in asked {
        let page = pages.get(exercise).unwrap_or_else(|| panic!("{exercise} has no page"));
        assert!(page.contains(&format!("\n- {name}: ")), "{exercise} has no {name:?}");
    }
}

#[test]
fn every_plot_shows_what_a_page_has_measured() {
    let pages = pages();
    for wanted in &WANTED {
        let series = wanted.panels.iter().flat_map(|(_, lines)| lines.iter());
        let names = series.chain(wanted.moments).map(|(_, name)| name);
        let page = pages.get(wanted.exercise);
        let page = page.unwrap_or_else(|| panic!("{} has no page", wanted.exercise));
        for name in names {
            let is_there = page.contains(&format!("\n- {name}: ‹"));
            assert!(is_there, "{} measures no {name:?}", wanted.exercise);
        }
    }
}

#[test]
fn every_claim_is_judged_by_what_a_page_says() {
    let pages = pages();
    let claims = CLAIMS.iter().flat_map(|claim| claim.proofs.iter());
    let learned = EDGE_CASES.iter().map(|(exercise, begin)| (*exercise, format!("\n- {begin}")));
    let asked = claims.map(|(exercise, proof)| match proof {
        Proof::Learned(begin) => (*exercise, format!("\n- {begin}")),
        Proof::Seen(name) => (*exercise, format!("\n- {name}: ")),
    });
    for (exercise, words) in asked.chain(learned) {
        let page = pages.get(exercise).unwrap_or_else(|| panic!("{exercise} has no page"));
        assert!(page.contains(&words), "{exercise} has no {words:?}");
    }
}

#[test]
fn every_tick_stands_for_exercises_that_have_pages() {
    let pages = pages();
    let skills = SKILLS.iter().flat_map(|(_, ticks)| ticks.iter());
    let made = scenarios().flat_map(|scenario| scenario.ticks.iter());
    let ticks = skills.chain(&DEEP_DIVES).chain(made.flat_map(|(_, ticks)| ticks.iter()));
    for exercise in ticks.flat_map(|(_, exercises)| exercises.iter()) {
        assert!(pages.contains_key(*exercise), "{exercise} has no page");
    }
}
