//! The judgement: an observation and thresholds in, findings out. It is pure and never asks a server:
//! that is `observe.rs`.

use std::time::Duration;

use super::finding::{Expected, Figure, Finding, Severity, Thresholds, Unit};
use super::observation::{Archiver, Observation, Replay};
use super::synchronous::Rule;
use crate::record::reading::Reading;
use crate::stat::rows::{Replication, Slot};
use crate::wal::bytes_between;

/// How long a walreceiver may be silent where `wal_receiver_timeout` is off.
const SILENCE: Duration = Duration::from_secs(60);

/// Judges everything that was seen.
///
/// ```
/// use replication_lab::health::{self, Expected, Observation, Severity, Thresholds};
/// let seen = Observation { sees_all: true, ..Observation::default() };
/// let expected = Expected { standbys: Some(1), ..Expected::default() };
/// let findings = health::judge(&seen, &Thresholds::default(), expected);
/// assert_eq!(health::worst(&findings), Severity::Critical);
/// ```
pub fn judge(seen: &Observation, thresholds: &Thresholds, expected: Expected) -> Vec<Finding> {
    let mut findings = vec![role(seen, expected)];
    if seen.sees_all {
        findings.extend(standbys(seen, thresholds));
        findings.push(number(seen, expected));
        findings.extend((!seen.in_recovery).then(|| synchronous(seen)).flatten());
        findings.extend(receiver(seen));
    } else {
        let sentence = "the role may not see replication: GRANT pg_monitor TO it";
        findings.push(Finding::new("privileges", Severity::Unknown, sentence));
    }
    findings.extend(seen.slots.iter().flat_map(|slot| of_slot(slot, thresholds)));
    findings.extend(seen.archiver.iter().flat_map(|archiver| archiving(*archiver, thresholds)));
    findings.extend(seen.replay.iter().flat_map(|replay| replaying(seen, *replay, thresholds)));
    findings.push(old_xmin(seen, thresholds));
    findings
}

fn role(seen: &Observation, expected: Expected) -> Finding {
    let name = |in_recovery| if in_recovery { "a standby" } else { "a primary" };
    let is = name(seen.in_recovery);
    let timeline =
        seen.timeline.map_or(String::new(), |timeline| format!(" on timeline {timeline}"));
    let finding = match expected.in_recovery.filter(|expected| *expected != seen.in_recovery) {
        None => Finding::new("role", Severity::Ok, format!("{is}{timeline}")),
        Some(other) => {
            let sentence = format!("{is}{timeline}, and {} is expected", name(other));
            Finding::new("role", Severity::Critical, sentence)
        }
    };
    finding.counting("is_replica", u64::from(seen.in_recovery), Unit::Count)
}

/// Those that follow this server: not a base backup, which is nobody's standby.
fn followers(seen: &Observation) -> impl Iterator<Item = &Replication> {
    seen.standbys.iter().filter(|row| row.state != "backup")
}

fn standbys(seen: &Observation, thresholds: &Thresholds) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for row in followers(seen) {
        let same = findings.iter().filter(|finding| {
            finding.name == "streaming"
                && finding
                    .subject
                    .as_ref()
                    .is_some_and(|name| is_named(name, &row.application_name))
        });
        // Names need not be unique, and every figure must have one of its own.
        let name = match same.count() {
            0 => row.application_name.clone(),
            before => format!("{} #{}", row.application_name, before + 1),
        };
        let streams = row.state == "streaming";
        let (severity, sentence) = match streams {
            true => (Severity::Ok, format!("{name} streams")),
            false => (Severity::Critical, format!("{name} does not stream: {}", row.state)),
        };
        let streaming = Finding::new("streaming", severity, sentence).of(&name);
        findings.push(streaming.counting("standby_streaming", u64::from(streams), Unit::Count));
        findings.extend(behind(row).map(|lag| lag_of(&name, lag, "standby_lag", thresholds)));
    }
    findings
}

fn is_named(subject: &str, name: &str) -> bool {
    subject.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(" #"))
}

/// What a standby has not replayed, and a receiver of WAL that replays nothing has not written.
fn behind(row: &Replication) -> Option<u64> {
    row.lag().or_else(|| Some(bytes_between(row.write_lsn?, row.own_lsn?)))
}

fn lag_of(name: &str, lag: u64, figure: &'static str, thresholds: &Thresholds) -> Finding {
    let (severity, levels) = (thresholds.lag.judge(lag), Some(thresholds.lag));
    let sentence = format!("{name} is {} behind", Reading::Bytes(lag));
    Finding::new("lag", severity, sentence).of(name).with(figure, lag, Unit::Bytes, levels)
}

fn number(seen: &Observation, expected: Expected) -> Finding {
    let streaming = followers(seen).filter(|row| row.state == "streaming").count() as u64;
    let finding = match expected.standbys.filter(|expected| streaming < *expected) {
        None => {
            Finding::new("standbys", Severity::Ok, format!("standbys that stream: {streaming}"))
        }
        Some(more) => {
            let sentence = format!("standbys that stream: {streaming}, and {more} are expected");
            Finding::new("standbys", Severity::Critical, sentence)
        }
    };
    finding.counting("standbys_streaming", streaming, Unit::Count)
}

fn of_slot(slot: &Slot, thresholds: &Thresholds) -> Vec<Finding> {
    let name = slot.slot_name.as_str();
    // A standby's copy of its primary's slot is used by nobody until a promotion.
    let (severity, used) = match slot.active || slot.synced {
        true => (Severity::Ok, "is in use"),
        false => (Severity::Warning, "is used by nobody"),
    };
    let active = Finding::new("slot_active", severity, format!("slot {name} {used}")).of(name);
    let mut findings = vec![active.counting("slot_active", u64::from(slot.active), Unit::Count)];
    if let Some(status) = &slot.wal_status {
        let (severity, means) = match status.as_str() {
            "unreserved" => (Severity::Critical, "the next checkpoint may take its WAL away"),
            "lost" => (Severity::Critical, "its standby must be made anew"),
            _ => (Severity::Ok, "its WAL is there"),
        };
        let sentence = format!("slot {name} is {status}: {means}");
        findings.push(Finding::new("slot_wal", severity, sentence).of(name));
    }
    findings.extend(slot.retained().map(|bytes| {
        let (severity, levels) =
            (thresholds.slot_retained.judge(bytes), Some(thresholds.slot_retained));
        let sentence = format!("slot {name} holds {} of WAL", Reading::Bytes(bytes));
        let finding = Finding::new("slot_retained", severity, sentence).of(name);
        finding.with("slot_retained", bytes, Unit::Bytes, levels)
    }));
    findings
}

fn synchronous(seen: &Observation) -> Option<Finding> {
    let rule = Rule::read(&seen.synchronous)?;
    let counts = followers(seen).filter(|row| {
        row.state == "streaming" && ["sync", "quorum"].contains(&row.sync_state.as_str())
    });
    let there = counts.count() as u64;
    let (severity, means) = match there >= rule.needed {
        true => (Severity::Ok, "commits are confirmed"),
        false => (Severity::Critical, "commits wait"),
    };
    let sentence = format!("synchronous standbys: {there} of {}: {means}", rule.needed);
    let finding = Finding::new("synchronous", severity, sentence);
    Some(finding.counting("synchronous_standbys", there, Unit::Count))
}

fn archiving(archiver: Archiver, thresholds: &Thresholds) -> Vec<Finding> {
    let (severity, sentence) = match archiver.failing {
        true => (Severity::Warning, "the archiver's last try failed"),
        false => (Severity::Ok, "the archiver does not fail"),
    };
    let failing = Finding::new("archiver", severity, sentence);
    let failing = failing.counting("archiver_failing", u64::from(archiver.failing), Unit::Count);
    let waiting = archiver.waiting.map(|files| {
        let levels = thresholds.archive_waiting;
        let sentence = format!("WAL files that wait for the archiver: {files}");
        Finding::new("archive_waiting", levels.judge(files), sentence).with(
            "archive_waiting",
            files,
            Unit::Files,
            Some(levels),
        )
    });
    [Some(failing), waiting].into_iter().flatten().collect()
}

/// A standby's receiver. That what was received is replayed says nothing when nothing is received.
fn receiver(seen: &Observation) -> Option<Finding> {
    let replay = seen.replay?;
    let Some(receiver) = &seen.receiver else {
        return Some(match replay.has_upstream {
            true => Finding::new("receiver", Severity::Critical, "there is no walreceiver"),
            false => Finding::new("receiver", Severity::Info, "it streams from nobody"),
        });
    };
    let silence = receiver.silence.unwrap_or_default();
    let limit = if receiver.timeout.is_zero() { SILENCE } else { receiver.timeout };
    let (severity, sentence) = match (receiver.status.as_str(), silence > limit) {
        ("streaming", false) => (Severity::Ok, "the walreceiver streams".to_owned()),
        ("streaming", true) => (
            Severity::Critical,
            format!("the walreceiver has heard nothing for {:.1} s", silence.as_secs_f64()),
        ),
        (status, _) => (Severity::Critical, format!("the walreceiver does not stream: {status}")),
    };
    let mut finding = Finding::new("receiver", severity, sentence);
    finding.figure = receiver.silence.map(|silence| Figure {
        name: "receiver_silence",
        value: silence.as_secs_f64(),
        unit: Unit::Seconds,
        levels: None,
    });
    Some(finding)
}

fn replaying(seen: &Observation, replay: Replay, thresholds: &Thresholds) -> Vec<Finding> {
    let (severity, sentence) = match replay.paused {
        true => (Severity::Warning, "replay is paused"),
        false => (Severity::Ok, "replay goes on"),
    };
    let paused = Finding::new("replay_paused", severity, sentence);
    let paused = paused.counting("replay_paused", u64::from(replay.paused), Unit::Count);
    let end = seen.receiver.as_ref().and_then(|receiver| receiver.latest_end).max(replay.received);
    let lag = end.zip(replay.replayed).map(|(end, replayed)| {
        let lag = bytes_between(replayed, end);
        Finding { subject: None, ..lag_of("it", lag, "replay_lag", thresholds) }
    });
    [Some(paused), lag].into_iter().flatten().collect()
}

fn old_xmin(seen: &Observation, thresholds: &Thresholds) -> Finding {
    let levels = thresholds.oldest_xmin;
    let (sentence, age) = match &seen.oldest_xmin {
        Some((holder, age)) => {
            (format!("{holder} holds on to what was {age} transactions ago"), *age)
        }
        None => ("nobody holds on to a transaction".to_owned(), 0),
    };
    let finding = Finding::new("oldest_xmin", levels.judge(age), sentence);
    finding.with("oldest_xmin", age, Unit::Transactions, Some(levels))
}
