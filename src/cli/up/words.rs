//! The words after a verb: nodes, times, sizes, directions, rules. No verb is named here; an error
//! is one line with an example.

use std::time::Duration;

use super::quantity::{size, time};

/// The longest load, in seconds.
const LONGEST_LOAD: u64 = 600;

/// The words after a verb, read from left to right.
pub(super) struct Words<'a> {
    verb: &'a str,
    left: &'a str,
    /// An example of a line with this verb.
    example: &'a str,
    /// The names of the nodes, the primary's first.
    nodes: &'a [&'a str],
}

/// A direction over a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToStandby,
    ToUpstream,
}

impl<'a> Words<'a> {
    /// Returns the words after `verb`.
    pub(super) fn behind(
        verb: &'a str,
        left: &'a str,
        example: &'a str,
        nodes: &'a [&'a str],
    ) -> Self {
        Self { verb, left, example, nodes }
    }

    /// Reads a node, by its name or by its number: the primary's is 0.
    pub(super) fn node(&mut self) -> Result<String, String> {
        self.node_of("a node")
    }

    pub(super) fn two_nodes(&mut self) -> Result<(String, String), String> {
        Ok((self.node_of("two nodes")?, self.node_of("two nodes")?))
    }

    pub(super) fn node_or_none(&mut self) -> Result<Option<String>, String> {
        self.next().map(|word| self.named(word)).transpose()
    }

    /// Reads a direction; none for both.
    pub(super) fn way(&mut self) -> Result<Option<Way>, String> {
        match self.next() {
            None => Ok(None),
            Some("to-standby") => Ok(Some(Way::ToStandby)),
            Some("to-upstream" | "to-primary") => Ok(Some(Way::ToUpstream)),
            Some(word) => Err(format!(
                "{word:?} is not a direction: to-standby, to-upstream, or none for both"
            )),
        }
    }

    pub(super) fn time(&mut self) -> Result<Duration, String> {
        time(self.word("a time")?)
    }

    pub(super) fn size(&mut self) -> Result<u32, String> {
        size(self.word("a size")?)
    }

    pub(super) fn seconds(&mut self) -> Result<u64, String> {
        let word = self.word("a number of seconds")?;
        let seconds = word.strip_suffix('s').unwrap_or(word).parse().ok();
        seconds.filter(|seconds| (1..=LONGEST_LOAD).contains(seconds)).ok_or_else(|| {
            format!("{word:?} is not a number of whole seconds from 1 to {LONGEST_LOAD}")
        })
    }

    /// Reads all that is left, with or without quotes around it; `off` is the empty rule.
    pub(super) fn rule(&mut self) -> Result<String, String> {
        let rule = std::mem::take(&mut self.left).trim();
        let unquoted = |quote| rule.strip_prefix(quote)?.strip_suffix(quote);
        let bare = ["'", "\""].into_iter().find_map(unquoted);
        match bare.unwrap_or(rule) {
            "" if bare.is_none() => Err(self.needs("a rule, or off")),
            "off" => Ok(String::new()),
            rule => Ok(rule.to_owned()),
        }
    }

    /// Reads all that is left: a statement.
    pub(super) fn sql(&mut self) -> Result<String, String> {
        match std::mem::take(&mut self.left).trim() {
            "" => Err(self.needs("a statement")),
            sql => Ok(sql.to_owned()),
        }
    }

    /// Reads a word, if there is one.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        self.next()
    }

    /// Checks that no word is left.
    ///
    /// # Errors
    ///
    /// A word is left.
    pub(super) fn end(&mut self) -> Result<(), String> {
        match self.next() {
            None => Ok(()),
            Some(word) => Err(format!("{word:?} is one word too many for {}; see help", self.verb)),
        }
    }

    fn next(&mut self) -> Option<&'a str> {
        let left = self.left.trim_start();
        let (word, left) = left.split_once(char::is_whitespace).unwrap_or((left, ""));
        self.left = left;
        Some(word).filter(|word| !word.is_empty())
    }

    fn word(&mut self, needs: &str) -> Result<&'a str, String> {
        self.next().ok_or_else(|| self.needs(needs))
    }

    fn needs(&self, needs: &str) -> String {
        format!("{} needs {needs}: {}", self.verb, self.example)
    }

    fn node_of(&mut self, needs: &str) -> Result<String, String> {
        let word = self.word(needs)?;
        self.named(word)
    }

    fn named(&self, word: &str) -> Result<String, String> {
        let by_number = word.parse().ok().and_then(|number: usize| self.nodes.get(number));
        let by_name = self.nodes.iter().find(|name| **name == word);
        by_number.or(by_name).map(|name| (*name).to_owned()).ok_or_else(|| {
            let known = self.nodes.iter().enumerate();
            let known: Vec<_> = known.map(|(number, name)| format!("{number} = {name}")).collect();
            format!("{word:?} is not a node; nodes: {}", known.join(", "))
        })
    }
}
