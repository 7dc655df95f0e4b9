//! Runs programs of this machine: the only code that starts a process. What is run, and how its end
//! is handled, is up to the caller.

use std::ffi::OsStr;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::process::Command;

/// Returns a command that is not started yet.
#[expect(clippy::disallowed_methods, reason = "host/ runs programs")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// Tells whether no process of this machine has this id.
pub(crate) fn is_gone(process: u32) -> bool {
    let process = i32::try_from(process).unwrap_or(i32::MAX);
    kill(Pid::from_raw(process), None) == Err(Errno::ESRCH)
}
