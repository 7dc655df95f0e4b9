//! PostgreSQL streaming replication, proven by tests.
//!
//! The lab starts real primary/standby clusters, in containers or as processes on this machine, breaks
//! them on purpose, and records what PostgreSQL did.
//!
//! ```text
//!  describe        act                                observe           record        judge / render
//!  Topology ─▶ Cluster ─▶ Node ─▶ Host             ─▶ stat, Sampler, ─▶ Notebook ─▶ page (a snapshot)
//!                  │        (PostgreSQL) (commands)   Ledger, health      │
//!                  └──▶ Link (between nodes)                              └─▶ record (NDJSON) ─▶ report
//! ```
//!
//! ```no_run
//! use replication_lab::{Result, Topology};
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     let pair = Topology::pair().start().await?;
//!     pair.primary().session().await?.run("CREATE TABLE t AS SELECT 1 AS a").await?;
//!     pair.wait_for_catchup("standby1").await?;
//!     let a: i32 = pair.standby()?.session().await?.value("SELECT a FROM t").await?;
//!     assert_eq!(a, 1);
//!     pair.stop().await
//! }
//! ```
//!
//! # Glossary
//!
//! Servers:
//!
//! - **cluster**: a primary and its standbys. (In PostgreSQL's manual a cluster is one data directory.)
//! - **node**: one server of a cluster, with the host that it runs on.
//! - **host**: the machine of one node: a container, or a directory on this machine.
//! - **site**: where the hosts of a run come from: a container engine with an image, or an installation.
//! - **upstream**: the server from which a standby streams: the primary, or another standby (a cascade).
//! - **slot**: a replication slot. It is *inactive* while no standby is connected to it; it still retains
//!   WAL then.
//! - **retained WAL**: the WAL from a slot's `restart_lsn` to the server's newest position. The server may
//!   not remove it.
//! - **lag**: the WAL that the upstream has written and the standby has not reported as replayed, in bytes.
//! - **timeline**: a line of WAL history; every promotion starts a new one.
//! - **repoint**: change the upstream that a link leads to.
//! - **rejoin**: make a server that may have diverged a standby of the promoted server.
//! - **deferred**: of a standby: it is created after the cluster has started.
//!
//! Faults and safety:
//!
//! - **link**: the relay between a standby and its upstream, in the lab's process.
//! - **cut**: no byte passes a link, in both directions or in one. Sockets stay open and no reset is sent,
//!   so that only PostgreSQL's own timeouts notice.
//! - **delay**, **throttle**, **reset**: every byte arrives later; at most so many bytes pass per second;
//!   every connection ends with a TCP reset.
//! - **freeze**: processes stop running and keep their sockets (SIGSTOP).
//! - **crash**: SIGKILL of the postmaster; what the server had written is in the page cache and stays. It
//!   is a server crash, not a power loss.
//! - **fence**: keep an old primary from taking writes before another server is promoted.
//! - **switch**: the dead man's switch: a helper outside this process that removes a host when this
//!   process ends.
//!
//! Records:
//!
//! - **notebook**: what a scenario writes its steps, facts, measurements and learnings into while it runs.
//!   (*The learner's notebook* is the document that this project grew out of.)
//! - **record**: the file of a notebook's events, one JSON object a line.
//! - **page**: the part of a record that is the same on every run, as text. Accepted pages are in
//!   `snapshots`.
//! - **workbook**: the questions of the learner's notebook, with the exercise, fact or figure that answers
//!   each.
//! - **journal**: the learner's notebook, answered from records.
//! - **fact**: a value that is the same on every run of a PostgreSQL version.
//! - **measurement**: a value that differs from run to run.
//! - **learning**: a sentence that a reader takes home, with the facts that prove it.
//! - **acked**: a commit that the client received an answer for. An acked commit that is not present in the
//!   end is *lost*; an attempt without an answer is *unknown*.
//! - **unrecorded**: of a session or a statement: not written into the notebook.
//!
//! # tokio-postgres
//!
//! Connections are [`tokio_postgres`]'s own: [`Node::config`] and [`Cluster::config_of`] return its
//! `Config`, [`Session::rows`] its `Row`. The crate is re-exported, so that a test names the same version.

#![cfg_attr(
    not(feature = "container"),
    expect(
        clippy::unused_async,
        reason = "without containers every host is local: code that is async for containers awaits nothing for local hosts"
    )
)]

#[cfg(feature = "cli")]
mod cli;
mod cluster;
pub mod conf;
pub mod drift;
mod error;
#[cfg(feature = "cli")]
mod files;
pub mod health;
mod host;
mod link;
mod node;
mod password;
pub mod proxy;
pub mod record;
#[cfg(feature = "cli")]
pub mod report;
mod server_message;
mod session;
pub mod settings;
mod site;
pub mod stat;
pub mod topology;
pub mod version;
pub mod wait;
pub mod wal;
pub mod workload;

pub use tokio_postgres;

#[cfg(feature = "cli")]
#[doc(hidden)]
pub use cli::main as lab;
pub use cluster::archive::RecoveryTarget;
pub use cluster::basebackup::{BackupOptions, Source};
pub use cluster::{Cluster, catchup};
pub use conf::Conf;
pub use error::{Error, Result};
pub use host::Host;
pub use host::script::{Endpoint, Script};
pub use link::{Direction, Fault, Link};
pub use node::freeze::Frozen;
pub use node::{Node, Shutdown};
pub use password::Password;
pub use record::page;
pub use record::{Notebook, Proof};
pub use server_message::ServerMessage;
pub use session::Session;
pub use settings::{HostChoice, Settings};
pub use site::Site;
pub use site::companion::Companion;
pub use site::leftover::Leftover;
pub use stat::sampler::{self, Sampler, Samples};
pub use topology::{Standby, Topology};
pub use version::Version;
pub use workload::ledger::{self, Ledger};
pub use workload::{Writers, pgbench};
