//! A proxy in front of a cluster: HAProxy or PgBouncer, a process of this machine. Its clients
//! connect to one address, which a failover does not change. A proxy never promotes a server.
//!
//! ```text
//!   client ──▶ Proxy ─┬─ HaProxy    haproxy.rs    asks every server for its role
//!   one address       └─ PgBouncer  pgbouncer.rs  is led to another server by a person
//!
//!   process.rs    what both have: a directory, an address, a log
//! ```

mod haproxy;
mod pgbouncer;
mod process;

pub use self::haproxy::{Check, HaProxy};
pub use self::pgbouncer::PgBouncer;
pub use self::process::Proxy;
