//! Times and sizes, written as in PostgreSQL's settings: `20ms`, `10kB`. No verb is named here.

use std::time::Duration;

/// The longest delay, in seconds: an hour.
const LONGEST: f64 = 3600.0;

/// Reads a time with its unit, above 0 and up to an hour.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0)];
    let seconds = quantity(text, &units).filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST);
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| format!("{text:?} is not a time such as 20ms, 1s or 1min"))
}

/// Reads a size with its unit, from one byte to less than 4 GB; a kB is 1024 bytes, as in
/// PostgreSQL.
pub(crate) fn size(text: &str) -> Result<u32, String> {
    const KB: f64 = 1024.0;
    let units = [("B", 1.0), ("kB", KB), ("MB", KB * KB), ("GB", KB * KB * KB)];
    let bytes = quantity(text, &units).filter(|bytes| *bytes >= 1.0 && *bytes <= u32::MAX.into());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "its range was checked"
    )]
    let size = bytes.map(|bytes| bytes as u32);
    size.ok_or_else(|| format!("{text:?} is not a size such as 500B, 10kB or 1MB"))
}

/// Reads a number followed by one of these units, in any case.
fn quantity(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(end)?;
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_as_postgresql_writes_them() {
        assert_eq!(time("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(time("0.5s"), Ok(Duration::from_millis(500)));
        assert_eq!(size("10kB"), Ok(10_240));
        assert_eq!(size("1mb"), Ok(1_048_576));
    }

    #[test]
    fn what_is_no_quantity_is_told_with_examples() {
        for text in ["", "20", "ms", "20 ms", "-1ms", "0ms", "2h", "90min", "1.2.3s"] {
            assert!(time(text).unwrap_err().contains("20ms"), "{text}");
        }
        for text in ["", "10", "kB", "0B", "0.5B", "4GB", "10k"] {
            assert!(size(text).unwrap_err().contains("10kB"), "{text}");
        }
    }

    #[test]
    fn every_unit_is_read_up_to_its_limit() {
        for (text, micros) in [
            ("1us", 1),
            ("3ms", 3_000),
            ("2s", 2_000_000),
            ("1.5min", 90_000_000),
            ("3600s", 3_600_000_000),
            ("60MIN", 3_600_000_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_micros(micros)), "{text}");
        }
        for text in ["3601s", "61min", "0us"] {
            assert!(time(text).is_err(), "{text}");
        }
        for (text, bytes) in [
            ("1B", 1),
            ("4294967295B", u32::MAX),
            ("2kB", 2_048),
            ("3MB", 3_145_728),
            ("1.5GB", 1_610_612_736),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["4294967296B", "0.9B"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
