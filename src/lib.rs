//! PostgreSQL streaming replication, proven by tests.
//!
//! The lab brings up real primary/standby clusters, in containers or as processes on this machine,
//! breaks them on purpose, and tells what happened.
//!
//! ```text
//!  describe        act                              observe           record        judge / render
//!  Topology ─▶ Cluster ─▶ Node ─▶ Host           ─▶ stat, Sampler, ─▶ Notebook ─▶ page (a snapshot)
//!                  │        (PostgreSQL) (commands)         Ledger       │
//!                  └──▶ Link (between nodes)                             └─▶ record (NDJSON) ─▶ report
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
//!     let a: i32 = pair.node("standby1")?.session().await?.value("SELECT a FROM t").await?;
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

#![cfg_attr(
    not(feature = "container"),
    expect(
        clippy::unused_async,
        reason = "without containers every host is local: what is written for two has one answer"
    )
)]

mod archive;
mod basebackup;
pub mod catchup;
pub mod checkup;
#[cfg(feature = "cli")]
mod cli;
mod cluster;
pub mod conf;
pub mod drift;
mod dump;
mod error;
mod fence;
mod freeze;
pub mod health;
mod host;
pub mod ledger;
mod link;
mod node;
mod notebook;
pub mod page;
mod password;
pub mod pgbench;
pub mod record;
pub mod refusal;
#[cfg(feature = "cli")]
pub mod report;
mod rewind;
pub mod sampler;
mod session;
pub mod settings;
pub mod stat;
pub mod synchronous;
pub mod topology;
pub mod version;
pub mod wait;
pub mod wal;
pub mod workload;

pub use basebackup::{Source, base_backup};
#[cfg(feature = "cli")]
#[doc(hidden)]
pub use cli::main as lab;
pub use cluster::Cluster;
pub use conf::Conf;
pub use error::{Error, Result};
pub use freeze::Frozen;
#[cfg(feature = "container")]
pub use host::engine::Engine;
#[cfg(feature = "container")]
pub use host::image::Image;
pub use host::installation::Installation;
pub use host::leftover::Leftover;
pub use host::site::{Site, Tell};
pub use host::survey::Survey;
pub use host::{Endpoint, Host, Script};
pub use ledger::Ledger;
pub use link::{Direction, Fault, Link};
pub use node::{Node, Shutdown};
pub use notebook::{Notebook, Proof};
pub use password::Password;
pub use refusal::Refusal;
pub use sampler::{Sampler, Samples};
pub use session::Session;
pub use settings::{HostChoice, Settings};
pub use topology::Topology;
pub use version::Version;
pub use workload::Writers;
