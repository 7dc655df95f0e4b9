//! Reads from `synchronous_standby_names` how many standbys must confirm a commit, and from
//! `synchronous_commit` what they must confirm. It never decides which ones: the server shows that in
//! `sync_state`.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use crate::stat::rows::Replication;
use crate::wal::Lsn;

/// What a synchronous standby must have done before a commit ends (manual: `synchronous_commit`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// `remote_write`.
    Written,
    /// `on`.
    Flushed,
    /// `remote_apply`.
    Replayed,
}

impl Level {
    /// Reads a value of `synchronous_commit`; returns `None` for `local` and `off`, with which commits wait
    /// for no standby.
    pub(super) fn read(level: &str) -> Option<Self> {
        match level {
            "local" | "off" => None,
            "remote_write" => Some(Self::Written),
            "remote_apply" => Some(Self::Replayed),
            _ => Some(Self::Flushed),
        }
    }

    /// Returns the position of a standby that this level waits for.
    pub(super) fn position(self, row: &Replication) -> Option<Lsn> {
        match self {
            Self::Written => row.write_lsn,
            Self::Flushed => row.flush_lsn,
            Self::Replayed => row.replay_lsn,
        }
    }

    /// Returns the lag of that position, in time.
    pub(super) fn lag(self, row: &Replication) -> Option<Duration> {
        match self {
            Self::Written => row.write_lag,
            Self::Flushed => row.flush_lag,
            Self::Replayed => row.replay_lag,
        }
    }

    /// Returns what the standby has done, as a participle.
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Flushed => "flushed",
            Self::Replayed => "replayed",
        }
    }
}

/// The number of confirmations that a commit needs (manual: `synchronous_standby_names`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Number of standbys that must confirm.
    pub(super) needed: u64,
}

impl Rule {
    /// Reads a value that the server has accepted; returns `None` for an empty one.
    pub(super) fn read(names: &str) -> Option<Self> {
        static NUMBER: LazyLock<Option<Regex>> =
            LazyLock::new(|| Regex::new(r"^\s*(?:[A-Za-z]+\s*)?(\d+)\s*\(").ok());
        if names.trim().is_empty() {
            return None;
        }
        let number = NUMBER.as_ref().and_then(|number| number.captures(names)?.get(1));
        let needed = number.and_then(|number| number.as_str().parse().ok());
        Some(Self { needed: needed.unwrap_or(1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_the_manual_has() {
        for (names, needed) in [
            ("FIRST 2 (s1, s2, s3)", 2),
            ("any 3(s1,s2,s3)", 3),
            ("2 (s1, s2)", 2),
            ("*", 1),
            ("s1", 1),
            ("\"2 (odd\", s2", 1),
        ] {
            assert_eq!(Rule::read(names), Some(Rule { needed }), "{names}");
        }
        assert_eq!(Rule::read("  "), None);
    }
}
