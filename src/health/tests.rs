//! The judgement, on values: every alert is raised and cleared, and no other is raised.

mod states;

use std::time::Duration;

use pretty_assertions::assert_eq;

use super::finding::*;
use super::judge::judge;
use super::observation::*;
use crate::stat::rows::{Replication, Slot};
use crate::wal::{Lsn, Timeline};

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
        since_reply: replayed.map(|_| Duration::ZERO),
        ..Replication::default()
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
        since_end: Some(Duration::ZERO),
        silence: Some(Duration::from_secs(silent)),
        timeout: Duration::from_secs(60),
    }
}

fn archive(waiting: Option<u64>) -> Archiver {
    Archiver { waiting, ..Archiver::default() }
}

fn slot(active: bool, status: &str) -> Slot {
    Slot {
        slot_name: "s1".to_owned(),
        active,
        restart_lsn: Some(Lsn::from(10)),
        wal_status: Some(status.to_owned()),
        synced: false,
        own_lsn: Some(Lsn::from(30)),
        ..Slot::default()
    }
}

fn expected(in_recovery: Option<bool>, standbys: Option<u64>) -> Expected {
    Expected { in_recovery, standbys, ..Expected::default() }
}

fn all(seen: &Observation) -> Vec<Finding> {
    judge(seen, &Thresholds::default(), &Expected::default())
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
fn a_client_that_does_not_stream_is_no_alert() {
    for (state, alert) in [
        ("startup", ("client", Severity::Info)),
        ("", ("client", Severity::Info)),
        ("catchup", ("streaming", Severity::Info)),
        ("stopping", ("streaming", Severity::Warning)),
    ] {
        let findings = all(&primary(vec![row("a", state, 9, Some(9))]));
        assert_eq!(alerts(&findings), [alert], "{state}");
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

/// Judges standbys that have no lag yet, so that only the findings of their state can be counted.
#[test]
fn standbys_of_one_name_are_numbered_before_they_stream() {
    let rows = ["w", "w2", "w", "w"].map(|name| row(name, "startup", 9, None));
    let findings = all(&primary(rows.to_vec()));
    let names: Vec<_> = findings.iter().filter_map(|finding| finding.subject.as_deref()).collect();
    assert_eq!(names, ["w", "w2", "w #2", "w #3"]);
}

#[test]
fn an_expectation_that_is_not_met_is_critical() {
    let seen = primary(vec![row("a", "streaming", 9, Some(9))]);
    let expecting = |in_recovery, standbys| {
        alerts(&judge(&seen, &Thresholds::default(), &expected(in_recovery, standbys)))
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
        (Slot { restart_lsn: None, ..slot(false, "lost") }, vec![("slot_wal", Severity::Critical)]),
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
    let findings = judge(&seen, &thresholds, &Expected::default());
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
            archiver: Some(Archiver { failing, ..archive(waiting) }),
            ..primary(Vec::new())
        }))
    };
    assert_eq!(with(false, Some(1)), []);
    let unseen = [("archive_waiting", Severity::Unknown), ("archive_age", Severity::Unknown)];
    assert_eq!(with(false, None), unseen);
    assert_eq!(with(true, Some(1)), [("archiver", Severity::Warning)]);
    assert_eq!(with(false, Some(101)), [("archive_waiting", Severity::Critical)]);
}

#[test]
fn a_silent_walreceiver_is_critical() {
    let replay = Replay {
        received: Some(Lsn::from(50)),
        replayed: Some(Lsn::from(50)),
        has_upstream: Some(true),
        ..Replay::default()
    };
    assert_eq!(alerts(&all(&standby(replay.clone(), Some(streams(1))))), []);
    let critical = [("receiver", Severity::Critical)];
    assert_eq!(alerts(&all(&standby(replay.clone(), Some(streams(61))))), critical);
    assert_eq!(alerts(&all(&standby(replay.clone(), None))), critical);
    let waiting = Some(Receiver { status: "waiting".into(), ..streams(1) });
    assert_eq!(alerts(&all(&standby(replay.clone(), waiting))), critical);
    let since_transaction = Some(Duration::ZERO);
    let archive = Replay { has_upstream: Some(false), since_transaction, ..replay.clone() };
    assert_eq!(alerts(&all(&standby(archive, None))), [("receiver", Severity::Info)]);
    let paused = Replay { paused: true, ..replay.clone() };
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
        has_upstream: Some(true),
        ..Replay::default()
    };
    let lag = |replay: Replay| {
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
    let none = |seen: &Observation, expected: &Expected| -> Vec<&'static str> {
        let findings = judge(seen, &Thresholds::default(), expected);
        let none = findings.iter().filter(|finding| finding.severity == Severity::None);
        none.map(|finding| finding.name).collect()
    };
    let lonely = primary(Vec::new());
    let all = ["standbys", "synchronous", "slot_active", "archiver"];
    assert_eq!(none(&lonely, &Expected::default()), all);
    let expected = Expected { standbys: Some(0), ..Expected::default() };
    assert_eq!(none(&lonely, &expected), ["synchronous", "slot_active", "archiver"]);
    let full = Observation {
        synchronous: "a".into(),
        slots: vec![slot(true, "reserved")],
        archiver: Some(Archiver::default()),
        ..primary(vec![row("a", "streaming", 9, Some(9))])
    };
    assert_eq!(none(&full, &Expected::default()), [""; 0]);
}

/// Returns the one finding of this name.
fn one(seen: &Observation, name: &str) -> Finding {
    let findings = all(seen);
    let mut named = findings.into_iter().filter(|finding| finding.name == name);
    match (named.next(), named.next()) {
        (Some(finding), None) => finding,
        found => panic!("not one finding {name:?}: {found:?}"),
    }
}

/// Returns the severity and the value of the one finding of this name.
fn judged(seen: &Observation, name: &str) -> (Severity, Option<f64>) {
    let finding = one(seen, name);
    (finding.severity, finding.figure.map(|figure| figure.value))
}

const STATES: [&str; 6] = ["startup", "catchup", "streaming", "backup", "stopping", ""];

#[test]
fn a_standby_streams_in_one_state_only_and_its_figure_says_so() {
    for state in STATES {
        let seen = primary(vec![row("a", state, 9, Some(9))]);
        let findings = all(&seen);
        let streaming = findings.iter().find(|finding| finding.name == "streaming");
        if ["backup", "startup", ""].contains(&state) {
            assert_eq!(streaming, None);
            continue;
        }
        let (severity, value, sentence) = match state {
            "streaming" => (Severity::Ok, 1.0, "streams"),
            "catchup" => (Severity::Info, 0.0, "catches up: it receives older WAL first"),
            _ => (Severity::Warning, 0.0, "does not stream: its state is \"stopping\""),
        };
        let sentence = format!("standby a {sentence}");
        let figure = Figure { name: "standby_streaming", value, unit: Unit::Count, levels: None };
        let expected = Finding {
            name: "streaming",
            subject: Some("a".to_owned()),
            severity,
            sentence,
            figure: Some(figure),
        };
        assert_eq!(streaming, Some(&expected));
    }
}

#[test]
fn the_number_expected_is_of_standbys_that_stream() {
    let seen = |streaming: usize| {
        let mut rows = vec![row("s", "streaming", 9, Some(9)); streaming];
        rows.extend(
            STATES
                .map(|state| row("o", state, 9, None))
                .into_iter()
                .filter(|row| row.state != "streaming"),
        );
        primary(rows)
    };
    for (streaming, expected, severity, sentence) in [
        (0, None, Severity::None, "no standby streams from this server, and none is expected"),
        (0, Some(0), Severity::Ok, "standbys that stream: 0"),
        (0, Some(1), Severity::Critical, "standbys that stream: 0, where 1 are expected"),
        (1, None, Severity::Ok, "standbys that stream: 1"),
        (1, Some(2), Severity::Critical, "standbys that stream: 1, where 2 are expected"),
        (2, Some(2), Severity::Ok, "standbys that stream: 2"),
        (3, Some(2), Severity::Ok, "standbys that stream: 3"),
    ] {
        let expected = Expected { standbys: expected, ..Expected::default() };
        let findings = judge(&seen(streaming), &Thresholds::default(), &expected);
        let number = findings.iter().find(|finding| finding.name == "standbys").unwrap();
        assert_eq!((number.severity, number.sentence.as_str()), (severity, sentence));
        let figure = number.figure.as_ref().unwrap();
        let streaming = u32::try_from(streaming).unwrap();
        assert_eq!((figure.name, figure.value), ("standbys_streaming", f64::from(streaming)));
    }
}

/// Judges one standby in every state and every `sync_state` under both kinds of rules.
#[test]
fn a_standby_confirms_where_it_streams_as_sync_or_quorum() {
    for rule in ["FIRST 1 (a, b)", "ANY 1 (a, b)", "1 (a, b)", "a, b", "*"] {
        for state in STATES {
            for (sync_state, counts) in [
                ("sync", true),
                ("quorum", true),
                ("potential", false),
                ("async", false),
                ("", false),
            ] {
                let row = Replication {
                    sync_state: sync_state.to_owned(),
                    ..row("a", state, 9, Some(9))
                };
                let seen = Observation { synchronous: rule.to_owned(), ..primary(vec![row]) };
                let expected = match counts && state == "streaming" {
                    true => (Severity::Ok, Some(1.0)),
                    false => (Severity::Critical, Some(0.0)),
                };
                let case = format!("{rule}: {state:?}, {sync_state:?}");
                assert_eq!(judged(&seen, "synchronous"), expected, "{case}");
            }
        }
    }
}

#[test]
fn a_rule_needs_as_many_confirmations_as_its_number() {
    for (rule, sync_states, severity, sentence) in [
        (
            "FIRST 2 (a, b, c)",
            ["sync", "sync", "potential"],
            Severity::Ok,
            "2, where the rule requires 2",
        ),
        (
            "FIRST 2 (a, b, c)",
            ["sync", "potential", "async"],
            Severity::Critical,
            "1, where the rule requires 2: commits that need their confirmation wait",
        ),
        ("ANY 2 (a, b, c)", ["quorum"; 3], Severity::Ok, "3, where the rule requires 2"),
        ("ANY 3 (a, b, c)", ["quorum"; 3], Severity::Ok, "3, where the rule requires 3"),
        (
            "ANY 4 (a, b, c, d)",
            ["quorum"; 3],
            Severity::Critical,
            "3, where the rule requires 4: commits that need their confirmation wait",
        ),
        ("a", ["sync", "async", "async"], Severity::Ok, "1, where the rule requires 1"),
    ] {
        let rows = ["a", "b", "c"].into_iter().zip(sync_states).map(|(name, sync_state)| {
            let sync_state = sync_state.to_owned();
            Replication { sync_state, ..row(name, "streaming", 9, Some(9)) }
        });
        let seen = Observation { synchronous: rule.to_owned(), ..primary(rows.collect()) };
        let finding = one(&seen, "synchronous");
        assert_eq!(finding.severity, severity, "{rule}");
        assert_eq!(finding.sentence, format!("synchronous standbys that stream: {sentence}"));
    }
}

#[test]
fn a_standby_is_not_judged_by_a_rule_and_a_primary_without_one_has_none() {
    let replay = Replay { has_upstream: Some(true), ..Replay::default() };
    let seen = standby(replay.clone(), Some(streams(1)));
    let findings = all(&Observation { synchronous: "*".to_owned(), ..seen });
    assert!(findings.iter().all(|finding| finding.name != "synchronous"), "{findings:?}");
    for empty in ["", " "] {
        let seen = Observation { synchronous: empty.to_owned(), ..primary(Vec::new()) };
        let finding = one(&seen, "synchronous");
        assert_eq!((finding.severity, finding.figure), (Severity::None, None));
    }
}

/// A check of a value: the severity and the figure.
type Check<'a> = &'a dyn Fn(u64) -> (Severity, Option<f64>);

/// The thresholds of a check: INFO, WARNING and CRITICAL.
type Limits = (Option<u32>, u64, u64);

/// Judges a value at each threshold, one below and one above it.
#[test]
fn every_check_with_thresholds_applies_a_level_to_greater_values() {
    let lag = |bytes: u64| judged(&primary(vec![row("a", "streaming", bytes, Some(0))]), "lag");
    let replay_lag = |bytes: u64| {
        let replay = Replay {
            received: Some(Lsn::from(bytes)),
            replayed: Some(Lsn::from(0)),
            has_upstream: Some(true),
            ..Replay::default()
        };
        let receiver = Receiver { latest_end: None, ..streams(1) };
        judged(&standby(replay.clone(), Some(receiver)), "lag")
    };
    let retained = |bytes: u64| {
        let own_lsn = Some(Lsn::from(10 + bytes));
        let slots = vec![Slot { own_lsn, ..slot(true, "reserved") }];
        judged(&Observation { slots, ..primary(Vec::new()) }, "slot_retained")
    };
    let waiting = |files: u64| {
        let archiver = Some(archive(Some(files)));
        judged(&Observation { archiver, ..primary(Vec::new()) }, "archive_waiting")
    };
    let xmin = |age: u64| {
        let oldest_xmin = Some(("slot s1".to_owned(), age));
        judged(&Observation { oldest_xmin, ..primary(Vec::new()) }, "oldest_xmin")
    };
    let lags = (Some(1_000_000), 10_000_000, 100_000_000);
    let checks: [(&str, Check<'_>, Limits); 5] = [
        ("lag", &lag, lags),
        ("lag of a standby", &replay_lag, lags),
        ("slot_retained", &retained, (None, 1_000_000_000, 10_000_000_000)),
        ("archive_waiting", &waiting, (None, 10, 100)),
        ("oldest_xmin", &xmin, (None, 10_000_000, 100_000_000)),
    ];
    for (name, check, (info, warning, critical)) in checks {
        let before = if info.is_some() { Severity::Info } else { Severity::Ok };
        let mut cases = vec![
            (0, Severity::Ok),
            (warning - 1, before),
            (warning, before),
            (warning + 1, Severity::Warning),
            (critical - 1, Severity::Warning),
            (critical, Severity::Warning),
            (critical + 1, Severity::Critical),
        ];
        if let Some(info) = info.map(u64::from) {
            cases.extend([
                (info - 1, Severity::Ok),
                (info, Severity::Ok),
                (info + 1, Severity::Info),
            ]);
        }
        for (value, severity) in cases {
            #[expect(clippy::cast_precision_loss, reason = "no threshold is above two to the 53")]
            let figure = Some(value as f64);
            assert_eq!(check(value), (severity, figure), "{name} of {value}");
        }
    }
}

#[test]
fn a_sentence_names_the_level_that_its_value_is_above() {
    let seen = |own: u64| Observation {
        slots: vec![Slot { own_lsn: Some(Lsn::from(own)), ..slot(true, "reserved") }],
        ..primary(vec![row("a", "streaming", own, Some(10))])
    };
    for (own, lag, retained) in [
        (1_000_010, "1 MB behind", "1 MB of WAL"),
        (2_000_010, "2 MB behind, above the INFO level of 1 MB", "2 MB of WAL"),
        (20_000_010, "20 MB behind, above the WARNING level of 10 MB", "20 MB of WAL"),
        (
            2_000_000_010,
            "2 GB behind, above the CRITICAL level of 100 MB",
            "2 GB of WAL, above the WARNING level of 1 GB",
        ),
        (
            20_000_000_010,
            "20 GB behind, above the CRITICAL level of 100 MB",
            "20 GB of WAL, above the CRITICAL level of 10 GB",
        ),
    ] {
        assert_eq!(one(&seen(own), "lag").sentence, format!("standby a is {lag}"));
        let sentence = one(&seen(own), "slot_retained").sentence;
        assert_eq!(sentence, format!("slot s1 retains {retained}"));
    }
    let archiver = Some(archive(Some(11)));
    let seen = Observation { archiver, ..primary(Vec::new()) };
    let sentence = "WAL files that wait to be archived: 11, above the WARNING level of 10";
    assert_eq!(one(&seen, "archive_waiting").sentence, sentence);
    let replay = Replay { received: Some(Lsn::from(90)), ..Replay::default() };
    let seen = standby(Replay { replayed: Some(Lsn::from(20)), ..replay.clone() }, None);
    assert_eq!(one(&seen, "lag").sentence, "this standby is 70 B behind");
    assert_eq!(one(&seen, "lag").figure.unwrap().name, "replay_lag");
}

#[test]
fn a_slot_is_judged_by_its_use_its_wal_and_what_it_retains() {
    let active = |active, synced, severity, state: &str| {
        let slots = vec![Slot { synced, ..slot(active, "reserved") }];
        let finding = one(&Observation { slots, ..primary(Vec::new()) }, "slot_active");
        assert_eq!((finding.severity, finding.sentence), (severity, format!("slot s1 {state}")));
        assert_eq!(finding.subject.as_deref(), Some("s1"));
        let value = if active { 1.0 } else { 0.0 };
        let figure = Figure { name: "slot_active", value, unit: Unit::Count, levels: None };
        assert_eq!(finding.figure, Some(figure));
    };
    active(true, false, Severity::Ok, "is active");
    active(true, true, Severity::Ok, "is active");
    active(false, true, Severity::Ok, "is synchronized from the primary");
    active(false, false, Severity::Warning, "is inactive");
    for (status, severity, means) in [
        ("reserved", Severity::Ok, "the WAL that it retains is available"),
        ("extended", Severity::Ok, "the WAL that it retains is available"),
        ("unreserved", Severity::Critical, "the next checkpoint may remove WAL that it retains"),
        (
            "lost",
            Severity::Critical,
            "its standby must be rebuilt or fed from a WAL archive; then create it again",
        ),
    ] {
        let seen = Observation { slots: vec![slot(true, status)], ..primary(Vec::new()) };
        let finding = one(&seen, "slot_wal");
        assert_eq!(finding.severity, severity);
        assert_eq!(finding.sentence, format!("slot s1 is {status}: {means}"));
        let retained = if status == "lost" { 0.0 } else { 20.0 };
        assert_eq!(judged(&seen, "slot_retained"), (Severity::Ok, Some(retained)));
    }
    let unused = Slot { wal_status: None, restart_lsn: None, ..slot(true, "reserved") };
    let findings = all(&Observation { slots: vec![unused], ..primary(Vec::new()) });
    let of_slots = findings.iter().filter(|finding| finding.name.starts_with("slot"));
    let severities: Vec<_> = of_slots.map(|finding| (finding.name, finding.severity)).collect();
    let expected = [Severity::Ok, Severity::None, Severity::Ok];
    assert_eq!(
        severities,
        ["slot_active", "slot_wal", "slot_retained"].into_iter().zip(expected).collect::<Vec<_>>()
    );
}

#[test]
fn an_archiver_that_fails_has_the_figure_1() {
    let seen = |failing, waiting| Observation {
        archiver: Some(Archiver { failing, ..archive(waiting) }),
        ..primary(Vec::new())
    };
    assert_eq!(judged(&seen(true, None), "archiver"), (Severity::Warning, Some(1.0)));
    assert_eq!(judged(&seen(false, None), "archiver"), (Severity::Ok, Some(0.0)));
    let of_archive = |seen: &Observation| {
        let findings = all(seen);
        findings.iter().filter(|finding| finding.name.starts_with("archive")).count()
    };
    assert_eq!(of_archive(&seen(false, None)), 3);
    assert_eq!(of_archive(&seen(false, Some(0))), 3);
    let sentence = "the last attempt to archive a WAL file failed";
    assert_eq!(one(&seen(true, None), "archiver").sentence, sentence);
    let sentence = "no attempt to archive has failed since the last success";
    assert_eq!(one(&seen(false, None), "archiver").sentence, sentence);
}

/// A silence as long as the limit is not too long; without a timeout there is no limit.
#[test]
fn a_walreceiver_is_silent_for_too_long_above_its_timeout() {
    let replay = Replay { has_upstream: Some(true), ..Replay::default() };
    let millis = Duration::from_millis;
    for (timeout, silence, severity) in [
        (10_000, 9_999, Severity::Ok),
        (10_000, 10_000, Severity::Ok),
        (10_000, 10_001, Severity::Critical),
        (90_000, 90_000, Severity::Ok),
        (0, 59_999, Severity::Ok),
        (0, 60_000, Severity::Ok),
        (0, 60_001, Severity::Ok),
        (0, 3_600_000, Severity::Ok),
    ] {
        let (timeout, silence) = (millis(timeout), millis(silence));
        let receiver = Receiver { silence: Some(silence), timeout, ..streams(0) };
        let seen = standby(replay.clone(), Some(receiver));
        let figure = Some(silence.as_secs_f64());
        assert_eq!(judged(&seen, "receiver"), (severity, figure), "{silence:?} of {timeout:?}");
    }
    let silent = Receiver { silence: Some(millis(61_250)), ..streams(0) };
    let finding = one(&standby(replay.clone(), Some(silent)), "receiver");
    assert_eq!(finding.sentence, "the walreceiver has received no message for 61.2 s");
    let figure = finding.figure.unwrap();
    assert_eq!((figure.name, figure.unit), ("receiver_silence", Unit::Seconds));
    let unheard = Receiver { silence: None, ..streams(0) };
    assert_eq!(
        judged(&standby(replay.clone(), Some(unheard)), "receiver"),
        (Severity::Unknown, None)
    );
}

#[test]
fn a_walreceiver_that_does_not_stream_is_critical_however_short_its_silence() {
    let replay = Replay { has_upstream: Some(true), ..Replay::default() };
    for status in ["stopped", "starting", "waiting", "restarting", "stopping", ""] {
        for silence in [0, 61] {
            let receiver = Receiver { status: status.to_owned(), ..streams(silence) };
            let finding = one(&standby(replay.clone(), Some(receiver)), "receiver");
            let sentence = format!("the walreceiver does not stream: its status is {status:?}");
            assert_eq!((finding.severity, finding.sentence), (Severity::Critical, sentence));
        }
    }
    let without = |has_upstream| {
        let finding = one(&standby(Replay { has_upstream, ..replay.clone() }, None), "receiver");
        (finding.severity, finding.sentence)
    };
    let (severity, sentence) = without(Some(true));
    assert_eq!(severity, Severity::Critical);
    assert!(sentence.starts_with("no walreceiver runs"), "{sentence}");
    let (severity, sentence) = without(Some(false));
    assert_eq!(severity, Severity::Info);
    assert!(sentence.starts_with("primary_conninfo is empty"), "{sentence}");
    let findings = all(&primary(Vec::new()));
    assert!(findings.iter().all(|finding| finding.name != "receiver"), "{findings:?}");
}

#[test]
fn replay_that_is_paused_has_the_figure_1() {
    let seen = |paused| standby(Replay { paused, ..Replay::default() }, None);
    assert_eq!(judged(&seen(true), "replay_paused"), (Severity::Warning, Some(1.0)));
    assert_eq!(judged(&seen(false), "replay_paused"), (Severity::Ok, Some(0.0)));
    assert_eq!(one(&seen(true), "replay_paused").sentence, "replay is paused");
    assert_eq!(one(&seen(false), "replay_paused").sentence, "replay is not paused");
}

#[test]
fn a_role_is_judged_only_where_one_is_expected() {
    let seen = |in_recovery, timeline: Option<u32>| Observation {
        in_recovery,
        timeline: timeline.map(Timeline),
        ..primary(Vec::new())
    };
    for (seen, expected, severity, sentence, figure) in [
        (seen(false, Some(3)), None, Severity::Ok, "a primary on timeline 3", 0.0),
        (seen(true, Some(2)), None, Severity::Ok, "a standby on timeline 2", 1.0),
        (seen(false, None), Some(false), Severity::Ok, "a primary", 0.0),
        (seen(true, None), Some(true), Severity::Ok, "a standby", 1.0),
        (
            seen(false, Some(3)),
            Some(true),
            Severity::Critical,
            "a primary on timeline 3, where a standby is expected",
            0.0,
        ),
        (
            seen(true, None),
            Some(false),
            Severity::Critical,
            "a standby, where a primary is expected",
            1.0,
        ),
    ] {
        let expected = Expected { in_recovery: expected, ..Expected::default() };
        let findings = judge(&seen, &Thresholds::default(), &expected);
        let role = findings.iter().find(|finding| finding.name == "role").unwrap();
        assert_eq!((role.severity, role.sentence.as_str()), (severity, sentence));
        let is_replica = role.figure.as_ref().map(|figure| (figure.name, figure.value));
        assert_eq!(is_replica, Some(("is_replica", figure)));
    }
}

#[test]
fn nothing_that_holds_back_vacuum_is_an_age_of_0() {
    let finding = one(&primary(Vec::new()), "oldest_xmin");
    assert_eq!(finding.sentence, "no session, slot or prepared transaction holds back vacuum");
    let figure = finding.figure.unwrap();
    assert_eq!((finding.severity, figure.unit), (Severity::Ok, Unit::Transactions));
    assert_eq!((figure.value, figure.levels), (0.0, Some(Thresholds::default().oldest_xmin)));
}

#[test]
fn the_worst_severity_is_the_greatest_wherever_it_stands() {
    let worst_of = |severities: &[Severity]| {
        let finding = |severity: &Severity| Finding::new("a", *severity, "so");
        worst(&severities.iter().map(finding).collect::<Vec<_>>())
    };
    let ascending = [
        (Severity::None, "NONE"),
        (Severity::Ok, "OK"),
        (Severity::Info, "INFO"),
        (Severity::Unknown, "UNKNOWN"),
        (Severity::Warning, "WARNING"),
        (Severity::Critical, "CRITICAL"),
    ];
    assert_eq!(worst_of(&[]), Severity::Unknown);
    for pair in ascending.windows(2) {
        let [(less, _), (greater, _)] = pair else { panic!("{pair:?}") };
        assert_eq!(worst_of(&[*less, *greater, *less]), *greater);
    }
    for (severity, word) in ascending {
        assert_eq!(severity.to_string(), word);
    }
}
