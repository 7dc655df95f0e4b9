//! The tests of the woven copy: built once, run with one sabotage or with none. A sabotage that is seen only
//! because a page has other text is not caught: in the copy a scenario accepts every page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::table::Sabotage;
use crate::weave::{ACTIVE, place_of, write};

/// The longest that a test may take; one that hangs has not passed.
const DEADLINE: Duration = Duration::from_secs(120);

/// What became of a sabotage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Each of its tests failed.
    Caught,
    /// These tests passed.
    Missed(Vec<String>),
}

/// The built tests of the copy.
pub(crate) struct Suite {
    copy: PathBuf,
    target: PathBuf,
    /// The test programs, by name: `lib`, `harness`, `scenarios`.
    programs: BTreeMap<String, PathBuf>,
    /// The tests that were seen to pass without a sabotage.
    sound: BTreeSet<String>,
}

impl Suite {
    /// Builds the tests of the copy.
    pub(crate) fn build(copy: &Path) -> Result<Self, String> {
        let target = copy.with_file_name("target");
        seed(
            &Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("debug"),
            &target.join("debug"),
        );
        let programs = programs(copy, &target)?;
        Ok(Self { copy: copy.to_owned(), target, programs, sound: BTreeSet::new() })
    }

    /// Runs the tests of a sabotage, first without it where that was not done yet, and then with it.
    pub(crate) fn judge(&mut self, sabotage: &Sabotage) -> Result<Verdict, String> {
        for test in &sabotage.tests {
            if !self.sound.contains(test) {
                if !self.passes(test, "none", sabotage.host())? {
                    return Err(format!("{test} fails without the sabotage"));
                }
                self.sound.insert(test.clone());
            }
        }
        let undo = match sabotage.is_woven() {
            true => None,
            false => Some(self.spoil(sabotage)?),
        };
        let verdict = self.verdict(sabotage);
        if let Some((path, text)) = undo {
            write(&path, text.as_bytes())?;
        }
        verdict
    }

    fn verdict(&self, sabotage: &Sabotage) -> Result<Verdict, String> {
        let mut blind = Vec::new();
        for test in &sabotage.tests {
            if self.passes(test, &sabotage.name, sabotage.host())? {
                blind.push(test.clone());
            }
        }
        Ok(if blind.is_empty() { Verdict::Caught } else { Verdict::Missed(blind) })
    }

    /// Writes a sabotage into a file that is read at run time, and returns the file with its text.
    fn spoil(&self, sabotage: &Sabotage) -> Result<(PathBuf, String), String> {
        let path = self.copy.join(&sabotage.file);
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut spoiled = text.clone();
        spoiled.replace_range(place_of(sabotage, &text)?, &sabotage.new);
        write(&path, spoiled.as_bytes())?;
        Ok((path, text))
    }

    /// Runs the tests that have these words in their name, and returns whether all passed. That there is none
    /// is an error.
    #[expect(clippy::disallowed_methods, reason = "a test runner runs programs")]
    fn passes(&self, test: &str, active: &str, host: &str) -> Result<bool, String> {
        let (program, filter) =
            test.split_once(' ').ok_or_else(|| format!("{test:?} is no program and test"))?;
        let path = self.programs.get(program).ok_or_else(|| format!("there is no {program}"))?;
        let child = Command::new(path)
            .arg(filter)
            .current_dir(&self.copy)
            .env(ACTIVE, active)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("LAB_HOST", host)
            .env("LAB_TIMEOUT", "0.5")
            .env("INSTA_UPDATE", if filter.starts_with("scenario_") { "always" } else { "no" })
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let Some(ran) = output_within(DEADLINE, child)? else { return Ok(false) };
        let said = String::from_utf8_lossy(&ran.stdout);
        match said.lines().any(|line| line.starts_with("running 0 tests")) {
            true => Err(format!("there is no test {test}")),
            false => Ok(ran.status.success()),
        }
    }
}

/// Returns the output of a program, or nothing when it hangs: it is then killed, and its servers end with it.
fn output_within(deadline: Duration, child: Child) -> Result<Option<Output>, String> {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
    let (send, ended) = mpsc::channel();
    std::thread::spawn(move || send.send(child.wait_with_output()));
    match ended.recv_timeout(deadline) {
        Ok(output) => output.map(Some).map_err(|error| format!("running a test: {error}")),
        Err(_) => kill(pid, Signal::SIGKILL).map(|()| None).map_err(|error| error.to_string()),
    }
}

/// Builds the test programs of the copy and returns them by name.
#[expect(clippy::disallowed_methods, reason = "a test runner runs programs")]
fn programs(copy: &Path, target: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let built = Command::new(env!("CARGO"))
        .args(["test", "--no-run", "--lib", "--test", "harness", "--test", "scenarios"])
        .args(["--quiet", "--message-format=json-render-diagnostics"])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo test --no-run: {error}"))?;
    if !built.status.success() {
        return Err("the copy with the sabotages does not build".to_owned());
    }
    let messages = String::from_utf8_lossy(&built.stdout).into_owned();
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs = messages.filter_map(|message| {
        let path = message.get("executable")?.as_str()?;
        let target = message.get("target")?;
        let name = target.get("name")?.as_str()?.replace("replication_lab", "lib");
        let is_test = message.pointer("/profile/test")?.as_bool()?;
        is_test.then(|| (name, PathBuf::from(path)))
    });
    Ok(programs.collect())
}

/// Copies the built dependencies of the checkout to the target directory of the copy, so that only the crate itself is
/// built again. Libraries are linked; what cargo writes again in place is copied. What is missing is built.
fn seed(from: &Path, to: &Path) {
    const OWN: [&str; 4] = ["replication", "harness", "scenarios", "sabotage"];
    if to.is_dir() {
        return;
    }
    let mut folders: Vec<_> = [".fingerprint", "build", "deps"].map(|part| from.join(part)).into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = name.strip_prefix("lib").unwrap_or(&name);
            if OWN.iter().any(|own| name.starts_with(own)) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(below) = path.strip_prefix(from) {
                // What is not taken over is built: nothing depends on it.
                let _ = take_over(&path, &to.join(below));
            }
        }
    }
}

fn take_over(path: &Path, there: &Path) -> std::io::Result<()> {
    fs::create_dir_all(there.parent().unwrap_or(there))?;
    if path.extension().is_some_and(|extension| extension == "rlib" || extension == "rmeta") {
        return fs::hard_link(path, there);
    }
    fs::copy(path, there)?;
    let modified = fs::metadata(path)?.modified()?;
    fs::File::options().append(true).open(there)?.set_modified(modified)
}
