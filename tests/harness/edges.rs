//! The imports among the files of `src`: no file imports itself in a circle, the pure ones reach no
//! runtime, process, clock, file, node or session, and `host/` knows nothing of the layers above
//! it. Method: the sources, parsed; nothing is compiled.
//!
//! An edge is a path, in a `use` or anywhere else, that begins with `crate`, `super`, `self` or a
//! module of the file, and leads to another file. Code under `#[cfg(test)]` is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, Item, UseTree};

/// The files that must work without a server: they describe, render and judge. A folder stands for
/// all files in it.
const PURE: &[&str] = &[
    "conf",
    "topology",
    "server_message",
    "version",
    "wal",
    "stat/rows",
    "record/event",
    "record/fact",
    "record/format",
    "record/page",
    "record/reading",
    "workload/ledger",
    "report",
    "report/",
    "health/finding",
    "health/judge",
    "health/judge/",
    "health/pattern",
    "health/observation",
    "health/synchronous",
    "cli/summary",
    "cli/up/answer",
    "cli/up/board",
    "cli/up/quantity",
    "cli/up/seen",
    "cli/up/verb",
    "cli/up/words",
    "cli/check/auth",
    "cli/check/formats",
    "cli/check/names",
    "cli/check/passfile",
    "cli/check/places",
    "cli/check/service",
    "cli/check/target",
    "cli/check/watch",
    "cli/check/words",
];

/// What a pure file must not reach, by itself or through another file: a runtime, a process, a
/// clock, a file, the network.
const IMPURE: [&str; 8] = [
    "tokio",
    "std::process",
    "std::fs",
    "std::net",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::env",
];

/// What a host may import: itself, errors, settings and the wait. Nothing of PostgreSQL.
const BELOW_HOST: [&str; 4] = ["host", "error", "settings", "wait"];

#[test]
fn no_file_imports_itself_in_a_circle() {
    let sources = Sources::read();
    let circles: Vec<_> = sources.files.keys().filter_map(|file| sources.circle(file)).collect();
    assert_eq!(circles, Vec::<String>::new());
}

#[test]
fn pure_files_reach_no_runtime_process_clock_or_file() {
    let sources = Sources::read();
    let is_pure = |file: &str| {
        PURE.iter().any(|pure| match pure.strip_suffix('/') {
            Some(folder) => file.starts_with(folder) && file != folder,
            None => file == *pure,
        })
    };
    let pure: Vec<_> = sources.files.keys().filter(|file| is_pure(file)).collect();
    for name in PURE.iter().map(|pure| pure.trim_end_matches('/')) {
        assert!(pure.iter().any(|file| file.starts_with(name)), "{name} is not there any more");
    }
    let mut reached = Vec::new();
    for file in pure {
        for path in sources.paths_from(file) {
            let last = path.last().and_then(|last| sources.files.get(*last));
            let impure = last.into_iter().flat_map(|last| &last.impure);
            reached.extend(impure.map(|word| format!("{} → {word}", path.join(" → "))));
        }
    }
    assert_eq!(reached, Vec::<String>::new());
}

#[test]
fn a_host_knows_nothing_of_what_is_above_it() {
    let sources = Sources::read();
    let mut above = Vec::new();
    for (name, file) in &sources.files {
        let is_host = |file: &str| file == "host" || file.starts_with("host/");
        let known = |target: &&String| {
            let room = target.split('/').next().unwrap_or_default();
            !BELOW_HOST.contains(&room)
        };
        above.extend(
            file.imports
                .iter()
                .filter(|_| is_host(name))
                .filter(known)
                .map(|target| format!("{name} → {target}")),
        );
    }
    assert_eq!(above, Vec::<String>::new());
}

/// Only the scenarios' own folders name an exercise: the library reads them as data.
#[test]
fn the_library_names_no_exercise() {
    let root = root().join("src");
    for (name, _) in Sources::read().files {
        let path = root.join(&name).with_extension("rs");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let named = text.match_indices('@').filter(|(at, _)| {
            let before = text.get(at.saturating_sub(3)..*at).unwrap_or_default();
            before.starts_with('"') && before.bytes().skip(1).all(|byte| byte.is_ascii_digit())
        });
        assert_eq!(named.count(), 0, "{name} names an exercise");
    }
}

/// The files of `src`, by their path without `.rs`.
struct Sources {
    files: BTreeMap<String, File>,
}

/// The imports of one file.
#[derive(Default)]
struct File {
    /// The other files of `src` that it imports.
    imports: BTreeSet<String>,
    /// The entries of [`IMPURE`] that it names itself.
    impure: BTreeSet<&'static str>,
}

impl Sources {
    fn read() -> Self {
        let root = root().join("src");
        let mut names = BTreeSet::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for path in list(&folder) {
                match path.is_dir() {
                    true => folders.push(path),
                    false if path.extension().is_some_and(|end| end == "rs") => {
                        let name = path.with_extension("");
                        let name = name.strip_prefix(&root).unwrap_or(&name);
                        names.insert(name.to_string_lossy().into_owned());
                    }
                    false => {}
                }
            }
        }
        let is_test = |name: &String| name.ends_with("/tests");
        let names: BTreeSet<_> = names.into_iter().filter(|name| !is_test(name)).collect();
        let read = |name: &String| {
            let text = fs::read_to_string(root.join(name).with_extension("rs"));
            let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
            (name.clone(), File::parse(name, &text, &names))
        };
        Self { files: names.iter().map(read).collect() }
    }

    /// Returns a shortest path from a file to every file that it reaches, itself included.
    fn paths_from<'a>(&'a self, file: &'a str) -> Vec<Vec<&'a str>> {
        let mut known: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut queue = vec![vec![file]];
        while !queue.is_empty() {
            let mut next = Vec::new();
            for path in queue {
                let last = path.last().copied().unwrap_or_default();
                if known.contains_key(last) {
                    continue;
                }
                let imports = self.files.get(last).into_iter().flat_map(|file| &file.imports);
                next.extend(imports.map(|import| [path.as_slice(), &[import.as_str()]].concat()));
                known.insert(last, path);
            }
            queue = next;
        }
        known.into_values().collect()
    }

    /// Returns a circle through a file, if there is one.
    fn circle(&self, file: &str) -> Option<String> {
        let back = |path: &Vec<&str>| {
            let last = path.last().and_then(|last| self.files.get(*last));
            last.is_some_and(|last| last.imports.contains(file))
        };
        let path = self.paths_from(file).into_iter().find(back)?;
        Some(format!("{} → {file}", path.join(" → ")))
    }
}

impl File {
    fn parse(name: &str, text: &str, names: &BTreeSet<String>) -> Self {
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut reader = Reader { name, names, children: BTreeSet::new(), file: Self::default() };
        let items: Vec<_> =
            parsed.items.into_iter().filter(|item| !is_for_tests(attributes(item))).collect();
        for item in &items {
            if let Item::Mod(child) = item {
                reader.children.insert(child.ident.to_string());
            }
        }
        for item in items {
            match item {
                Item::Use(import) => reader.tree(&mut Vec::new(), &import.tree),
                Item::Mod(_) => {}
                item => reader.tokens(item.to_token_stream()),
            }
        }
        reader.file
    }
}

/// A reader of the paths of one file.
struct Reader<'a> {
    name: &'a str,
    names: &'a BTreeSet<String>,
    /// The modules that it declares: a path may begin with one.
    children: BTreeSet<String>,
    file: File,
}

impl Reader<'_> {
    fn tree(&mut self, before: &mut Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(before, &path.tree);
                before.pop();
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(before, tree));
            }
            UseTree::Name(name) => {
                self.path(&[before.as_slice(), &[name.ident.to_string()]].concat());
            }
            UseTree::Rename(name) => {
                self.path(&[before.as_slice(), &[name.ident.to_string()]].concat());
            }
            UseTree::Glob(_) => self.path(&[before.as_slice(), &["*".to_owned()]].concat()),
        }
    }

    /// Reads names that are joined by `::`, within macros, too.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.path(&std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.path(&std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.path(&path);
    }

    fn path(&mut self, path: &[String]) {
        let joined = path.join("::");
        let named = |word: &str| joined == word || joined.starts_with(&format!("{word}::"));
        self.file.impure.extend(IMPURE.into_iter().filter(|word| named(word)));
        if let Some(target) = self.target(path).filter(|target| target != self.name) {
            self.file.imports.insert(target);
        }
    }

    /// Returns the file that a path of this crate leads to: that of its longest prefix that is a
    /// module.
    fn target(&self, path: &[String]) -> Option<String> {
        let own: Vec<_> = match self.name {
            "lib" | "main" => Vec::new(),
            name => name.split('/').map(str::to_owned).collect(),
        };
        // A visibility such as `pub(super)` leads to no file.
        let (first, rest) = path.split_first().filter(|(_, rest)| !rest.is_empty())?;
        let mut full = match first.as_str() {
            "crate" => Vec::new(),
            "self" => own,
            "super" => own.split_last()?.1.to_vec(),
            child if self.children.contains(child) => [own, vec![child.to_owned()]].concat(),
            _ => return None,
        };
        for part in rest {
            match part.as_str() {
                "super" => drop(full.pop()),
                part => full.push(part.to_owned()),
            }
        }
        while !full.is_empty() && !self.names.contains(&full.join("/")) {
            full.pop();
        }
        Some(if full.is_empty() { "lib".to_owned() } else { full.join("/") })
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let text = |attribute: &Attribute| attribute.to_token_stream().to_string().replace(' ', "");
    attributes.iter().any(|attribute| text(attribute) == "#[cfg(test)]")
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        _ => &[],
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
