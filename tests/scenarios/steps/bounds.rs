//! What a figure cannot be, on any machine: more lag than there was time, fewer samples than steps, a
//! throughput that the clients cannot have made. Nothing here says that a figure is good.

use std::time::Duration;

use replication_lab::pgbench::Report;
use replication_lab::sampler::STEP;
use replication_lab::stat::Replication;
use replication_lab::{Proof, Samples};

use crate::support::Lab;

/// How many steps a sample may take on a busy machine.
const SLOW: u32 = 50;

/// Asserts that samples of `standby1` were taken all the time that they cover, and that no lag in time is
/// longer than the exercise has run.
pub(crate) fn must_be_sampled(lab: &Lab, samples: &Samples, span: Duration) {
    let least = span.as_millis() / (STEP * SLOW).as_millis();
    let taken = samples.of("standby1").count() as u128;
    lab.must_be("samples: at least one for every 250 ms", taken > least, true);
    let lags: [fn(&Replication) -> Option<Duration>; 3] =
        [|row| row.write_lag, |row| row.flush_lag, |row| row.replay_lag];
    let longest = lags.map(|lag| samples.longest("standby1", lag).unwrap_or_default());
    let possible = longest.iter().all(|lag| *lag <= lab.age());
    lab.must_be("is every lag in time shorter than the exercise", possible, true);
}

/// Asserts that pgbench ran this number of clients, and that they can have made its throughput: clients that
/// do not pause make, on average, their number divided by the latency (Little's law).
pub(crate) fn must_be_the_work_of(lab: &Lab, clients: u64, report: &Report) -> Proof {
    #[expect(clippy::cast_precision_loss, reason = "it is a small number")]
    let seen = report.tps * report.latency.as_secs_f64() / report.clients as f64;
    let about_one = (0.5..2.0).contains(&seen);
    lab.must_be("is throughput times mean latency about the number of clients", about_one, true);
    lab.must_be("clients in pgbench's report", report.clients, clients)
}
