//! The only waiting loop of the lab. A wait is for a condition and has a purpose and a deadline;
//! when it fails, the error says what was seen last. Time that passes never stands in for a
//! condition.

use std::time::{Duration, Instant};

use crate::error::{Error, Result, Why};
use crate::settings;

/// The longest that a wait lasts, before `LAB_TIMEOUT` multiplies it. It is generous, because only
/// a broken run ever reaches it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two probes, so that polling does not load the server.
const STEP: Duration = Duration::from_millis(5);

/// What a probe saw.
#[derive(Debug)]
pub enum Seen<T> {
    /// The condition holds; the value is what the probe returns.
    Done(T),
    /// The condition does not hold yet; the text says what the probe saw instead.
    NotYet(String),
}

/// Probes repeatedly until the condition holds, or until `deadline` (times `LAB_TIMEOUT`) has
/// passed.
///
/// An error of the probe counts as "not yet" and becomes what was seen last: a server that starts
/// up refuses connections for a while.
///
/// # Errors
///
/// The deadline passed: the error says what was waited for, for how long, and what was seen last.
/// See [`Error::is_deadline`].
pub async fn until<T, F>(what: &str, deadline: Duration, probe: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Seen<T>>>,
{
    poll(what, deadline, STEP, probe).await
}

/// Waits as [`until`] does, without a pause between two probes: for a moment that is itself
/// measured.
///
/// # Errors
///
/// As those of [`until`].
pub async fn until_at_once<T, F>(
    what: &str,
    deadline: Duration,
    probe: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<Seen<T>>>,
{
    poll(what, deadline, Duration::ZERO, probe).await
}

async fn poll<T, F>(
    what: &str,
    deadline: Duration,
    step: Duration,
    mut probe: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<Seen<T>>>,
{
    let deadline = deadline.mul_f64(settings::timeout_factor());
    let started = Instant::now();
    let mut last = Ok("nothing, because the first probe did not return".to_owned());
    loop {
        let left = deadline.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, probe()).await {
            Ok(Ok(Seen::Done(value))) => return Ok(value),
            Ok(Ok(Seen::NotYet(seen))) => last = Ok(seen),
            Ok(Err(error)) => last = Err(error),
            Err(_) => {}
        }
        let waited = started.elapsed();
        if waited >= deadline {
            let why = match last {
                Ok(last) => Why::Deadline { waited, last },
                Err(last) => Why::ProbeFailed { waited, last },
            };
            return Err(Error::new(format!("waiting until {what}"), why));
        }
        pause(step).await;
    }
}

/// Probes repeatedly for the whole of `duration`, and fails as soon as the condition does not hold.
/// `LAB_TIMEOUT` does not lengthen it.
///
/// # Errors
///
/// The condition stopped holding, or a probe failed.
pub async fn stays<F>(what: &str, duration: Duration, mut probe: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<Seen<()>>>,
{
    let started = Instant::now();
    while started.elapsed() < duration {
        if let Seen::NotYet(last) = probe().await? {
            let waited = started.elapsed();
            let act = format!("watching that {what}");
            return Err(Error::new(act, Why::Changed { after: waited, last }));
        }
        pause(STEP).await;
    }
    Ok(())
}

/// Waits for `duration`, where time itself is the subject: a load that goes on for ten seconds, a
/// fault that lasts for a moment. For conditions there is [`until`]. `LAB_TIMEOUT` does not
/// lengthen it.
pub async fn elapse(duration: Duration) {
    pause(duration).await;
}

/// Sleeps between two tries of something.
#[expect(clippy::disallowed_methods, reason = "the only code that sleeps")]
pub(crate) async fn pause(step: Duration) {
    if !step.is_zero() {
        tokio::time::sleep(step).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_that_fails_says_for_what_how_long_and_what_it_saw_last() {
        let (mut probes, started) = (0, Instant::now());
        let error = until("the moon is full", Duration::from_millis(60), || {
            probes += 1;
            std::future::ready(Ok(Seen::<()>::NotYet(format!(
                "a crescent, probe {}",
                probes.min(2)
            ))))
        })
        .await
        .unwrap_err();
        assert!(error.is_deadline());
        let said = error.to_string();
        assert!(
            said.starts_with("waiting until the moon is full: it did not happen within "),
            "{said}"
        );
        assert!(said.ends_with("seen last: a crescent, probe 2"), "{said}");
        assert!(started.elapsed() < PATIENCE / 2, "it waited far beyond its deadline");
    }

    #[tokio::test]
    async fn an_error_of_the_probe_is_kept_and_the_next_probe_may_succeed() {
        let mut probes = 0;
        let found = until("it answers", PATIENCE, || {
            probes += 1;
            std::future::ready(match probes {
                1 => Err(Error::io("connecting", std::io::ErrorKind::ConnectionRefused.into())),
                _ => Ok(Seen::Done(probes)),
            })
        })
        .await
        .unwrap();
        assert_eq!(found, 2);

        let error = until("it answers", Duration::from_millis(20), || async {
            Err::<Seen<()>, _>(Error::io("connecting", std::io::ErrorKind::BrokenPipe.into()))
        })
        .await
        .unwrap_err();
        assert!(error.to_string().contains("broken pipe"), "{error}");
    }

    #[tokio::test]
    async fn what_stays_is_watched_to_the_end_and_a_change_is_an_error() {
        let watched = Duration::from_millis(30);
        let started = Instant::now();
        stays("it is dark", watched, || std::future::ready(Ok(Seen::Done(())))).await.unwrap();
        assert!(started.elapsed() >= watched);
        let mut probes = 0;
        let changed = stays("it is dark", PATIENCE, || {
            probes += 1;
            let light = Seen::NotYet("a light".to_owned());
            std::future::ready(Ok(if probes < 3 { Seen::Done(()) } else { light }))
        });
        let said = changed.await.unwrap_err().to_string();
        assert!(said.starts_with("watching that it is dark: it changed after"), "{said}");
        assert!(said.ends_with("seen last: a light"), "{said}");
    }

    #[tokio::test]
    async fn a_time_that_elapses_is_no_shorter_than_it_was_given() {
        let started = Instant::now();
        elapse(Duration::from_millis(20)).await;
        assert!(started.elapsed() >= Duration::from_millis(20));
    }

    #[tokio::test]
    async fn a_probe_that_hangs_does_not_outlive_the_deadline() {
        let error = until("it answers", Duration::from_millis(20), || async {
            std::future::pending::<Result<Seen<()>>>().await
        })
        .await
        .unwrap_err();
        assert!(error.is_deadline());
    }
}
