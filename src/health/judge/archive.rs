//! Judges the archiver: whether it works, how many files wait, and for how long. A command that hangs neither
//! fails nor succeeds: only the age of the oldest file shows it.

use crate::health::finding::{Finding, Severity, Thresholds, Unit, seconds};
use crate::health::observation::{Archiver, Observation};

/// Judges the archiver of a server that archives.
pub(super) fn archiving(seen: &Observation, thresholds: &Thresholds) -> Vec<Finding> {
    let Some(archiver) = seen.archiver else {
        let sentence = "this server does not archive WAL";
        return vec![Finding::new("archiver", Severity::None, sentence)];
    };
    vec![working(archiver), waiting(archiver, thresholds), age(archiver, thresholds)]
}

fn working(archiver: Archiver) -> Finding {
    let (severity, sentence) = match (archiver.has_no_command, archiver.failing) {
        (true, _) => (
            Severity::Warning,
            "archive_mode is on and archive_command is empty: no WAL file is archived, and all are kept",
        ),
        (false, true) => (Severity::Warning, "the last attempt to archive a WAL file failed"),
        (false, false) => (Severity::Ok, "no attempt to archive has failed since the last success"),
    };
    let finding = Finding::new("archiver", severity, sentence);
    finding.counting("archiver_failing", u64::from(archiver.failing), Unit::Count)
}

const UNSEEN: &str = "the role must not list pg_wal/archive_status: GRANT pg_monitor TO this role";

fn waiting(archiver: Archiver, thresholds: &Thresholds) -> Finding {
    let levels = thresholds.archive_waiting;
    let Some(files) = archiver.waiting else {
        let sentence =
            format!("the number of WAL files that wait to be archived is unknown: {UNSEEN}");
        return Finding::new("archive_waiting", Severity::Unknown, sentence);
    };
    let severity = levels.judge(files);
    let sentence = format!("WAL files that wait to be archived: {files}");
    let sentence = sentence + &levels.above(severity, |level| level.to_string());
    let finding = Finding::new("archive_waiting", severity, sentence);
    finding.with("archive_waiting", files, Unit::Files, Some(levels))
}

fn age(archiver: Archiver, thresholds: &Thresholds) -> Finding {
    let levels = thresholds.archive_age;
    if archiver.waiting.is_none() {
        let sentence = format!("for how long WAL files wait to be archived is unknown: {UNSEEN}");
        return Finding::new("archive_age", Severity::Unknown, sentence);
    }
    let oldest = archiver.oldest.unwrap_or_default();
    let severity = levels.judge_time(oldest);
    let sentence = match archiver.oldest {
        Some(oldest) => format!(
            "the oldest WAL file has waited {:.1} s to be archived{}",
            oldest.as_secs_f64(),
            levels.above(severity, seconds)
        ),
        None => "no WAL file waits to be archived".to_owned(),
    };
    Finding::new("archive_age", severity, sentence).lasting("archive_age", oldest, levels)
}
