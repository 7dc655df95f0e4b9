//! What can be typed while a sandbox runs, as a closed choice, and how a line is read. It is pure: it
//! does nothing, and whether a verb makes sense now is not its to say.

use std::str::SplitWhitespace;
use std::time::Duration;

use replication_lab::Direction;

use super::quantity::{size, time};

/// One line of a person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Let nothing pass between a node and whom it follows; or nothing in one direction.
    Cut(String, Option<Direction>),
    /// Let every byte take longer, each way.
    Slow(String, Duration),
    /// Let so many bytes per second through.
    Throttle(String, u32),
    /// End every connection.
    Reset(String),
    /// Take the faults away, of one link or of all.
    Heal(Option<String>),
    Freeze(String),
    Thaw(String),
    Crash(String),
    Stop(String),
    Start(String),
    Promote(String),
    /// Let a node follow another one.
    Follow(String, String),
    /// Make a stopped node a standby with `pg_rewind`: of this one, or of the only primary.
    Rewind(String, Option<String>),
    /// The same with a base backup.
    Rebuild(String, Option<String>),
    /// Place orders for so many seconds.
    Load(u64),
    /// `synchronous_standby_names`; nothing for no rule.
    Sync(String),
    Status,
    Log(String),
    Psql,
    Help,
    Quit,
}

/// Every verb, as one would type it, and what it is for.
const VERBS: [(&str, &str); 21] = [
    ("cut 1", "no byte passes between standby1 and its upstream; nobody is told"),
    ("cut 1 to-standby", "one way only: no WAL arrives; or to-upstream: no report comes back"),
    ("slow 1 20ms", "every byte takes so much longer, each way"),
    ("throttle 1 10kB", "so many bytes pass in a second"),
    ("reset 1", "ends the connections of standby1's link, as a router that forgot them"),
    ("heal 1", "takes the faults off the link; heal takes them off all links"),
    ("freeze 1", "the server keeps its sockets and does not run (SIGSTOP)"),
    ("thaw 1", "and goes on"),
    ("crash primary", "kills the postmaster (SIGKILL)"),
    ("stop 1", "shuts the server down, fast"),
    ("start 1", "starts it again, as what it was"),
    ("promote 1", "makes a standby a primary, on a new timeline"),
    ("follow 2 1", "lets standby2 follow standby1"),
    ("rewind primary", "makes a stopped node follow the new primary: pg_rewind"),
    ("rebuild primary", "the same with a new copy of everything: pg_basebackup"),
    ("load 10", "places orders for 10 seconds, and says what became of them"),
    ("sync 'ANY 1 (*)'", "sets synchronous_standby_names; sync off empties it"),
    ("status", "every node: timeline, role, state, lag, what its slot keeps"),
    ("log 1", "the last lines of a server's log"),
    ("psql", "the psql lines and connection strings again"),
    ("quit", "takes all away, as Ctrl-C and the end of the input do"),
];

/// The longest load, in seconds.
const LONGEST_LOAD: u64 = 600;

/// What can be typed, a line for each.
pub(super) fn help() -> String {
    let lines = VERBS.iter().map(|(line, what)| format!("  {line:<17} {what}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Reads a line; `nodes` are the names of the nodes, the primary's first. An empty line is none.
///
/// # Errors
///
/// It is not understood: one line that says why, and what is.
pub(super) fn parse(line: &str, nodes: &[&str]) -> Result<Option<Verb>, String> {
    let mut words = line.split_whitespace();
    let Some(verb) = words.next() else { return Ok(None) };
    let mut rest = Rest { verb, words, nodes };
    let parsed = match verb {
        "cut" => Verb::Cut(rest.node()?, rest.direction()?),
        "slow" => Verb::Slow(rest.node()?, time(rest.word("a time")?)?),
        "throttle" => Verb::Throttle(rest.node()?, size(rest.word("a size")?)?),
        "reset" => Verb::Reset(rest.node()?),
        "heal" => Verb::Heal(rest.node_or_none()?),
        "freeze" => Verb::Freeze(rest.node()?),
        "thaw" => Verb::Thaw(rest.node()?),
        "crash" => Verb::Crash(rest.node()?),
        "stop" => Verb::Stop(rest.node()?),
        "start" => Verb::Start(rest.node()?),
        "promote" => Verb::Promote(rest.node()?),
        "follow" => Verb::Follow(rest.node()?, rest.node()?),
        "rewind" => Verb::Rewind(rest.node()?, rest.node_or_none()?),
        "rebuild" => Verb::Rebuild(rest.node()?, rest.node_or_none()?),
        "load" => Verb::Load(rest.seconds()?),
        "sync" => return rule(line).map(Verb::Sync).map(Some),
        "status" => Verb::Status,
        "log" => Verb::Log(rest.node()?),
        "psql" => Verb::Psql,
        "help" | "?" => Verb::Help,
        "quit" | "exit" => Verb::Quit,
        _ => return Err(format!("{verb:?} is no verb; there are: {}", verbs())),
    };
    rest.end()?;
    Ok(Some(parsed))
}

fn verbs() -> String {
    let mut names: Vec<_> = VERBS.iter().filter_map(|(line, _)| line.split(' ').next()).collect();
    names.dedup();
    names.join(", ")
}

/// All behind the verb, with or without quotes around it; `off` is the empty rule.
fn rule(line: &str) -> Result<String, String> {
    let rule = line.trim().strip_prefix("sync").unwrap_or_default().trim();
    let bare = ["'", "\""].iter().find_map(|quote| rule.strip_prefix(quote)?.strip_suffix(quote));
    match bare.unwrap_or(rule) {
        "" if bare.is_none() => Err(example("sync", "a rule, or off")),
        "off" => Ok(String::new()),
        rule => Ok(rule.to_owned()),
    }
}

fn example(verb: &str, needs: &str) -> String {
    let known = VERBS.iter().find(|(line, _)| line.split(' ').next() == Some(verb));
    format!("{verb} needs {needs}: {}", known.map_or(verb, |(line, _)| line))
}

/// The words behind a verb.
struct Rest<'a> {
    verb: &'a str,
    words: SplitWhitespace<'a>,
    nodes: &'a [&'a str],
}

impl<'a> Rest<'a> {
    fn word(&mut self, needs: &str) -> Result<&'a str, String> {
        self.words.next().ok_or_else(|| example(self.verb, needs))
    }

    fn node(&mut self) -> Result<String, String> {
        let needs = if self.verb == "follow" { "two nodes" } else { "a node" };
        let word = self.word(needs)?;
        self.named(word)
    }

    fn node_or_none(&mut self) -> Result<Option<String>, String> {
        self.words.next().map(|word| self.named(word)).transpose()
    }

    /// By its name, or by its number: that of the primary is 0.
    fn named(&self, word: &str) -> Result<String, String> {
        let by_number = word.parse().ok().and_then(|number: usize| self.nodes.get(number));
        let by_name = self.nodes.iter().find(|name| **name == word);
        by_number.or(by_name).map(|name| (*name).to_owned()).ok_or_else(|| {
            let known = self.nodes.iter().enumerate();
            let known: Vec<_> = known.map(|(number, name)| format!("{number} = {name}")).collect();
            format!("{word:?} is no node; there are: {}", known.join(", "))
        })
    }

    fn direction(&mut self) -> Result<Option<Direction>, String> {
        Ok(match self.words.next() {
            None => None,
            Some("to-standby") => Some(Direction::ToStandby),
            Some("to-upstream" | "to-primary") => Some(Direction::ToUpstream),
            Some(word) => {
                return Err(format!(
                    "{word:?} is no way: to-standby, to-upstream, or none for both"
                ));
            }
        })
    }

    fn seconds(&mut self) -> Result<u64, String> {
        let word = self.word("a number of seconds")?;
        let seconds = word.strip_suffix('s').unwrap_or(word).parse().ok();
        seconds.filter(|seconds| (1..=LONGEST_LOAD).contains(seconds)).ok_or_else(|| {
            format!("{word:?} is no number of whole seconds from 1 to {LONGEST_LOAD}")
        })
    }

    fn end(&mut self) -> Result<(), String> {
        match self.words.next() {
            None => Ok(()),
            Some(word) => Err(format!("{word:?} is a word too many for {}; see help", self.verb)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [&str; 3] = ["primary", "standby1", "standby2"];

    fn read(line: &str) -> Result<Option<Verb>, String> {
        parse(line, &NODES)
    }

    #[test]
    fn a_node_is_meant_by_number_or_by_name() {
        for (line, node) in [("stop 1", "standby1"), ("stop standby2", "standby2")] {
            assert_eq!(read(line), Ok(Some(Verb::Stop(node.to_owned()))));
        }
        for line in ["crash 0", "crash primary", "  crash   primary "] {
            assert_eq!(read(line), Ok(Some(Verb::Crash("primary".to_owned()))));
        }
    }

    #[test]
    fn words_behind_a_verb_are_read() {
        let (one, two) = ("standby1".to_owned(), "standby2".to_owned());
        for (line, verb) in [
            ("cut 1", Verb::Cut(one.clone(), None)),
            ("cut 1 to-standby", Verb::Cut(one.clone(), Some(Direction::ToStandby))),
            ("cut 1 to-upstream", Verb::Cut(one.clone(), Some(Direction::ToUpstream))),
            ("slow 1 20ms", Verb::Slow(one.clone(), Duration::from_millis(20))),
            ("throttle 1 10kB", Verb::Throttle(one.clone(), 10_240)),
            ("heal", Verb::Heal(None)),
            ("heal 1", Verb::Heal(Some(one.clone()))),
            ("follow 2 1", Verb::Follow(two, one.clone())),
            ("rewind primary", Verb::Rewind("primary".to_owned(), None)),
            ("rewind primary 1", Verb::Rewind("primary".to_owned(), Some(one))),
            ("load 10", Verb::Load(10)),
            ("exit", Verb::Quit),
        ] {
            assert_eq!(read(line), Ok(Some(verb)), "{line}");
        }
        assert_eq!(read("  "), Ok(None));
    }

    #[test]
    fn a_rule_is_all_that_stands_behind_sync() {
        for (line, rule) in [
            ("sync 'FIRST 1 (standby1)'", "FIRST 1 (standby1)"),
            ("sync FIRST 1 (standby1)", "FIRST 1 (standby1)"),
            ("sync \"*\"", "*"),
            ("sync off", ""),
            ("sync ''", ""),
        ] {
            assert_eq!(read(line), Ok(Some(Verb::Sync(rule.to_owned()))), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told_in_one_line_with_what_is() {
        for (line, expected) in [
            ("explode 1", "\"explode\" is no verb; there are: cut, slow, throttle, reset, heal,"),
            ("cut", "cut needs a node: cut 1"),
            ("cut 7", "\"7\" is no node; there are: 0 = primary, 1 = standby1, 2 = standby2"),
            ("cut 1 sideways", "\"sideways\" is no way: to-standby, to-upstream"),
            ("slow 1", "slow needs a time: slow 1 20ms"),
            ("slow 1 soon", "\"soon\" is no time such as 20ms"),
            ("throttle 1 10", "\"10\" is no size such as 500B, 10kB"),
            ("follow 2", "follow needs two nodes: follow 2 1"),
            ("load 0", "\"0\" is no number of whole seconds from 1 to 600"),
            ("sync", "sync needs a rule, or off: sync 'ANY 1 (*)'"),
            ("promote 1 now", "\"now\" is a word too many for promote"),
        ] {
            let said = read(line).unwrap_err();
            assert!(said.starts_with(expected), "{line}: {said}");
            assert_eq!(said.lines().count(), 1, "{line}: {said}");
        }
    }

    #[test]
    fn every_line_that_help_shows_is_understood() {
        for (line, _) in VERBS {
            assert!(matches!(read(line), Ok(Some(_))), "{line}");
        }
        assert!(help().lines().all(|line| line.len() < 80), "it fits on a terminal");
    }
}
