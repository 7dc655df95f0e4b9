//! The judgement, on values: every alert comes and goes, and nothing else does.

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

/// What is not as it should be, by name.
fn alerts(findings: &[Finding]) -> Vec<(&'static str, Severity)> {
    let bad = findings.iter().filter(|finding| finding.severity != Severity::Ok);
    bad.map(|finding| (finding.name, finding.severity)).collect()
}

#[test]
fn a_level_is_passed_by_what_is_above_it() {
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
fn who_does_not_stream_is_critical_and_a_backup_is_nobody() {
    for state in ["startup", "catchup", "stopping", ""] {
        let findings = all(&primary(vec![row("a", state, 9, None)]));
        assert_eq!(alerts(&findings), [("streaming", Severity::Critical)], "{state}");
    }
    let findings = all(&primary(vec![row("pg_basebackup", "backup", 9, None)]));
    assert_eq!(alerts(&findings), []);
}

#[test]
fn two_of_one_name_have_figures_of_their_own() {
    let twins = ["w", "w", "w2"].map(|name| row(name, "streaming", 9, Some(9)));
    let findings = all(&primary(twins.to_vec()));
    let lag = findings.iter().filter(|finding| finding.name == "lag");
    let names: Vec<_> = lag.filter_map(|finding| finding.subject.as_deref()).collect();
    assert_eq!(names, ["w", "w #2", "w2"]);
}

#[test]
fn what_is_expected_and_not_there_is_critical() {
    let seen = primary(vec![row("a", "streaming", 9, Some(9))]);
    let expecting = |in_recovery, standbys| {
        alerts(&judge(&seen, &Thresholds::default(), Expected { in_recovery, standbys }))
    };
    assert_eq!(expecting(Some(false), Some(1)), []);
    assert_eq!(expecting(Some(true), None), [("role", Severity::Critical)]);
    assert_eq!(expecting(None, Some(2)), [("standbys", Severity::Critical)]);
}

#[test]
fn a_slot_is_idle_in_danger_or_lost() {
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
fn a_rule_that_nobody_fulfils_makes_commits_wait() {
    let sync = Replication { sync_state: "sync".into(), ..row("a", "streaming", 9, Some(9)) };
    let starting = Replication { state: "startup".into(), ..sync.clone() };
    let under = |names: &str, rows| {
        let seen = Observation { synchronous: names.into(), ..primary(rows) };
        let findings = all(&seen);
        findings.iter().find(|one| one.name == "synchronous").map(|one| one.severity)
    };
    assert_eq!(under("", vec![]), None);
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
fn a_standby_that_hears_nothing_is_not_up_to_date() {
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
fn a_standby_is_behind_what_its_upstream_said_and_not_only_what_came() {
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
fn a_role_that_may_not_look_knows_nothing() {
    let seen = Observation { sees_all: false, ..primary(vec![row("a", "", 9, None)]) };
    assert_eq!(alerts(&all(&seen)), [("privileges", Severity::Unknown)]);
}

#[test]
fn an_old_transaction_is_told_with_its_holder() {
    let seen = Observation {
        oldest_xmin: Some(("slot s1".to_owned(), 10_000_001)),
        ..primary(Vec::new())
    };
    let findings = all(&seen);
    assert_eq!(alerts(&findings), [("oldest_xmin", Severity::Warning)]);
    assert!(findings.iter().any(|finding| finding.sentence.starts_with("slot s1 holds on")));
}
