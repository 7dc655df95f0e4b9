//! What was done to a cluster and not undone: the upstream of each standby, faults, frozen servers,
//! the running load. Every entry is a guard or a name. No server is asked here.

use std::collections::BTreeMap;

use tokio::task::JoinHandle;

use crate::link::Fault;
use crate::node::freeze::Frozen;

/// What was done and not undone.
#[derive(Default)]
pub(super) struct State {
    /// The upstream of each standby; a primary has none.
    pub(super) follows: BTreeMap<String, String>,
    /// The faults on each node's link.
    pub(super) faults: BTreeMap<String, Vec<On>>,
    pub(super) frozen: BTreeMap<String, Frozen>,
    /// The running load; dropping it ends it.
    pub(super) load: Option<Load>,
    /// The id of the next order of a load.
    pub(super) next_order: i64,
}

/// A fault, until this is dropped.
pub(super) struct On {
    /// The verb that caused it.
    pub(super) verb: &'static str,
    /// Its description, in a few words.
    pub(super) what: String,
    pub(super) _fault: Fault,
}

/// A running load; it ends when this is dropped.
pub(super) struct Load(pub(super) JoinHandle<()>);

impl State {
    /// Tells whether a node's link is cut, in one direction or both.
    pub(super) fn is_cut(&self, name: &str) -> bool {
        let mut faults = self.faults.get(name).into_iter().flatten();
        faults.any(|on| on.verb == "cut")
    }

    /// Returns the faults of a node and its link, in a few words each.
    pub(super) fn troubles(&self, name: &str) -> Vec<String> {
        let faults = self.faults.get(name).into_iter().flatten();
        let faults = faults.map(|on| on.what.clone());
        let frozen = self.frozen.contains_key(name).then(|| "frozen".to_owned());
        frozen.into_iter().chain(faults).collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.abort();
    }
}
