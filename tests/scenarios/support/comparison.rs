//! A page compared with the accepted one, and what a person reads when the two differ. The only file that
//! knows insta; it accepts nothing by itself.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use replication_lab::page;
use replication_lab::record::Entry;

/// The page of a run.
pub(super) struct Page<'a> {
    /// `scenario_04_manual_failover@promote`.
    pub(super) name: &'a str,
    /// The major version of the servers.
    pub(super) major: u16,
    pub(super) entries: &'a [Entry],
    /// The folder of the accepted pages: see [`folder`].
    pub(super) accepted: &'a Path,
}

impl Page<'_> {
    /// Compares the page with the accepted one of its version. insta prints the difference.
    pub(super) fn compare(&self) -> Result<(), Box<dyn Any + Send>> {
        let page = page::render(self.entries);
        let accepted = self.accepted_name();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(self.accepted);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let compare = || insta::assert_snapshot!(accepted.as_str(), page);
        let compared = settings.bind(|| catch_unwind(AssertUnwindSafe(compare)));
        self.name_the_source();
        compared
    }

    /// insta writes the file of its macro, which is this one, into the head of a page that it accepts;
    /// what a reader looks for is the scenario.
    fn name_the_source(&self) {
        let path = self.accepted.join(self.accepted_name() + ".snap");
        let Ok(page) = std::fs::read_to_string(&path) else { return };
        let scenario = self.name.split('@').next().unwrap_or_default();
        let (wrong, right) =
            (format!("\nsource: {}\n", file!()), format!("\nsource: tests/scenarios/{scenario}\n"));
        if page.contains(&wrong) {
            // A page that cannot be written is one whose head is wrong, and the next run tries again.
            let _ = std::fs::write(path, page.replacen(&wrong, &right, 1));
        }
    }

    /// Prints what to do about a difference, the usual case first, and where the rest of the run is. It
    /// goes where insta's difference went, so that it stands below it.
    #[expect(clippy::print_stdout, reason = "the test harness prints it below the difference")]
    pub(super) fn explain(&self, record: &Path, keep: bool) {
        let (name, accepted) = (self.name, self.accepted_name());
        let servers = match keep {
            true => "The servers are kept, with their logs; cargo lab clean removes them.",
            false => "LAB_KEEP=1 keeps the servers of a test that fails, with their logs.",
        };
        println!(
            "\nThe page of {name} differs from the accepted one, snapshots/{accepted}.snap.\n\n\
             {decision}\
             The last step of this run:\n{step}\n\
             The whole run is in {record}.\n{servers}\n{versions}",
            decision = self.decision(),
            versions = self.versions(),
            step = page::last_step(self.entries),
            record = record.display(),
        );
    }

    /// Returns what a person can do about the difference.
    fn decision(&self) -> String {
        let (name, major) = (self.name, self.major);
        match is_checkout() {
            true => format!(
                "You meant the change? Accept the page, and read the diff:\n  \
                 cargo lab accept --pg {major} {name}\n  git diff snapshots/\n\n"
            ),
            false => format!(
                "The accepted page says what PostgreSQL {major} does on the machines of this project. This \
                 PostgreSQL,\nits settings, or this machine does otherwise: `lab show {name} --pg {major}` \
                 prints the page.\n\n"
            ),
        }
    }

    /// Returns how a version gets a page of its own.
    fn versions(&self) -> String {
        let (name, major, accepted) = (self.name, self.major, self.accepted_name());
        let next = major + 1;
        match is_checkout() {
            true => format!(
                "\nPostgreSQL {major} differs from the versions before? A page holds from its version on:\n  \
                 cp 'snapshots/{accepted}.snap' 'snapshots/{name}.pg{major}.snap'\n\
                 and accept as above. It differs from the versions after it? Then the accepted page is theirs:\n  \
                 cp 'snapshots/{accepted}.snap' 'snapshots/{name}.pg{next}.snap'\n\
                 and accept as above.\n"
            ),
            false => String::new(),
        }
    }

    fn accepted_name(&self) -> String {
        let files = std::fs::read_dir(self.accepted).into_iter().flatten().flatten();
        let files = files.filter_map(|file| file.file_name().into_string().ok());
        page::since(files, self.name, self.major)
    }
}

/// Tells whether the current directory is a checkout, whose pages a person may change.
fn is_checkout() -> bool {
    Path::new("Cargo.toml").is_file()
}

/// Returns the folder of the accepted pages, below the current directory: that is the checkout in which
/// cargo runs tests, or the directory with the program's own pages that `lab` made.
pub(super) fn folder() -> PathBuf {
    std::path::absolute("snapshots").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use replication_lab::record::{Begin, Event, Fact};

    use super::*;

    const NAME: &str = "scenario_99_x@y";

    /// Compares a page with the accepted ones in a folder.
    fn is_accepted(accepted: &Path, entries: &[Entry]) -> bool {
        Page { name: NAME, major: 17, entries, accepted }.compare().is_ok()
    }

    /// Returns the entries of a run with a fact of this value.
    fn run_with(rows: u64) -> Vec<Entry> {
        let events = [
            Event::Begin(Begin::new(NAME, "17.2").about("A test")),
            Event::Step { title: "Rows".to_owned() },
            Event::Fact { name: "rows on the primary".to_owned(), value: Fact::Count(7) },
            Event::Fact { name: "rows on the standby".to_owned(), value: Fact::Count(rows) },
        ];
        events.into_iter().map(|event| Entry::new(0, event)).collect()
    }

    #[test]
    fn a_page_is_accepted_only_where_every_line_is_the_same() {
        let accepted = tempfile::tempdir().unwrap();
        let entries = run_with(9);
        assert!(!is_accepted(accepted.path(), &entries), "there is no accepted page");
        let file = accepted.path().join(format!("{NAME}.snap"));
        assert!(!file.exists(), "a comparison accepts nothing");
        let page = format!("---\nsource: x\n---\n{}", page::render(&entries));
        fs::write(&file, &page).unwrap();
        assert!(is_accepted(accepted.path(), &entries), "the page is the accepted one");
        assert!(!is_accepted(accepted.path(), &run_with(8)), "a fact has another value");
        assert!(!is_accepted(accepted.path(), &entries[..3]), "a line is missing");
        fs::write(&file, page + "- one: more\n").unwrap();
        assert!(!is_accepted(accepted.path(), &entries), "the accepted page has one line more");
    }

    #[test]
    fn a_page_of_a_version_is_compared_with_the_one_that_holds_for_it() {
        let accepted = tempfile::tempdir().unwrap();
        let write = |name: &str, rows| {
            let page = format!("---\nsource: x\n---\n{}", page::render(&run_with(rows)));
            fs::write(accepted.path().join(name), page).unwrap();
        };
        write("scenario_99_x@y.snap", 1);
        write("scenario_99_x@y.pg16.snap", 2);
        write("scenario_99_x@y.pg18.snap", 3);
        let accepted = [1, 2, 3].map(|rows| is_accepted(accepted.path(), &run_with(rows)));
        assert_eq!(accepted, [false, true, false]);
    }
}
