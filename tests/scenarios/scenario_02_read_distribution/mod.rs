//! Scenario 02: reads on a standby. Whether they give the same answers, how a client finds the right
//! server, and how fresh what it reads is. How fast they are is measured and not concluded from: one
//! run that was 22 % faster says nothing about the next.
//!
//! For those who come from `MySQL`: a proxy or the application decides where a read goes there. Here
//! the client's library can: one connection string names all servers and what the session needs.
//!
//! Its tests are in `readers` and `clients`.

mod clients;
mod readers;
