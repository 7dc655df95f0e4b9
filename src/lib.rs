//! PostgreSQL streaming replication, proven by tests.
//!
//! The lab brings up real primary/standby clusters, in containers or as processes on this machine,
//! breaks them on purpose, and tells what happened.
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
//! - **cluster**: a primary and its standbys. (In PostgreSQL's manual it is one data directory.)
//! - **acked**: a commit that the client got an answer for.
//! - **crash**: SIGKILL of a server; what it had written is in the page cache and stays.
//! - **fact**: what is the same on every run of a PostgreSQL version.
//! - **measurement**: what differs from run to run.
//! - **learning**: a sentence to take home, with the facts that prove it.
//!
//! # tokio-postgres
//!
//! Connections are [`tokio_postgres`]'s own: [`Node::config`] and [`Cluster::config_of`] return its
//! `Config`, [`Session::rows`] its `Row`. The crate is re-exported, so that a test names the same version.

#![cfg_attr(
    not(feature = "container"),
    expect(
        clippy::unused_async,
        reason = "without containers every host is local: what is written for two has one answer"
    )
)]

#[cfg(feature = "cli")]
mod cli;
mod cluster;
pub mod conf;
pub mod drift;
mod error;
pub mod health;
mod host;
mod link;
mod node;
mod password;
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
pub use site::leftover::Leftover;
pub use stat::sampler::{self, Sampler, Samples};
pub use topology::{Standby, Topology};
pub use version::Version;
pub use workload::ledger::{self, Ledger};
pub use workload::{Writers, pgbench};
