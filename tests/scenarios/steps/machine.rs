//! The machine that all servers of a run share. Nothing here measures a server.

use replication_lab::record::Reading;

use crate::support::Lab;

/// Notes how many CPU cores there are: what several servers on one machine do at the same time, they share.
pub(crate) fn cores(lab: &Lab) {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    lab.measure("CPU cores that all servers share", Reading::Count(cores as u64));
}
