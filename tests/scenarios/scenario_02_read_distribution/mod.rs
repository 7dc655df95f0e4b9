//! Scenario 02: reads on a standby. Whether they return the same rows, how a client finds the right
//! server, and how fresh the rows are. Times are measured, and no learning is drawn from them: one run
//! that was 22 % faster says nothing about the next.
//!
//! For readers who know `MySQL`: there a proxy or the application decides where a read goes. With
//! PostgreSQL the client's library can: one connection string names all servers, and
//! `target_session_attrs` says what the session needs.
//!
//! Its tests are in `readers`, `waiting`, `clients` and `moved_readers`, its own steps in `wait_statement`
//! and `executed`.

mod clients;
mod executed;
mod moved_readers;
mod readers;
mod wait_statement;
mod waiting;
