//! The rows that the monitoring views should have: from the library's own figures, and from plain queries
//! of the catalogs where the library has none. Each row has every column of its view.

use std::collections::BTreeMap;

use replication_lab::Result;
use replication_lab::Session;
use replication_lab::health::{
    Expected, Figure, Finding, Observation, Severity, Unit, judge, observe,
};
use replication_lab::stat::{self, Client, Replication, Slot};
use replication_lab::wal::Lsn;
use serde_json::{Value, json};

use super::behind::thresholds;

/// The rows of each view, by its name.
pub(super) type Views = BTreeMap<&'static str, Vec<Value>>;

/// The columns of a slot that the library does not read.
struct Detail {
    slot_type: String,
    used_by: Option<String>,
    xmin_age: Option<i32>,
}

/// The view whose rows have an order.
pub(super) const ALERTS: &str = "replication_alerts";

/// Returns the expected rows of all views on a session's server, those of [`ALERTS`] in order and the others
/// sorted as text; the times that pass are left out.
pub(super) async fn views(session: &Session) -> Result<Views> {
    let seen = observe(session).await?;
    let details = details(session).await?;
    let checks = judge(&seen, &thresholds(), &Expected::default());
    // The views do not know what the caller expects, and the statistics of spilled bytes came with 14.
    let unviewed = ["role", "standbys", "slot_spilled"];
    let known = checks.into_iter().filter(|one| !unviewed.contains(&one.name));
    let checks: Vec<_> = known.collect();
    let standbys = health(&seen, &details);
    let slots = seen.slots.iter().map(|slot| of_slot(slot, details.get(&slot.slot_name)));
    let wal = wal(session, &seen).await?;
    let standby: Vec<_> = of_standby(&seen).into_iter().collect();
    let dashboard = dashboard(session, &seen, &checks, &wal, standby.first()).await?;
    let mut views = Views::from([
        ("replication_health", standbys),
        ("slot_health", slots.collect()),
        ("wal_statistics", vec![wal]),
        ("standby_health", standby),
        ("old_transactions", old_transactions(session, &details).await?),
        ("synchronous_health", synchronous(&seen)),
        ("replication_checks", checks.iter().map(check).collect()),
        ("replication_dashboard", vec![dashboard]),
    ]);
    for rows in views.values_mut() {
        rows.sort_by_key(Value::to_string);
    }
    let alerts = views.get("replication_checks").map(|checks| alerts(checks));
    views.insert(ALERTS, alerts.unwrap_or_default());
    Ok(views)
}

/// Returns the alerts among the rows of `replication_checks`: the worst first.
fn alerts(checks: &[Value]) -> Vec<Value> {
    let text = |row: &Value, column: &str| row[column].as_str().map(str::to_owned);
    let rank = |row: &Value| {
        let severity = text(row, "severity");
        ["CRITICAL", "WARNING", "UNKNOWN", "INFO"]
            .iter()
            .position(|one| severity.as_deref() == Some(one))
    };
    let mut alerts: Vec<_> = checks.iter().filter(|row| rank(row).is_some()).cloned().collect();
    // PostgreSQL sorts null after every text.
    let key = |row: &Value| {
        let subject = text(row, "subject");
        (rank(row), text(row, "name"), subject.is_none(), subject)
    };
    alerts.sort_by_key(key);
    alerts
}

async fn details(session: &Session) -> Result<BTreeMap<String, Detail>> {
    let sql = "SELECT slot_name::text, slot_type, coalesce(age(xmin), age(catalog_xmin)), \
               (SELECT application_name FROM pg_stat_activity WHERE pid = active_pid) \
               FROM pg_replication_slots";
    let rows = session.rows(sql).await?;
    let detail = |row: &replication_lab::tokio_postgres::Row| {
        let (slot_type, xmin_age, used_by) = (row.get(1), row.get(2), row.get(3));
        (row.get(0), Detail { slot_type, used_by, xmin_age })
    };
    Ok(rows.iter().map(detail).collect())
}

fn health(seen: &Observation, details: &BTreeMap<String, Detail>) -> Vec<Value> {
    let physical = |slot: &&Slot| {
        details.get(&slot.slot_name).is_some_and(|detail| detail.slot_type == "physical")
    };
    let user = |slot: &Slot| details.get(&slot.slot_name).and_then(|one| one.used_by.clone());
    let slots: Vec<_> = seen.slots.iter().filter(physical).collect();
    let connected = seen.standbys.iter().map(|row| {
        let slot = slots.iter().find(|slot| user(slot).as_ref() == Some(&row.application_name));
        of_walsender(row, slot.copied())
    });
    let idle = slots.iter().filter(|slot| !slot.active).map(|slot| not_connected(slot));
    connected.chain(idle).collect()
}

fn client(row: &Replication) -> &'static str {
    match row.client() {
        Client::Standby => "standby",
        Client::Receiver => "receiver",
        other => panic!("no client of this chain is {other:?}"),
    }
}

fn of_walsender(row: &Replication, slot: Option<&Slot>) -> Value {
    let behind = |at: Option<Lsn>| Some(u64::from(row.own_lsn?) - u64::from(at?));
    let micros = |lag: Option<std::time::Duration>| {
        lag.map(|lag| u64::try_from(lag.as_micros()).unwrap_or(u64::MAX))
    };
    json!({
        "standby": row.application_name,
        "client": client(row),
        "state": row.state,
        "sync_state": row.sync_state,
        "not_sent_bytes": behind(row.sent_lsn),
        "not_written_bytes": behind(row.write_lsn),
        "not_flushed_bytes": behind(row.flush_lsn),
        "not_replayed_bytes": behind(row.replay_lsn),
        "write_lag": micros(row.write_lag),
        "flush_lag": micros(row.flush_lag),
        "replay_lag": micros(row.replay_lag),
        "slot_name": slot.map(|slot| &slot.slot_name),
        "slot_active": slot.map(|slot| slot.active),
        "wal_status": slot.and_then(|slot| slot.wal_status.as_ref()),
        "retained_bytes": slot.and_then(Slot::retained),
    })
}

fn not_connected(slot: &Slot) -> Value {
    json!({
        "standby": slot.slot_name,
        "client": null,
        "state": "not connected",
        "sync_state": null,
        "not_sent_bytes": null,
        "not_written_bytes": null,
        "not_flushed_bytes": null,
        "not_replayed_bytes": null,
        "write_lag": null,
        "flush_lag": null,
        "replay_lag": null,
        "slot_name": slot.slot_name,
        "slot_active": false,
        "wal_status": slot.wal_status,
        "retained_bytes": slot.retained(),
    })
}

fn of_slot(slot: &Slot, detail: Option<&Detail>) -> Value {
    json!({
        "slot_name": slot.slot_name,
        "slot_type": detail.map(|detail| &detail.slot_type),
        "active": slot.active,
        "synced": slot.synced,
        "temporary": slot.temporary,
        "invalidation": slot.invalidation,
        "beyond_use": slot.is_beyond_use(),
        "reserves_wal": slot.restart_lsn.is_some(),
        "safe_wal_size": slot.safe_wal_size,
        "used_by": detail.and_then(|detail| detail.used_by.as_ref()),
        "wal_status": slot.wal_status,
        "retained_bytes": slot.retained(),
        "xmin_age": detail.and_then(|detail| detail.xmin_age),
    })
}

async fn wal(session: &Session, seen: &Observation) -> Result<Value> {
    let position = stat::position(session).await?;
    let rows = session
        .rows(
            "SELECT archived_count, failed_count, last_failed_wal, \
             (SELECT count(*) FROM pg_ls_waldir()), \
             (SELECT sum(size)::bigint FROM pg_ls_waldir()) FROM pg_stat_archiver",
        )
        .await?;
    let [row] = rows.as_slice() else { panic!("{} rows of pg_stat_archiver", rows.len()) };
    let archives = |value: Value| if seen.archiver.is_some() { value } else { Value::Null };
    Ok(json!({
        "in_recovery": position.in_recovery,
        "timeline": seen.timeline.map(|timeline| timeline.0),
        "lsn": position.lsn.map(|lsn| lsn.to_string()),
        "files": row.get::<_, i64>(3),
        "bytes": row.get::<_, i64>(4),
        "most_retained_bytes": seen.slots.iter().filter_map(Slot::retained).max(),
        "archived_count": archives(row.get::<_, i64>(0).into()),
        "failed_count": archives(row.get::<_, i64>(1).into()),
        "last_failed_wal": archives(row.get::<_, Option<String>>(2).into()),
        "archiver_failing": seen.archiver.map(|archiver| archiver.failing),
        "archiver_has_no_command": seen.archiver.map(|archiver| archiver.has_no_command),
        "archive_waiting": seen.archiver.and_then(|archiver| archiver.waiting),
    }))
}

fn of_standby(seen: &Observation) -> Option<Value> {
    let (replay, upstream) = (seen.replay.as_ref()?, seen.receiver.as_ref());
    let (received, end) = (replay.received?, upstream.and_then(|one| one.latest_end));
    let bytes = |from: Lsn, to: Lsn| u64::from(to) - u64::from(from);
    let silent = |one: &replication_lab::health::Receiver| one.silence > Some(one.timeout);
    Some(json!({
        "receiver": upstream.map_or("none", |receiver| &receiver.status),
        "hears": upstream.map(|one| one.status == "streaming" && !silent(one)),
        "has_upstream": replay.has_upstream,
        "received": received.to_string(),
        "replayed": replay.replayed.map(|replayed| replayed.to_string()),
        "not_received_bytes": end.map(|end| bytes(received, end)),
        "not_replayed_bytes":
            replay.replayed.map(|replayed| bytes(replayed, received.max(end.unwrap_or(received)))),
        "replay_paused": replay.paused,
        "waits_for": replay.waits_for,
        "delay": "00:00:00",
    }))
}

async fn old_transactions(
    session: &Session,
    details: &BTreeMap<String, Detail>,
) -> Result<Vec<Value>> {
    let row = |holder: String, age: i32| json!({ "holder": holder, "xmin_age": age });
    let slots =
        details.iter().filter_map(|(name, one)| Some((format!("slot {name}"), one.xmin_age?)));
    let mut held: Vec<_> = slots.map(|(holder, age)| row(holder, age)).collect();
    for prepared in session.rows("SELECT gid, age(transaction) FROM pg_prepared_xacts").await? {
        let gid: String = prepared.get(0);
        held.push(row(format!("prepared transaction {gid}"), prepared.get(1)));
    }
    let sql = "SELECT backend_type, pid, age(backend_xmin) FROM pg_stat_activity \
               WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()";
    for open in session.rows(sql).await? {
        let (kind, pid): (String, i32) = (open.get(0), open.get(1));
        held.push(row(format!("{kind} {pid}"), open.get(2)));
    }
    Ok(held)
}

/// Returns the row of the rule `ANY 2 (…)`, or none where there is no rule.
fn synchronous(seen: &Observation) -> Vec<Value> {
    let counts = ["sync", "quorum"];
    let there =
        seen.standbys.iter().filter(|row| counts.contains(&row.sync_state.as_str())).count();
    match seen.synchronous.starts_with("ANY 2 ") && !seen.in_recovery {
        true => {
            let (level, sessions) = (&seen.commits.level, seen.commits.sessions);
            let row = json!({ "needed": 2, "level": level, "there": there, "able": there, "sessions": sessions });
            vec![row]
        }
        false => Vec::new(),
    }
}

fn check(finding: &Finding) -> Value {
    let is_judged = |figure: &&Figure| figure.levels.is_some() && figure.unit != Unit::Seconds;
    let judged = finding.figure.as_ref().filter(is_judged);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a count")]
    let value = judged.map(|figure| figure.value as u64);
    json!({
        "name": finding.name,
        "subject": finding.subject,
        "value": value,
        "severity": finding.severity.to_string(),
    })
}

async fn dashboard(
    session: &Session,
    seen: &Observation,
    checks: &[Finding],
    wal: &Value,
    standby: Option<&Value>,
) -> Result<Value> {
    let of = |severity| checks.iter().filter(|one| one.severity == severity).count();
    let counts = ["sync", "quorum"];
    let standbys = || seen.standbys.iter().filter(|row| row.client() == Client::Standby);
    let synchronous = seen.standbys.iter().filter(|row| counts.contains(&row.sync_state.as_str()));
    Ok(json!({
        "server": session.value::<String>("SHOW cluster_name").await?,
        "role": if seen.in_recovery { "standby" } else { "primary" },
        "timeline": wal["timeline"],
        "lsn": wal["lsn"],
        "streaming": standbys().filter(|row| row.state == "streaming").count(),
        "synchronous": synchronous.count(),
        "most_lag_bytes": standbys().filter_map(Replication::lag).max(),
        "idle_slots": seen.slots.iter().filter(|slot| !slot.active && !slot.synced).count(),
        "most_retained_bytes": wal["most_retained_bytes"],
        "wal_bytes": wal["bytes"],
        "archive_waiting": wal["archive_waiting"],
        "receiver": standby.map(|row| &row["receiver"]),
        "not_replayed_bytes": standby.map(|row| &row["not_replayed_bytes"]),
        "critical": of(Severity::Critical),
        "warning": of(Severity::Warning),
        "unknown": of(Severity::Unknown),
        "info": of(Severity::Info),
    }))
}
