//! The language of everything that a person reads: words that leave the subject of a sentence in the
//! dark, and first sentences of documentation that do not stand alone, are not used. Method: sources,
//! pages and documents as text, line by line; no server runs.

use std::fs;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use regex::Regex;

/// The files and folders that are read.
const READ: [&str; 10] = [
    "src",
    "tests",
    "snapshots",
    "fixtures/sql",
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "fixtures/records/README.md",
    "benches",
    "examples",
];

/// The kinds of files among them that hold text.
const KINDS: [&str; 7] = ["rs", "md", "snap", "sql", "toml", "html", "sh"];

/// Files and folders that are not rewritten yet.
const NOT_YET: [&str; 0] = [];

/// The only file that has to name the words.
const THIS: &str = "tests/harness/words.rs";

/// Name the subject (the server, the client, the slot) instead of the first words; write "again", "must"
/// or "retains" instead of the others.
const WORDS: &str = r"(?i)\b(nobody|somebody|whom|everybody|anew|wants? to be|told|holds on to)\b";

/// The first sentence of a documentation comment begins with a verb in the third person or a noun.
/// "Returns …" is better than "Gives …", "Makes …" or "Sets …" than "Lets …", "Waits as [`until`] does …"
/// than "As [`until`] …" or "The same, …", "Prints …" than "Says …", "Tells whether …" than a question.
const OPENINGS: &str =
    r"^(The same\b|Gives |Lets |As \[|Says |Is it\b|Did |Does |Has |Is |Was |Are |Can |Would )";

/// No file has a banned word, and no documentation comment a banned opening.
#[test]
fn the_language_is_plain() {
    let (words, openings) = (Regex::new(WORDS).unwrap(), Regex::new(OPENINGS).unwrap());
    let mut found = Vec::new();
    for path in files() {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let mut in_documentation = false;
        for (number, line) in (1..).zip(text.lines()) {
            let at = || format!("{path}:{number}: ");
            // The Unix account of this name is not a person.
            let text = line.replace("\"nobody\"", "");
            if let Some(word) = words.find(&text) {
                found.push(format!("{}the word {:?} in: {}", at(), word.as_str(), line.trim()));
            }
            let comment = documentation(line)
                .filter(|_| Path::new(&path).extension().is_some_and(|end| end == "rs"));
            let first = comment.filter(|_| !in_documentation);
            if let Some(opening) = first.and_then(|first| openings.find(first)) {
                found.push(format!(
                    "{}the opening {:?} of: {}",
                    at(),
                    opening.as_str(),
                    line.trim()
                ));
            }
            in_documentation = comment.is_some();
        }
    }
    assert_eq!(found, Vec::<String>::new(), "tests/harness/words.rs says what to write instead");
}

/// Both patterns find what they are for, and no more.
#[test]
fn the_patterns_find_what_they_are_for() {
    let (words, openings) = (Regex::new(WORDS).unwrap(), Regex::new(OPENINGS).unwrap());
    for line in
        ["Nobody writes.", "it wants to be a standby", "a slot holds on to WAL", "made anew"]
    {
        assert!(words.is_match(line), "{line}");
    }
    for line in ["a nobody_is_there", "who writes", "a column is untold"] {
        assert!(!words.is_match(line), "{line}");
    }
    for line in ["The same, for pages.", "Gives it.", "As [`a`], without b.", "Is it?", "Did it?"] {
        assert!(openings.is_match(line), "{line}");
    }
    for line in ["Returns it.", "Tells whether it is.", "Asks it.", "Issues it.", "Letters."] {
        assert!(!openings.is_match(line), "{line}");
    }
    assert_eq!(documentation("    /// A."), Some("A."));
    assert_eq!(documentation("//! A."), Some("A."));
    assert_eq!(documentation("// A."), None);
}

/// Returns the text of a line of a documentation comment.
fn documentation(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
    Some(text.trim())
}

/// Returns the files to read, by their path in the checkout.
fn files() -> Vec<String> {
    let mut files = Vec::new();
    let mut open: Vec<_> = READ.map(|path| root().join(path)).to_vec();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            open.extend(entries.map(|entry| entry.path()));
            continue;
        }
        let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        let skipped = name == THIS || NOT_YET.iter().any(|part| name.starts_with(part));
        if KINDS.contains(&kind) && !skipped {
            files.push(name);
        }
    }
    assert!(files.len() > 100, "{} files", files.len());
    files.sort();
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
