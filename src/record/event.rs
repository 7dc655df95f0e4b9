//! What can happen in a run, as events in order. Plain data: nothing here asks a server or looks at a
//! clock.

use serde::{Deserialize, Serialize};

use super::fact::Fact;
use super::reading::Reading;

/// The version of this format. A reader refuses a record with a newer one; an event that it does not
/// know, in a record of its own format, it skips.
///
/// | format | differs in |
/// |---|---|
/// | 1 | a series began when its sampler did; no place; an event's name beside its fields |
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

/// What can happen in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The first line: what is recorded, and where it ran.
    Begin(Begin),
    /// A cluster is being built; what its nodes do until [`Event::Ready`] is provisioning.
    Provision {
        /// The topology in words.
        topology: String,
    },
    /// The cluster is built.
    Ready {
        /// The servers' version, as they say.
        server_version: String,
    },
    /// A new step of the exercise.
    Step {
        /// What it is for.
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
    /// A command line, as run on a node.
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
    /// A statement, as sent to a node.
    Sql {
        /// The node's name, or the client's.
        node: String,
        /// The statement.
        text: String,
    },
    /// Something is broken on purpose from now on.
    Fault {
        /// What it is.
        what: String,
    },
    /// It is not broken any more.
    Heal {
        /// The fault, in the same words.
        what: String,
    },
    /// Something that is the same on every run of a PostgreSQL version.
    Fact {
        /// What it is.
        name: String,
        /// What it was.
        value: Fact,
    },
    /// Something that differs from run to run.
    Measure {
        /// What it is.
        name: String,
        /// What it was.
        reading: Reading,
        /// Is it one of the few figures that a summary shows?
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        key: bool,
    },
    /// A sentence that a reader takes home.
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
    /// Does it come from the person's `LAB_CONF`?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lab_conf: bool,
}

/// How an exercise ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its body went to the end, and its page is the accepted one.
    Passed,
    /// An assertion or an act failed, or the page differs.
    Failed,
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
    /// Did the exercise run by itself, so that its measurements are worth quoting?
    pub alone: bool,
    /// When, in seconds since 1970-01-01 UTC.
    pub started: u64,
    /// The machine, what the servers ran on there, and settings that change figures.
    #[serde(default)]
    pub place: String,
}

impl Begin {
    /// Creates the head of a record of this page, in the current format, on a server of this version. All
    /// else is what a record says that knows nothing more; the methods below say more.
    pub fn new(page: impl Into<String>, postgres: impl Into<String>) -> Self {
        Self {
            format: FORMAT,
            page: page.into(),
            about: String::new(),
            postgres: postgres.into(),
            host: String::new(),
            alone: false,
            started: 0,
            place: String::new(),
        }
    }

    /// Says what the exercise shows and how.
    #[must_use]
    pub fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }

    /// Says where it runs: the kind of host, and the machine with what the servers run on there.
    #[must_use]
    pub fn at(self, host: impl Into<String>, place: impl Into<String>) -> Self {
        Self { host: host.into(), place: place.into(), ..self }
    }

    /// Says that the exercise runs by itself.
    #[must_use]
    pub fn alone(self, alone: bool) -> Self {
        Self { alone, ..self }
    }

    /// Says when it began, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn started(self, seconds: u64) -> Self {
        Self { started: seconds, ..self }
    }
}
