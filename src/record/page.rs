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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::event::{Begin, Outcome};
    use crate::record::fact::Fact;

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
}
