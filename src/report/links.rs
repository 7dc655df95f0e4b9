//! Links in Markdown: every name of an exercise, such as `04@promote`, leads to where the report
//! shows it. Code and headings stay as they are.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::{Captures, Regex};

static EXERCISE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(^|[ (|,;:])(\d\d)@([a-z0-9_]+)").ok());

/// Returns a text in which the names of these exercises are links.
pub(super) fn linked(markdown: &str, exercises: &BTreeSet<String>) -> String {
    let Some(exercise) = EXERCISE.as_ref() else { return markdown.to_owned() };
    let link = |found: &Captures<'_>| {
        let (before, number, name) = (&found[1], &found[2], &found[3]);
        let whole = format!("{number}@{name}");
        match exercises.contains(&whole) {
            true => format!("{before}[{whole}](scenario_{number}.md#{})", anchor(&whole)),
            false => found[0].to_owned(),
        }
    };
    let mut text = String::with_capacity(markdown.len());
    for line in markdown.split_inclusive('\n') {
        if line.starts_with("    ") || line.starts_with('#') {
            text.push_str(line);
            continue;
        }
        for (index, part) in line.split('`').enumerate() {
            match index % 2 {
                0 => text.push_str(&exercise.replace_all(part, link)),
                _ => text.extend(["`", part, "`"]),
            }
        }
    }
    text
}

/// Returns the anchor of a heading that is the name of an exercise, as renderers of Markdown make
/// it.
pub(super) fn anchor(exercise: &str) -> String {
    exercise.replace('@', "")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::linked;

    #[test]
    fn the_name_of_an_exercise_is_a_link_in_prose_only() {
        let exercises = ["04@promote", "05@with_a_slot"].map(str::to_owned).into();
        let text = "04@promote, 05@with_a_slot (04@promote) 04@other\n## 04@promote\n    04@promote\n`run 04@promote` 04@promote\n";
        let promote = "[04@promote](scenario_04.md#04promote)";
        let slot = "[05@with_a_slot](scenario_05.md#05with_a_slot)";
        let expected = format!(
            "{promote}, {slot} ({promote}) 04@other\n## 04@promote\n    04@promote\n`run 04@promote` {promote}\n"
        );
        assert_eq!(linked(text, &exercises), expected);
    }
}
