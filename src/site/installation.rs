//! PostgreSQL as installed on this machine: the versions, and the directories of their programs. It
//! knows the command that installs PostgreSQL and never runs it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::unistd::Uid;

use crate::error::{Error, Result};
use crate::host::program;
use crate::settings::{self, Settings};
use crate::version::Version;

/// The programs that a directory must have to count as an installation with a server.
const PROGRAMS: [&str; 4] = ["postgres", "initdb", "pg_ctl", "pg_basebackup"];

/// Directories of several versions; `*` stands for the version.
const USUAL_DIRECTORIES: [(&str, &str); 6] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr/pgsql-", "bin"),
    ("/usr/local/pgsql", "bin"),
    ("/opt/homebrew/opt/postgresql@", "bin"),
    ("/usr/local/opt/postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "bin"),
];

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
            Some(wanted) => found.version.major() == wanted.major(),
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
            None => [settings::search_path(), usual_places()].concat(),
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

    /// Returns `PATH` with these programs first.
    pub(crate) fn path(&self) -> OsString {
        settings::search_path_behind(std::slice::from_ref(&self.bin))
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
        let how = Self::how_to_install(settings).unwrap_or_else(|| {
            "install PostgreSQL's server with this system's packages".to_owned()
        });
        Error::missing(act, there)
            .remedy(format!("{how}; or set LAB_PG_BIN to the directory of its programs"))
    }

    /// Returns the command line that installs PostgreSQL on this machine, in the requested version;
    /// none where no package manager is known.
    pub(crate) fn how_to_install(settings: &Settings) -> Option<String> {
        let there =
            |program: &str| settings::search_path().iter().any(|dir| dir.join(program).exists());
        let major = settings.version.as_ref().map(Version::major);
        let manager = ["apt-get", "dnf", "apk", "brew"].into_iter().find(|name| there(name))?;
        let line = install_with(manager, major);
        match manager != "brew" && !Uid::effective().is_root() {
            true => Some(format!("sudo sh -c '{line}'")),
            false => Some(line),
        }
    }
}

/// Returns the command of a package manager. It contains nothing that needs quoting within single
/// quotes.
fn install_with(manager: &str, major: Option<u16>) -> String {
    let of_major = |name: &str, mark: &str| match major {
        Some(major) => format!("{name}{mark}{major}"),
        None => name.to_owned(),
    };
    match manager {
        "apt-get" => format!(
            "apt-get update && DEBIAN_FRONTEND=noninteractive \
             apt-get install -y --no-install-recommends {}",
            of_major("postgresql", "-")
        ),
        "dnf" => "dnf install -y postgresql-server postgresql-contrib".to_owned(),
        "apk" => {
            let package = of_major("postgresql", "");
            format!("apk add {package} {package}-contrib")
        }
        _ => format!("brew install {}", of_major("postgresql", "@")),
    }
}

/// Returns the directory that holds the programs themselves: distributions link single programs
/// into other directories.
fn programs(directory: &Path) -> Option<PathBuf> {
    let real = directory.join("postgres").canonicalize().ok()?;
    let bin = real.parent()?;
    PROGRAMS.iter().all(|program| bin.join(program).exists()).then(|| bin.to_owned())
}

fn usual_places() -> Vec<PathBuf> {
    USUAL_DIRECTORIES.iter().flat_map(|(stem, programs)| versions_of(stem, programs)).collect()
}

/// Returns directories such as `/usr/lib/postgresql/15/bin`, `/usr/pgsql-15/bin` or
/// `/usr/local/pgsql/bin`.
fn versions_of(stem: &str, programs: &str) -> Vec<PathBuf> {
    let stem = Path::new(stem);
    let entries = |directory: &Path| -> Vec<PathBuf> {
        let listed = std::fs::read_dir(directory);
        listed.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let below = entries(stem);
    let beside = stem.parent().map(entries).unwrap_or_default();
    let beside = beside.into_iter().filter(|path| {
        path.as_os_str().as_encoded_bytes().starts_with(stem.as_os_str().as_encoded_bytes())
    });
    below.into_iter().chain(beside).map(|version| version.join(programs)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_manager_has_its_command() {
        assert!(install_with("apt-get", None).ends_with(" postgresql"));
        assert!(install_with("apt-get", Some(17)).ends_with(" postgresql-17"));
        assert_eq!(install_with("apk", Some(17)), "apk add postgresql17 postgresql17-contrib");
        assert_eq!(install_with("brew", Some(17)), "brew install postgresql@17");
        assert!(!install_with("dnf", None).contains('\''));
    }

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
