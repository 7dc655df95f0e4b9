//! A host without containers: a directory on this machine, mode 0700, with a server's data and its
//! Unix socket. No server in it listens on TCP, so no port is ever picked.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rand::Rng as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::account::Account;
use super::guest::Guest;
use super::program;
use super::script::{Endpoint, Output, Script};
use super::switch::Switch;
use crate::error::{Error, Result, Why};
use crate::settings::{self, Settings};

/// The longest path of a Unix socket, without its final NUL: 107 on Linux, 103 on macOS.
const SOCKET_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// A directory on this machine with all files of a server.
#[derive(Debug)]
pub struct Local {
    guest: Guest,
    account: Option<Account>,
    home: PathBuf,
    switch: Switch,
    keep: bool,
    removed: bool,
}

impl Local {
    /// Creates the directory and arms its switch.
    pub(crate) fn create(guest: Guest, settings: &Settings, node: &str) -> Result<Self> {
        let account = Account::for_servers()?;
        let home = settings.dir.join(name(std::process::id(), rand::rng().random(), node));
        let home = std::path::absolute(&home).map_err(|source| {
            Error::io(format!("resolving the directory {}", home.display()), source)
        })?;
        check_socket_path(&home, &guest.socket)?;
        let owner = account.as_ref().map(|account| account.name.as_str());
        let switch = Switch::arm(&home, owner, settings.keep, guest.quit)?;
        Ok(Self { guest, account, home, switch, keep: settings.keep, removed: false })
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::Unix(self.home.clone(), self.guest.port)
    }

    pub(crate) async fn run(&self, script: &Script) -> Result<Output> {
        let output = self.command(script).stdout(Stdio::piped()).stderr(Stdio::piped()).output();
        let output = output.await.map_err(|source| self.cannot_run(source))?;
        Ok(Output {
            status: output.status.code().map(i64::from),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Starts a script that outlives the handle; tokio reaps it.
    pub(crate) fn spawn(&self, script: &Script) -> Result<()> {
        let mut command = self.command(script);
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(false);
        command.spawn().map(drop).map_err(|source| self.cannot_run(source))
    }

    /// Starts a script whose input this process holds. It goes on when the handle is dropped, and
    /// reads the end of its input.
    pub(crate) async fn hold(&self, script: &Script) -> Result<Child> {
        let mut command = self.command(script);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |source| self.cannot_run(source);
        let mut child = command.kill_on_drop(false).spawn().map_err(failed)?;
        let mut said = String::new();
        if let Some(stdout) = child.stdout.as_mut() {
            BufReader::new(stdout).read_line(&mut said).await.map_err(failed)?;
        }
        if !said.is_empty() {
            return Ok(child);
        }
        let ended = child.wait_with_output().await.map_err(failed)?;
        let output = String::from_utf8_lossy(&ended.stderr).into_owned();
        let (line, status) = (script.line.clone(), ended.status.code().map(i64::from));
        Err(Error::new("running a command", Why::Command { line, status, output }))
    }

    fn command(&self, script: &Script) -> Command {
        let mut command = program::command("sh");
        command.args(["-c", &script.line]).env_clear().envs(settings::inherited());
        command
            .env("PATH", settings::search_path_behind(&self.guest.programs))
            .envs(settings::library_path_behind(&self.guest.libraries))
            .envs((self.guest.environment)(&self.home.display().to_string()))
            .envs(script.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home.join("data"))
            .stdin(Stdio::null())
            .process_group(self.switch.group())
            .kill_on_drop(true);
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    fn cannot_run(&self, source: std::io::Error) -> Error {
        Error::io(format!("running a program in {}", self.home.display()), source)
            .remedy("let every user enter LAB_DIR (by default the temporary directory)")
    }

    /// Ends the server and removes the directory.
    pub(crate) async fn remove(mut self) -> Result<()> {
        self.removed = true;
        let act = "waiting for the dead man's switch of a local host";
        tokio::task::spawn_blocking(move || self.switch.pull())
            .await
            .map_err(|source| Error::io(act, source.into()))?
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        match (self.removed, self.keep) {
            (true, _) => {}
            (false, true) => self.switch.let_go(),
            (false, false) => {
                let _ = self.switch.pull();
            }
        }
    }
}

/// Returns the name of a host's directory.
fn name(process: u32, mark: u32, node: &str) -> String {
    format!("lab-{process}-{mark:08x}-{node}")
}

/// Returns the id of the process in the name of a host's directory; none for any other name.
pub(crate) fn maker(directory: &str) -> Option<u32> {
    let mut parts = directory.strip_prefix("lab-")?.splitn(3, '-');
    let process = parts.next()?.parse().ok()?;
    let mark = u32::from_str_radix(parts.next()?, 16).ok()?;
    (name(process, mark, parts.next()?) == directory).then_some(process)
}

/// Checks that servers can run below this directory, before anything is created: the home of a node
/// of this name, with this socket in it.
pub(crate) fn check_directory(directory: &Path, node: &str, socket: &str) -> Result<()> {
    check_socket_path(&directory.join(name(std::process::id(), 0, node)), socket)?;
    if directory.is_dir() {
        return Ok(());
    }
    let act = format!("using {} for local clusters", directory.display());
    Err(Error::missing(act, "no such directory")
        .remedy("set LAB_DIR to a directory that can be written to"))
}

fn check_socket_path(home: &Path, socket: &str) -> Result<()> {
    let length = home.join(socket).as_os_str().len();
    if length <= SOCKET_PATH {
        return Ok(());
    }
    let act = format!("using {} as the directory of a Unix socket", home.display());
    let there = format!("a socket path of {length} bytes; the system takes {SOCKET_PATH}");
    Err(Error::missing(act, there).remedy("set LAB_DIR to a shorter path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_known_by_its_whole_name() {
        assert_eq!(maker(&name(4711, 0xab, "standby1")), Some(4711));
        for other in ["lab-99999-results", "lab-1-ab-n", "lab-x-000000ab-n", "lab-harness-x", "n"] {
            assert_eq!(maker(other), None, "{other}");
        }
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_with_the_limit() {
        let socket = ".s.PGSQL.5432";
        check_socket_path(Path::new("/tmp/lab-1-00000000-primary"), socket).unwrap();
        let long = Path::new("/tmp").join("x".repeat(100));
        let error = check_socket_path(&long, socket).unwrap_err();
        assert!(error.is_missing());
        assert!(error.to_string().contains("LAB_DIR"), "{error}");
    }
}
