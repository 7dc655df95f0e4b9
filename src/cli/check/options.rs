//! The arguments of `lab check`, and the thresholds that they set. Nothing here reaches a server.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::formats::Format;
use crate::health::{Expected, Levels, Pattern, Thresholds};

/// The arguments of `lab check`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A connection string or URI, as psql takes it; parameters that it omits come from PGHOST, PGPORT,
    /// PGUSER, PGDATABASE, PGSSLMODE, PGSSLROOTCERT, …
    #[arg(default_value = "", hide_default_value = true)]
    pub(super) target: String,
    /// Sets the levels above which values are a WARNING, as NAME=VALUE[,VALUE]: `lag=20MB,30s`. A value
    /// without a name is for lag. The names are lag, flush, commit, slot, archive, xmin, transaction and
    /// prepared
    #[arg(long, value_name = "[NAME=]VALUE", value_parser = level)]
    warning: Vec<Given>,
    /// Sets the levels above which values are CRITICAL
    #[arg(long, value_name = "[NAME=]VALUE", value_parser = level)]
    critical: Vec<Given>,
    /// Sets the levels above which values are INFO; INFO leaves the exit code 0
    #[arg(long, value_name = "[NAME=]VALUE", value_parser = level)]
    info: Vec<Given>,
    /// The output format
    #[arg(long, value_enum, default_value = "nagios")]
    pub(super) format: Format,
    /// Makes it CRITICAL if the server has the other role
    #[arg(long, value_enum)]
    expect: Option<Role>,
    /// Makes it CRITICAL if fewer than NUMBER standbys stream from the server
    #[arg(long, value_name = "NUMBER")]
    standbys: Option<u64>,
    /// Makes it CRITICAL if no standby with this `application_name` streams from the server; can be repeated
    #[arg(long, value_name = "NAME")]
    standby: Vec<String>,
    /// Names a standby that is delayed on purpose (`recovery_min_apply_delay`), so that its delay is no lag:
    /// `reports=1h`; can be repeated
    #[arg(long, value_name = "NAME=TIME", value_parser = delay)]
    delayed: Vec<(String, Duration)>,
    /// Leaves out the slots whose names match: `*` stands for any characters, `?` for one; can be repeated
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    exclude_slot: Vec<Pattern>,
    /// Leaves out the standbys, and other clients, whose `application_name` matches; can be repeated
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    exclude_standby: Vec<Pattern>,
    /// The primary of a standby, as a second connection string: the lag is then measured against the
    /// primary's own position, also where WAL comes from an archive
    #[arg(long, value_name = "TARGET")]
    pub(super) upstream: Option<String>,
    /// Adds a label to every Prometheus series: `cluster=main`. `server` replaces the address; can be
    /// repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub(super) label: Vec<(String, String)>,
    /// Writes the output to a file, through a temporary file beside it, so that a reader never sees a part
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
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
  lab check --warning lag=50MB,60s --warning archive=20,5min 'host=db1 user=monitor'
  lab check --standby db2 --standby db3 --exclude-slot 'patroni_*' 'host=db1 user=monitor'
  lab check --upstream 'host=db1 user=monitor' 'host=db2 user=monitor'
  lab check --format prometheus --output replication.prom 'host=db1 user=monitor'

The check judges any server from PostgreSQL 13 on, primary or standby, in one read-only transaction. \
Its role needs pg_monitor and nothing else: CREATE ROLE monitor LOGIN PASSWORD '…' IN ROLE pg_monitor.

The password comes from PGPASSWORD or from the password file (PGPASSFILE or ~/.pgpass; its mode must \
be 0600). TLS works as in psql. \
If the string names several hosts, the check judges only the first one that answers and matches \
target_session_attrs. Check each server separately, and use --expect.

Exit codes: 0 OK; 1 WARNING; 2 CRITICAL, also if the server does not answer; 3 UNKNOWN, also for a \
wrong argument, a refused password or refused TLS. INFO, and NONE (the server has nothing to judge, \
such as a slot or an archive), leave the exit code 0.

Only a server that replays WAL is a standby: base backups, pg_receivewal, logical subscribers and \
connections that do not stream are listed, and neither counted nor alerted about.

Default levels, as INFO / WARNING / CRITICAL: lag 1MB / 10MB / 100MB and - / 30s / 5min; flush (WAL that \
a standby has not flushed) 1MB / 10MB / 100MB; commit (WAL that waits for a synchronous standby) - / 1s / \
5s; slot (WAL that a slot retains) - / 1GB / 10GB and - / 80% / 95% of max_slot_wal_keep_size; archive \
(WAL files that wait to be archived) - / 10 / 100 and - / 60s / 10min; xmin (age in transactions) - / \
10000000 / 100000000; transaction (age of the oldest) 1h / 6h / 24h; prepared (age of the oldest prepared \
transaction) - / 5min / 1h. 1MB is 1000000 bytes.";

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
    LagTime,
    Flush,
    CommitWait,
    Slot,
    SlotUsed,
    Archive,
    ArchiveAge,
    Xmin,
    Transaction,
    Prepared,
}

/// The levels of one argument, such as `lag=10MB,30s`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Given(Vec<(What, u64)>);

/// What a value measures: its unit says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Bytes,
    Time,
    Percent,
    Number,
}

/// The names of the checks that have levels, with what each value of them measures.
const NAMES: [(&str, Measure, What); 11] = [
    ("lag", Measure::Bytes, What::Lag),
    ("lag", Measure::Time, What::LagTime),
    ("flush", Measure::Bytes, What::Flush),
    ("commit", Measure::Time, What::CommitWait),
    ("slot", Measure::Bytes, What::Slot),
    ("slot", Measure::Percent, What::SlotUsed),
    ("archive", Measure::Number, What::Archive),
    ("archive", Measure::Time, What::ArchiveAge),
    ("xmin", Measure::Number, What::Xmin),
    ("transaction", Measure::Time, What::Transaction),
    ("prepared", Measure::Time, What::Prepared),
];

impl Options {
    /// Returns what the caller expects of the server.
    pub(super) fn expected(&self) -> Expected {
        Expected {
            in_recovery: self.expect.map(|role| matches!(role, Role::Standby)),
            standbys: self.standbys,
            named: self.standby.clone(),
            delayed: self.delayed.clone(),
            excluded_slots: self.exclude_slot.clone(),
            excluded_standbys: self.exclude_standby.clone(),
        }
    }

    /// Returns the default thresholds with the given levels set.
    ///
    /// # Errors
    ///
    /// A WARNING level is above the CRITICAL level of the same check: no value could be a WARNING.
    pub(super) fn thresholds(&self) -> Result<Thresholds, String> {
        let mut thresholds = Thresholds::default();
        let all =
            |given: &[Given]| given.iter().flat_map(|given| given.0.clone()).collect::<Vec<_>>();
        for (what, value) in all(&self.info) {
            levels(&mut thresholds, what).info = Some(value);
        }
        for (what, value) in all(&self.warning) {
            levels(&mut thresholds, what).warning = value;
        }
        for (what, value) in all(&self.critical) {
            levels(&mut thresholds, what).critical = value;
        }
        for (name, _, what) in NAMES {
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
        What::LagTime => &mut thresholds.lag_time,
        What::Flush => &mut thresholds.flush,
        What::CommitWait => &mut thresholds.commit_wait,
        What::Slot => &mut thresholds.slot_retained,
        What::SlotUsed => &mut thresholds.slot_used,
        What::Archive => &mut thresholds.archive_waiting,
        What::ArchiveAge => &mut thresholds.archive_age,
        What::Xmin => &mut thresholds.oldest_xmin,
        What::Transaction => &mut thresholds.oldest_transaction,
        What::Prepared => &mut thresholds.oldest_prepared,
    }
}

/// Parses `20MB`, `slot=1GB` or `lag=20MB,30s`.
fn level(text: &str) -> Result<Given, String> {
    let (name, values) = text.split_once('=').unwrap_or(("lag", text));
    let measures: Vec<_> = NAMES.into_iter().filter(|(known, ..)| *known == name).collect();
    if measures.is_empty() {
        return Err(format!(
            "{name:?} is not a check that has levels: use lag, flush, commit, slot, archive, xmin, \
             transaction or prepared"
        ));
    }
    let one = |value: &str| {
        let found =
            measures.iter().find_map(|(_, measure, what)| Some((*what, amount(value, *measure)?)));
        found.ok_or_else(|| {
            let forms: Vec<_> = measures.iter().map(|(_, measure, _)| form(*measure)).collect();
            format!("{value:?} is not a level of {name}: use {}", forms.join(", or "))
        })
    };
    values.split(',').map(one).collect::<Result<_, _>>().map(Given)
}

fn form(measure: Measure) -> &'static str {
    match measure {
        Measure::Bytes => "a size with B, kB, MB, GB or TB, such as 20MB",
        Measure::Time => "a time with s, min, h or d, such as 30s",
        Measure::Percent => "a share such as 80%",
        Measure::Number => "a whole number",
    }
}

/// Parses a number and its unit; returns `None` where the unit is not one of this measure.
fn amount(value: &str, measure: Measure) -> Option<u64> {
    let value = value.trim();
    let end = value.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(value.len());
    let (digits, unit) = value.split_at(end);
    let unit: u64 = match (measure, unit.trim()) {
        (Measure::Bytes | Measure::Number, "")
        | (Measure::Bytes, "B")
        | (Measure::Percent, "%")
        | (Measure::Time, "s") => 1,
        (Measure::Bytes, "kB") => 1_000,
        (Measure::Bytes, "MB") => 1_000_000,
        (Measure::Bytes, "GB") => 1_000_000_000,
        (Measure::Bytes, "TB") => 1_000_000_000_000,
        (Measure::Time, "min") => 60,
        (Measure::Time, "h") => 3_600,
        (Measure::Time, "d") => 86_400,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Parses `NAME=TIME`.
fn delay(text: &str) -> Result<(String, Duration), String> {
    let named = text.rsplit_once('=').and_then(|(name, time)| {
        Some((name.to_owned(), Duration::from_secs(amount(time, Measure::Time)?)))
    });
    let form = "give the standby's application_name and its delay with s, min, h or d: reports=1h";
    named.filter(|(name, _)| !name.is_empty()).ok_or_else(|| form.to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "clap takes a function that can fail")]
fn pattern(text: &str) -> Result<Pattern, String> {
    Ok(Pattern::new(text))
}

/// Parses `NAME=VALUE`, a label of Prometheus.
fn label(text: &str) -> Result<(String, String), String> {
    let own = ["check", "subject", "application_name", "slot_name"];
    let (name, value) = text.split_once('=').ok_or("give a label as NAME=VALUE")?;
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    let rest = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    match begins && rest && !name.starts_with("__") && !own.contains(&name) {
        true => Ok((name.to_owned(), value.to_owned())),
        false => Err(format!(
            "{name:?} cannot be a label: use letters, digits and _, and none of {}",
            own.join(", ")
        )),
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

    fn one(what: What, value: u64) -> Given {
        Given(vec![(what, value)])
    }

    #[test]
    fn levels_as_people_write_them() {
        assert_eq!(level("20MB"), Ok(one(What::Lag, 20_000_000)));
        assert_eq!(level("30s"), Ok(one(What::LagTime, 30)));
        let both = vec![(What::Lag, 10_000_000), (What::LagTime, 120)];
        assert_eq!(level("lag=10MB,2min"), Ok(Given(both)));
        assert_eq!(level("flush=5"), Ok(one(What::Flush, 5)));
        assert_eq!(level("commit=3s"), Ok(one(What::CommitWait, 3)));
        assert_eq!(level("slot=5 GB"), Ok(one(What::Slot, 5_000_000_000)));
        assert_eq!(level("slot=70%"), Ok(one(What::SlotUsed, 70)));
        let both = vec![(What::Archive, 20), (What::ArchiveAge, 3_600)];
        assert_eq!(level("archive=20,1h"), Ok(Given(both)));
        assert_eq!(level("xmin=7"), Ok(one(What::Xmin, 7)));
        assert_eq!(level("transaction=2d"), Ok(one(What::Transaction, 172_800)));
        assert_eq!(level("prepared=9s"), Ok(one(What::Prepared, 9)));
        for (text, part) in [
            ("lots", "use a size with B, kB, MB, GB or TB, such as 20MB, or a time"),
            ("10MiB", "\"10MiB\" is not a level of lag"),
            ("lag=10MB,", "\"\" is not a level of lag"),
            ("xmin=7MB", "whole number"),
            ("commit=7", "a time with s"),
            ("slot=7s", "or a share such as 80%"),
            ("99999999999TB", "a size"),
            ("leg=1", "use lag, flush"),
        ] {
            let error = level(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(seconds("0").is_err() && seconds("inf").is_err() && seconds("soon").is_err());
    }

    #[test]
    fn a_delay_and_a_label_have_a_name() {
        assert_eq!(delay("a=b=1h"), Ok(("a=b".to_owned(), Duration::from_secs(3_600))));
        for wrong in ["a", "=1h", "a=1", "a=soon"] {
            assert!(delay(wrong).is_err(), "{wrong}");
        }
        assert_eq!(label("dc=a=b"), Ok(("dc".to_owned(), "a=b".to_owned())));
        assert_eq!(label("server=x"), Ok(("server".to_owned(), "x".to_owned())));
        for wrong in ["a", "=x", "1a=x", "a-b=x", "check=x", "__name__=x", "slot_name=x"] {
            assert!(label(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn levels_that_contradict_each_other_are_refused() {
        let given = |warning, critical| Options {
            target: String::new(),
            info: vec![Given(vec![(What::Lag, 5)])],
            warning,
            critical,
            format: Format::Nagios,
            expect: None,
            standbys: None,
            standby: Vec::new(),
            delayed: Vec::new(),
            exclude_slot: Vec::new(),
            exclude_standby: Vec::new(),
            upstream: None,
            label: Vec::new(),
            output: None,
            timeout: Duration::ZERO,
        };
        let above = |value| vec![Given(vec![(What::Lag, value)])];
        let thresholds = given(above(10), above(10)).thresholds().unwrap();
        assert_eq!(thresholds.lag, Levels { info: Some(5), warning: 10, critical: 10 });
        assert_eq!(thresholds.oldest_xmin, Thresholds::default().oldest_xmin);
        let error = given(above(200_000_000), Vec::new()).thresholds().unwrap_err();
        assert!(error.contains("lag contradict each other: WARNING above 200000000"), "{error}");
        let times = vec![Given(vec![(What::LagTime, 301)])];
        let error = given(times, Vec::new()).thresholds().unwrap_err();
        assert!(error.contains("lag contradict each other: WARNING above 301"), "{error}");
    }

    /// Sets a level for every name and kind: each reaches thresholds of its own.
    #[test]
    fn every_name_sets_its_own_thresholds() {
        let mut thresholds = Thresholds::default();
        for (number, (_, _, what)) in (0..).zip(NAMES) {
            levels(&mut thresholds, what).critical = u64::MAX - number;
        }
        for (number, (name, _, what)) in (0..).zip(NAMES) {
            assert_eq!(levels(&mut thresholds, what).critical, u64::MAX - number, "{name}");
        }
    }
}
