//! The kinds of fault that a judge can have, each brought about as rows: a client taken for a standby, a
//! commit that hangs, a null, a time, a slot that PostgreSQL no longer counts.

use pretty_assertions::assert_eq;

use super::*;
use crate::health::Pattern;

const SECOND: Duration = Duration::from_secs(1);

fn subscriber() -> Replication {
    Replication { logical: true, ..row("sub", "streaming", 9, Some(9)) }
}

/// A program that receives WAL: it reports what it has written, and no replay.
fn receiver(name: &str) -> Replication {
    Replication { replay_lsn: None, flush_lsn: None, ..row(name, "streaming", 90, Some(40)) }
}

/// A client that has reported nothing.
fn unreported(name: &str) -> Replication {
    let row = row(name, "streaming", 9, None);
    Replication { sent_lsn: Some(Lsn::from(9)), ..row }
}

fn judged_with(seen: &Observation, expected: &Expected) -> Vec<(&'static str, Severity)> {
    alerts(&judge(seen, &Thresholds::default(), expected))
}

/// Every client that is no standby, on a server whose standby is gone: the number expected is missed, and
/// nothing else is above INFO.
#[test]
fn no_other_client_counts_as_a_standby() {
    let one_standby = expected(None, Some(1));
    for (client, said) in [
        (row("pg_basebackup", "backup", 9, None), Severity::Ok),
        (receiver("pg_basebackup"), Severity::Ok),
        (receiver("barman_receive_wal"), Severity::Ok),
        (unreported("pg_receivewal"), Severity::Ok),
        (subscriber(), Severity::Ok),
        (row("psql", "startup", 9, None), Severity::Info),
        (row("diverged", "startup", 9, Some(9)), Severity::Info),
    ] {
        let seen = primary(vec![client.clone()]);
        let findings = judge(&seen, &Thresholds::default(), &one_standby);
        let of = |name: &str| findings.iter().find(|finding| finding.name == name);
        assert_eq!(of("standbys").map(|one| one.severity), Some(Severity::Critical), "{client:?}");
        assert_eq!(of("client").map(|one| one.severity), Some(said), "{client:?}");
        assert!(of("lag").is_none() && of("streaming").is_none(), "{findings:?}");
        assert!(worst(&all(&seen)) <= Severity::Info, "{client:?}");
    }
    let seen = primary(vec![receiver("a")]);
    assert_eq!(judged(&seen, "client"), (Severity::Ok, Some(50.0)));
}

/// A client that has reported no position may be a standby, or not: neither OK nor CRITICAL is so.
#[test]
fn a_client_without_a_position_is_unknown() {
    let seen = primary(vec![unreported("a")]);
    let unknown = |name| (name, Severity::Unknown);
    let of_lag = ["flush", "lag", "lag_time"].map(unknown);
    assert_eq!(alerts(&all(&seen)), of_lag);
    let mut alerts = of_lag.to_vec();
    alerts.push(unknown("standbys"));
    assert_eq!(judged_with(&seen, &expected(None, Some(1))), alerts);
    let critical = judged_with(&seen, &expected(None, Some(2)));
    assert!(critical.contains(&("standbys", Severity::Critical)), "{critical:?}");
    let named = Expected { named: vec!["a".to_owned()], ..Expected::default() };
    assert!(judged_with(&seen, &named).contains(&unknown("expected_standby")));
}

#[test]
fn each_standby_that_is_named_and_missing_is_named() {
    let seen = primary(vec![
        row("a", "streaming", 9, Some(9)),
        row("b", "startup", 9, None),
        receiver("c"),
        row("d", "catchup", 9, Some(9)),
    ]);
    let named = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
    let expected = Expected { named, ..Expected::default() };
    let findings = judge(&seen, &Thresholds::default(), &expected);
    let said = findings.iter().filter(|finding| finding.name == "expected_standby");
    let said: Vec<_> = said.map(|one| (one.sentence.as_str(), one.severity)).collect();
    let missing = |name: &str| format!("standby {name} is expected, and does not stream");
    let missing = ["b", "c", "d", "e"].map(missing);
    assert_eq!(said[0], ("standby a streams, as expected", Severity::Ok));
    let rest = missing.iter().map(|one| (one.as_str(), Severity::Critical));
    assert_eq!(said[1..], rest.collect::<Vec<_>>());
}

#[test]
fn what_is_excluded_is_neither_judged_nor_counted() {
    let pattern = |text| vec![Pattern::new(text)];
    let seen = Observation {
        slots: vec![
            slot(false, "lost"),
            Slot { slot_name: "t1".to_owned(), ..slot(true, "reserved") },
        ],
        ..primary(vec![row("a", "streaming", 900_000_000, Some(9))])
    };
    let out = Expected {
        standbys: Some(1),
        excluded_standbys: pattern("a*"),
        excluded_slots: pattern("s?"),
        ..Expected::default()
    };
    assert_eq!(judged_with(&seen, &out), [("standbys", Severity::Critical)]);
    let every = Expected { excluded_slots: pattern("*"), ..Expected::default() };
    let findings = judge(&seen, &Thresholds::default(), &every);
    let sentence = "the replication slots of this server are excluded: 2";
    assert!(findings.iter().any(|one| one.sentence == sentence), "{findings:?}");
}

/// A synchronous standby at 90 of 90 that has replayed `replayed` of it, and heard of for `silent`.
fn synchronous(level: &str, replayed: Option<u64>, waits: Option<Duration>) -> Observation {
    let standby = Replication {
        replay_lsn: replayed.map(Lsn::from),
        replay_lag: Some(SECOND * 2),
        since_reply: Some(SECOND * 6),
        sync_state: "sync".to_owned(),
        ..row("a", "streaming", 90, Some(90))
    };
    Observation {
        synchronous: "a".to_owned(),
        commits: Commits {
            level: level.to_owned(),
            sessions: u64::from(waits.is_some()),
            longest: waits,
        },
        ..primary(vec![standby])
    }
}

/// Replay stands still on the synchronous standby: who waits for it follows from the level.
#[test]
fn commits_wait_for_the_position_of_their_level() {
    for (level, replayed, waits, synchronous_is, wait) in [
        ("on", Some(40), None, Severity::Ok, Some(0.0)),
        ("remote_write", Some(40), None, Severity::Ok, Some(0.0)),
        ("remote_apply", Some(90), None, Severity::Ok, Some(0.0)),
        ("remote_apply", Some(40), None, Severity::Ok, Some(8.0)),
        // A program that replays nothing can be synchronous, and never confirms a replay.
        ("remote_apply", None, Some(SECOND * 3), Severity::Critical, Some(3.0)),
        ("on", None, None, Severity::Ok, Some(0.0)),
        // A session has set remote_apply for itself.
        ("on", Some(40), Some(SECOND * 3), Severity::Ok, Some(3.0)),
        ("local", Some(40), Some(SECOND * 3), Severity::Ok, Some(3.0)),
        // A statement that ran for an hour, and began to wait now.
        ("on", Some(90), Some(SECOND * 3600), Severity::Ok, Some(0.0)),
        ("remote_apply", Some(40), Some(SECOND * 3600), Severity::Ok, Some(8.0)),
    ] {
        let seen = synchronous(level, replayed, waits);
        let case = format!("{level} {replayed:?} {waits:?}");
        assert_eq!(one(&seen, "synchronous").severity, synchronous_is, "{case}");
        assert_eq!(judged(&seen, "commit_wait").1, wait, "{case}");
    }
    let hangs = synchronous("remote_apply", Some(40), Some(SECOND * 9));
    assert_eq!(alerts(&all(&hangs)), [("commit_wait", Severity::Critical)]);
    let sentence = "WAL waits to be replayed on synchronous standbys for 8.0 s, above the CRITICAL level of \
                    5 s; sessions that wait for SyncRep: 1, the longest for 8.0 s";
    assert_eq!(one(&hangs, "commit_wait").sentence, sentence);
}

#[test]
fn where_commits_wait_for_nothing_a_missing_standby_is_no_alert() {
    for level in ["local", "off"] {
        let seen = Observation {
            standbys: Vec::new(),
            synchronous: "missing".to_owned(),
            ..synchronous(level, None, None)
        };
        assert_eq!(alerts(&all(&seen)), [("synchronous", Severity::Info)], "{level}");
        let waits = Commits { sessions: 1, longest: Some(SECOND * 9), ..seen.commits.clone() };
        let critical = [("synchronous", Severity::Critical), ("commit_wait", Severity::Critical)];
        assert_eq!(alerts(&all(&Observation { commits: waits, ..seen })), critical, "{level}");
    }
}

#[test]
fn with_a_quorum_the_fastest_standbys_decide() {
    let slow = |name: &str, lag: u32| Replication {
        flush_lsn: Some(Lsn::from(40)),
        flush_lag: Some(SECOND * lag),
        sync_state: "quorum".to_owned(),
        ..row(name, "streaming", 90, Some(90))
    };
    let rows = vec![slow("a", 2), slow("b", 4), slow("c", 9)];
    for (needed, seconds) in [(1, 2.0), (2, 4.0), (3, 9.0)] {
        let synchronous = format!("ANY {needed} (a, b, c)");
        let seen = Observation { synchronous, ..primary(rows.clone()) };
        assert_eq!(judged(&seen, "commit_wait").1, Some(seconds));
    }
}

/// The time of a lag: from the report and from the silence after it, and none where nothing waits.
#[test]
fn a_standby_is_late_by_its_last_report_and_the_silence_since() {
    let late = |replayed, lag, silence, timeout| {
        let row = Replication {
            replay_lag: lag,
            since_reply: Some(silence),
            ..row("a", "streaming", 90, Some(replayed))
        };
        let seen = Observation { sender_timeout: timeout, ..primary(vec![row]) };
        judged(&seen, "lag_time")
    };
    let zero = Duration::ZERO;
    let hour = SECOND * 3600;
    // An idle primary: nothing waits, however old the last report is.
    assert_eq!(late(90, Some(hour), hour, zero), (Severity::Ok, Some(0.0)));
    assert_eq!(late(89, Some(SECOND * 20), SECOND * 10, zero), (Severity::Ok, Some(30.0)));
    assert_eq!(late(89, Some(SECOND * 20), SECOND * 11, zero), (Severity::Warning, Some(31.0)));
    // A standby that has not replied, where wal_sender_timeout is off.
    assert_eq!(late(89, None, hour, zero), (Severity::Critical, Some(3600.0)));
    // With a timeout a longer silence comes from clocks that differ.
    assert_eq!(late(89, None, hour, SECOND * 20), (Severity::Ok, Some(20.0)));
}

#[test]
fn a_delay_on_purpose_is_told_and_no_alert() {
    let delayed = |lag: Duration| Replication {
        replay_lag: Some(lag),
        flush_lsn: Some(Lsn::from(500_000_000)),
        ..row("a", "streaming", 500_000_000, Some(9))
    };
    let expected =
        Expected { delayed: vec![("a".to_owned(), SECOND * 3600)], ..Expected::default() };
    let on_time = primary(vec![delayed(SECOND * 3610)]);
    assert_eq!(judged_with(&on_time, &expected), []);
    let critical = [("lag", Severity::Critical), ("lag_time", Severity::Critical)];
    assert_eq!(alerts(&all(&on_time)), critical);
    let late = primary(vec![delayed(SECOND * 3950)]);
    assert_eq!(judged_with(&late, &expected), critical);
}

/// A standby that has replayed 40 of 50, and the last transaction an hour ago.
fn behind(waits_for: Option<&str>) -> Replay {
    Replay {
        received: Some(Lsn::from(50)),
        replayed: Some(Lsn::from(40)),
        has_upstream: Some(true),
        waits_for: waits_for.map(str::to_owned),
        since_transaction: Some(SECOND * 3600),
        ..Replay::default()
    }
}

#[test]
fn replay_that_stands_still_is_late_and_replay_that_goes_on_is_not() {
    let late = |replay: Replay| judged(&standby(replay, Some(streams(1))), "lag_time");
    let still = (Severity::Critical, Some(3600.0));
    for event in ["RecoveryPause", "RecoveryConflictSnapshot", "BufferPin", "relation"] {
        assert_eq!(late(behind(Some(event))), still, "{event}");
    }
    assert_eq!(late(Replay { paused: true, ..behind(None) }), still);
    // The first WAL after an idle hour is being replayed.
    for event in [None, Some("DataFileRead"), Some("RecoveryWalStream")] {
        assert_eq!(late(behind(event)), (Severity::Ok, Some(0.0)), "{event:?}");
    }
    let idle = Replay { replayed: Some(Lsn::from(50)), ..behind(None) };
    assert_eq!(late(idle), (Severity::Ok, Some(0.0)));
    // Before the first transaction only the newest WAL has an age.
    let early = Replay { since_transaction: None, ..behind(Some("RecoveryPause")) };
    assert_eq!(late(early.clone()), (Severity::Ok, Some(0.0)));
    let unknown = Receiver { since_end: None, ..streams(1) };
    assert_eq!(judged(&standby(early, Some(unknown)), "lag_time"), (Severity::Unknown, None));
}

#[test]
fn the_delay_of_a_standby_explains_its_lag() {
    let seen = |replay: Replay| {
        let receiver = Receiver { latest_end: Some(Lsn::from(900_000_000)), ..streams(1) };
        alerts(&all(&standby(replay, Some(receiver))))
    };
    let delayed = Replay { delay: SECOND * 60, ..behind(Some("RecoveryApplyDelay")) };
    assert_eq!(seen(delayed.clone()), []);
    let stuck = Replay { waits_for: Some("RecoveryConflictLock".to_owned()), ..delayed.clone() };
    let critical = vec![("lag", Severity::Critical), ("lag_time", Severity::Critical)];
    assert_eq!(seen(stuck), critical);
    assert_eq!(seen(Replay { delay: Duration::ZERO, ..delayed.clone() }), critical);
    let paused = seen(Replay { paused: true, ..delayed });
    assert!(paused.contains(&("lag_time", Severity::Critical)), "{paused:?}");
}

/// A standby that is fed from an archive has received nothing: its position is what it has replayed.
#[test]
fn an_archive_that_may_have_dried_up_is_unknown_without_the_primary() {
    let fed = |age: Option<Duration>| Replay {
        received: None,
        replayed: Some(Lsn::from(40)),
        has_upstream: Some(false),
        since_transaction: age,
        ..Replay::default()
    };
    let severity = |age| one(&standby(fed(age), None), "archive_feed").severity;
    assert_eq!(severity(Some(SECOND)), Severity::Ok);
    assert_eq!(severity(Some(SECOND * 31)), Severity::Info);
    assert_eq!(severity(Some(SECOND * 301)), Severity::Unknown);
    assert_eq!(severity(None), Severity::Unknown);
    let seen = standby(fed(Some(SECOND * 301)), None);
    assert_eq!(judged(&seen, "lag"), (Severity::Ok, Some(0.0)));
    // Measured against the primary, the lag is certain.
    let known = Observation { upstream: Some(Lsn::from(20_000_040)), ..seen };
    assert_eq!(judged(&known, "lag"), (Severity::Warning, Some(20_000_000.0)));
    assert_eq!(judged(&known, "lag_time"), (Severity::Critical, Some(301.0)));
}

#[test]
fn a_null_is_unknown_and_no_check_vanishes() {
    let nothing =
        standby(Replay { has_upstream: Some(true), ..Replay::default() }, Some(streams(1)));
    let unknown = [("lag", Severity::Unknown), ("lag_time", Severity::Unknown)];
    assert_eq!(alerts(&all(&nothing)), unknown);
    let unseen = standby(Replay { has_upstream: None, ..behind(None) }, None);
    assert_eq!(one(&unseen, "receiver").severity, Severity::Unknown);
    let nowhere = Slot { own_lsn: None, ..slot(true, "reserved") };
    let seen = Observation { slots: vec![nowhere], ..primary(Vec::new()) };
    assert_eq!(judged(&seen, "slot_retained"), (Severity::Unknown, None));
}

#[test]
fn a_slot_that_postgresql_no_longer_counts_is_shown_once_with_its_cause() {
    let gone = |slot: Slot| {
        let seen = Observation { slots: vec![slot], ..primary(Vec::new()) };
        assert_eq!(judged(&seen, "slot_retained"), (Severity::Ok, Some(0.0)));
        assert_eq!(alerts(&all(&seen)), [("slot_wal", Severity::Critical)]);
        one(&seen, "slot_wal").sentence
    };
    let idle = Slot { invalidation: Some("idle_timeout".to_owned()), ..slot(false, "lost") };
    let sentence = "slot s1 is invalid (idle_timeout): its standby must be rebuilt or fed from a WAL archive; \
                    then create it again";
    assert_eq!(gone(idle.clone()), sentence);
    let logical = Slot { logical: true, ..idle };
    let again = "create it again, and copy the data of its subscriber again";
    assert_eq!(gone(logical), format!("slot s1 is invalid (idle_timeout): {again}"));
    assert_eq!(
        gone(Slot { logical: true, ..slot(false, "lost") }),
        format!("slot s1 is lost: {again}")
    );
}

#[test]
fn an_inactive_slot_is_a_warning_only_where_it_holds_something_back() {
    let physical = slot(false, "reserved");
    let unused = Slot { restart_lsn: None, wal_status: None, ..physical.clone() };
    let logical = Slot { logical: true, ..physical.clone() };
    for (slot, in_recovery, severity) in [
        (&physical, false, Severity::Warning),
        (&physical, true, Severity::Ok),
        (&unused, false, Severity::Ok),
        (&logical, false, Severity::Warning),
        (&logical, true, Severity::Warning),
    ] {
        let seen = Observation { in_recovery, slots: vec![slot.clone()], ..primary(Vec::new()) };
        assert_eq!(one(&seen, "slot_active").severity, severity, "{slot:?} {in_recovery}");
    }
}

#[test]
fn what_is_left_of_the_limit_of_a_slot_is_judged() {
    for (safe, used, severity) in [
        (Some(80), Some(20.0), Severity::Ok),
        (Some(5), Some(80.0), Severity::Ok),
        (Some(4), Some(83.0), Severity::Warning),
        (Some(1), Some(95.0), Severity::Warning),
        (Some(0), Some(100.0), Severity::Critical),
        (Some(-9), Some(100.0), Severity::Critical),
    ] {
        let slots = vec![Slot { safe_wal_size: safe, ..slot(true, "extended") }];
        let seen = Observation { slots, ..primary(Vec::new()) };
        assert_eq!(judged(&seen, "slot_used"), (severity, used), "{safe:?}");
    }
    let findings = all(&Observation { slots: vec![slot(true, "reserved")], ..primary(Vec::new()) });
    assert!(
        findings.iter().all(|one| one.name != "slot_used"),
        "without a limit nothing is used up"
    );
}

#[test]
fn a_copy_of_a_slot_is_ready_once_it_is_no_longer_temporary_and_is_valid() {
    let copy = Slot { synced: true, logical: true, ..slot(false, "reserved") };
    for (copy, severity) in [
        (copy.clone(), Severity::Ok),
        (Slot { temporary: true, ..copy.clone() }, Severity::Warning),
        (Slot { invalidation: Some("rows_removed".to_owned()), ..copy }, Severity::Warning),
    ] {
        let seen = Observation { slots: vec![copy.clone()], ..primary(Vec::new()) };
        assert_eq!(one(&seen, "slot_ready").severity, severity, "{copy:?}");
    }
}

#[test]
fn a_subscription_that_does_not_apply_is_a_warning_with_its_errors() {
    let of = |enabled, applies, errors| {
        let name = "sub".to_owned();
        let subscriptions = vec![Subscription { name, enabled, applies, errors }];
        let finding = one(&Observation { subscriptions, ..primary(Vec::new()) }, "subscription");
        (finding.severity, finding.sentence)
    };
    let sentence = |end: &str| format!("subscription sub {end}");
    assert_eq!(of(true, true, Some(0)), (Severity::Ok, sentence("applies changes")));
    assert_eq!(of(false, false, None), (Severity::Warning, sentence("is disabled")));
    let fails = "is enabled, and no worker applies its changes: see the log; errors while applying, since the \
                 statistics were reset: 7";
    assert_eq!(of(true, false, Some(7)), (Severity::Warning, sentence(fails)));
}

#[test]
fn a_failover_that_cannot_work_is_a_warning_with_its_cause() {
    let seen = |slot_sync, standby_slots| {
        alerts(&all(&Observation { slot_sync, standby_slots, ..primary(Vec::new()) }))
    };
    let cause = |text: &str| Some(vec![text.to_owned()]);
    assert_eq!(seen(None, None), []);
    assert_eq!(seen(Some(Vec::new()), Some(Vec::new())), []);
    let sync = cause("hot_standby_feedback is off");
    assert_eq!(seen(sync, None), [("slot_sync", Severity::Warning)]);
    let slots = cause("there is no slot s1");
    assert_eq!(seen(None, slots), [("standby_slots", Severity::Warning)]);
}

#[test]
fn an_archive_command_that_hangs_or_is_empty_is_a_warning() {
    let seen =
        |archiver| alerts(&all(&Observation { archiver: Some(archiver), ..primary(Vec::new()) }));
    let hangs = |seconds| Archiver { oldest: Some(SECOND * seconds), ..archive(Some(1)) };
    assert_eq!(seen(hangs(60)), []);
    assert_eq!(seen(hangs(61)), [("archive_age", Severity::Warning)]);
    assert_eq!(seen(hangs(601)), [("archive_age", Severity::Critical)]);
    let empty = Archiver { has_no_command: true, ..archive(Some(1)) };
    assert_eq!(seen(empty), [("archiver", Severity::Warning)]);
}

#[test]
fn an_old_transaction_is_named_with_its_age() {
    let seen = Observation {
        oldest_transaction: Some(("client backend 7".to_owned(), SECOND * 21_601)),
        oldest_prepared: Some(("transfer".to_owned(), SECOND * 301)),
        ..primary(Vec::new())
    };
    let alert = |name| (name, Severity::Warning);
    assert_eq!(alerts(&all(&seen)), ["oldest_transaction", "oldest_prepared"].map(alert));
    let sentence = "the oldest prepared transaction is 301.0 s old (transfer), above the WARNING level of 300 s";
    assert_eq!(one(&seen, "oldest_prepared").sentence, sentence);
}
