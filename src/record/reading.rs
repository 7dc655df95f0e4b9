//! Readings: values that differ from run to run, with their unit, and their form for people.
//! Nothing here measures.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::wal::Lsn;

/// The value of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reading {
    /// A duration, in microseconds.
    Micros(u64),
    /// A size, in bytes.
    Bytes(u64),
    /// A rate, and the unit that is counted per second: see [`Reading::rate`].
    Rate(f64, String),
    /// A number that differs from run to run.
    Count(u64),
    /// A share of something, or a change of it, in percent: see [`Reading::impact`].
    Percent(f64),
    /// A WAL position.
    Lsn(String),
    /// Values over time: seconds since the record began and value, and the unit of the value.
    Series(Vec<(f64, f64)>, String),
}

impl Reading {
    /// Returns the rate of `count` things in a duration. For a duration of zero it returns the
    /// count.
    #[expect(clippy::cast_precision_loss, reason = "no count is above two to the 53")]
    pub fn rate(count: u64, span: Duration, what: &str) -> Self {
        match span.is_zero() {
            true => Self::Count(count),
            false => Self::Rate(count as f64 / span.as_secs_f64(), what.to_owned()),
        }
    }

    /// Returns how much longer something takes than before, in percent; negative where it takes
    /// less. Where it took no time before, it returns the new duration.
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

impl fmt::Display for Reading {
    /// Writes the value for people: rounded, with its unit.
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

/// Writes a value in the largest of `units` in which it is at least 1; each unit is a thousand of
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

/// Returns a number with its thousands separated by blanks.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
