//! The support of harness tests: a deadline, the chosen site in a directory of the test's own, and
//! the program `lab`. It asserts nothing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::resume_unwind;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use replication_lab::{Result, Settings};

/// The longest that a harness test may take, before `LAB_TIMEOUT` multiplies it.
const DEADLINE: Duration = Duration::from_secs(120);

/// The result of the body of a harness test.
pub(crate) type Outcome<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Runs a test's body to its end, or panics at the deadline, even when the body blocks.
pub(crate) fn within_deadline(body: impl Future<Output = Outcome> + Send + 'static) {
    let deadline = DEADLINE.mul_f64(replication_lab::settings::timeout_factor());
    let (send, done) = mpsc::channel::<()>();
    let runner = std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("starting a runtime: {error}"));
        let _told_when_done = send;
        runtime.block_on(body).unwrap_or_else(|error| panic!("{error:?}"));
    });
    match done.recv_timeout(deadline) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done within {deadline:?}"),
        _ => runner.join().unwrap_or_else(|panic| resume_unwind(panic)),
    }
}

/// Creates a directory for local clusters that the server's account can enter, with a path that is
/// short enough for a socket.
pub(crate) fn directory() -> tempfile::TempDir {
    let made = tempfile::Builder::new().prefix("lh-").tempdir_in("/tmp").and_then(|directory| {
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o711))?;
        Ok(directory)
    });
    made.unwrap_or_else(|error| panic!("making a directory: {error}"))
}

/// Returns the settings of this process, with local clusters in `directory`.
pub(crate) fn settings(directory: &tempfile::TempDir) -> Result<Settings> {
    Ok(Settings { dir: directory.path().to_owned(), ..Settings::from_env()? })
}

/// Returns the program `lab`, with an input that stays open and its output piped.
pub(crate) fn lab(arguments: &[&str]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_lab"));
    command.args(arguments);
    command
}

/// Sends a signal to a process that was started here.
pub(crate) fn send(holder: &Child, signal: Signal) -> Outcome {
    let pid = Pid::from_raw(i32::try_from(holder.id()).unwrap_or_default());
    Ok(kill(pid, signal)?)
}

/// Returns a program with an input that stays open and its output piped.
#[expect(clippy::disallowed_methods, reason = "the harness runs the lab as a program")]
pub(crate) fn program(path: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Returns everything that a report says in Markdown, the journal first, without the links that lead from the name
/// of an exercise to its place.
pub(crate) fn text_of(report: &replication_lab::report::Report) -> String {
    let files = report.files.iter().map(|(_, text)| text.as_str());
    unlinked(&std::iter::once(report.journal.as_str()).chain(files).collect::<String>())
}

/// Removes the links that lead from the name of an exercise to its place.
pub(crate) fn unlinked(text: &str) -> String {
    let mut parts = text.split("](scenario_");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let begin = plain.rfind('[').unwrap_or_default();
        plain.remove(begin);
        plain.push_str(part.split_once(')').map_or(part, |(_, rest)| rest));
    }
    plain
}
