//! The judgement, on values: every alert is raised and cleared, and no other is raised.

use std::time::Duration;

use super::finding::*;
use super::judge::judge;
use super::observation::*;
use crate::stat::rows::{Replication, Slot};
use crate::wal::Lsn;

fn row(name: &str, state: &str, own: u64, replayed: Option<u64>) -> Replication {
    Replication {
        application_name: name.to_owned(),
        state: state.to_owned(),
        own_lsn: Some(Lsn::from(own)),
        sent_lsn: replayed.map(Lsn::from),
        write_lsn: replayed.map(Lsn::from),
        flush_lsn: replayed.map(Lsn::from),
        replay_lsn: replayed.map(Lsn::from),
        write_lag: None,
        flush_lag: None,
        replay_lag: None,
        sync_state: "async".to_owned(),
    }
}

fn primary(standbys: Vec<Replication>) -> Observation {
    Observation { sees_all: true, standbys, ..Observation::default() }
}

fn standby(replay: Replay, receiver: Option<Receiver>) -> Observation {
    let replay = Some(replay);
    Observation { in_recovery: true, sees_all: true, replay, receiver, ..Observation::default() }
}

fn streams(silent: u64) -> Receiver {
    Receiver {
        status: "streaming".to_owned(),
        latest_end: Some(Lsn::from(50)),
        silence: Some(Duration::from_secs(silent)),
        timeout: Duration::from_secs(60),
    }
}

fn slot(active: bool, status: &str) -> Slot {
    Slot {
        slot_name: "s1".to_owned(),
        active,
        restart_lsn: Some(Lsn::from(10)),
        wal_status: Some(status.to_owned()),
        synced: false,
        own_lsn: Some(Lsn::from(30)),
    }
}

fn all(seen: &Observation) -> Vec<Finding> {
    judge(seen, &Thresholds::default(), Expected::default())
}

/// The findings worse than OK, by name.
fn alerts(findings: &[Finding]) -> Vec<(&'static str, Severity)> {
    let bad = findings.iter().filter(|finding| finding.severity > Severity::Ok);
    bad.map(|finding| (finding.name, finding.severity)).collect()
}

#[test]
fn a_level_applies_to_greater_values() {
    let levels = Thresholds::default().lag;
    for (bytes, severity) in [
        (1_000_000, Severity::Ok),
        (1_000_001, Severity::Info),
        (10_000_000, Severity::Info),
        (10_000_001, Severity::Warning),
        (100_000_000, Severity::Warning),
        (100_000_001, Severity::Critical),
    ] {
        assert_eq!(levels.judge(bytes), severity, "{bytes}");
        let findings = all(&primary(vec![row("a", "streaming", bytes + 5, Some(5))]));
        assert_eq!(worst(&findings), severity, "{bytes}");
    }
}

#[test]
fn a_standby_that_does_not_stream_is_critical_and_a_base_backup_is_no_standby() {
    for state in ["startup", "catchup", "stopping", ""] {
        let findings = all(&primary(vec![row("a", state, 9, None)]));
        assert_eq!(alerts(&findings), [("streaming", Severity::Critical)], "{state}");
    }
    let findings = all(&primary(vec![row("pg_basebackup", "backup", 9, None)]));
    assert_eq!(alerts(&findings), []);
}

#[test]
fn two_standbys_of_one_name_have_separate_figures() {
    let twins = ["w", "w", "w2"].map(|name| row(name, "streaming", 9, Some(9)));
    let findings = all(&primary(twins.to_vec()));
    let lag = findings.iter().filter(|finding| finding.name == "lag");
    let names: Vec<_> = lag.filter_map(|finding| finding.subject.as_deref()).collect();
    assert_eq!(names, ["w", "w #2", "w2"]);
}

#[test]
fn an_expectation_that_is_not_met_is_critical() {
    let seen = primary(vec![row("a", "streaming", 9, Some(9))]);
    let expecting = |in_recovery, standbys| {
        alerts(&judge(&seen, &Thresholds::default(), Expected { in_recovery, standbys }))
    };
    assert_eq!(expecting(Some(false), Some(1)), []);
    assert_eq!(expecting(Some(true), None), [("role", Severity::Critical)]);
    assert_eq!(expecting(None, Some(2)), [("standbys", Severity::Critical)]);
}

#[test]
fn a_slot_is_inactive_unreserved_or_lost() {
    for (seen, expected) in [
        (slot(true, "reserved"), vec![]),
        (slot(true, "extended"), vec![]),
        (slot(false, "reserved"), vec![("slot_active", Severity::Warning)]),
        (slot(true, "unreserved"), vec![("slot_wal", Severity::Critical)]),
        (
            Slot { restart_lsn: None, ..slot(false, "lost") },
            vec![("slot_active", Severity::Warning), ("slot_wal", Severity::Critical)],
        ),
        (Slot { synced: true, ..slot(false, "reserved") }, vec![]),
    ] {
        let findings = all(&Observation { slots: vec![seen.clone()], ..primary(Vec::new()) });
        assert_eq!(alerts(&findings), expected, "{seen:?}");
    }
    let thresholds = Thresholds {
        slot_retained: Levels { info: None, warning: 19, critical: 20 },
        ..Thresholds::default()
    };
    let seen = Observation { slots: vec![slot(true, "reserved")], ..primary(Vec::new()) };
    let findings = judge(&seen, &thresholds, Expected::default());
    assert_eq!(alerts(&findings), [("slot_retained", Severity::Warning)]);
}

#[test]
fn a_rule_without_enough_standbys_is_critical() {
    let sync = Replication { sync_state: "sync".into(), ..row("a", "streaming", 9, Some(9)) };
    let starting = Replication { state: "startup".into(), ..sync.clone() };
    let under = |names: &str, rows| {
        let seen = Observation { synchronous: names.into(), ..primary(rows) };
        let findings = all(&seen);
        findings.iter().find(|one| one.name == "synchronous").map(|one| one.severity)
    };
    assert_eq!(under("", vec![]), Some(Severity::None));
    assert_eq!(under("a", vec![sync.clone()]), Some(Severity::Ok));
    assert_eq!(under("FIRST 2 (a, b)", vec![sync.clone()]), Some(Severity::Critical));
    assert_eq!(under("a", vec![starting]), Some(Severity::Critical));
    assert_eq!(under("*", vec![]), Some(Severity::Critical));
}

#[test]
fn an_archiver_fails_or_is_late() {
    let with = |failing, waiting| {
        alerts(&all(&Observation {
            archiver: Some(Archiver { failing, waiting }),
            ..primary(Vec::new())
        }))
    };
    assert_eq!(with(false, Some(1)), []);
    assert_eq!(with(false, None), []);
    assert_eq!(with(true, Some(1)), [("archiver", Severity::Warning)]);
    assert_eq!(with(false, Some(101)), [("archive_waiting", Severity::Critical)]);
}

#[test]
fn a_silent_walreceiver_is_critical() {
    let replay = Replay {
        received: Some(Lsn::from(50)),
        replayed: Some(Lsn::from(50)),
        paused: false,
        has_upstream: true,
    };
    assert_eq!(alerts(&all(&standby(replay, Some(streams(1))))), []);
    let critical = [("receiver", Severity::Critical)];
    assert_eq!(alerts(&all(&standby(replay, Some(streams(61))))), critical);
    assert_eq!(alerts(&all(&standby(replay, None))), critical);
    let waiting = Some(Receiver { status: "waiting".into(), ..streams(1) });
    assert_eq!(alerts(&all(&standby(replay, waiting))), critical);
    let archive = Replay { has_upstream: false, ..replay };
    assert_eq!(alerts(&all(&standby(archive, None))), [("receiver", Severity::Info)]);
    let paused = Replay { paused: true, ..replay };
    assert_eq!(
        alerts(&all(&standby(paused, Some(streams(1))))),
        [("replay_paused", Severity::Warning)]
    );
}

#[test]
fn lag_counts_from_the_upstreams_last_message() {
    let at = |received, replayed| Replay {
        received: Some(Lsn::from(received)),
        replayed: Some(Lsn::from(replayed)),
        has_upstream: true,
        ..Replay::default()
    };
    let lag = |replay| {
        let findings = all(&standby(replay, Some(streams(1))));
        let lag = findings.into_iter().find(|finding| finding.name == "lag");
        lag.and_then(|lag| lag.figure).map(|figure| figure.value)
    };
    assert_eq!(lag(at(40, 40)), Some(10.0));
    assert_eq!(lag(at(60, 20)), Some(40.0));
}

#[test]
fn a_role_without_pg_monitor_is_unknown() {
    let seen = Observation { sees_all: false, ..primary(vec![row("a", "", 9, None)]) };
    assert_eq!(alerts(&all(&seen)), [("privileges", Severity::Unknown)]);
}

#[test]
fn an_old_xmin_names_its_holder_and_its_level() {
    let seen = Observation {
        oldest_xmin: Some(("slot s1".to_owned(), 10_000_001)),
        ..primary(Vec::new())
    };
    let findings = all(&seen);
    assert_eq!(alerts(&findings), [("oldest_xmin", Severity::Warning)]);
    let sentence = "slot s1 holds back vacuum: its xmin is 10000001 transactions old, above the WARNING \
                    level of 10000000";
    assert!(findings.iter().any(|finding| finding.sentence == sentence), "{findings:?}");
}

#[test]
fn a_check_without_anything_to_judge_is_none() {
    let none = |seen: &Observation, expected| -> Vec<&'static str> {
        let findings = judge(seen, &Thresholds::default(), expected);
        let none = findings.iter().filter(|finding| finding.severity == Severity::None);
        none.map(|finding| finding.name).collect()
    };
    let lonely = primary(Vec::new());
    let all = ["standbys", "synchronous", "slot_active", "archiver"];
    assert_eq!(none(&lonely, Expected::default()), all);
    let expected = Expected { standbys: Some(0), ..Expected::default() };
    assert_eq!(none(&lonely, expected), ["synchronous", "slot_active", "archiver"]);
    let full = Observation {
        synchronous: "a".into(),
        slots: vec![slot(true, "reserved")],
        archiver: Some(Archiver::default()),
        ..primary(vec![row("a", "streaming", 9, Some(9))])
    };
    assert_eq!(none(&full, Expected::default()), [""; 0]);
}
