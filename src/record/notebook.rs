//! The notebook of a run: steps, what was typed, facts, measurements and learnings, in order. It
//! writes the record while it happens, a line at a time, so that a panic or a kill loses nothing;
//! it never asserts.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::event::{Begin, Entry, Event, Outcome};
use super::fact::Fact;
use super::reading::Reading;
use crate::error::{Error, Result};

/// Where a run notes what happens. Clones write into the same book; nodes and sessions hold one,
/// so that what is typed there is noted without being asked.
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

/// A fact that stands in the notebook: what a learning needs to be written down.
#[derive(Clone, Debug)]
pub struct Proof(String);

impl Notebook {
    /// A notebook that keeps what it is told in memory only.
    pub fn in_memory() -> Self {
        Self::over(None, PathBuf::new())
    }

    /// A notebook that appends to a new record at `path`; an older record there is replaced.
    ///
    /// # Errors
    ///
    /// The directory or the file cannot be made.
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

    /// Begins a new step of the exercise.
    pub fn step(&self, title: &str) {
        self.note(Event::Step { title: title.to_owned() });
    }

    /// Notes something that is the same on every run of this PostgreSQL version.
    pub fn fact(&self, name: &str, value: impl Into<Fact>) -> Proof {
        self.note(Event::Fact { name: name.to_owned(), value: value.into() });
        Proof(name.to_owned())
    }

    /// Notes something that differs from run to run.
    pub fn measure(&self, name: &str, reading: impl Into<Reading>) {
        self.note(Event::Measure { name: name.to_owned(), reading: reading.into(), key: false });
    }

    /// The same, for one of the few figures that a summary of the run shows.
    pub fn key_figure(&self, name: &str, reading: impl Into<Reading>) {
        self.note(Event::Measure { name: name.to_owned(), reading: reading.into(), key: true });
    }

    /// Notes a sentence a reader takes home, with the facts that prove it. One without a fact
    /// does not compile:
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

    /// Closes the record.
    ///
    /// # Errors
    ///
    /// A line could not be written, now or before: the record on disk is not whole.
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

    /// The time since the record began: what the seconds of a [`Reading::Series`] count.
    pub fn age(&self) -> Duration {
        self.0.opened.elapsed()
    }

    /// What has been noted so far.
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

    /// A panic elsewhere must not keep the story from being told.
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
}
