//! The link between a standby and its upstream: a TCP relay in this process, the same on both
//! hosts, and the faults that can be put on it. Its listener is kept for the cluster's life, so a
//! link's address never changes. It never interprets the bytes that pass.
//!
//! ```text
//!   standby ──▶ listener ─▶ relay (one per connection, link/relay.rs) ──▶ upstream's server
//!                             │ each direction: read ─▶ delay line ─▶ gate ─▶ write
//!   Link: cut, delay, throttle ─▶ Fault (heals on drop)  ┘            reset ends all
//! ```

mod relay;
mod rules;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub use self::rules::Direction;
use self::rules::{Rule, Rules};
use crate::error::{Error, Result};
use crate::host::script::Endpoint;
use crate::record::event::Event;
use crate::record::notebook::Notebook;
use crate::wait::pause;

/// The pause after a connection that could not be accepted: an immediate retry would fail, too.
const BREATH: Duration = Duration::from_millis(20);

/// A relay that a standby connects to instead of its upstream.
#[derive(Debug)]
pub struct Link {
    address: (String, u16),
    rules: Arc<Rules>,
    relay: JoinHandle<()>,
}

/// A fault on a link, for as long as this value lives. Dropping it heals the link.
#[must_use = "a fault heals when it is dropped"]
#[derive(Debug)]
pub struct Fault {
    rules: Arc<Rules>,
    what: String,
    numbers: Vec<u64>,
}

impl Link {
    /// Opens a relay at `bind` to `upstream`. Clients connect to it at `address`; none stands for
    /// the bound address. Its faults are recorded in the notebook as those of the link of
    /// `standby`.
    ///
    /// # Errors
    ///
    /// The address cannot be bound.
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

    /// Returns the host and the port that a standby connects to.
    pub fn address(&self) -> (&str, u16) {
        (&self.address.0, self.address.1)
    }

    /// Repoints the link: new connections go to `upstream`; open ones keep theirs.
    pub fn repoint(&self, upstream: Endpoint) {
        self.rules.change(|state| state.upstream = upstream);
    }

    /// Stops every byte in both directions. Sockets stay open and no reset is sent; kernels go on
    /// acknowledging what fits into their buffers, so only PostgreSQL's own timeouts notice. When
    /// this returns, the relay forwards nothing any more: bytes that it had already handed to the
    /// kernel still arrive, and bytes that it holds pass after the heal.
    pub fn cut(&self) -> Fault {
        let both = [Rule::Cut(Direction::ToStandby), Rule::Cut(Direction::ToUpstream)];
        self.fault("cut", both)
    }

    /// Stops every byte in one direction; the other direction passes.
    pub fn cut_one_way(&self, direction: Direction) -> Fault {
        let which = match direction {
            Direction::ToStandby => "cut towards the standby",
            Direction::ToUpstream => "cut towards the upstream",
        };
        self.fault(which, [Rule::Cut(direction)])
    }

    /// Delays every byte by `one_way`, in each direction: a round trip takes twice as much longer.
    pub fn delay(&self, one_way: Duration) -> Fault {
        self.fault(&format!("takes {one_way:?} each way"), [Rule::Delay(one_way)])
    }

    /// Limits the link to this many bytes per second, in each direction and for each connection.
    pub fn throttle(&self, bytes_per_second: u32) -> Fault {
        let limit = bytes_per_second.max(1);
        self.fault(&format!("passes {limit} bytes per second"), [Rule::Throttle(limit)])
    }

    /// Ends every connection with a TCP reset, as a firewall or a router that has lost its state
    /// does. On the local host the upstream's side is a Unix socket, which has no reset: its server
    /// sees the end of the connection.
    pub fn reset(&self) {
        let what = self.rules.what("reset");
        self.rules.notebook.note(Event::Fault { what });
        self.rules.change(|state| state.resets += 1);
    }

    /// Returns the number of bytes that have passed in this direction, over all connections.
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
    /// Heals the link now. Dropping the fault does the same; this reads as an act.
    pub fn heal(self) {}
}

impl Drop for Fault {
    fn drop(&mut self) {
        let numbers = std::mem::take(&mut self.numbers);
        self.rules.change(|state| state.faults.retain(|(number, _)| !numbers.contains(number)));
        self.rules.notebook.note(Event::Heal { what: std::mem::take(&mut self.what) });
    }
}

/// Accepts connections until the link is dropped, which ends every connection, too. When accepting
/// fails (this process has no file descriptor left, for example), it goes on: the standby connects
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
