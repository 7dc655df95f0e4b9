//! Judges a standby's own side: the walreceiver, and the replay of what it received. Time counts only while
//! WAL waits: the last replayed transaction grows old on an idle primary.

use std::time::Duration;

use crate::health::finding::{Figure, Finding, Severity, Thresholds, Unit, bytes, seconds};
use crate::health::observation::{Observation, Receiver, Replay};
use crate::wal::bytes_between;

/// Judges the walreceiver by its state and by its last message: a standby that receives nothing has
/// replayed all that it received, and shows no lag.
pub(super) fn receiver(seen: &Observation) -> Option<Finding> {
    let replay = seen.replay.as_ref()?;
    let Some(receiver) = &seen.receiver else { return Some(no_receiver(replay)) };
    let (severity, sentence) = match receiver.status.as_str() {
        "streaming" => streams(receiver),
        status => {
            let sentence = format!("the walreceiver does not stream: its status is {status:?}");
            (Severity::Critical, sentence)
        }
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

fn no_receiver(replay: &Replay) -> Finding {
    let (severity, sentence) = match replay.has_upstream {
        Some(true) => {
            (Severity::Critical, "no walreceiver runs, although primary_conninfo names an upstream")
        }
        Some(false) => (
            Severity::Info,
            "primary_conninfo is empty: this standby does not stream, and can only replay WAL from an archive",
        ),
        None => (
            Severity::Unknown,
            "no walreceiver runs, and the role must not see whether primary_conninfo names an upstream: \
             GRANT pg_monitor TO this role",
        ),
    };
    Finding::new("receiver", severity, sentence)
}

/// A walreceiver ends when it has heard nothing for `wal_receiver_timeout`. With 0 no limit is promised,
/// and the upstream of a healthy, idle standby may send nothing.
fn streams(receiver: &Receiver) -> (Severity, String) {
    let Some(silence) = receiver.silence else {
        let sentence = "the walreceiver streams, and the time of its last message is unknown";
        return (Severity::Unknown, sentence.to_owned());
    };
    match !receiver.timeout.is_zero() && silence > receiver.timeout {
        false => (Severity::Ok, "the walreceiver streams".to_owned()),
        true => (
            Severity::Critical,
            format!("the walreceiver has received no message for {:.1} s", silence.as_secs_f64()),
        ),
    }
}

/// Judges the replay of a standby: whether it is paused, and how far it is behind.
pub(super) fn replaying(seen: &Observation, thresholds: &Thresholds) -> Vec<Finding> {
    let Some(replay) = &seen.replay else { return Vec::new() };
    let (severity, sentence) = match replay.paused {
        true => (Severity::Warning, "replay is paused"),
        false => (Severity::Ok, "replay is not paused"),
    };
    let paused = Finding::new("replay_paused", severity, sentence);
    let paused = paused.counting("replay_paused", u64::from(replay.paused), Unit::Count);
    let end = seen.receiver.as_ref().and_then(|receiver| receiver.latest_end);
    let end = end.max(seen.upstream).max(replay.received).max(replay.replayed);
    let Some((end, replayed)) = end.zip(replay.replayed) else {
        let unknown = |name, what: &str| {
            let sentence = format!("{what} is unknown: this standby has replayed no WAL yet");
            Finding::new(name, Severity::Unknown, sentence)
        };
        let lag = unknown("lag", "how far this standby is behind");
        return vec![paused, lag, unknown("lag_time", "for how long WAL has waited for replay")];
    };
    let lag = bytes_between(replayed, end);
    let time = if lag > 0 { waiting(replay, seen.receiver.as_ref()) } else { Some(Duration::ZERO) };
    let explained = is_explained(replay, time, thresholds);
    let mut findings = vec![
        paused,
        in_bytes(lag, explained, thresholds),
        in_time(time, replay, explained, thresholds),
    ];
    let is_fed = seen.receiver.is_none() && replay.has_upstream == Some(false);
    findings.extend(is_fed.then(|| feed(replay, thresholds)));
    findings
}

/// Tells when the archive that feeds this standby gave it a transaction last. Whether the archive has dried
/// up or the primary is idle cannot be known on this server alone.
fn feed(replay: &Replay, thresholds: &Thresholds) -> Finding {
    let Some(age) = replay.since_transaction else {
        let sentence = "whether the archive feeds this standby is unknown: it has replayed no transaction \
                        since its start";
        return Finding::new("archive_feed", Severity::Unknown, sentence);
    };
    let severity = match thresholds.lag_time.judge_time(age) {
        Severity::Critical => Severity::Unknown,
        Severity::Warning => Severity::Info,
        other => other,
    };
    let why = match severity {
        Severity::Unknown => {
            ": the archive has dried up, or the primary is idle; --upstream measures against the primary"
        }
        _ => "",
    };
    let sentence = format!(
        "the last transaction that this standby replayed from the archive is {:.1} s old{why}",
        age.as_secs_f64()
    );
    let finding = Finding::new("archive_feed", severity, sentence);
    finding.lasting("archive_feed", age, thresholds.lag_time)
}

/// Returns for how long WAL has waited for replay, where some waits; null where that is not known.
///
/// While the startup process stands still, it is the age of the last replayed transaction: at most so
/// much, because the primary may have been idle before. While it replays, that age may be that of an idle
/// time, and only the age of the newest WAL is certain: at least so much.
fn waiting(replay: &Replay, receiver: Option<&Receiver>) -> Option<Duration> {
    let newest = receiver.and_then(|receiver| receiver.since_end);
    let stands_still = replay.paused || replay.waits_for.as_deref().is_some_and(stands_still);
    // Without a walreceiver WAL comes from an archive, and waits on the primary.
    match stands_still || receiver.is_none() {
        true => replay.since_transaction.or(newest),
        false => newest.or(Some(Duration::ZERO)),
    }
}

/// Tells whether the startup process waits for something else than WAL or a disk.
fn stands_still(event: &str) -> bool {
    let conflict = event.starts_with("RecoveryConflict") || event == "BufferPin";
    let lock = event == "relation" || event == "BufferCleanup";
    conflict || lock || ["RecoveryPause", "RecoveryApplyDelay"].contains(&event)
}

/// Tells whether `recovery_min_apply_delay` explains that WAL waits: the startup process waits for the delay
/// to pass, or WAL has not waited much longer.
fn is_explained(replay: &Replay, time: Option<Duration>, thresholds: &Thresholds) -> bool {
    let late = Duration::from_secs(thresholds.lag_time.warning);
    let waits = replay.waits_for.as_deref() == Some("RecoveryApplyDelay");
    let on_time = time.is_some_and(|time| time <= replay.delay + late);
    !replay.paused && !replay.delay.is_zero() && (waits || on_time)
}

fn in_bytes(lag: u64, explained: bool, thresholds: &Thresholds) -> Finding {
    let levels = thresholds.lag;
    let severity = if explained { Severity::Ok } else { levels.judge(lag) };
    let why = match explained && lag > 0 {
        true => ", because recovery_min_apply_delay is set".to_owned(),
        false => levels.above(severity, bytes),
    };
    let sentence = format!("this standby is {} behind{why}", bytes(lag));
    Finding::new("lag", severity, sentence).with("replay_lag", lag, Unit::Bytes, Some(levels))
}

fn in_time(
    time: Option<Duration>,
    replay: &Replay,
    explained: bool,
    thresholds: &Thresholds,
) -> Finding {
    let levels = thresholds.lag_time;
    let Some(time) = time else {
        let sentence = "for how long WAL has waited for replay is unknown: this standby has replayed no \
                        transaction since its start";
        return Finding::new("lag_time", Severity::Unknown, sentence);
    };
    let severity = match explained {
        true => Severity::Ok,
        false => levels.judge_time(time.saturating_sub(replay.delay)),
    };
    let why = match replay.delay.is_zero() {
        true => String::new(),
        false => format!("; recovery_min_apply_delay is {} s", replay.delay.as_secs()),
    };
    let waits = match replay.waits_for.as_deref().filter(|event| stands_still(event)) {
        Some(event) if !time.is_zero() => format!(", and replay waits for {event}"),
        _ => String::new(),
    };
    let sentence = format!(
        "this standby is {:.1} s behind{}{waits}{why}",
        time.as_secs_f64(),
        levels.above(severity, seconds)
    );
    Finding::new("lag_time", severity, sentence).lasting("replay_lag_time", time, levels)
}
