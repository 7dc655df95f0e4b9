//! The frame of every scenario: a notebook, a deadline, the story of a failure, and at the end the
//! comparison with its page. It decides nothing about PostgreSQL.

mod comparison;
mod exercise;

use std::any::Any;
use std::fmt::{Debug, Write as _};
use std::io::{Read as _, Write as _};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use replication_lab::record::{self, Begin, Event, Fact, Outcome};
use replication_lab::settings::{self, Driver};
use replication_lab::{
    Cluster, Companion, Notebook, Proof, Result, Settings, Site, Topology, page,
};

use self::comparison::Page;
#[cfg(not(test))]
pub(crate) use self::exercise::Exercise;
pub(crate) use self::exercise::exercise;

/// The longest that a scenario may take, before `LAB_TIMEOUT` multiplies it.
const DEADLINE: Duration = Duration::from_secs(180);

/// The frame of a scenario's body. It dereferences to its notebook, and starts clusters.
pub(crate) struct Lab {
    book: Notebook,
    record: PathBuf,
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
        if site.settings().driver == Driver::Lab {
            std::thread::spawn(end_with_the_driver);
        }
        let begin = Begin::new(name, site.version().to_string())
            .about(about)
            .at(site.kind(), site.location())
            .alone(site.settings().driver != Driver::Cargo)
            .started(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs());
        let file = record::file_name(name, site.version().major(), site.kind());
        let record = site.settings().records.join(file);
        let book = Notebook::create(&record, begin)?;
        Ok(Self { book, record, site, clusters: Mutex::default() })
    }

    /// Records the beginning of a step; with a person as the driver, waits first until the last one
    /// was inspected.
    pub(crate) fn step(&self, title: &str) {
        self.pause();
        self.book.step(title);
    }

    /// Shows a person what the last step did and how to connect to the servers, and waits for
    /// Enter. It blocks the exercise; only its servers go on.
    fn pause(&self) {
        let entries = self.book.entries();
        let began = entries.iter().any(|entry| matches!(entry.event, Event::Step { .. }));
        if !began || !self.is_for_a_person() {
            return;
        }
        let mut text = page::last_step(&entries);
        let clusters = self.clusters().clone();
        for (node, line) in clusters.iter().flat_map(|cluster| cluster.psql_lines()) {
            let _ = writeln!(text, "\n# {node}\n{line}");
        }
        let _ =
            std::io::stderr().write_all((text + "\nPress Enter for the next step. ").as_bytes());
        if !std::io::stdin().read_line(&mut String::new()).is_ok_and(|bytes| bytes > 0) {
            std::process::exit(1);
        }
    }

    /// Records a value as a fact, and then asserts that it is the expected one.
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

    fn is_for_a_person(&self) -> bool {
        self.site.settings().driver == Driver::Person
    }

    /// Returns where servers and proxies are started.
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// Returns the major version of the servers.
    pub(crate) fn major(&self) -> u16 {
        self.site.version().major()
    }

    /// Returns a number of rows, or seconds of load, times `LAB_SCALE`; at least one.
    #[expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "sizes are small")]
    #[expect(clippy::cast_possible_truncation, reason = "a part of a row is no row")]
    pub(crate) fn scaled(&self, size: u64) -> u64 {
        ((size as f64 * self.site.settings().scale).round() as u64).max(1)
    }

    /// Starts a cluster; it is removed after the scenario.
    pub(crate) async fn start(&self, topology: Topology) -> Result<Arc<Cluster>> {
        let cluster = Arc::new(topology.start_at(&self.site, &self.book).await?);
        self.clusters().push(Arc::clone(&cluster));
        Ok(cluster)
    }

    /// Removes a cluster before the end.
    pub(crate) async fn stop(&self, cluster: Arc<Cluster>) -> Result<()> {
        self.clusters().retain(|one| !Arc::ptr_eq(one, &cluster));
        match Arc::into_inner(cluster) {
            Some(cluster) => cluster.stop().await,
            None => Ok(()),
        }
    }

    /// Records that this machine lacks what the test needs, and prints it past the capture of the
    /// test harness: a test that did not run must not look like one that passed.
    fn skip(&self, name: &str, missing: &[Companion]) -> Result<()> {
        let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
        let why = format!("this machine has no {}; cargo lab --install", missing.join(", no "));
        let _ = writeln!(std::io::stderr(), "{name}: skipped: {why}");
        self.book.close(Outcome::Skipped(why)).map(drop)
    }

    fn clusters(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Cluster>>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares the page with the accepted one of this version, while the clusters still run. The
    /// accepted pages have the sizes of `LAB_SCALE=1`; at another scale only the assertions hold.
    fn compare(&self, name: &str) -> Result<(), Failure> {
        #[expect(clippy::float_cmp, reason = "it is the default, or was set")]
        if self.site.settings().scale != 1.0 {
            return Ok(());
        }
        let (entries, accepted) = (self.book.entries(), comparison::folder());
        let page = Page { name, major: self.major(), entries: &entries, accepted: &accepted };
        page.compare().map_err(|panic| {
            page.explain(&self.record, self.site.settings().keep);
            Failure::Page(panic)
        })
    }

    /// Prints everything a person needs to understand a failure, past the capture of the test
    /// harness.
    async fn tell(&self, failure: &Failure) {
        let failure = match failure {
            Failure::Error(failure) => failure,
            Failure::Panic(_) => "an assertion failed",
            // The difference says it, and what explains that is printed already.
            Failure::Page(_) => return,
        };
        let mut story = format!("\n{failure}\n\nthe notebook so far:\n");
        story += &page::with_figures(&self.book.entries());
        story += "\nthe servers:\n";
        let clusters = self.clusters().clone();
        for cluster in clusters {
            story += &cluster.story().await;
        }
        story += match self.site.settings().keep {
            true => "they are kept; cargo lab clean removes them\n",
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

/// Runs one scenario test: opens its notebook, runs the body within the deadline, compares the page
/// with the accepted one, prints the story of a failure, and removes the clusters.
///
/// `test` is the location of the test, `about` what it shows and how.
pub(crate) fn scenario(
    test: &rstest::Context,
    about: &str,
    body: impl AsyncFnOnce(&Lab) -> Result<()>,
) {
    scenario_with(test, &[], about, body);
}

/// Runs one scenario test as [`scenario`] does, where this machine has the programs that it needs
/// beside PostgreSQL. Where one is missing, the test is skipped: its record and standard error say so.
pub(crate) fn scenario_with(
    test: &rstest::Context,
    needed: &[Companion],
    about: &str,
    body: impl AsyncFnOnce(&Lab) -> Result<()>,
) {
    // The file, and the cases of a test, are modules below the scenario's.
    let mut modules = test.module.split("::");
    let module = modules.find(|name| name.starts_with("scenario_")).unwrap_or(test.module);
    let case = test.description.map_or(String::new(), |case| format!("_{case}"));
    let name = format!("{module}@{}{case}", test.name);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(&name, needed, about, body)),
        Err(error) => Err(format!("starting a runtime: {error}")),
    };
    if let Err(failure) = outcome {
        panic!("{name}: {failure}");
    }
}

async fn run(
    name: &str,
    needed: &[Companion],
    about: &str,
    body: impl AsyncFnOnce(&Lab) -> Result<()>,
) -> Result<(), String> {
    let lab = Lab::open(name, about).await.map_err(|error| format!("{error:?}"))?;
    let missing = Companion::missing_of(needed, lab.site.settings());
    if !missing.is_empty() {
        return lab.skip(name, &missing).map_err(|error| format!("{error:?}"));
    }
    let deadline = match lab.is_for_a_person() {
        true => Duration::MAX,
        false => DEADLINE.mul_f64(settings::timeout_factor()),
    };
    let done = tokio::time::timeout(deadline, async {
        let done = body(&lab).await;
        lab.pause();
        done
    });
    let outcome = match AssertUnwindSafe(done).catch_unwind().await {
        Ok(Ok(Ok(()))) => lab.compare(name),
        Ok(Ok(Err(error))) => Err(Failure::Error(format!("{error:?}"))),
        Ok(Err(_)) => {
            Err(Failure::Error(format!("the body of the test did not end within {deadline:?}")))
        }
        Err(panic) => Err(Failure::Panic(panic)),
    };
    if let Err(failure) = &outcome {
        lab.tell(failure).await;
    }
    let ended = if outcome.is_ok() { Outcome::Passed } else { Outcome::Failed };
    let closed = lab.book.close(ended).map_err(|error| format!("{error:?}"));
    match outcome {
        Ok(()) => {
            closed?;
            lab.close().await.map_err(|error| format!("{error:?}"))
        }
        Err(Failure::Error(failure)) => Err(failure),
        Err(Failure::Panic(panic) | Failure::Page(panic)) => resume_unwind(panic),
    }
}

/// Ends this process when the program `lab`, which holds the other end of the standard input, has
/// ended; its switches then remove the servers.
fn end_with_the_driver() {
    let mut input = std::io::stdin();
    let mut heard = [0; 64];
    while input.read(&mut heard).is_ok_and(|bytes| bytes > 0) {}
    std::process::exit(1);
}

/// The failure of a test: an error, or the panic of an assertion.
enum Failure {
    Error(String),
    Panic(Box<dyn Any + Send>),
    /// The page is not the accepted one.
    Page(Box<dyn Any + Send>),
}
