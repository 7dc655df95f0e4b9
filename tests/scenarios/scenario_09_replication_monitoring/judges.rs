//! Both judgements at once: the views of `fixtures/sql/monitoring` and `health.rs`. They are compared until
//! they agree on every check. Nothing here knows which severity is expected: the scenario does.

use std::collections::BTreeSet;

use replication_lab::health::observe;
use replication_lab::health::{Expected, Observation, Severity, Thresholds, judge};
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Node, Notebook, Proof, Result, Session};

use crate::support::Lab;

/// The files of the views, in the order of their dependencies.
const FILES: [&str; 8] = [
    "fixtures/sql/replication_health.sql",
    "fixtures/sql/monitoring/slots.sql",
    "fixtures/sql/monitoring/wal.sql",
    "fixtures/sql/monitoring/standby.sql",
    "fixtures/sql/monitoring/logical.sql",
    "fixtures/sql/monitoring/alerts.sql",
    "fixtures/sql/monitoring/dashboard.sql",
    "fixtures/sql/monitoring/history.sql",
];

const CHECKS: &str =
    "SELECT name, coalesce(subject, '') AS subject, severity FROM replication_checks";

/// A check, its subject (empty where it has none) and its severity.
type Judged = (String, String, String);

/// The checks that the views do not have: two judge what the caller expects, and the statistics of
/// spilled bytes came with PostgreSQL 14.
const UNVIEWED: [&str; 3] = ["role", "standbys", "slot_spilled"];

/// A role with `pg_monitor` and nothing else.
pub(super) const MONITOR: &str = "CREATE ROLE monitor LOGIN PASSWORD 'monitor' IN ROLE pg_monitor";

/// Creates the views on the primary, and the role that reads them.
pub(super) async fn install(writer: &Session) -> Result<()> {
    writer.run(MONITOR).await?;
    for file in FILES {
        writer.run_file(file).await?;
    }
    Ok(())
}

/// Creates them with these thresholds.
pub(super) async fn install_with(writer: &Session, thresholds: &Thresholds) -> Result<()> {
    install(writer).await?;
    let usual = Thresholds::default();
    for (name, levels, usual) in [
        ("lag", thresholds.lag, usual.lag),
        ("flush", thresholds.flush, usual.flush),
        ("slot_retained", thresholds.slot_retained, usual.slot_retained),
        ("archive_waiting", thresholds.archive_waiting, usual.archive_waiting),
        ("oldest_xmin", thresholds.oldest_xmin, usual.oldest_xmin),
    ] {
        if levels != usual {
            let info = levels.info.map_or("NULL".to_owned(), |info| info.to_string());
            let (warning, critical) = (levels.warning, levels.critical);
            let sql = format!(
                "UPDATE replication_thresholds \
                 SET info = {info}, warning = {warning}, critical = {critical} WHERE name = '{name}'"
            );
            writer.run(&sql).await?;
        }
    }
    Ok(())
}

/// Both judgements of one server.
pub(super) struct Judges<'a> {
    lab: &'a Lab,
    /// The name of the server.
    server: String,
    session: Session,
    thresholds: Thresholds,
}

impl<'a> Judges<'a> {
    /// Opens a session for both judgements.
    pub(super) async fn of(lab: &'a Lab, node: &Node, thresholds: &Thresholds) -> Result<Self> {
        let (server, session) = (node.name().to_owned(), session_as(node, "monitor").await?);
        Ok(Self { lab, server, session, thresholds: *thresholds })
    }

    /// Waits until both judgements agree on this severity, and notes it, as
    /// `primary: lag of standby1, after 20 kB`.
    pub(super) async fn judge(
        &self,
        check: &str,
        subject: &str,
        severity: Severity,
        when: &str,
    ) -> Result<Proof> {
        let seen = self.agreed(check, subject, severity).await?;
        let of = if subject.is_empty() { String::new() } else { format!(" of {subject}") };
        Ok(self.lab.fact(&format!("{}: {check}{of}, {when}", self.server), seen))
    }

    /// Waits until both give this check this severity and agree on all others, and returns the severity.
    async fn agreed(&self, check: &str, subject: &str, severity: Severity) -> Result<String> {
        let wanted = (check.to_owned(), subject.to_owned(), severity.to_string());
        until(&format!("both judgements contain {wanted:?}"), PATIENCE, || async {
            let (sql, rust) = (self.sql().await?, self.rust().await?);
            Ok(match sql == rust && sql.contains(&wanted) {
                true => Seen::Done(wanted.2.clone()),
                false => Seen::NotYet(format!("SQL: {sql:?}\n  health.rs: {rust:?}")),
            })
        })
        .await
    }

    async fn sql(&self) -> Result<BTreeSet<Judged>> {
        let rows = self.session.rows(CHECKS).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }

    async fn rust(&self) -> Result<BTreeSet<Judged>> {
        let seen = observe(&self.session).await?;
        let findings = judge(&seen, &self.thresholds, &Expected::default());
        let known = findings.into_iter().filter(|one| !UNVIEWED.contains(&one.name));
        let said = known.map(|one| {
            (one.name.to_owned(), one.subject.unwrap_or_default(), one.severity.to_string())
        });
        Ok(said.collect())
    }
}

/// Observes a server as this role.
pub(super) async fn observe_as(node: &Node, role: &str) -> Result<Observation> {
    observe(&session_as(node, role).await?).await
}

/// Opens a session of a role whose password is its name.
pub(super) async fn session_as(node: &Node, role: &str) -> Result<Session> {
    let mut config = node.config();
    config.user(role).password(role);
    Session::open(&config, node.name(), &Notebook::in_memory()).await
}

/// Judges an observation, and returns one line for each check: its name and its severity.
pub(super) fn verdicts(seen: &Observation, expected: &Expected) -> Vec<String> {
    let findings = judge(seen, &Thresholds::default(), expected);
    findings.iter().map(|one| format!("{} {}", one.name, one.severity)).collect()
}
