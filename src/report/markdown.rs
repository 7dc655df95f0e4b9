//! Text within Markdown: the text of a record is shown as it is, on one line, and is never
//! interpreted as markup.

use std::fmt;

/// The escaper of the journal's template.
#[derive(Clone, Copy)]
pub(crate) struct Escaped;

impl askama::filters::Escaper for Escaped {
    fn write_escaped_str<W: fmt::Write>(&self, mut to: W, text: &str) -> fmt::Result {
        let mut before = None;
        let mut only_digits = true;
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            let next = rest.peek().copied();
            let is_in_word = |other: Option<char>| other.is_some_and(char::is_alphanumeric);
            let is_markup = match c {
                '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~' => true,
                // Within a word Markdown reads no emphasis, and names are full of underscores.
                '_' => !(is_in_word(before) && is_in_word(next)),
                '&' => next.is_some_and(|next| next == '#' || next.is_alphanumeric()),
                '#' | '+' | '-' | '=' => before.is_none(),
                // `1. ` would be a list.
                '.' | ')' => only_digits && next == Some(' '),
                _ => false,
            };
            if is_markup {
                to.write_char('\\')?;
            }
            to.write_char(if c.is_control() { ' ' } else { c })?;
            only_digits &= c.is_ascii_digit();
            before = Some(c);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use askama::filters::Escaper as _;

    use super::*;

    #[test]
    fn nothing_that_a_record_says_is_markup() {
        for (said, written) in [
            (
                "pg_stat_replication: 3 rows, 12.5 MB - fine",
                "pg_stat_replication: 3 rows, 12.5 MB - fine",
            ),
            ("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"),
            ("_a_ *b* [c](d) `e` a|b", "\\_a\\_ \\*b\\* \\[c\\](d) \\`e\\` a\\|b"),
            ("# no heading\n# nor here", "\\# no heading # nor here"),
            ("1. no list", "1\\. no list"),
            ("a && b &amp; &#60;", "a && b \\&amp; \\&#60;"),
        ] {
            let mut to = String::new();
            Escaped.write_escaped_str(&mut to, said).unwrap();
            assert_eq!(to, written);
        }
    }
}
