//! The record of a run: its events in order, one JSON object a line. Pages and the report are
//! rendered from records alone.
//!
//! ```text
//!   notebook.rs    what a scenario writes into while it runs: appends to the record's file
//!   event.rs       what can happen; fact.rs, reading.rs: what events are made of
//!   format.rs      the file: its name, its version, reading it (older.rs: older versions)
//!   page.rs        a record as a page, for people who review (servers.rs: its servers' settings)
//! ```
//!
//! # Format
//!
//! A file of UTF-8 text; each line is one JSON object with two members: `at_ms`, the milliseconds since
//! the record began, and `event`, an object whose only member is the event's name around its fields:
//!
//! ```text
//! {"at_ms":0,"event":{"begin":{"format":3,"page":"scenario_04_manual_failover@promote", …}}}
//! {"at_ms":812,"event":{"fact":{"name":"rows on the primary","value":{"count":1000}}}}
//! {"at_ms":901,"event":{"measure":{"name":"promotion","reading":{"micros":104211},"key":true}}}
//! {"at_ms":902,"event":{"end":"passed"}}
//! ```
//!
//! The first line is a `begin`, the last one an `end`; a record without `end` is that of a run that was
//! killed. Which versions of the format differ in what: [`FORMAT`]. [`Record::read`] reads all of them.

pub(crate) mod event;
pub(crate) mod fact;
pub(crate) mod format;
pub(crate) mod notebook;
mod older;
pub mod page;
pub(crate) mod reading;
mod servers;

pub use self::event::{Begin, Entry, Event, FORMAT, Outcome, Setting};
pub use self::fact::Fact;
pub use self::format::{Record, file_name};
pub use self::notebook::{Notebook, Proof};
pub use self::reading::Reading;
