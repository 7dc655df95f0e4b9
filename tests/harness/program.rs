//! The program `lab` as a person uses it: its output and its exit code. Method: it is run.

use std::path::Path;
use std::process::Output;

use pretty_assertions::assert_eq;
use replication_lab::record::{Event, Record};

use crate::support::{Outcome, directory, lab, within_deadline};

/// A run prints a line for every scenario, shows its key figures, and leaves its record.
#[test]
fn a_run_prints_its_outcome_and_leaves_a_record() {
    within_deadline(async move {
        let records = directory();
        let ran = run(&["run", "04@promote"], records.path())?;
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success(), "{}{said}", String::from_utf8_lossy(&ran.stderr));
        for part in [
            "scenarios to run, one at a time: 1\n",
            "passed  ",
            "scenario 04 manual failover: promote",
            "from pg_promote() to the first row that a client wrote: ",
            "1 passed, 0 failed; records in ",
        ] {
            assert!(said.contains(part), "{part:?} is missing in:\n{said}");
        }
        let mut written: Vec<_> =
            std::fs::read_dir(records.path())?.flatten().map(|entry| entry.path()).collect();
        written.sort();
        let [report, record] = written.as_slice() else { panic!("{written:?}") };
        let page = report.join("report.html");
        assert!(said.ends_with(&format!("report in {}\n", page.display())), "{said}");
        assert!(page.is_file() && report.join("journal.md").is_file());
        let text = std::fs::read_to_string(record)?;
        let entries = Record::read(&text)?.entries;
        let alone =
            entries.iter().any(|entry| matches!(&entry.event, Event::Begin(begin) if begin.alone));
        assert!(alone, "a run's record says that its scenario ran alone");
        Ok(())
    });
}

/// A quiet run that passes prints nothing.
#[test]
fn a_quiet_run_that_passes_says_nothing() {
    within_deadline(async move {
        let records = directory();
        let ran = run(&["run", "04@timeline", "--quiet"], records.path())?;
        assert_eq!((ran.status.code(), text(&ran)), (Some(0), String::new()));
        Ok(())
    });
}

/// A name that no exercise has is an error that offers the nearest names, before a host is sought: here no
/// engine answers and nothing is installed.
#[test]
fn a_run_of_an_unknown_scenario_offers_the_nearest() {
    within_deadline(async move {
        let records = directory();
        for (typed, nearest) in [("promot", ""), ("promoet", "promote"), ("11", "01, 10")] {
            let mut command = lab(&["run", typed, "--host", "local"]);
            command.env("LAB_PG_BIN", "/nonexistent").env("LAB_RECORDS", records.path());
            let ran = command.output()?;
            let said = text(&ran);
            assert_eq!(ran.status.code(), Some(1), "{said}");
            match nearest {
                // A part of a name is enough: then the host is sought.
                "" => assert!(said.contains("/nonexistent"), "{said}"),
                _ => assert!(said.contains(&format!("the nearest: {nearest}")), "{said}"),
            }
        }
        Ok(())
    });
}

/// `lab list` has every exercise of `lab show`, and a page is shown as it holds for a version.
#[test]
fn exercises_are_listed_and_their_pages_shown() {
    within_deadline(async move {
        let list = text(&lab(&["list"]).output()?);
        assert!(list.contains("\n04 Manual failover\n"), "{list}");
        assert!(list.contains("\n  promote   "), "{list}");
        let page = |version: &str| lab(&["show", "03@statements", "--pg", version]).output();
        let (old, new) = (text(&page("13")?), text(&page("18")?));
        for page in [&old, &new] {
            assert!(page.starts_with("# scenario 03 read only: statements\n"), "{page}");
        }
        assert_ne!(old, new);
        let unknown = lab(&["show", "statments"]).output()?;
        assert_eq!(unknown.status.code(), Some(1));
        assert!(text(&unknown).contains("the nearest: statements"), "{}", text(&unknown));
        Ok(())
    });
}

/// A scenario that fails is reported with its reason, and the exit code is 1. Method: a
/// configuration with which no server starts.
#[test]
fn a_run_that_fails_prints_the_reason() {
    within_deadline(async move {
        let records = directory();
        let conf = records.path().join("extra.conf");
        std::fs::write(&conf, "shared_buffers = 'lots'\n")?;
        let mut command = lab(&["run", "04@promote", "--quiet"]);
        command.env("LAB_CONF", conf).env("LAB_RECORDS", records.path());
        let ran = command.output()?;
        let said = text(&ran);
        assert_eq!(ran.status.code(), Some(1), "{said}");
        for part in ["FAILED  ", "scenario 04 manual failover: promote", "\"shared_buffers\""] {
            assert!(said.contains(part), "{part:?} is missing in:\n{said}");
        }
        Ok(())
    });
}

/// `lab doctor` shows what there is, and the command that installs what is missing. Method: no
/// engine answers, and version 98 is not installed.
#[test]
fn the_doctor_names_what_is_missing() {
    within_deadline(async move {
        let mut command = lab(&["doctor", "--pg", "98"]);
        for name in ["LAB_HOST", "LAB_IMAGE", "LAB_PG_BIN", "LAB_CONF", "LAB_DIR"] {
            command.env_remove(name);
        }
        command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
        let ran = command.output()?;
        let said = text(&ran);
        assert_eq!(ran.status.code(), Some(1), "{said}");
        let row = |name: &str| said.lines().find(|line| line.trim_start().starts_with(name));
        for (name, part) in [
            ("container engine", "connecting"),
            ("memory", "GB"),
            ("missing", "a PostgreSQL server"),
        ] {
            let row = row(name).unwrap_or_else(|| panic!("no row {name:?} in:\n{said}"));
            assert!(row.contains(part), "{part:?} is missing in {row:?}");
        }
        assert!(!said.contains("panicked"), "{said}");
        Ok(())
    });
}

/// `lab clean` names what dead processes left, and then removes it; what a running process has
/// stays. Method: directories as local hosts have them, of a process that has ended and of this
/// one.
#[test]
fn cleaning_removes_what_the_dead_left() {
    within_deadline(async move {
        let home = directory();
        let mut dead = lab(&["--version"]).spawn()?;
        dead.wait()?;
        let host = |process: u32| home.path().join(format!("lab-{process}-0000abcd-primary"));
        let (left, used) = (host(dead.id()), host(std::process::id()));
        for host in [&left, &used] {
            std::fs::create_dir_all(host.join("data"))?;
        }
        let clean = |arguments: &[&str]| -> Outcome<String> {
            let mut command = lab(&[&["clean"], arguments].concat());
            let ran = command.env("LAB_DIR", home.path()).env("LAB_HOST", "local").output()?;
            assert!(ran.status.success(), "{}", text(&ran));
            Ok(text(&ran))
        };
        assert!(clean(&["--dry-run"])?.contains(&format!("would remove {}\n", left.display())));
        assert!(left.exists(), "a dry run removes nothing");
        let said = clean(&[])?;
        assert!(said.contains(&format!("removed {}\n", left.display())), "{said}");
        assert!(said.contains(&format!("kept {}: process ", used.display())), "{said}");
        assert_eq!((left.exists(), used.exists()), (false, true));
        assert!(clean(&[])?.ends_with("nothing to remove\n"));
        Ok(())
    });
}

fn run(arguments: &[&str], records: &Path) -> Outcome<Output> {
    Ok(lab(arguments).env("LAB_RECORDS", records).output()?)
}

fn text(ran: &Output) -> String {
    let both = [ran.stdout.as_slice(), ran.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}
