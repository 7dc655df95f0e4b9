//! `lab check` beside psql: the connection of one is the connection of the other. Method: run both with the same
//! string and the same environment, and compare whether they are admitted, by which server, and every line that they
//! leave in the servers' logs.

mod keys;
mod rows;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use pretty_assertions::assert_eq;
use regex::Regex;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Node, Result, Settings, Shutdown, Site, Topology};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use self::keys::Keys;
use self::rows::{Admitted, Row, rows};
use crate::support::{Outcome, directory, lab, program, within_deadline};

const PASSWORD: &str = "look-and-see";

/// Who may connect to the servers over TCP, and how.
const HBA: &str = "hostssl all secure all scram-sha-256\nhost all secure all reject\n\
    hostnossl all open all scram-sha-256\nhost all open all reject\n\
    hostssl all certified all cert\nhost all certified all reject\n\
    host all clear all password\nhost all old all md5\nhost all trusted all trust\n";

/// The accounts of [`HBA`], and one that every rule admits with its password.
const ROLES: &str = "CREATE ROLE monitor LOGIN PASSWORD 'look-and-see' IN ROLE pg_monitor; \
    CREATE ROLE secure LOGIN PASSWORD 'look-and-see' IN ROLE pg_monitor; \
    CREATE ROLE open LOGIN PASSWORD 'look-and-see' IN ROLE pg_monitor; \
    CREATE ROLE clear LOGIN PASSWORD 'look-and-see' IN ROLE pg_monitor; \
    CREATE ROLE certified LOGIN IN ROLE pg_monitor; CREATE ROLE trusted LOGIN IN ROLE pg_monitor; \
    SET password_encryption = 'md5'; \
    CREATE ROLE old LOGIN PASSWORD 'look-and-see' IN ROLE pg_monitor";

/// The variables of a person that would lead both programs elsewhere.
const VARIABLES: [&str; 16] = [
    "PGCHANNELBINDING",
    "PGDATABASE",
    "PGHOST",
    "PGHOSTADDR",
    "PGOPTIONS",
    "PGPASSFILE",
    "PGPORT",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGSYSCONFDIR",
    "PGTARGETSESSIONATTRS",
    "PGUSER",
];

#[test]
fn the_connection_is_the_one_that_psql_makes() {
    within_deadline(async move {
        let site = Site::choose(&Settings::from_env()?).await?;
        // psql and the check read the same files and reach the same sockets only where servers are processes here.
        if site.kind() != "local" {
            return Ok(());
        }
        let pair =
            Topology::pair().start_at(&site, &replication_lab::Notebook::in_memory()).await?;
        let scene = Scene::prepare(pair.primary(), pair.standby()?).await?;
        let mut differences = Vec::new();
        for row in rows() {
            differences.extend(scene.compare(&row).await?);
        }
        assert_eq!(differences, Vec::<String>::new());
        Ok(pair.stop().await?)
    });
}

/// Two servers that listen on addresses of their own, and the files of several accounts.
struct Scene<'a> {
    nodes: [&'a Node; 2],
    home: TempDir,
    /// What stands for the words in braces of a row.
    words: BTreeMap<&'static str, String>,
    psql: String,
    psql_major: u32,
    /// A port that is bound, so that no other program gets it, and refuses connections.
    _closed: TcpSocket,
}

/// What one program did.
struct Ran {
    admitted: Admitted,
    said: String,
    /// The lines in the servers' logs, without what differs from run to run.
    lines: Vec<String>,
}

impl<'a> Scene<'a> {
    async fn prepare(primary: &'a Node, standby: &'a Node) -> Outcome<Self> {
        let [_, _, a, b] = std::process::id().to_be_bytes();
        let of = |second| Ipv4Addr::new(127, second, a.max(1), b.max(1)).to_string();
        let (first, second) = (of(78), of(79));
        let home = directory();
        let keys = Keys::make()?;
        primary.session().await?.run(ROLES).await?;
        let (socket, port) = primary.endpoint().host_and_port();
        let name = format!("@lab-{}", std::process::id());
        let sockets = format!("{socket}, {name}");
        serve(primary, &first, &sockets, &keys, &keys.old).await?;
        let (other, _) = standby.endpoint().host_and_port();
        serve(standby, &second, &other, &keys, &keys.new).await?;
        let closed = TcpSocket::new_v4()?;
        closed.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let dead = closed.local_addr()?.port().to_string();
        let psql = primary.run("command -v psql").await?.trim().to_owned();
        let version = text(&program(&psql).arg("--version").output()?.stdout);
        let number = Regex::new(r"\d+")?;
        let psql_major = number.find(&version).map_or(Ok(0), |found| found.as_str().parse())?;
        let words = BTreeMap::from([
            ("P", first),
            ("S", second),
            ("port", port.to_string()),
            ("dead", dead),
            ("socket", socket),
            ("name", name),
            ("home", home.path().display().to_string()),
        ]);
        let scene =
            Self { nodes: [primary, standby], home, words, psql, psql_major, _closed: closed };
        scene.write_files(&keys)?;
        Ok(scene)
    }

    /// Writes the files of several accounts, each with a home of its own.
    fn write_files(&self, keys: &Keys) -> Outcome {
        let host = self.filled("host={P}\nport={port}\nuser=monitor\ndbname=postgres\n");
        let service = format!("# services\n[one]\n{host}\n[two]\nhost={}\n", self.filled("{S}"));
        let password = format!("*:*:*:monitor:{PASSWORD}\n");
        let usual = |account: &str, file: &str| format!("{account}/.postgresql/{file}");
        for (file, content, mode) in [
            ("empty/nothing".to_owned(), "", 0o600),
            ("ca.crt".to_owned(), keys.root.as_str(), 0o600),
            ("stranger.crt".to_owned(), keys.stranger.as_str(), 0o600),
            ("list.crl".to_owned(), keys.revoked.as_str(), 0o600),
            ("client.crt".to_owned(), keys.client.0.as_str(), 0o600),
            ("client.key".to_owned(), keys.client.1.as_str(), 0o600),
            ("open.key".to_owned(), keys.client.1.as_str(), 0o644),
            ("locked.key".to_owned(), keys.locked.as_str(), 0o600),
            ("service/.pg_service.conf".to_owned(), service.as_str(), 0o600),
            ("system/pg_service.conf".to_owned(), service.as_str(), 0o600),
            ("password/.pgpass".to_owned(), password.as_str(), 0o600),
            ("read/.pgpass".to_owned(), password.as_str(), 0o644),
            (usual("trusting", "root.crt"), keys.root.as_str(), 0o600),
            (usual("deceived", "root.crt"), keys.stranger.as_str(), 0o600),
            (usual("careful", "root.crt"), keys.root.as_str(), 0o600),
            (usual("careful", "root.crl"), keys.revoked.as_str(), 0o600),
            (usual("client", "postgresql.crt"), keys.client.0.as_str(), 0o600),
            (usual("client", "postgresql.key"), keys.client.1.as_str(), 0o600),
            (usual("keyless", "postgresql.crt"), keys.client.0.as_str(), 0o600),
        ] {
            let path = self.home.path().join(file);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            fs::write(&path, content)?;
            fs::set_permissions(&path, Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    /// Runs both programs, adds a line to the table, and returns what differs from psql or from the row.
    async fn compare(&self, row: &Row) -> Outcome<Vec<String>> {
        let shown = format!("{} {}", row.string, row.shown_environment());
        let check =
            self.ran(row, lab(&["check", "--format", "json", &self.filled(row.string)])).await?;
        let mut differences = Vec::new();
        if check.admitted != row.admitted {
            differences.push(format!("{shown}: the check is {:?}: {}", check.admitted, check.said));
        }
        let psql = match self.psql_major >= row.since {
            false => None,
            true => {
                let mut psql = program(&self.psql);
                psql.args(["-X", "-w", "-Atc", "SELECT pg_is_in_recovery()"]);
                psql.arg(self.filled(row.string));
                Some(self.ran(row, psql).await?)
            }
        };
        if let Some(psql) = &psql {
            if psql.admitted != check.admitted {
                differences.push(format!("{shown}: psql is {:?}: {}", psql.admitted, psql.said));
            }
            if row.is_logged && psql.lines != check.lines {
                let (of_psql, of_check) = (psql.lines.join("\n"), check.lines.join("\n"));
                differences.push(format!("{shown}: psql leaves\n{of_psql}\nthe check\n{of_check}"));
            }
        }
        tell(
            &shown,
            psql.as_ref().map(|psql| psql.admitted),
            check.admitted,
            &psql.as_ref().unwrap_or(&check).said,
        );
        Ok(differences)
    }

    /// Runs one program in the row's environment, and returns what it did.
    async fn ran(&self, row: &Row, mut command: Command) -> Outcome<Ran> {
        let before = [self.nodes[0].log().await?.len(), self.nodes[1].log().await?.len()];
        for name in VARIABLES {
            command.env_remove(name);
        }
        command.env("PGAPPNAME", "beside");
        command.env("HOME", self.home.path().join("empty")).env("PGPASSWORD", PASSWORD);
        for (name, value) in &row.environment {
            match value {
                Some(value) => command.env(name, self.filled(value)),
                None => command.env_remove(name),
            };
        }
        let ran = command.output()?;
        let mut lines = Vec::new();
        for (node, before) in self.nodes.iter().zip(before) {
            lines.extend(left(node, before).await?);
        }
        Ok(Ran { admitted: admitted(&ran), said: first_line(&ran), lines })
    }

    /// Replaces the words in braces.
    fn filled(&self, text: &str) -> String {
        let all = self.words.iter();
        all.fold(text.to_owned(), |text, (word, value)| text.replace(&format!("{{{word}}}"), value))
    }
}

/// Sets the certificate, the address and the sockets of a server, and restarts it.
async fn serve(
    node: &Node,
    address: &str,
    sockets: &str,
    keys: &Keys,
    (certificate, key): &(String, String),
) -> Result<()> {
    let session = node.session_unrecorded().await?;
    for (name, value) in [
        ("listen_addresses", address),
        ("unix_socket_directories", sockets),
        ("ssl", "on"),
        ("ssl_ca_file", "ca.crt"),
        ("ssl_max_protocol_version", "TLSv1.2"),
        ("log_connections", "on"),
        ("log_disconnections", "on"),
    ] {
        // A list of directories is a list of words, not one word.
        let value = value.split(", ").map(|one| format!("'{one}'")).collect::<Vec<_>>().join(", ");
        session.run(&format!("ALTER SYSTEM SET {name} = {value}")).await?;
    }
    drop(session);
    node.stop(Shutdown::Fast).await?;
    let root = &keys.root;
    node.run(&format!(
        "umask 077 && cd \"$PGDATA\" && printf '%s' '{certificate}' >server.crt && \
         printf '%s' '{key}' >server.key && printf '%s' '{root}' >ca.crt && \
         printf '%s' '{HBA}' | cat - pg_hba.conf >hba && mv hba pg_hba.conf"
    ))
    .await?;
    node.start().await
}

/// Returns what clients left in a server's log since then, once all their backends have ended.
async fn left(node: &Node, before: usize) -> Result<Vec<String>> {
    let backend =
        Regex::new(r"\[(\d+)\] LOG:  connection received").unwrap_or_else(|_| unreachable!());
    let mut pids = Vec::new();
    until("every backend has ended", PATIENCE, || async {
        let log = node.log().await?;
        let new = log.get(before..).unwrap_or_default();
        let pids =
            backend.captures_iter(new).filter_map(|found| found.get(1)?.as_str().parse().ok());
        let alive = |pid: &i32| kill(Pid::from_raw(*pid), None) != Err(Errno::ESRCH);
        let alive: Vec<i32> = pids.filter(alive).collect();
        Ok(if alive.is_empty() { Seen::Done(()) } else { Seen::NotYet(format!("{alive:?}")) })
    })
    .await?;
    let log = node.log().await?;
    let new = log.get(before..).unwrap_or_default();
    pids.extend(
        backend.captures_iter(new).filter_map(|found| found.get(1)).map(|pid| pid.as_str()),
    );
    // Two backends write in any order; each writes its own lines in order.
    let of = |pid: &&str| {
        let mark = format!("[{pid}]");
        new.lines().filter(move |line| line.contains(&mark)).map(|line| settled(node.name(), line))
    };
    Ok(pids.iter().flat_map(of).collect())
}

/// Returns a line of a log without what differs from run to run.
fn settled(server: &str, line: &str) -> String {
    let message = line.split_once("] ").map_or(line, |(_, message)| message);
    let varying = Regex::new(r"port=\d+|session time: [\d:.]+").unwrap_or_else(|_| unreachable!());
    format!("{server}: {}", varying.replace_all(message, "…"))
}

/// Which server admitted a program: psql prints whether it is in recovery, and the check says its role.
fn admitted(ran: &Output) -> Admitted {
    let said = text(&ran.stdout);
    let object = serde_json::from_slice::<serde_json::Value>(&ran.stdout);
    match object.ok().filter(serde_json::Value::is_object) {
        None if ran.status.success() && said.trim() == "f" => Admitted::Primary,
        None if ran.status.success() && said.trim() == "t" => Admitted::Standby,
        Some(_) if said.contains("\"a primary on timeline") => Admitted::Primary,
        Some(_) if said.contains("\"a standby on timeline") => Admitted::Standby,
        _ => Admitted::No,
    }
}

fn first_line(ran: &Output) -> String {
    let object = serde_json::from_slice::<serde_json::Value>(&ran.stdout).ok();
    let sentence = object.and_then(|object| {
        object.pointer("/findings/0/sentence").and_then(|said| said.as_str().map(str::to_owned))
    });
    let errors = text(&ran.stderr);
    sentence.unwrap_or_else(|| errors.lines().next().unwrap_or_default().to_owned())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Writes a line of the table; `cargo test -- --nocapture` shows it.
#[expect(clippy::print_stdout, reason = "a table for people")]
fn tell(row: &str, psql: Option<Admitted>, check: Admitted, said: &str) {
    let psql = psql.map_or("-".to_owned(), |psql| format!("{psql:?}"));
    let check = format!("{check:?}");
    println!("{psql:8} {check:8} {row:90} {}", said.chars().take(150).collect::<String>());
}
