//! What every scenario runs in: a notebook, a deadline, the story on failure, and at the end the
//! comparison with its page. The only file that knows insta; it decides nothing about PostgreSQL.

use std::fmt::Debug;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use replication_lab::record::{Begin, FORMAT, Fact};
use replication_lab::{Cluster, Notebook, Proof, Result, Settings, Site, Topology, page, settings};

/// How long a scenario may take, before `LAB_TIMEOUT` multiplies it.
const DEADLINE: Duration = Duration::from_secs(180);

/// What a scenario's body works with. It reads as its notebook, and starts clusters.
pub(crate) struct Lab {
    book: Notebook,
    site: Site,
    clusters: Mutex<Vec<Arc<Cluster>>>,
}

impl std::ops::Deref for Lab {
    type Target = Notebook;

    fn deref(&self) -> &Notebook {
        &self.book
    }
}

impl Lab {
    async fn open(name: &str, about: &str) -> Result<Self> {
        let site = Site::choose(&Settings::from_env()?).await?;
        let begin = Begin {
            format: FORMAT,
            page: name.to_owned(),
            about: about.to_owned(),
            postgres: site.version().to_string(),
            host: site.kind().to_owned(),
            alone: site.settings().alone,
            started: SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs(),
        };
        let file = format!("{name}.pg{}-{}.ndjson", site.version().major(), site.kind());
        let book = Notebook::create(&site.settings().records.join(file), begin)?;
        Ok(Self { book, site, clusters: Mutex::default() })
    }

    /// Notes what was seen as a fact, and then asserts that it is what must be.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "it reads as an assertion")]
    pub(crate) fn must_be<T, U>(&self, name: &str, seen: T, expected: U) -> Proof
    where
        T: Clone + Debug + Into<Fact> + PartialEq<U>,
        U: Debug,
    {
        let proof = self.book.fact(name, seen.clone());
        pretty_assertions::assert_eq!(seen, expected, "{name}");
        proof
    }

    /// Starts a cluster; it is taken away after the scenario.
    pub(crate) async fn start(&self, topology: Topology) -> Result<Arc<Cluster>> {
        let cluster = Arc::new(topology.start_at(&self.site, &self.book).await?);
        self.clusters().push(Arc::clone(&cluster));
        Ok(cluster)
    }

    fn clusters(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Cluster>>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything a person needs to understand a failure, past the capture of the test harness.
    async fn tell(&self, failure: &str) {
        let mut story = format!("\n{failure}\n\nthe notebook so far:\n");
        story += &page::render(&self.book.entries());
        story += "\nthe servers:\n";
        let clusters = self.clusters().clone();
        for cluster in clusters {
            story += &cluster.story().await;
        }
        story += match self.site.settings().keep {
            true => "they are kept; cargo lab clean takes them away\n",
            false => "LAB_KEEP=1 keeps them after a failure\n",
        };
        let _ = std::io::stderr().write_all(story.as_bytes());
    }

    async fn close(self) -> Result<()> {
        let clusters = std::mem::take(&mut *self.clusters());
        for cluster in clusters.into_iter().filter_map(Arc::into_inner) {
            cluster.stop().await?;
        }
        Ok(())
    }
}

/// Runs one scenario test: opens its notebook, runs the body within the deadline, tells the story
/// when it fails, takes its clusters away and compares the page with the accepted one.
///
/// `test` is where the test stands, `about` what it shows and how.
pub(crate) fn scenario(
    test: &rstest::Context,
    about: &str,
    body: impl AsyncFnOnce(&Lab) -> Result<()>,
) {
    let module = test.module.rsplit("::").next().unwrap_or(test.module);
    let case = test.description.map_or(String::new(), |case| format!("_{case}"));
    let name = format!("{module}@{}{case}", test.name);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(&name, about, body)),
        Err(error) => Err(format!("starting a runtime: {error}")),
    };
    match outcome {
        Ok((page, major)) => compare(&name, major, &page),
        Err(failure) => panic!("{name}: {failure}"),
    }
}

async fn run(
    name: &str,
    about: &str,
    body: impl AsyncFnOnce(&Lab) -> Result<()>,
) -> Result<(String, u16), String> {
    use futures_util::FutureExt as _;
    let lab = Lab::open(name, about).await.map_err(|error| format!("{error:?}"))?;
    let deadline = DEADLINE.mul_f64(settings::timeout_factor());
    let guarded = AssertUnwindSafe(tokio::time::timeout(deadline, body(&lab))).catch_unwind().await;
    let failure = match &guarded {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(error))) => Some(format!("{error:?}")),
        Ok(Err(_)) => Some(format!("not done within {deadline:?}")),
        Err(_) => Some("an assertion failed".to_owned()),
    };
    if let Some(failure) = failure {
        lab.tell(&failure).await;
        let _ = lab.book.close(false);
        match guarded {
            Err(panic) => resume_unwind(panic),
            Ok(_) => return Err(failure),
        }
    }
    let entries = lab.book.close(true).map_err(|error| format!("{error:?}"))?;
    let major = lab.site.version().major();
    lab.close().await.map_err(|error| format!("{error:?}"))?;
    Ok((page::render(&entries), major))
}

/// Compares a page with the accepted one of this version.
fn compare(name: &str, major: u16, page: &str) {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots");
    let accepted = page_name(&pages, name, major);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&pages);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let compared = settings.bind(|| {
        catch_unwind(AssertUnwindSafe(|| insta::assert_snapshot!(accepted.as_str(), page)))
    });
    if let Err(panic) = compared {
        let told = format!(
            "\nthe page of {name} is not the accepted one (snapshots/{accepted}.snap).\n\
             If PostgreSQL {major} really differs from the versions before it, give it a page of \
             its own:\n  cp snapshots/{accepted}.snap snapshots/{name}.pg{major}.snap\nand run \
             again with INSTA_UPDATE=always; then read the diff.\n"
        );
        let _ = std::io::stderr().write_all(told.as_bytes());
        resume_unwind(panic);
    }
}

/// The since-rule: of `name.snap` (from 13 on) and `name.pgN.snap` (from N on), the one with the
/// largest N that is not above this version.
fn page_name(pages: &Path, name: &str, major: u16) -> String {
    let of_version = |path: PathBuf| -> Option<u16> {
        let file = path.file_name()?.to_str()?;
        file.strip_prefix(name)?.strip_prefix(".pg")?.strip_suffix(".snap")?.parse().ok()
    };
    let files = std::fs::read_dir(pages).into_iter().flatten().flatten();
    let since = files.filter_map(|entry| of_version(entry.path())).filter(|since| *since <= major);
    since.max().map_or(name.to_owned(), |since| format!("{name}.pg{since}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_from_its_version_on() {
        let pages = tempfile::tempdir().unwrap();
        for page in ["a@b.snap", "a@b.pg15.snap", "a@b.pg18.snap", "a@bc.pg16.snap"] {
            std::fs::write(pages.path().join(page), "").unwrap();
        }
        let name = |major| page_name(pages.path(), "a@b", major);
        assert_eq!(name(13), "a@b");
        assert_eq!(name(15), "a@b.pg15");
        assert_eq!(name(17), "a@b.pg15");
        assert_eq!(name(19), "a@b.pg18");
    }
}
