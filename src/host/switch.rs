//! The dead man's switch: a helper outside this process that holds the other end of a pipe and
//! cleans up when the pipe ends, be it by a panic, a signal or `kill -9`. It is the only way a
//! host's directory and processes go away, also after a test that went well; it never acts while
//! this process lives and has not asked.
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

/// `$1` the directory to make and to remove, `$2` its owner or nothing, `$3` what to do when nobody
/// gives an order: `remove` or `keep`; or `now` to remove a directory that is there already. `$4` ends
/// the guest of the host. KILL at the end is for whatever is left in the group, and for this script.
const LOCAL: &str = r#"
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
looks=0
until rm -rf "$home" 2>/dev/null || [ $looks -ge 40 ]
do sleep 0.05; looks=$((looks + 1))
done
kill -KILL 0
"#;

/// The same for a container, as an exec in it: the end of process 1 is the end of the container,
/// which the engine then removes. `$1` what to do when nobody gives an order, as `$3` above.
#[cfg(feature = "container")]
pub(crate) const IN_CONTAINER: &str = r#"mkdir -p -m 700 /tmp/lab/data && : >/dev/shm/lab-armed && echo armed
read -r order || [ "$1" = remove ] || exit 0
kill -TERM 1"#;

/// What looks after containers from outside: those that were being created when this process ended
/// have no switch yet, nor anything else that runs. It hears of every creation and of its end, and
/// needs the engine's command line client; where there is none, the next lab that connects to the
/// engine does the same. `$1` the label.
#[cfg(feature = "container")]
const CREATIONS: &str = r#"
trap '' HUP INT TERM QUIT PIPE
pending=0
while read -r change; do pending=$((pending $change)); done
[ "$pending" -gt 0 ] || exit 0
looks=0
while [ $looks -lt 20 ]
do
    for id in $(docker ps -aq --filter "label=$1" --filter status=created)
    do docker rm -f "$id"
    done
    sleep 0.2; looks=$((looks + 1))
done >/dev/null 2>&1
"#;

/// The watch over the creation of containers.
#[cfg(feature = "container")]
#[derive(Debug)]
pub(crate) struct Creations(std::sync::Mutex<Option<ChildStdin>>);

#[cfg(feature = "container")]
impl Creations {
    /// Watches over containers with this label. Without a shell there is no watch.
    pub(crate) fn watch(label: &str) -> Self {
        let mut helper = sh(CREATIONS, [label]);
        helper.envs(settings::for_docker());
        helper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let helper = helper.spawn().ok();
        Self(std::sync::Mutex::new(helper.and_then(|mut helper| helper.stdin.take())))
    }

    /// A container is about to be created. One that fails or is cancelled half-way stays on the
    /// list, and is looked for when this process ends.
    pub(crate) fn begins(&self) {
        self.tell("+1");
    }

    /// The container has a switch of its own.
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

/// What process 1 of a container does: it ends by itself unless the switch is armed in time, so
/// that a start that is cancelled half-way leaves no container. The mark that it is armed is in
/// memory, where no image takes it over. `$1` the seconds.
#[cfg(feature = "container")]
pub(crate) const FUSE: &str = r#"sleep "$1"; [ -e /dev/shm/lab-armed ] && exec sleep infinity"#;

/// What a switch does when nobody gives an order.
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
    /// Makes `home` and `home/data` for `owner`, to be removed when this process ends, once `quit` has
    /// ended the guest.
    pub(crate) fn arm(home: &Path, owner: Option<&str>, keep: bool, quit: &str) -> Result<Self> {
        let act = || format!("making the directory {} for a server", home.display());
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

    /// The process group that every process of the host belongs to.
    pub(crate) fn group(&self) -> i32 {
        i32::try_from(self.helper.id()).unwrap_or_default()
    }

    /// Cleans up now, and comes back when all is gone.
    pub(crate) fn pull(&mut self) -> Result<()> {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(b"remove\n");
        }
        let _ = self.helper.wait();
        is_gone(&self.home)
    }

    /// Lets go without an order: what happens then was said when it was armed.
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
                .remedy("look at who uses it, and remove it"))
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
