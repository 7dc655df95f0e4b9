//! The journal's values: from an outcome and a figure in a record to the line that a reader sees. Method:
//! a small workbook and records made here; no server runs.

mod plots;

use pretty_assertions::assert_eq;
use replication_lab::record::{Begin, Entry, Event, Fact, Outcome, Reading, file_name};
use replication_lab::report::{self, Report, Workbook};

use crate::support::text_of;

/// What spans the scenarios.
const WHOLE: &str = r#"
level = [
    { name = "First", scenarios = ["scenario_31_drill", "scenario_32_pair"], skills = [
        { tick = "drilling", exercises = ["31@drill"] },
        { tick = "all of it", exercises = ["31@drill", "32@first", "32@second"] },
    ] },
    { name = "Second", scenarios = ["scenario_33_third"], skills = [] },
]
deep_dive = [{ tick = "the second one", exercises = ["32@second"] }]
tool = [{ tick = "pg_rewind", typed = "pg_rewind" }, { tick = "Patroni" }]
"#;

/// A scenario with everything that a workbook can ask for.
const DRILL: &str = r#"
number = "31"
title = "A drill"
exercises = ["31@drill"]
list = [{ title = "Blanks", blanks = [
    { asks = "time without answers", exercise = "31@drill", seen = "downtime" },
    { asks = "rows", exercise = "31@drill", seen = "rows lost" },
] }]
grid = [
    { title = "By step", columns = ["downtime", "rows lost"], rows.steps_of = "31@drill" },
    { title = "By name", columns = ["a", "b"], rows.named = { exercise = "31@drill", pattern = "{column} of {row}", labels = ["x"] } },
    { title = "By exercise", columns = ["downtime"], rows.exercises = [{ label = "the drill", exercise = "31@drill" }] },
]
checklist = [{ title = "Ticked off", items = [{ tick = "the drill is done", exercises = ["31@drill"] }] }]
claim = [
    { says = "Nothing is lost.", verdict = "does not hold", proofs = [{ exercise = "31@drill", seen = "rows lost" }] },
    { says = "It is fast.", verdict = "holds in part", proofs = [{ exercise = "31@drill", learned = "A drill ends" }] },
]
edge_case = [{ exercise = "31@drill", learned = "A drill ends" }]
target = [
    { asks = "downtime", exercise = "31@drill", seen = "downtime", below_seconds = 60 },
    { asks = "promotion", exercise = "31@drill", seen = "promotion", below_seconds = 10 },
    { asks = "verification", exercise = "31@drill", seen = "verification", below_seconds = 30 },
    { asks = "rows lost", exercise = "31@drill", seen = "rows lost" },
    { asks = "rows twice", exercise = "31@drill", seen = "rows twice" },
    { asks = "queue", exercise = "31@drill", seen = "queue", below_seconds = 3 },
    { asks = "retries", exercise = "31@drill", seen = "retries", below_seconds = 3 },
    { asks = "state", exercise = "31@drill", seen = "state" },
]
"#;

const PAIR: &str = r#"
number = "32"
title = "A pair"
exercises = ["32@first", "32@second"]
"#;

const THIRD: &str = r#"
number = "33"
title = "The third"
exercises = ["33@third"]
list = [{ title = "Run", blanks = [{ asks = "which run", exercise = "33@third", seen = "run" }] }]
"#;

/// A figure below its target meets it; one that reaches or exceeds it, or is not there, does not.
#[test]
fn a_target_is_met_or_missed_by_its_figure() {
    let journal = text_of(&render(&[drill(Some(Outcome::Passed))]));
    let rows = table(&journal, "**Scorecard**");
    let expected = [
        "| downtime | 5.5 s | below 60 s | met |",
        "| promotion | 10 s | below 10 s | missed |",
        "| verification | not in its record | below 30 s | not run |",
        "| rows lost | 1 | 0 | missed |",
        "| rows twice | 0 | 0 | met |",
        "| queue | 3 | below 3 s | met |",
        "| retries | 4 | below 3 s | missed |",
        "| state | fine | 0 | not run |",
        "| improvements identified | promotion: missed; verification: not run; rows lost: missed; \
         retries: missed; state: not run |  |  |",
    ];
    assert_eq!(rows, expected);
}

/// A scorecard without a missed target asks for no improvement.
#[test]
fn a_scorecard_of_met_targets_asks_for_nothing() {
    let scenario = DRILL.split("target = [").next().unwrap_or_default();
    let target = "target = [{ asks = \"downtime\", exercise = \"31@drill\", seen = \"downtime\", \
                  below_seconds = 60 }]";
    let workbook = workbook_of(&format!("{scenario}{target}"));
    let records = [drill(Some(Outcome::Passed))];
    let report = report::render(&workbook, &records).unwrap_or_else(|e| panic!("{e}"));
    let journal = text_of(&report);
    let rows = table(&journal, "**Scorecard**");
    assert_eq!(rows[1], "| improvements identified | none: every target was met |  |  |");
}

/// Every part of the journal that a workbook asks for, of a run that passed.
#[test]
fn the_figures_of_a_passed_run_are_shown() {
    let journal = text_of(&render(&[drill(Some(Outcome::Passed))]));
    for (title, rows) in [
        (
            "**Blanks**",
            ["| time without answers | 5.5 s | 31@drill |", "| rows | 1 | 31@drill |"].as_slice(),
        ),
        ("**By step**", &["| Crash | 99 s | – |", "| Check | 5.5 s | 1 |"]),
        ("**By name**", &["| x | 1.5 MB | – |"]),
        ("**By exercise**", &["| the drill | 5.5 s |"]),
        (
            "the scenario.",
            &[
                "| ✗ does not hold | Nothing is lost. | 31@drill |",
                "| ◐ holds in part | It is fast. | 31@drill |",
            ],
        ),
        ("**Key figures**", &["| Check | downtime | 5.5 s |"]),
    ] {
        assert_eq!(table(&journal, title), rows, "{title}");
    }
    for line in [
        "- [x] Completed: 1 of 1 exercises passed",
        "- [x] drilling (31@drill)",
        "- [ ] all of it (not yet passed: 32@first, 32@second)",
        "- [ ] the second one (not yet passed: 32@second)",
        "- [x] the drill is done (31@drill)",
        "- [x] pg_rewind (31@drill)",
        "- [ ] Patroni (no scenario uses it)",
        "- A drill ends.",
        "  - rows lost: 1",
        "- A drill ends. (31@drill)",
        "- **It is fast.**: ◐ holds in part",
        "    - rows lost: 1",
        "## 31@drill",
        "passed in 0.0 s",
        "- **Duration:** 0.0 s",
    ] {
        assert!(journal.lines().any(|one| one == line), "{line:?} is missing in:\n{journal}");
    }
}

/// A run that failed, or has no end, proves nothing, whatever figures its record has: they stand in its own
/// page alone.
#[test]
fn the_figures_of_a_failed_run_are_not_used() {
    let skipped = Outcome::Skipped("no haproxy".to_owned());
    for (outcome, word) in
        [(Some(Outcome::Failed), "failed"), (Some(skipped), "skipped"), (None, "unfinished")]
    {
        let journal = text_of(&render(&[drill(outcome)]));
        for line in journal.lines().filter(|line| !line.starts_with("    ")) {
            for value in ["5.5 s", "99 s", "10 s", "1.5 MB", "rows lost: 1", "A drill ends", "[x]"]
            {
                let target = line.contains("below 10 s");
                assert!(target || !line.contains(value), "{value:?} of a run that {word}: {line}");
            }
        }
        let blanks = [
            format!("| time without answers | {word} | 31@drill |"),
            format!("| rows | {word} | 31@drill |"),
        ];
        assert_eq!(table(&journal, "**Blanks**"), blanks);
        assert_eq!(table(&journal, "**By step**"), [format!("|  | {word} | {word} |")]);
        assert!(!journal.contains("(31@drill)\n- "), "no edge case, no tick:\n{journal}");
        let scorecard = table(&journal, "**Scorecard**");
        assert_eq!(scorecard[0], format!("| downtime | {word} | below 60 s | not run |"));
        assert_eq!(scorecard[4], format!("| rows twice | {word} | 0 | not run |"));
        assert!(!journal.contains("**Key figures**"), "{journal}");
        let claims = table(&journal, "the scenario.");
        assert_eq!(claims[0], format!("| {word} | Nothing is lost. | 31@drill |"));
        for line in ["- [ ] Completed: 0 of 1 exercises passed; ", "- [ ] pg_rewind (not run)"] {
            assert!(journal.lines().any(|one| one.starts_with(line)), "{line:?}:\n{journal}");
        }
        assert!(journal.contains("    - downtime: 5.5 s"), "its own page has them:\n{journal}");
    }
}

/// Of several runs of an exercise one is shown, in whichever order their records are read: of the newest
/// version, then one that ran alone, then the newest.
#[test]
fn the_order_of_records_decides_nothing() {
    let run = |name: &str, postgres: &str, alone, started, outcome: &Outcome| {
        let value = Fact::Text(name.to_owned());
        let begin = begin("scenario_33_third@third", postgres).alone(alone).started(started);
        record(&begin, [fact("run", value), Event::End(outcome.clone())])
    };
    let passed = &Outcome::Passed;
    let chosen = run("chosen", "17.2", true, 5, passed);
    let others = [
        run("older run", "17.2", true, 4, passed),
        run("beside others", "17.2", false, 9, passed),
        run("older version", "16.9", true, 9, passed),
        run("failed before", "17.2", true, 1, &Outcome::Failed),
    ];
    for at in 0..=others.len() {
        let mut records = others.to_vec();
        records.insert(at, chosen.clone());
        for _ in 0..2 {
            records.reverse();
            let journal = text_of(&render(&records));
            assert_eq!(table(&journal, "**Run**")[0], "| which run | chosen | 33@third |");
        }
    }
    // A newer run that failed is the state of the exercise.
    let failed = run("failed", "17.2", true, 6, &Outcome::Failed);
    for records in [[chosen.clone(), failed.clone()], [failed, chosen]] {
        let journal = text_of(&render(&records));
        assert_eq!(table(&journal, "**Run**")[0], "| which run | failed | 33@third |");
        assert!(journal.contains("0/3 scenarios (0 %), 0 exercises passed"), "{journal}");
    }
}

/// Exercises, scenarios, levels and facts are counted.
#[test]
fn what_has_passed_is_counted() {
    let run = |page: &str, outcome: &Outcome, facts: usize| {
        let facts = (0..facts).map(|index| fact(&format!("fact {index}"), Fact::Bool(true)));
        record(&begin(page, "17.2"), facts.chain([Event::End(outcome.clone())]))
    };
    let (passed, failed) = (&Outcome::Passed, &Outcome::Failed);
    let some = [
        run("scenario_31_drill@drill", passed, 2),
        run("scenario_32_pair@first", passed, 3),
        run("scenario_32_pair@second", failed, 5),
    ];
    let journal = text_of(&render(&some));
    let lines = [
        "- [ ] **First level** (1/2 scenarios)",
        "- [ ] **Second level** (0/1 scenarios)",
        "**Total completion:** 1/3 scenarios (33 %), 2 exercises passed",
        "- [ ] Completed: 1 of 2 exercises passed; 32@second failed, in the step \"its begin\"",
        "- [ ] Completed: not run",
        "Not yet: 1 of 3 scenarios are completed. Missing: 32, 33.",
        "- **Completed:** not completed",
    ];
    has_lines(&journal, &lines);
    let half = text_of(&render(&some[1..2]));
    assert!(half.contains("0/3 scenarios (0 %), 1 exercises passed"), "one of two:\n{half}");
    let all = [
        run("scenario_31_drill@drill", passed, 2),
        run("scenario_32_pair@first", passed, 3),
        run("scenario_32_pair@second", passed, 5),
        run("scenario_33_third@third", passed, 1),
    ];
    let journal = text_of(&render(&all));
    let lines = [
        "- [x] **First level** (2/2 scenarios)",
        "**Total completion:** 3/3 scenarios (100 %), 4 exercises passed",
        "> 4 exercises passed, 11 facts were asserted.",
    ];
    has_lines(&journal, &lines);
}

#[track_caller]
fn has_lines(journal: &str, lines: &[&str]) {
    for line in lines {
        assert!(journal.lines().any(|one| one == *line), "{line:?} is missing in:\n{journal}");
    }
}

/// A figure has its unit wherever it is shown: in the journal, in the run's own page and in the HTML; beside
/// other tests it is marked.
#[test]
fn a_figure_has_its_unit_everywhere() {
    let figures = [
        (Reading::Micros(1_234_000), "1.2 s"),
        (Reading::Micros(7), "7 µs"),
        (Reading::Bytes(2_500_000), "2.5 MB"),
        (Reading::Rate(4_321.0, "rows".to_owned()), "4 321 rows/s"),
        (Reading::Count(12_345), "12 345"),
        (Reading::Percent(12.5), "12.5 %"),
        (Reading::Lsn("0/3000060".to_owned()), "0/3000060"),
    ];
    for (alone, mark) in [(true, ""), (false, " †")] {
        let measures = (1..)
            .zip(&figures)
            .map(|(number, (reading, _))| measure(&format!("figure {number}"), reading.clone()));
        let step = Event::Step { title: "Look".to_owned() };
        let events = std::iter::once(step).chain(measures).chain([Event::End(Outcome::Passed)]);
        let begin = begin("scenario_33_third@third", "17.2").alone(alone);
        let report = render(&[record(&begin, events)]);
        let (journal, html) = (text_of(&report), report.html);
        let rows = table(&journal, "**Key figures**");
        assert_eq!(rows.len(), figures.len());
        for ((number, (_, shown)), row) in (1..).zip(&figures).zip(rows) {
            assert_eq!(row, format!("| Look | figure {number} | {shown}{mark} |"));
            let cell = format!("<td>figure {number}</td><td>{shown}{mark}</td>");
            assert!(html.contains(&cell), "{cell} is missing in the page");
            let line = format!("    - figure {number}: {shown}");
            assert!(journal.contains(&line), "{line:?} is missing in:\n{journal}");
        }
    }
}

/// Returns the record of a drill with figures, facts and a learning, that ended so, or did not end.
fn drill(outcome: Option<Outcome>) -> (String, String) {
    let step = |title: &str| Event::Step { title: title.to_owned() };
    let other = |name: &str, reading| Event::Measure { name: name.to_owned(), reading, key: false };
    let line = "pg_rewind --target-pgdata=data".to_owned();
    let events = [
        step("Crash"),
        other("downtime", Reading::Micros(99_000_000)),
        Event::Command { node: "primary".to_owned(), line, with: Vec::new() },
        step("Check"),
        measure("downtime", Reading::Micros(5_500_000)),
        other("promotion", Reading::Micros(10_000_000)),
        other("a of x", Reading::Bytes(1_500_000)),
        fact("rows lost", Fact::Count(1)),
        fact("rows twice", Fact::Count(0)),
        other("queue", Reading::Count(3)),
        other("retries", Reading::Count(4)),
        fact("state", Fact::Text("fine".to_owned())),
        Event::Learn {
            sentence: "A drill ends.".to_owned(),
            because: vec!["rows lost".to_owned()],
        },
    ];
    record(
        &begin("scenario_31_drill@drill", "17.2"),
        events.into_iter().chain(outcome.map(Event::End)),
    )
}

fn fact(name: &str, value: Fact) -> Event {
    Event::Fact { name: name.to_owned(), value }
}

/// Returns a key figure.
fn measure(name: &str, reading: Reading) -> Event {
    Event::Measure { name: name.to_owned(), reading, key: true }
}

fn begin(page: &str, postgres: &str) -> Begin {
    Begin::new(page, postgres).at("local", "somewhere").alone(true).started(1_795_622_763)
}

/// Returns a record whose events are a millisecond apart.
fn record(begin: &Begin, events: impl IntoIterator<Item = Event>) -> (String, String) {
    record_at(begin, (1..).zip(events))
}

/// Returns a record of events, each with its milliseconds since the begin.
fn record_at(begin: &Begin, events: impl IntoIterator<Item = (u64, Event)>) -> (String, String) {
    let line = |(at, event)| {
        let line = serde_json::to_string(&Entry::new(at, event));
        line.unwrap_or_else(|e| panic!("{e}")) + "\n"
    };
    let events = std::iter::once((0, Event::Begin(begin.clone()))).chain(events);
    (file_name(&begin.page, 17, &begin.host), events.map(line).collect())
}

fn workbook_of(drill: &str) -> Workbook {
    let parts = workbook_parts(THIRD);
    let parts = parts.map(|(file, text)| (file, if text == DRILL { drill } else { text }));
    Workbook::read(&parts).unwrap_or_else(|e| panic!("{e}"))
}

/// Returns the files of the workbook, with this one of the third scenario.
fn workbook_parts(third: &str) -> [(&str, &str); 5] {
    [
        ("notebook.md", ""),
        ("workbook.toml", WHOLE),
        ("scenario_31_drill/workbook.toml", DRILL),
        ("scenario_32_pair/workbook.toml", PAIR),
        ("scenario_33_third/workbook.toml", third),
    ]
}

fn render(records: &[(String, String)]) -> Report {
    report::render(&workbook_of(DRILL), records).unwrap_or_else(|e| panic!("{e}"))
}

/// Returns the rows of the table below a title; those of all tables with this title.
fn table(journal: &str, title: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for below in journal.split(&format!("{title}\n")).skip(1) {
        let lines = below.lines().skip_while(|line| !line.starts_with('|'));
        rows.extend(lines.take_while(|line| line.starts_with('|')).skip(2).map(str::to_owned));
    }
    assert!(journal.contains(title), "{title:?} is missing in:\n{journal}");
    rows
}
