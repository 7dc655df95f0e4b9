//! `lab up` as a person uses it: what is typed, what it prints, and what the servers then do.
//! Method: the program, driven through a pipe and once through a terminal, and sessions of the test's
//! own over the connection strings that it prints.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, tcgetattr};
use pretty_assertions::assert_eq;
use replication_lab::wait::{PATIENCE, Seen, stays, until};
use replication_lab::{Notebook, Session};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::support::{Outcome, directory, lab, send, within_deadline};
use crate::traces::{SOON, Traces};

/// Each verb does what it says, from a cut and a heal over a crash and a promotion to a whole cluster
/// again; a verb that cannot be done now is an error and changes nothing. Method: after each verb a row
/// of the test's own, and the servers that it reaches.
#[test]
fn a_learner_cuts_heals_promotes_and_rewinds() {
    within_deadline(async move {
        let home = directory();
        let mut lab = Played::start(&["--standbys", "2"], &home).await?;
        let traces = Traces::of(lab.child.id(), &home)?;
        assert_eq!(traces.hosts().await?.len(), 3, "the check sees a cluster that is there");
        let primary = lab.session(0).await?;
        let (first, second) = (lab.session(1).await?, lab.session(2).await?);
        assert_eq!(primary.count("SELECT count(*) FROM users").await?, 100);

        lab.type_line("cut 1", "no byte passes between primary and standby1").await?;
        add(&primary, "while it is cut").await?;
        has(&second, "while it is cut").await?;
        lacks(&first, "while it is cut").await?;
        assert!(lab.type_line("status", " standby1  1   primary  ").await?.contains("cut"));
        lab.type_line("cut 1", "error: the link of standby1 is cut already: heal standby1 first")
            .await?;
        lab.type_line("thaw 1", "error: standby1 is not frozen, and no other server is").await?;
        lab.type_line("fly 1", "error: \"fly\" is not a verb; verbs: cut, delay, ").await?;
        lab.type_line("rewind 2", "error: standby2 runs, and rewind needs it stopped").await?;
        lacks(&first, "while it is cut").await?;
        lab.type_line("heal 1", "healed: cut").await?;
        has(&first, "while it is cut").await?;

        lab.type_line("crash primary", "the postmaster of primary was killed").await?;
        let next = "rewind primary makes it a standby of standby1";
        lab.type_line("promote 1", "standby1 left recovery and is a primary on timeline 2").await?;
        assert!(lab.line_with(next).await?.contains("follow standby2 standby1"));
        assert!(!first.value::<bool>("SELECT pg_is_in_recovery()").await?);
        assert_eq!(lab.server_that_takes_writes().await?, "standby1");
        lab.type_line("follow 2 1", "standby2 streams from standby1 on timeline 2").await?;
        add(&first, "on the new timeline").await?;
        has(&second, "on the new timeline").await?;
        lab.type_line("rewind primary", "primary streams from standby1 on timeline 2").await?;
        has(&lab.session(0).await?, "on the new timeline").await?;

        assert!(lab.quits()?.success());
        assert_eq!(traces.left().await?, Vec::<String>::new());
        Ok(())
    });
}

/// The orders that a split brain costs are counted at the end of a load, and Ctrl-C removes everything.
/// Method: a promotion beside a primary that goes on, a load, which finds the old primary first, and the
/// signal while a server is frozen.
#[test]
fn a_split_brain_is_shown_and_ctrl_c_leaves_nothing() {
    within_deadline(async move {
        let home = directory();
        let mut lab = Played::start(&["--delay", "1ms", "--sync", "ANY 1 (*)"], &home).await?;
        let traces = Traces::of(lab.child.id(), &home)?;
        let (primary, standby) = (lab.session(0).await?, lab.session(1).await?);
        assert_eq!(primary.value::<String>("SHOW synchronous_standby_names").await?, "ANY 1 (*)");
        lab.type_line("sync off", "synchronous_standby_names = '' on primary").await?;
        let split = "on timeline 2; primary is still a primary, too: a split brain";
        lab.type_line("promote 1", split).await?;
        add(&primary, "on the old one").await?;
        add(&standby, "on the new one").await?;
        lacks(&standby, "on the old one").await?;
        lab.type_line("load 1", "place one order after the other for 1 s").await?;
        let outcome = lab.line_with("- load 1: ").await?;
        let acked = outcome.split(' ').nth(3).unwrap_or_default();
        assert!(acked.parse::<u64>()? > 0, "{outcome}");
        let lost = format!("on standby1 (timeline 2): {acked} of the acked orders are lost");
        assert!(outcome.contains(&lost), "{lost:?} is missing in {outcome:?}");
        lab.type_line("freeze primary", "every process of primary is stopped").await?;
        lab.type_line("crash primary", "error: primary is frozen: thaw primary first").await?;
        send(&lab.child, Signal::SIGINT)?;
        let ended = lab.child.wait()?;
        assert!(ended.success(), "{ended}");
        Ok(traces.vanish(SOON).await?)
    });
}

/// On a terminal the table stands above the typed line, which can be edited, and the mode of the
/// terminal is restored at the end.
#[test]
fn a_terminal_shows_the_table_and_is_given_back() {
    within_deadline(async move {
        let home = directory();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(&size, None)?;
        let before = tcgetattr(&terminal.slave)?;
        let mut command = lab(&["up"]);
        command.stdin(terminal.slave.try_clone()?).stdout(terminal.slave.try_clone()?);
        command
            .stderr(terminal.slave.try_clone()?)
            .env("LAB_DIR", home.path())
            .env("TERM", "xterm");
        let mut child = command.spawn()?;
        drop(command);
        let traces = Traces::of(child.id(), &home)?;
        let mut keys = File::from(terminal.master.try_clone()?);
        let mut screen =
            Shown { terminal: File::from(terminal.master), heard: Vec::new(), seen: 0 };
        screen.shows(
            " node      tl  follows  state                      behind  retained WAL  faults",
        )?;
        screen.shows(" standby1  1   primary  standby, streaming, async  ")?;
        screen.shows("lab> ")?;
        assert!(!tcgetattr(&terminal.slave)?.local_flags.contains(LocalFlags::ECHO));
        // The cursor goes back and forth, a word is completed, and several choices are shown.
        keys.write_all(b"cx 1\x1b[D\x1b[D\x7fut\x05")?;
        screen.shows("lab> cut 1")?;
        keys.write_all(b"\r")?;
        screen.shows("no byte passes between primary and standby1")?;
        screen.shows("  cut")?;
        keys.write_all(b"st\t")?;
        screen.shows("stop start status")?;
        keys.write_all(b"\x15crahs 1\r")?;
        screen.shows("did you mean \"crash\"?")?;
        keys.write_all(b"hea\t1\r")?;
        screen.shows("lab> heal 1")?;
        // Every commit waits for a standby that is away; the board says so.
        keys.write_all(b"sync *\r")?;
        screen.shows("synchronous_standby_names = '*'; no commit waits")?;
        keys.write_all(b"stop stan\t\r")?;
        screen.shows(" standby1  1   primary  down")?;
        keys.write_all(b"sql 0 CREATE TABLE later ()\r")?;
        screen.shows("primary, 1 waiting")?;
        screen.shows("it waits; its outcome is shown when it is there")?;
        keys.write_all(b"start 1\r")?;
        screen.shows("primary: CREATE TABLE later ()")?;
        // The node named primary is a standby after a failover.
        keys.write_all(b"sync off\rcrash 0\r")?;
        screen.shows(" primary   1   -        down")?;
        keys.write_all(b"promote 1\r")?;
        screen.shows(" standby1  2   -        primary ")?;
        keys.write_all(b"rewind primary\r")?;
        screen.shows(" primary   2   standby1  standby, streaming, async")?;
        keys.write_all(b"\x1b[A\x1b[A\x1b[A\x1b[B")?;
        screen.shows("lab> promote 1")?;
        keys.write_all(b"\x15quit\r")?;
        let ended = child.wait()?;
        assert!(ended.success(), "{ended}");
        assert_eq!(tcgetattr(&terminal.slave)?.local_flags, before.local_flags);
        Ok(traces.vanish(SOON).await?)
    });
}

/// `lab up`, driven through a pipe.
struct Played {
    child: Child,
    said: mpsc::UnboundedReceiver<String>,
    /// The connection strings that it printed: of each node, and the one that finds the primary.
    strings: Vec<String>,
}

impl Played {
    async fn start(arguments: &[&str], home: &TempDir) -> Outcome<Self> {
        let arguments = [&["up"], arguments].concat();
        let mut command = lab(&arguments);
        let mut child = command.env("LAB_DIR", home.path()).stderr(Stdio::inherit()).spawn()?;
        let said = listen(child.stdout.take().ok_or("its output is piped")?);
        let mut played = Self { child, said, strings: Vec::new() };
        let lines = played.lines_until("Ctrl-C or quit removes all servers").await?;
        played.strings = lines.into_iter().filter(|line| line.starts_with("host=")).collect();
        Ok(played)
    }

    /// Types a line, and returns the first line after it that contains these words.
    async fn type_line(&mut self, line: &str, words: &str) -> Outcome<String> {
        let input = self.child.stdin.as_mut().ok_or("its input is piped")?;
        writeln!(input, "{line}")?;
        self.line_with(&format!("lab> {line}")).await?;
        self.line_with(words).await
    }

    async fn line_with(&mut self, words: &str) -> Outcome<String> {
        Ok(self.lines_until(words).await?.pop().unwrap_or_default())
    }

    /// Returns the lines up to and including the one that contains these words.
    async fn lines_until(&mut self, words: &str) -> Outcome<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.said.recv()).await;
            let Ok(Some(line)) = heard else {
                return Err(format!("no line with {words:?} in:\n{}", lines.join("\n")).into());
            };
            let found = line.contains(words);
            lines.push(line);
            if found {
                return Ok(lines);
            }
        }
    }

    /// Opens a session with the connection string of a node; the primary's is the first.
    async fn session(&self, node: usize) -> Outcome<Session> {
        let config = self.strings.get(node).ok_or("a string for every node")?.parse()?;
        Ok(Session::open(&config, "test", &Notebook::in_memory()).await?)
    }

    /// Returns the server that the string with all nodes leads to.
    async fn server_that_takes_writes(&self) -> Outcome<String> {
        let config = self.strings.last().ok_or("a string with all nodes")?.parse()?;
        let session = Session::open(&config, "test", &Notebook::in_memory()).await?;
        Ok(session.value("SELECT current_setting('cluster_name')").await?)
    }

    fn quits(&mut self) -> Outcome<std::process::ExitStatus> {
        let input = self.child.stdin.as_mut().ok_or("its input is piped")?;
        writeln!(input, "quit")?;
        Ok(self.child.wait()?)
    }
}

/// Reads the output of a program line by line, to its end.
fn listen(program: ChildStdout) -> mpsc::UnboundedReceiver<String> {
    let (send, said) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(program).lines().map_while(Result::ok);
        // The receiver is gone when a test has failed.
        lines.map(|line| line.trim_end().to_owned()).try_for_each(|line| send.send(line))
    });
    said
}

/// The output on a terminal so far.
struct Shown {
    terminal: File,
    heard: Vec<u8>,
    /// The length of the text that was searched already.
    seen: usize,
}

impl Shown {
    /// Reads until these words are shown, after those of the last call.
    fn shows(&mut self, words: &str) -> Outcome {
        let mut more = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&self.heard).into_owned();
            let text = console::strip_ansi_codes(&text);
            if let Some(at) = text.get(self.seen..).and_then(|new| new.find(words)) {
                self.seen += at + words.len();
                return Ok(());
            }
            let bytes = self.terminal.read(&mut more)?;
            self.heard.extend(more.get(..bytes).unwrap_or_default());
        }
    }
}

async fn add(session: &Session, name: &str) -> Outcome {
    let sql = format!("INSERT INTO products (name, price) VALUES ('{name}', 1)");
    Ok(session.run(&sql).await?)
}

async fn is_there(session: &Session, name: &str) -> replication_lab::Result<bool> {
    let sql = format!("SELECT EXISTS (SELECT FROM products WHERE name = '{name}')");
    session.value(&sql).await
}

async fn has(session: &Session, name: &str) -> Outcome {
    let arrives = until("the row arrives", PATIENCE, || async {
        let missing = Seen::NotYet("it is not there".to_owned());
        Ok(if is_there(session, name).await? { Seen::Done(()) } else { missing })
    });
    Ok(arrives.await?)
}

async fn lacks(session: &Session, name: &str) -> Outcome {
    let missing = stays("the row does not arrive", Duration::from_millis(300), || async {
        let there = Seen::NotYet("it is there".to_owned());
        Ok(if is_there(session, name).await? { there } else { Seen::Done(()) })
    });
    Ok(missing.await?)
}
