//! The programs that some exercises need beside PostgreSQL's server: a proxy, a client for its
//! check. Where one is missing, these exercises are skipped and say so. Nothing here starts one.

use std::fmt;
use std::path::PathBuf;

use super::directory;
use crate::error::{Error, Result};
use crate::settings::Settings;

/// Where packages install programs for administrators; `PATH` of another user may lack them.
const FOR_ADMINISTRATORS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"];

/// A program beside PostgreSQL's server. It runs on this machine, also where the servers run in
/// containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Companion {
    /// A proxy for TCP connections, `haproxy`.
    HaProxy,
    /// A connection pooler, `pgbouncer`.
    PgBouncer,
    /// PostgreSQL's terminal client, `psql`.
    Psql,
}

impl Companion {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::HaProxy, Self::PgBouncer, Self::Psql];

    /// Returns the name of its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::HaProxy => "haproxy",
            Self::PgBouncer => "pgbouncer",
            Self::Psql => "psql",
        }
    }

    /// Returns the directory of its program.
    ///
    /// # Errors
    ///
    /// It is not installed: see [`Error::is_missing`].
    pub fn find(self, settings: &Settings) -> Result<PathBuf> {
        let own = settings.bin.iter().cloned().chain(directory::all());
        let all = own.chain(FOR_ADMINISTRATORS.map(PathBuf::from));
        let found = all.into_iter().find(|directory| directory.join(self.program()).is_file());
        found.ok_or_else(|| {
            let act = format!("looking for {self} on this machine");
            let there = format!("no {self} in PATH or the usual directories");
            Error::missing(act, there).remedy("run cargo lab --install")
        })
    }

    /// Returns those of these that are not installed.
    pub fn missing_of(all: &[Self], settings: &Settings) -> Vec<Self> {
        all.iter().copied().filter(|one| one.find(settings).is_err()).collect()
    }

    /// Returns its package for a package manager.
    pub(super) fn package(self, manager: &str) -> &'static str {
        match (self, manager) {
            (Self::Psql, "apt-get" | "apk") => "postgresql-client",
            (Self::Psql, _) => "postgresql",
            _ => self.program(),
        }
    }

    /// Tells whether its package starts a service, which nothing here needs.
    pub(super) fn is_a_service(self) -> bool {
        matches!(self, Self::HaProxy | Self::PgBouncer)
    }
}

impl fmt::Display for Companion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_its_own_directory_first_and_named_where_it_is_missing() {
        let bin = tempfile::tempdir().unwrap();
        let settings = Settings { bin: Some(bin.path().to_owned()), ..Settings::default() };
        std::fs::write(bin.path().join("psql"), "").unwrap();
        assert_eq!(Companion::Psql.find(&settings).unwrap(), bin.path());
        assert_eq!(Companion::missing_of(&[Companion::Psql], &settings), []);
    }
}
