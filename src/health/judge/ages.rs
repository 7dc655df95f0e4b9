//! Judges what has been open for long: the oldest xmin, transaction and prepared transaction. An old one
//! holds back vacuum, and can stop replay on a standby.

use std::time::Duration;

use crate::health::finding::{Finding, Levels, Severity, Thresholds, Unit, seconds};
use crate::health::observation::Observation;

/// Judges the oldest xmin.
pub(super) fn xmin(seen: &Observation, thresholds: &Thresholds) -> Finding {
    let levels = thresholds.oldest_xmin;
    let (sentence, age) = match &seen.oldest_xmin {
        Some((holder, age)) => {
            (format!("{holder} holds back vacuum: its xmin is {age} transactions old"), *age)
        }
        None => ("no session, slot or prepared transaction holds back vacuum".to_owned(), 0),
    };
    let severity = levels.judge(age);
    let sentence = sentence + &levels.above(severity, |level| level.to_string());
    let finding = Finding::new("oldest_xmin", severity, sentence);
    finding.with("oldest_xmin", age, Unit::Transactions, Some(levels))
}

/// Judges the oldest transaction of a session.
pub(super) fn transaction(seen: &Observation, thresholds: &Thresholds) -> Finding {
    let (name, levels) = ("oldest_transaction", thresholds.oldest_transaction);
    old(name, "open transaction", seen.oldest_transaction.as_ref(), levels)
}

/// Judges the oldest prepared transaction.
pub(super) fn prepared(seen: &Observation, thresholds: &Thresholds) -> Finding {
    let (name, levels) = ("oldest_prepared", thresholds.oldest_prepared);
    old(name, "prepared transaction", seen.oldest_prepared.as_ref(), levels)
}

fn old(
    name: &'static str,
    what: &str,
    oldest: Option<&(String, Duration)>,
    levels: Levels,
) -> Finding {
    let Some((holder, age)) = oldest else {
        let finding = Finding::new(name, Severity::Ok, format!("there is no {what}"));
        return finding.lasting(name, Duration::ZERO, levels);
    };
    let severity = levels.judge_time(*age);
    let sentence = format!(
        "the oldest {what} is {:.1} s old ({holder}){}",
        age.as_secs_f64(),
        levels.above(severity, seconds)
    );
    Finding::new(name, severity, sentence).lasting(name, *age, levels)
}
