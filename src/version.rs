//! PostgreSQL versions as people write them: `17`, `17.4`, `19rc1`, `20devel`, and with the variant
//! of an image, `17-alpine`. Nothing here knows which versions a machine has.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, Why};

/// A version of PostgreSQL: its release, and the variant of an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    major: u16,
    release: String,
    variant: Option<String>,
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
        self.release.split_once('.')?.1.parse().ok()
    }

    /// Returns the variant of an image, such as `alpine` of `17-alpine`; none where the text has
    /// none.
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// Tells whether this is a finished release: no beta, no release candidate, no build of the
    /// master branch.
    pub fn is_stable(&self) -> bool {
        self.release.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    }

    /// Tells whether a server of this version is what was asked for. `17` asks for any 17, `17.4`
    /// and `19rc1` for that release; a variant is none of a server's.
    pub fn satisfies(&self, asked: &Self) -> bool {
        self.major == asked.major && (asked.is_only_major() || self.release == asked.release)
    }

    /// Tells whether an image whose tag is this version may have what was asked for: the tag `17`
    /// does not say which 17 is in it, the tag `17-alpine3.22` is a `17-alpine`.
    pub fn may_satisfy(&self, asked: &Self) -> bool {
        let variant = self.variant().unwrap_or_default();
        self.major == asked.major
            && (self.is_only_major() || self.satisfies(asked))
            && asked.variant().is_none_or(|asked| variant.starts_with(asked))
    }

    fn is_only_major(&self) -> bool {
        self.release.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Reads the version from the output of `postgres --version`, such as `postgres (PostgreSQL)
    /// 15.18 (Debian 15.18-0+deb12u1)`; none where there is no version.
    pub fn of_program(answer: &str) -> Option<Self> {
        answer.split_once("(PostgreSQL)")?.1.split_whitespace().next()?.parse().ok()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.release)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "-{variant}"))
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
        let (release, variant) = match text.split_once('-') {
            Some((release, variant)) => (release, Some(variant)),
            None => (text, None),
        };
        let end = release.find(|c: char| !c.is_ascii_digit()).unwrap_or(release.len());
        let (digits, rest) = release.split_at(end);
        let major: u16 = digits.parse().map_err(|_| bad())?;
        let suffix = ["", ".", "rc", "beta", "alpha", "devel"].iter().any(|word| {
            rest.strip_prefix(word).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        });
        let named = variant.is_none_or(|variant| {
            !variant.is_empty()
                && variant.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
        });
        match suffix && named && major >= OLDEST {
            true => {
                Ok(Self { major, release: release.to_owned(), variant: variant.map(str::to_owned) })
            }
            false => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_people_write_them() {
        for (text, major, stable) in [
            ("13", 13, true),
            ("17.4", 17, true),
            ("19rc1", 19, false),
            ("20devel", 20, false),
            ("17-alpine", 17, true),
            ("19beta1-trixie", 19, false),
        ] {
            let version: Version = text.parse().unwrap();
            assert_eq!((version.major(), version.is_stable()), (major, stable), "{text}");
            assert_eq!(version.to_string(), text);
        }
        for text in ["", "12", "latest", "17-", "17-a b", "v17", "17 ", "-17", "17.4.0"] {
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

    #[test]
    fn a_release_is_what_was_asked_for_or_not() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        for (there, asked, is, may) in [
            ("17.4", "17", true, true),
            ("17.4", "17.4", true, true),
            ("17.10", "17.4", false, false),
            ("17", "17.4", false, true),
            ("18", "17.4", false, false),
            ("19rc1", "19", true, true),
            ("19rc1", "19rc1", true, true),
            ("19beta2", "19rc1", false, false),
            ("17.4-alpine3.22", "17-alpine", true, true),
            ("17.4-trixie", "17-alpine", true, false),
            ("17", "17-alpine", true, false),
            ("17-alpine", "17", true, true),
        ] {
            let (one, asked) = (version(there), version(asked));
            assert_eq!(
                (one.satisfies(&asked), one.may_satisfy(&asked)),
                (is, may),
                "{one} {asked}"
            );
        }
        assert_eq!(version("17-alpine").variant(), Some("alpine"));
    }
}
