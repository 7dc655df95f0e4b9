//! The outcome of an exercise on its way: from the test to its record, to the journal, the page, the summary
//! and the exit code. Method: `lab run` with exercises that pass, and with a configuration of the test's
//! own that makes them fail.

use std::fs;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use replication_lab::record::{Event, Outcome as Ended, Record};
use replication_lab::{Settings, Site};
use tempfile::TempDir;

use crate::support::{Outcome, directory, lab, unlinked, within_deadline};

/// A run of an exercise, and what it has left.
struct Ran {
    code: Option<i32>,
    /// The standard output and the standard error.
    said: String,
    /// The events of its record.
    events: Vec<Event>,
    journal: String,
    html: String,
    home: TempDir,
}

/// An exercise that passes is a passed one everywhere, and its figures are the same everywhere.
#[test]
fn an_exercise_that_passes_is_passed_everywhere() {
    within_deadline(async move {
        let ran = run("04@timeline", None, &[])?;
        assert_eq!(ran.code, Some(0), "{}", ran.said);
        assert_eq!(ran.events.last(), Some(&Event::End(Ended::Passed)));
        for line in ["**Total completion:** 0/10 scenarios (0 %), 1 exercises passed", "not run"] {
            assert!(ran.journal.lines().any(|one| one == line), "{line:?}:\n{}", ran.journal);
        }
        assert!(ran.journal.contains("## 04@timeline\n\npassed in "), "{}", ran.journal);
        assert!(ran.journal.contains("## 04@promote\n\nnot run\n"), "{}", ran.journal);
        let sentence = learned(&ran.events).ok_or("the exercise has a learning")?;
        let learning = format!("- {}", sentence.split(' ').take(6).collect::<Vec<_>>().join(" "));
        assert!(ran.journal.contains(&learning), "{learning:?}:\n{}", ran.journal);
        assert!(ran.html.contains("id=\"04timeline\">04@timeline"), "{}", ran.html);
        assert!(ran.said.contains("1 passed, 0 failed"), "{}", ran.said);
        Ok(())
    });
}

/// An exercise whose page differs from the accepted one has failed everywhere, although each of its
/// assertions held; `LAB_KEEP` keeps local servers. Method: a setting of `LAB_CONF`, which a page leaves
/// out, stands on the accepted page.
#[test]
fn a_page_that_differs_is_a_failure_everywhere() {
    within_deadline(async move {
        // Kept containers would be removed with those that other tests have kept.
        let local = Site::choose(&Settings::from_env()?).await?.kind() == "local";
        let (keep, servers) = match local {
            true => ("1", "The servers are kept"),
            false => ("0", "LAB_KEEP=1 keeps the servers"),
        };
        let conf = Some("wal_retrieve_retry_interval = '30ms'\n");
        let ran = run("04@timeline", conf, &[("LAB_KEEP", keep)])?;
        let kept = hosts(ran.home.path());
        remove(ran.home.path())?;
        has_failed(&ran);
        assert_eq!(kept.len(), if local { 2 } else { 0 }, "a host for each node: {kept:?}");
        assert_eq!(hosts(ran.home.path()), Vec::<PathBuf>::new());
        for part in ["The page of scenario_04_manual_failover@timeline differs", servers] {
            assert!(ran.said.contains(part), "{part:?} is missing in:\n{}", ran.said);
        }
        // Its assertions held, so that its record has everything; it proves nothing all the same.
        let sentence = learned(&ran.events).ok_or("its record has a learning")?;
        assert!(!ran.journal.contains(&format!("- {sentence}")), "{}", ran.journal);
        assert!(ran.journal.contains("\n- 04@timeline: failed, in the step"), "{}", ran.journal);
        Ok(())
    });
}

/// An exercise that cannot start its servers has failed everywhere, and leaves none. Method: a setting with
/// which no server starts.
#[test]
fn an_exercise_without_servers_is_a_failure_everywhere() {
    within_deadline(async move {
        let ran = run("04@timeline", Some("shared_buffers = 'lots'\n"), &[])?;
        has_failed(&ran);
        assert_eq!(hosts(ran.home.path()), Vec::<PathBuf>::new());
        assert!(ran.said.contains("LAB_KEEP=1 keeps them after a failure"), "{}", ran.said);
        Ok(())
    });
}

/// At another scale than 1 no page is compared, because its row counts differ; the record names the scale
/// and the configuration. Method: the setting with which the page differs.
#[test]
fn at_another_scale_no_page_is_compared() {
    within_deadline(async move {
        let conf = Some("wal_retrieve_retry_interval = '30ms'\n");
        let ran = run("04@timeline", conf, &[("LAB_SCALE", "0.5")])?;
        assert_eq!(ran.code, Some(0), "{}", ran.said);
        assert_eq!(ran.events.last(), Some(&Event::End(Ended::Passed)));
        let Some(Event::Begin(begin)) = ran.events.first() else { panic!("{:?}", ran.events) };
        let conf = ran.home.path().join("extra.conf");
        let end = format!("; LAB_SCALE=0.5; LAB_CONF={}", conf.display());
        assert!(begin.location.ends_with(&end), "{}", begin.location);
        Ok(())
    });
}

/// The number of rows follows `LAB_SCALE`. Method: an exercise that counts its 200 orders and the scaled ones,
/// at a tenth of its size.
#[test]
fn the_scale_multiplies_the_rows() {
    within_deadline(async move {
        let ran = run("07@cascade", None, &[("LAB_SCALE", "0.1")])?;
        assert_eq!(ran.code, Some(0), "{}", ran.said);
        let during = ran.events.iter().find_map(|event| match event {
            Event::Fact { name, value } if name == "orders on each server during the cut" => {
                Some(value.to_string())
            }
            _ => None,
        });
        assert_eq!(during.as_deref(), Some("primary: 300, standby1: 200, standby2: 200"));
        Ok(())
    });
}

/// Returns the Markdown of a report: the journal, and the files beside it but the one for notes.
fn report_of(folder: &Path) -> std::io::Result<String> {
    let mut text = fs::read_to_string(folder.join("journal.md"))?;
    for number in 1..=10 {
        text += &fs::read_to_string(folder.join(format!("scenario_{number:02}.md")))?;
    }
    Ok(unlinked(&text))
}

/// Asserts that a run of `timeline` is a failure in its record, the journal, the page, the summary and the
/// exit code.
#[track_caller]
fn has_failed(ran: &Ran) {
    assert_eq!(ran.code, Some(1), "{}", ran.said);
    assert_eq!(ran.events.last(), Some(&Event::End(Ended::Failed)));
    for part in ["0 passed, 1 failed", "FAILED"] {
        assert!(ran.said.contains(part), "{part:?} is missing in:\n{}", ran.said);
    }
    for part in
        ["**Total completion:** 0/10 scenarios (0 %), 0 exercises passed", "Not yet: 0 of 10"]
    {
        assert!(ran.journal.contains(part), "{part:?} is missing in:\n{}", ran.journal);
    }
    assert!(!ran.journal.contains("[x]"), "nothing is ticked:\n{}", ran.journal);
    assert!(ran.html.contains("failed, in the step"), "{}", ran.html);
}

/// Runs one exercise with a configuration, in directories of its own.
fn run(exercise: &str, conf: Option<&str>, settings: &[(&str, &str)]) -> Outcome<Ran> {
    let (home, records) = (directory(), directory());
    let mut command = lab(&["run", exercise]);
    for name in ["LAB_CONF", "LAB_SCALE", "LAB_KEEP"] {
        command.env_remove(name);
    }
    command.env("LAB_DIR", home.path()).env("LAB_RECORDS", records.path());
    if let Some(conf) = conf {
        let path = home.path().join("extra.conf");
        fs::write(&path, conf)?;
        command.env("LAB_CONF", path);
    }
    let ran = command.envs(settings.iter().copied()).output()?;
    let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    let files = fs::read_dir(records.path())?.flatten().map(|entry| entry.path());
    let record = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "ndjson"));
    let record = record.ok_or_else(|| format!("no record; the run said:\n{said}"))?;
    let entries = Record::read(&fs::read_to_string(record)?)?.entries;
    Ok(Ran {
        code: ran.status.code(),
        said,
        events: entries.into_iter().map(|entry| entry.event).collect(),
        journal: report_of(&records.path().join("report"))?,
        html: fs::read_to_string(records.path().join("report/report.html"))?,
        home,
    })
}

/// Returns the first learning among events.
fn learned(events: &[Event]) -> Option<&str> {
    events.iter().find_map(|event| match event {
        Event::Learn { sentence, .. } => Some(sentence.as_str()),
        _ => None,
    })
}

/// Returns the directories of local hosts.
fn hosts(home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(home).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut hosts: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    hosts.sort();
    hosts
}

/// Removes the servers that a run has kept.
fn remove(home: &Path) -> Outcome {
    let no_engine = "unix:///nonexistent";
    let cleaned = lab(&["clean"])
        .env("LAB_HOST", "local")
        .env_remove("LAB_PG")
        .env("LAB_DIR", home)
        .env("DOCKER_HOST", no_engine)
        .output()?;
    match cleaned.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&cleaned.stderr).into_owned().into()),
    }
}
