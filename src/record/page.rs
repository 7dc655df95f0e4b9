//! A record as a page of a lab notebook, for people who review: steps, what was typed, facts, and
//! which measurements were taken. A page never shows a value that differs from run to run; the text
//! for a person who looks into one run does.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::event::{Entry, Event};
use super::reading::Reading;
use super::servers::Servers;

/// Renders the page of a record. One row is one line, so that a diff shows what changed.
pub fn render(entries: &[Entry]) -> String {
    Page::default().of(entries).text
}

/// Renders the same with what was measured, for a person who looks into one run.
pub fn with_figures(entries: &[Entry]) -> String {
    Page { figures: true, ..Page::default() }.of(entries).text
}

/// Renders the last step of a record with what was measured, for a person who looks on.
pub fn last_step(entries: &[Entry]) -> String {
    let mut page = Page { figures: true, ..Page::default() }.of(entries);
    page.text.split_off(page.last_step)
}

#[derive(Default)]
struct Page {
    text: String,
    figures: bool,
    last_step: usize,
    typed: HashSet<String>,
    servers: Servers,
    /// The lines about the settings of the cluster before.
    settings: Vec<String>,
    provisioning: bool,
    steps: usize,
    learned: bool,
}

impl Page {
    fn of(mut self, entries: &[Entry]) -> Self {
        for entry in entries {
            self.add(&entry.event);
        }
        self
    }

    fn add(&mut self, event: &Event) {
        match event {
            Event::Begin(begin) => {
                let (scenario, test) = begin.page.split_once('@').unwrap_or((&begin.page, ""));
                self.line(&format!("# {}: {}", spaced(scenario), spaced(test)));
                self.line("");
                self.line(&begin.about);
            }
            Event::Provision { topology } => {
                self.provisioning = true;
                self.servers = Servers::default();
                self.line(&format!("- cluster: {topology}"));
            }
            Event::Ready { .. } => {
                self.provisioning = false;
                let settings = self.servers.lines(self.figures);
                if !settings.is_empty() && settings == self.settings {
                    self.line("- settings: those of the cluster before");
                } else {
                    for line in &settings {
                        self.line(line);
                    }
                }
                self.settings = settings;
            }
            Event::Settings { node, settings } => {
                self.servers.add(node, settings);
                if !self.provisioning {
                    let lines = self.servers.lines(self.figures);
                    for line in lines {
                        self.line(&line);
                    }
                }
            }
            Event::Step { title } => self.step(title),
            Event::Command { node, line, with } => {
                if self.typed(&format!("{node}$ {line}")) {
                    for (name, value) in with {
                        self.variable(name, value);
                    }
                }
            }
            Event::Sql { node, text } => drop(self.typed(&format!("{node}=# {}", one_line(text)))),
            Event::Fault { what } => self.line(&format!("    fault: {what}")),
            Event::Heal { what } => self.line(&format!("    healed: {what}")),
            Event::Fact { name, value } => self.line(&format!("- {name}: {value}")),
            Event::Measure { name, reading, .. } => {
                let shown = if self.figures { reading.to_string() } else { unit(reading) };
                self.line(&format!("- {name}: {shown}"));
            }
            Event::Learn { sentence, because } => self.learn(sentence, because),
            Event::End(_) => {}
        }
    }

    fn step(&mut self, title: &str) {
        self.steps += 1;
        self.last_step = self.text.len();
        self.typed.clear();
        let number = self.steps;
        self.line("");
        self.line(&format!("## {number}. {title}"));
        self.line("");
    }

    /// Prints a line that was typed, once per step: polling repeats a line a varying number of times.
    /// Returns whether it was printed.
    fn typed(&mut self, line: &str) -> bool {
        let is_new = !self.provisioning && self.typed.insert(line.to_owned());
        if is_new {
            self.line(&format!("    {line}"));
        }
        is_new
    }

    /// Prints a variable of a line that was typed; one of several lines as these lines.
    fn variable(&mut self, name: &str, value: &str) {
        match value.contains('\n') {
            false => self.line(&format!("      with {name}={}", in_shell(value))),
            true => {
                self.line(&format!("      with {name} as these lines:"));
                for line in value.lines() {
                    self.line(&format!("        {line}"));
                }
            }
        }
    }

    fn learn(&mut self, sentence: &str, because: &[String]) {
        if !self.learned {
            self.learned = true;
            self.line("");
            self.line("## Learned");
            self.line("");
        }
        self.line(&format!("- {sentence} [{}]", because.join("; ")));
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}");
    }
}

/// Returns a value of one line as a shell needs it.
fn in_shell(value: &str) -> String {
    match value.contains('\'') {
        true => format!("\"{value}\""),
        false => format!("'{value}'"),
    }
}

fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unit(reading: &Reading) -> String {
    match reading {
        Reading::Micros(_) => "‹duration›".to_owned(),
        Reading::Bytes(_) => "‹bytes›".to_owned(),
        Reading::Rate(_, what) => format!("‹{what} per second›"),
        Reading::Count(_) => "‹count›".to_owned(),
        Reading::Percent(_) => "‹percent›".to_owned(),
        Reading::Lsn(_) => "‹lsn›".to_owned(),
        Reading::Series(_, what) => format!("‹{what} over time›"),
    }
}

/// Returns the name of the accepted page of an exercise that holds for a major version, among the names
/// of the files in `snapshots`: of `page.snap` (from 13 on) and `page.pgN.snap` (from N on), the one with
/// the largest N that is not above the version. Where there is no page at all, it is `page`.
///
/// ```
/// let files = ["lag@peak.snap", "lag@peak.pg17.snap"].map(str::to_owned);
/// assert_eq!(replication_lab::page::since(files.clone(), "lag@peak", 16), "lag@peak");
/// assert_eq!(replication_lab::page::since(files, "lag@peak", 18), "lag@peak.pg17");
/// ```
pub fn since(files: impl IntoIterator<Item = String>, page: &str, major: u16) -> String {
    let of_version = |file: String| -> Option<u16> {
        file.strip_prefix(page)?.strip_prefix(".pg")?.strip_suffix(".snap")?.parse().ok()
    };
    let versions = files.into_iter().filter_map(of_version).filter(|since| *since <= major);
    versions.max().map_or(page.to_owned(), |since| format!("{page}.pg{since}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::event::{Begin, Outcome, Setting};
    use crate::record::fact::Fact;

    #[test]
    fn a_page_holds_from_its_version_on() {
        let files = ["a@b.snap", "a@b.pg15.snap", "a@b.pg18.snap", "a@bc.pg16.snap", "README.md"];
        let name = |major| since(files.map(str::to_owned), "a@b", major);
        let names = [13, 14, 15, 17, 18, u16::MAX].map(name);
        assert_eq!(names, ["a@b", "a@b", "a@b.pg15", "a@b.pg15", "a@b.pg18", "a@b.pg18"]);
        assert_eq!(since([], "x@y", 17), "x@y");
    }

    #[test]
    fn a_page_tells_the_story_without_a_value_that_changes() {
        let sql = |text: &str| Event::Sql { node: "primary".into(), text: text.into() };
        let begin = Begin {
            about: "It shows this.".into(),
            ..Begin::new("scenario_00_example@a_test", "17.0")
        };
        let events = [
            Event::Begin(begin),
            Event::Step { title: "A pair".into() },
            Event::Provision { topology: "primary ← standby1".into() },
            sql("CREATE ROLE replicator"),
            Event::Ready { server_version: "17.5".into() },
            sql("SELECT count(*)\n  FROM t"),
            sql("SELECT count(*) FROM t"),
            Event::Fault { what: "the link cut".into() },
            Event::Fact { name: "rows".into(), value: Fact::from(3_u64) },
            Event::Heal { what: "the link cut".into() },
            Event::Measure {
                name: "took".into(),
                reading: Duration::from_millis(3).into(),
                key: true,
            },
            Event::Learn { sentence: "It holds.".into(), because: vec!["rows".into()] },
            Event::End(Outcome::Passed),
        ];
        let entries: Vec<_> = events.into_iter().map(|event| Entry::new(1, event)).collect();
        assert_eq!(
            render(&entries),
            "# scenario 00 example: a test\n\nIt shows this.\n\n## 1. A pair\n\n\
             - cluster: primary ← standby1\n    primary=# SELECT count(*) FROM t\n    fault: the link cut\n\
             - rows: 3\n    healed: the link cut\n- took: ‹duration›\n\n## Learned\n\n- It holds. [rows]\n"
        );
    }

    #[test]
    fn the_last_step_is_shown_with_its_figures_and_its_number() {
        let step = |title: &str| Event::Step { title: title.into() };
        let took = |micros| {
            let (name, reading) = ("took".into(), Reading::Micros(micros));
            Event::Measure { name, reading, key: false }
        };
        let events = [step("One"), took(1), step("Two"), took(2000)];
        let entries: Vec<_> = events.into_iter().map(|event| Entry::new(1, event)).collect();
        assert_eq!(last_step(&entries), "\n## 2. Two\n\n- took: 2 ms\n");
    }

    fn entries(events: impl IntoIterator<Item = Event>) -> Vec<Entry> {
        events.into_iter().map(|event| Entry::new(1, event)).collect()
    }

    fn measures() -> Vec<Entry> {
        let readings = [
            Reading::Micros(7_000),
            Reading::Bytes(8_000),
            Reading::Rate(9.0, "rows".into()),
            Reading::Count(1_000),
            Reading::Percent(12.5),
            Reading::Lsn("0/16B3748".into()),
            Reading::Series(vec![(0.0, 1.0), (1.0, 3.0)], "bytes".into()),
        ];
        entries(readings.into_iter().map(|reading| {
            let name = "seen".to_owned();
            Event::Measure { name, reading, key: false }
        }))
    }

    #[test]
    fn a_page_shows_the_unit_of_every_kind_of_reading() {
        assert_eq!(
            render(&measures()),
            "- seen: ‹duration›\n- seen: ‹bytes›\n- seen: ‹rows per second›\n- seen: ‹count›\n\
             - seen: ‹percent›\n- seen: ‹lsn›\n- seen: ‹bytes over time›\n"
        );
    }

    #[test]
    fn a_page_with_figures_shows_the_value_of_every_kind_of_reading() {
        assert_eq!(
            with_figures(&measures()),
            "- seen: 7 ms\n- seen: 8 kB\n- seen: 9.00 rows/s\n- seen: 1 000\n- seen: 12.5 %\n\
             - seen: 0/16B3748\n- seen: 2 points of bytes\n"
        );
    }

    #[test]
    fn a_line_is_printed_once_in_each_step_with_its_variables() {
        let step = |title: &str| Event::Step { title: title.into() };
        let command = |line: &str, value: &str| {
            let with = vec![("A".to_owned(), value.to_owned())];
            Event::Command { node: "primary".into(), line: line.into(), with }
        };
        let events = [
            step("One"),
            command("ls", "plain"),
            command("ls", "plain"),
            command("cat", "it's"),
            step("Two"),
            command("ls", "two\nlines"),
        ];
        assert_eq!(
            render(&entries(events)),
            "\n## 1. One\n\n    primary$ ls\n      with A='plain'\n    primary$ cat\n      with A=\"it's\"\n\
             \n## 2. Two\n\n    primary$ ls\n      with A as these lines:\n        two\n        lines\n"
        );
    }

    #[test]
    fn learnings_have_one_heading_and_every_fact_that_proves_them() {
        let learn = |sentence: &str, because: &[&str]| Event::Learn {
            sentence: sentence.into(),
            because: because.iter().map(|name| (*name).to_owned()).collect(),
        };
        let events = [learn("One.", &["b", "c", "a"]), learn("Two.", &["d"])];
        assert_eq!(render(&entries(events)), "\n## Learned\n\n- One. [b; c; a]\n- Two. [d]\n");
    }

    /// Starts three clusters, of which the second has the settings of the first.
    #[test]
    fn settings_that_are_those_of_the_cluster_before_are_not_repeated() {
        let settings = |value: &str| {
            let one = |name: &str, value: &str, lab_conf| Setting {
                name: name.into(),
                value: Some(value.into()),
                lab_conf,
            };
            let settings = vec![one("fsync", value, false), one("mine", "1", true)];
            Event::Settings { node: "primary".into(), settings }
        };
        let cluster = |value: &str| {
            let ready = Event::Ready { server_version: "17.5".into() };
            [Event::Provision { topology: "primary alone".into() }, settings(value), ready]
        };
        let events: Vec<_> =
            ["on", "on", "off"].into_iter().flat_map(cluster).chain([settings("3")]).collect();
        let cluster = "- cluster: primary alone\n- settings";
        assert_eq!(
            render(&entries(events.clone())),
            format!(
                "{cluster} of every server: fsync = on\n{cluster}: those of the cluster before\n\
                 {cluster} of every server: fsync = off\n- settings of primary: fsync = 3\n"
            )
        );
        assert_eq!(
            with_figures(&entries(events)),
            format!(
                "{cluster} of every server: fsync = on, mine = 1\n\
                 {cluster}: those of the cluster before\n\
                 {cluster} of every server: fsync = off, mine = 1\n\
                 - settings of primary: fsync = 3\n"
            )
        );
    }

    #[test]
    fn clusters_without_settings_do_not_refer_to_the_cluster_before() {
        let cluster = || {
            let ready = Event::Ready { server_version: "17.5".into() };
            [Event::Provision { topology: "primary alone".into() }, ready]
        };
        let events = [cluster(), cluster()].concat();
        let line = "- cluster: primary alone\n";
        assert_eq!(render(&entries(events)), line.repeat(2));
    }
}
