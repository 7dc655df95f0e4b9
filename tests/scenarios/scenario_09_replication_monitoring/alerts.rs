//! Both judges at once: the SQL of `fixtures/sql/monitoring` and `health.rs`. They are asked until they
//! agree on everything; what they should say is the scenario's to know.

use std::collections::BTreeSet;

use replication_lab::health::observe;
use replication_lab::health::{Expected, Observation, Severity, Thresholds, judge};
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Node, Notebook, Result, Session};

/// What looks needs, in the order in which one is built on the other.
const FILES: [&str; 7] = [
    "fixtures/sql/replication_health.sql",
    "fixtures/sql/monitoring/slots.sql",
    "fixtures/sql/monitoring/wal.sql",
    "fixtures/sql/monitoring/standby.sql",
    "fixtures/sql/monitoring/alerts.sql",
    "fixtures/sql/monitoring/dashboard.sql",
    "fixtures/sql/monitoring/history.sql",
];

const CHECKS: &str =
    "SELECT name, coalesce(subject, '') AS subject, severity FROM replication_checks";

/// A check, of whom, and how bad.
type Said = (String, String, String);

/// A role that may look, and nothing else.
pub(super) const MONITOR: &str = "CREATE ROLE monitor LOGIN PASSWORD 'monitor' IN ROLE pg_monitor";

/// Makes the views on the primary, and the role that both judges have.
pub(super) async fn install(writer: &Session) -> Result<()> {
    writer.run(MONITOR).await?;
    for file in FILES {
        writer.run_file(file).await?;
    }
    Ok(())
}

/// The same, with other thresholds than the usual ones.
pub(super) async fn install_with(writer: &Session, thresholds: &Thresholds) -> Result<()> {
    install(writer).await?;
    let usual = Thresholds::default();
    for (name, levels, usual) in [
        ("lag", thresholds.lag, usual.lag),
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

/// Who judges one server.
pub(super) struct Judges {
    session: Session,
    thresholds: Thresholds,
}

impl Judges {
    pub(super) async fn of(node: &Node, thresholds: Thresholds) -> Result<Self> {
        Ok(Self { session: session_as(node, "monitor").await?, thresholds })
    }

    /// Waits until both say that this check is so, and the same of all others; gives what they say.
    pub(super) async fn say(
        &self,
        check: &str,
        subject: &str,
        severity: Severity,
    ) -> Result<String> {
        let wanted = (check.to_owned(), subject.to_owned(), severity.to_string());
        until(&format!("both judges say {wanted:?}"), PATIENCE, || async {
            let (sql, rust) = (self.sql().await?, self.rust().await?);
            Ok(match sql == rust && sql.contains(&wanted) {
                true => Seen::Done(wanted.2.clone()),
                false => Seen::NotYet(format!("SQL says {sql:?}\n  health.rs says {rust:?}")),
            })
        })
        .await
    }

    async fn sql(&self) -> Result<BTreeSet<Said>> {
        let rows = self.session.rows(CHECKS).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }

    async fn rust(&self) -> Result<BTreeSet<Said>> {
        let findings = judge(&observe(&self.session).await?, &self.thresholds, Expected::default());
        // What is expected of a server is nothing that it knows.
        let known = findings.into_iter().filter(|one| !["role", "standbys"].contains(&one.name));
        let said = known.map(|one| {
            (one.name.to_owned(), one.subject.unwrap_or_default(), one.severity.to_string())
        });
        Ok(said.collect())
    }
}

/// Looks at a server with a role of one's own.
pub(super) async fn look_as(node: &Node, role: &str) -> Result<Observation> {
    observe(&session_as(node, role).await?).await
}

/// A session of a role whose password is its name.
pub(super) async fn session_as(node: &Node, role: &str) -> Result<Session> {
    let mut config = node.config();
    config.user(role).password(role);
    Session::open(&config, node.name(), &Notebook::in_memory()).await
}

/// What is judged of a server, and how, as a table: one line for each check.
pub(super) fn verdicts(seen: &Observation, expected: Expected) -> Vec<String> {
    let findings = judge(seen, &Thresholds::default(), expected);
    findings.iter().map(|one| format!("{} {}", one.name, one.severity)).collect()
}
