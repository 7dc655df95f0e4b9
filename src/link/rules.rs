//! The rules of a link: its upstream, its faults, and the bytes that have passed. Values and the
//! lock around them; no byte is moved here.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::host::script::Endpoint;
use crate::record::notebook::Notebook;

/// A direction through a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the upstream: WAL, and the server's answers.
    ToStandby,
    /// To the upstream: requests, and the standby's reports of its position.
    ToUpstream,
}

/// The rules of a link at this moment. Faults combine: delays are added, and the smallest throttle
/// counts.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) standby: String,
    pub(super) notebook: Notebook,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) upstream: Endpoint,
    pub(super) faults: Vec<(u64, Rule)>,
    pub(super) numbered: u64,
    pub(super) resets: u64,
    passed: [u64; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Cut(Direction),
    Delay(Duration),
    Throttle(u32),
}

impl Rules {
    pub(super) fn new(standby: &str, notebook: &Notebook, upstream: Endpoint) -> Self {
        let state = State { upstream, faults: Vec::new(), numbered: 0, resets: 0, passed: [0; 2] };
        Self {
            standby: standby.to_owned(),
            notebook: notebook.clone(),
            state: Mutex::new(state),
            changed: watch::Sender::new(()),
        }
    }

    pub(super) fn what(&self, fault: &str) -> String {
        format!("the link of {} {fault}", self.standby)
    }

    /// Locks the state. Bytes pass only under this lock: a change is in effect when it returns.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.send_replace(());
    }

    /// Waits until the state fulfils a condition; returns at once where it does.
    pub(super) async fn until(&self, so: impl Fn(&State) -> bool) {
        let mut changed = self.changed.subscribe();
        while !so(&self.state()) {
            // The sender lives as long as these rules.
            let _ = changed.changed().await;
        }
    }
}

impl State {
    pub(super) fn passed(&mut self, direction: Direction) -> &mut u64 {
        let [to_standby, to_upstream] = &mut self.passed;
        match direction {
            Direction::ToStandby => to_standby,
            Direction::ToUpstream => to_upstream,
        }
    }

    pub(super) fn is_cut(&self, direction: Direction) -> bool {
        self.faults.iter().any(|(_, rule)| *rule == Rule::Cut(direction))
    }

    pub(super) fn delay(&self) -> Duration {
        let delays = self.faults.iter().map(|(_, rule)| match rule {
            Rule::Delay(one_way) => *one_way,
            Rule::Cut(_) | Rule::Throttle(_) => Duration::ZERO,
        });
        delays.sum()
    }

    pub(super) fn throttle(&self) -> Option<u32> {
        let limits = self.faults.iter().filter_map(|(_, rule)| match rule {
            Rule::Throttle(limit) => Some(*limit),
            Rule::Cut(_) | Rule::Delay(_) => None,
        });
        limits.min()
    }
}
