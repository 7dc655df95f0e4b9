//! The program's error: one of the library, or one of its own with what was being done, what
//! happened and what to do next. `Debug` shows it with its source, as for the library's errors.
//! Nothing here decides an exit code.

use std::{error, fmt, io};

use crate::error::Error;

/// The result of the program's functions.
pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

/// A failure of the program. `Display` leaves the source to `Debug`.
pub(super) enum Failure {
    /// The library failed.
    Lab(Error),
    /// The program itself failed.
    Own { act: String, happened: Happened, remedy: &'static str },
}

/// The reason of a failure.
pub(super) enum Happened {
    /// Something else was found.
    Found(String),
    /// The operating system reports an error.
    Io(io::Error),
}

impl Failure {
    /// Creates a failure with what was found instead.
    pub(super) fn found(
        act: impl Into<String>,
        there: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self::Own { act: act.into(), happened: Happened::Found(there.into()), remedy }
    }

    /// Creates a failure from an error of the operating system.
    pub(super) fn io(act: impl Into<String>, source: io::Error, remedy: &'static str) -> Self {
        Self::Own { act: act.into(), happened: Happened::Io(source), remedy }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Lab(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lab(error) => write!(f, "{error}"),
            Self::Own { act, happened: Happened::Found(there), remedy } => {
                write!(f, "{act} failed\n  found: {there}\n  what to do: {remedy}")
            }
            Self::Own { act, happened: Happened::Io(_), remedy } => {
                write!(f, "{act} failed\n  what to do: {remedy}")
            }
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lab(error) => write!(f, "{error:?}"),
            Self::Own { act, happened: Happened::Io(source), remedy } => {
                write!(f, "{act} failed\n  found: {source}\n  what to do: {remedy}")
            }
            Self::Own { .. } => write!(f, "{self}"),
        }
    }
}

impl error::Error for Failure {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Lab(error) => error.source(),
            Self::Own { happened: Happened::Io(source), .. } => Some(source),
            Self::Own { happened: Happened::Found(_), .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_failure_says_what_was_done_what_is_there_and_what_to_do() {
        let failure = Failure::found("describing a cascade", "1 standby", "add --standbys 2");
        let said =
            "describing a cascade failed\n  found: 1 standby\n  what to do: add --standbys 2";
        assert_eq!(
            (failure.to_string(), format!("{failure:?}")),
            (said.to_owned(), said.to_owned())
        );
        assert!(failure.source().is_none());
    }

    #[test]
    fn the_source_is_left_to_debug_and_can_be_asked_for() {
        let source = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let failure = Failure::io("running cargo", source, "install it");
        assert_eq!(failure.to_string(), "running cargo failed\n  what to do: install it");
        assert_eq!(
            format!("{failure:?}"),
            "running cargo failed\n  found: no such file\n  \
             what to do: install it"
        );
        assert_eq!(failure.source().unwrap().to_string(), "no such file");
    }

    #[test]
    fn an_error_of_the_library_stays_as_it_is() {
        let error = || Error::missing("looking for a slot", "none").remedy("make one");
        let failure = Failure::from(error());
        assert_eq!(failure.to_string(), error().to_string());
        assert_eq!(format!("{failure:?}"), format!("{:?}", error()));
    }
}
