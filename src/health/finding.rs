//! Findings, the result of a judgement, and the thresholds it uses. Plain data: nothing here observes a
//! server.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::pattern::Pattern;
use crate::record::reading::Reading;

/// The severity of a finding, in ascending order.
///
/// `UNKNOWN` ranks between `INFO` and `WARNING`: a check that could not be made is worse than a remark,
/// and not as bad as a known problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Severity {
    /// The server has nothing that this check judges, such as a slot or an archive.
    None,
    /// As it should be.
    Ok,
    /// Worth knowing; no action is needed.
    Info,
    /// The check could not be made.
    Unknown,
    /// A problem that needs attention.
    Warning,
    /// A problem that needs attention at once.
    Critical,
}

/// The thresholds of one check. A level applies to values greater than it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Levels {
    /// Values above it are `INFO`; without it, none are.
    pub info: Option<u64>,
    /// Values above it are `WARNING`.
    pub warning: u64,
    /// Values above it are `CRITICAL`.
    pub critical: u64,
}

/// The thresholds of all checks that have some. The defaults equal those of `fixtures/sql/monitoring/alerts.sql`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Bytes of WAL that a standby has not replayed.
    pub lag: Levels,
    /// Seconds for which WAL has waited to be replayed on a standby.
    pub lag_time: Levels,
    /// Bytes of WAL that a standby has not flushed to its disk.
    pub flush: Levels,
    /// Seconds for which WAL has waited for the confirmation that commits wait for.
    pub commit_wait: Levels,
    /// Bytes of WAL that a slot retains.
    pub slot_retained: Levels,
    /// How much of `max_slot_wal_keep_size` the WAL of a slot takes, in percent.
    pub slot_used: Levels,
    /// Number of WAL files that wait to be archived.
    pub archive_waiting: Levels,
    /// Seconds for which the oldest WAL file has waited to be archived.
    pub archive_age: Levels,
    /// Age of the oldest xmin, in transactions: what vacuum must keep since then.
    pub oldest_xmin: Levels,
    /// Age of the oldest transaction, in seconds.
    pub oldest_transaction: Levels,
    /// Age of the oldest prepared transaction, in seconds.
    pub oldest_prepared: Levels,
}

impl Default for Thresholds {
    fn default() -> Self {
        let levels = |info, warning, critical| Levels { info, warning, critical };
        Self {
            lag: levels(Some(1_000_000), 10_000_000, 100_000_000),
            lag_time: levels(None, 30, 300),
            flush: levels(Some(1_000_000), 10_000_000, 100_000_000),
            commit_wait: levels(None, 1, 5),
            slot_retained: levels(None, 1_000_000_000, 10_000_000_000),
            slot_used: levels(None, 80, 95),
            archive_waiting: levels(None, 10, 100),
            archive_age: levels(None, 60, 600),
            oldest_xmin: levels(None, 10_000_000, 100_000_000),
            oldest_transaction: levels(Some(3_600), 21_600, 86_400),
            oldest_prepared: levels(None, 300, 3_600),
        }
    }
}

/// What the caller expects of a server. A field that is `None` or empty is not judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// `true` expects a standby, `false` a primary.
    pub in_recovery: Option<bool>,
    /// The least number of standbys that stream from it.
    pub standbys: Option<u64>,
    /// The names of standbys that must stream from it.
    pub named: Vec<String>,
    /// Standbys that are delayed on purpose (`recovery_min_apply_delay`), by name.
    pub delayed: Vec<(String, Duration)>,
    /// Slots that are not judged.
    pub excluded_slots: Vec<Pattern>,
    /// Standbys, and other clients, that are neither judged nor counted.
    pub excluded_standbys: Vec<Pattern>,
}

/// The result of one check. Good results are findings, too: an alert clears when its check is OK again.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The name of the check. Names are stable: monitoring systems refer to them.
    pub name: &'static str,
    /// The standby, slot or server that was judged, where there can be several.
    pub subject: Option<String>,
    /// The severity.
    pub severity: Severity,
    /// The result as a sentence for people. Its wording may change.
    pub sentence: String,
    /// The figure that was judged, or that belongs to the result.
    pub figure: Option<Figure>,
}

/// A figure, in the base unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Figure {
    /// The name, without the unit.
    pub name: &'static str,
    /// The value, in `unit`.
    pub value: f64,
    /// The unit.
    pub unit: Unit,
    /// The thresholds it was compared with, if any.
    pub levels: Option<Levels>,
}

/// The unit of a figure: a base unit, as Prometheus recommends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Files.
    Files,
    /// Transactions.
    Transactions,
    /// Percent.
    Percent,
    /// A number of things; or yes (1) and no (0).
    Count,
}

impl Levels {
    /// Returns the severity of a value.
    pub fn judge(&self, value: u64) -> Severity {
        match value {
            value if value > self.critical => Severity::Critical,
            value if value > self.warning => Severity::Warning,
            value if self.info.is_some_and(|info| value > info) => Severity::Info,
            _ => Severity::Ok,
        }
    }

    /// Returns the severity of a duration, where the thresholds are seconds.
    pub(super) fn judge_time(&self, time: Duration) -> Severity {
        // A part of a second above a level is above it.
        self.judge(time.as_secs() + u64::from(time.subsec_nanos() > 0))
    }

    /// Names the level that a value is above, as the end of a sentence; empty where it is above none.
    pub(super) fn above(&self, severity: Severity, shown: impl Fn(u64) -> String) -> String {
        let level = match severity {
            Severity::Info => self.info,
            Severity::Warning => Some(self.warning),
            Severity::Critical => Some(self.critical),
            Severity::None | Severity::Ok | Severity::Unknown => None,
        };
        level.map_or_else(String::new, |level| {
            format!(", above the {severity} level of {}", shown(level))
        })
    }
}

/// Shows a number of bytes for people.
pub(super) fn bytes(bytes: u64) -> String {
    Reading::Bytes(bytes).to_string()
}

/// Shows a number of seconds for people.
pub(super) fn seconds(seconds: u64) -> String {
    format!("{seconds} s")
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "NONE",
            Self::Ok => "OK",
            Self::Info => "INFO",
            Self::Unknown => "UNKNOWN",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        })
    }
}

impl Finding {
    /// Creates a finding without a subject and without a figure.
    pub fn new(name: &'static str, severity: Severity, sentence: impl Into<String>) -> Self {
        Self { name, subject: None, severity, sentence: sentence.into(), figure: None }
    }

    pub(super) fn of(mut self, subject: &str) -> Self {
        self.subject = Some(subject.to_owned());
        self
    }

    pub(super) fn counting(self, name: &'static str, value: u64, unit: Unit) -> Self {
        self.with(name, value, unit, None)
    }

    #[expect(clippy::cast_precision_loss, reason = "figures stay below two to the 53")]
    pub(super) fn with(
        mut self,
        name: &'static str,
        value: u64,
        unit: Unit,
        levels: Option<Levels>,
    ) -> Self {
        self.figure = Some(Figure { name, value: value as f64, unit, levels });
        self
    }

    /// Adds a duration as the figure, in seconds.
    pub(super) fn lasting(mut self, name: &'static str, time: Duration, levels: Levels) -> Self {
        let (value, unit, levels) = (time.as_secs_f64(), Unit::Seconds, Some(levels));
        self.figure = Some(Figure { name, value, unit, levels });
        self
    }
}

/// Returns the worst severity; `UNKNOWN` without a finding.
pub fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Unknown)
}
