//! The directories in which programs of PostgreSQL are, on the systems that the lab knows. Nothing
//! here runs a program.

use std::path::{Path, PathBuf};

use crate::settings;

/// Directories of several versions; `*` stands for the version.
const USUAL_DIRECTORIES: [(&str, &str); 6] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr/pgsql-", "bin"),
    ("/usr/local/pgsql", "bin"),
    ("/opt/homebrew/opt/postgresql@", "bin"),
    ("/usr/local/opt/postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "bin"),
];

/// Returns the directories in which programs of PostgreSQL may be: those of `PATH`, and the usual
/// ones.
pub(super) fn all() -> Vec<PathBuf> {
    [settings::search_path(), usual_places()].concat()
}

/// Returns the directory of the libraries beside programs, as an installation in one folder has them;
/// none where there are none, and the system's serve.
pub(super) fn libraries(programs: &Path) -> Option<PathBuf> {
    let directory = programs.parent()?.join("lib");
    directory.join("libpq.so.5").exists().then_some(directory)
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
