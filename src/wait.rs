//! The only waiting loop of the lab. A wait is for a condition, has a purpose and a deadline, and
//! says what it saw last when it fails; it never stands in for a condition that nobody looks at.

use std::time::{Duration, Instant};

use crate::error::{Error, Result, Why};
use crate::settings;

/// How long a wait lasts at most, before `LAB_TIMEOUT` multiplies it: generous, because only a
/// broken run ever reaches it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long to leave a server alone between two looks.
const STEP: Duration = Duration::from_millis(5);

/// What a probe saw.
#[derive(Debug)]
pub enum Seen<T> {
    /// The condition holds, and this is what came with it.
    Done(T),
    /// Not yet, and this is what was there instead.
    NotYet(String),
}

/// Looks again and again until `probe` is done, or `deadline` (times `LAB_TIMEOUT`) has passed.
///
/// A probe's error counts as "not yet" and is what was seen last: a server that starts up refuses
/// connections for a while.
pub async fn until<T, F>(what: &str, deadline: Duration, probe: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Seen<T>>>,
{
    look(what, deadline, STEP, probe).await
}

/// The same without a pause between two looks, where the moment itself is what is measured.
pub async fn until_at_once<T, F>(
    what: &str,
    deadline: Duration,
    probe: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<Seen<T>>>,
{
    look(what, deadline, Duration::ZERO, probe).await
}

async fn look<T, F>(
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
    let mut last = Ok("nothing, the first look did not come back".to_owned());
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
                Err(last) => Why::LookFailed { waited, last },
            };
            return Err(Error::new(format!("waiting until {what}"), why));
        }
        pause(step).await;
    }
}

/// Looks again and again for the whole of `duration`, and fails as soon as `probe` is not done: a
/// condition holds and goes on holding. `LAB_TIMEOUT` does not lengthen it.
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

/// Lets `duration` pass, where time itself is the subject: a load that goes on for ten seconds, a
/// fault that lasts for a moment. It never stands in for a condition: [`until`] waits for those.
/// `LAB_TIMEOUT` does not lengthen it.
pub async fn elapse(duration: Duration) {
    pause(duration).await;
}

/// Leaves something alone for a moment, between two tries of it.
#[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
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
        let mut looks = 0;
        let error = until("the moon is full", Duration::from_millis(60), || {
            looks += 1;
            std::future::ready(Ok(Seen::<()>::NotYet(format!("a crescent, look {}", looks.min(2)))))
        })
        .await
        .unwrap_err();
        assert!(error.is_deadline());
        let said = error.to_string();
        assert!(said.starts_with("waiting until the moon is full: not within "), "{said}");
        assert!(said.ends_with("seen last: a crescent, look 2"), "{said}");
    }

    #[tokio::test]
    async fn an_error_of_the_probe_is_kept_and_the_next_look_may_succeed() {
        let mut looks = 0;
        let found = until("it answers", PATIENCE, || {
            looks += 1;
            std::future::ready(match looks {
                1 => Err(Error::io("connecting", std::io::ErrorKind::ConnectionRefused.into())),
                _ => Ok(Seen::Done(looks)),
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
    async fn what_stays_is_watched_to_the_end_and_a_change_is_told() {
        let watched = Duration::from_millis(30);
        let started = Instant::now();
        stays("it is dark", watched, || std::future::ready(Ok(Seen::Done(())))).await.unwrap();
        assert!(started.elapsed() >= watched);
        let mut looks = 0;
        let changed = stays("it is dark", PATIENCE, || {
            looks += 1;
            let light = Seen::NotYet("a light".to_owned());
            std::future::ready(Ok(if looks < 3 { Seen::Done(()) } else { light }))
        });
        let said = changed.await.unwrap_err().to_string();
        assert!(said.starts_with("watching that it is dark: changed after"), "{said}");
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
