//! The scenarios as a program that runs one exercise at a time, each in a process of its own. In a
//! checkout it is the test program, which cargo builds; elsewhere it is the program `lab-scenarios`
//! beside this one. No scenario is named here, and the output of none is parsed.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::exercises;
use super::failure::{Failure, Result};
use crate::{files, settings};

/// The program, and the directory in which it runs: it has the accepted pages in it.
pub(super) struct Suite {
    program: PathBuf,
    root: PathBuf,
    /// The directory outside of a checkout: it is removed with the suite.
    unpacked: Option<TempDir>,
}

/// The program with the scenarios, beside `lab`.
const SCENARIOS: &str = "lab-scenarios";

/// A test of the test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    /// The name in the test program: `scenario_04_manual_failover::promotion::promote`.
    pub(super) name: String,
}

impl Test {
    /// Returns the name of its page: `scenario_04_manual_failover@promote`, and for a case of a
    /// test (`…::resolve::case_1_rebuild`) `…@resolve_rebuild`.
    pub(super) fn page(&self) -> String {
        let (scenario, test, case) = self.parts();
        let case = case.map_or("", |case| {
            case.trim_start_matches("case_").trim_start_matches(|c: char| c.is_ascii_digit())
        });
        format!("{scenario}@{test}{case}")
    }

    /// Returns its name without the file that contains it: `scenario_04_manual_failover::promote`.
    fn short_name(&self) -> String {
        let (scenario, test, case) = self.parts();
        case.map_or_else(
            || format!("{scenario}::{test}"),
            |case| format!("{scenario}::{test}::{case}"),
        )
    }

    /// Returns the scenario, the test, and its case. The file stands between the first two.
    fn parts(&self) -> (&str, &str, Option<&str>) {
        let (path, case) = match self.name.rsplit_once("::") {
            Some((path, case)) if case.starts_with("case_") => (path, Some(case)),
            _ => (self.name.as_str(), None),
        };
        let scenario = path.split("::").next().unwrap_or(path);
        let test = path.rsplit("::").next().unwrap_or(path);
        (scenario, test, case)
    }
}

impl Suite {
    /// Returns the scenarios of the checkout around the current directory, or else those that were
    /// installed with this program. `tell` is called with each crate that cargo compiles.
    pub(super) async fn find(tell: impl Fn(&str)) -> Result<Self> {
        match checkout(&std::env::current_dir().unwrap_or_default()) {
            Some(root) => Self::build(&root, tell).await,
            None => Self::installed(),
        }
    }

    /// Tells whether its pages are those of a checkout, in which a person may accept others.
    pub(super) fn is_checkout(&self) -> bool {
        self.unpacked.is_none()
    }

    fn installed() -> Result<Self> {
        let act = "looking for the scenarios outside of a checkout of replication-lab";
        let remedy = "install both programs again: cargo install replication-lab";
        let this = std::env::current_exe().map_err(|source| Failure::io(act, source, remedy))?;
        let program = this.with_file_name(SCENARIOS);
        if !program.is_file() {
            let found = format!("no program {}", program.display());
            return Err(Failure::found(act, found, remedy));
        }
        let unpacked = tempfile::Builder::new().prefix("lab-pages-").tempdir();
        let unpacked = unpacked.and_then(|directory| {
            files::unpack(directory.path())?;
            Ok(directory)
        });
        let unpacked = unpacked.map_err(|source| {
            let act = "unpacking the accepted pages";
            Failure::io(act, source, "set TMPDIR to a directory that you can write to")
        })?;
        Ok(Self { program, root: unpacked.path().to_owned(), unpacked: Some(unpacked) })
    }

    async fn build(root: &Path, tell: impl Fn(&str)) -> Result<Self> {
        let act = "building the scenarios";
        let mut cargo = program("cargo");
        cargo.current_dir(root);
        cargo.args(["test", "--test", "scenarios", "--no-run", "--message-format=json"]);
        cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut cargo = cargo.kill_on_drop(true).spawn().map_err(|source| {
            Failure::io(
                act,
                source,
                "add cargo to PATH, or run lab outside of this checkout of replication-lab",
            )
        })?;
        let (out, err) = (cargo.stdout.take(), cargo.stderr.take());
        let (messages, said) = tokio::join!(read(out), listen(err, tell));
        let status = cargo.wait().await;
        match (status.is_ok_and(|status| status.success()), built(&messages)) {
            (true, Some(suite)) => Ok(suite),
            _ => Err(Failure::found(act, said, "run cargo test --no-run, which shows the error")),
        }
    }

    /// Returns the scenarios that have one of `filters` in their name; all without a filter.
    ///
    /// # Errors
    ///
    /// A filter fits none: the error lists what there is.
    pub(super) async fn scenarios(&self, filters: &[String]) -> Result<Vec<Test>> {
        let mut list = self.command(&["--list", "--format=terse"]);
        let listed = list.output().await;
        let listed = listed.map_err(|source| {
            Failure::io("listing the scenarios", source, "run cargo test, which shows the error")
        })?;
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let all: Vec<_> = scenarios_in(&text).collect();
        if all.is_empty() || !listed.status.success() {
            let said = printed(&listed);
            return Err(Failure::found(
                "listing the scenarios",
                said,
                "run cargo test --test scenarios, which shows the error",
            ));
        }
        let unknown = filters.iter().find(|filter| all.iter().all(|test| !fits(test, filter)));
        if let Some(unknown) = unknown {
            let names: Vec<_> = all.iter().map(Test::short_name).collect();
            return Err(Failure::found(
                format!("looking for scenarios with {unknown:?} in their name"),
                names.join("\n"),
                "name a part of one of these, or nothing for all of them",
            ));
        }
        let chosen = |test: &Test| filters.is_empty() || filters.iter().any(|one| fits(test, one));
        Ok(all.into_iter().filter(chosen).collect())
    }

    /// Starts one test. Its output is captured and its standard input held: the end of the input
    /// ends it.
    pub(super) fn start(&self, test: &Test, environment: &[(&str, String)]) -> Result<Child> {
        let mut command = self.command(&["--exact", &test.name]);
        command.stdin(Stdio::piped()).process_group(0);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.spawn(command, environment)
    }

    /// Starts one test that interacts with the person at the terminal.
    pub(super) fn start_in_the_open(
        &self,
        test: &Test,
        environment: &[(&str, String)],
    ) -> Result<Child> {
        self.spawn(self.command(&["--exact", "--nocapture", &test.name]), environment)
    }

    fn spawn(&self, mut command: Command, environment: &[(&str, String)]) -> Result<Child> {
        command.env("INSTA_UPDATE", "no").env("INSTA_FORCE_PASS", "0");
        // insta would ask cargo for it, which is slow, and needs cargo.
        command.env("INSTA_WORKSPACE_ROOT", &self.root);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.spawn().map_err(|source| {
            let act = format!("running {}", self.program.display());
            Failure::io(act, source, "run cargo clean, and try again")
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(&self.program);
        command.args(arguments).current_dir(&self.root).kill_on_drop(true);
        command
    }
}

/// Returns the output of a test that has ended.
pub(super) fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// Tells whether a filter chooses a test. The name of a file chooses nothing: `promote` is one
/// test, not all that are in `promotion.rs`. A whole name, as `cargo test` prints it, includes the
/// file and chooses its test; `04@promote` chooses this exercise alone.
fn fits(test: &Test, filter: &str) -> bool {
    exercises::fits(&test.page(), filter)
        || test.short_name().contains(filter)
        || test.name == filter
}

/// Returns the scenarios in the list of a test program, one `name: test` a line. Unit tests of a
/// scenario's steps, in a module `tests`, have no page and are left out.
fn scenarios_in(list: &str) -> impl Iterator<Item = Test> {
    // The format of `--list` is the same for every libtest, and it also lists benchmarks.
    let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
    let is_scenario = |name: &&str| name.starts_with("scenario_") && !name.contains("::tests::");
    let scenarios = names.filter(is_scenario);
    scenarios.map(|name| Test { name: name.to_owned() })
}

/// Returns the checkout of this project that contains a directory; none where the directory is outside
/// of one, or in a package of another name.
fn checkout(directory: &Path) -> Option<PathBuf> {
    let root = directory.ancestors().find(|above| above.join("Cargo.toml").is_file())?;
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).ok()?;
    let manifest: toml::Table = manifest.parse().ok()?;
    let name = manifest.get("package")?.get("name")?.as_str()?;
    (name == env!("CARGO_PKG_NAME")).then(|| root.to_owned())
}

/// Returns the test program from cargo's messages, one JSON object a line.
fn built(messages: &str) -> Option<Suite> {
    messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_ours = message.pointer("/target/name")? == "scenarios";
        let program = message.get("executable")?.as_str().filter(|_| is_ours)?;
        let root = Path::new(message.get("manifest_path")?.as_str()?).parent()?;
        Some(Suite { program: program.into(), root: root.to_owned(), unpacked: None })
    })
}

async fn read(from: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let mut text = Vec::new();
    if let Some(mut from) = from {
        // An incomplete output shows as a missing program or test later.
        let _ = from.read_to_end(&mut text).await;
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads to the end, and passes on every line.
async fn listen(from: Option<impl tokio::io::AsyncRead + Unpin>, tell: impl Fn(&str)) -> String {
    let mut said = String::new();
    let Some(from) = from else { return said };
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tell(line.trim());
        said += &line;
        said.push('\n');
    }
    said
}

/// Creates a command without cargo's variables of this program: with them, build scripts would run
/// again at every switch between `cargo lab` and `cargo test`.
#[expect(clippy::disallowed_methods, reason = "cli/ runs cargo and what it built")]
fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(name);
    for variable in settings::cargo_variables() {
        command.env_remove(variable);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "scenario_04_x::promotion::promote: test\n\
                        scenario_04_x::promotion::timeline: test\n\
                        scenario_04_x::divergence::resolve::case_1_rebuild: test\n\
                        scenario_04_x::split_brain::tests::a: test\n\
                        support::since::tests::a: test\nbench_it: benchmark\n";

    #[test]
    fn a_test_is_found_in_the_list_and_so_is_its_page() {
        let pages: Vec<_> = scenarios_in(LIST).map(|test| test.page()).collect();
        let expected =
            ["scenario_04_x@promote", "scenario_04_x@timeline", "scenario_04_x@resolve_rebuild"];
        assert_eq!(pages, expected);
    }

    #[test]
    fn a_filter_looks_past_the_file() {
        let chosen = |filter| {
            let fitting = scenarios_in(LIST).filter(|test| fits(test, filter));
            fitting.map(|test| test.short_name()).collect::<Vec<_>>()
        };
        let promote = "scenario_04_x::promote";
        assert_eq!(chosen("promote"), [promote]);
        assert_eq!(chosen("scenario_04_x@promote"), [promote]);
        assert_eq!(chosen("04@promote"), [promote]);
        assert_eq!(chosen(promote), [promote]);
        assert_eq!(chosen("scenario_04_x::promotion::promote"), [promote]);
        assert_eq!(chosen("resolve::case_1"), ["scenario_04_x::resolve::case_1_rebuild"]);
        assert_eq!(chosen("04").len(), 3);
        assert!(chosen("promotion").is_empty() && chosen("split_brain").is_empty());
    }

    #[test]
    fn a_checkout_is_known_by_the_name_of_its_package() {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        assert_eq!(checkout(&below), None, "there is no package");
        let package = |text: &str| std::fs::write(root.path().join("Cargo.toml"), text).unwrap();
        package("[package]\nname = \"replication-lab\"\n");
        assert_eq!(checkout(&below).as_deref(), Some(root.path()));
        assert_eq!(checkout(root.path()).as_deref(), Some(root.path()));
        for other in ["[package]\nname = \"other\"\n", "[workspace]\n", "no TOML"] {
            package(other);
            assert_eq!(checkout(&below), None, "{other}");
        }
    }

    #[test]
    fn the_program_is_found_among_the_messages_of_cargo() {
        let library = r#"{"reason":"compiler-artifact","target":{"name":"replication_lab"},"executable":null}"#;
        let suite = r#"{"reason":"compiler-artifact","manifest_path":"/lab/Cargo.toml","target":{"name":"scenarios"},"executable":"/t/scenarios-1"}"#;
        let found = built(&format!("{library}\nnot json\n{suite}\n")).unwrap();
        assert_eq!(found.program, Path::new("/t/scenarios-1"));
        assert_eq!(found.root, Path::new("/lab"));
        assert!(built(library).is_none());
    }
}
