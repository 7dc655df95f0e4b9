//! The record of a run: what happened, as events, one JSON object a line. Everything that is
//! rendered comes from here; this file never asks a server and never looks at a clock.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_postgres::error::SqlState;

use crate::refusal::Refusal;
use crate::wal::{Lsn, Timeline};

/// The version of this format; a reader refuses records with a newer one. In format 1 a series began
/// when its sampler did, and nobody noted the place.
pub const FORMAT: u32 = 2;

/// One line of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since the record began.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
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
    /// A command line, as run on a node.
    Command {
        /// The node's name.
        node: String,
        /// The line as a person would type it there.
        line: String,
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
    End {
        /// Did the exercise go to its end?
        passed: bool,
    },
}

/// The head of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What a fact can be. There are no floats, durations, positions or clocks: those are measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact {
    /// Yes or no.
    Bool(bool),
    /// A number of things that the test itself caused.
    Count(u64),
    /// A name, a state, an SQLSTATE, a refusal.
    Text(String),
    /// Several of them, in order.
    List(Vec<Fact>),
}

/// What a measurement can be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// A time span, in microseconds.
    Micros(u64),
    /// A size.
    Bytes(u64),
    /// Something per second, and what: see [`Reading::rate`].
    Rate(f64, String),
    /// A number that the run happened to give.
    Count(u64),
    /// A part of something, or a change of it, in percent: see [`Reading::impact`].
    Percent(f64),
    /// A position in the write-ahead log.
    Lsn(String),
    /// A figure over time: seconds since the record began and value, and the unit of the value.
    Series(Vec<(f64, f64)>, String),
}

impl Reading {
    /// So many of something in a time span. Over no time at all there is no rate, but the count.
    #[expect(clippy::cast_precision_loss, reason = "nobody counts above two to the 53")]
    pub fn rate(count: u64, span: Duration, what: &str) -> Self {
        match span.is_zero() {
            true => Self::Count(count),
            false => Self::Rate(count as f64 / span.as_secs_f64(), what.to_owned()),
        }
    }

    /// How much longer something takes than it did before; below zero where it takes less. What took
    /// no time at all before has no impact, but the time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use replication_lab::record::Reading;
    /// let impact = Reading::impact(Duration::from_millis(2), Duration::from_millis(3));
    /// assert_eq!(impact.to_string(), "50.0 %");
    /// ```
    pub fn impact(before: Duration, after: Duration) -> Self {
        match before.is_zero() {
            true => after.into(),
            false => Self::Percent((after.as_secs_f64() / before.as_secs_f64() - 1.0) * 100.0),
        }
    }
}

impl From<Duration> for Reading {
    fn from(span: Duration) -> Self {
        Self::Micros(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
    }
}

impl From<Lsn> for Reading {
    fn from(position: Lsn) -> Self {
        Self::Lsn(position.to_string())
    }
}

macro_rules! facts {
    ($($from:ty, $value:ident => $fact:expr;)*) => {
        $(impl From<$from> for Fact {
            fn from($value: $from) -> Self {
                $fact
            }
        })*
    };
}

facts! {
    bool, value => Self::Bool(value);
    u32, value => Self::Count(value.into());
    u64, value => Self::Count(value);
    &str, value => Self::Text(value.to_owned());
    String, value => Self::Text(value);
    &String, value => Self::Text(value.clone());
    Timeline, value => Self::Count(value.0.into());
    &SqlState, value => Self::Text(value.code().to_owned());
    Refusal, value => Self::Text(value.to_string());
    &Refusal, value => Self::Text(value.to_string());
}

impl<A: Into<Fact>, B: Into<Fact>> From<(A, B)> for Fact {
    fn from((one, other): (A, B)) -> Self {
        Self::List(vec![one.into(), other.into()])
    }
}

/// What may be absent: a null column.
impl<T: Into<Fact>> From<Option<T>> for Fact {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(|| Self::Text("none".to_owned()), Into::into)
    }
}

impl<T: Into<Fact>> From<Vec<T>> for Fact {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Fact>, const N: usize> From<[T; N]> for Fact {
    fn from(values: [T; N]) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(true) => f.write_str("yes"),
            Self::Bool(false) => f.write_str("no"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Text(text) => f.write_str(text),
            Self::List(facts) => {
                let words: Vec<_> = facts.iter().map(ToString::to_string).collect();
                f.write_str(&words.join(", "))
            }
        }
    }
}

impl fmt::Display for Reading {
    /// For people: rounded, with its unit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        match self {
            Self::Micros(micros) => scaled(f, *micros as f64, &["µs", "ms", "s"]),
            Self::Bytes(bytes) => scaled(f, *bytes as f64, &["B", "kB", "MB", "GB", "TB"]),
            Self::Rate(rate, what) if what == "bytes" => {
                scaled(f, *rate, &["B/s", "kB/s", "MB/s", "GB/s"])
            }
            Self::Rate(rate, what) if *rate < 10.0 => write!(f, "{rate:.2} {what}/s"),
            Self::Rate(rate, what) => write!(f, "{} {what}/s", grouped(*rate)),
            Self::Count(count) => f.write_str(&grouped(*count as f64)),
            Self::Percent(percent) if *percent < 100.0 => write!(f, "{percent:.1} %"),
            Self::Percent(percent) => write!(f, "{} %", grouped(*percent)),
            Self::Lsn(position) => f.write_str(position),
            Self::Series(points, what) => write!(f, "{} points of {what}", points.len()),
        }
    }
}

/// A value in the largest of `units` that leaves something before the point; each is a thousand of
/// the one before.
fn scaled(f: &mut fmt::Formatter<'_>, value: f64, units: &[&str]) -> fmt::Result {
    match units {
        [_, larger @ ..] if value >= 1000.0 && !larger.is_empty() => {
            scaled(f, value / 1000.0, larger)
        }
        [unit, ..] if value.fract() == 0.0 => write!(f, "{value} {unit}"),
        [unit, ..] => write!(f, "{value:.1} {unit}"),
        [] => write!(f, "{value}"),
    }
}

/// A number with its thousands apart.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// The name of the file that a page's record is written to.
pub fn file_name(page: &str, major: u16, host: &str) -> String {
    format!("{page}.pg{major}-{host}.ndjson")
}

/// A record that cannot be read.
#[derive(Debug)]
pub enum BadRecord {
    /// This line (counted from 1) is no entry.
    Line(usize, serde_json::Error),
    /// It was written in this format, by a newer lab.
    Newer(u32),
    /// It does not begin with [`Event::Begin`].
    NoBegin,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number, _) => write!(f, "line {number} is no entry of a record"),
            Self::Newer(format) => write!(
                f,
                "written in format {format}; this lab reads up to {FORMAT}: read it with a newer lab"
            ),
            Self::NoBegin => f.write_str("it does not begin with a \"begin\" event"),
        }
    }
}

impl std::error::Error for BadRecord {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Line(_, source) => Some(source),
            Self::Newer(_) | Self::NoBegin => None,
        }
    }
}

/// Reads a record. A last line without its end of line is that of a killed run and left out.
pub fn read(text: &str) -> Result<Vec<Entry>, BadRecord> {
    let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
    let head: Option<Entry> = whole.lines().next().and_then(|line| serde_json::from_str(line).ok());
    match head.map(|entry| entry.event) {
        Some(Event::Begin(begin)) if begin.format > FORMAT => {
            return Err(BadRecord::Newer(begin.format));
        }
        Some(Event::Begin(_)) => {}
        _ => return Err(BadRecord::NoBegin),
    }
    let entries = whole.lines();
    entries
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| BadRecord::Line(index + 1, error))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(format: u32) -> String {
        let event = Event::Begin(Begin {
            format,
            page: "p".into(),
            about: "a".into(),
            postgres: "17.0".into(),
            host: "local".into(),
            alone: true,
            started: 1,
            place: String::new(),
        });
        serde_json::to_string(&Entry { at_ms: 0, event }).unwrap() + "\n"
    }

    fn measure(name: &str, reading: Reading, key: bool) -> Event {
        Event::Measure { name: name.into(), reading, key }
    }

    #[test]
    fn a_reading_is_shown_in_the_unit_that_suits_it() {
        for (reading, shown) in [
            (Reading::Micros(2_661), "2.7 ms"),
            (Reading::Micros(12_345_678), "12.3 s"),
            (Reading::Bytes(281), "281 B"),
            (Reading::Bytes(29_465_016), "29.5 MB"),
            (Reading::Rate(121_000.4, "rows".into()), "121 000 rows/s"),
            (Reading::Rate(1.5, "rows".into()), "1.50 rows/s"),
            (Reading::Rate(345_453.0, "bytes".into()), "345.5 kB/s"),
            (Reading::Count(1_000), "1 000"),
            (Reading::Percent(-12.34), "-12.3 %"),
            (Reading::Percent(12_345.6), "12 346 %"),
            (Reading::impact(Duration::from_millis(4), Duration::from_millis(6)), "50.0 %"),
            (Reading::impact(Duration::ZERO, Duration::from_millis(6)), "6 ms"),
            (Reading::Series(vec![(0.0, 1.0)], "bytes".into()), "1 points of bytes"),
        ] {
            assert_eq!(reading.to_string(), shown);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for event in [
            Event::Ready { server_version: "17.5".into() },
            Event::Fact { name: "rows".into(), value: Fact::from(vec![true, false]) },
            Event::Fact { name: "rows".into(), value: Fact::from(["a", "b"]) },
            measure("took", Duration::from_millis(2).into(), true),
            measure("r", Reading::Rate(1.5, "rows".into()), false),
            measure("p", Reading::Percent(-12.5), false),
            Event::End { passed: true },
        ] {
            let entry = Entry { at_ms: 7, event };
            let text = begin(FORMAT) + &serde_json::to_string(&entry).unwrap() + "\n";
            assert_eq!(read(&text).unwrap()[1], entry);
        }
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_a_torn_middle_one_is_named() {
        assert_eq!(read(&(begin(FORMAT) + "{\"at_ms\":3,\"ev")).unwrap().len(), 1);
        let error = read(&(begin(FORMAT) + "{\"at_ms\":3,\"ev\n" + &begin(FORMAT))).unwrap_err();
        assert!(matches!(error, BadRecord::Line(2, _)));
    }

    #[test]
    fn a_newer_format_and_a_headless_record_are_refused() {
        let unknown = "{\"at_ms\":1,\"event\":\"teleport\"}\n";
        let error = read(&(begin(FORMAT + 1) + unknown)).unwrap_err();
        assert!(error.to_string().contains("read it with a newer lab"));
        assert!(matches!(read(""), Err(BadRecord::NoBegin)));
    }
}
