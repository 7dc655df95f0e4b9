//! Scenario 01: replication lag. How far a standby is behind, in which of three ways, and which WAL a slot
//! retains for a standby that is down.
//!
//! For readers who know `MySQL`: `Seconds_Behind_Master` is one number in seconds. PostgreSQL reports
//! positions: sent, written, flushed and replayed, whose distances are bytes of WAL. The lag columns beside
//! them are times, and null when there is nothing new to report.
//!
//! Its tests are in `under_load`, `positions` and `retention`, its own steps in `receiver`.

mod positions;
mod receiver;
mod retention;
mod under_load;
