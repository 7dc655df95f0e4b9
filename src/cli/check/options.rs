//! The arguments of `lab check`, and what its levels come to. It asks no server.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::formats::Format;
use crate::health::{Expected, Levels, Thresholds};

/// The arguments of `lab check`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A connection string or URI, as psql takes them; what it does not say comes from PGHOST, PGPORT,
    /// PGUSER, PGDATABASE, PGSSLMODE, PGSSLROOTCERT, …
    #[arg(default_value = "", hide_default_value = true)]
    pub(super) target: String,
    /// Above which value something is a WARNING: `20MB` (of lag), or `NAME=VALUE`, with NAME one of
    /// lag, slot, archive, xmin
    #[arg(long, value_name = "[NAME=]VALUE", value_parser = level)]
    warning: Vec<(What, u64)>,
    /// The same for CRITICAL
    #[arg(long, value_name = "[NAME=]VALUE", value_parser = level)]
    critical: Vec<(What, u64)>,
    /// The same for INFO, which says something and leaves the exit code 0
    #[arg(long, value_name = "[NAME=]VALUE", value_parser = level)]
    info: Vec<(What, u64)>,
    /// How the result is written
    #[arg(long, value_enum, default_value = "nagios")]
    pub(super) format: Format,
    /// CRITICAL if the server has the other role
    #[arg(long, value_enum)]
    expect: Option<Role>,
    /// CRITICAL if fewer standbys stream from the server
    #[arg(long, value_name = "NUMBER")]
    standbys: Option<u64>,
    /// How many seconds the whole check may take
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(super) timeout: Duration,
}

/// What `lab check --help` says at its end.
pub(crate) const HELP: &str = "Examples:
  lab check 'host=db1 user=monitor dbname=postgres'
  lab check --expect primary --standbys 2 postgresql://monitor@db1/postgres
  lab check --standbys 2 'postgresql://monitor@db1,db2/postgres?target_session_attrs=primary'
  lab check 'host=db.example.org user=monitor sslmode=verify-full sslrootcert=system'
  lab check --warning 50MB --critical 500MB --warning slot=5GB 'host=db1 user=monitor'
  lab check --format prometheus 'host=db1 user=monitor' >replication.prom

Any server from PostgreSQL 13 on, of either role, in a read-only transaction. The role needs \
pg_monitor and nothing else: CREATE ROLE monitor LOGIN PASSWORD '…' IN ROLE pg_monitor.

The password comes from PGPASSWORD or the password file (PGPASSFILE, ~/.pgpass, chmod 600). TLS is \
as psql has it; a certificate must have the host's name as a subjectAltName. Of several hosts the \
first one that answers (and has target_session_attrs) is looked at, and that alone: check each \
server by itself, and say what you --expect.

Exit codes: 0 OK, 1 WARNING, 2 CRITICAL (also: nobody answers), 3 UNKNOWN (also: bad arguments, \
wrong password, TLS refused).

Usual levels: lag INFO above 1MB, WARNING above 10MB, CRITICAL above 100MB; slot (WAL held back) \
1GB, 10GB; archive (files that wait) 10, 100; xmin (transactions) 10000000, 100000000. A MB is a \
million bytes.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// It takes writes
    Primary,
    /// It is in recovery
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
    /// What the server is said to be.
    pub(super) fn expected(&self) -> Expected {
        let in_recovery = self.expect.map(|role| matches!(role, Role::Standby));
        Expected { in_recovery, standbys: self.standbys }
    }

    /// The usual thresholds, but for those that were given.
    ///
    /// # Errors
    ///
    /// A WARNING that could never be seen, because CRITICAL begins below it.
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
                    "{name}: above {warning} is a WARNING that nobody sees, because above \
                     {critical} is CRITICAL: give both levels"
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

/// `20MB` or `slot=1GB`; files and transactions are bare numbers.
fn level(text: &str) -> Result<(What, u64), String> {
    let (name, value) = text.split_once('=').unwrap_or(("lag", text));
    let (_, what) = NAMES
        .into_iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("{name:?} is none of lag, slot, archive, xmin"))?;
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
            format!("{value:?} is no size, such as 500kB, 20MB or 1GB")
        } else {
            format!("{value:?} is no whole number")
        }),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "seconds, from 0.1 to 3600".to_owned())
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
            ("lots", "no size"),
            ("10MiB", "no size"),
            ("xmin=7MB", "whole number"),
            ("99999999999TB", "no size"),
            ("leg=1", "lag, slot"),
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
        assert!(error.contains("lag: above 200000000"), "{error}");
    }
}
