//! The events of a run. Plain data: nothing here asks a server or reads a clock.

use serde::{Deserialize, Serialize};

use super::fact::Fact;
use super::reading::Reading;

/// The version of this format. A reader refuses a record with a newer one; an event that it does not
/// know, in a record of its own format, it skips.
///
/// | format | differs in |
/// |---|---|
/// | 1 | a series began when its sampler did; no `place`; an event's name beside its fields |
/// | 2 | a series begins when the record does; an event's name beside its fields |
/// | 3 | an event's name around its fields; the kind of a fact is named |
pub const FORMAT: u32 = 3;

/// One line of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// Milliseconds since the record began.
    pub at_ms: u64,
    /// What happened.
    pub event: Event,
}

impl Entry {
    /// Creates an entry for an event that happened this many milliseconds after the record began.
    pub fn new(at_ms: u64, event: Event) -> Self {
        Self { at_ms, event }
    }
}

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The first line: the exercise, the server and the machine.
    Begin(Begin),
    /// The start of building a cluster. What its nodes run until [`Event::Ready`] is provisioning.
    Provision {
        /// The topology as text.
        topology: String,
    },
    /// The end of building a cluster.
    Ready {
        /// The servers' version, as they report it.
        server_version: String,
    },
    /// The beginning of a step of the exercise.
    Step {
        /// The title of the step.
        title: String,
    },
    /// What a server's configuration files set, read from the server after a start: all settings at its
    /// first start, later those that have changed.
    Settings {
        /// The node's name.
        node: String,
        /// The settings, by name.
        settings: Vec<Setting>,
    },
    /// A command line that was run on a node.
    Command {
        /// The node's name.
        node: String,
        /// The line as a person would type it there.
        line: String,
        /// The variables that the line needs, and their values; passwords, addresses and ports are
        /// replaced by placeholders.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        with: Vec<(String, String)>,
    },
    /// A statement that was sent to a node.
    Sql {
        /// The node's name, or the client's.
        node: String,
        /// The statement.
        text: String,
    },
    /// The beginning of a fault.
    Fault {
        /// The fault, in words.
        what: String,
    },
    /// The end of a fault.
    Heal {
        /// The fault, in the same words.
        what: String,
    },
    /// A value that is the same on every run of a PostgreSQL version.
    Fact {
        /// The name of the fact.
        name: String,
        /// Its value.
        value: Fact,
    },
    /// A value that differs from run to run.
    Measure {
        /// The name of the measurement.
        name: String,
        /// Its value, with the unit.
        reading: Reading,
        /// Tells whether it is one of the few figures that a summary shows.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        key: bool,
    },
    /// A learning: a sentence that a reader takes home.
    Learn {
        /// The sentence.
        sentence: String,
        /// The names of the facts that prove it.
        because: Vec<String>,
    },
    /// The last line. A record without it is that of a run that was killed.
    End(Outcome),
}

/// A setting of a server's configuration files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value as `SHOW` shows it, with placeholders for what differs from run to run; null where the
    /// files no longer set it.
    pub value: Option<String>,
    /// Tells whether it comes from `LAB_CONF`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lab_conf: bool,
}

/// The outcome of an exercise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The exercise ran to its end, and its page is the accepted one.
    Passed,
    /// An assertion or an act failed, or the page differs.
    Failed,
    /// The exercise did not run, because the machine lacks something; the text says what.
    Skipped(String),
}

/// The head of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Begin {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// The page's name: `scenario_04_manual_failover@promote`.
    pub page: String,
    /// What the exercise shows and how, in a few sentences.
    pub about: String,
    /// PostgreSQL's version.
    pub postgres: String,
    /// The host: `container` or `local`.
    pub host: String,
    /// Tells whether the exercise ran without others beside it, so that its measurements can be
    /// compared.
    pub alone: bool,
    /// The time of the start, in seconds since 1970-01-01 UTC.
    pub started: u64,
    /// The machine, what the servers ran on there, and the settings that change figures.
    #[serde(default, rename = "place")]
    pub location: String,
}

impl Begin {
    /// Creates the head of a record of this page, in the current format, on a server of this
    /// version. Every other field has a neutral value; the methods below set them.
    pub fn new(page: impl Into<String>, postgres: impl Into<String>) -> Self {
        Self {
            format: FORMAT,
            page: page.into(),
            about: String::new(),
            postgres: postgres.into(),
            host: String::new(),
            alone: false,
            started: 0,
            location: String::new(),
        }
    }

    /// Sets what the exercise shows and how.
    #[must_use]
    pub fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }

    /// Sets the kind of host, and the machine with what the servers run on there.
    #[must_use]
    pub fn at(self, host: impl Into<String>, location: impl Into<String>) -> Self {
        Self { host: host.into(), location: location.into(), ..self }
    }

    /// Sets whether the exercise runs without others beside it.
    #[must_use]
    pub fn alone(self, alone: bool) -> Self {
        Self { alone, ..self }
    }

    /// Sets the time of the start, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn started(self, seconds: u64) -> Self {
        Self { started: seconds, ..self }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_head_has_every_value_that_it_was_given() {
        let bare = Begin::new("p@t", "17.5");
        let begin = bare.clone().about("It shows.").at("local", "Linux").alone(true).started(9);
        assert_eq!(
            begin,
            Begin {
                format: FORMAT,
                page: "p@t".into(),
                about: "It shows.".into(),
                postgres: "17.5".into(),
                host: "local".into(),
                alone: true,
                started: 9,
                location: "Linux".into(),
            }
        );
        assert_eq!((bare.alone, bare.started, bare.host.as_str()), (false, 0, ""));
    }

    #[test]
    fn what_is_neutral_is_not_written() {
        let line = |event| serde_json::to_string(&Entry::new(5, event)).unwrap();
        let setting = |lab_conf| Setting { name: "a".into(), value: None, lab_conf };
        let settings = |one| Event::Settings { node: "n".into(), settings: vec![one] };
        let command = |with| Event::Command { node: "n".into(), line: "ls".into(), with };
        let took = |key| Event::Measure { name: "m".into(), reading: Reading::Count(2), key };
        for (event, written) in [
            (
                settings(setting(false)),
                r#"{"settings":{"node":"n","settings":[{"name":"a","value":null}]}}"#,
            ),
            (
                settings(setting(true)),
                r#"{"settings":{"node":"n","settings":[{"name":"a","value":null,"lab_conf":true}]}}"#,
            ),
            (command(Vec::new()), r#"{"command":{"node":"n","line":"ls"}}"#),
            (
                command(vec![("A".into(), "b".into())]),
                r#"{"command":{"node":"n","line":"ls","with":[["A","b"]]}}"#,
            ),
            (took(false), r#"{"measure":{"name":"m","reading":{"count":2}}}"#),
            (took(true), r#"{"measure":{"name":"m","reading":{"count":2},"key":true}}"#),
        ] {
            assert_eq!(line(event), format!("{{\"at_ms\":5,\"event\":{written}}}"));
        }
    }
}
