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

    #[test]
    fn a_rate_is_a_count_per_second() {
        for (count, millis, rate) in [(8, 2_000, 4.0), (9, 500, 18.0), (7, 4_000, 1.75)] {
            let span = Duration::from_millis(millis);
            let expected = Reading::Rate(rate, "rows".to_owned());
            assert_eq!(Reading::rate(count, span, "rows"), expected, "{count} in {span:?}");
        }
        assert_eq!(Reading::rate(8, Duration::ZERO, "rows"), Reading::Count(8));
    }

    #[test]
    fn an_impact_is_the_change_in_percent_of_the_time_before() {
        for (before, after, percent) in [(4, 6, 50.0), (8, 2, -75.0), (5, 5, 0.0), (2, 8, 300.0)] {
            let impact = Reading::impact(Duration::from_secs(before), Duration::from_secs(after));
            assert_eq!(impact, Reading::Percent(percent), "{before} s, then {after} s");
        }
        let took = Reading::impact(Duration::ZERO, Duration::from_millis(6));
        assert_eq!(took, Reading::Micros(6_000));
    }

    #[test]
    fn a_duration_becomes_microseconds_and_a_position_its_text() {
        assert_eq!(Reading::from(Duration::from_secs(2)), Reading::Micros(2_000_000));
        assert_eq!(Reading::from(Duration::from_nanos(3_999)), Reading::Micros(3));
        assert_eq!(Reading::from(Duration::MAX), Reading::Micros(u64::MAX));
        assert_eq!(Reading::from(Lsn::from(0x1_0300_0060)), Reading::Lsn("1/3000060".to_owned()));
    }

    #[test]
    fn a_unit_is_used_from_one_of_it_up_to_a_thousand() {
        let micros = [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1 ms"),
            (1_040, "1.0 ms"),
            (999_000, "999 ms"),
            (1_000_000, "1 s"),
            (7_200_000_000, "7200 s"),
        ];
        for (value, shown) in micros {
            assert_eq!(Reading::Micros(value).to_string(), shown, "{value} µs");
        }
        let bytes = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1 kB"),
            (999_900, "999.9 kB"),
            (1_000_000, "1 MB"),
            (2_500_000_000, "2.5 GB"),
            (1_000_000_000_000, "1 TB"),
            (5_000_000_000_000_000, "5000 TB"),
        ];
        for (value, shown) in bytes {
            assert_eq!(Reading::Bytes(value).to_string(), shown, "{value} bytes");
        }
        let rates = [
            (999.0, "999 B/s"),
            (1_000.0, "1 kB/s"),
            (2_500_000.0, "2.5 MB/s"),
            (1e9, "1 GB/s"),
            (4e12, "4000 GB/s"),
        ];
        for (value, shown) in rates {
            assert_eq!(Reading::Rate(value, "bytes".to_owned()).to_string(), shown, "{value}");
        }
    }

    #[test]
    fn decimals_end_where_a_number_is_large_enough_and_thousands_are_separated() {
        for (rate, shown) in [
            (0.004, "0.00 rows/s"),
            (9.994, "9.99 rows/s"),
            (10.0, "10 rows/s"),
            (999.4, "999 rows/s"),
            (1_000.0, "1 000 rows/s"),
            (1_234_567.0, "1 234 567 rows/s"),
        ] {
            assert_eq!(Reading::Rate(rate, "rows".to_owned()).to_string(), shown);
        }
        for (percent, shown) in
            [(-99.96, "-100.0 %"), (99.94, "99.9 %"), (100.0, "100 %"), (1_050.0, "1 050 %")]
        {
            assert_eq!(Reading::Percent(percent).to_string(), shown);
        }
        for (count, shown) in
            [(0, "0"), (12, "12"), (999, "999"), (12_345, "12 345"), (1_000_000, "1 000 000")]
        {
            assert_eq!(Reading::Count(count).to_string(), shown);
        }
        assert_eq!(Reading::Lsn("0/16B3748".to_owned()).to_string(), "0/16B3748");
        let points = vec![(0.0, 5.0), (1.0, 7.0), (2.0, 6.0)];
        let series = Reading::Series(points, "bytes".to_owned());
        assert_eq!(series.to_string(), "3 points of bytes");
    }
}
