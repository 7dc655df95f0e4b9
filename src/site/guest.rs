//! PostgreSQL as the guest of a host: its port, its socket, its variables, and how it is ended whatever
//! its state. Nothing here starts a server.

use std::path::{Path, PathBuf};

use crate::host::guest::Guest;

/// The port every server listens on: inside its container, or as part of its socket's name.
const PORT: u16 = 5432;

/// Ends a server and its backends, and removes its shared memory.
///
/// QUIT is PostgreSQL's immediate shutdown, sent until the server is gone; CONT first, for a server
/// that was frozen. A server that was killed leaves its `postmaster.pid`, whose seventh line names its
/// shared memory; that of a directory that another process left is not touched, because its number may
/// be another server's by now. Backends are in sessions of their own and go with their postmaster,
/// unless they were frozen when it was killed: those are found by the directory they work in.
const QUIT: &str = r#"
# Is this the id of a process of this directory, or has another one got it since?
here() { [ ! -d /proc/self ] || [ "/proc/$1/cwd" -ef "$home/data" ]; }
server() { read -r pid 2>/dev/null <"$home/data/postmaster.pid" && here "$pid" && kill "-$1" "$pid" 2>/dev/null; }
each() {
    for process in /proc/[0-9]*
    do
        read -r name 2>/dev/null <"$process/comm" && [ "$name" = postgres ] &&
            here "${process#/proc/}" && kill "-$1" "${process#/proc/}" 2>/dev/null
    done
}
server CONT; each CONT
kill -CONT 0; kill -QUIT 0
looks=0
while [ $looks -lt 120 ] && server QUIT
do sleep 0.05; looks=$((looks + 1))
done
if [ "$3" != now ]
then
    memory=$(sed -n '7s/^ *[0-9]* *//p' "$home/data/postmaster.pid" 2>/dev/null)
    [ -z "$memory" ] || ipcrm -m "$memory" 2>/dev/null
fi
each KILL
"#;

/// Describes a server whose programs are in this directory of this machine.
pub(super) fn installed(programs: &Path) -> Guest {
    described(vec![programs.to_owned()])
}

/// Describes a server of this major version in a container: where the packages of Debian and of the
/// PostgreSQL project for Red Hat have its programs.
#[cfg(feature = "container")]
pub(super) fn in_image(major: u16) -> Guest {
    let places = ["/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin"];
    described(places.map(|place| place.replace("{}", &major.to_string()).into()).to_vec())
}

/// Returns the file name of a server's Unix socket (manual: `unix_socket_directories`).
pub(super) fn socket() -> String {
    format!(".s.PGSQL.{PORT}")
}

/// Returns the lines that end a server in a directory that another process left.
pub(super) fn quit() -> &'static str {
    QUIT
}

fn described(programs: Vec<PathBuf>) -> Guest {
    Guest { port: PORT, socket: socket(), programs, environment, quit: QUIT }
}

fn environment(home: &str) -> Vec<(&'static str, String)> {
    vec![
        ("PGDATA", format!("{home}/data")),
        ("PGHOST", home.to_owned()),
        ("PGUSER", "postgres".to_owned()),
        ("LC_ALL", "C".to_owned()),
    ]
}
