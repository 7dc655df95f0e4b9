//! WAL positions, timelines, names of WAL files, and history files. LSNs are [`Lsn`],
//! tokio-postgres's own type. Nothing here asks a server.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A position in the write-ahead log, such as `0/3EE4AD0` (manual: `pg_lsn` Type). PostgreSQL 19
/// prints eight digits after the slash; both forms parse.
pub type Lsn = tokio_postgres::types::PgLsn;

/// Returns the bytes of WAL from one position to another; 0 when `to` lies before `from`.
pub fn bytes_between(from: Lsn, to: Lsn) -> u64 {
    u64::from(to).saturating_sub(u64::from(from))
}

/// A timeline: every promotion starts a new one (manual: Continuous Archiving, Timelines).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeline(pub u32);

impl Timeline {
    /// Returns the name of this timeline's history file, in `pg_wal`.
    pub fn history_file(self) -> String {
        format!("{:08X}.history", self.0)
    }

    /// Returns the timeline in a WAL file's name, such as 2 of `000000020000000000000003`; none
    /// where the name is not that of a WAL file.
    ///
    /// ```
    /// use replication_lab::wal::Timeline;
    /// assert_eq!(Timeline::of_wal_file("000000020000000000000003"), Some(Timeline(2)));
    /// assert_eq!(Timeline::of_wal_file("backup_label"), None);
    /// ```
    pub fn of_wal_file(name: &str) -> Option<Self> {
        let hex = name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digits = name.get(..8).filter(|_| hex)?;
        u32::from_str_radix(digits, 16).ok().map(Self)
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One line of a history file: where a timeline branched off its parent, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The parent timeline.
    pub parent: Timeline,
    /// The position at which the new timeline begins.
    pub at: Lsn,
    /// The reason that PostgreSQL recorded.
    pub reason: String,
}

/// A timeline's whole history, oldest branch first, as its history file lists it. The file of
/// timeline 2 has one line, that of timeline 3 two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History(pub Vec<Branch>);

impl History {
    /// The branch that made the timeline of this history.
    pub fn newest(&self) -> Option<&Branch> {
        self.0.last()
    }
}

impl FromStr for History {
    type Err = Error;

    /// Reads the text of a history file (manual: Continuous Archiving, Timelines).
    ///
    /// # Errors
    ///
    /// A line has no parent timeline, LSN and reason: the error has the line.
    fn from_str(text: &str) -> Result<Self> {
        let bad = |line: &str| {
            let act = "reading a line of a history file as parent timeline, LSN and reason";
            Error::unreadable(act, format!("{line:?}"))
        };
        text.lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
            .map(|line| branch(line).ok_or_else(|| bad(line)))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn branch(line: &str) -> Option<Branch> {
    let mut fields = line.splitn(3, '\t');
    let parent: Result<u32, ParseIntError> = fields.next()?.trim().parse();
    let at = fields.next()?.trim().parse().ok()?;
    let reason = fields.next()?.trim().to_owned();
    Some(Branch { parent: Timeline(parent.ok()?), at, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_file_is_read_line_by_line() {
        let text = "1\t0/3EE4AD0\tno recovery target specified\n\n\
                    2\t0/5000060\tbefore 2026-11-23 22:29:01+00\n";
        let History(branches) = text.parse().unwrap();
        assert_eq!(branches.len(), 2);
        assert_eq!(
            branches[0],
            Branch {
                parent: Timeline(1),
                at: "0/3EE4AD0".parse().unwrap(),
                reason: "no recovery target specified".into()
            }
        );
        assert_eq!(branches[1].parent, Timeline(2));
    }

    #[test]
    fn nineteen_prints_lsns_with_leading_zeros() {
        let History(branches) = "1\t0/03EE4AD0\tpromoted\n".parse().unwrap();
        assert_eq!(branches[0].at, "0/3EE4AD0".parse().unwrap());
    }

    #[test]
    fn a_line_that_is_none_is_shown_in_the_error() {
        let error = "1 0/3EE4AD0 spaces".parse::<History>().unwrap_err();
        assert!(error.to_string().contains("1 0/3EE4AD0 spaces"));
    }

    #[test]
    fn bytes_never_go_below_zero() {
        let (low, high) = ("0/100".parse().unwrap(), "0/180".parse().unwrap());
        assert_eq!(bytes_between(low, high), 128);
        assert_eq!(bytes_between(high, low), 0);
    }

    #[test]
    fn the_history_file_of_timeline_two() {
        assert_eq!(Timeline(2).history_file(), "00000002.history");
        assert_eq!(Timeline(26).history_file(), "0000001A.history");
    }

    #[test]
    fn the_newest_branch_is_that_of_the_last_line() {
        let text = "1\t0/5000060\tfirst\n# a comment\n2\t0/3000000\tsecond\n4\t0/4000000\tthird\n";
        let history: History = text.parse().unwrap();
        let newest = Branch {
            parent: Timeline(4),
            at: "0/4000000".parse().unwrap(),
            reason: "third".to_owned(),
        };
        assert_eq!(history.newest(), Some(&newest));
        let parents: Vec<_> = history.0.iter().map(|branch| branch.parent.0).collect();
        assert_eq!(parents, [1, 2, 4]);
        assert_eq!("".parse::<History>().unwrap().newest(), None);
    }

    #[test]
    fn a_reason_keeps_its_tabs_and_a_line_of_blanks_is_none() {
        let History(branches) = " \n3\t0/60\tbefore\tnoon \n".parse().unwrap();
        let reasons: Vec<_> = branches.into_iter().map(|branch| branch.reason).collect();
        assert_eq!(reasons, ["before\tnoon"]);
        for line in ["x\t0/60\tr", "1\tx\tr", "1\t0/60", "1", "-1\t0/60\tr"] {
            assert!(line.parse::<History>().is_err(), "{line:?}");
        }
    }

    #[test]
    fn the_timeline_of_a_wal_file_is_its_first_eight_digits() {
        for (name, timeline) in [
            ("000000010000000200000003", Some(1)),
            ("0000001A0000000200000003", Some(26)),
            ("FFFFFFFF0000000200000003", Some(u32::MAX)),
            ("0000000a0000000200000003", Some(10)),
            ("00000001000000020000000", None),
            ("0000000100000002000000030", None),
            ("00000001000000020000000G", None),
            ("00000002.history", None),
            ("000000010000000200000003.partial", None),
            ("00000001000000020000003.b", None),
            ("", None),
        ] {
            assert_eq!(Timeline::of_wal_file(name), timeline.map(Timeline), "{name:?}");
        }
    }

    #[test]
    fn a_timeline_is_shown_as_a_number_and_compared_as_one() {
        assert_eq!(Timeline(26).to_string(), "26");
        assert!(Timeline(3) > Timeline(2));
        let (low, high) = (Lsn::from(0x1_0000_0000), Lsn::from(0x3_0000_0010));
        assert_eq!(bytes_between(low, high), 0x2_0000_0010);
        assert_eq!(bytes_between(low, low), 0);
    }
}
