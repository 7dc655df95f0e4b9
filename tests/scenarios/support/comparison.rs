//! A page compared with the accepted one, and what a person reads when the two differ. The only file that
//! knows insta; it accepts nothing by itself.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use replication_lab::page;
use replication_lab::record::Entry;

use super::since::page_name;

/// The page of a run.
pub(super) struct Page<'a> {
    /// `scenario_04_manual_failover@promote`.
    pub(super) name: &'a str,
    /// The major version of the servers.
    pub(super) major: u16,
    pub(super) entries: &'a [Entry],
}

impl Page<'_> {
    /// Compares the page with the accepted one of its version. insta prints the difference.
    pub(super) fn compare(&self) -> Result<(), Box<dyn Any + Send>> {
        let page = page::render(self.entries);
        let accepted = self.accepted();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(folder());
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
        let path = folder().join(self.accepted() + ".snap");
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
        let (name, major, accepted) = (self.name, self.major, self.accepted());
        let servers = match keep {
            true => "The servers are kept, with their logs; cargo lab clean removes them.",
            false => "LAB_KEEP=1 keeps the servers of a test that fails, with their logs.",
        };
        println!(
            "\nThe page of {name} differs from the accepted one, snapshots/{accepted}.snap.\n\n\
             You meant the change? Accept the page, and read the diff:\n  \
             cargo lab accept --pg {major} {name}\n  git diff snapshots/\n\n\
             The last step of this run:\n{step}\n\
             The whole run is in {record}.\n{servers}\n\n\
             PostgreSQL {major} differs from the versions before? A page holds from its version on:\n  \
             cp 'snapshots/{accepted}.snap' 'snapshots/{name}.pg{major}.snap'\n\
             and accept as above. It differs from the versions after it? Then the accepted page is theirs:\n  \
             cp 'snapshots/{accepted}.snap' 'snapshots/{name}.pg{next}.snap'\n\
             and accept as above.\n",
            step = page::last_step(self.entries),
            record = record.display(),
            next = major + 1,
        );
    }

    fn accepted(&self) -> String {
        page_name(&folder(), self.name, self.major)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots")
}
