//! A small workbook: its expectations towards exercises, and the errors of one that cannot be read.
//! The harness compares the real files with the pages.

use pretty_assertions::assert_eq;

use super::{Expected, Workbook};

const WHOLE: &str = r#"
[[level]]
name = "Beginner"
scenarios = ["one"]
skills = [{ tick = "a skill", exercises = ["01@a", "01@b"] }]
[[deep_dive]]
tick = "a dive"
exercises = ["01@c"]
[[tool]]
tick = "Patroni"
"#;

const ONE: &str = r#"
number = "01"
title = "One"
exercises = ["01@a"]
[[list]]
title = "A list"
blanks = [{ asks = "a blank", exercise = "01@a", seen = "blank" }]
[[grid]]
title = "Steps"
columns = ["step"]
rows.steps_of = "01@b"
[[grid]]
title = "Exercises"
columns = ["cell"]
rows.exercises = [{ label = "c", exercise = "01@c" }, { label = "d", exercise = "01@d" }]
[[grid]]
title = "Named"
columns = ["x"]
rows.named = { exercise = "01@e", pattern = "{row}, {column}", labels = ["1", "2"] }
[[checklist]]
title = "A checklist"
items = [{ tick = "an item", exercises = ["01@f"] }]
[[claim]]
says = "So it is"
verdict = "holds in part"
proofs = [{ exercise = "01@g", learned = "It is" }, { exercise = "01@g", seen = "proof" }]
[[edge_case]]
exercise = "01@h"
learned = "Surprise"
[[target]]
asks = "soon"
exercise = "01@i"
seen = "target"
[[plot]]
exercise = "01@j"
title = "A plot"
moments = [{ label = "now", seen = "moment" }]
[[plot.panel]]
lines = [{ label = "a line", series = "series" }]
[[bars]]
exercise = "01@k"
title = "Bars"
axis = "time"
pattern = "{group} of {bar}"
groups = ["g"]
bars = ["b"]
"#;

const ONES: &str = "one/workbook.toml";

const NOTEBOOK: (&str, &str) = ("notebook.md", "");

fn whole() -> (&'static str, &'static str) {
    ("workbook.toml", WHOLE)
}

#[test]
fn a_workbook_tells_everything_that_it_expects_of_exercises() {
    let workbook = Workbook::read(&[whole(), (ONES, ONE), NOTEBOOK]).unwrap();
    let expected = workbook.references().into_iter().map(|one| {
        let names = match one.expected {
            Expected::Exercise => "passed".to_owned(),
            Expected::Seen(names) => format!("seen {}", names.join(" or ")),
            Expected::Measured(names) => format!("measured {}", names.join(" or ")),
            Expected::Learned(begin) => format!("learned {begin}"),
        };
        let file = one.file.trim_end_matches("/workbook.toml").trim_end_matches(".toml");
        format!("{file} {}: {names}", one.exercise)
    });
    assert_eq!(
        expected.collect::<Vec<_>>(),
        [
            "workbook 01@a: passed",
            "workbook 01@b: passed",
            "workbook 01@c: passed",
            "one 01@a: seen blank",
            "one 01@b: seen step",
            "one 01@c: seen cell",
            "one 01@d: seen cell",
            "one 01@e: seen 1, x",
            "one 01@e: seen 2, x",
            "one 01@e: seen 1, x or 2, x",
            "one 01@i: seen target",
            "one 01@g: learned It is",
            "one 01@g: seen proof",
            "one 01@h: learned Surprise",
            "one 01@j: measured series",
            "one 01@j: measured moment",
            "one 01@k: measured g of b",
            "one 01@k: measured g of b",
            "one 01@f: passed",
        ]
    );
}

#[test]
fn a_workbook_that_cannot_be_read_names_its_file() {
    let two = "number = '01'\ntitle = 'Two'\nexercises = []\n";
    let both = WHOLE.replace(r#"["one"]"#, r#"["one", "two"]"#);
    let unproven = ONE.replace(r#"learned = "Surprise""#, "");
    let proofless = format!("{ONE}[[claim]]\nsays = \"Baseless\"\nverdict = \"holds\"\n");
    for (parts, said) in [
        (vec![(ONES, ONE)], ["reading workbook.toml", "no such file"]),
        (vec![whole()], ["reading one/workbook.toml", "no such file"]),
        (vec![whole(), (ONES, ONE)], ["reading notebook.md", "no such file"]),
        (vec![whole(), (ONES, "number = ")], ["reading one/workbook.toml", "line 1, column 10"]),
        (
            vec![whole(), (ONES, "color = 1")],
            ["reading one/workbook.toml", "unknown field `color`"],
        ),
        (vec![whole(), (ONES, "")], ["reading one/workbook.toml", "missing field `number`"]),
        (
            vec![whole(), (ONES, &proofless), NOTEBOOK],
            ["reading one/workbook.toml", "nothing proves \"Baseless\""],
        ),
        (
            vec![whole(), (ONES, &unproven)],
            ["reading one/workbook.toml", "either `learned` or `seen`"],
        ),
        (
            vec![("workbook.toml", &both), (ONES, ONE), ("two/workbook.toml", two), NOTEBOOK],
            ["reading two/workbook.toml", "one/workbook.toml has the number 01, too"],
        ),
        (
            vec![whole(), (ONES, ONE), ("two/workbook.toml", two), NOTEBOOK],
            ["reading two/workbook.toml", "no level"],
        ),
    ] {
        let error = Workbook::read(&parts).unwrap_err().to_string();
        for word in said {
            assert!(error.contains(word), "{word:?} is missing in:\n{error}");
        }
    }
}

/// The parts that answer lines of a notebook: a claim by its own words or by `lines`, a blank by its beginning or
/// by `line`, a tick, a tool, a title, an aside.
#[test]
fn a_line_is_answered_by_a_part_or_by_none() {
    let whole = "
[[level]]
name = 'Beginner'
scenarios = ['one']
skills = [{ tick = 'a skill', exercises = ['01@a'] }]
[[deep_dive]]
tick = 'a dive'
exercises = ['01@a']
[[tool]]
tick = 'a tool'
[[claim]]
says = '4 of 10'
verdict = 'holds'
reckoned = [{ part = 4, of = 10 }]
[[aside]]
why = 'a plan'
lines = ['One day', 'Never there']
";
    let one = "
number = '01'
title = 'One'
exercises = ['01@a']
[[list]]
title = 'A list, of all'
blanks = [
    { asks = 'lag, largest', exercise = '01@a', seen = 'lag' },
    { asks = 'asynchronous', line = 'Async', exercise = '01@a', seen = 'time' },
]
[[claim]]
says = 'It is so'
verdict = 'holds'
lines = ['So it is!']
proofs = [{ exercise = '01@a', seen = 'lag' }]
";
    let notebook = "- [ ] A skill\n- A dive\n- [x] a Tool\n- **4 of 10**\n- One day\n**A list:**\n- Lag: ___\n\
                    - Async: ___ ms\n- Asynchronous: ___\n# Head\n- It is so\n- So it is! 💥\n- It is\n";
    let parts = [("workbook.toml", whole), (ONES, one), ("notebook.md", notebook)];
    let workbook = Workbook::read(&parts).unwrap();
    assert_eq!(
        workbook.unanswered(),
        [": Asynchronous", "Head: It is", "not in the notebook: Never there"]
    );
}
