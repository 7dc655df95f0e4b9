//! The lines of the learner's notebook, and how a line is recognised: by its words, whatever
//! Markdown, ticks and emoji stand around them. Nothing here judges a line.

/// A line of the learner's notebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The heading that it stands under.
    pub(crate) heading: String,
    /// Its words, without markup.
    pub(crate) words: String,
}

/// Returns the lines of a notebook, given as Markdown: those that say or ask something. Code, rules
/// and blanks without a question are left out.
pub(crate) fn lines(markdown: &str) -> Vec<Line> {
    let (mut lines, mut heading, mut in_code) = (Vec::new(), String::new(), false);
    for line in markdown.lines() {
        let words = words(line);
        if line.starts_with("```") {
            in_code = !in_code;
        } else if line.starts_with('#') {
            heading = words;
        } else if !in_code && words.chars().any(char::is_alphanumeric) {
            lines.push(Line { heading: heading.clone(), words });
        }
    }
    lines
}

/// Returns the words of a line without markup: list marks, ticks, emphasis, code, emoji, and the
/// blank that is to be filled.
pub(crate) fn words(line: &str) -> String {
    let line = line.trim_start_matches(['#', ' ']);
    let line = line.strip_prefix("- ").unwrap_or(line);
    let line = without_number(line);
    let line = line.strip_prefix("[ ] ").or_else(|| line.strip_prefix("[x] ")).unwrap_or(line);
    let asked = line.split("___").next().unwrap_or_default();
    let is_text = |c: &char| (c.is_ascii() || *c == '→') && !matches!(c, '*' | '`');
    let text: String = asked.chars().filter(is_text).collect();
    text.trim().trim_end_matches(':').trim_end().to_owned()
}

/// Returns whether two texts have the same words, in upper or lower case.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    words(one).eq_ignore_ascii_case(&words(other))
}

/// Returns whether a text begins with all words of a line: a blank may ask for more than the line.
pub(crate) fn begins_with(text: &str, line: &str) -> bool {
    let (text, line) = (words(text).to_lowercase(), words(line).to_lowercase());
    text.strip_prefix(&line).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

fn without_number(line: &str) -> &str {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    match rest.strip_prefix(". ") {
        Some(text) if rest.len() < line.len() => text,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::{begins_with, is_same, lines, words};

    #[test]
    fn the_words_of_a_line_are_left() {
        let cases = [
            (
                "- [x] **Beginner Level** (3/3 scenarios) ⭐ COMPLETE!",
                "Beginner Level (3/3 scenarios)  COMPLETE!",
            ),
            ("- ✅ 1,000 rows: 8.89ms", "1,000 rows: 8.89ms"),
            ("- WAL accumulated: _______", "WAL accumulated"),
            ("- Async write time: _____ ms", "Async write time"),
            ("1. Complete Scenarios 01-03", "Complete Scenarios 01-03"),
            ("2. _______", ""),
            ("- `pg_promote()` is atomic", "pg_promote() is atomic"),
            ("### 📊 Overall:", "Overall"),
            ("00000001... → 00000002...", "00000001... → 00000002..."),
        ];
        for (line, left) in cases {
            assert_eq!(words(line), left, "{line}");
        }
    }

    #[test]
    fn a_line_that_says_nothing_is_none() {
        let markdown = "# A\n- one\n- \n---\n```\ncode\n```\n## B\n- [ ] two: ____\n- ____\n";
        let seen: Vec<_> =
            lines(markdown).into_iter().map(|one| (one.heading, one.words)).collect();
        let expected = [("A", "one"), ("B", "two")];
        assert_eq!(seen, expected.map(|(heading, said)| (heading.to_owned(), said.to_owned())));
    }

    #[test]
    fn a_blank_may_ask_for_more_than_its_line() {
        assert!(is_same("- [ ] PgBouncer", "pgBouncer"));
        assert!(!is_same("- one", "- one more"));
        assert!(begins_with("failover time, from the crash on", "- Failover time: ____"));
        assert!(begins_with("failover time", "Failover time"));
        assert!(!begins_with("failover times", "Failover time"));
        assert!(!begins_with("time", "Failover time"));
    }
}
