//! The program outside of a checkout, as `cargo install` leaves it: two programs in a directory, and
//! nothing of this project beside them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pretty_assertions::assert_eq;
use replication_lab::record::{Event, Outcome as End, Record};

use crate::support::{Outcome, directory, program};
use crate::workbook::workbook;

const PROGRAMS: [&str; 2] = [env!("CARGO_BIN_EXE_lab"), env!("CARGO_BIN_EXE_lab-scenarios")];

/// Two directories: the programs, and an empty one to stand in.
struct Installed {
    _both: tempfile::TempDir,
    programs: PathBuf,
    empty: PathBuf,
}

impl Installed {
    /// Copies these programs.
    fn with(copied: &[&str]) -> Outcome<Self> {
        let both = directory();
        let (programs, empty) = (both.path().join("bin"), both.path().join("empty"));
        fs::create_dir(&programs)?;
        fs::create_dir(&empty)?;
        for program in copied.iter().map(Path::new) {
            let name = program.file_name().ok_or("a program without a name")?;
            fs::copy(program, programs.join(name))?;
        }
        Ok(Self { _both: both, programs, empty })
    }

    fn lab(&self, arguments: &[&str]) -> Outcome<Output> {
        let mut lab: Command = program(self.programs.join("lab"));
        // The tests themselves are run by cargo.
        Ok(lab.args(arguments).current_dir(&self.empty).env_remove("CARGO").output()?)
    }
}

/// The program has every exercise of the workbook, each with its page: what `lab run` chooses is the same
/// on both ways.
#[test]
fn the_program_has_every_exercise_under_the_name_of_its_test() -> Outcome {
    let list = program(env!("CARGO_BIN_EXE_lab-scenarios")).arg("--list").output()?;
    let list = String::from_utf8(list.stdout)?;
    let exercise = |name: &str| {
        let (scenario, path) = name.strip_prefix("scenario_")?.split_once("::")?;
        let (number, _) = scenario.split_once('_')?;
        let (_, test) = path.split_once("::")?;
        let (test, case) = test.split_once("::case_").unwrap_or((test, ""));
        let case = case.trim_start_matches(|digit: char| digit.is_ascii_digit());
        Some(format!("{number}@{test}{case}"))
    };
    let names = list.lines().map(|line| line.strip_suffix(": test").and_then(exercise));
    let names: Option<BTreeSet<_>> = names.collect();
    let names = names.ok_or_else(|| format!("a line is no exercise's:\n{list}"))?;
    let workbook = workbook();
    assert_eq!(names, workbook.exercises().map(str::to_owned).collect());
    Ok(())
}

#[test]
fn an_installed_lab_runs_scenarios_in_an_empty_directory() -> Outcome {
    let installed = Installed::with(&PROGRAMS)?;
    let ran = installed.lab(&["run", "04@promote"])?;
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(0), "{out}{err}");
    assert!(out.contains(": as the accepted pages say, in 1 of 1 exercises\n"), "{out}");
    let records = installed.empty.join("lab-records");
    let record = fs::read_dir(&records)?.filter_map(|entry| Some(entry.ok()?.path()));
    let record = record.filter(|path| path.extension().is_some_and(|end| end == "ndjson"));
    let record = Record::read(&fs::read_to_string(record.last().ok_or("there is no record")?)?)?;
    assert!(matches!(record.entries.last().map(|one| &one.event), Some(Event::End(End::Passed))));
    assert!(records.join("report/report.html").is_file());
    Ok(())
}

#[test]
fn an_installed_lab_says_what_it_cannot_do() -> Outcome {
    let installed = Installed::with(&PROGRAMS)?;
    let refused = installed.lab(&["accept", "04@promote"])?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("accept pages in a checkout of replication-lab"), "{said}");

    let typo = installed.lab(&["run", "promotx"])?;
    let said = String::from_utf8_lossy(&typo.stderr).into_owned();
    assert!(said.contains("what to do: lab list shows all of them"), "{said}");

    let half = Installed::with(PROGRAMS.get(..1).unwrap_or_default())?;
    let missing = half.lab(&["run", "04@promote"])?;
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert_eq!(missing.status.code(), Some(1), "{said}");
    let program = half.programs.join("lab-scenarios").display().to_string();
    assert!(said.contains(&program) && said.contains("cargo install replication-lab"), "{said}");
    assert_eq!(fs::read_dir(&half.empty)?.count(), 0, "nothing was written");
    Ok(())
}
