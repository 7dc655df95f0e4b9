//! One PostgreSQL server on a host: configured, started, stopped, crashed, promoted. Base backups,
//! statistics, waits and workloads are elsewhere; a node does not know which server it follows.
//!
//! ```text
//!   log.rs             its log, and the wait for a line in it
//!   configuration.rs   what its configuration files set, for the notebook
//!   setting.rs         a setting changed while it runs
//!   freeze.rs          a server, or one kind of its processes, that is stopped and keeps its sockets
//!   fence.rs           an old primary that is kept from taking writes
//! ```

mod configuration;
mod fence;
pub(crate) mod freeze;
mod log;
mod setting;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use tokio_postgres::Config;

use self::configuration::Shown;
use crate::conf::Conf;
use crate::error::{Error, Result, Why};
use crate::host::Host;
use crate::host::script::{Endpoint, Script};
use crate::password::Password;
use crate::record::event::Event;
use crate::record::notebook::Notebook;
use crate::session::{CONNECT, Session};
use crate::settings;
use crate::wait::{PATIENCE, Seen, until};
use crate::wal::{Branch, History, Lsn, Timeline};

/// The authentication rules: every role with its password, for replication, too.
const HBA: &str = "local all all scram-sha-256\nlocal replication all scram-sha-256\n\
                   host all all all scram-sha-256\nhost replication all all scram-sha-256\n";

/// Lists the processes that work in the data directory: this finds a postmaster's backends even
/// when the postmaster is dead. Without `/proc` the list is empty, and none is waited for.
const BACKENDS: &str = "cd / && for process in /proc/[0-9]*; \
                        do [ \"$process/cwd\" -ef \"$PGDATA\" ] && echo \"${process#/proc/}\"; \
                        done 2>/dev/null; true";

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Node {
    name: String,
    host: Host,
    password: Password,
    notebook: Notebook,
    launches: AtomicU32,
    shown: Shown,
}

/// A mode of shutdown (manual: Shutting Down the Server).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Waits until all clients have disconnected.
    Smart,
    /// Disconnects all clients, sends the standbys all remaining WAL, and writes a checkpoint.
    Fast,
    /// Exits without a checkpoint; the next start recovers.
    Immediate,
}

impl Shutdown {
    fn mode(self) -> &'static str {
        match self {
            Self::Smart => "smart",
            Self::Fast => "fast",
            Self::Immediate => "immediate",
        }
    }
}

impl Node {
    /// Describes a server that is not started yet; `conf` is what the person's own lines stand in.
    pub(crate) fn new(
        name: &str,
        host: Host,
        password: &Password,
        conf: &Conf,
        notebook: &Notebook,
    ) -> Self {
        Self {
            name: name.to_owned(),
            host,
            password: password.clone(),
            notebook: notebook.clone(),
            launches: AtomicU32::new(0),
            shown: Shown::with_lab_conf(conf),
        }
    }

    /// Returns its name, which is its `cluster_name` and, as a standby, its `application_name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the machine it is on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns where clients connect to it.
    pub fn endpoint(&self) -> Endpoint {
        self.host.endpoint()
    }

    /// Runs a script that fills the data directory, replaces the configuration that came with it,
    /// and returns the script's output.
    pub(crate) async fn prepare(&self, fill: Script, conf: &Conf) -> Result<String> {
        let line = format!(
            "{} && printf %s \"$HBA\" >pg_hba.conf && printf %s \"$CONF\" >postgresql.conf",
            fill.line
        );
        let script = Script { line, environment: fill.environment };
        let conf = self.base_conf().and(conf).lines();
        let script = script.with("HBA", HBA).with("CONF", conf);
        self.run_recorded(&fill.line, &script).await
    }

    fn base_conf(&self) -> Conf {
        let addresses = if self.host.listens_on_tcp() { "*" } else { "" };
        Conf::new()
            .set("cluster_name", &self.name)
            .set("listen_addresses", addresses)
            .set("unix_socket_directories", self.host.home())
            .set("lc_messages", "C")
            .set("timezone", "UTC")
            .set("log_timezone", "UTC")
            .set("log_line_prefix", "%m [%p] ")
            .set("password_encryption", "scram-sha-256")
            .set("wal_log_hints", "on")
            .set("wal_retrieve_retry_interval", "20ms")
    }

    /// Starts the server and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// The server exits by itself, or takes no connections within [`PATIENCE`]: the error has the
    /// last lines of its log.
    pub async fn start(&self) -> Result<()> {
        self.launch().await?;
        self.ready().await
    }

    /// Starts the server without waiting for it.
    pub(crate) async fn launch(&self) -> Result<()> {
        let launch = self.launches.fetch_add(1, Ordering::Relaxed) + 1;
        let line = "postgres -D \"$PGDATA\" >>../log 2>&1";
        self.note_command(&format!("{line} &"), Vec::new());
        // Each start has a status file of its own, so that the exit of an earlier start is never read
        // as the exit of this one.
        let script = Script::new(format!("{line}; echo $? >../exit.{launch}"));
        self.host.spawn(&script).await.map_err(|error| error.on(&self.name))
    }

    /// Waits until the server takes connections, and records the settings that it started with; fails at
    /// once when the server has exited.
    pub(crate) async fn ready(&self) -> Result<()> {
        let session = self.ready_for(&self.password).await?;
        self.record_settings(&session).await
    }

    /// Records what the configuration files set, as far as it has changed since the last start.
    async fn record_settings(&self, session: &Session) -> Result<()> {
        let now = configuration::read(session).await.map_err(|error| error.on(self.name()))?;
        let settings = self.shown.changed(now);
        if !settings.is_empty() {
            let node = self.name().to_owned();
            self.notebook().note(Event::Settings { node, settings });
        }
        Ok(())
    }

    /// Waits as [`ready`](Self::ready) does and returns a session, with the password of the
    /// template that the server started from.
    pub(crate) async fn ready_for(&self, password: &Password) -> Result<Session> {
        let config = self.config_with(password);
        let connected = until("the server takes connections", PATIENCE, || async {
            match Session::open(&config, &self.name, &Notebook::in_memory()).await {
                Ok(session) => Ok(Seen::Done(Ok(session))),
                // A server that has exited never answers: do not wait for the deadline.
                Err(error) => match self.exit_status().await? {
                    Some(status) => Ok(Seen::Done(Err(status))),
                    None => Err(error),
                },
            }
        });
        let failure = match connected.await {
            Ok(Ok(session)) => return Ok(session),
            Ok(Err(status)) => Error::new("starting the server", Why::Ended { status }),
            Err(late) => late,
        };
        Err(self.with_log(failure).await)
    }

    /// Returns the exit status of the server, if it has exited since it was last started.
    ///
    /// # Errors
    ///
    /// The host does not answer.
    pub async fn exit_status(&self) -> Result<Option<String>> {
        let launch = self.launches.load(Ordering::Relaxed);
        let script = Script::new(format!("cat ../exit.{launch} 2>/dev/null || true"));
        let status = self.host.run(&script).await?;
        Ok(Some(status.trim().to_owned()).filter(|status| !status.is_empty()))
    }

    /// Stops the server and waits until it has exited.
    ///
    /// # Errors
    ///
    /// The server does not run, or does not stop in time.
    pub async fn stop(&self, how: Shutdown) -> Result<()> {
        let line = format!("pg_ctl stop -D \"$PGDATA\" -m {}", how.mode());
        let patience = PATIENCE.mul_f64(settings::timeout_factor()).as_secs().to_string();
        let script = Script::new(&line).with("PGCTLTIMEOUT", patience);
        self.run_recorded(&line, &script).await.map(drop)
    }

    /// Kills the postmaster (SIGKILL) and waits until its backends have exited, so that the server
    /// can be started again at once. This is a server crash, not a power loss: what the server had
    /// written is in the page cache and stays.
    ///
    /// # Errors
    ///
    /// The server does not run, or its processes do not exit in time.
    pub async fn crash(&self) -> Result<()> {
        if let Some(status) = self.exit_status().await? {
            return Err(Error::new("crashing the server", Why::Ended { status }).on(&self.name));
        }
        self.run("kill -KILL $(head -n 1 \"$PGDATA/postmaster.pid\")").await?;
        until(&format!("{} is gone", self.name), PATIENCE, || async {
            let backends = self.host.run(&Script::new(BACKENDS)).await?;
            Ok(match (self.exit_status().await?, backends.trim()) {
                (Some(_), "") => Seen::Done(()),
                (_, backends) => Seen::NotYet(format!("processes {backends}")),
            })
        })
        .await
    }

    /// Returns the process id of the postmaster, on its host.
    ///
    /// # Errors
    ///
    /// The server does not run, or its `postmaster.pid` is not understood.
    pub async fn postmaster(&self) -> Result<u32> {
        let file = self.host.read("postmaster.pid").await.map_err(|error| error.on(&self.name))?;
        let pid = file.lines().next().and_then(|line| line.trim().parse().ok());
        pid.ok_or_else(|| Error::unreadable("reading postmaster.pid", file).on(&self.name))
    }

    /// Promotes a standby and waits until it is a primary (manual: `pg_promote`).
    ///
    /// # Errors
    ///
    /// The server is not in recovery, or does not leave it in time.
    pub async fn promote(&self) -> Result<()> {
        const SQL: &str = "SELECT pg_promote()";
        let asked = Instant::now();
        match self.session().await?.value(SQL).await? {
            true => Ok(()),
            false => {
                let (waited, last) = (asked.elapsed(), "pg_promote() returned false".to_owned());
                let late = Error::new("promoting the server", Why::Deadline { waited, last });
                Err(self.with_log(late).await)
            }
        }
    }

    /// Reloads the server's configuration, with `pg_ctl reload`.
    ///
    /// # Errors
    ///
    /// The server does not run.
    pub async fn reload(&self) -> Result<()> {
        self.run("pg_ctl reload -D \"$PGDATA\"").await.map(drop)
    }

    /// Runs a command line on the node's host, as a person would type it there, records it in the
    /// notebook, and returns its output.
    ///
    /// # Errors
    ///
    /// The line exits with another status than 0: the error has its output.
    pub async fn run(&self, line: &str) -> Result<String> {
        self.run_recorded(line, &Script::new(line)).await
    }

    /// Runs a script that connects to the server as the superuser, and records its line.
    pub(crate) async fn run_as_client(&self, script: Script) -> Result<String> {
        let script = script.with("PGPASSWORD", self.password.as_str());
        self.run_recorded(&script.line.clone(), &script.with("PGDATABASE", "postgres")).await
    }

    pub(crate) async fn run_recorded(&self, line: &str, script: &Script) -> Result<String> {
        self.note_command(line, configuration::shown_variables(line, &script.environment));
        self.host.run(script).await.map_err(|error| error.on(&self.name))
    }

    /// Returns where a timeline branched off its parent, read from its history file.
    ///
    /// # Errors
    ///
    /// The server has no such history file, or it is not understood.
    pub async fn branch(&self, timeline: Timeline) -> Result<Branch> {
        let file = timeline.history_file();
        let text = self.run(&format!("cat \"$PGDATA/pg_wal/{file}\"")).await?;
        let history: Result<History, _> = text.parse();
        let newest = history.map(|history| history.newest().cloned());
        newest
            .ok()
            .flatten()
            .ok_or_else(|| Error::unreadable(format!("reading {file}"), text).on(&self.name))
    }

    /// Returns the position of the last checkpoint's record, from the control file; on a server
    /// that was stopped cleanly it is the last record of its WAL (manual: `pg_controldata`).
    ///
    /// # Errors
    ///
    /// The control file cannot be read.
    pub async fn last_checkpoint(&self) -> Result<Lsn> {
        let location = self.control("Latest checkpoint location").await?;
        let parsed = location.parse().ok();
        parsed.ok_or_else(|| Error::unreadable("reading the control file", location).on(&self.name))
    }

    /// Returns the value of one line of the control file, whether the server runs or not. After a
    /// crash `Database cluster state` is still `in production`, on a standby `in archive recovery`;
    /// after a shutdown it is `shut down` or `shut down in recovery` (manual: `pg_controldata`).
    ///
    /// # Errors
    ///
    /// The control file cannot be read, or has no such line.
    pub async fn control(&self, line: &str) -> Result<String> {
        let said = self.run(&format!("pg_controldata -D \"$PGDATA\" | grep '{line}'")).await?;
        match said.split_once(':') {
            Some((_, value)) => Ok(value.trim().to_owned()),
            None => Err(Error::unreadable("reading the control file", said).on(&self.name)),
        }
    }

    /// Opens a session of the superuser.
    ///
    /// # Errors
    ///
    /// The server refuses the connection, or does not answer in time.
    pub async fn session(&self) -> Result<Session> {
        Session::open(&self.config(), &self.name, &self.notebook).await
    }

    /// Opens a session of the superuser whose statements are not recorded.
    ///
    /// # Errors
    ///
    /// As those of [`session`](Self::session).
    pub async fn session_unrecorded(&self) -> Result<Session> {
        Session::open(&self.config(), &self.name, &Notebook::in_memory()).await
    }

    /// Returns the configuration with which the superuser connects.
    pub fn config(&self) -> Config {
        self.config_with(&self.password)
    }

    fn config_with(&self, password: &Password) -> Config {
        let (host, port) = self.endpoint().host_and_port();
        let mut config = superuser(password);
        config.host(host).port(port);
        config
    }

    pub(crate) async fn with_log(&self, error: Error) -> Error {
        error.on(&self.name).log_tail(self.log_tail().await)
    }

    pub(crate) fn password(&self) -> &Password {
        &self.password
    }

    pub(crate) fn into_host(self) -> Host {
        self.host
    }

    pub(crate) fn notebook(&self) -> &Notebook {
        &self.notebook
    }

    fn note_command(&self, line: &str, with: Vec<(String, String)>) {
        let (node, line) = (self.name.clone(), line.to_owned());
        self.notebook.note(Event::Command { node, line, with });
    }
}

/// Returns the superuser's configuration, without host and port.
pub(crate) fn superuser(password: &Password) -> Config {
    let mut config = Config::new();
    config.user("postgres").dbname("postgres").password(password.as_str());
    config.connect_timeout(CONNECT.mul_f64(settings::timeout_factor()));
    config
}
