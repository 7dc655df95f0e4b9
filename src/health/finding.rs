//! Findings and thresholds: what a judgement is made of and what it is made by. Plain data; nothing
//! here looks at a server.

use std::fmt;

use serde::Serialize;

/// How bad a finding is, from the best to the worst. What could not be looked at is worse than what
/// is merely worth knowing, and not as bad as what is known to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing, and nothing to do.
    Info,
    /// It could not be looked at.
    Unknown,
    /// To be looked after.
    Warning,
    /// To be looked after now.
    Critical,
}

/// From which values on something is how bad; it is so *above* each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Levels {
    /// Worth knowing.
    pub info: Option<u64>,
    /// To be looked after.
    pub warning: u64,
    /// To be looked after now.
    pub critical: u64,
}

/// All levels that can be set. The defaults are those of `fixtures/sql/monitoring/alerts.sql`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Bytes of WAL that a standby has not replayed.
    pub lag: Levels,
    /// Bytes of WAL that a slot holds back.
    pub slot_retained: Levels,
    /// WAL files that wait to be archived.
    pub archive_waiting: Levels,
    /// How many transactions ago the oldest one was that somebody still holds on to.
    pub oldest_xmin: Levels,
}

impl Default for Thresholds {
    fn default() -> Self {
        let levels = |info, warning, critical| Levels { info, warning, critical };
        Self {
            lag: levels(Some(1_000_000), 10_000_000, 100_000_000),
            slot_retained: levels(None, 1_000_000_000, 10_000_000_000),
            archive_waiting: levels(None, 10, 100),
            oldest_xmin: levels(None, 10_000_000, 100_000_000),
        }
    }
}

/// What a server should be, where somebody says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Should it be a standby, or a primary?
    pub in_recovery: Option<bool>,
    /// How many standbys should stream from it, at least?
    pub standbys: Option<u64>,
}

/// One thing that was judged. All are given, the good ones too: an alert clears by being good again.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was judged; the names do not change.
    pub name: &'static str,
    /// Of which standby, slot or server.
    pub subject: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// The same for people.
    pub sentence: String,
    /// The figure it was judged by, or that goes with it.
    pub figure: Option<Figure>,
}

/// A figure, in the base unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Figure {
    /// What it is, without its unit.
    pub name: &'static str,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
    /// What it was compared with.
    pub levels: Option<Levels>,
}

/// Base units, as Prometheus wants them.
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
    /// A number of things, or yes (1) and no (0).
    Count,
}

impl Levels {
    /// How bad a value is.
    pub fn judge(&self, value: u64) -> Severity {
        match value {
            value if value > self.critical => Severity::Critical,
            value if value > self.warning => Severity::Warning,
            value if self.info.is_some_and(|info| value > info) => Severity::Info,
            _ => Severity::Ok,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Info => "INFO",
            Self::Unknown => "UNKNOWN",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        })
    }
}

impl Finding {
    /// A finding without a subject and without a figure.
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

    #[expect(clippy::cast_precision_loss, reason = "what is above two to the 53 is far too much")]
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
}

/// The worst of all.
pub fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Unknown)
}
