//! The wanted shape of a cluster, as a value: who follows whom, with which slot, under which
//! settings. It never starts anything by itself; [`Topology::start`] lives with the
//! [`Cluster`](crate::Cluster) that it gives.

use std::collections::HashSet;
use std::fmt;

use crate::conf::Conf;
use crate::error::{Error, Result, Why};

/// The name of the node that every standby follows, directly or through another standby.
pub const PRIMARY: &str = "primary";

/// A primary and its standbys, described.
///
/// ```
/// use replication_lab::Topology;
/// let chain = Topology::pair().standby("standby2").following("standby1").without_slot();
/// assert_eq!(
///     chain.to_string(),
///     "primary ← standby1 (slot standby1), standby1 ← standby2 (no slot), asynchronous"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    standbys: Vec<Standby>,
    conf: Conf,
    synchronous: Option<String>,
}

/// One standby of a [`Topology`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standby {
    /// Its node's name, its `application_name` and its slot's name.
    pub name: String,
    /// The node it streams from.
    pub upstream: String,
    /// Does its upstream keep a replication slot for it?
    pub slot: bool,
    /// Is only its machine there at the start, and no server on it?
    pub later: bool,
}

impl Topology {
    /// A primary and one standby, `standby1`, that follows it asynchronously through a slot.
    pub fn pair() -> Self {
        Self::alone().standby("standby1")
    }

    /// A primary and nobody else.
    pub fn alone() -> Self {
        Self { standbys: Vec::new(), conf: Conf::new(), synchronous: None }
    }

    /// One more standby; it follows the primary through a slot of its own until the next calls
    /// say otherwise.
    #[must_use]
    pub fn standby(mut self, name: impl Into<String>) -> Self {
        let (name, upstream) = (name.into(), PRIMARY.to_owned());
        self.standbys.push(Standby { name, upstream, slot: true, later: false });
        self
    }

    /// The last standby comes later: its machine and its link are there from the start, its slot, its
    /// data and its server are not. See [`Cluster::lead`](crate::Cluster::lead),
    /// [`Cluster::rebuild`](crate::Cluster::rebuild) and [`Node::start`](crate::Node::start).
    #[must_use]
    pub fn later(mut self) -> Self {
        if let Some(last) = self.standbys.last_mut() {
            last.later = true;
        }
        self
    }

    /// The last standby follows this node.
    #[must_use]
    pub fn following(mut self, upstream: impl Into<String>) -> Self {
        if let Some(last) = self.standbys.last_mut() {
            last.upstream = upstream.into();
        }
        self
    }

    /// The last standby has no slot.
    #[must_use]
    pub fn without_slot(mut self) -> Self {
        if let Some(last) = self.standbys.last_mut() {
            last.slot = false;
        }
        self
    }

    /// A setting of `postgresql.conf` on every node.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.conf = self.conf.set(name, value);
        self
    }

    /// The primary's `synchronous_standby_names`, in effect from the moment that all stream.
    #[must_use]
    pub fn synchronous(mut self, names: impl Into<String>) -> Self {
        self.synchronous = Some(names.into());
        self
    }

    /// The standbys, an upstream always before those that follow it.
    pub fn standbys(&self) -> &[Standby] {
        &self.standbys
    }

    pub(crate) fn conf(&self) -> &Conf {
        &self.conf
    }

    pub(crate) fn synchronous_names(&self) -> Option<&str> {
        self.synchronous.as_deref()
    }

    /// Is every name usable, used once, and every upstream described before its follower?
    pub(crate) fn check(&self) -> Result<()> {
        let mut known = HashSet::from([PRIMARY]);
        let mut later = HashSet::new();
        for standby in &self.standbys {
            let wrong = if !is_slot_name(&standby.name) {
                "a node's name is its slot's name too: lower-case letters, digits and \
                 underscores, at most 63"
            } else if !known.contains(standby.upstream.as_str()) {
                "its upstream is described nowhere before it"
            } else if !known.insert(&standby.name) {
                "the name is taken"
            } else if !standby.later && later.contains(standby.upstream.as_str()) {
                "its upstream comes later than it does"
            } else {
                later.extend(standby.later.then_some(standby.name.as_str()));
                continue;
            };
            let act = format!("describing a standby {:?} of {:?}", standby.name, standby.upstream);
            return Err(Error::new(act, Why::Topology(wrong)));
        }
        let someone = self.standbys.iter().any(|standby| !standby.later);
        match &self.synchronous {
            Some(names) if !names.is_empty() && !someone => {
                let act = format!("describing synchronous_standby_names = {names:?}");
                Err(Error::new(act, Why::Topology("no standby is there at the start")))
            }
            _ => Ok(()),
        }
    }
}

/// Manual: Querying and Manipulating Replication Slots.
fn is_slot_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=63).contains(&name.len()) && name.bytes().all(legal)
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.standbys.is_empty() {
            return f.write_str("primary alone");
        }
        for Standby { name, upstream, slot, later } in &self.standbys {
            let slot = if *slot { format!("slot {name}") } else { "no slot".to_owned() };
            let later = if *later { ", later" } else { "" };
            write!(f, "{upstream} ← {name} ({slot}{later}), ")?;
        }
        match &self.synchronous {
            Some(names) => write!(f, "synchronous_standby_names = '{names}'"),
            None => f.write_str("asynchronous"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_reads_as_one() {
        assert_eq!(
            Topology::pair().to_string(),
            "primary ← standby1 (slot standby1), asynchronous"
        );
        assert_eq!(Topology::alone().to_string(), "primary alone");
        let chain = Topology::pair().standby("standby2").following("standby1");
        chain.check().unwrap();
        let chain = chain.later().to_string();
        assert!(chain.contains("standby1 ← standby2 (slot standby2, later)"), "{chain}");
    }

    #[test]
    fn what_cannot_be_built_is_refused_before_anything_starts() {
        for (topology, expected) in [
            (Topology::pair().standby("standby1"), "the name is taken"),
            (Topology::alone().standby("primary"), "the name is taken"),
            (Topology::alone().standby("Standby-1"), "lower-case"),
            (Topology::alone().standby(""), "lower-case"),
            (Topology::pair().standby("b").following("c"), "described nowhere before it"),
            (Topology::alone().standby("b").following("b"), "described nowhere before it"),
            (Topology::pair().later().standby("b").following("standby1"), "comes later"),
            (Topology::pair().later().synchronous("standby1"), "no standby is there"),
        ] {
            let error = topology.check().unwrap_err();
            assert!(error.is_bad_input());
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
