//! A topology brought to life: nodes, the links between them, and the roles they share. (In
//! PostgreSQL's manual a "cluster" is one data directory; here it is the group, and a data
//! directory is never called one.) It never changes which node follows which by itself.
//!
//! ```text
//!   start.rs      a topology becomes a cluster
//!   connect.rs    how clients and people connect to it
//!   rejoin.rs     a stopped node behind another server: basebackup.rs, rewind.rs
//!   archive.rs    a WAL archive, and recovery to a point in time
//!   dump.rs       a logical copy
//!   catchup.rs    waiting until a standby has replayed, streams, counts
//!   story.rs      what a person needs to see after a failure
//! ```

pub(crate) mod archive;
pub(crate) mod basebackup;
pub mod catchup;
mod connect;
mod dump;
mod rejoin;
mod rewind;
mod start;
mod story;

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use self::basebackup::Source;
use self::catchup::wait_for_catchup;
use crate::conf::Conf;
use crate::error::{Error, Result};
use crate::link::Link;
use crate::node::Node;
use crate::password::Password;
use crate::record::notebook::Notebook;
use crate::topology::Topology;
use crate::wal::Lsn;

/// Running servers, as a [`Topology`] describes them. They go away when it is dropped; with
/// `LAB_KEEP=1` only by [`stop`](Cluster::stop).
#[must_use = "the servers of a cluster are removed when it is dropped"]
#[derive(Debug)]
pub struct Cluster {
    topology: Topology,
    conf: Conf,
    nodes: Vec<Node>,
    links: Vec<Link>,
    passwords: Passwords,
    notebook: Notebook,
}

#[derive(Debug)]
struct Passwords {
    superuser: Password,
    replicator: Password,
    rewinder: Password,
}

impl Cluster {
    /// The node that was the primary when the cluster started.
    pub fn primary(&self) -> &Node {
        #[expect(clippy::indexing_slicing, reason = "build puts the primary first")]
        &self.nodes[0]
    }

    /// A node by its name.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.nodes.iter().find(|node| node.name() == name).ok_or_else(|| {
            let names: Vec<_> = self.nodes.iter().map(Node::name).collect();
            Error::not_found(format!("looking for a node {name:?}"), names.join(", "))
        })
    }

    /// Every node, the primary first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the only standby.
    ///
    /// # Errors
    ///
    /// The cluster has no standby, or several: the error names them.
    pub fn standby(&self) -> Result<&Node> {
        match self.nodes.as_slice() {
            [_, standby] => Ok(standby),
            nodes => {
                let names: Vec<_> = nodes.iter().skip(1).map(Node::name).collect();
                let there =
                    if names.is_empty() { "no standby".to_owned() } else { names.join(", ") };
                Err(Error::not_found("looking for the only standby", there))
            }
        }
    }

    /// How a node reaches its upstream: for a base backup of one's own. That of a node that is the
    /// primary leads to itself until [`repoint`](Self::repoint) says otherwise.
    pub fn source(&self, node: &str) -> Result<Source<'_>> {
        let name = self.node(node)?.name();
        let standby = self.topology.standbys().iter().find(|standby| standby.name == name);
        let slot = standby.is_none_or(|standby| standby.slot).then_some(name);
        Ok(Source { link: self.link(node)?, password: &self.passwords.replicator, slot })
    }

    /// The way from a node to its upstream.
    pub fn link(&self, node: &str) -> Result<&Link> {
        let known = self.node(node)?.name();
        let mut links = std::iter::zip(&self.nodes, &self.links);
        let link = links.find(|(node, _)| node.name() == known).map(|(_, link)| link);
        link.ok_or_else(|| {
            Error::not_found(format!("looking for the link of {node:?}"), "none yet")
        })
    }

    pub(crate) fn notebook(&self) -> &Notebook {
        &self.notebook
    }

    /// Waits until this standby has replayed all that the primary has written by now.
    pub async fn wait_for_catchup(&self, standby: &str) -> Result<Lsn> {
        let standby = self.node(standby)?.session_unrecorded().await?;
        wait_for_catchup(&self.primary().session_unrecorded().await?, &standby).await
    }

    /// Takes every server away, and waits until they are gone.
    pub async fn stop(self) -> Result<()> {
        drop(self.links);
        let hosts = self.nodes.into_iter().map(Node::into_host);
        let removed = join_all(hosts.map(|host| host.remove().boxed())).await;
        removed.into_iter().collect()
    }
}
