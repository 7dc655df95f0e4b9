//! A proxy ends with the process that started it, and a proxy that was kept is removed with its directory.
//! Where HAProxy or PgBouncer is not installed, these tests print that they did not run.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::process::{Child, Stdio};

use nix::sys::signal::Signal;
use pretty_assertions::assert_eq;
use replication_lab::proxy::{HaProxy, PgBouncer};
use replication_lab::wait::{Seen, until};
use replication_lab::{Companion, Notebook, Settings, Site, Topology};
use tempfile::TempDir;

use crate::support::{Outcome, directory, program, send, within_deadline};
use crate::traces::{SOON, Traces};

/// What the process that others kill prints once its proxies run.
const UP: &str = "the proxies take connections";

/// A process that is killed leaves no proxy behind.
#[test]
fn a_killed_process_leaves_no_proxy_behind() {
    if is_skipped() {
        return;
    }
    within_deadline(async move {
        let home = directory();
        let mut holder = with_proxies(&home, "0")?;
        let traces = Traces::of(holder.id(), &home)?;
        assert_eq!(running(&traces).await?, ["haproxy", "pgbouncer"]);
        send(&holder, Signal::SIGKILL)?;
        holder.wait()?;
        Ok(traces.vanish(SOON).await?)
    });
}

/// `LAB_KEEP=1` keeps proxies, too, and their removal ends them.
#[test]
fn proxies_that_were_kept_end_when_they_are_removed() {
    if is_skipped() {
        return;
    }
    within_deadline(async move {
        let home = directory();
        let mut holder = with_proxies(&home, "1")?;
        let traces = Traces::of(holder.id(), &home)?;
        send(&holder, Signal::SIGKILL)?;
        holder.wait()?;
        until("the switches have let go", SOON, || async {
            let left = traces.left().await?;
            let armed = left.iter().any(|trace| trace.contains("replication-lab-switch"));
            Ok(if armed { Seen::NotYet(left.join(", ")) } else { Seen::Done(()) })
        })
        .await?;
        assert_eq!(running(&traces).await?, ["haproxy", "pgbouncer"]);
        for host in traces.hosts().await? {
            host.remove().await?;
        }
        Ok(traces.vanish(SOON).await?)
    });
}

/// The pair with proxies that other tests kill; by itself it is a smoke test of the proxies.
#[test]
fn proxies_come_and_go() {
    if is_skipped() {
        return;
    }
    within_deadline(async move {
        let site = Site::choose(&Settings::from_env()?).await?;
        let pair = Topology::pair().start_at(&site, &Notebook::in_memory()).await?;
        let haproxy = HaProxy::start(&site, &pair).await?;
        let pgbouncer = PgBouncer::start(&site, &pair, "primary").await?;
        for session in [haproxy.session().await?, pgbouncer.session().await?] {
            assert_eq!(session.text("SHOW cluster_name").await?, "primary");
        }
        writeln!(io::stdout(), "{UP}")?;
        if is_held() {
            let held = tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new()));
            held.await??;
        }
        Ok(pair.stop().await?)
    });
}

/// Tells whether another test started this process and holds its input.
fn is_held() -> bool {
    std::env::args().any(|argument| argument == "--exact") && !io::stdin().is_terminal()
}

/// Tells whether a proxy is missing, and prints it past the capture of the test harness.
fn is_skipped() -> bool {
    let missing = Companion::missing_of(&Companion::ALL, &Settings::default());
    if !missing.is_empty() {
        let _ = writeln!(io::stderr(), "proxies: skipped: this machine has no {missing:?}");
    }
    !missing.is_empty()
}

/// Starts a process with proxies and waits until they take connections.
fn with_proxies(home: &TempDir, keep: &str) -> Outcome<Child> {
    let mut holder = program(std::env::current_exe()?)
        .args(["--exact", "--nocapture", "proxies::proxies_come_and_go"])
        .env("LAB_DIR", home.path())
        .env("LAB_KEEP", keep)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let said = holder.stdout.take().map(BufReader::new).ok_or("its output is piped")?;
    match said.lines().map_while(io::Result::ok).any(|line| line.contains(UP)) {
        true => Ok(holder),
        false => Err("the process ended before its proxies took connections".into()),
    }
}

/// Returns the proxies among the processes that are left, by name.
async fn running(traces: &Traces) -> Outcome<Vec<&'static str>> {
    let left = traces.left().await?;
    let runs = |name: &&str| left.iter().any(|trace| trace.contains(&format!(": {name} ")));
    Ok(["haproxy", "pgbouncer"].into_iter().filter(runs).collect())
}
