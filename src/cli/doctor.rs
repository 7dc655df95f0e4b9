//! `lab doctor`: shows what this machine offers, what a run would take and why, and the exact
//! command that installs what is missing. It changes nothing without `--install`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use sysinfo::{Disks, MemoryRefreshKind, System};

use super::failure::Result;
use super::location::Location;
use super::view::View;
use super::{install, summary};
use crate::error::Error;
use crate::settings::Settings;
use crate::site::companion::Companion;
use crate::site::survey::Survey;
#[cfg(feature = "container")]
use crate::version::Version;

/// Prints what there is. The exit code is 0 when a run can start.
pub(super) async fn run(location: &Location, install: bool) -> Result<ExitCode> {
    let settings = Settings::from_env_with(&location.environment())?;
    let survey = Survey::of(&settings).await;
    let mut table = summary::plain();
    let command = install::command(&settings).await;
    for (what, seen) in rows(&survey, &settings, command) {
        table.add_row([what.to_owned(), seen]);
    }
    let _ = writeln!(std::io::stdout(), "{}", summary::text(&table));
    match (survey.choice, install) {
        (Ok(_), false) => Ok(ExitCode::SUCCESS),
        (_, true) => {
            install::choose(&settings, true, &View::Plain).await?;
            Ok(ExitCode::SUCCESS)
        }
        (Err(_), false) => Ok(ExitCode::FAILURE),
    }
}

fn rows(
    survey: &Survey,
    settings: &Settings,
    command: Option<String>,
) -> Vec<(&'static str, String)> {
    let mut rows = containers(survey);
    let installed = survey.installed.iter();
    let installed =
        installed.map(|one| format!("PostgreSQL {} in {}", one.version, one.bin.display()));
    rows.push(("installed", lines(installed, "no PostgreSQL in PATH or the usual directories")));
    let account = survey.account.as_ref().map_or_else(why, |account| format!("run as {account}"));
    rows.push(("local servers", account));
    rows.push(("beside them", companions(settings)));
    rows.push(("local directory", directory(&settings.dir)));
    rows.push(("memory", memory()));
    let choice = survey.choice.as_ref().map_or_else(why, ToString::to_string);
    rows.push(("a run takes", choice));
    rows.push(("missing", missing(survey, settings, command)));
    rows
}

#[cfg(not(feature = "container"))]
fn containers(_: &Survey) -> Vec<(&'static str, String)> {
    vec![("container engine", "this lab was built without the feature \"container\"".to_owned())]
}

#[cfg(feature = "container")]
fn containers(survey: &Survey) -> Vec<(&'static str, String)> {
    let engine = survey.engine.as_ref();
    let engine = engine.map_or_else(why, |engine| format!("{} answers", engine.version));
    let mut images: Vec<_> = survey.images.iter().collect();
    images.sort_by_key(|image| image.claim.as_ref().map(Version::major));
    let images = images.into_iter().map(|image| image.reference.clone());
    if survey.engine.is_err() {
        return vec![("container engine", engine)];
    }
    let relay = match &survey.relay {
        None => "not tried, because there is no image to try it with".to_owned(),
        Some(Ok(address)) => format!("containers reach this process at {address}"),
        Some(Err(error)) => why(error),
    };
    let none =
        "none; run docker pull postgres:18, or fixtures/images/build 18 where no registry answers";
    vec![("container engine", engine), ("images", lines(images, none)), ("relay", relay)]
}

/// Returns the programs that some exercises need beside the servers, found or not.
fn companions(settings: &Settings) -> String {
    let found = |one: Companion| match one.find(settings) {
        Ok(directory) => directory.join(one.program()).display().to_string(),
        Err(_) => format!("no {one}: the exercises that need it are skipped"),
    };
    lines(Companion::ALL.into_iter().map(found), "")
}

fn missing(survey: &Survey, settings: &Settings, command: Option<String>) -> String {
    let beside = Companion::missing_of(&Companion::ALL, settings);
    match (&survey.choice, command) {
        (Ok(_), _) if beside.is_empty() => "nothing".to_owned(),
        (Ok(_), _) => {
            let names: Vec<_> = beside.iter().map(ToString::to_string).collect();
            let how = install::beside(settings);
            let how = how.map_or_else(String::new, |line| format!("; install with: {line}"));
            format!("{}, for some exercises{how}   (or cargo lab --install)", names.join(", "))
        }
        (Err(_), Some(line)) => {
            format!("a PostgreSQL server; install one with: {line}   (or cargo lab --install)")
        }
        (Err(_), None) => "a PostgreSQL server; \"a run takes\" says why".to_owned(),
    }
}

fn lines(found: impl Iterator<Item = String>, none: &str) -> String {
    let found: Vec<_> = found.collect();
    if found.is_empty() { none.to_owned() } else { found.join("\n") }
}

/// Returns an error with all its causes.
fn why(error: &Error) -> String {
    format!("{error:?}")
}

fn directory(path: &Path) -> String {
    let disks = Disks::new_with_refreshed_list();
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let below = disks.iter().filter(|disk| real.starts_with(disk.mount_point()));
    let disk = below.max_by_key(|disk| disk.mount_point().components().count());
    let space = disk.map_or("file system unknown".to_owned(), |disk| {
        let free = gigabytes(disk.available_space());
        format!("{}, {free} free", disk.file_system().to_string_lossy())
    });
    format!("{}: {space}", path.display())
}

fn memory() -> String {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let (all, free) = (gigabytes(system.total_memory()), gigabytes(system.available_memory()));
    format!("{all}, {free} of it available")
}

fn gigabytes(bytes: u64) -> String {
    format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10)
}
