//! Scenario 09: replication monitoring. Queries to keep, thresholds with every alert brought about and
//! cleared, what the usual checks do not see, and a health check for any server.
//!
//! For those who come from `MySQL`: there is no `SHOW REPLICA STATUS` with everything in it. A primary
//! tells about its standbys, a standby about its upstream, and a slot about what is kept for one that is
//! away: each knows what the others cannot.
//!
//! Its tests are in `views`, `alarms` and `limits`, its own steps in `alerts` and `monitoring`.

mod alarms;
mod alerts;
mod limits;
mod monitoring;
mod views;
