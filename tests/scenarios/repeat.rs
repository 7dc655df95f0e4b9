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
    let [median, most, longest] = quantiles(times);
    lab.key_figure(&format!("{name}, median"), median);
    lab.measure(&format!("{name}, 99 %"), most);
    lab.measure(&format!("{name}, longest"), longest);
}

/// The median, the time that 99 % did not exceed, and the longest, to three digits.
fn quantiles(times: &[Duration]) -> [Duration; 3] {
    // Three digits are allowed, and a histogram without bounds takes every time.
    let Ok(mut histogram) = Histogram::<u64>::new(3) else { return [Duration::ZERO; 3] };
    for time in times {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        histogram.record(micros).unwrap_or_else(|error| panic!("{micros} µs: {error}"));
    }
    [0.5, 0.99, 1.0].map(|quantile| Duration::from_micros(histogram.value_at_quantile(quantile)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_times_are_told_apart() {
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        let [median, most, longest] = quantiles(&times);
        let near = |time: Duration, ms: f64| (time.as_secs_f64() * 1000.0 - ms).abs() < ms / 500.0;
        assert!(near(median, 50.0) && near(most, 99.0) && near(longest, 100.0), "{median:?}");
    }
}
