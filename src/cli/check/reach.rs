//! Searches the servers of a connection string for one that admits the check, as libpq does (manual: Specifying
//! Multiple Hosts). A server that cannot be reached becomes a finding. Nothing here queries replication.

use std::time::{Duration, Instant};

use rand::seq::SliceRandom as _;
use tokio::time::timeout;

pub(super) use super::attempt::GOODBYE;
use super::attempt::{Attempt, Next};
use super::target::{Attributes, Target};
use crate::health::Severity;
use crate::session::Session;

/// Why a server was not reached.
pub(super) struct Unreached {
    /// `CRITICAL` where the server or the network fails, `UNKNOWN` where the check is not admitted.
    pub(super) severity: Severity,
    pub(super) why: String,
    /// The server, as `host:port`.
    pub(super) place: String,
}

/// A session, and its server as `host:port`.
pub(super) type Reached = (Session, String);

/// Opens a session on the first server that answers and matches `target_session_attrs`. A server that refuses the
/// client ends the search.
///
/// # Errors
///
/// No server does: one reason for each server that was tried.
pub(super) async fn reach(target: &Target, until: Instant) -> Result<Reached, Vec<Unreached>> {
    let mut places: Vec<_> = target.places.iter().collect();
    if target.is_shuffled {
        places.shuffle(&mut rand::rng());
    }
    let rounds = match target.attributes {
        Attributes::PreferStandby => vec![Attributes::Standby, Attributes::Any],
        attributes => vec![attributes],
    };
    let mut left = rounds.len() * places.len();
    let mut failures = Vec::new();
    for attributes in rounds {
        failures.clear();
        for place in &places {
            let share = share(target, until, left);
            left -= 1;
            let attempt = Attempt::new(target, place, attributes);
            let failure = match timeout(share, attempt.run()).await {
                Ok(Ok(session)) => return Ok((session, place.to_string())),
                Ok(Err(failure)) => failure,
                Err(_) => attempt.out_of_time(share),
            };
            failures.push(Unreached {
                severity: failure.severity,
                why: format!("connecting to {place}: {}", failure.why),
                place: place.to_string(),
            });
            if failure.next == Next::End {
                return Err(failures);
            }
        }
    }
    Err(failures)
}

/// Returns the time for the next of the servers that are left.
fn share(target: &Target, until: Instant, left: usize) -> Duration {
    let left = u32::try_from(left).unwrap_or(1).max(1);
    let share = until.saturating_duration_since(Instant::now()) / left;
    target.patience.map_or(share, |patience| patience.min(share))
}
