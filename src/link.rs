//! The way from a standby to its upstream: a TCP relay in this process, the same on both hosts, and
//! the faults that can be put on it. Its listener is held for the cluster's life, so a link's address
//! never changes; it never looks at what passes.
//!
//! ```text
//!   standby ──▶ listener ─▶ relay (one per connection, link/relay.rs) ──▶ upstream's server
//!                             │ each direction: read ─▶ delay line ─▶ gate ─▶ write
//!   Link: cut, latency, bandwidth ─▶ Fault (heals on drop) ┘            reset ends all
//! ```

mod relay;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::error::{Error, Result};
use crate::host::Endpoint;
use crate::notebook::Notebook;
use crate::record::Event;
use crate::wait::pause;

/// How long to wait after a connection that could not be accepted: the next one could not either.
const BREATH: Duration = Duration::from_millis(20);

/// A relay that a standby connects to instead of its upstream.
#[derive(Debug)]
pub struct Link {
    address: (String, u16),
    rules: Arc<Rules>,
    relay: JoinHandle<()>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the upstream: WAL, and the server's answers.
    ToStandby,
    /// To the upstream: requests, and the standby's reports of how far it is.
    ToUpstream,
}

/// Something that is wrong with a link for as long as this value lives. Dropping it heals the link.
#[must_use = "a fault heals when it is dropped"]
#[derive(Debug)]
pub struct Fault {
    rules: Arc<Rules>,
    what: String,
    numbers: Vec<u64>,
}

impl Link {
    /// Opens a relay at `bind`, which those behind it know under `address` (by default the one it
    /// is bound to), to `upstream`. Its faults are noted as those of the link of `standby`.
    pub async fn open(
        standby: &str,
        notebook: &Notebook,
        bind: SocketAddr,
        address: Option<String>,
        upstream: Endpoint,
    ) -> Result<Self> {
        let failed = |source| Error::io(format!("opening a relay at {bind}"), source);
        let listener = TcpListener::bind(bind).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let rules = Arc::new(Rules::new(standby, notebook, upstream));
        let relay = tokio::spawn(accept(listener, Arc::clone(&rules)));
        let address = (address.unwrap_or_else(|| bound.ip().to_string()), bound.port());
        Ok(Self { address, rules, relay })
    }

    /// The host and port that a standby connects to.
    pub fn address(&self) -> (&str, u16) {
        (&self.address.0, self.address.1)
    }

    /// Where new connections go from now on; those that are open stay where they are.
    pub fn lead_to(&self, upstream: Endpoint) {
        self.rules.change(|state| state.upstream = upstream);
    }

    /// Stops every byte in both directions. Sockets stay open and nobody gets a reset; kernels go on
    /// acknowledging what fits into their buffers, so only PostgreSQL's own timeouts notice. When
    /// this comes back, this process passes nothing any more; what it had handed to the kernel
    /// before still arrives, and what it holds passes after the heal.
    pub fn cut(&self) -> Fault {
        let both = [Rule::Cut(Direction::ToStandby), Rule::Cut(Direction::ToUpstream)];
        self.fault("cut", both)
    }

    /// Stops every byte in one direction; the other one passes.
    pub fn cut_one_way(&self, direction: Direction) -> Fault {
        let which = match direction {
            Direction::ToStandby => "cut towards the standby",
            Direction::ToUpstream => "cut towards the upstream",
        };
        self.fault(which, [Rule::Cut(direction)])
    }

    /// Lets every byte take this much longer, in each direction: the round trip takes twice as much.
    pub fn latency(&self, one_way: Duration) -> Fault {
        self.fault(&format!("takes {one_way:?} each way"), [Rule::Latency(one_way)])
    }

    /// Lets so many bytes per second through, in each direction and for each connection.
    pub fn bandwidth(&self, bytes_per_second: u32) -> Fault {
        let limit = bytes_per_second.max(1);
        self.fault(&format!("passes {limit} bytes per second"), [Rule::Bandwidth(limit)])
    }

    /// Ends every connection with a reset, as a firewall or a router that forgot them would. On the
    /// local host the upstream's side is a Unix socket, which knows no reset: its server sees the
    /// end of the connection.
    pub fn reset(&self) {
        let what = self.rules.what("reset");
        self.rules.notebook.note(Event::Fault { what });
        self.rules.change(|state| state.resets += 1);
    }

    /// The bytes that have passed in this direction, over all connections.
    pub fn bytes(&self, direction: Direction) -> u64 {
        *self.rules.state().passed(direction)
    }

    fn fault(&self, what: &str, rules: impl IntoIterator<Item = Rule>) -> Fault {
        let what = self.rules.what(what);
        self.rules.notebook.note(Event::Fault { what: what.clone() });
        let mut numbers = Vec::new();
        self.rules.change(|state| {
            for rule in rules {
                state.numbered += 1;
                numbers.push(state.numbered);
                state.faults.push((state.numbered, rule));
            }
        });
        Fault { rules: Arc::clone(&self.rules), what, numbers }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

impl Fault {
    /// Heals the link now; the same as dropping the fault, but it reads as an act.
    pub fn heal(self) {}
}

impl Drop for Fault {
    fn drop(&mut self) {
        let numbers = std::mem::take(&mut self.numbers);
        self.rules.change(|state| state.faults.retain(|(number, _)| !numbers.contains(number)));
        self.rules.notebook.note(Event::Heal { what: std::mem::take(&mut self.what) });
    }
}

/// What holds on a link now. Faults add up: latencies are added, the least bandwidth counts.
#[derive(Debug)]
struct Rules {
    standby: String,
    notebook: Notebook,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    upstream: Endpoint,
    faults: Vec<(u64, Rule)>,
    numbered: u64,
    resets: u64,
    passed: [u64; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Cut(Direction),
    Latency(Duration),
    Bandwidth(u32),
}

impl Rules {
    fn new(standby: &str, notebook: &Notebook, upstream: Endpoint) -> Self {
        let state = State { upstream, faults: Vec::new(), numbered: 0, resets: 0, passed: [0; 2] };
        Self {
            standby: standby.to_owned(),
            notebook: notebook.clone(),
            state: Mutex::new(state),
            changed: watch::Sender::new(()),
        }
    }

    fn what(&self, fault: &str) -> String {
        format!("the link of {} {fault}", self.standby)
    }

    /// Bytes pass only while this is held: a change is in effect when the change comes back.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.send_replace(());
    }

    /// Comes back when this is so; at once when it is so already.
    async fn until(&self, so: impl Fn(&State) -> bool) {
        let mut changed = self.changed.subscribe();
        while !so(&self.state()) {
            // The sender lives as long as these rules.
            let _ = changed.changed().await;
        }
    }
}

impl State {
    fn passed(&mut self, direction: Direction) -> &mut u64 {
        let [to_standby, to_upstream] = &mut self.passed;
        match direction {
            Direction::ToStandby => to_standby,
            Direction::ToUpstream => to_upstream,
        }
    }

    fn is_cut(&self, direction: Direction) -> bool {
        self.faults.iter().any(|(_, rule)| *rule == Rule::Cut(direction))
    }

    fn latency(&self) -> Duration {
        let latencies = self.faults.iter().map(|(_, rule)| match rule {
            Rule::Latency(one_way) => *one_way,
            Rule::Cut(_) | Rule::Bandwidth(_) => Duration::ZERO,
        });
        latencies.sum()
    }

    fn bandwidth(&self) -> Option<u32> {
        let limits = self.faults.iter().filter_map(|(_, rule)| match rule {
            Rule::Bandwidth(limit) => Some(*limit),
            Rule::Cut(_) | Rule::Latency(_) => None,
        });
        limits.min()
    }
}

/// Goes on until the link is dropped, which ends every connection too. A connection that cannot be
/// accepted, because this process has no file descriptor left, say, is one that the standby tries
/// again.
async fn accept(listener: TcpListener, rules: Arc<Rules>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((standby, _)) => drop(connections.spawn(relay::run(standby, Arc::clone(&rules)))),
            Err(_) => pause(BREATH).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

#[cfg(test)]
mod tests;
