//! A topology brought to life: nodes, the links between them, and the roles they share. (In
//! PostgreSQL's manual a "cluster" is one data directory; here it is the group, and a data
//! directory is never called one.) It never changes which node follows which by itself.
//!
//! ```text
//!   start.rs      a topology becomes a cluster
//!   connect.rs    how clients and people connect to it
//!   rejoin.rs     a stopped node behind another server: basebackup.rs, rewind.rs
//!   archive.rs    a WAL archive, and recovery to a point in time
//!   dump.rs       a logical copy, subscriber.rs: a standby made a logical subscriber
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
mod subscriber;

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

/// Running servers, as a [`Topology`] describes them. Dropping the value removes them; with
/// `LAB_KEEP=1` only [`stop`](Cluster::stop) does.
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
    /// Returns the node that was the primary when the cluster started.
    pub fn primary(&self) -> &Node {
        #[expect(clippy::indexing_slicing, reason = "build puts the primary first")]
        &self.nodes[0]
    }

    /// Returns a node by its name.
    ///
    /// # Errors
    ///
    /// The cluster has no such node: the error has the names of its nodes.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.nodes.iter().find(|node| node.name() == name).ok_or_else(|| {
            let names: Vec<_> = self.nodes.iter().map(Node::name).collect();
            Error::not_found(format!("looking for a node {name:?}"), names.join(", "))
        })
    }

    /// Returns every node, the primary first.
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

    /// Returns how a node reaches its upstream, for a base backup. The source of the primary is the
    /// primary itself until [`repoint`](Self::repoint) changes it.
    ///
    /// # Errors
    ///
    /// The cluster has no such node.
    pub fn source(&self, node: &str) -> Result<Source<'_>> {
        let name = self.node(node)?.name();
        let standby = self.topology.standbys().iter().find(|standby| standby.name == name);
        let slot = standby.is_none_or(|standby| standby.slot).then_some(name);
        Ok(Source { link: self.link(node)?, password: &self.passwords.replicator, slot })
    }

    /// Returns the link between a node and its upstream.
    ///
    /// # Errors
    ///
    /// The cluster has no such node, or its links are not open yet.
    pub fn link(&self, node: &str) -> Result<&Link> {
        let known = self.node(node)?.name();
        let mut links = std::iter::zip(&self.nodes, &self.links);
        let link = links.find(|(node, _)| node.name() == known).map(|(_, link)| link);
        link.ok_or_else(|| {
            Error::not_found(
                format!("looking for the link of {node:?}"),
                "no link, because the links are not open yet",
            )
        })
    }

    pub(crate) fn superuser(&self) -> &Password {
        &self.passwords.superuser
    }

    pub(crate) fn replicator(&self) -> &Password {
        &self.passwords.replicator
    }

    pub(crate) fn notebook(&self) -> &Notebook {
        &self.notebook
    }

    /// Waits until this standby has replayed all WAL that the primary has written so far, and
    /// returns the position it has reached.
    ///
    /// # Errors
    ///
    /// The cluster has no such node, a server does not answer, or the standby does not replay it in
    /// time.
    pub async fn wait_for_catchup(&self, standby: &str) -> Result<Lsn> {
        let standby = self.node(standby)?.session_unrecorded().await?;
        wait_for_catchup(&self.primary().session_unrecorded().await?, &standby).await
    }

    /// Removes every server, and waits until all are removed.
    ///
    /// # Errors
    ///
    /// A container or a directory could not be removed.
    pub async fn stop(self) -> Result<()> {
        // Without links no standby reconnects while its upstream is being removed.
        drop(self.links);
        let hosts = self.nodes.into_iter().map(Node::into_host);
        let removed = join_all(hosts.map(|host| host.remove().boxed())).await;
        removed.into_iter().collect()
    }
}
