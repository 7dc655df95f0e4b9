//! Whatever ends a process that runs a cluster, nothing of the cluster is left: no container, no
//! server, no directory, no shared memory.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::Duration;

use futures_util::future::try_join_all;
use nix::sys::signal::Signal;
use pretty_assertions::assert_eq;
use replication_lab::wait::{Seen, elapse, until};
use replication_lab::{Leftover, Notebook, Result, Site, Topology};
use rstest::rstest;
use tempfile::TempDir;

use crate::support::{Outcome, directory, lab, program, send, settings, within_deadline};
use crate::traces::{SOON, Traces, memory_of, postmasters, processes_in};

/// The longest wait after a process was killed while it started a container: the container ends
/// with its fuse.
const AFTER_THE_FUSE: Duration = Duration::from_secs(25);

/// A signal that ends the process ends its cluster. Method: `lab up`, wait until the cluster is up,
/// send the signal, search for traces.
#[rstest]
#[case::killed(Signal::SIGKILL)]
#[case::interrupted(Signal::SIGINT)]
#[case::terminated(Signal::SIGTERM)]
#[case::hung_up(Signal::SIGHUP)]
fn a_signal_leaves_nothing_behind(#[case] signal: Signal) {
    within_deadline(async move {
        let home = directory();
        let mut holder = up(&home)?;
        let traces = Traces::of(holder.id(), &home)?;
        assert_eq!(traces.hosts().await?.len(), 2, "the check sees a cluster that is there");
        send(&holder, signal)?;
        let _ = holder.wait();
        Ok(traces.vanish(SOON).await?)
    });
}

/// The end of its input ends `lab up`, as `quit` does.
#[test]
fn the_end_of_its_input_ends_lab_up() {
    within_deadline(async move {
        let home = directory();
        let mut holder = up(&home)?;
        let traces = Traces::of(holder.id(), &home)?;
        drop(holder.stdin.take());
        let ended = holder.wait()?;
        assert!(ended.success(), "{ended}");
        assert_eq!(traces.left().await?, Vec::<String>::new());
        Ok(())
    });
}

/// A test process that is killed at any moment leaves nothing. Method: this test binary's own
/// [`a_pair_comes_and_goes`], killed at moments spread over its life.
#[test]
fn a_test_process_killed_at_any_moment_leaves_nothing_behind() {
    within_deadline(async move {
        let moments = [5, 20, 50, 100, 200, 400, 800, 1600];
        try_join_all(moments.map(Duration::from_millis).map(killed_after)).await.map(drop)
    });
}

async fn killed_after(moment: Duration) -> Outcome {
    let home = directory();
    let mut holder = program(std::env::current_exe()?)
        .args(["--exact", "cleanup::a_pair_comes_and_goes"])
        .env("LAB_DIR", home.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // The moment of the kill is what this test varies: until then the process lives, or has ended.
    elapse(moment).await;
    send(&holder, Signal::SIGKILL)?;
    holder.wait()?;
    Ok(Traces::of(holder.id(), &home)?.vanish(AFTER_THE_FUSE).await?)
}

/// A panic unwinds through the cluster and removes it. Local servers are searched by their
/// directory, containers by the locations that the cluster reported.
#[test]
fn a_panic_leaves_nothing_behind() {
    let home = directory();
    let settings = settings(&home).unwrap();
    let (send, locations) = std::sync::mpsc::channel();
    let panicked = std::thread::spawn(move || {
        within_deadline(async move {
            let site = Site::choose(&settings).await?;
            let pair = Topology::pair().start_at(&site, &Notebook::in_memory()).await?;
            let _ = send.send(locations_of(&pair));
            panic!("in the middle of a test");
        });
    });
    assert!(panicked.join().is_err());
    let locations = locations.recv().unwrap();
    assert_eq!(locations.len(), 2);
    within_deadline(async move { Ok(gone(&home, &locations).await?) });
}

/// A crashed server leaves its shared memory, which the switch removes.
#[test]
fn a_crashed_server_leaves_nothing_behind() {
    within_deadline(async move {
        let home = directory();
        let site = Site::choose(&settings(&home)?).await?;
        let alone = Topology::alone().start_at(&site, &Notebook::in_memory()).await?;
        let locations = locations_of(&alone);
        let servers = postmasters(home.path());
        alone.primary().crash().await?;
        alone.stop().await?;
        assert_eq!(memory_of(&servers), Vec::<String>::new());
        Ok(gone(&home, &locations).await?)
    });
}

/// `LAB_KEEP=1` keeps the cluster of a process that was killed.
#[test]
fn what_is_to_be_kept_is_kept() {
    within_deadline(async move {
        let home = directory();
        let mut holder = spawn_up(lab(&["up"]).env("LAB_KEEP", "1"), &home)?;
        let traces = Traces::of(holder.id(), &home)?;
        send(&holder, Signal::SIGKILL)?;
        let _ = holder.wait();
        until("the switches have let go", SOON, || async {
            let left = traces.left().await?;
            let armed = left.iter().any(|trace| trace.contains("replication-lab-switch"));
            Ok(if armed { Seen::NotYet(left.join(", ")) } else { Seen::Done(()) })
        })
        .await?;
        let kept = traces.hosts().await?;
        assert_eq!(kept.len(), 2, "a primary and a standby are kept");
        for host in kept {
            assert!(host.is_orphan());
            host.remove().await?;
        }
        Ok(traces.vanish(SOON).await?)
    });
}

/// A run that is killed ends its scenario, and nothing of the scenario is left. Method: `lab run`,
/// kill it once its scenario has its servers, search for traces.
#[test]
#[cfg(target_os = "linux")]
fn a_killed_run_leaves_nothing_behind() {
    within_deadline(async move {
        let home = directory();
        let mut command = lab(&["run", "promote"]);
        command.env("LAB_DIR", home.path()).env("LAB_RECORDS", home.path().join("records"));
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let traces = until("the scenario has its servers", Duration::from_secs(60), || async {
            let Some(scenario) = child_of(run.id()) else {
                return Ok(Seen::NotYet("no scenario runs".to_owned()));
            };
            let traces = Traces::of(scenario, &home)?;
            let hosts = traces.hosts().await?.len();
            let few = Seen::NotYet(format!("{hosts} hosts"));
            Ok(if hosts == 2 { Seen::Done(traces) } else { few })
        })
        .await?;
        send(&run, Signal::SIGKILL)?;
        let _ = run.wait();
        traces.vanish(AFTER_THE_FUSE).await?;
        let status = format!("/proc/{}/status", traces.process);
        let ended = until("the scenario's process has ended", SOON, || async {
            let status = fs::read_to_string(&status).unwrap_or_default();
            let state = status.lines().find(|line| line.starts_with("State:"));
            Ok(match state.map(str::to_owned) {
                Some(runs) if !runs.contains('Z') => Seen::NotYet(runs),
                _ => Seen::Done(()),
            })
        });
        Ok(ended.await?)
    });
}

/// Returns the test program that a run has started, if it is there.
#[cfg(target_os = "linux")]
fn child_of(parent: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let is_scenario = |pid: &&str| {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.contains("--exact")
    };
    children.split_whitespace().find(is_scenario)?.parse().ok()
}

/// The pair that other tests kill; by itself it is a smoke test.
#[test]
fn a_pair_comes_and_goes() {
    within_deadline(async move {
        let pair = Topology::pair().start().await?;
        pair.primary().session().await?.run("CREATE TABLE t AS SELECT 1 AS a").await?;
        pair.wait_for_catchup("standby1").await?;
        let a: i32 = pair.standby()?.session().await?.value("SELECT a FROM t").await?;
        assert_eq!(a, 1);
        Ok(pair.stop().await?)
    });
}

fn up(home: &TempDir) -> Outcome<Child> {
    spawn_up(&mut lab(&["up"]), home)
}

/// Starts `lab up` and waits until the cluster is up.
fn spawn_up(command: &mut std::process::Command, home: &TempDir) -> Outcome<Child> {
    let command = command.env("LAB_DIR", home.path()).stderr(Stdio::null()).process_group(0);
    let mut holder = command.spawn()?;
    let said = holder.stdout.take().map(BufReader::new).ok_or("its output is piped")?;
    match said
        .lines()
        .map_while(io::Result::ok)
        .any(|line| line.starts_with("help lists the verbs"))
    {
        true => Ok(holder),
        false => Err("lab up ended before the cluster was up".into()),
    }
}

fn locations_of(cluster: &replication_lab::Cluster) -> Vec<String> {
    cluster.nodes().iter().map(|node| node.host().location()).collect()
}

/// Waits until none of these locations exists and no process works in `home`.
async fn gone(home: &TempDir, locations: &[String]) -> Result<()> {
    let settings = settings(home)?;
    until("the cluster is gone", SOON, || async {
        let hosts = Leftover::all(&settings).await?;
        let mut left: Vec<_> = hosts.iter().map(Leftover::location).collect();
        left.retain(|location| locations.iter().any(|gone| gone.starts_with(location)));
        left.extend(processes_in(home.path()));
        Ok(if left.is_empty() { Seen::Done(()) } else { Seen::NotYet(left.join(", ")) })
    })
    .await
}
