//! What was done to a cluster and not undone: who follows whom, which faults are on, what is frozen, the
//! load under way. Every entry is a guard or a name; it asks no server.

use std::collections::BTreeMap;

use tokio::task::JoinHandle;

use crate::link::Fault;
use crate::node::freeze::Frozen;

/// What was done and not undone.
#[derive(Default)]
pub(super) struct State {
    /// Whom each node follows; a primary follows nobody.
    pub(super) follows: BTreeMap<String, String>,
    /// Of each node's link.
    pub(super) faults: BTreeMap<String, Vec<On>>,
    pub(super) frozen: BTreeMap<String, Frozen>,
    /// It ends when this is dropped.
    pub(super) load: Option<Load>,
    /// The id of the next order of a load.
    pub(super) next_order: i64,
}

/// A fault that is on, until this is dropped.
pub(super) struct On {
    /// The verb that put it on.
    pub(super) verb: &'static str,
    /// What it is, in a few words.
    pub(super) what: String,
    pub(super) _fault: Fault,
}

/// A load under way; it ends when this is dropped.
pub(super) struct Load(pub(super) JoinHandle<()>);

impl State {
    /// Does nothing pass on a node's link, one way or both?
    pub(super) fn is_cut(&self, name: &str) -> bool {
        let mut faults = self.faults.get(name).into_iter().flatten();
        faults.any(|on| on.verb == "cut")
    }

    /// What is wrong with a node or its link, in a few words each.
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
