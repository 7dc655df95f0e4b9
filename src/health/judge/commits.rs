//! Judges what commits wait for: by the level, by the position that the level waits for, and by the
//! sessions that wait. It never counts a standby that cannot confirm at that level.

use std::time::Duration;

use super::behind::behind;
use crate::health::finding::{Finding, Severity, Thresholds, Unit, seconds};
use crate::health::observation::Observation;
use crate::health::synchronous::{Level, Rule};
use crate::stat::rows::Replication;

/// Judges whether there are enough synchronous standbys, and for how long commits wait for them.
pub(super) fn synchronous(seen: &Observation, thresholds: &Thresholds) -> Vec<Finding> {
    let Some(rule) = Rule::read(&seen.synchronous) else {
        let sentence = "synchronous_standby_names is empty: commits wait for no standby";
        return vec![Finding::new("synchronous", Severity::None, sentence)];
    };
    let name = seen.commits.level.as_str();
    let level = match Level::read(name) {
        Some(level) => level,
        None if seen.commits.sessions > 0 => Level::Flushed,
        None => {
            let sentence = format!(
                "synchronous_commit = {name}: commits wait for no standby, although \
                 synchronous_standby_names is set"
            );
            let finding = Finding::new("synchronous", Severity::Info, sentence);
            return vec![finding.counting("synchronous_standbys", count(seen), Unit::Count)];
        }
    };
    vec![enough(seen, rule, level), wait(seen, rule, level, thresholds)]
}

/// The rows that the server counts: it calls them `sync` or `quorum`.
fn counted(seen: &Observation) -> impl Iterator<Item = &Replication> {
    let counts = |row: &&Replication| {
        row.state == "streaming" && ["sync", "quorum"].contains(&row.sync_state.as_str())
    };
    seen.standbys.iter().filter(counts)
}

fn count(seen: &Observation) -> u64 {
    counted(seen).count() as u64
}

fn enough(seen: &Observation, rule: Rule, level: Level) -> Finding {
    let there = count(seen);
    let able = counted(seen).filter(|row| level.position(row).is_some()).count() as u64;
    let needed = rule.needed;
    let rows =
        format!("synchronous standbys that stream: {there}, where the rule requires {needed}");
    let (severity, sentence) = if there < needed {
        (Severity::Critical, format!("{rows}: commits that need their confirmation wait"))
    } else if able < needed {
        let done = level.done();
        let sentence = format!(
            "{rows}; of these, {able} report what they have {done}: commits with synchronous_commit = {} \
             wait",
            seen.commits.level
        );
        (Severity::Critical, sentence)
    } else {
        (Severity::Ok, rows)
    };
    let finding = Finding::new("synchronous", severity, sentence);
    finding.counting("synchronous_standbys", there, Unit::Count)
}

/// Judges for how long WAL has waited for the confirmation that commits wait for.
///
/// A session counts for as long as its statement runs, but no longer than WAL has waited at the slowest
/// level: a long statement may have begun to wait only now, and a session may have set its own level.
fn wait(seen: &Observation, rule: Rule, level: Level, thresholds: &Thresholds) -> Finding {
    let levels = thresholds.commit_wait;
    let unconfirmed = unconfirmed(seen, rule, level);
    let slowest = unconfirmed_at_all(seen, rule);
    let of_sessions =
        seen.commits.longest.map(|longest| slowest.map_or(longest, |most| longest.min(most)));
    let time = unconfirmed.unwrap_or_default().max(of_sessions.unwrap_or_default());
    let severity = levels.judge_time(time);
    let sentence = format!(
        "WAL waits to be {} on synchronous standbys for {:.1} s{}; sessions that wait for SyncRep: {}{}",
        level.done(),
        unconfirmed.map_or(time, |time| time).as_secs_f64(),
        levels.above(severity, seconds),
        seen.commits.sessions,
        of_sessions.map_or(String::new(), |longest| {
            format!(", the longest for {:.1} s", longest.as_secs_f64())
        }),
    );
    Finding::new("commit_wait", severity, sentence).lasting("commit_wait", time, levels)
}

/// Returns for how long WAL has waited until enough standbys confirmed it at this level; null where too few
/// can.
fn unconfirmed(seen: &Observation, rule: Rule, level: Level) -> Option<Duration> {
    let times = counted(seen)
        .filter_map(|row| behind(row, level.position(row), level.lag(row), seen.sender_timeout));
    let mut times: Vec<_> = times.collect();
    times.sort();
    let last = usize::try_from(rule.needed.checked_sub(1)?).ok()?;
    times.get(last).copied()
}

fn unconfirmed_at_all(seen: &Observation, rule: Rule) -> Option<Duration> {
    let levels = [Level::Written, Level::Flushed, Level::Replayed];
    let times = levels.map(|level| unconfirmed(seen, rule, level));
    times.into_iter().collect::<Option<Vec<_>>>()?.into_iter().max()
}
