//! The copy of the checkout with every sabotage in it and none active: where a sabotage changes Rust, the copy
//! has both forms and asks which one to run. Nothing here builds or runs the copy.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::table::Sabotage;

/// The variable with the name of the active sabotage.
pub(crate) const ACTIVE: &str = "LAB_SABOTAGE";

/// The module that the copy asks.
const ASK: &str = "//! Which sabotage is active.\n\npub fn on(name: &str) -> bool {\n    \
                   std::env::var(\"LAB_SABOTAGE\").is_ok_and(|active| active == name)\n}\n";

/// Copies the checkout into `target/sabotage/checkout`, weaves the sabotages into it, and returns the folder.
/// A file that has not changed is not written, so that cargo does not build it again.
pub(crate) fn weave(checkout: &Path, table: &[Sabotage]) -> Result<PathBuf, String> {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("sabotage").join("checkout");
    let files = files_of(checkout)?;
    forget_the_rest(&copy, &files)?;
    for file in &files {
        let path = checkout.join(file);
        let said = |error: std::io::Error| format!("{file}: {error}");
        let bytes = fs::read(&path).map_err(said)?;
        let here: Vec<_> = table.iter().filter(|sabotage| sabotage.file == *file).collect();
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => woven(file, &text, &here)?.into_bytes(),
            Err(binary) => binary.into_bytes(),
        };
        write(&copy.join(file), &bytes)?;
    }
    write(&copy.join("src/sabotage.rs"), ASK.as_bytes())?;
    match table.iter().find(|sabotage| !files.contains(&sabotage.file)) {
        Some(sabotage) => Err(format!("{}: there is no file {}", sabotage.name, sabotage.file)),
        None => Ok(copy),
    }
}

/// Returns the text of a file in which every sabotage stands beside what it replaces.
fn woven(file: &str, text: &str, sabotages: &[&Sabotage]) -> Result<String, String> {
    let mut places: BTreeMap<usize, (Range<usize>, Vec<&Sabotage>)> = BTreeMap::new();
    for sabotage in sabotages {
        let place = place_of(sabotage, text)?;
        if sabotage.is_woven() {
            places.entry(place.start).or_insert((place, Vec::new())).1.push(sabotage);
        }
    }
    let mut woven = text.to_owned();
    let mut end = text.len();
    for (place, sabotages) in places.into_values().rev() {
        if place.end > end || sabotages.iter().any(|one| one.old.len() != place.len()) {
            return Err(format!("{file}: two sabotages overlap at {:?}", text.get(place)));
        }
        end = place.start;
        woven.replace_range(place.clone(), &choice(file, &sabotages));
    }
    Ok(match file {
        "src/lib.rs" => {
            format!("#![allow(warnings)]\n{woven}\n#[doc(hidden)]\npub mod sabotage;\n")
        }
        "src/main.rs" | "tests/harness/main.rs" | "tests/scenarios/main.rs" => {
            format!("#![allow(warnings)]\n{woven}")
        }
        _ => woven,
    })
}

/// Returns the expression, or the statement, that runs the active one of these sabotages, or what they
/// replace.
fn choice(file: &str, sabotages: &[&Sabotage]) -> String {
    let ask =
        if file.starts_with("src/") { "crate::sabotage" } else { "replication_lab::sabotage" };
    let old = sabotages.first().map_or("", |sabotage| &sabotage.old);
    let text = sabotages.iter().rev().fold(format!("{{ {old} }}"), |rest, sabotage| {
        let Sabotage { name, new, .. } = sabotage;
        format!("if {ask}::on(\"{name}\") {{ {new} }} else {rest}")
    });
    match old.trim_end().ends_with([';', '}']) {
        true => text,
        false => format!("({text})"),
    }
}

/// Returns where the text that a sabotage replaces stands.
pub(crate) fn place_of(sabotage: &Sabotage, text: &str) -> Result<Range<usize>, String> {
    let Sabotage { name, file, old, .. } = sabotage;
    let mut found = text.match_indices(old.as_str());
    match (found.next(), found.next()) {
        (Some((start, _)), None) => Ok(start..start + old.len()),
        (None, _) => Err(format!("{name}: {file} does not contain {old:?}")),
        (Some(_), Some(_)) => Err(format!("{name}: {file} contains {old:?} more than once")),
    }
}

/// Returns the files that git knows, and those that it would add.
#[expect(clippy::disallowed_methods, reason = "a test runner runs programs")]
fn files_of(checkout: &Path) -> Result<Vec<String>, String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(checkout)
        .output()
        .map_err(|error| format!("git ls-files: {error}"))?;
    let files = String::from_utf8_lossy(&listed.stdout);
    let files: Vec<_> =
        files.lines().filter(|file| checkout.join(file).is_file()).map(str::to_owned).collect();
    match files.is_empty() {
        true => Err(format!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr))),
        false => Ok(files),
    }
}

/// Removes what an earlier copy has and the checkout has no more, and the pages that its tests accepted.
fn forget_the_rest(copy: &Path, files: &[String]) -> Result<(), String> {
    let mut folders = vec![copy.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let name = path.strip_prefix(copy).unwrap_or(&path).to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !files.contains(&name) && name != "src/sabotage.rs" && name != "Cargo.lock" {
                fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
    }
    Ok(())
}

/// Writes a file unless it has these bytes already.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|error| format!("{}: {error}", path.display()))
}
