//! The notebook of a run: steps, what was typed, facts, measurements and learnings, in order. It
//! appends to the record line by line while the run goes on, so that a panic or a kill loses
//! nothing. It never asserts.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::event::{Begin, Entry, Event, Outcome};
use super::fact::Fact;
use super::reading::Reading;
use crate::error::{Error, Result};

/// A notebook, into which a run writes its events. Clones write into the same one; nodes and
/// sessions hold a clone, so that what is typed through them is recorded.
#[derive(Clone, Debug)]
pub struct Notebook(Arc<Book>);

#[derive(Debug)]
struct Book {
    opened: Instant,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    file: Option<File>,
    path: PathBuf,
    entries: Vec<Entry>,
    failed: Option<std::io::Error>,
}

/// A fact in the notebook: the evidence that a learning needs.
#[derive(Clone, Debug)]
pub struct Proof(String);

impl Notebook {
    /// Creates a notebook that keeps its events in memory only.
    pub fn in_memory() -> Self {
        Self::over(None, PathBuf::new())
    }

    /// Creates a notebook that appends to a new record at `path`; an older record there is
    /// replaced.
    ///
    /// # Errors
    ///
    /// The directory or the file cannot be created.
    pub fn create(path: &Path, begin: Begin) -> Result<Self> {
        let act = || format!("creating the record {}", path.display());
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(|source| {
                Error::io(act(), source).remedy("set LAB_RECORDS to a directory you can write to")
            })?;
        }
        let file = File::create(path).map_err(|source| Error::io(act(), source))?;
        let book = Self::over(Some(file), path.to_owned());
        book.note(Event::Begin(begin));
        Ok(book)
    }

    fn over(file: Option<File>, path: PathBuf) -> Self {
        let pages = Pages { file, path, ..Pages::default() };
        Self(Arc::new(Book { opened: Instant::now(), pages: Mutex::new(pages) }))
    }

    /// Records the beginning of a step of the exercise.
    pub fn step(&self, title: &str) {
        self.note(Event::Step { title: title.to_owned() });
    }

    /// Records a fact: a value that is the same on every run of this PostgreSQL version.
    pub fn fact(&self, name: &str, value: impl Into<Fact>) -> Proof {
        self.note(Event::Fact { name: name.to_owned(), value: value.into() });
        Proof(name.to_owned())
    }

    /// Records a measurement: a value that differs from run to run.
    pub fn measure(&self, name: &str, reading: impl Into<Reading>) {
        self.note(Event::Measure { name: name.to_owned(), reading: reading.into(), key: false });
    }

    /// Records a measurement that is one of the few figures in the summary of a run.
    pub fn key_figure(&self, name: &str, reading: impl Into<Reading>) {
        self.note(Event::Measure { name: name.to_owned(), reading: reading.into(), key: true });
    }

    /// Records a learning, with the facts that prove it. A learning without a fact does not
    /// compile:
    ///
    /// ```compile_fail
    /// replication_lab::Notebook::in_memory().learn("The moon is made of cheese.", []);
    /// ```
    ///
    /// ```
    /// let book = replication_lab::Notebook::in_memory();
    /// let rows = book.fact("rows on the standby", 3_u64);
    /// book.learn("What was committed is on the standby.", [&rows]);
    /// ```
    pub fn learn<const N: usize>(&self, sentence: &str, because: [&Proof; N]) {
        const { assert!(N > 0, "a learning needs the fact that proves it") };
        let because = because.iter().map(|proof| proof.0.clone()).collect();
        self.note(Event::Learn { sentence: sentence.to_owned(), because });
    }

    /// Closes the record and returns its events.
    ///
    /// # Errors
    ///
    /// A line could not be written, now or earlier: the record on disk is incomplete.
    pub fn close(&self, outcome: Outcome) -> Result<Vec<Entry>> {
        self.note(Event::End(outcome));
        let mut pages = self.pages();
        match pages.failed.take() {
            Some(source) => {
                Err(Error::io(format!("writing the record {}", pages.path.display()), source))
            }
            None => Ok(pages.entries.clone()),
        }
    }

    /// Returns the time since the record began, which the seconds of a [`Reading::Series`] count.
    pub fn age(&self) -> Duration {
        self.0.opened.elapsed()
    }

    /// Returns the events recorded so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.pages().entries.clone()
    }

    pub(crate) fn note(&self, event: Event) {
        let at_ms = u64::try_from(self.age().as_millis()).unwrap_or(u64::MAX);
        let entry = Entry { at_ms, event };
        let mut pages = self.pages();
        if let Err(error) = pages.append(&entry) {
            pages.failed.get_or_insert(error);
        }
        pages.entries.push(entry);
    }

    /// Locks the pages. A panic of another thread that held the lock must not prevent the story of
    /// a failure.
    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.0.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn append(&mut self, entry: &Entry) -> std::io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        file.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::format::Record;

    fn begin() -> Begin {
        Begin::new("p@t", "17.0")
    }

    #[test]
    fn the_record_is_on_disk_before_the_run_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/p.ndjson");
        let book = Notebook::create(&path, begin()).unwrap();
        let proof = book.fact("rows", 3_u64);
        book.learn("All of them.", [&proof]);
        let entries = Record::read(&fs::read_to_string(&path).unwrap()).unwrap().entries;
        assert_eq!(entries, book.entries());
        assert_eq!(entries.len(), 3);
    }

    #[test]
    fn a_record_that_cannot_be_made_is_an_error_with_a_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Notebook::create(&file.join("p.ndjson"), begin()).unwrap_err();
        assert!(error.to_string().contains("LAB_RECORDS"), "{error}");
    }

    #[test]
    fn every_verb_writes_its_event() {
        let book = Notebook::in_memory();
        book.step("One");
        let (rows, more) = (book.fact("rows", 3_u64), book.fact("more", "b"));
        book.measure("took", Duration::from_millis(7));
        book.key_figure("sent", Reading::Bytes(9));
        book.learn("It holds.", [&more, &rows]);
        let measure = |name: &str, reading, key| Event::Measure { name: name.into(), reading, key };
        let fact = |name: &str, value| Event::Fact { name: name.into(), value };
        let expected = [
            Event::Step { title: "One".into() },
            fact("rows", Fact::Count(3)),
            fact("more", Fact::Text("b".into())),
            measure("took", Reading::Micros(7_000), false),
            measure("sent", Reading::Bytes(9), true),
            Event::Learn {
                sentence: "It holds.".into(),
                because: vec!["more".into(), "rows".into()],
            },
            Event::End(Outcome::Failed),
        ];
        let events =
            |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.event).collect::<Vec<_>>();
        assert_eq!(events(book.entries()), expected[..6]);
        assert_eq!(events(book.close(Outcome::Failed).unwrap()), expected);
    }

    #[test]
    fn an_entry_has_the_milliseconds_since_the_record_began() {
        let opened = Instant::now().checked_sub(Duration::from_millis(12_345)).unwrap();
        let book = Notebook(Arc::new(Book { opened, pages: Mutex::default() }));
        book.step("Late");
        let age = book.age();
        let at = Duration::from_millis(book.entries()[0].at_ms);
        assert!(Duration::from_millis(12_345) <= at && at <= age, "{at:?} of {age:?}");
        assert!(age < Duration::from_secs(60), "{age:?}");
    }

    /// Writes into a file that is open for reading only, so that every line fails.
    #[test]
    fn a_line_that_could_not_be_written_is_an_error_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.ndjson");
        fs::write(&path, "").unwrap();
        let book = Notebook::over(Some(File::open(&path).unwrap()), path.clone());
        book.step("One");
        assert_eq!(book.entries().len(), 1);
        let error = book.close(Outcome::Passed).unwrap_err().to_string();
        let act = format!("writing the record {} failed", path.display());
        assert!(error.starts_with(&act), "{error}");
    }
}
