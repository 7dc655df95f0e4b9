//! PostgreSQL, and a proxy in front of it, as the guest of a host: its port, its socket, its
//! variables, and the lines that end it in whatever state it is. Nothing here starts a server.

use std::path::{Path, PathBuf};

use super::directory;
use crate::host::guest::Guest;

/// The port of every server: within its container, or as part of its socket's name.
const PORT: u16 = 5432;

/// The port of every proxy, as part of its socket's name: that of PgBouncer's packages.
const PROXY_PORT: u16 = 6432;

/// Ends a server and its backends, or a proxy, and removes its shared memory.
///
/// QUIT is PostgreSQL's immediate shutdown, repeated until the server has exited; CONT comes first,
/// for a server that is frozen. A server that was killed leaves its `postmaster.pid`, whose seventh
/// line names its shared memory. In a directory that another process left the shared memory is not
/// touched, because another server may use the same number by now. Backends are in sessions of
/// their own and exit with their postmaster, unless they were frozen when it was killed: those are
/// found by their working directory.
const QUIT: &str = r#"
# A process id may belong to another process by now: the working directory decides.
here() { [ ! -d /proc/self ] || [ "/proc/$1/cwd" -ef "$home/data" ]; }
server() { read -r pid 2>/dev/null <"$home/data/postmaster.pid" && here "$pid" && kill "-$1" "$pid" 2>/dev/null; }
each() {
    for process in /proc/[0-9]*
    do
        read -r name 2>/dev/null <"$process/comm" &&
            case $name in postgres | haproxy | pgbouncer) ;; *) false ;; esac &&
            here "${process#/proc/}" && kill "-$1" "${process#/proc/}" 2>/dev/null
    done
}
server CONT; each CONT
kill -CONT 0; kill -QUIT 0
tries=0
while [ $tries -lt 120 ] && server QUIT
do sleep 0.05; tries=$((tries + 1))
done
if [ "$3" != now ]
then
    memory=$(sed -n '7s/^ *[0-9]* *//p' "$home/data/postmaster.pid" 2>/dev/null)
    [ -z "$memory" ] || ipcrm -m "$memory" 2>/dev/null
fi
each KILL
"#;

/// Describes a server whose programs are in this directory on this machine.
pub(super) fn installed(programs: &Path) -> Guest {
    Guest {
        libraries: directory::libraries(programs).into_iter().collect(),
        ..described(vec![programs.to_owned()])
    }
}

/// Describes a server whose programs and libraries are in these directories of an image.
#[cfg(feature = "container")]
pub(super) fn in_image(programs: &Path, libraries: Option<&Path>) -> Guest {
    let libraries = libraries.map(Path::to_owned).into_iter().collect();
    Guest { libraries, ..described(vec![programs.to_owned()]) }
}

/// Returns the file name of a server's Unix socket (manual: `unix_socket_directories`).
pub(super) fn socket() -> String {
    format!(".s.PGSQL.{PORT}")
}

/// Returns the lines that end a server in a directory that another process left.
pub(super) fn quit() -> &'static str {
    QUIT
}

/// Describes a proxy whose programs are in these directories on this machine.
pub(super) fn proxy(programs: Vec<PathBuf>) -> Guest {
    let (port, socket) = (PROXY_PORT, format!(".s.PGSQL.{PROXY_PORT}"));
    Guest { port, socket, ..described(programs) }
}

fn described(programs: Vec<PathBuf>) -> Guest {
    let libraries = Vec::new();
    Guest { port: PORT, socket: socket(), programs, libraries, environment, quit: QUIT }
}

fn environment(home: &str) -> Vec<(&'static str, String)> {
    vec![
        ("PGDATA", format!("{home}/data")),
        ("PGHOST", home.to_owned()),
        ("PGUSER", "postgres".to_owned()),
        ("LC_ALL", "C".to_owned()),
    ]
}
