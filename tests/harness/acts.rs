//! Each act on a server leaves what only that act leaves, on the chosen host: none can be replaced by a
//! milder one without a red test.

use pretty_assertions::assert_eq;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::wal::Timeline;
use replication_lab::{Cluster, Node, Result, Shutdown, Topology, stat};
use rstest::rstest;

use crate::support::{Outcome, within_deadline};

/// The line of the control file that tells whether a server was shut down.
const STATE: &str = "Database cluster state";

/// The exit status of a process that SIGKILL ended: 128 and the number of the signal.
const KILLED: &str = "137";

/// A crash is no shutdown. Method: crash a primary and a standby; the exit status, the control file and the
/// log.
#[test]
fn a_crash_kills_and_the_control_file_says_that_the_server_runs() {
    within_deadline(async move {
        let pair = Topology::pair().start().await?;
        for (node, running) in
            [(pair.primary(), "in production"), (pair.standby()?, "in archive recovery")]
        {
            assert_eq!(node.exit_status().await?, None);
            let before = node.log().await?.len();
            node.crash().await?;
            assert_eq!(node.exit_status().await?.as_deref(), Some(KILLED));
            assert_eq!(node.control(STATE).await?, running);
            let log = node.log().await?;
            let since = log.get(before..).unwrap_or_default();
            assert!(!since.contains("shutdown") && !since.contains("shut down"), "{since}");
        }
        Ok(pair.stop().await?)
    });
}

/// Each mode of shutdown sends its own request, and only the immediate one makes no checkpoint. An exit
/// status of 0 is none of a kill.
#[rstest]
#[case::smart(Shutdown::Smart, "smart", "shut down")]
#[case::fast(Shutdown::Fast, "fast", "shut down")]
#[case::immediate(Shutdown::Immediate, "immediate", "in production")]
fn a_shutdown_is_of_its_mode(
    #[case] mode: Shutdown,
    #[case] name: &'static str,
    #[case] state: &'static str,
) {
    within_deadline(async move {
        let alone = Topology::alone().start().await?;
        let primary = alone.primary();
        primary.stop(mode).await?;
        assert_eq!(primary.control(STATE).await?, state);
        let log = primary.log().await?;
        let requests: Vec<_> =
            log.lines().filter_map(|line| line.split_once("LOG:  received ")).collect();
        let requests: Vec<_> = requests.iter().map(|(_, request)| *request).collect();
        assert_eq!(requests, [format!("{name} shutdown request")]);
        let status = primary.exit_status().await?;
        assert!(status.as_deref().is_some_and(|status| status != KILLED), "{status:?}");
        Ok(alone.stop().await?)
    });
}

/// A promotion ends recovery on a new timeline, in the same process. Method: the log, the signal file, the
/// history file and the postmaster.
#[test]
fn a_promotion_starts_a_timeline_and_restarts_nothing() {
    within_deadline(async move {
        let pair = Topology::pair().start().await?;
        let standby = pair.standby()?;
        let (session, postmaster) = (standby.session().await?, standby.postmaster().await?);
        assert_eq!(stat::timeline(&session).await?, Timeline(1));
        assert!(has_file(standby, "standby.signal").await?);
        standby.promote().await?;
        assert!(!session.value::<bool>("SELECT pg_is_in_recovery()").await?);
        assert_eq!(stat::timeline(&session).await?, Timeline(2));
        assert_eq!(standby.branch(Timeline(2)).await?.parent, Timeline(1));
        assert_eq!(standby.postmaster().await?, postmaster);
        assert!(!has_file(standby, "standby.signal").await?);
        standby.wait_for_log("received promote request").await?;
        session.run("CREATE TABLE t (a int)").await?;
        let again = standby.promote().await;
        assert!(again.is_err_and(|error| error.server_message().is_some()));
        Ok(pair.stop().await?)
    });
}

/// A fence kills a server that runs, and leaves one alone that does not; either way it starts read-only.
#[rstest]
#[case::running(true)]
#[case::stopped(false)]
fn a_fence_kills_and_leaves_a_signal_file(#[case] runs: bool) {
    within_deadline(async move {
        let alone = Topology::alone().start().await?;
        let primary = alone.primary();
        assert!(!has_file(primary, "standby.signal").await?);
        if !runs {
            primary.stop(Shutdown::Fast).await?;
        }
        primary.fence().await?;
        let left = if runs { "in production" } else { "shut down" };
        assert_eq!(primary.control(STATE).await?, left);
        assert_eq!(primary.exit_status().await?.as_deref() == Some(KILLED), runs);
        assert!(has_file(primary, "standby.signal").await?);
        primary.start().await?;
        let session = primary.session().await?;
        assert!(session.value::<bool>("SELECT pg_is_in_recovery()").await?);
        Ok(alone.stop().await?)
    });
}

/// A freeze stops every process of a server, or only those of one kind, and a thaw continues them. Method:
/// the state of the processes in `/proc`; where there is none, as on macOS, `ps` shows it.
#[test]
fn a_freeze_stops_exactly_the_processes_that_it_names() {
    within_deadline(async move {
        let pair = Topology::pair().start().await?;
        let standby = pair.standby()?;
        let session = standby.session().await?;
        let all = pids(&session, "true").await?;
        let receiver = pids(&session, "backend_type = 'walreceiver'").await?;
        let rest = pids(&session, "backend_type <> 'walreceiver'").await?;
        assert!(receiver.len() == 1 && rest.len() > 2, "{receiver:?} {rest:?}");

        let frozen = standby.freeze_processes("walreceiver").await?;
        assert!(are_stopped(standby, &receiver).await?);
        assert!(!are_stopped(standby, &rest).await?);
        frozen.thaw().await?;
        wait_until_running(standby, &receiver).await?;

        let frozen = standby.freeze().await?;
        assert!(are_stopped(standby, &all).await?);
        assert!(are_stopped(standby, &[standby.postmaster().await?.to_string()]).await?);
        frozen.thaw().await?;
        wait_until_running(standby, &all).await?;
        Ok(pair.stop().await?)
    });
}

/// A rewind keeps the data directory and replaces what differs; a rebuild makes a new one. Method: a file
/// that only the diverged server has, in `pg_wal`, where `pg_rewind` removes what the source lacks; the
/// manifest that only a base backup writes; the rows.
#[test]
fn a_rewind_is_no_rebuild() {
    within_deadline(async move {
        let pair = diverged().await?;
        let (old, new) = (pair.primary(), pair.standby()?);
        old.stop(Shutdown::Fast).await?;
        let dry = pair.rewind_dry_run("primary").await?;
        assert!(dry.contains("servers diverged at WAL location"), "{dry}");
        assert!(!has_file(old, "backup_label").await?, "a dry run wrote");
        let said = pair.rewind("primary").await?;
        assert!(said.contains("servers diverged at WAL location"), "{said}");
        assert!(said.contains("Done!"), "{said}");
        assert!(has_file(old, "backup_label").await?);
        assert!(!has_file(old, "backup_manifest").await?);
        assert!(!has_file(old, "standby.signal").await?);
        pair.configure_standby("primary").await?;
        assert!(has_file(old, "standby.signal").await?);
        follows(&pair).await?;

        old.stop(Shutdown::Fast).await?;
        pair.rebuild("primary").await?;
        assert!(has_file(old, "backup_manifest").await?);
        follows(&pair).await?;
        assert_eq!(stat::timeline(&new.session().await?).await?, Timeline(2));
        Ok(pair.stop().await?)
    });
}

/// `rejoin` makes the checkpoint on the new primary itself, rewinds and configures.
#[test]
fn a_rejoin_makes_the_diverged_server_a_standby() {
    within_deadline(async move {
        let pair = diverged().await?;
        let old = pair.primary();
        old.stop(Shutdown::Fast).await?;
        pair.rejoin("primary", "standby1").await?;
        assert!(!has_file(old, "backup_manifest").await?, "it was rebuilt");
        follows(&pair).await?;
        Ok(pair.stop().await?)
    });
}

/// The archive command keeps what is archived: it refuses another file of the same name, accepts the same one,
/// and leaves no part of a file. Method: run it by hand on a file that the server has archived.
#[test]
fn an_archive_keeps_what_it_has() {
    within_deadline(async move {
        let alone = Topology::alone().archiving().start().await?;
        let primary = alone.primary();
        let session = primary.session().await?;
        session.run("CREATE TABLE t (a int)").await?;
        let file: String = session.value("SELECT pg_walfile_name(pg_switch_wal())").await?;
        until("it is archived", PATIENCE, || async {
            let last: Option<String> =
                session.value("SELECT last_archived_wal FROM pg_stat_archiver").await?;
            let there = last.as_deref() == Some(&file);
            Ok(if there { Seen::Done(()) } else { Seen::NotYet(format!("{last:?}")) })
        })
        .await?;
        let command: String = session.value("SHOW archive_command").await?;
        let archive = |from: &str| {
            let command = command.replace("%p", from).replace("%f", &file);
            format!("cd \"$PGDATA\" && {command}")
        };
        primary.run(&archive(&format!("../archive/{file}"))).await?;
        primary.run("echo another >../another").await?;
        assert!(primary.run(&archive("../another")).await.is_err());
        let kept = format!("cmp \"$PGDATA/pg_wal/{file}\" \"$PGDATA/../archive/{file}\"");
        primary.run(&kept).await?;
        let files = primary.run("ls \"$PGDATA/../archive\"").await?;
        assert!(!files.contains(".new"), "{files}");
        Ok(alone.stop().await?)
    });
}

/// A setting that `set` has changed is in effect in the sessions that are open and in new ones.
#[test]
fn a_setting_is_in_effect_when_it_is_set() {
    within_deadline(async move {
        let alone = Topology::alone().start().await?;
        let primary = alone.primary();
        let open = primary.session().await?;
        for size in ["5MB", "6MB", "7MB"] {
            primary.set("work_mem", size).await?;
            let new = primary.session().await?;
            assert_eq!(new.value::<String>("SHOW work_mem").await?, size);
            until("the open session shows it", PATIENCE, || async {
                let seen: String = open.value("SHOW work_mem").await?;
                Ok(if seen == size { Seen::Done(()) } else { Seen::NotYet(seen) })
            })
            .await?;
        }
        let unknown = primary.set("work_memory", "5MB").await;
        assert!(unknown.is_err_and(|error| error.server_message().is_some()));
        Ok(alone.stop().await?)
    });
}

/// Starts a pair, promotes its standby beside its primary, and writes another row on each. The link of the
/// old primary leads to the new one.
async fn diverged() -> Result<Cluster> {
    let pair = Topology::pair().start().await?;
    let (old, new) = (pair.primary().session().await?, pair.standby()?.session().await?);
    old.run("CREATE TABLE t (a int)").await?;
    pair.wait_for_catchup("standby1").await?;
    pair.standby()?.promote().await?;
    old.run("INSERT INTO t VALUES (1)").await?;
    new.run("INSERT INTO t VALUES (2)").await?;
    new.run("CHECKPOINT").await?;
    pair.repoint("primary", "standby1").await?;
    Ok(pair)
}

/// Starts the old primary of a diverged pair, and asserts that it streams from the new one and has its rows.
async fn follows(pair: &Cluster) -> Outcome {
    pair.primary().start().await?;
    let new = pair.standby()?.session().await?;
    replication_lab::catchup::wait_for_no_lag(&new, "primary").await?;
    let old = pair.primary().session().await?;
    assert!(old.value::<bool>("SELECT pg_is_in_recovery()").await?);
    assert_eq!(old.value::<String>("SELECT string_agg(a::text, ',') FROM t").await?, "2");
    Ok(())
}

async fn has_file(node: &Node, name: &str) -> Result<bool> {
    let said = node.run(&format!("[ -e \"$PGDATA/{name}\" ] && echo yes || echo no")).await?;
    Ok(said.trim() == "yes")
}

async fn pids(session: &replication_lab::Session, condition: &str) -> Result<Vec<String>> {
    let sql = format!("SELECT pid::text FROM pg_stat_activity WHERE {condition}");
    Ok(session.rows(&sql).await?.iter().map(|row| row.get(0)).collect())
}

/// Returns whether all of these processes are stopped by a signal.
async fn are_stopped(node: &Node, pids: &[String]) -> Result<bool> {
    let line = format!(
        "for pid in {}; do if [ -d /proc/self ]; then sed -n 's/^State:[[:space:]]*\\(.\\).*/\\1/p' \
         /proc/$pid/status; else ps -o stat= -p $pid | cut -c 1; fi; done",
        pids.join(" ")
    );
    let states = node.run(&line).await?;
    Ok(states.split_whitespace().count() == pids.len()
        && states.split_whitespace().all(|state| state == "T"))
}

async fn wait_until_running(node: &Node, pids: &[String]) -> Result<()> {
    until("no process is stopped", PATIENCE, || async {
        for pid in pids {
            if are_stopped(node, std::slice::from_ref(pid)).await? {
                return Ok(Seen::NotYet(format!("{pid} is")));
            }
        }
        Ok(Seen::Done(()))
    })
    .await
}
