//! PostgreSQL's replication views and functions, with PostgreSQL's own names: what a server showed
//! at one moment. Nothing here judges.
//!
//! ```text
//!   queries.rs ─▶ rows.rs      one observation, and its rows (pure)
//!   sampler.rs                 many observations, in fixed steps
//! ```

pub(crate) mod queries;
pub(crate) mod rows;
pub mod sampler;

pub use self::queries::{position, replication, replication_to, slot, slots, timeline};
pub use self::rows::{Client, Position, Replication, Slot};
