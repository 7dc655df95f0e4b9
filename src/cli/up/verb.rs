//! The verbs of a sandbox, as a closed choice, and their parser: one entry for every verb in
//! `VERBS`; `act` does it. It is pure: whether a verb makes sense now is decided by the act.

use std::time::Duration;

use super::super::nearest::nearest;
use super::words::{Way, Words};

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Cuts the link between a node and its upstream, or one direction of it.
    Cut(String, Option<Way>),
    /// Delays every byte on a link, in each direction.
    Delay(String, Duration),
    /// Limits a link to this many bytes per second.
    Throttle(String, u32),
    /// Resets every connection of a link.
    Reset(String),
    /// Heals one link or all.
    Heal(Option<String>),
    Freeze(String),
    Thaw(String),
    Crash(String),
    Stop(String),
    Start(String),
    Promote(String),
    /// Makes a node follow another one.
    Follow(String, String),
    /// Makes a stopped node a standby with `pg_rewind`: of the given upstream, or of the only
    /// primary.
    Rewind(String, Option<String>),
    /// Makes a stopped node a standby with a base backup: of the given upstream, or of the only
    /// primary.
    Rebuild(String, Option<String>),
    /// Places orders for this many seconds.
    Load(u64),
    /// Sets `synchronous_standby_names`; an empty text removes the rule.
    Sync(String),
    /// Runs SQL on a node, and shows its rows.
    Sql(String, String),
    Status,
    Log(String),
    Psql,
    /// Shows the help: of one verb, or of all.
    Help(Option<String>),
    Quit,
}

/// A verb as it is typed.
struct Known {
    /// Its names; help shows the first one.
    names: &'static [&'static str],
    /// Lines to type, and what each does. The first one is the example in an error; a verb without
    /// lines is not in the help.
    lines: &'static [(&'static str, &'static str)],
    /// Reads the words after the verb.
    read: fn(&mut Words<'_>) -> Result<Verb, String>,
}

/// All verbs.
const VERBS: &[Known] = &[
    Known {
        names: &["cut"],
        lines: &[
            ("cut 1", "no byte passes between standby1 and its upstream"),
            ("cut 1 to-standby", "no WAL arrives; to-upstream: no reports get back"),
        ],
        read: |words| Ok(Verb::Cut(words.node()?, words.way()?)),
    },
    Known {
        names: &["delay", "slow"],
        lines: &[("delay 1 20ms", "every byte arrives 20 ms later, in each direction")],
        read: |words| Ok(Verb::Delay(words.node()?, words.time()?)),
    },
    Known {
        names: &["throttle"],
        lines: &[("throttle 1 10kB", "at most 10 kB pass per second, in each direction")],
        read: |words| Ok(Verb::Throttle(words.node()?, words.size()?)),
    },
    Known {
        names: &["reset"],
        lines: &[("reset 1", "ends standby1's connections with a TCP reset")],
        read: |words| words.node().map(Verb::Reset),
    },
    Known {
        names: &["heal"],
        lines: &[("heal 1", "ends the faults on its link; heal alone: on all links")],
        read: |words| words.node_or_none().map(Verb::Heal),
    },
    Known {
        names: &["freeze"],
        lines: &[("freeze 1", "stops all processes (SIGSTOP); sockets stay open")],
        read: |words| words.node().map(Verb::Freeze),
    },
    Known {
        names: &["thaw"],
        lines: &[("thaw 1", "continues all processes (SIGCONT)")],
        read: |words| words.node().map(Verb::Thaw),
    },
    Known {
        names: &["crash"],
        lines: &[("crash primary", "kills the postmaster (SIGKILL)")],
        read: |words| words.node().map(Verb::Crash),
    },
    Known {
        names: &["stop"],
        lines: &[("stop 1", "shuts the server down (pg_ctl stop -m fast)")],
        read: |words| words.node().map(Verb::Stop),
    },
    Known {
        names: &["start"],
        lines: &[("start 1", "starts the server with the data and the role it had")],
        read: |words| words.node().map(Verb::Start),
    },
    Known {
        names: &["promote"],
        lines: &[("promote 1", "makes a standby a primary, on a new timeline")],
        read: |words| words.node().map(Verb::Promote),
    },
    Known {
        names: &["follow"],
        lines: &[("follow 2 1", "makes standby1 the upstream of standby2")],
        read: |words| words.two_nodes().map(|(node, upstream)| Verb::Follow(node, upstream)),
    },
    Known {
        names: &["rewind"],
        lines: &[("rewind primary", "makes a stopped node a standby of the primary (pg_rewind)")],
        read: |words| Ok(Verb::Rewind(words.node()?, words.node_or_none()?)),
    },
    Known {
        names: &["rebuild"],
        lines: &[("rebuild primary", "makes it one with a new copy of all data (pg_basebackup)")],
        read: |words| Ok(Verb::Rebuild(words.node()?, words.node_or_none()?)),
    },
    Known {
        names: &["load"],
        lines: &[("load 10", "places orders for 10 seconds, and shows their outcomes")],
        read: |words| words.seconds().map(Verb::Load),
    },
    Known {
        names: &["sync"],
        lines: &[("sync 'ANY 1 (*)'", "sets synchronous_standby_names; sync off empties it")],
        read: |words| words.rule().map(Verb::Sync),
    },
    Known {
        names: &["sql"],
        lines: &[("sql 1 SELECT 1", "runs SQL on a node and shows its rows")],
        read: |words| Ok(Verb::Sql(words.node()?, words.sql()?)),
    },
    Known {
        names: &["status"],
        lines: &[("status", "every node: timeline, upstream, state, lag, retained WAL")],
        read: |_| Ok(Verb::Status),
    },
    Known {
        names: &["log"],
        lines: &[("log 1", "the last lines of a server's log")],
        read: |words| words.node().map(Verb::Log),
    },
    Known {
        names: &["psql"],
        lines: &[("psql", "shows the psql lines and connection strings again")],
        read: |_| Ok(Verb::Psql),
    },
    Known {
        names: &["help", "?"],
        lines: &[],
        read: |words| words.name().map(known_verb).transpose().map(Verb::Help),
    },
    Known {
        names: &["quit", "exit"],
        lines: &[("quit", "removes all servers, as Ctrl-C and the end of the input do")],
        read: |_| Ok(Verb::Quit),
    },
];

/// Returns the help: one line for each form of a verb, or of all verbs.
pub(super) fn help(verb: Option<&str>) -> String {
    let wanted = |known: &&Known| verb.is_none_or(|verb| known.names.contains(&verb));
    let lines = VERBS.iter().filter(wanted).flat_map(|known| known.lines);
    let lines = lines.map(|(line, what)| format!("  {line:<17} {what}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns what the word before the cursor can become: a verb, a node, a direction.
pub(super) fn complete(line: &str, nodes: &[String]) -> Vec<String> {
    let begun = line.rsplit(char::is_whitespace).next().unwrap_or_default();
    let mut before = line.get(..line.len() - begun.len()).unwrap_or_default().split_whitespace();
    let nodes = || nodes.to_vec();
    let words: Vec<String> = match (before.next(), before.count()) {
        (None, _) | (Some("help" | "?"), 0) => names().map(str::to_owned).collect(),
        (Some("cut"), 1) => ["to-standby", "to-upstream"].map(str::to_owned).to_vec(),
        (Some("follow" | "rewind" | "rebuild"), 0 | 1) => nodes(),
        (Some(verb), 0) if takes_a_node(verb) => nodes(),
        _ => Vec::new(),
    };
    words.into_iter().filter(|word| word.starts_with(begun)).collect()
}

/// Tells whether a node follows a verb in the first line of its help.
fn takes_a_node(verb: &str) -> bool {
    let known = VERBS.iter().find(|known| known.names.contains(&verb));
    let line = known.and_then(|known| known.lines.first());
    let word = line.and_then(|(line, _)| line.split(' ').nth(1));
    word.is_some_and(|word| word == "1" || word == "primary")
}

/// Returns the first name of every verb.
fn names() -> impl Iterator<Item = &'static str> {
    VERBS.iter().filter_map(|known| known.names.first().copied())
}

fn known_verb(word: &str) -> Result<String, String> {
    match VERBS.iter().find(|known| known.names.contains(&word)) {
        Some(_) => Ok(word.to_owned()),
        None => Err(not_a_verb(word)),
    }
}

/// Returns that a word is not a verb, and those that are nearest, or else all.
fn not_a_verb(word: &str) -> String {
    let all = VERBS.iter().flat_map(|known| known.names).copied();
    match nearest(word, all).as_slice() {
        [] => format!("{word:?} is not a verb; verbs: {}", shown()),
        [one, ..] => format!("{word:?} is not a verb; did you mean {one:?}? help shows all verbs"),
    }
}

/// Reads a line; `nodes` are the names of the nodes, the primary's first. An empty line is none.
///
/// # Errors
///
/// The line is not understood: the text, one line, says why, and what is understood.
pub(super) fn parse(line: &str, nodes: &[&str]) -> Result<Option<Verb>, String> {
    let line = line.trim();
    let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if verb.is_empty() {
        return Ok(None);
    }
    let known = VERBS.iter().find(|known| known.names.contains(&verb));
    let known = known.ok_or_else(|| not_a_verb(verb))?;
    let example = known.lines.first().map_or(verb, |(line, _)| line);
    let mut words = Words::behind(verb, rest, example, nodes);
    let parsed = (known.read)(&mut words)?;
    words.end()?;
    Ok(Some(parsed))
}

/// Returns the names of the verbs that help shows.
fn shown() -> String {
    let shown = VERBS.iter().filter(|known| !known.lines.is_empty());
    shown.filter_map(|known| known.names.first().copied()).collect::<Vec<_>>().join(", ")
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
            ("cut 1 to-standby", Verb::Cut(one.clone(), Some(Way::ToStandby))),
            ("cut 1 to-upstream", Verb::Cut(one.clone(), Some(Way::ToUpstream))),
            ("delay 1 20ms", Verb::Delay(one.clone(), Duration::from_millis(20))),
            ("slow 1 20ms", Verb::Delay(one.clone(), Duration::from_millis(20))),
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
            ("explode 1", "\"explode\" is not a verb; verbs: cut, delay, throttle, reset, heal,"),
            ("crahs 1", "\"crahs\" is not a verb; did you mean \"crash\"? help shows all verbs"),
            ("help sotp", "\"sotp\" is not a verb; did you mean \"stop\"?"),
            ("sql 1", "sql needs a statement: sql 1 SELECT 1"),
            ("cut", "cut needs a node: cut 1"),
            ("cut 7", "\"7\" is not a node; nodes: 0 = primary, 1 = standby1, 2 = standby2"),
            ("cut 1 sideways", "\"sideways\" is not a direction: to-standby, to-upstream"),
            ("delay 1", "delay needs a time: delay 1 20ms"),
            ("delay 1 soon", "\"soon\" is not a time such as 20ms"),
            ("throttle 1 10", "\"10\" is not a size such as 500B, 10kB"),
            ("follow 2", "follow needs two nodes: follow 2 1"),
            ("load 0", "\"0\" is not a number of whole seconds from 1 to 600"),
            ("sync", "sync needs a rule, or off: sync 'ANY 1 (*)'"),
            ("promote 1 now", "\"now\" is one word too many for promote"),
        ] {
            let said = read(line).unwrap_err();
            assert!(said.starts_with(expected), "{line}: {said}");
            assert_eq!(said.lines().count(), 1, "{line}: {said}");
        }
    }

    #[test]
    fn a_word_can_become_a_verb_a_node_or_a_direction() {
        let nodes = NODES.map(str::to_owned);
        let complete = |line| complete(line, &nodes);
        assert_eq!(complete("st"), ["stop", "start", "status"]);
        assert_eq!(complete("cut s"), ["standby1", "standby2"]);
        assert_eq!(complete("cut 1 to-s"), ["to-standby"]);
        assert_eq!(complete("crash p"), ["primary"]);
        assert_eq!(complete("follow standby2 p"), ["primary"]);
        assert_eq!(complete("help prom"), ["promote"]);
        assert_eq!(complete("load s"), [""; 0]);
        assert_eq!(complete("status s"), [""; 0]);
        assert_eq!(complete("").len(), VERBS.len());
    }

    #[test]
    fn every_line_that_help_shows_is_understood() {
        for (line, _) in VERBS.iter().flat_map(|known| known.lines) {
            assert!(matches!(read(line), Ok(Some(_))), "{line}");
        }
        assert!(help(None).lines().all(|line| line.len() < 80), "it fits on a terminal");
    }

    #[test]
    fn every_verb_reads_its_own_act() {
        let one = || "standby1".to_owned();
        for (line, verb) in [
            ("cut 1 to-primary", Verb::Cut(one(), Some(Way::ToUpstream))),
            ("reset 1", Verb::Reset(one())),
            ("freeze 1", Verb::Freeze(one())),
            ("thaw 1", Verb::Thaw(one())),
            ("crash 1", Verb::Crash(one())),
            ("stop 1", Verb::Stop(one())),
            ("start 1", Verb::Start(one())),
            ("promote 1", Verb::Promote(one())),
            ("rebuild 1", Verb::Rebuild(one(), None)),
            ("rebuild 1 2", Verb::Rebuild(one(), Some("standby2".to_owned()))),
            ("load 1", Verb::Load(1)),
            ("load 600s", Verb::Load(600)),
            ("status", Verb::Status),
            ("log 1", Verb::Log(one())),
            ("psql", Verb::Psql),
            ("help", Verb::Help(None)),
            ("?", Verb::Help(None)),
            ("help cut", Verb::Help(Some("cut".to_owned()))),
            ("sql 1  SELECT 1, 2; ", Verb::Sql(one(), "SELECT 1, 2;".to_owned())),
            ("quit", Verb::Quit),
        ] {
            assert_eq!(read(line), Ok(Some(verb)), "{line}");
        }
        for line in ["load 601", "load 1.5", "sync 'a\" now", "heal 1 2", "status 1"] {
            let is_rule = line.starts_with("sync");
            assert_eq!(read(line).is_ok(), is_rule, "{line}");
        }
        assert_eq!(read("sync 'a\""), Ok(Some(Verb::Sync("'a\"".to_owned()))));
    }

    #[test]
    fn help_shows_every_line_and_the_list_of_verbs_each_of_them_once() {
        let lines: Vec<_> = VERBS.iter().flat_map(|known| known.lines).collect();
        assert_eq!(help(None).lines().count(), lines.len());
        let first = "  cut 1             no byte passes between standby1 and its upstream";
        assert_eq!(help(None).lines().next(), Some(first));
        assert_eq!(help(Some("cut")).lines().count(), 2);
        assert!(!shown().contains("help") && shown().ends_with("psql, quit"), "{}", shown());
    }
}
