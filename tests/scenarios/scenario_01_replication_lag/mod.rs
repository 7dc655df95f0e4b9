//! Scenario 01: replication lag. How far a standby is behind, which of three ways to be behind it
//! is, and what is kept for one that is away.
//!
//! For those who come from `MySQL`: `Seconds_Behind_Master` is one number in seconds. PostgreSQL
//! tells positions: what was sent, written, flushed and replayed, in bytes of WAL; the times beside
//! them say how long the last report took, and are null when there is nothing new to report.
//!
//! Its tests are in `under_load`, `positions` and `retention`.

mod positions;
mod retention;
mod under_load;
