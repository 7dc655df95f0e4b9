//! Runs and tables from small records: which run the journal shows, its values by name, and every table
//! of the workbook. The harness renders a whole report.

use std::time::Duration;

use pretty_assertions::assert_eq;

use super::run::{Outcome, Run, date};
use super::runs::Runs;
use super::workbook::Workbook;
use super::{lines, tables};
use crate::record::event::{self, Begin, Entry, Event};
use crate::record::fact::Fact;
use crate::record::reading::Reading;

/// Returns the file of a record and its text: an event every second, from 0 s on.
fn record(begin: Begin, events: Vec<Event>) -> (String, String) {
    let page = begin.page.clone();
    let events = std::iter::once(Event::Begin(begin)).chain(events);
    let line = |(index, event): (u64, Event)| {
        let entry = serde_json::to_string(&Entry::new(1_000 * index, event));
        entry.unwrap_or_else(|error| panic!("{error}")) + "\n"
    };
    (page, (0..).zip(events).map(line).collect())
}

fn run(begin: Begin, events: Vec<Event>) -> Run {
    let (file, text) = record(begin, events);
    Run::read(&file, &text).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the head of a record of a run that had no others beside it.
fn begin(page: &str) -> Begin {
    Begin::new(page, "17.5").at("local", "Linux").alone(true).started(100)
}

fn step(title: &str) -> Event {
    Event::Step { title: title.to_owned() }
}

fn fact(name: &str, value: impl Into<Fact>) -> Event {
    Event::Fact { name: name.to_owned(), value: value.into() }
}

fn measure(name: &str, reading: Reading, key: bool) -> Event {
    Event::Measure { name: name.to_owned(), reading, key }
}

fn learn(sentence: &str, because: &[&str]) -> Event {
    let because = because.iter().map(|name| (*name).to_owned()).collect();
    Event::Learn { sentence: sentence.to_owned(), because }
}

fn passed() -> Event {
    Event::End(event::Outcome::Passed)
}

fn failed() -> Event {
    Event::End(event::Outcome::Failed)
}

/// Returns the events of three steps with repeated names, of which the first, the last and the greatest
/// values differ.
fn three_steps() -> Vec<Event> {
    let ready = Event::Ready { server_version: "17.5 (Debian)".to_owned() };
    vec![
        Event::Provision { topology: "primary ← a (slot a), asynchronous".to_owned() },
        ready,
        step("One"),
        fact("rows", 2_u64),
        measure("took", Reading::Micros(4_000), true),
        step("Two"),
        fact("rows", 9_u64),
        fact("rows", 9_u64),
        measure("took", Reading::Micros(8_000), false),
        Event::Sql { node: "primary".to_owned(), text: "SELECT pg_promote()".to_owned() },
        step("Three"),
        fact("name", "b"),
        fact("rows", 3_u64),
        measure("took", Reading::Micros(6_000), true),
        learn("It holds.", &["rows", "name", "rows"]),
    ]
}

fn with_end(mut events: Vec<Event>, end: Event) -> Vec<Event> {
    events.push(end);
    events
}

#[test]
fn a_run_has_the_values_of_its_record() {
    let run = run(begin("scenario_04_manual_failover@promote"), with_end(three_steps(), passed()));
    assert_eq!((run.exercise().as_str(), run.major(), run.passed()), ("04@promote", 17, true));
    assert_eq!((run.took(), run.ended()), (Duration::from_secs(16), 116));
    assert_eq!(run.status(), "passed");
    assert_eq!(run.steps().collect::<Vec<_>>(), ["One", "Two", "Three"]);
    let rows = [2, 9, 3].map(Fact::Count);
    assert_eq!(run.facts("rows"), rows.iter().collect::<Vec<_>>());
    let names: Vec<_> = run.fact_names().collect();
    assert_eq!(names, ["rows", "rows", "rows", "name", "rows"]);
    let measured = run.measured().map(|one| (one.at.as_secs(), one.step, one.name, one.key));
    assert_eq!(
        measured.collect::<Vec<_>>(),
        [(5, "One", "took", true), (9, "Two", "took", false), (14, "Three", "took", true)]
    );
    assert_eq!(run.shown("took").as_deref(), Some("6 ms"));
    assert_eq!(run.shown("rows").as_deref(), Some("2, then 9, then 3"));
    assert_eq!(run.shown("none"), None);
    assert_eq!(run.shown_in("Two", "took").as_deref(), Some("8 ms"));
    assert_eq!(run.shown_in("Two", "rows").as_deref(), Some("9"));
    assert_eq!(run.shown_in("Two", "name"), None);
    assert_eq!(run.shown_in("Four", "rows"), None);
    let learnings: Vec<_> = run.learnings().map(|(sentence, _)| sentence).collect();
    assert_eq!(learnings, ["It holds."]);
    assert_eq!(run.topologies().collect::<Vec<_>>(), ["primary ← a (slot a), asynchronous"]);
    assert_eq!(run.servers(), ["17.5 (Debian)"]);
    assert!(run.typed("pg_promote") && !run.typed("pg_rewind") && !run.typed("took"));
}

#[test]
fn the_page_of_a_run_is_from_its_first_step_to_its_learnings() {
    let run = run(begin("p@t"), with_end(three_steps(), passed()));
    let page = run.page();
    assert_eq!(page.first().map(String::as_str), Some("## 1. One"));
    assert_eq!(page.last().map(String::as_str), Some("- took: 6 ms"));
}

#[test]
fn the_status_of_a_run_names_the_step_in_which_it_ended() {
    for (events, outcome, status) in [
        (vec![step("One"), step("Two"), passed()], Outcome::Passed, "passed"),
        (
            vec![Event::End(event::Outcome::Skipped("no haproxy".to_owned()))],
            Outcome::Skipped("no haproxy".to_owned()),
            "skipped: no haproxy",
        ),
        (vec![step("One"), step("Two"), failed()], Outcome::Failed, "failed, in the step \"Two\""),
        (
            vec![step("One"), step("Two")],
            Outcome::Unfinished,
            "unfinished, ended in the step \"Two\"",
        ),
        (vec![], Outcome::Unfinished, "unfinished, ended in the step \"its begin\""),
    ] {
        let run = run(begin("p@t"), events);
        assert_eq!(run.passed(), outcome == Outcome::Passed);
        assert_eq!((run.status().as_str(), run.outcome), (status, outcome));
    }
    let (file, text) = record(begin("p@t"), vec![passed()]);
    let unknown = "{\"at_ms\":1,\"event\":{\"teleport\":{}}}\n".repeat(2);
    let head = text.lines().next().unwrap_or_default();
    let newer = Run::read(&file, &text.replace(head, &format!("{head}\n{}", unknown.trim_end())));
    let status = newer.unwrap_or_else(|error| panic!("{error}")).status();
    assert_eq!(status, "passed; events of a newer lab that were skipped: 2");
}

#[test]
fn a_run_that_did_not_pass_has_no_learnings() {
    for events in [with_end(three_steps(), failed()), three_steps()] {
        assert_eq!(run(begin("p@t"), events).learnings().count(), 0);
    }
}

#[test]
fn a_figure_of_a_run_beside_others_is_marked() {
    let of = |alone| run(begin("p@t").alone(alone), vec![measure("a", Reading::Count(7), true)]);
    assert_eq!(of(true).shown("a").as_deref(), Some("7"));
    assert_eq!(of(false).shown("a").as_deref(), Some("7 †"));
}

#[test]
fn before_a_server_is_ready_a_run_has_the_version_that_was_asked_for() {
    let run = run(Begin::new("p@t", "19rc1"), vec![]);
    assert_eq!((run.servers(), run.major()), (vec!["19rc1"], 19));
}

#[test]
fn a_date_is_a_minute_in_utc() {
    assert_eq!(date(0), "1970-01-01 00:00 UTC");
    assert_eq!(date(1_795_783_259), "2026-11-27 12:40 UTC");
}

fn read(records: &[(String, String)]) -> Runs {
    Runs::read(records).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns a run of an exercise with one fact, `id`, by which a test finds it.
fn known(begin: Begin, id: &str) -> (String, String) {
    record(begin, vec![fact("id", id), passed()])
}

#[test]
fn the_journal_shows_the_newest_version_then_a_run_alone_then_the_newest_run() {
    let at = |alone, started| begin("scenario_01_a@t").alone(alone).started(started);
    let older = Begin { postgres: "16.9".to_owned(), ..at(true, 900) };
    for (records, shown) in [
        (vec![known(older.clone(), "a"), known(at(false, 1), "b")], "b"),
        (vec![known(at(false, 1), "a"), known(older, "b")], "a"),
        (vec![known(at(true, 1), "a"), known(at(false, 9), "b")], "a"),
        (vec![known(at(true, 1), "a"), known(at(true, 9), "b"), known(at(true, 5), "c")], "b"),
        (vec![known(at(true, 9), "a"), known(at(true, 1), "b")], "a"),
    ] {
        let runs = read(&records);
        assert_eq!((runs.shown("01@t", "id").as_str(), runs.all.len()), (shown, records.len()));
        assert_eq!(runs.journal().count(), 1);
    }
    let error = Runs::read(&[]).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("no record"), "{error}");
}

/// Returns the runs of five exercises: one for each outcome, and two of another scenario.
fn five() -> Runs {
    let page = |name: &str| begin(&format!("scenario_{name}"));
    read(&[
        record(page("01_a@passed"), with_end(three_steps(), passed())),
        record(page("01_a@failed"), with_end(three_steps(), failed())),
        record(page("01_a@killed"), three_steps()),
        record(page("02_b@x"), vec![measure("lost", Reading::Count(0), true), passed()]),
        record(page("02_b@y"), vec![fact("lost", 3_u64), fact("name", "n"), passed()]),
    ])
}

#[test]
fn what_an_exercise_does_not_show_has_its_reason() {
    let runs = five();
    for (exercise, name, shown) in [
        ("01@passed", "took", "6 ms"),
        ("01@passed", "other", "not in its record"),
        ("01@failed", "took", "failed"),
        ("01@killed", "took", "unfinished"),
        ("01@other", "took", "not run"),
    ] {
        assert_eq!(runs.shown(exercise, name), shown);
        assert_eq!(runs.passed(exercise), exercise == "01@passed");
    }
    let of = |number| runs.of_scenario(number).map(Run::exercise).collect::<Vec<_>>();
    assert_eq!(of("01"), ["01@failed", "01@killed", "01@passed"]);
    assert_eq!(of("02"), ["02@x", "02@y"]);
    assert_eq!(of("0"), [""; 0]);
}

const WHOLE: &str = r#"
[[level]]
name = "Beginner"
scenarios = ["one"]
skills = [
    { tick = "all", exercises = ["01@passed", "02@x"] },
    { tick = "some", exercises = ["01@failed", "01@passed", "01@other"] },
]
[[tool]]
tick = "promotion"
typed = "pg_promote"
[[tool]]
tick = "rewind"
typed = "pg_rewind"
[[tool]]
tick = "Patroni"
[[claim]]
says = "Twenty of 50"
verdict = "does not hold"
reckoned = [{ part = 20, of = 50 }]
[[aside]]
why = "a plan"
lines = ["One day"]
"#;

const ONE: &str = r#"
number = "01"
title = "One"
exercises = ["01@passed"]
[[list]]
title = "A list"
blanks = [
    { asks = "how long", exercise = "01@passed", seen = "took" },
    { asks = "how many", exercise = "01@other", seen = "rows" },
]
[[grid]]
title = "Steps"
columns = ["took", "name"]
rows.steps_of = "01@passed"
[[grid]]
title = "Steps of a run that failed"
columns = ["took"]
rows.steps_of = "01@failed"
[[grid]]
title = "Exercises"
columns = ["lost", "took"]
rows.exercises = [{ label = "x", exercise = "02@x" }, { label = "o", exercise = "01@other" }]
[[grid]]
title = "Named"
columns = ["took"]
rows.named = { exercise = "01@passed", pattern = "{column}{row}", labels = ["", "!"] }
[[claim]]
says = "So it is"
verdict = "holds in part"
proofs = [{ exercise = "01@passed", learned = "It h" }, { exercise = "01@passed", seen = "name" }]
[[claim]]
says = "Not so"
verdict = "does not hold"
proofs = [{ exercise = "02@y", seen = "lost" }, { exercise = "01@failed", seen = "rows" }]
[[target]]
asks = "soon"
exercise = "01@passed"
seen = "took"
below_seconds = 1
[[target]]
asks = "none lost"
exercise = "02@x"
seen = "lost"
[[target]]
asks = "few lost"
exercise = "02@y"
seen = "lost"
below_seconds = 2
[[target]]
asks = "a name"
exercise = "02@y"
seen = "name"
[[target]]
asks = "never run"
exercise = "01@other"
seen = "lost"
"#;

const NOTEBOOK: &str = "# Beliefs\n- So it is\n- Not so\n- How long: ___\n- How many: ___\n- [ ] all\n- [ ] some\n\
                        - promotion\n- Patroni\n- A list\n- Twenty of 50\n- One day\n- Unheard of\n";

fn workbook() -> Workbook {
    let parts = [("workbook.toml", WHOLE), ("one/workbook.toml", ONE), ("notebook.md", NOTEBOOK)];
    Workbook::read(&parts).unwrap_or_else(|error| panic!("{error}"))
}

fn cells(table: &tables::Table) -> Vec<String> {
    table.rows.iter().map(|row| row.join(" | ")).collect()
}

#[test]
fn blanks_and_grids_are_filled_from_their_exercises() {
    let (runs, workbook) = (five(), workbook());
    let scenario = workbook.scenarios().next().unwrap_or_else(|| panic!("no scenario"));
    let list = tables::list(&runs, &scenario.lists[0]);
    assert_eq!(
        (list.title.as_str(), list.header.join(" | ").as_str()),
        ("A list", "asked | seen | exercise")
    );
    assert_eq!(cells(&list), ["how long | 6 ms | 01@passed", "how many | not run | 01@other"]);
    let grids: Vec<_> = scenario.grids.iter().map(|grid| tables::grid(&runs, grid)).collect();
    assert_eq!(grids[0].header, ["of", "took", "name"]);
    assert_eq!(cells(&grids[0]), ["One | 4 ms | –", "Two | 8 ms | –", "Three | 6 ms | b"]);
    assert_eq!(cells(&grids[1]), [" | failed"]);
    assert_eq!(cells(&grids[2]), ["x | 0 | –", "o | not run | not run"]);
    assert_eq!(cells(&grids[3]), [" | 6 ms", "! | –"]);
}

#[test]
fn a_scorecard_has_what_is_met_what_is_missed_and_what_was_not_run() {
    let (runs, workbook) = (five(), workbook());
    let scenario = workbook.scenarios().next().unwrap_or_else(|| panic!("no scenario"));
    assert_eq!(
        cells(&tables::scorecard(&runs, &scenario.targets)),
        [
            "soon | 6 ms | below 1 s | met",
            "none lost | 0 | 0 | met",
            "few lost | 3 | below 2 s | missed",
            "a name | n | 0 | not run",
            "never run | not run | 0 | not run",
            "improvements identified | few lost: missed; a name: not run; never run: not run |  | ",
        ]
    );
    let met = tables::scorecard(&runs, &scenario.targets[..2]);
    let last = "improvements identified | none: every target was met |  | ";
    assert_eq!(cells(&met).last().map(String::as_str), Some(last));
}

/// Judges a duration just under, at and above its target, and counts at and above theirs.
#[test]
fn a_duration_is_below_its_target_and_a_count_no_greater_than_its_target() {
    let workbook = workbook();
    let scenario = workbook.scenarios().next().unwrap_or_else(|| panic!("no scenario"));
    let [soon, none, few, ..] = scenario.targets.as_slice() else { panic!("too few targets") };
    for (target, value, verdict) in [
        (soon, measure("took", Reading::Micros(999_999), true), "met"),
        (soon, measure("took", Reading::Micros(1_000_000), true), "missed"),
        (soon, measure("took", Reading::Bytes(1), true), "not run"),
        (none, measure("lost", Reading::Count(0), true), "met"),
        (none, measure("lost", Reading::Count(1), true), "missed"),
        (few, fact("lost", 2_u64), "met"),
        (few, fact("lost", 3_u64), "missed"),
    ] {
        let page = format!("scenario_{}", target.exercise.replace('@', "_x@"));
        let runs = read(&[record(begin(&page), vec![value, passed()])]);
        let rows = tables::scorecard(&runs, std::slice::from_ref(target)).rows;
        assert_eq!(rows[0][3], verdict, "{rows:?}");
    }
}

#[test]
fn a_claim_has_its_verdict_only_where_every_proof_is_there() {
    let (runs, workbook) = (five(), workbook());
    assert_eq!(
        cells(&tables::beliefs(&runs, &workbook)),
        [
            "✗ does not hold | Twenty of 50 | arithmetic",
            "◐ holds in part | So it is | 01@passed",
            "failed | Not so | 02@y, 01@failed",
        ]
    );
    let scenario = workbook.scenarios().next().unwrap_or_else(|| panic!("no scenario"));
    let proofs = |index: usize| tables::proofs(&runs, &scenario.claims[index]);
    let facts = ["rows: 2, then 9, then 3", "name: b"].map(str::to_owned).to_vec();
    let expected = vec![("It holds.".to_owned(), facts), ("name: b".to_owned(), vec![])];
    assert_eq!(proofs(0), Ok(expected));
    assert_eq!(proofs(1), Err("failed".to_owned()));
}

#[test]
fn every_line_of_the_notebook_has_its_answer() {
    let table = lines::table(&five(), &workbook());
    assert_eq!(
        cells(&table),
        [
            "Beliefs | So it is | ◐ holds in part | 01@passed",
            " | Not so | failed | 02@y, 01@failed",
            " | How long | 6 ms | 01@passed",
            " | How many | not run | 01@other",
            " | all | ✓ done | 01@passed, 02@x",
            " | some | open | not yet passed: 01@failed, 01@other",
            " | promotion | ✓ done | 01@passed",
            " | Patroni | open | no scenario uses it",
            " | A list | a table | scenario 01",
            " | Twenty of 50 | ✗ does not hold | arithmetic",
            " | One day | not judged | a plan",
            " | Unheard of |  | ",
        ]
    );
}

#[test]
fn a_file_that_was_typed_has_its_text_in_the_journal() {
    let files = [("a/typed.sql", "SELECT 1;\n\nSELECT <2>;\n"), ("a/other.sql", "SELECT 3;\n")];
    let (node, text) = ("primary".to_owned(), r"\i a/typed.sql".to_owned());
    let events = vec![step("One"), Event::Sql { node, text }, passed()];
    let report = super::render(
        &workbook().with_files(&files),
        &[record(begin("scenario_01_x@passed"), events)],
    );
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    let shown = "## a/typed.sql\n\n<details><summary>Its text</summary>\n\n    SELECT 1;\n    \n    SELECT <2>;\n\n</details>";
    let text =
        |name: &str| report.files.iter().find(|(file, _)| file == name).map(|(_, text)| &**text);
    let sql = text("sql.md").unwrap_or_default();
    assert!(sql.contains(shown), "{sql}");
    assert!(!sql.contains("a/other.sql"), "it was not typed");
    assert!(report.html.contains("SELECT &lt;2&gt;;"), "{}", report.html);
}

#[test]
fn key_figures_are_those_of_the_runs_that_passed() {
    let runs = five();
    let of = |exercise: &str| cells(&tables::key_figures(runs.of(exercise)));
    assert_eq!(of("01@passed"), ["One | took | 4 ms", "Three | took | 6 ms"]);
    assert_eq!(of("02@x"), [" | lost | 0"]);
    assert_eq!(of("01@failed"), [""; 0]);
    assert_eq!(of("01@other"), [""; 0]);
}

#[test]
fn a_figure_of_the_first_screen_has_its_conditions() {
    let wanted = workbook().scenarios().next().map(|one| one.lists[0].blanks.clone());
    let table = tables::highlights(&five(), &wanted.unwrap_or_default());
    assert_eq!(
        cells(&table),
        [
            "how long | 6 ms | PostgreSQL 17.5 (Debian); local; primary ← a (slot a), asynchronous | 01@passed",
            "how many | not run |  | 01@other"
        ]
    );
}

/// The runbook is the drill without its first step: what was typed, what was shown, what it took.
#[test]
fn the_runbook_is_made_from_the_steps_of_the_drill() {
    let (node, text) = ("standby1".to_owned(), "SELECT pg_promote()".to_owned());
    let events = [
        step("A pair"),
        fact("rows", 1_u64),
        step("The standby is promoted"),
        Event::Sql { node, text },
        fact("timeline", 2_u64),
        measure("time", Reading::Micros(5_000), true),
        passed(),
    ];
    let whole = format!("runbook = \"01@passed\"\n{WHOLE}");
    let parts = [("workbook.toml", &*whole), ("one/workbook.toml", ONE), ("notebook.md", NOTEBOOK)];
    let workbook = Workbook::read(&parts).unwrap_or_else(|error| panic!("{error}"));
    let render = |outcome| {
        let events = events[..6].iter().cloned().chain([outcome]).collect();
        let report = super::render(&workbook, &[record(begin("scenario_01_x@passed"), events)]);
        report.unwrap_or_else(|error| panic!("{error}")).files
    };
    let files = render(passed());
    let runbook = files.iter().find(|(file, _)| file == "runbook.md").map(|(_, text)| &**text);
    let step = "## 1. The standby is promoted\n\nWhat was typed:\n\n    standby1=# SELECT pg_promote()\n\n\
                What it must show:\n\n- timeline: 2\n\nWhat it took in the drill:\n\n- time: 5 ms\n";
    assert!(
        runbook.is_some_and(|text| text.contains(step) && !text.contains("rows")),
        "{runbook:?}"
    );
    assert!(!render(failed()).iter().any(|(file, _)| file == "runbook.md"), "it proves nothing");
}

#[test]
fn an_item_is_ticked_where_all_of_its_exercises_passed() {
    let (runs, workbook) = (five(), workbook());
    let shown = |ticked: Vec<tables::Ticked>| {
        ticked.into_iter().map(|one| (one.done, one.what, one.by)).collect::<Vec<_>>()
    };
    let item = |done, what: &str, by: &str| (done, what.to_owned(), by.to_owned());
    assert_eq!(
        shown(tables::ticked(&runs, &workbook.levels[0].skills)),
        [
            item(true, "all", "01@passed, 02@x"),
            item(false, "some", "not yet passed: 01@failed, 01@other"),
        ]
    );
    assert_eq!(
        shown(tables::tools(&runs, &workbook.tools)),
        [
            item(true, "promotion", "01@passed"),
            item(false, "rewind", "not run"),
            item(false, "Patroni", "no scenario uses it"),
        ]
    );
}

#[test]
fn the_environment_has_every_value_of_the_runs_once() {
    let topology = |text: &str| Event::Provision { topology: text.to_owned() };
    let ready = |version: &str| Event::Ready { server_version: version.to_owned() };
    let synchronous = "primary ← a (slot a), synchronous_standby_names = 'a'";
    let runs = read(&[
        record(
            begin("scenario_01_a@t"),
            vec![topology("primary ← a, asynchronous"), ready("17.5")],
        ),
        record(begin("scenario_01_a@u"), vec![topology(synchronous), ready("17.4")]),
        record(begin("scenario_01_a@v").at("container", ""), vec![topology("primary alone")]),
    ]);
    assert_eq!(
        cells(&tables::environment(&runs)),
        [
            "PostgreSQL | 17.4; 17.5",
            "host | container; local",
            "location: system, cores, engine or programs | Linux; not recorded",
            "replication mode | asynchronous; synchronous_standby_names = 'a'",
            "dates | 1970-01-01",
        ]
    );
}

#[test]
fn a_fact_that_changes_has_a_row_for_every_change_between_versions() {
    let of = |postgres: &str, facts: &[(&str, &str)]| {
        let begin = Begin { postgres: postgres.to_owned(), ..begin("scenario_01_a@t") };
        let facts = facts.iter().map(|(name, value)| fact(name, *value));
        record(begin, with_end(facts.collect(), passed()))
    };
    let lost = Begin { postgres: "18.0".to_owned(), ..begin("scenario_01_a@t") };
    let runs = read(&[
        of("17.5", &[("a", "2"), ("b", "1"), ("c", "1")]),
        of("13.1", &[("a", "1"), ("b", "1")]),
        of("16.3", &[("a", "1"), ("b", "1")]),
        record(lost, vec![fact("a", "3"), failed()]),
    ]);
    assert_eq!(super::versions::there(&runs), [13, 16, 17, 18]);
    assert_eq!(
        cells(&super::versions::differences(&runs)),
        ["01@t | a | 16: 1 | 17: 2", "01@t | c | 16: no such fact | 17: 1"]
    );
}
