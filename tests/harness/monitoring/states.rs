//! States of real servers that a judge can get wrong, each brought about, judged by both judges, and cleared.
//! Nothing here changes a figure of the views.

use std::collections::BTreeSet;

use replication_lab::health::{Expected, Levels, Severity, Thresholds, judge, observe};
use replication_lab::stat::{self, Client};
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Node, Result, Script, Session, Topology, catchup};

use super::behind::{FILES, monitor};
use crate::support::within_deadline;

const MONITOR: &str = "CREATE ROLE monitor LOGIN PASSWORD 'monitor' IN ROLE pg_monitor";

/// A base backup with its WAL stream, `pg_receivewal` and a logical consumer are connected, and no standby:
/// none is counted, and none is an alert.
#[test]
fn other_clients_are_no_standbys() {
    within_deadline(async move {
        let alone = Topology::alone().set("wal_level", "logical").start().await?;
        let primary = alone.primary();
        let judges = Judges::of(primary, &Thresholds::default()).await?;
        judges.wait_for("slot_active", "", Severity::None).await?;
        let logical = "pg_recvlogical -d postgres -S decoded --create-slot && \
                       exec pg_recvlogical -d postgres -S decoded --start --no-loop -f ../decoded";
        for (name, client, line) in [
            (
                "pg_basebackup",
                Client::Receiver,
                "exec pg_basebackup -D ../copy -X stream -c fast --max-rate=100k",
            ),
            (
                "pg_receivewal",
                Client::Receiver,
                "mkdir ../received && exec pg_receivewal -D ../received --no-loop",
            ),
            ("pg_recvlogical", Client::Subscriber, logical),
        ] {
            spawn(primary, line).await?;
            wait_for_client(&judges.session, name, client).await?;
        }
        judges.wait_for("client", "pg_receivewal", Severity::Ok).await?;
        let seen = observe(&judges.session).await?;
        let one = Expected { standbys: Some(1), ..Expected::default() };
        let findings = judge(&seen, &Thresholds::default(), &one);
        let alerts: Vec<_> = findings.iter().filter(|one| one.severity > Severity::Info).collect();
        assert!(matches!(alerts.as_slice(), [one] if one.name == "standbys"), "{alerts:?}");
        Ok(alone.stop().await?)
    });
}

/// Commits wait for the position of their level: replay that is paused stops a commit with `remote_apply`, and
/// no other; with `local` a rule without a standby stops none.
#[test]
fn commits_wait_for_what_their_level_says() {
    within_deadline(async move {
        let pair = Topology::pair().set("wal_receiver_status_interval", "1s").start().await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let judges = Judges::of(primary, &Thresholds::default()).await?;
        let reader = standby.session().await?;
        for (name, value) in
            [("synchronous_standby_names", "standby1"), ("synchronous_commit", "remote_apply")]
        {
            primary.set(name, value).await?;
        }
        judges.wait_for("commit_wait", "", Severity::Ok).await?;
        reader.run("SELECT pg_wal_replay_pause()").await?;
        let writer = primary.session().await?;
        let commit = tokio::spawn(async move { writer.run("CREATE TABLE waits (a int)").await });
        judges.wait_for("commit_wait", "", Severity::Critical).await?;
        assert_eq!(observe(&judges.session).await?.commits.sessions, 1);
        reader.run("SELECT pg_wal_replay_resume()").await?;
        commit.await??;
        judges.wait_for("commit_wait", "", Severity::Ok).await?;

        primary.set("synchronous_standby_names", "missing").await?;
        judges.wait_for("synchronous", "", Severity::Critical).await?;
        primary.set("synchronous_commit", "local").await?;
        judges.wait_for("synchronous", "", Severity::Info).await?;
        Ok(pair.stop().await?)
    });
}

/// A command that hangs neither fails nor succeeds; an empty one archives nothing.
#[test]
fn an_archive_command_that_hangs_or_is_empty_is_seen() {
    within_deadline(async move {
        let archiving = Topology::alone().set("archive_mode", "on");
        let hanging = archiving.set("archive_command", "while [ -e hang ]; do sleep 0.1; done");
        let alone = hanging.start().await?;
        let primary = alone.primary();
        let archive_age = Levels { info: None, warning: 1, critical: 3_600 };
        let judges =
            Judges::of(primary, &Thresholds { archive_age, ..Thresholds::default() }).await?;
        judges.wait_for("archive_age", "", Severity::Ok).await?;
        primary.run("touch \"$PGDATA/hang\"").await?;
        primary.session().await?.run("SELECT pg_switch_wal()").await?;
        judges.wait_for("archive_age", "", Severity::Warning).await?;
        judges.wait_for("archiver", "", Severity::Ok).await?;
        primary.run("rm \"$PGDATA/hang\"").await?;
        judges.wait_for("archive_age", "", Severity::Ok).await?;
        primary.set("archive_command", "").await?;
        judges.wait_for("archiver", "", Severity::Warning).await?;
        Ok(alone.stop().await?)
    });
}

/// Replay that stands still while little is written shows in time and not in bytes, on both servers; a delay
/// on purpose explains it.
#[test]
fn replay_that_stands_still_is_late() {
    within_deadline(async move {
        let pair = Topology::pair().set("wal_receiver_status_interval", "1s").start().await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let lag_time = Levels { info: None, warning: 1, critical: 3_600 };
        let thresholds = Thresholds { lag_time, ..Thresholds::default() };
        let above = Judges::of(primary, &thresholds).await?;
        let writer = primary.session().await?;
        catchup::wait_for_no_lag(&writer, "standby1").await?;
        let below = Judges::reading(standby, &thresholds).await?;
        let reader = standby.session().await?;
        reader.run("SELECT pg_wal_replay_pause()").await?;
        writer.run("CREATE TABLE small (a int)").await?;
        above.wait_for("lag_time", "standby1", Severity::Warning).await?;
        below.wait_for("lag_time", "", Severity::Warning).await?;
        below.wait_for("lag", "", Severity::Ok).await?;
        reader.run("SELECT pg_wal_replay_resume()").await?;
        above.wait_for("lag_time", "standby1", Severity::Ok).await?;
        below.wait_for("lag_time", "", Severity::Ok).await?;

        standby.set("recovery_min_apply_delay", "1h").await?;
        writer.run("CREATE TABLE delayed (a int)").await?;
        above.wait_for("lag_time", "standby1", Severity::Warning).await?;
        until("replay waits for its delay", PATIENCE, || async {
            let replay = observe(&below.session).await?.replay.unwrap_or_default();
            let waits = replay.waits_for.as_deref() == Some("RecoveryApplyDelay");
            Ok(if waits { Seen::Done(()) } else { Seen::NotYet(format!("{replay:?}")) })
        })
        .await?;
        below.wait_for("lag_time", "", Severity::Ok).await?;
        standby.set("recovery_min_apply_delay", "0").await?;
        above.wait_for("lag_time", "standby1", Severity::Ok).await?;
        Ok(pair.stop().await?)
    });
}

/// Both judges of one server.
struct Judges {
    session: Session,
    thresholds: Thresholds,
}

impl Judges {
    /// Installs the views with these thresholds, and a role that reads them.
    async fn of(primary: &Node, thresholds: &Thresholds) -> Result<Self> {
        let writer = primary.session().await?;
        writer.run(MONITOR).await?;
        for file in FILES {
            writer.run_file(file).await?;
        }
        for (name, levels) in
            [("lag_time", thresholds.lag_time), ("archive_age", thresholds.archive_age)]
        {
            let (warning, critical) = (levels.warning, levels.critical);
            writer
                .run(&format!(
                    "UPDATE replication_thresholds SET (warning, critical) = ({warning}, {critical}) \
                     WHERE name = '{name}'"
                ))
                .await?;
        }
        Self::reading(primary, thresholds).await
    }

    /// Reads views that are there.
    async fn reading(node: &Node, thresholds: &Thresholds) -> Result<Self> {
        Ok(Self { session: monitor(node).await?, thresholds: *thresholds })
    }

    /// Waits until both judges give this check this severity, and agree on every other.
    async fn wait_for(&self, check: &str, subject: &str, severity: Severity) -> Result<()> {
        let wanted = (check.to_owned(), subject.to_owned(), severity.to_string());
        until(&format!("both judges say {wanted:?}"), PATIENCE, || async {
            let (sql, rust) = (self.sql().await?, self.rust().await?);
            Ok(match sql == rust && sql.contains(&wanted) {
                true => Seen::Done(()),
                false => Seen::NotYet(format!("SQL: {sql:?}\n  Rust: {rust:?}")),
            })
        })
        .await
    }

    async fn sql(&self) -> Result<BTreeSet<(String, String, String)>> {
        let sql = "SELECT name, coalesce(subject, ''), severity FROM replication_checks";
        let rows = self.session.rows(sql).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }

    async fn rust(&self) -> Result<BTreeSet<(String, String, String)>> {
        let seen = observe(&self.session).await?;
        let findings = judge(&seen, &self.thresholds, &Expected::default());
        let unviewed = ["role", "standbys", "slot_spilled"];
        let known = findings.into_iter().filter(|one| !unviewed.contains(&one.name));
        let said = known.map(|one| {
            (one.name.to_owned(), one.subject.unwrap_or_default(), one.severity.to_string())
        });
        Ok(said.collect())
    }
}

/// Starts a program on the server's host; it ends with the server.
async fn spawn(primary: &Node, line: &str) -> Result<()> {
    let config = primary.config();
    let password = String::from_utf8_lossy(config.get_password().unwrap_or_default()).into_owned();
    primary.host().spawn(&Script::new(line).with("PGPASSWORD", password)).await
}

async fn wait_for_client(session: &Session, name: &str, client: Client) -> Result<()> {
    until(&format!("{name} is a {client:?}"), PATIENCE, || async {
        let rows = stat::replication(session).await?;
        let there = rows.iter().any(|row| row.application_name == name && row.client() == client);
        Ok(if there { Seen::Done(()) } else { Seen::NotYet(format!("{rows:?}")) })
    })
    .await
}
