//! The table of a sandbox: a row for every node, from the servers' answers. It is pure: it asks no
//! server.

use super::super::summary;
use super::seen::{Observation, Pulse, Seen, Sync};
use crate::record::reading::Reading;
use crate::stat::rows::{Replication, Slot};
use crate::wal::bytes_between;

/// A node, and what is known about it.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) name: String,
    /// Its upstream, if it is a standby.
    pub(super) follows: Option<String>,
    /// The faults of the node and of its link.
    pub(super) troubles: Vec<String>,
    pub(super) seen: Seen,
}

/// The whole cluster at one moment.
#[derive(Clone, Debug)]
pub(super) struct Board(pub(super) Vec<Standing>);

impl Board {
    /// Returns the table, and a line for each warning.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut table = summary::plain();
        table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
        table.set_header(["node", "tl", "follows", "state", "behind", "retained WAL", "faults"]);
        for one in &self.0 {
            let timeline =
                one.seen.last.as_ref().map(|observation| observation.timeline.to_string());
            table.add_row([
                one.name.clone(),
                timeline.unwrap_or_else(none),
                one.follows().unwrap_or_else(none),
                self.state(one),
                self.behind(one).unwrap_or_else(none),
                self.kept(one).unwrap_or_else(none),
                one.troubles.join(", "),
            ]);
        }
        let table = summary::text(&table);
        let notes = self.unused_slots().into_iter().chain(self.rules()).chain(self.warning());
        table.lines().map(str::to_owned).chain(notes).collect()
    }

    /// Returns a line for each node whose timeline, upstream or state has changed.
    pub(super) fn news(&self, before: &Self) -> Vec<String> {
        let line_of = |board: &Self, one: &Standing| {
            let timeline = one
                .seen
                .last
                .as_ref()
                .map(|observation| format!("timeline {}, ", observation.timeline));
            let follows = one.follows().map(|upstream| format!("follows {upstream}, "));
            let (timeline, follows) = (timeline.unwrap_or_default(), follows.unwrap_or_default());
            format!("{}: {timeline}{follows}{}", one.name, board.state(one))
        };
        let pairs = std::iter::zip(&self.0, &before.0);
        let changed = pairs.filter_map(|(now, then)| {
            let line = line_of(self, now);
            (then.seen.last.is_some() && line != line_of(before, then)).then_some(line)
        });
        changed.collect()
    }

    fn find(&self, name: &str) -> Option<&Standing> {
        self.0.iter().find(|one| one.name == name)
    }

    /// Returns what the upstream of a node shows, if it answers.
    fn upstream(&self, one: &Standing) -> Option<&Observation> {
        self.find(one.follows.as_ref()?)?.seen.now()
    }

    fn row<'a>(&'a self, one: &Standing) -> Option<&'a Replication> {
        self.upstream(one)?.followers.iter().find(|row| row.application_name == one.name)
    }

    fn state(&self, one: &Standing) -> String {
        match &one.seen.pulse {
            Pulse::Silent => return "no answer".to_owned(),
            Pulse::Down(None) => return "down".to_owned(),
            Pulse::Down(Some(said)) => return said.clone(),
            Pulse::Answers => {}
        }
        let Some(observation) = &one.seen.last else { return none() };
        if observation.is_primary() {
            return match observation.sync.waiting {
                0 => "primary".to_owned(),
                commits => format!("primary, {commits} waiting"),
            };
        }
        match self.row(one) {
            Some(row) => format!("standby, {}, {}", row.state, row.sync_state),
            None => "standby, not connected".to_owned(),
        }
    }

    /// Returns the bytes that its upstream has written and it has not replayed. This works while it
    /// is not connected, too, because both servers are asked.
    fn behind(&self, one: &Standing) -> Option<String> {
        let own =
            one.seen.last.as_ref().filter(|observation| !observation.is_primary())?.position.lsn?;
        let upstream = self.find(one.follows.as_ref()?)?.seen.last.as_ref()?.position.lsn?;
        Some(bytes(bytes_between(own, upstream)))
    }

    fn kept(&self, one: &Standing) -> Option<String> {
        let slots = &self.upstream(one)?.slots;
        Some(kept(slots.iter().find(|slot| slot.slot_name == one.name)?))
    }

    /// Returns a line for each inactive slot whose standby follows another server.
    fn unused_slots(&self) -> Vec<String> {
        let follows = |name: &str, upstream: &str| {
            self.find(name).is_some_and(|node| node.follows.as_deref() == Some(upstream))
        };
        let all = self.0.iter().filter_map(|one| Some((one, one.seen.now()?)));
        let slots = all
            .flat_map(|(one, observation)| observation.slots.iter().map(move |slot| (one, slot)));
        let unused =
            slots.filter(|(one, slot)| !slot.active && !follows(&slot.slot_name, &one.name));
        let lines = unused.map(|(one, slot)| {
            format!(
                " slot {} on {} is inactive; retained WAL: {}",
                slot.slot_name,
                one.name,
                kept(slot)
            )
        });
        lines.collect()
    }

    /// Returns a line for each primary whose commits wait for standbys: the rule, and how many wait now.
    fn rules(&self) -> Vec<String> {
        let primaries = self.0.iter().filter_map(|one| Some((one, one.seen.now()?)));
        let ruled = primaries.filter(|(_, observation)| {
            observation.is_primary() && !observation.sync.rule.is_empty()
        });
        let lines = ruled.map(|(one, observation)| {
            let Sync { rule, waiting } = &observation.sync;
            let waits = match waiting {
                0 => "no commit waits".to_owned(),
                count => format!("sessions whose commit waits: {count}"),
            };
            format!(
                " commits on {} wait for synchronous_standby_names = '{rule}'; {waits}",
                one.name
            )
        });
        lines.collect()
    }

    fn warning(&self) -> Option<String> {
        let observations = self.0.iter().filter_map(|one| Some((one, one.seen.now()?)));
        let writable = observations.filter(|(_, observation)| observation.is_primary());
        let names: Vec<_> = writable.map(|(one, _)| one.name.as_str()).collect();
        match names.as_slice() {
            [_] => None,
            [] => Some(" no server is a primary: none takes writes".to_owned()),
            _ => Some(format!(" {} are primaries: a split brain", names.join(" and "))),
        }
    }
}

impl Standing {
    /// Returns its upstream, unless it is a primary.
    fn follows(&self) -> Option<String> {
        let is_primary = self.seen.last.as_ref().is_some_and(Observation::is_primary);
        self.follows.clone().filter(|_| !is_primary)
    }
}

fn kept(slot: &Slot) -> String {
    match slot.wal_status.as_deref() {
        Some(status @ ("lost" | "unreserved")) => status.to_owned(),
        _ => slot.retained().map_or_else(none, bytes),
    }
}

fn bytes(bytes: u64) -> String {
    Reading::Bytes(bytes).to_string()
}

fn none() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stat::rows::Position;
    use crate::wal::{Lsn, Timeline};

    fn observation(in_recovery: bool, timeline: u32, lsn: u64) -> Observation {
        let timeline = Timeline(timeline);
        let lsn = Some(Lsn::from(lsn));
        let position = Position { in_recovery, control_timeline: timeline, lsn };
        let sync = Sync::default();
        Observation { position, timeline, followers: Vec::new(), slots: Vec::new(), sync }
    }

    fn node(name: &str, follows: Option<&str>, observation: Observation) -> Standing {
        let seen = Seen { pulse: Pulse::Answers, last: Some(observation) };
        let follows = follows.map(str::to_owned);
        Standing { name: name.to_owned(), follows, troubles: Vec::new(), seen }
    }

    fn slot(name: &str, restart: u64, own: u64) -> Slot {
        Slot {
            slot_name: name.to_owned(),
            active: false,
            restart_lsn: Some(Lsn::from(restart)),
            wal_status: Some("reserved".to_owned()),
            synced: false,
            own_lsn: Some(Lsn::from(own)),
            ..Slot::default()
        }
    }

    fn pair() -> Board {
        let mut primary = observation(false, 1, 5000);
        primary.slots.push(slot("standby1", 2000, 5000));
        Board(vec![
            node("primary", None, primary),
            node("standby1", Some("primary"), observation(true, 1, 4000)),
        ])
    }

    #[test]
    fn a_standby_that_is_not_connected_has_its_lag_and_what_its_slot_keeps() {
        let mut board = pair();
        board.0[1].troubles.push("cut".to_owned());
        let lines = board.lines();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let words: Vec<_> = lines.iter().map(|line| words(line)).collect();
        assert_eq!(words[1], "primary 1 - primary - -");
        assert_eq!(words[2], "standby1 1 primary standby, not connected 1 kB 3 kB cut");
        assert_eq!(lines.len(), 3, "{lines:?}");
    }

    #[test]
    fn commits_that_wait_are_shown_with_their_rule() {
        let mut board = pair();
        let primary = board.0[0].seen.last.as_mut().unwrap();
        primary.sync = Sync { rule: "ANY 1 (*)".to_owned(), waiting: 0 };
        let idle = board.lines();
        assert_eq!(
            idle[3],
            " commits on primary wait for synchronous_standby_names = 'ANY 1 (*)'; no commit waits"
        );
        board.0[0].seen.last.as_mut().unwrap().sync.waiting = 2;
        let lines = board.lines();
        assert!(lines[1].contains("primary, 2 waiting"), "{lines:?}");
        assert!(lines[3].ends_with("sessions whose commit waits: 2"), "{lines:?}");
    }

    #[test]
    fn a_promotion_is_news_and_a_split_brain_a_warning() {
        let before = pair();
        let mut board = before.clone();
        assert_eq!(board.news(&before), Vec::<String>::new());
        board.0[1] = node("standby1", None, observation(false, 2, 4000));
        assert_eq!(board.news(&before), ["standby1: timeline 2, primary"]);
        let lines = board.lines();
        assert_eq!(lines[3], " slot standby1 on primary is inactive; retained WAL: 3 kB");
        assert_eq!(lines[4], " primary and standby1 are primaries: a split brain");
    }

    #[test]
    fn a_server_that_does_not_answer_is_told_from_one_that_is_not_there() {
        let mut board = pair();
        board.0[0].seen.pulse = Pulse::Silent;
        board.0[1].seen.pulse = Pulse::Down(None);
        let lines = board.lines();
        assert!(lines[1].contains("no answer"), "{}", lines[1]);
        assert!(lines[2].contains("down") && lines[2].contains("1 kB"), "{}", lines[2]);
        assert_eq!(lines[3], " no server is a primary: none takes writes");
    }

    fn row(name: &str) -> Replication {
        let lsn = Some(Lsn::from(1));
        Replication {
            application_name: name.to_owned(),
            state: format!("state of {name}"),
            own_lsn: lsn,
            sent_lsn: lsn,
            write_lsn: lsn,
            flush_lsn: lsn,
            replay_lsn: lsn,
            write_lag: None,
            flush_lag: None,
            replay_lag: None,
            sync_state: "sync".to_owned(),
            ..Replication::default()
        }
    }

    fn words(lines: &[String]) -> Vec<String> {
        let words = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.iter().map(words).collect()
    }

    /// Observes a chain whose standbys have rows and slots at their own upstream.
    #[test]
    fn a_node_has_the_row_and_the_slot_of_its_name_at_its_upstream() {
        let mut primary = observation(false, 3, 9_000);
        primary.followers = vec![row("other"), row("a")];
        primary.slots = vec![slot("other", 1_000, 9_000), slot("a", 5_000, 9_000)];
        let mut upstream = observation(true, 3, 8_000);
        upstream.followers = vec![row("b")];
        upstream.slots = vec![slot("b", 6_000, 8_000)];
        for slot in primary.slots.iter_mut().chain(&mut upstream.slots) {
            slot.active = true;
        }
        let mut board = Board(vec![
            node("primary", None, primary),
            node("a", Some("primary"), upstream),
            node("b", Some("a"), observation(true, 2, 1_000)),
        ]);
        board.0[2].troubles = vec!["cut".to_owned(), "frozen".to_owned()];
        assert_eq!(
            words(&board.lines()),
            [
                "node tl follows state behind retained WAL faults",
                "primary 3 - primary - -",
                "a 3 primary standby, state of a, sync 1 kB 4 kB",
                "b 2 a standby, state of b, sync 7 kB 2 kB cut, frozen",
            ]
        );
        board.0[0].seen.pulse = Pulse::Silent;
        let lines = words(&board.lines());
        assert_eq!(lines[1], "primary 3 - no answer - -");
        assert_eq!(lines[2], "a 3 primary standby, not connected 1 kB -");
        board.0[0].seen.pulse = Pulse::Down(Some("the database system is starting up".to_owned()));
        assert_eq!(words(&board.lines())[1], "primary 3 - the database system is starting up - -");
    }

    #[test]
    fn a_slot_without_wal_shows_its_state() {
        for (status, restart, shown) in [
            (Some("lost"), None, "lost"),
            (Some("unreserved"), Some(2_000), "unreserved"),
            (Some("extended"), Some(2_000), "3 kB"),
            (None, None, "-"),
        ] {
            let wal_status = status.map(str::to_owned);
            let restart_lsn = restart.map(Lsn::from);
            let slot = Slot { restart_lsn, wal_status, ..slot("standby1", 0, 5_000) };
            assert_eq!(kept(&slot), shown);
        }
    }

    #[test]
    fn an_inactive_slot_is_a_warning_unless_its_standby_follows_this_server() {
        let mut board = pair();
        assert_eq!(board.lines().len(), 3);
        let slots = ["standby1", "standby2", "used"].map(|name| slot(name, 2_000, 5_000));
        let Some(primary) = board.0[0].seen.last.as_mut() else { panic!("no observation") };
        primary.slots = slots.to_vec();
        primary.slots[2].active = true;
        let lines = board.lines();
        assert_eq!(lines[3..], [" slot standby2 on primary is inactive; retained WAL: 3 kB"]);
        board.0[1].follows = Some("standby2".to_owned());
        assert_eq!(board.lines().len(), 5);
    }

    #[test]
    fn what_was_never_observed_is_no_news_and_has_no_values() {
        let before = pair();
        let mut unseen = before.clone();
        unseen.0[1].seen = Seen::silent(None);
        assert_eq!(before.news(&unseen), [""; 0]);
        assert_eq!(unseen.news(&before), ["standby1: follows primary, no answer"]);
        assert_eq!(words(&unseen.lines())[2], "standby1 - primary no answer - 3 kB");
        let mut connected = before.clone();
        let Some(primary) = connected.0[0].seen.last.as_mut() else { panic!("no observation") };
        primary.followers = vec![row("standby1")];
        let news = "standby1: timeline 1, follows primary, standby, state of standby1, sync";
        assert_eq!(connected.news(&before), [news]);
    }
}
