//! Scenario 02: reads on a standby. Whether they return the same rows, how a client finds the right
//! server, and how fresh the rows are. Times are measured, and no learning is drawn from them: one run
//! that was 22 % faster says nothing about the next.
//!
//! For readers who know `MySQL`: there a proxy or the application decides where a read goes. With
//! PostgreSQL the client's library can: one connection string names all servers, and
//! `target_session_attrs` says what the session needs.
//!
//! Its tests are in `readers`, `waiting`, `clients`, `moved_readers` and `visibility`, its own steps in
//! `wait_statement`, `executed` and `commit_order`.

mod clients;
mod commit_order;
mod executed;
mod moved_readers;
mod readers;
mod visibility;
mod wait_statement;
mod waiting;
