//! Doing something many times, and how long that took: scenarios themselves have no loops. Times
//! are measured here and never judged.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use replication_lab::Result;

use crate::support::Lab;

/// Does something `count` times, one after the other, and gives what came of it.
pub(crate) async fn times<T, F>(count: u64, mut act: impl FnMut(u64) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<T>>,
{
    let mut done = Vec::new();
    for number in 1..=count {
        done.push(act(number).await?);
    }
    Ok(done)
}

/// The same until a time has passed, and says how often that was.
pub(crate) async fn for_a_while<F>(span: Duration, mut act: impl FnMut() -> F) -> Result<u64>
where
    F: Future<Output = Result<()>>,
{
    let started = Instant::now();
    let mut done = 0;
    while started.elapsed() < span {
        act().await?;
        done += 1;
    }
    Ok(done)
}

/// Does something, and gives how long it took.
pub(crate) async fn timed(act: impl Future<Output = Result<()>>) -> Result<Duration> {
    let started = Instant::now();
    act.await?;
    Ok(started.elapsed())
}

/// Notes the median and the spread of many times.
pub(crate) fn spread(lab: &Lab, name: &str, times: &[Duration]) {
    let Ok(mut histogram) = Histogram::<u64>::new(3) else { return };
    for time in times {
        histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
    let at = |quantile| Duration::from_micros(histogram.value_at_quantile(quantile));
    lab.key_figure(&format!("{name}, median"), at(0.5));
    lab.measure(&format!("{name}, 99 %"), at(0.99));
    lab.measure(&format!("{name}, longest"), Duration::from_micros(histogram.max()));
}
