//! What PostgreSQL's replication views and functions say, with PostgreSQL's own names: what the server
//! said at one moment. Nothing here judges.
//!
//! ```text
//!   queries.rs ─▶ rows.rs      one look, and what it gives (pure)
//!   sampler.rs                 many looks, in fixed steps
//! ```

mod queries;
pub(crate) mod rows;
pub mod sampler;

pub use self::queries::{position, replication, replication_to, slot, slots, timeline};
pub use self::rows::{Position, Replication, Slot};
