//! The table of sabotages, as values. Nothing here applies one.

use std::fs;
use std::path::Path;

use serde::Deserialize;

/// A sabotage: one place of the sources, what stands there, what stands there instead, and who must notice.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sabotage {
    /// What is wrong, in words with hyphens.
    pub(crate) name: String,
    /// The file, from the root of the checkout.
    pub(crate) file: String,
    /// What stands there, once in the file: in a Rust file whole statements, or an expression.
    pub(crate) old: String,
    /// What stands there instead.
    pub(crate) new: String,
    /// The tests that must fail, each with its program: `harness acts::a_crash_kills`.
    pub(crate) tests: Vec<String>,
    /// Whether these tests need few seconds.
    #[serde(default)]
    pub(crate) fast: bool,
    /// Whether these tests need a container engine; the others run on local processes.
    #[serde(default)]
    pub(crate) containers: bool,
    /// The name of the table's file.
    #[serde(skip)]
    pub(crate) kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    sabotage: Vec<Sabotage>,
}

impl Sabotage {
    /// Returns its name as a test: `fast::acts::a-crash-is-a-fast-shutdown`.
    pub(crate) fn title(&self) -> String {
        let pace = match (self.containers, self.fast) {
            (true, _) => "containers",
            (false, true) => "fast",
            (false, false) => "slow",
        };
        format!("{pace}::{}::{}", self.kind, self.name)
    }

    /// Returns the host of its tests.
    pub(crate) fn host(&self) -> &'static str {
        if self.containers { "container" } else { "local" }
    }

    /// Whether it is woven into the program, or else written into a file that is read at run time.
    pub(crate) fn is_woven(&self) -> bool {
        Path::new(&self.file).extension().is_some_and(|extension| extension == "rs")
    }
}

/// Reads the files of a folder, in order; two sabotages of one name are an error.
pub(crate) fn read(folder: &Path) -> Result<Vec<Sabotage>, String> {
    let listed = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<_> = listed.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let mut all: Vec<Sabotage> = Vec::new();
    for file in files {
        let kind = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let failed = |error: String| format!("{}: {error}", file.display());
        let text = fs::read_to_string(&file).map_err(|error| failed(error.to_string()))?;
        let table: Table = toml::from_str(&text).map_err(|error| failed(error.to_string()))?;
        for sabotage in table.sabotage {
            if all.iter().any(|other| other.name == sabotage.name) {
                return Err(failed(format!("there are two sabotages {}", sabotage.name)));
            }
            all.push(Sabotage { kind: kind.clone(), ..sabotage });
        }
    }
    Ok(all)
}
