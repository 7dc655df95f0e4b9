//! The dead man's switch: a helper outside this process that holds the other end of a pipe and
//! cleans up when the pipe ends, whether by a panic, a signal or `kill -9`. A host's directory and
//! processes are removed by the switch only, also after a test that passed. It does nothing while
//! this process lives and has sent no order.
//!
//! ```text
//!   this process ──pipe──▶ sh: read order ─▶ end of file, or an order: quit the guest, remove
//!        │                        └────────▶ end of file and LAB_KEEP=1: leave all as it is
//!        └─ every process of a local host is in the switch's process group
//! ```

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::error::{Error, Result};
use crate::settings;

/// `$1` is the directory to create and to remove, `$2` its owner or empty, `$3` what to do when the
/// pipe ends without an order: `remove` or `keep`; or `now` to remove an existing directory. `$4`
/// ends the guest of the host. The KILL at the end is for any process that is left in the group,
/// and for this script.
const LOCAL: &str = r#"
# A signal to the process group of the terminal must not end the helper before it has cleaned up.
trap '' HUP INT TERM QUIT PIPE
home=$1
if [ "$3" != now ]
then
    mkdir -m 700 "$home" && mkdir -m 700 "$home/data" || exit 1
    [ -z "$2" ] || chown -R "$2" "$home" || { rmdir "$home/data" "$home"; exit 1; }
    echo ready
    read -r order || [ "$3" = remove ] || exit 0
fi
eval "$4"
# A process that is just ending may still create a file: rm then fails, and is repeated.
tries=0
until rm -rf "$home" 2>/dev/null || [ $tries -ge 40 ]
do sleep 0.05; tries=$((tries + 1))
done
kill -KILL 0
"#;

/// The switch of a container, as an exec in it: the end of process 1 is the end of the container,
/// which the engine then removes. `$1` is what to do when the pipe ends without an order, as `$3`
/// of `LOCAL`.
#[cfg(feature = "container")]
pub(crate) const IN_CONTAINER: &str = r#"mkdir -p -m 700 /tmp/lab/data && : >/dev/shm/lab-armed && echo armed
read -r order || [ "$1" = remove ] || exit 0
kill -TERM 1"#;

/// Watches over containers from outside: a container that was being created when this process ended
/// has no switch yet. It reads a line for every creation and for its end, and needs the engine's
/// command line client; without one, the next lab that connects to the engine removes such
/// containers. `$1` is the label.
#[cfg(feature = "container")]
const CREATIONS: &str = r#"
trap '' HUP INT TERM QUIT PIPE
pending=0
while read -r change; do pending=$((pending $change)); done
[ "$pending" -gt 0 ] || exit 0
# The engine may complete a creation after the process that asked for it has ended.
tries=0
while [ $tries -lt 20 ]
do
    for id in $(docker ps -aq --filter "label=$1" --filter status=created)
    do docker rm -f "$id"
    done
    sleep 0.2; tries=$((tries + 1))
done >/dev/null 2>&1
"#;

/// The watch over the creation of containers.
#[cfg(feature = "container")]
#[derive(Debug)]
pub(crate) struct Creations(std::sync::Mutex<Option<ChildStdin>>);

#[cfg(feature = "container")]
impl Creations {
    /// Starts to watch over containers with this label. Without a shell there is no watch.
    pub(crate) fn watch(label: &str) -> Self {
        let mut helper = sh(CREATIONS, [label]);
        helper.envs(settings::for_docker());
        helper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let helper = helper.spawn().ok();
        Self(std::sync::Mutex::new(helper.and_then(|mut helper| helper.stdin.take())))
    }

    /// Reports that a container is about to be created. A creation that fails or is cancelled
    /// half-way is not reported as done, so the helper searches for its container when this process
    /// ends.
    pub(crate) fn begins(&self) {
        self.tell("+1");
    }

    /// Reports that the container has a switch of its own.
    pub(crate) fn is_armed(&self) {
        self.tell("-1");
    }

    fn tell(&self, change: &str) {
        let mut pipe = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(pipe) = pipe.as_mut() {
            let _ = writeln!(pipe, "{change}");
        }
    }
}

/// The main process of a container: it ends unless the switch is armed in time, so that a start
/// that is cancelled half-way leaves no container. The mark that the switch is armed is in memory,
/// where it does not become part of an image. `$1` is the time in seconds.
#[cfg(feature = "container")]
pub(crate) const FUSE: &str = r#"sleep "$1"; [ -e /dev/shm/lab-armed ] && exec sleep infinity"#;

/// Returns what a switch does when its pipe ends without an order.
pub(crate) fn otherwise(keep: bool) -> &'static str {
    if keep { "keep" } else { "remove" }
}

/// The switch of one local host.
#[derive(Debug)]
pub(crate) struct Switch {
    home: PathBuf,
    helper: Child,
    pipe: Option<ChildStdin>,
}

impl Switch {
    /// Creates `home` and `home/data` for `owner`. The switch removes them when this process ends,
    /// after `quit` has ended the guest.
    pub(crate) fn arm(home: &Path, owner: Option<&str>, keep: bool, quit: &str) -> Result<Self> {
        let act = || format!("creating the directory {} for a server", home.display());
        let remedy = "set LAB_DIR to a directory that can be written to";
        let mut helper = local(home, owner.unwrap_or(""), otherwise(keep), quit)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| Error::io(act(), source))?;
        let mut answer = String::new();
        if let Some(stdout) = helper.stdout.take() {
            let _ = BufReader::new(stdout).read_line(&mut answer);
        }
        let pipe = helper.stdin.take();
        if answer.trim() == "ready" {
            return Ok(Self { home: home.to_owned(), helper, pipe });
        }
        drop(pipe);
        let said = helper.wait_with_output().map_err(|source| Error::io(act(), source))?;
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        Err(Error::io(act(), std::io::Error::other(said)).remedy(remedy))
    }

    /// Returns the process group of every process of the host.
    pub(crate) fn group(&self) -> i32 {
        i32::try_from(self.helper.id()).unwrap_or_default()
    }

    /// Removes the host now, and returns when it is removed.
    pub(crate) fn pull(&mut self) -> Result<()> {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(b"remove\n");
        }
        let _ = self.helper.wait();
        is_gone(&self.home)
    }

    /// Closes the pipe without an order: the switch then does what it was armed with.
    pub(crate) fn let_go(&mut self) {
        drop(self.pipe.take());
        let _ = self.helper.wait();
    }
}

/// Ends the guest in a directory that another process left, and removes the directory.
pub(crate) fn clean(home: &Path, quit: &str) -> Result<()> {
    let cleaned = local(home, "", "now", quit).stdin(Stdio::null()).stderr(Stdio::null()).status();
    cleaned.map_err(|source| Error::io(format!("removing {}", home.display()), source))?;
    is_gone(home)
}

fn is_gone(home: &Path) -> Result<()> {
    match home.exists() {
        false => Ok(()),
        true => {
            let left = std::io::Error::other("it is still there");
            Err(Error::io(format!("removing {}", home.display()), left)
                .remedy("find the process that uses it, and remove it"))
        }
    }
}

fn local(home: &Path, owner: &str, otherwise: &str, quit: &str) -> Command {
    sh(LOCAL, [home.as_os_str(), owner.as_ref(), otherwise.as_ref(), quit.as_ref()])
}

#[expect(clippy::disallowed_methods, reason = "host/ runs programs")]
fn sh(script: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new("sh");
    command.env_clear().envs(settings::inherited()).process_group(0);
    command.args(["-c", script, "replication-lab-switch"]).args(arguments);
    command
}
