//! The report, from records alone: the journal of real ones, and the treatment of hostile, newer,
//! killed and missing ones. Method: `fixtures/records`, and records made here; no server runs.

use std::path::{Path, PathBuf};
use std::process::Output;

use pretty_assertions::assert_eq;
use replication_lab::Result;
use replication_lab::record::{Begin, Entry, Event, FORMAT, Fact, Reading, Setting, file_name};
use replication_lab::report::{self, Report};

use crate::support::{Outcome, directory, lab, text_of, within_deadline};
use crate::workbook::workbook;

/// The journal of real records, as a whole: of two versions, one taken beside other tests, one of a
/// killed run, one in the first format.
#[test]
fn the_journal_of_real_records() {
    let report = render(&fixtures()).unwrap();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("journal", report.journal));
    let scenario = report.files.iter().find(|(name, _)| name == "scenario_04.md");
    let scenario = scenario.map(|(_, text)| text.as_str()).unwrap_or_default();
    settings.bind(|| insta::assert_snapshot!("scenario_04", scenario));
    assert!(!text_of(&report).contains("____"), "no blank is left");
    assert!(report.journal.lines().count() < 400, "the journal is a summary");
}

/// The page needs no other file, no network and no script; every plot of the journal is in it.
#[test]
fn the_page_stands_alone() {
    let report = render(&fixtures()).unwrap();
    for word in ["<script", "<link", "<img", "<iframe", "@import", "url(", " src=", "javascript:"] {
        assert!(!report.html.contains(word), "{word:?} is in the page");
    }
    let text = text_of(&report);
    let plots = report.html.matches("<svg ").count();
    assert_eq!(plots, text.matches("](plots/").count());
    assert!(!report.plots.is_empty() && plots >= report.plots.len(), "there are plots");
    for (name, svg) in &report.plots {
        assert!(text.contains(&format!("(plots/{name})")), "{name} is in a file");
        assert!(svg.contains("<title>") && svg.contains("<desc>"), "{name} says what it shows");
        assert!(svg.contains(">seconds</text>") || svg.contains("\nseconds\n"), "{name}: an axis");
    }
}

/// The text of a record is shown as text, wherever it appears.
#[test]
fn a_hostile_record_is_text() {
    let hostile = "</details></pre></code></svg>\n\n    <script>alert(1)</script>\n\n<img src=x onerror=alert(1)> \
                   ![x](http://example.org/x) [y](javascript:alert(1)) | `a` ~~~\n# b & &lt;";
    let text = || hostile.to_owned();
    let series = Reading::Series(vec![(0.0, 1.0), (1.0, 2.0)], text());
    let events = [
        Event::Step { title: text() },
        Event::Provision { topology: text() },
        Event::Ready { server_version: text() },
        Event::Command { node: text(), line: text(), with: vec![(text(), text())] },
        Event::Settings {
            node: text(),
            settings: vec![Setting { name: text(), value: Some(text()), lab_conf: false }],
        },
        Event::Sql { node: text(), text: text() },
        Event::Fault { what: text() },
        Event::Fact { name: text(), value: Fact::Text(text()) },
        Event::Measure { name: text(), reading: Reading::Lsn(text()), key: true },
        Event::Measure { name: text(), reading: series, key: false },
        Event::Learn { sentence: text(), because: vec![text()] },
        Event::End(replication_lab::record::Outcome::Passed),
    ];
    let head = begin(&page(hostile), "17").about(text()).at(text(), text());
    let named = begin("scenario_01_replication_lag@bulk_inserts", "17").about(text());
    let records = [record(&head, events.clone()), record(&named, events)];
    let report = render(&records).unwrap();
    let (journal, html, plots) = (text_of(&report), report.html, report.plots);
    for word in ["<script", "<img", "href=\"javascript", "href=\"http"] {
        assert!(!html.contains(word), "{word:?} is in the page:\n{html}");
    }
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is shown");
    assert!(!plots.is_empty() && plots.iter().all(|(_, svg)| !svg.contains("<script")));
    assert!(plots.iter().all(|(name, _)| !name.contains(['/', '<', ' '])));
    // Within a block of code it stands as it is; everywhere else it is escaped.
    let prose = journal.lines().filter(|line| !line.starts_with("    ")).collect::<String>();
    assert!(!prose.contains("<script>") && prose.contains("\\<script\\>"), "it is escaped");
}

/// A run that failed or was killed proves nothing: no completion, no learning, no figure.
#[test]
fn a_run_that_did_not_pass_proves_nothing() {
    let page = "scenario_01_replication_lag@bulk_inserts";
    let learned = || {
        let (sentence, because) =
            ("A standby lags behind while rows are written.".to_owned(), vec![]);
        [Event::Step { title: "Rows".to_owned() }, Event::Learn { sentence, because }]
    };
    let failed =
        learned().into_iter().chain([Event::End(replication_lab::record::Outcome::Failed)]);
    for (events, said) in [
        (failed.collect::<Vec<_>>(), "## 01@bulk_inserts\n\nfailed, in the step \"Rows\""),
        (learned().to_vec(), "## 01@bulk_inserts\n\nunfinished, ended in the step \"Rows\""),
    ] {
        let (file, text) = record(&begin(page, "17.5"), events);
        let journal = text_of(&render(&[(file, text)]).unwrap());
        assert!(journal.contains(said), "{said:?} is missing in:\n{journal}");
        assert!(journal.contains("0 exercises passed"), "{journal}");
        assert!(!journal.contains("A standby lags behind"), "{journal}");
    }
}

/// A scenario is completed when each of its exercises passed, and the certificate is for all ten.
#[test]
fn all_exercises_make_a_scenario() {
    let pages = pages();
    let passed = |page: &String| {
        record(&begin(page, "17.5"), [Event::End(replication_lab::record::Outcome::Passed)])
    };
    let all: Vec<_> = pages.iter().map(passed).collect();
    let journal = text_of(&render(&all).unwrap());
    assert!(journal.contains("**Total completion:** 10/10 scenarios (100 %)"), "{journal}");
    assert!(journal.contains("CERTIFICATE") && !journal.contains("Not yet: "), "{journal}");
    let journal = text_of(&render(all.get(1..).unwrap()).unwrap());
    assert!(journal.contains("- [ ] **Beginner level** (2/3 scenarios)"), "{journal}");
    assert!(
        journal.contains("Not yet: 9 of 10 scenarios are completed. Missing: 01."),
        "{journal}"
    );
    assert!(!journal.contains("CERTIFICATE"), "{journal}");
}

/// The journal shows the run of the newest version; of two hosts the newer run. A run beside other
/// tests is used only where there is no other.
#[test]
fn the_journal_takes_the_newest_version() {
    let page = "scenario_04_manual_failover@promote";
    let run = |postgres: &str, host: &str, alone: bool, started: u64, value: &str| {
        let begin = begin(page, postgres).at(host, "somewhere").alone(alone).started(started);
        let value = Fact::Text(value.to_owned());
        let fact = Event::Fact {
            name: "rows on the new primary, of the 1000 from before".to_owned(),
            value,
        };
        record(&begin, [fact, Event::End(replication_lab::record::Outcome::Passed)])
    };
    let records = [
        run("9.6", "local", true, 9, "ancient"),
        run("17.5", "local", true, 1, "by itself"),
        run("17.5", "container", false, 5, "beside others"),
        run("15.1", "local", true, 9, "older"),
    ];
    let journal = text_of(&render(&records).unwrap());
    assert!(journal.contains("| rows kept, of 1000 | by itself | 04@promote |"), "{journal}");
    let change =
        "| 04@promote | rows on the new primary, of the 1000 from before | 15: older | 17: ";
    assert!(journal.contains(change), "{journal}");
}

/// `lab report` writes page, journal and plots, and prints where they are.
#[test]
fn the_program_renders_a_directory() {
    within_deadline(async move {
        let out = directory();
        let ran = run(folder(), out.path())?;
        assert_eq!((ran.status.code(), ran.stderr.as_slice()), (Some(0), [].as_slice()));
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        let page = out.path().join("report.html");
        assert_eq!(said, format!("report in {}\n", page.display()));
        let text = |name: &str| std::fs::read_to_string(out.path().join(name));
        let scenario = text("scenario_01.md")?;
        let plot = scenario.split("](plots/").nth(1).and_then(|rest| rest.split(')').next());
        assert!(out.path().join("plots").join(plot.ok_or("a plot")?).is_file(), "{plot:?}");
        // Every file that one of them refers to is there.
        for name in ["journal.md", "scenario_01.md"] {
            for link in
                text(name)?.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next())
            {
                assert!(out.path().join(link).is_file(), "{name} refers to {link}");
            }
        }
        let notes = out.path().join("notes.md");
        assert!(std::fs::read_to_string(&notes)?.contains("Key insights"));
        std::fs::write(&notes, "mine\n")?;
        assert!(run(folder(), out.path())?.status.success());
        assert_eq!(std::fs::read_to_string(&notes)?, "mine\n", "it is written once");
        assert!(std::fs::read_to_string(page)?.starts_with("<!DOCTYPE html>"));
        Ok(())
    });
}

/// Without a record, or with one of a newer lab, the error names the directory or the file.
#[test]
fn records_that_cannot_be_read_are_named() {
    within_deadline(async move {
        let records = directory();
        let out = records.path().join("report");
        let none = run(records.path(), &out)?;
        let mut newer = begin("scenario_01_x@y", "17.5");
        newer.format = FORMAT + 1;
        let (file, text) = record(&newer, []);
        std::fs::write(records.path().join(&file), text)?;
        let refused = run(records.path(), &out)?;
        let gone = run(records.path().join("nowhere"), &out)?;
        let location = records.path().display().to_string();
        for (ran, parts) in [
            (none, ["no file with the extension .ndjson", location.as_str(), "cargo lab"]),
            (refused, [file.as_str(), "read it with a newer lab", "what to do"]),
            (gone, ["nowhere", "No such file", "--records"]),
        ] {
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert_eq!(ran.status.code(), Some(1), "{said}");
            for part in parts {
                assert!(said.contains(part), "{part:?} is missing in:\n{said}");
            }
        }
        assert!(!out.exists(), "nothing was written");
        Ok(())
    });
}

fn render(records: &[(String, String)]) -> Result<Report> {
    report::render(&workbook(), records)
}

fn run(records: impl AsRef<Path>, out: &Path) -> Outcome<Output> {
    let mut command = lab(&["report", "--records"]);
    Ok(command.arg(records.as_ref()).arg("--out").arg(out).output()?)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/records")
}

fn fixtures() -> Vec<(String, String)> {
    let names = names_in("fixtures/records").into_iter().filter(|name| name.ends_with(".ndjson"));
    let read = |name: String| {
        let text = std::fs::read_to_string(folder().join(&name));
        (name, text.unwrap_or_else(|error| panic!("{error}")))
    };
    names.map(read).collect()
}

/// Returns the pages of all exercises.
fn pages() -> Vec<String> {
    let names = names_in("snapshots").into_iter().filter(|name| name.contains('@'));
    let mut pages: Vec<_> =
        names.filter_map(|name| Some(name.split('.').next()?.to_owned())).collect();
    pages.dedup();
    pages
}

/// Returns the names of the files in a folder of the checkout, in order.
fn names_in(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn page(test: &str) -> String {
    format!("scenario_99_hostile@{test}")
}

fn begin(page: &str, postgres: &str) -> Begin {
    let begin = Begin::new(page, postgres).about("What it is about").at("local", "somewhere");
    begin.alone(true).started(1_795_622_763)
}

fn record(begin: &Begin, events: impl IntoIterator<Item = Event>) -> (String, String) {
    let events = [Event::Begin(begin.clone())].into_iter().chain(events);
    let line = |(at_ms, event)| {
        let line = serde_json::to_string(&Entry::new(at_ms, event));
        line.unwrap_or_else(|error| panic!("{error}")) + "\n"
    };
    (file_name("record", 17, &begin.host), (0..).zip(events).map(line).collect())
}
