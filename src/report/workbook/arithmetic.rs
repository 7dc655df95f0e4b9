//! What follows from a notebook's own figures by arithmetic: no run is needed to judge it.

use serde::Deserialize;

use crate::record::reading::Reading;
use crate::wal::Lsn;

/// A calculation from figures that stand in the notebook.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) enum Reckoned {
    /// The WAL between two positions, in bytes.
    Wal { from: String, to: String, bytes: u64 },
    /// The minutes between two times of one day.
    Minutes { from: String, to: String, minutes: u32 },
    /// A share in percent.
    Share { part: u32, of: u32 },
    /// Rows in a time, in milliseconds.
    Rate { rows: u32, milliseconds: f64 },
}

/// A calculation as written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    from: Option<String>,
    to: Option<String>,
    part: Option<u32>,
    of: Option<u32>,
    rows: Option<u32>,
    milliseconds: Option<f64>,
}

impl TryFrom<Written> for Reckoned {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { from, to, part, of, rows, milliseconds } = written;
        match (from, to, part, of, rows, milliseconds) {
            (Some(from), Some(to), None, None, None, None) => difference(from, to),
            (None, None, Some(part), Some(of), None, None) if of > 0 => {
                Ok(Self::Share { part, of })
            }
            (None, None, None, None, Some(rows), Some(milliseconds)) if milliseconds > 0.0 => {
                Ok(Self::Rate { rows, milliseconds })
            }
            _ => Err("a calculation has `from` and `to`, or `part` and `of`, or `rows` and \
                      `milliseconds`; none is 0 where it divides"
                .to_owned()),
        }
    }
}

fn difference(from: String, to: String) -> Result<Reckoned, String> {
    if let (Ok(begin), Ok(end)) = (from.parse::<Lsn>(), to.parse::<Lsn>()) {
        let bytes = u64::from(end).checked_sub(u64::from(begin));
        let bytes = bytes.ok_or_else(|| format!("{to} is before {from}"))?;
        return Ok(Reckoned::Wal { from, to, bytes });
    }
    let minutes = minute(&to).zip(minute(&from)).and_then(|(end, begin)| end.checked_sub(begin));
    match minutes {
        Some(minutes) => Ok(Reckoned::Minutes { from, to, minutes }),
        None => Err(format!("{from} and {to} are neither two LSNs nor two times, in this order")),
    }
}

/// Returns the minute of the day: `07:43` is 463.
fn minute(clock: &str) -> Option<u32> {
    let (hour, minute) = clock.split_once(':')?;
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

impl Reckoned {
    /// Returns the calculation and its result, in words.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Wal { from, to, bytes } => {
                let rounded = match bytes {
                    0..1000 => String::new(),
                    _ => format!(", {}", Reading::Bytes(*bytes)),
                };
                format!("{to} − {from} = {bytes} bytes{rounded}")
            }
            Self::Minutes { from, to, minutes } => {
                format!("from {from} to {to}: {minutes} minutes")
            }
            Self::Share { part, of } => {
                let percent = f64::from(*part) * 100.0 / f64::from(*of);
                format!("{part} of {of}: {}", Reading::Percent(percent))
            }
            Self::Rate { rows, milliseconds } => {
                let rate = f64::from(*rows) * 1000.0 / milliseconds;
                let rate = Reading::Rate(rate, "rows".to_owned());
                format!("{rows} rows in {milliseconds} ms: {rate}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::Reckoned;

    fn read(text: &str) -> Result<Reckoned, String> {
        toml::from_str::<std::collections::BTreeMap<String, Reckoned>>(&format!("x = {text}"))
            .map_err(|error| error.to_string())
            .and_then(|mut one| one.remove("x").ok_or_else(String::new))
    }

    #[test]
    fn a_calculation_shows_its_result() {
        let cases = [
            (r#"{ from = "0/639EC30", to = "0/639EDC0" }"#, "0/639EDC0 − 0/639EC30 = 400 bytes"),
            (
                r#"{ from = "0/3020A50", to = "0/4E54DA0" }"#,
                "0/4E54DA0 − 0/3020A50 = 31671120 bytes, 31.7 MB",
            ),
            (r#"{ from = "08:40", to = "09:30" }"#, "from 08:40 to 09:30: 50 minutes"),
            ("{ part = 4, of = 10 }", "4 of 10: 40.0 %"),
            ("{ rows = 1000, milliseconds = 8.89 }", "1000 rows in 8.89 ms: 112 486 rows/s"),
        ];
        for (text, shown) in cases {
            assert_eq!(read(text).map(|one| one.shown()), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_calculated_is_refused() {
        let cases = [
            r#"{ from = "0/2", to = "0/1" }"#,
            r#"{ from = "09:30", to = "08:40" }"#,
            r#"{ from = "09:30", to = "24:00" }"#,
            r#"{ from = "0/2" }"#,
            "{ part = 4, of = 0 }",
            "{ rows = 4, milliseconds = 0.0 }",
            "{ part = 4, of = 10, rows = 1 }",
            "{ other = 1 }",
        ];
        for text in cases {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
