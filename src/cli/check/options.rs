//! The arguments of `lab check`, and the thresholds that they set. Nothing here reaches a server.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::formats::Format;
use crate::health::{Expected, Levels, Thresholds};

/// The arguments of `lab check`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A connection string or URI, as psql takes it; parameters that it omits come from PGHOST, PGPORT,
    /// PGUSER, PGDATABASE, PGSSLMODE, PGSSLROOTCERT, …
    #[arg(default_value = "", hide_default_value = true)]
    pub(super) target: String,
    /// Sets the level above which a value is a WARNING: `20MB` sets it for lag, `NAME=VALUE` for one of
    /// lag, slot, archive, xmin
    #[arg(long, value_name = "[NAME=]VALUE", value_parser = level)]
    warning: Vec<(What, u64)>,
    /// Sets the level above which a value is CRITICAL
    #[arg(long, value_name = "[NAME=]VALUE", value_parser = level)]
    critical: Vec<(What, u64)>,
    /// Sets the level above which a value is INFO; INFO leaves the exit code 0
    #[arg(long, value_name = "[NAME=]VALUE", value_parser = level)]
    info: Vec<(What, u64)>,
    /// The output format
    #[arg(long, value_enum, default_value = "nagios")]
    pub(super) format: Format,
    /// Makes it CRITICAL if the server has the other role
    #[arg(long, value_enum)]
    expect: Option<Role>,
    /// Makes it CRITICAL if fewer than NUMBER standbys stream from the server
    #[arg(long, value_name = "NUMBER")]
    standbys: Option<u64>,
    /// The longest time that the whole check may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(super) timeout: Duration,
}

/// The end of `lab check --help`.
pub(crate) const HELP: &str = "Examples:
  lab check 'host=db1 user=monitor dbname=postgres'
  lab check --expect primary --standbys 2 postgresql://monitor@db1/postgres
  lab check --standbys 2 'postgresql://monitor@db1,db2/postgres?target_session_attrs=primary'
  lab check 'host=db.example.org user=monitor sslmode=verify-full sslrootcert=system'
  lab check --warning 50MB --critical 500MB --warning slot=5GB 'host=db1 user=monitor'
  lab check --format prometheus 'host=db1 user=monitor' >replication.prom

The check judges any server from PostgreSQL 13 on, primary or standby, in one read-only transaction. \
Its role needs pg_monitor and nothing else: CREATE ROLE monitor LOGIN PASSWORD '…' IN ROLE pg_monitor.

The password comes from PGPASSWORD or from the password file (PGPASSFILE or ~/.pgpass; its mode must \
be 0600). TLS works as in psql, but a certificate must have the host's name as a subjectAltName. \
If the string names several hosts, the check judges only the first one that answers and matches \
target_session_attrs. Check each server separately, and use --expect.

Exit codes: 0 OK; 1 WARNING; 2 CRITICAL, also if the server does not answer; 3 UNKNOWN, also for a \
wrong argument, a refused password or refused TLS. INFO, and NONE (the server has nothing to judge, \
such as a slot or an archive), leave the exit code 0.

Default levels: lag INFO above 1MB, WARNING above 10MB, CRITICAL above 100MB; slot (WAL that a slot \
retains) WARNING above 1GB, CRITICAL above 10GB; archive (WAL files that wait to be archived) 10 and \
100; xmin (age in transactions) 10000000 and 100000000. 1MB is 1000000 bytes.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// A server that accepts writes
    Primary,
    /// A server in recovery
    Standby,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Lag,
    Slot,
    Archive,
    Xmin,
}

impl Options {
    /// Returns what the caller expects of the server.
    pub(super) fn expected(&self) -> Expected {
        let in_recovery = self.expect.map(|role| matches!(role, Role::Standby));
        Expected { in_recovery, standbys: self.standbys }
    }

    /// Returns the default thresholds with the given levels set.
    ///
    /// # Errors
    ///
    /// A WARNING level is above the CRITICAL level of the same check: no value could be a WARNING.
    pub(super) fn thresholds(&self) -> Result<Thresholds, String> {
        let mut thresholds = Thresholds::default();
        for (what, value) in &self.info {
            levels(&mut thresholds, *what).info = Some(*value);
        }
        for (what, value) in &self.warning {
            levels(&mut thresholds, *what).warning = *value;
        }
        for (what, value) in &self.critical {
            levels(&mut thresholds, *what).critical = *value;
        }
        for (name, what) in NAMES {
            let Levels { warning, critical, .. } = *levels(&mut thresholds, what);
            if warning > critical {
                return Err(format!(
                    "the levels of {name} contradict each other: WARNING above {warning}, CRITICAL \
                     already above {critical}. Give both: --warning {name}=… --critical {name}=…"
                ));
            }
        }
        Ok(thresholds)
    }
}

fn levels(thresholds: &mut Thresholds, what: What) -> &mut Levels {
    match what {
        What::Lag => &mut thresholds.lag,
        What::Slot => &mut thresholds.slot_retained,
        What::Archive => &mut thresholds.archive_waiting,
        What::Xmin => &mut thresholds.oldest_xmin,
    }
}

const NAMES: [(&str, What); 4] =
    [("lag", What::Lag), ("slot", What::Slot), ("archive", What::Archive), ("xmin", What::Xmin)];

/// Parses `20MB` or `slot=1GB`. Files and transactions are numbers without a unit.
fn level(text: &str) -> Result<(What, u64), String> {
    let (name, value) = text.split_once('=').unwrap_or(("lag", text));
    let (_, what) = NAMES.into_iter().find(|(known, _)| *known == name).ok_or_else(|| {
        format!("{name:?} is not a check that has levels: use lag, slot, archive or xmin")
    })?;
    let end = value.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(value.len());
    let (digits, unit) = value.split_at(end);
    let is_bytes = matches!(what, What::Lag | What::Slot);
    let unit = match unit.trim() {
        "" => Some(1),
        "B" if is_bytes => Some(1),
        "kB" if is_bytes => Some(1_000),
        "MB" if is_bytes => Some(1_000_000),
        "GB" if is_bytes => Some(1_000_000_000),
        "TB" if is_bytes => Some(1_000_000_000_000),
        _ => None,
    };
    let number: Option<u64> = digits.parse().ok();
    match number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit)) {
        Some(value) => Ok((what, value)),
        None => Err(if is_bytes {
            format!("{value:?} is not a size: use a number with B, kB, MB, GB or TB, such as 20MB")
        } else {
            format!("{value:?} is not a whole number")
        }),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "give a number of seconds from 0.1 to 3600".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_as_people_write_them() {
        assert_eq!(level("20MB"), Ok((What::Lag, 20_000_000)));
        assert_eq!(level("slot=5 GB"), Ok((What::Slot, 5_000_000_000)));
        assert_eq!(level("xmin=7"), Ok((What::Xmin, 7)));
        for (text, part) in [
            ("lots", "not a size"),
            ("10MiB", "not a size"),
            ("xmin=7MB", "whole number"),
            ("99999999999TB", "not a size"),
            ("leg=1", "use lag, slot"),
        ] {
            let error = level(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(seconds("0").is_err() && seconds("inf").is_err() && seconds("soon").is_err());
    }

    #[test]
    fn levels_that_contradict_each_other_are_refused() {
        let given = |warning, critical| Options {
            target: String::new(),
            info: vec![(What::Lag, 5)],
            warning,
            critical,
            format: Format::Nagios,
            expect: None,
            standbys: None,
            timeout: Duration::ZERO,
        };
        let above = |value| vec![(What::Lag, value)];
        let thresholds = given(above(10), above(10)).thresholds().unwrap();
        assert_eq!(thresholds.lag, Levels { info: Some(5), warning: 10, critical: 10 });
        assert_eq!(thresholds.oldest_xmin, Thresholds::default().oldest_xmin);
        let error = given(above(200_000_000), Vec::new()).thresholds().unwrap_err();
        assert!(error.contains("lag contradict each other: WARNING above 200000000"), "{error}");
    }
}
