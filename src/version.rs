//! PostgreSQL versions as people write them: `17`, `19rc1`, `20devel`. Only major versions are
//! compared. Nothing here knows which versions a machine has.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, Why};

/// A version of PostgreSQL: its major version, and the text it was read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    major: u16,
    text: String,
}

/// The oldest version that the lab's waits and queries are written for.
pub const OLDEST: u16 = 13;

/// The newest version that the pages were accepted on; newer ones are tried with a warning.
pub const NEWEST_KNOWN: u16 = 19;

impl Version {
    /// Returns the major version, such as 17.
    pub fn major(&self) -> u16 {
        self.major
    }

    /// Returns the minor version, such as 10 of `17.10`; none where the text has none.
    pub fn minor(&self) -> Option<u16> {
        self.text.split_once('.')?.1.parse().ok()
    }

    /// Tells whether this is a finished release: no beta, no release candidate, no build of the
    /// master branch.
    pub fn is_stable(&self) -> bool {
        self.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    }

    /// Reads the version from the output of `postgres --version`, such as `postgres (PostgreSQL)
    /// 15.18 (Debian 15.18-0+deb12u1)`; none where there is no version.
    pub fn of_program(answer: &str) -> Option<Self> {
        answer.split_once("(PostgreSQL)")?.1.split_whitespace().next()?.parse().ok()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Version {
    type Err = Error;

    /// Reads a version from [`OLDEST`] on.
    ///
    /// # Errors
    ///
    /// The text is no such version: [`Error::is_bad_input`].
    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::new("reading a version", Why::Version { text: text.to_owned() });
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, rest) = text.split_at(end);
        let major: u16 = digits.parse().map_err(|_| bad())?;
        let suffix = ["", ".", "rc", "beta", "alpha", "devel"].iter().any(|word| {
            rest.strip_prefix(word).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        });
        match suffix && major >= OLDEST {
            true => Ok(Self { major, text: text.to_owned() }),
            false => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_people_write_them() {
        for (text, major, stable) in
            [("13", 13, true), ("17.4", 17, true), ("19rc1", 19, false), ("20devel", 20, false)]
        {
            let version: Version = text.parse().unwrap();
            assert_eq!((version.major(), version.is_stable()), (major, stable), "{text}");
            assert_eq!(version.to_string(), text);
        }
        for text in ["", "12", "latest", "17-alpine", "v17", "17 ", "-17"] {
            assert!(text.parse::<Version>().unwrap_err().is_bad_input(), "{text:?}");
        }
    }

    #[test]
    fn the_answer_of_a_program() {
        let answer = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)";
        assert_eq!(Version::of_program(answer).unwrap().to_string(), "15.18");
        assert_eq!(Version::of_program("postgres (PostgreSQL) 19rc1\n").unwrap().major(), 19);
        assert_eq!(Version::of_program("bash: postgres: command not found"), None);
    }

    #[test]
    fn a_minor_version_is_the_number_after_the_dot() {
        for (text, minor) in [
            ("17.10", Some(10)),
            ("13.0", Some(0)),
            ("15.3", Some(3)),
            ("17", None),
            ("19rc1", None),
        ] {
            assert_eq!(text.parse::<Version>().unwrap().minor(), minor, "{text}");
        }
    }
}
