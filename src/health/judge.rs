//! Turns an observation and thresholds into findings. Pure: `observe.rs` queries the server, this never
//! does. The files of `judge/` judge one subject each.

mod ages;
mod archive;
mod behind;
mod commits;
mod logical;
mod replay;
mod slots;
mod standbys;

use super::finding::{Expected, Finding, Severity, Thresholds, Unit};
use super::observation::Observation;

/// Judges every part of an observation, and returns one finding per check and subject.
///
/// A check that has nothing to judge on this server is [`Severity::None`]; one whose values cannot be
/// known is [`Severity::Unknown`], with the reason.
///
/// ```
/// use replication_lab::health::{self, Expected, Observation, Severity, Thresholds};
/// let seen = Observation { sees_all: true, ..Observation::default() };
/// let expected = Expected { standbys: Some(1), ..Expected::default() };
/// let findings = health::judge(&seen, &Thresholds::default(), &expected);
/// assert_eq!(health::worst(&findings), Severity::Critical);
/// ```
pub fn judge(seen: &Observation, thresholds: &Thresholds, expected: &Expected) -> Vec<Finding> {
    let mut findings = vec![role(seen, expected)];
    if seen.sees_all {
        findings.extend(standbys::clients(seen, thresholds, expected));
        findings.extend(standbys::named(seen, expected));
        findings.push(standbys::number(seen, expected));
        if !seen.in_recovery {
            findings.extend(commits::synchronous(seen, thresholds));
        }
        findings.extend(replay::receiver(seen));
    } else {
        let sentence = "the role lacks pg_monitor and sees no standbys, no walreceiver and no transactions: \
                        GRANT pg_monitor TO this role";
        findings.push(Finding::new("privileges", Severity::Unknown, sentence));
    }
    findings.extend(slots::slots(seen, thresholds, expected));
    if seen.sees_all {
        findings.extend(logical::logical(seen));
    }
    findings.extend(archive::archiving(seen, thresholds));
    findings.extend(replay::replaying(seen, thresholds));
    findings.push(ages::xmin(seen, thresholds));
    if seen.sees_all {
        findings.push(ages::transaction(seen, thresholds));
    }
    findings.push(ages::prepared(seen, thresholds));
    findings
}

fn role(seen: &Observation, expected: &Expected) -> Finding {
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
