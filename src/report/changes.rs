//! What differs between versions of PostgreSQL, from the accepted pages: where an exercise has a page
//! for a version, the facts that differ from its page before. The workbook says what changed, and from
//! which version on. Pages in, text out.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template as _;

use super::workbook::Workbook;
use super::workbook::whole::Change;
use crate::error::{Error, Result};
use crate::version::OLDEST;

/// The characters of a value that a table shows.
const WIDTH: usize = 200;

/// The changes of PostgreSQL that accepted pages show.
#[derive(Debug)]
pub struct Changes<'a> {
    changes: &'a [Change],
    steps: Vec<Step>,
}

/// From one page of an exercise to the next one.
#[derive(Debug)]
struct Step {
    exercise: String,
    /// The versions from which the two pages hold.
    before: u16,
    since: u16,
    /// The file of the second page.
    file: String,
    /// A fact, its value before, and its value since.
    facts: Vec<(String, String, String)>,
}

#[derive(askama::Template)]
#[template(path = "versions.md")]
struct Page<'a> {
    oldest: u16,
    newest: u16,
    versions: Vec<Version<'a>>,
}

/// A version: what is new in it, and the pages that hold from it on.
struct Version<'a> {
    major: u16,
    changes: Vec<&'a Change>,
    steps: Vec<&'a Step>,
}

impl<'a> Changes<'a> {
    /// Reads the accepted pages, each given by the name of its file and its text.
    pub fn read(workbook: &'a Workbook, pages: &[(String, String)]) -> Self {
        Self::between(&workbook.changes, pages)
    }

    fn between(changes: &'a [Change], pages: &[(String, String)]) -> Self {
        let mut exercises: BTreeMap<String, BTreeMap<u16, &(String, String)>> = BTreeMap::new();
        for page in pages {
            if let Some((exercise, since)) = exercise_of(&page.0) {
                exercises.entry(exercise).or_default().insert(since, page);
            }
        }
        let steps = exercises.into_iter().flat_map(|(exercise, pages)| {
            let pages: Vec<_> = pages.into_iter().collect();
            let steps = pages.windows(2).filter_map(|pair| match pair {
                [(before, (_, old)), (since, (file, new))] => Some(Step {
                    exercise: exercise.clone(),
                    before: *before,
                    since: *since,
                    file: file.clone(),
                    facts: differences(old, new),
                }),
                _ => None,
            });
            steps.collect::<Vec<_>>()
        });
        Self { changes, steps: steps.collect() }
    }

    /// Returns a line for each page of a version that no change explains, and for each change that no
    /// page shows. A page explains the versions after the page before it, up to its own: a version
    /// between them may not have been run.
    pub fn unexplained(&self) -> Vec<String> {
        let shows = |step: &Step, change: &Change| {
            let versions = step.before + 1..=step.since;
            step.exercise == change.exercise && versions.contains(&change.since)
        };
        let pages =
            self.steps.iter().filter(|step| !self.changes.iter().any(|one| shows(step, one)));
        let pages = pages.map(|step| format!("{}: no change says why it differs", step.file));
        let idle =
            self.changes.iter().filter(|one| !self.steps.iter().any(|step| shows(step, one)));
        let idle = idle.map(|one| {
            format!("{} since {}: no page of {} shows it", one.what, one.since, one.exercise)
        });
        pages.chain(idle).collect()
    }

    /// Renders them in Markdown, version by version; links lead to the pages from a folder beside
    /// `snapshots`.
    ///
    /// # Errors
    ///
    /// The template fails.
    pub fn render(&self) -> Result<String> {
        let changed = self.changes.iter().map(|one| one.since);
        let majors: BTreeSet<_> = changed.chain(self.steps.iter().map(|step| step.since)).collect();
        let versions = majors.iter().map(|major| Version {
            major: *major,
            changes: self.changes.iter().filter(|one| one.since == *major).collect(),
            steps: self.steps.iter().filter(|step| step.since == *major).collect(),
        });
        let newest = majors.last().copied().unwrap_or(OLDEST);
        let page = Page { oldest: OLDEST, newest, versions: versions.collect() };
        page.render()
            .map_err(|error| Error::unreadable("rendering the versions", error.to_string()))
    }
}

/// Returns the exercise of a page, such as `03@statements`, and the version from which it holds.
fn exercise_of(file: &str) -> Option<(String, u16)> {
    let (scenario, rest) = file.strip_prefix("scenario_")?.split_once('@')?;
    let (number, _) = scenario.split_once('_')?;
    let name = rest.strip_suffix(".snap")?;
    let (name, since) = match name.split_once(".pg") {
        Some((name, since)) => (name, since.parse().ok()?),
        None => (name, OLDEST),
    };
    Some((format!("{number}@{name}"), since))
}

/// Returns the facts that differ: name, value before, value since.
fn differences(old: &str, new: &str) -> Vec<(String, String, String)> {
    let (old, new) = (facts(old), facts(new));
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let of = |facts: &BTreeMap<String, Vec<String>>, name: &str| {
        facts.get(name).map_or_else(|| "not there".to_owned(), |values| values.join("; "))
    };
    let pairs = names.into_iter().map(|name| (name.clone(), of(&old, name), of(&new, name)));
    let differing = pairs.filter(|(_, before, since)| before != since);
    differing.map(|(name, before, since)| shortened(name, &before, &since)).collect()
}

/// Returns the facts and figures of a page: each line of a list outside of what was learned.
fn facts(page: &str) -> BTreeMap<String, Vec<String>> {
    let body = page.split("\n## Learned").next().unwrap_or_default();
    let mut facts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in body.lines().filter_map(|line| line.strip_prefix("- ")) {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        facts.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    facts
}

/// Returns a fact for a table: of two long lists, only what one has and the other lacks; of two long
/// texts, what follows the words that they begin with.
fn shortened(name: String, before: &str, since: &str) -> (String, String, String) {
    let items = |text: &str| text.split(", ").map(str::to_owned).collect::<Vec<_>>();
    let (old, new) = (items(before), items(since));
    if old.len().min(new.len()) < 4 {
        let same = before.char_indices().zip(since.chars()).take_while(|((_, a), b)| a == b);
        let word = same.filter(|((_, a), _)| *a == ' ').last().map_or(0, |((at, _), _)| at);
        let rest = |text: &str| match text.get(word..) {
            Some(rest) if word > WIDTH / 4 => cut(&format!("…{rest}")),
            _ => cut(text),
        };
        return (name, rest(before), rest(since));
    }
    let less = |some: &[String], other: &[String]| {
        let only: Vec<_> = some.iter().filter(|item| !other.contains(item)).cloned().collect();
        if only.is_empty() { "…".to_owned() } else { format!("…, {}", only.join(", ")) }
    };
    (name, cut(&less(&old, &new)), cut(&less(&new, &old)))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn page(facts: &[&str]) -> String {
        let lines = facts.join("\n- ");
        format!(
            "---\nsource: x\n---\n# t\n\n- {lines}\n\n## Learned\n\n- A sentence: it is no fact.\n"
        )
    }

    fn change(since: u16, exercise: &str) -> Change {
        Change { since, what: "A thing is new".to_owned(), exercise: exercise.to_owned() }
    }

    fn pages() -> Vec<(String, String)> {
        let lists = ["columns: a, b, c, d", "columns: a, c, d, e, f"];
        [
            ("scenario_01_x@t.snap", page(&["one: 1", "two: x | y", lists[0]])),
            ("scenario_01_x@t.pg15.snap", page(&["one: 1", "two: z", lists[0], "three: 3"])),
            ("scenario_01_x@t.pg18.snap", page(&["one: 1", "two: z", lists[1], "three: 3"])),
            ("scenario_02_y@same.snap", page(&["one: 1"])),
        ]
        .map(|(file, text)| (file.to_owned(), text))
        .to_vec()
    }

    #[test]
    fn a_page_of_a_version_shows_the_facts_that_differ() {
        let changes = Changes::between(&[], &pages());
        let steps: Vec<_> = changes
            .steps
            .iter()
            .map(|step| (step.before, step.since, step.facts.clone()))
            .collect();
        let fact = |name: &str, before: &str, since: &str| {
            (name.to_owned(), before.to_owned(), since.to_owned())
        };
        let two = vec![fact("three", "not there", "3"), fact("two", "x | y", "z")];
        let columns = vec![fact("columns", "…, b", "…, e, f")];
        assert_eq!(steps, [(13, 15, two), (15, 18, columns)]);
    }

    #[test]
    fn a_change_belongs_to_the_page_of_its_version_or_of_the_next_one_that_was_run() {
        let explained = [change(14, "01@t"), change(18, "01@t")];
        assert_eq!(Changes::between(&explained, &pages()).unexplained(), Vec::<String>::new());
        let without = Changes::between(&explained[..1], &pages()).unexplained();
        assert_eq!(without, ["scenario_01_x@t.pg18.snap: no change says why it differs"]);
        let strange =
            [change(14, "01@t"), change(18, "01@t"), change(13, "01@t"), change(14, "02@same")];
        let idle = Changes::between(&strange, &pages()).unexplained();
        assert_eq!(
            idle,
            [
                "A thing is new since 13: no page of 01@t shows it",
                "A thing is new since 14: no page of 02@same shows it"
            ]
        );
    }

    #[test]
    fn versions_stand_in_order_with_their_changes_and_pages() {
        let changes = [change(18, "01@t"), change(14, "01@t")];
        let text = Changes::between(&changes, &pages()).render().unwrap();
        let at = |part: &str| {
            text.find(part).unwrap_or_else(|| panic!("{part:?} is missing in\n{text}"))
        };
        let order = [
            at("## PostgreSQL 14"),
            at(
                "- A thing is new (`01@t`; [release notes](https://www.postgresql.org/docs/14/release-14.html))",
            ),
            at("## PostgreSQL 15"),
            at("| three | not there | 3 |"),
            at("## PostgreSQL 18"),
            at("scenario_01_x@t.pg18.snap"),
            at("| columns | …, b | …, e, f |"),
        ];
        assert!(order.is_sorted(), "{text}");
    }

    #[test]
    fn a_long_value_is_cut() {
        let same = "a word ".repeat(10);
        let (_, before, since) =
            shortened("x".to_owned(), &format!("{same}is old"), &format!("{same}is new"));
        assert_eq!([before, since], ["… old", "… new"]);
        assert_eq!(cut(&"x".repeat(WIDTH)).len(), WIDTH);
        assert_eq!(cut(&"ä".repeat(WIDTH + 1)), "ä".repeat(WIDTH) + "…");
    }
}
