//! The described shape of a cluster, as a value: the upstream of each standby, its slot, the
//! settings. Nothing here starts a server: [`Topology::start`] is defined with the
//! [`Cluster`](crate::Cluster) that it returns.

use std::collections::HashSet;
use std::fmt;

use crate::conf::Conf;
use crate::error::{Error, Result, Why};

/// The name of the primary: the node that every standby follows, directly or through another
/// standby.
pub const PRIMARY: &str = "primary";

/// A description of a primary and its standbys.
///
/// ```
/// use replication_lab::{Standby, Topology};
/// let second = Standby::new("standby2").following("standby1").without_slot();
/// let chain = Topology::pair().standby(second);
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
///
/// ```
/// use replication_lab::{Standby, Topology};
/// let third = Standby::new("standby3").following("standby2").without_slot().deferred();
/// let chain = Topology::pair().standby("standby2").standby(third);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standby {
    /// The node's name, which is its `application_name` and its slot's name, too.
    pub name: String,
    /// The name of its upstream.
    pub upstream: String,
    /// Tells whether it streams through a replication slot on its upstream.
    pub slot: bool,
    /// Tells whether it is created after the start. Before that only its machine and its link are
    /// there.
    pub deferred: bool,
}

impl Standby {
    /// Describes a standby that follows the primary through a slot of its own, from the start on.
    pub fn new(name: impl Into<String>) -> Self {
        let (name, upstream) = (name.into(), PRIMARY.to_owned());
        Self { name, upstream, slot: true, deferred: false }
    }

    /// Sets its upstream.
    #[must_use]
    pub fn following(self, upstream: impl Into<String>) -> Self {
        Self { upstream: upstream.into(), ..self }
    }

    /// Makes it stream without a replication slot.
    #[must_use]
    pub fn without_slot(self) -> Self {
        Self { slot: false, ..self }
    }

    /// Defers its creation: its machine and its link are there from the start; its slot, its data
    /// and its server are not. [`Cluster::repoint`](crate::Cluster::repoint),
    /// [`Cluster::rebuild`](crate::Cluster::rebuild) and [`Node::start`](crate::Node::start) create
    /// it later.
    #[must_use]
    pub fn deferred(self) -> Self {
        Self { deferred: true, ..self }
    }
}

impl From<&str> for Standby {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Standby {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl Topology {
    /// Describes a primary and one standby, `standby1`, that follows it asynchronously through a
    /// slot.
    pub fn pair() -> Self {
        Self::alone().standby("standby1")
    }

    /// Describes a primary without standbys.
    pub fn alone() -> Self {
        Self { standbys: Vec::new(), conf: Conf::new(), synchronous: None }
    }

    /// Adds a standby; a bare name stands for one that follows the primary through a slot of its
    /// own.
    #[must_use]
    pub fn standby(mut self, standby: impl Into<Standby>) -> Self {
        self.standbys.push(standby.into());
        self
    }

    /// Adds a setting to `postgresql.conf` on every node.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.conf = self.conf.set(name, value);
        self
    }

    /// Sets the primary's `synchronous_standby_names`, in effect once every standby streams.
    #[must_use]
    pub fn synchronous(mut self, names: impl Into<String>) -> Self {
        self.synchronous = Some(names.into());
        self
    }

    /// Returns the standbys; an upstream comes before the standbys that follow it.
    pub fn standbys(&self) -> &[Standby] {
        &self.standbys
    }

    pub(crate) fn conf(&self) -> &Conf {
        &self.conf
    }

    pub(crate) fn synchronous_names(&self) -> Option<&str> {
        self.synchronous.as_deref()
    }

    /// Checks that every name is usable and used once, and that every upstream is described before
    /// the standbys that follow it.
    pub(crate) fn check(&self) -> Result<()> {
        let mut known = HashSet::from([PRIMARY]);
        let mut deferred = HashSet::new();
        for standby in &self.standbys {
            let wrong = if !is_slot_name(&standby.name) {
                "a node's name is its slot's name too: lower-case letters, digits and \
                 underscores, at most 63"
            } else if !known.contains(standby.upstream.as_str()) {
                "its upstream is described nowhere before it"
            } else if !known.insert(&standby.name) {
                "the name is taken"
            } else if !standby.deferred && deferred.contains(standby.upstream.as_str()) {
                "its upstream comes later than it does"
            } else {
                deferred.extend(standby.deferred.then_some(standby.name.as_str()));
                continue;
            };
            let act = format!("describing a standby {:?} of {:?}", standby.name, standby.upstream);
            return Err(Error::new(act, Why::Topology(wrong)));
        }
        let someone = self.standbys.iter().any(|standby| !standby.deferred);
        match &self.synchronous {
            Some(names) if !names.is_empty() && !someone => {
                let act = format!("describing synchronous_standby_names = {names:?}");
                Err(Error::new(act, Why::Topology("no standby is there at the start")))
            }
            _ => Ok(()),
        }
    }
}

/// Tells whether a name is valid for a slot (manual: Querying and Manipulating Replication Slots).
fn is_slot_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=63).contains(&name.len()) && name.bytes().all(legal)
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.standbys.is_empty() {
            return f.write_str("primary alone");
        }
        for Standby { name, upstream, slot, deferred } in &self.standbys {
            let slot = if *slot { format!("slot {name}") } else { "no slot".to_owned() };
            let later = if *deferred { ", later" } else { "" };
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
        let second = Standby::new("standby2").following("standby1");
        let chain = Topology::pair().standby(second.clone());
        chain.check().unwrap();
        let chain = Topology::pair().standby(second.deferred()).to_string();
        assert!(chain.contains("standby1 ← standby2 (slot standby2, later)"), "{chain}");
    }

    #[test]
    fn what_cannot_be_built_is_refused_before_anything_starts() {
        let behind = |upstream: &str| Standby::new("b").following(upstream);
        let later = || Topology::alone().standby(Standby::new("standby1").deferred());
        for (topology, expected) in [
            (Topology::pair().standby("standby1"), "the name is taken"),
            (Topology::alone().standby("primary"), "the name is taken"),
            (Topology::alone().standby("Standby-1"), "lower-case"),
            (Topology::alone().standby(""), "lower-case"),
            (Topology::pair().standby(behind("c")), "described nowhere before it"),
            (Topology::alone().standby(behind("b")), "described nowhere before it"),
            (later().standby(behind("standby1")), "comes later"),
            (later().synchronous("standby1"), "no standby is there"),
        ] {
            let error = topology.check().unwrap_err();
            assert!(error.is_bad_input());
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_standby_is_what_it_was_described_as() {
        let plain = Standby::new("c");
        let expected = Standby {
            name: "c".to_owned(),
            upstream: PRIMARY.to_owned(),
            slot: true,
            deferred: false,
        };
        assert_eq!(plain, expected);
        assert_eq!((Standby::from("c"), Standby::from("c".to_owned())), (plain.clone(), plain));
        let other = Standby::new("c").following("b").without_slot().deferred();
        let (name, upstream) = ("c".to_owned(), "b".to_owned());
        assert_eq!(other, Standby { name, upstream, slot: false, deferred: true });
    }

    #[test]
    fn a_topology_has_its_standbys_in_order_its_settings_and_its_rule() {
        let topology = Topology::alone()
            .standby("b")
            .standby(Standby::new("c").following("b"))
            .standby("a")
            .set("fsync", "off")
            .set("port", 1)
            .synchronous("ANY 1 (a, b)");
        let names: Vec<_> = topology.standbys().iter().map(|standby| &standby.name).collect();
        assert_eq!(names, ["b", "c", "a"]);
        assert_eq!(topology.conf(), &Conf::new().set("fsync", "off").set("port", 1));
        assert_eq!(topology.synchronous_names(), Some("ANY 1 (a, b)"));
        assert_eq!(Topology::pair().synchronous_names(), None);
        assert_eq!(
            topology.to_string(),
            "primary ← b (slot b), b ← c (slot c), primary ← a (slot a), \
             synchronous_standby_names = 'ANY 1 (a, b)'"
        );
    }

    #[test]
    fn a_rule_needs_a_standby_at_the_start_and_an_empty_rule_needs_none() {
        let deferred = || Topology::alone().standby(Standby::new("a").deferred());
        for topology in [
            Topology::alone(),
            Topology::alone().synchronous(""),
            deferred(),
            deferred().synchronous(""),
            deferred().standby("b").synchronous("*"),
            Topology::pair().synchronous("*"),
        ] {
            topology.check().unwrap_or_else(|error| panic!("{topology}: {error}"));
        }
        for topology in [Topology::alone(), deferred()] {
            let error = topology.synchronous("*").check().unwrap_err();
            assert!(error.to_string().contains("no standby is there"), "{error}");
        }
    }

    #[test]
    fn a_deferred_standby_may_follow_a_deferred_one() {
        let deferred =
            |name: &str, upstream: &str| Standby::new(name).following(upstream).deferred();
        let chain = Topology::alone().standby(deferred("a", PRIMARY)).standby(deferred("b", "a"));
        chain.check().unwrap();
        let behind = chain.standby(Standby::new("c").following("b")).check().unwrap_err();
        assert!(behind.to_string().contains("comes later"), "{behind}");
    }

    #[test]
    fn a_name_is_that_of_a_slot() {
        for (name, legal) in [
            ("a", true),
            ("standby_1", true),
            ("0", true),
            (&*"x".repeat(63), true),
            (&*"x".repeat(64), false),
            ("", false),
            ("A", false),
            ("a-b", false),
            ("a b", false),
            ("é", false),
        ] {
            assert_eq!(is_slot_name(name), legal, "{name:?}");
        }
    }
}
