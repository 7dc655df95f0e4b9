//! A pattern of names, as in a shell: `*` stands for any characters, `?` for one. It never looks names up.

/// A pattern of names of slots or standbys. A name without `*` and `?` matches itself only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern(Vec<char>);

impl Pattern {
    /// Creates a pattern from its text.
    ///
    /// ```
    /// use replication_lab::health::Pattern;
    /// let patroni = Pattern::new("patroni_*");
    /// assert!(patroni.matches("patroni_node2") && !patroni.matches("node2"));
    /// ```
    pub fn new(text: &str) -> Self {
        Self(text.chars().collect())
    }

    /// Tells whether the whole name matches; upper and lower case differ.
    pub fn matches(&self, name: &str) -> bool {
        matches(&self.0, &name.chars().collect::<Vec<_>>())
    }
}

/// Tries each rest of the name where the pattern has a `*`.
fn matches(pattern: &[char], name: &[char]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            (0..=name.len()).any(|at| name.get(at..).is_some_and(|name| matches(rest, name)))
        }
        (['?', pattern @ ..], [_, name @ ..]) => matches(pattern, name),
        ([one, pattern @ ..], [other, name @ ..]) if one == other => matches(pattern, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_name() {
        for (pattern, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a", "A", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a*", "a", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("?", "é", true),
            ("a?c", "ac", false),
            ("*_slot_*", "cnpg_slot_2", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }
}
