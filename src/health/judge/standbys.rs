//! Judges the clients of the walsenders: which of them are standbys, whether those stream, and how far they
//! are behind. A client that is no standby is listed, and is never an alert.

use std::collections::BTreeSet;
use std::time::Duration;

use super::behind::behind;
use crate::health::finding::{Expected, Finding, Severity, Thresholds, Unit, bytes, seconds};
use crate::health::observation::Observation;
use crate::stat::rows::{Client, Replication};
use crate::wal::{Lsn, bytes_between};

/// Judges every row of `pg_stat_replication` that is not excluded.
pub(super) fn clients(
    seen: &Observation,
    thresholds: &Thresholds,
    expected: &Expected,
) -> Vec<Finding> {
    let mut names = BTreeSet::new();
    let rows = judged(seen, expected);
    let findings = rows.flat_map(|row| {
        let name = unique(&mut names, &row.application_name);
        match row.client() {
            Client::Standby | Client::Unreported => standby(row, &name, seen, thresholds, expected),
            other => vec![client(row, &name, other)],
        }
    });
    findings.collect()
}

fn judged<'a>(
    seen: &'a Observation,
    expected: &'a Expected,
) -> impl Iterator<Item = &'a Replication> {
    let excluded = |row: &Replication| {
        expected.excluded_standbys.iter().any(|pattern| pattern.matches(&row.application_name))
    };
    seen.standbys.iter().filter(move |row| !excluded(row))
}

/// Returns a name that no other client has: several may share an `application_name`, but Prometheus takes
/// each label set once.
fn unique(taken: &mut BTreeSet<String>, name: &str) -> String {
    let numbered = (2..).map(|number| format!("{name} #{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    let free = names.find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(free.clone());
    free
}

/// Lists a client that is no standby.
fn client(row: &Replication, name: &str, client: Client) -> Finding {
    let (severity, is) = match client {
        Client::Backup => (Severity::Ok, "takes a base backup"),
        Client::Subscriber => (Severity::Ok, "receives decoded changes: it is no standby"),
        Client::Receiver => (Severity::Ok, "receives WAL and replays none: it is no standby"),
        // A standby that has diverged comes again and again, and does not begin to stream.
        Client::Idle | Client::Standby | Client::Unreported => {
            (Severity::Info, "is connected and does not stream: it is not counted as a standby")
        }
    };
    let finding = Finding::new("client", severity, format!("client {name} {is}")).of(name);
    match row.write_lsn.zip(row.own_lsn) {
        Some((written, own)) => {
            finding.counting("client_lag", bytes_between(written, own), Unit::Bytes)
        }
        None => finding,
    }
}

fn standby(
    row: &Replication,
    name: &str,
    seen: &Observation,
    thresholds: &Thresholds,
    expected: &Expected,
) -> Vec<Finding> {
    let delayed = expected.delayed.iter().find(|(delayed, _)| *delayed == row.application_name);
    let delay = delayed.map_or(Duration::ZERO, |(_, delay)| *delay);
    let time = behind(row, row.replay_lsn, row.replay_lag, seen.sender_timeout);
    let explained = is_explained(time, delay, thresholds);
    let lag = |at: Option<Lsn>| Some(bytes_between(at?, row.own_lsn?));
    vec![
        streaming(row, name),
        in_bytes("flush", "flushed", lag(row.flush_lsn), name, thresholds, false),
        in_bytes("lag", "replayed", lag(row.replay_lsn), name, thresholds, explained),
        in_time(time, name, delay, thresholds),
    ]
}

fn streaming(row: &Replication, name: &str) -> Finding {
    let (severity, sentence) = match row.state.as_str() {
        "streaming" => (Severity::Ok, format!("standby {name} streams")),
        "catchup" => {
            (Severity::Info, format!("standby {name} catches up: it receives older WAL first"))
        }
        state => {
            (Severity::Warning, format!("standby {name} does not stream: its state is {state:?}"))
        }
    };
    let streams = u64::from(row.state == "streaming");
    let finding = Finding::new("streaming", severity, sentence).of(name);
    finding.counting("standby_streaming", streams, Unit::Count)
}

/// Tells whether a delay on purpose explains for how long WAL has waited.
fn is_explained(time: Option<Duration>, delay: Duration, thresholds: &Thresholds) -> bool {
    let late = Duration::from_secs(thresholds.lag_time.warning);
    !delay.is_zero() && time.is_some_and(|time| time <= delay + late)
}

/// Judges the WAL that a standby has not flushed or replayed.
fn in_bytes(
    check: &'static str,
    done: &str,
    lag: Option<u64>,
    name: &str,
    thresholds: &Thresholds,
    explained: bool,
) -> Finding {
    let (levels, figure) = match check {
        "flush" => (thresholds.flush, "standby_flush_lag"),
        _ => (thresholds.lag, "standby_lag"),
    };
    let Some(lag) = lag else {
        let sentence = format!(
            "whether standby {name} has {done} all WAL is unknown: it has reported no position, as with \
             wal_receiver_status_interval = 0"
        );
        return Finding::new(check, Severity::Unknown, sentence).of(name);
    };
    let severity = if explained { Severity::Ok } else { levels.judge(lag) };
    let why = match explained {
        true => ", because it is delayed on purpose".to_owned(),
        false => levels.above(severity, bytes),
    };
    let sentence = match check {
        "flush" => format!("standby {name} has not flushed {}{why}", bytes(lag)),
        _ => format!("standby {name} is {} behind{why}", bytes(lag)),
    };
    let finding = Finding::new(check, severity, sentence).of(name);
    finding.with(figure, lag, Unit::Bytes, Some(levels))
}

/// Judges for how long WAL has waited to be replayed on a standby.
fn in_time(
    time: Option<Duration>,
    name: &str,
    delay: Duration,
    thresholds: &Thresholds,
) -> Finding {
    let levels = thresholds.lag_time;
    let Some(time) = time else {
        let sentence = format!(
            "for how long WAL has waited for standby {name} is unknown: it has reported no position"
        );
        return Finding::new("lag_time", Severity::Unknown, sentence).of(name);
    };
    let severity = levels.judge_time(time.saturating_sub(delay));
    let why = match delay.is_zero() {
        true => String::new(),
        false => format!(", of which its delay on purpose explains {} s", delay.as_secs()),
    };
    let sentence = format!(
        "standby {name} is {:.1} s behind{why}{}",
        time.as_secs_f64(),
        levels.above(severity, seconds)
    );
    let finding = Finding::new("lag_time", severity, sentence).of(name);
    finding.lasting("standby_lag_time", time, levels)
}

/// Judges each standby that the caller names.
pub(super) fn named(seen: &Observation, expected: &Expected) -> Vec<Finding> {
    let judge = |name: &String| {
        let rows = seen.standbys.iter().filter(|row| row.application_name == *name);
        let clients: Vec<_> = rows.filter(|row| row.state == "streaming").collect();
        let has = |client| clients.iter().any(|row| row.client() == client);
        let (severity, sentence) = if has(Client::Standby) {
            (Severity::Ok, format!("standby {name} streams, as expected"))
        } else if has(Client::Unreported) {
            let sentence = format!(
                "whether client {name} is the standby that is expected is unknown: it has reported no position"
            );
            (Severity::Unknown, sentence)
        } else {
            let sentence = format!("standby {name} is expected, and does not stream");
            (Severity::Critical, sentence)
        };
        Finding::new("expected_standby", severity, sentence).of(name)
    };
    expected.named.iter().map(judge).collect()
}

/// Judges the number of standbys that stream.
pub(super) fn number(seen: &Observation, expected: &Expected) -> Finding {
    let streaming = |client| {
        let rows = judged(seen, expected).filter(|row| row.state == "streaming");
        rows.filter(|row| row.client() == client).count() as u64
    };
    let (sure, unsure) = (streaming(Client::Standby), streaming(Client::Unreported));
    let finding = match expected.standbys {
        None if sure == 0 => {
            let sentence = "no standby streams from this server, and none is expected";
            Finding::new("standbys", Severity::None, sentence)
        }
        Some(more) if sure + unsure < more => {
            let sentence = format!("standbys that stream: {sure}, where {more} are expected");
            Finding::new("standbys", Severity::Critical, sentence)
        }
        Some(more) if sure < more => {
            let sentence = format!(
                "standbys that stream: {sure}, where {more} are expected; clients that have reported no \
                 position, and may be standbys: {unsure}"
            );
            Finding::new("standbys", Severity::Unknown, sentence)
        }
        _ => Finding::new("standbys", Severity::Ok, format!("standbys that stream: {sure}")),
    };
    finding.counting("standbys_streaming", sure, Unit::Count)
}
