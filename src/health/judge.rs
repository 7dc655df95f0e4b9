//! Turns an observation and thresholds into findings. Pure: `observe.rs` queries the server, this never
//! does.

use std::time::Duration;

use super::finding::{Expected, Figure, Finding, Levels, Severity, Thresholds, Unit};
use super::observation::{Observation, Replay};
use super::synchronous::Rule;
use crate::record::reading::Reading;
use crate::stat::rows::{Replication, Slot};
use crate::wal::bytes_between;

/// The longest silence of a walreceiver that is OK where `wal_receiver_timeout` is 0.
const SILENCE: Duration = Duration::from_secs(60);

/// Judges every part of an observation, and returns one finding per check and subject.
///
/// A check that has nothing to judge on this server is [`Severity::None`].
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
        findings.extend((!seen.in_recovery).then(|| synchronous(seen)));
        findings.extend(receiver(seen));
    } else {
        let sentence = "the role lacks pg_monitor and sees no standbys and no walreceiver: \
                        GRANT pg_monitor TO this role";
        findings.push(Finding::new("privileges", Severity::Unknown, sentence));
    }
    findings.extend(slots(seen, thresholds));
    findings.extend(archiving(seen, thresholds));
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
            let sentence = format!("{is}{timeline}, where {} is expected", name(other));
            Finding::new("role", Severity::Critical, sentence)
        }
    };
    finding.counting("is_replica", u64::from(seen.in_recovery), Unit::Count)
}

/// The walsenders that serve a standby: a base backup has a walsender, too, and is none.
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
        // Several standbys may share an application_name, but Prometheus takes each label set once.
        let name = match same.count() {
            0 => row.application_name.clone(),
            before => format!("{} #{}", row.application_name, before + 1),
        };
        let streams = row.state == "streaming";
        let (severity, sentence) = match streams {
            true => (Severity::Ok, format!("standby {name} streams")),
            false => {
                let sentence =
                    format!("standby {name} does not stream: its state is {:?}", row.state);
                (Severity::Critical, sentence)
            }
        };
        let streaming = Finding::new("streaming", severity, sentence).of(&name);
        findings.push(streaming.counting("standby_streaming", u64::from(streams), Unit::Count));
        findings.extend(behind(row).map(|lag| {
            let who = format!("standby {name}");
            lag_of(&who, lag, "standby_lag", thresholds).of(&name)
        }));
    }
    findings
}

fn is_named(subject: &str, name: &str) -> bool {
    subject.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(" #"))
}

/// The lag in bytes: WAL that a standby has not replayed. `pg_receivewal` replays nothing: there it is the
/// WAL that it has not written.
fn behind(row: &Replication) -> Option<u64> {
    row.lag().or_else(|| Some(bytes_between(row.write_lsn?, row.own_lsn?)))
}

fn lag_of(who: &str, lag: u64, figure: &'static str, thresholds: &Thresholds) -> Finding {
    let (severity, levels) = (thresholds.lag.judge(lag), Some(thresholds.lag));
    let sentence = format!("{who} is {} behind", Reading::Bytes(lag));
    let sentence =
        sentence + &above(severity, thresholds.lag, |level| Reading::Bytes(level).to_string());
    Finding::new("lag", severity, sentence).with(figure, lag, Unit::Bytes, levels)
}

/// Names the level that a value is above; empty where it is above none.
fn above(severity: Severity, levels: Levels, shown: impl Fn(u64) -> String) -> String {
    let level = match severity {
        Severity::Info => levels.info,
        Severity::Warning => Some(levels.warning),
        Severity::Critical => Some(levels.critical),
        Severity::None | Severity::Ok | Severity::Unknown => None,
    };
    level.map_or_else(String::new, |level| {
        format!(", above the {severity} level of {}", shown(level))
    })
}

fn number(seen: &Observation, expected: Expected) -> Finding {
    let streaming = followers(seen).filter(|row| row.state == "streaming").count() as u64;
    let finding = match expected.standbys.filter(|expected| streaming < *expected) {
        None if streaming == 0 && expected.standbys.is_none() => {
            let sentence = "no standby streams from this server, and none is expected";
            Finding::new("standbys", Severity::None, sentence)
        }
        None => {
            Finding::new("standbys", Severity::Ok, format!("standbys that stream: {streaming}"))
        }
        Some(more) => {
            let sentence = format!("standbys that stream: {streaming}, where {more} are expected");
            Finding::new("standbys", Severity::Critical, sentence)
        }
    };
    finding.counting("standbys_streaming", streaming, Unit::Count)
}

fn slots(seen: &Observation, thresholds: &Thresholds) -> Vec<Finding> {
    if seen.slots.is_empty() {
        let sentence = "this server has no replication slot";
        return vec![Finding::new("slot_active", Severity::None, sentence)];
    }
    seen.slots.iter().flat_map(|slot| of_slot(slot, thresholds)).collect()
}

fn of_slot(slot: &Slot, thresholds: &Thresholds) -> Vec<Finding> {
    let name = slot.slot_name.as_str();
    // From 17 on a standby can have synchronized copies of its primary's slots: inactive until a promotion.
    let (severity, state) = match (slot.active, slot.synced) {
        (true, _) => (Severity::Ok, "is active"),
        (false, true) => (Severity::Ok, "is synchronized from the primary"),
        (false, false) => (Severity::Warning, "is inactive"),
    };
    let active = Finding::new("slot_active", severity, format!("slot {name} {state}")).of(name);
    let mut findings = vec![active.counting("slot_active", u64::from(slot.active), Unit::Count)];
    if let Some(status) = &slot.wal_status {
        let (severity, means) = match status.as_str() {
            "unreserved" => {
                (Severity::Critical, "the next checkpoint may remove WAL that it retains")
            }
            "lost" => (Severity::Critical, "its standby must be rebuilt or fed from a WAL archive"),
            _ => (Severity::Ok, "the WAL that it retains is available"),
        };
        let sentence = format!("slot {name} is {status}: {means}");
        findings.push(Finding::new("slot_wal", severity, sentence).of(name));
    }
    findings.extend(slot.retained().map(|bytes| {
        let (severity, levels) =
            (thresholds.slot_retained.judge(bytes), Some(thresholds.slot_retained));
        let sentence = format!("slot {name} retains {} of WAL", Reading::Bytes(bytes));
        let shown = |level| Reading::Bytes(level).to_string();
        let sentence = sentence + &above(severity, thresholds.slot_retained, shown);
        let finding = Finding::new("slot_retained", severity, sentence).of(name);
        finding.with("slot_retained", bytes, Unit::Bytes, levels)
    }));
    findings
}

fn synchronous(seen: &Observation) -> Finding {
    let Some(rule) = Rule::read(&seen.synchronous) else {
        let sentence = "synchronous_standby_names is empty: commits wait for no standby";
        return Finding::new("synchronous", Severity::None, sentence);
    };
    let counts = followers(seen).filter(|row| {
        row.state == "streaming" && ["sync", "quorum"].contains(&row.sync_state.as_str())
    });
    let there = counts.count() as u64;
    let (severity, means) = match there >= rule.needed {
        true => (Severity::Ok, "enough to confirm a commit"),
        false => (Severity::Critical, "commits that need their confirmation wait"),
    };
    let sentence = format!(
        "synchronous standbys that stream: {there}, where the rule requires {}: {means}",
        rule.needed
    );
    let finding = Finding::new("synchronous", severity, sentence);
    finding.counting("synchronous_standbys", there, Unit::Count)
}

fn archiving(seen: &Observation, thresholds: &Thresholds) -> Vec<Finding> {
    let Some(archiver) = seen.archiver else {
        let sentence = "this server does not archive WAL";
        return vec![Finding::new("archiver", Severity::None, sentence)];
    };
    let (severity, sentence) = match archiver.failing {
        true => (Severity::Warning, "the last attempt to archive a WAL file failed"),
        false => (Severity::Ok, "no attempt to archive has failed since the last success"),
    };
    let failing = Finding::new("archiver", severity, sentence);
    let failing = failing.counting("archiver_failing", u64::from(archiver.failing), Unit::Count);
    let waiting = archiver.waiting.map(|files| {
        let levels = thresholds.archive_waiting;
        let severity = levels.judge(files);
        let sentence = format!("WAL files that wait to be archived: {files}");
        let sentence = sentence + &above(severity, levels, |level| level.to_string());
        Finding::new("archive_waiting", severity, sentence).with(
            "archive_waiting",
            files,
            Unit::Files,
            Some(levels),
        )
    });
    [Some(failing), waiting].into_iter().flatten().collect()
}

/// Judges the walreceiver by its state and by its last message: a standby that receives nothing has
/// replayed all that it received, and shows no lag.
fn receiver(seen: &Observation) -> Option<Finding> {
    let replay = seen.replay?;
    let Some(receiver) = &seen.receiver else {
        return Some(match replay.has_upstream {
            true => {
                let sentence = "no walreceiver runs, although primary_conninfo names an upstream";
                Finding::new("receiver", Severity::Critical, sentence)
            }
            false => {
                let sentence = "primary_conninfo is empty: this standby does not stream, and can only \
                                replay WAL from an archive";
                Finding::new("receiver", Severity::Info, sentence)
            }
        });
    };
    let silence = receiver.silence.unwrap_or_default();
    let limit = if receiver.timeout.is_zero() { SILENCE } else { receiver.timeout };
    let (severity, sentence) = match (receiver.status.as_str(), silence > limit) {
        ("streaming", false) => (Severity::Ok, "the walreceiver streams".to_owned()),
        ("streaming", true) => (
            Severity::Critical,
            format!("the walreceiver has received no message for {:.1} s", silence.as_secs_f64()),
        ),
        (status, _) => (
            Severity::Critical,
            format!("the walreceiver does not stream: its status is {status:?}"),
        ),
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
        false => (Severity::Ok, "replay is not paused"),
    };
    let paused = Finding::new("replay_paused", severity, sentence);
    let paused = paused.counting("replay_paused", u64::from(replay.paused), Unit::Count);
    let end = seen.receiver.as_ref().and_then(|receiver| receiver.latest_end).max(replay.received);
    let lag = end.zip(replay.replayed).map(|(end, replayed)| {
        let lag = bytes_between(replayed, end);
        lag_of("this standby", lag, "replay_lag", thresholds)
    });
    [Some(paused), lag].into_iter().flatten().collect()
}

fn old_xmin(seen: &Observation, thresholds: &Thresholds) -> Finding {
    let levels = thresholds.oldest_xmin;
    let (sentence, age) = match &seen.oldest_xmin {
        Some((holder, age)) => {
            (format!("{holder} holds back vacuum: its xmin is {age} transactions old"), *age)
        }
        None => ("no session, slot or prepared transaction holds back vacuum".to_owned(), 0),
    };
    let severity = levels.judge(age);
    let sentence = sentence + &above(severity, levels, |level| level.to_string());
    let finding = Finding::new("oldest_xmin", severity, sentence);
    finding.with("oldest_xmin", age, Unit::Transactions, Some(levels))
}
