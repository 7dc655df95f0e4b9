//! PostgreSQL as installed on this machine: the versions, and the directories of their programs. It
//! installs none.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{directory, package};
use crate::error::{Error, Result};
use crate::host::program;
use crate::settings::{self, Settings};
use crate::version::Version;

/// The programs that a directory must have to count as an installation with a server.
const PROGRAMS: [&str; 4] = ["postgres", "initdb", "pg_ctl", "pg_basebackup"];

/// One installation of PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Installation {
    /// The directory of its programs.
    pub bin: PathBuf,
    /// Its version.
    pub version: Version,
}

impl Installation {
    /// Returns the installation that the settings ask for: of the requested version, or else of the
    /// newest stable one.
    pub(crate) async fn find(settings: &Settings) -> Result<Self> {
        let installed = Self::all(settings).await;
        let fits = |found: &&Self| match &settings.version {
            Some(wanted) => wanted.variant().is_none() && found.version.satisfies(wanted),
            None => true,
        };
        let best = installed.iter().filter(fits).max_by_key(|found| {
            (found.version.is_stable(), found.version.major(), found.version.minor())
        });
        best.cloned().ok_or_else(|| Self::missing(settings, &installed))
    }

    /// Returns every installation, each once; with `LAB_PG_BIN` only that one.
    pub(crate) async fn all(settings: &Settings) -> Vec<Self> {
        let directories = match &settings.bin {
            Some(bin) => vec![bin.clone()],
            None => directory::all(),
        };
        let mut found: Vec<Self> = Vec::new();
        for directory in directories {
            let Some(bin) = programs(&directory) else {
                continue;
            };
            if found.iter().all(|known| known.bin != bin) {
                found.extend(Self::in_directory(bin).await);
            }
        }
        found
    }

    async fn in_directory(bin: PathBuf) -> Option<Self> {
        let mut ask = program::command(bin.join("postgres"));
        let answer = ask.arg("--version").stdin(Stdio::null()).output().await.ok()?;
        let version = Version::of_program(&String::from_utf8_lossy(&answer.stdout))?;
        Some(Self { bin, version })
    }

    /// Returns the variables with which these programs, and their libraries, are found first.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        let libraries: Vec<_> = directory::libraries(&self.bin).into_iter().collect();
        let path = settings::search_path_behind(std::slice::from_ref(&self.bin));
        std::iter::once(("PATH", path)).chain(settings::library_path_behind(&libraries))
    }

    fn missing(settings: &Settings, installed: &[Self]) -> Error {
        let wanted =
            settings.version.as_ref().map_or(String::new(), |version| format!(" {version}"));
        let act = format!("looking for PostgreSQL{wanted} on this machine");
        let there = match (installed, &settings.bin) {
            ([], Some(bin)) => {
                format!("no {} in LAB_PG_BIN={}", PROGRAMS.join(", "), bin.display())
            }
            ([], None) => format!("no {} in PATH or the usual directories", PROGRAMS.join(", ")),
            (some, _) => some
                .iter()
                .map(|found| format!("{} in {}", found.version, found.bin.display()))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let variant = settings.version.as_ref().and_then(Version::variant);
        let there = match variant {
            Some(variant) => format!("{there}; only an image can be a variant such as {variant}"),
            None => there,
        };
        let how = package::how_to_install(true, &[], settings).unwrap_or_else(|| {
            "install PostgreSQL's server with this system's packages".to_owned()
        });
        Error::missing(act, there)
            .remedy(format!("{how}; or set LAB_PG_BIN to the directory of its programs"))
    }
}

/// Returns the directory that holds the programs themselves: distributions link single programs
/// into other directories.
fn programs(directory: &Path) -> Option<PathBuf> {
    let real = directory.join("postgres").canonicalize().ok()?;
    let bin = real.parent()?;
    PROGRAMS.iter().all(|program| bin.join(program).exists()).then(|| bin.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_without_a_server_is_named_in_the_error() {
        let empty = tempfile::tempdir().unwrap();
        let bin = Some(empty.path().to_owned());
        let settings =
            Settings { bin, version: Some("17".parse().unwrap()), ..Settings::default() };
        let error = Installation::find(&settings).await.unwrap_err();
        assert!(error.is_missing());
        let said = error.to_string();
        for part in ["PostgreSQL 17", "LAB_PG_BIN", "postgresql-17", "what to do"] {
            assert!(said.contains(part), "{part:?} is missing in: {said}");
        }
    }
}
