//! Repetition, and how long each turn took: the scenarios themselves have no loops. Nothing here judges a
//! time.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use replication_lab::Result;

use crate::support::Lab;

/// Repeats an act `count` times, one after the other, and returns the results.
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

/// Repeats an act until a time has passed, and returns how often.
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

/// Runs an act once, and returns how long it took.
pub(crate) async fn timed(act: impl Future<Output = Result<()>>) -> Result<Duration> {
    let started = Instant::now();
    act.await?;
    Ok(started.elapsed())
}

/// Records the median, the 99th percentile and the longest of many times.
pub(crate) fn spread(lab: &Lab, name: &str, times: &[Duration]) {
    let micros = |time: &Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let micros: Vec<_> = times.iter().map(micros).collect();
    let [median, most, longest] = quantiles(&micros, [0.5, 0.99, 1.0]).map(Duration::from_micros);
    lab.key_figure(&format!("{name}, median"), median);
    lab.measure(&format!("{name}, 99 %"), most);
    lab.measure(&format!("{name}, longest"), longest);
}

/// Returns the quantiles of the values, to three digits; 0 where there are no values.
pub(crate) fn quantiles<const N: usize>(values: &[u64], parts: [f64; N]) -> [u64; N] {
    // `new` fails only for more than five digits; without bounds the histogram takes every value.
    let Ok(mut histogram) = Histogram::<u64>::new(3) else { return [0; N] };
    for value in values {
        histogram.record(*value).unwrap_or_else(|error| panic!("{value}: {error}"));
    }
    parts.map(|part| histogram.value_at_quantile(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_values_are_told_apart() {
        let values: Vec<_> = (1..=100).map(|value| value * 1000).collect();
        let [median, most] = quantiles(&values, [0.5, 0.99]);
        assert!(median.abs_diff(50_000) < 100 && most.abs_diff(99_000) < 200, "{median} {most}");
        assert_eq!(quantiles(&[], [1.0]), [0]);
    }
}
