//! Lag and retained WAL over time: the two views observed in fixed steps, over a connection of
//! their own, while a test does something else. It never judges, and it reports its own cost.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::queries::{replication, slots};
use super::rows::{Replication, Slot};
use crate::error::{Error, Result};
use crate::node::Node;
use crate::record::reading::Reading;
use crate::session::Session;
use crate::wal::bytes_between;

/// The default step: small enough to show the peak of a burst of one second.
pub const STEP: Duration = Duration::from_millis(5);

/// A running sampler. It ends when it is dropped.
#[must_use = "a sampler gives its samples when it is stopped"]
#[derive(Debug)]
pub struct Sampler {
    end: oneshot::Sender<()>,
    work: JoinHandle<Result<Samples>>,
}

/// The rows of an upstream's views over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    all: Vec<Sample>,
    observing: Duration,
    /// The time of the first sample, since the record began.
    began: Duration,
}

/// The rows of an upstream's views at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// The time since the sampler began.
    pub at: Duration,
    /// Every row of `pg_stat_replication`.
    pub standbys: Vec<Replication>,
    /// Every row of `pg_replication_slots`.
    pub slots: Vec<Slot>,
}

impl Sampler {
    /// Starts to observe the standbys of `upstream` every `step`; an observation that takes longer
    /// is followed by the next one at the next step. One sample has been taken when this returns.
    ///
    /// # Errors
    ///
    /// The upstream refuses the connection or the first observation.
    pub async fn start(upstream: &Node, step: Duration) -> Result<Self> {
        let session = upstream.session_unrecorded().await?;
        let (started, began) = (Instant::now(), upstream.notebook().age());
        let first = observe(&session, Duration::ZERO).await?;
        let seen = Samples { all: vec![first], observing: started.elapsed(), began };
        let (end, ended) = oneshot::channel();
        let work = tokio::spawn(sample(session, seen, step.max(Duration::from_millis(1)), ended));
        Ok(Self { end, work })
    }

    /// Ends the sampler and returns its samples.
    ///
    /// # Errors
    ///
    /// An observation failed: the upstream or the connection ended.
    pub async fn stop(self) -> Result<Samples> {
        // The sampler has ended already when an observation failed; its result, below, has the
        // error.
        let _ = self.end.send(());
        self.work.await.map_err(|source| Error::io("sampling lag", source.into()))?
    }
}

async fn sample(
    session: Session,
    mut seen: Samples,
    step: Duration,
    mut ended: oneshot::Receiver<()>,
) -> Result<Samples> {
    #[expect(clippy::disallowed_methods, reason = "a sampler's step is a time")]
    let mut steps = tokio::time::interval(step);
    // After a slow observation the missed steps are skipped: a burst of them would distort the lag.
    steps.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let started = Instant::now();
    loop {
        let observation = async {
            steps.tick().await;
            let at = started.elapsed();
            (at, observe(&session, at).await)
        };
        // The order to stop ends the sampler even while an upstream does not answer.
        let (at, sample) = tokio::select! {
            biased;
            _ = &mut ended => break,
            observed = observation => observed,
        };
        seen.observing += started.elapsed().saturating_sub(at);
        seen.all.push(sample?);
    }
    Ok(seen)
}

/// Observes both views in one round trip.
async fn observe(session: &Session, at: Duration) -> Result<Sample> {
    let (standbys, slots) = tokio::try_join!(replication(session), slots(session))?;
    Ok(Sample { at, standbys, slots })
}

impl Samples {
    /// Returns all samples, in order.
    pub fn all(&self) -> &[Sample] {
        &self.all
    }

    /// Returns the samples of one standby: the time and its row. While it is not connected there is
    /// none.
    pub fn of(&self, standby: &str) -> impl Iterator<Item = (Duration, &Replication)> {
        self.all.iter().filter_map(move |sample| {
            let row = sample.standbys.iter().find(|row| row.application_name == standby)?;
            Some((sample.at, row))
        })
    }

    /// Returns the largest lag of a standby, in bytes; none where it never reported a position.
    pub fn peak(&self, standby: &str) -> Option<u64> {
        self.of(standby).filter_map(|(_, row)| row.lag()).max()
    }

    /// Keeps the samples up to this time since the sampler began.
    #[must_use]
    pub fn until(mut self, end: Duration) -> Self {
        self.all.retain(|sample| sample.at <= end);
        self
    }

    /// Returns the longest of a standby's lags in time: `samples.longest("standby1", |row|
    /// row.write_lag)`.
    pub fn longest(
        &self,
        standby: &str,
        lag: impl Fn(&Replication) -> Option<Duration>,
    ) -> Option<Duration> {
        self.of(standby).filter_map(|(_, row)| lag(row)).max()
    }

    /// Returns the rate at which the upstream of a standby wrote WAL, in bytes per second, averaged
    /// over steps of this length.
    #[expect(clippy::cast_precision_loss, reason = "no WAL is above two to the 53")]
    pub fn wal_rate(&self, standby: &str, step: Duration) -> Reading {
        let mut positions = self.of(standby).filter_map(|(at, row)| Some((at, row.own_lsn?)));
        let Some(mut last) = positions.next() else {
            return Reading::Series(Vec::new(), "bytes per second".to_owned());
        };
        let rates = positions.filter_map(|(at, lsn)| {
            let (began, before) = last;
            let took = at.saturating_sub(began);
            (took >= step && !took.is_zero()).then(|| {
                last = (at, lsn);
                (self.seconds(at), bytes_between(before, lsn) as f64 / took.as_secs_f64())
            })
        });
        Reading::Series(rates.collect(), "bytes per second".to_owned())
    }

    /// Returns a standby's lag over time, in bytes.
    pub fn lag(&self, standby: &str) -> Reading {
        self.series(self.of(standby).filter_map(|(at, row)| Some((at, row.lag()?))))
    }

    /// Returns the WAL that a slot retained over time, in bytes.
    pub fn retained(&self, slot: &str) -> Reading {
        let kept = |sample: &Sample| {
            let slot = sample.slots.iter().find(|one| one.slot_name == slot)?;
            Some((sample.at, slot.retained()?))
        };
        self.series(self.all.iter().filter_map(kept))
    }

    /// Tells whether `sent ≥ write ≥ flush ≥ replay` held in every sample of a streaming standby;
    /// false where there is no such sample.
    pub fn are_in_order(&self, standby: &str) -> bool {
        let mut streaming =
            self.of(standby).map(|(_, row)| row).filter(|row| row.state == "streaming").peekable();
        streaming.peek().is_some() && streaming.all(Replication::is_in_order)
    }

    /// Returns the average duration of one observation: the most that the sampler cost the upstream
    /// in every step.
    pub fn cost(&self) -> Duration {
        let observations = u32::try_from(self.all.len()).unwrap_or(u32::MAX).max(1);
        self.observing / observations
    }

    #[expect(clippy::cast_precision_loss, reason = "no lag is above two to the 53")]
    fn series(&self, bytes: impl Iterator<Item = (Duration, u64)>) -> Reading {
        let points = bytes.map(|(at, bytes)| (self.seconds(at), bytes as f64));
        Reading::Series(points.collect(), "bytes".to_owned())
    }

    /// Returns the time of a sample as a series has it: in seconds since the record began.
    fn seconds(&self, at: Duration) -> f64 {
        (self.began + at).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::Lsn;

    fn row(standby: &str, own: u64, positions: [u64; 4]) -> Replication {
        let [sent, write, flush, replay] = positions.map(|lsn| Some(Lsn::from(lsn)));
        Replication {
            application_name: standby.to_owned(),
            state: "streaming".to_owned(),
            own_lsn: Some(Lsn::from(own)),
            sent_lsn: sent,
            write_lsn: write,
            flush_lsn: flush,
            replay_lsn: replay,
            write_lag: None,
            flush_lag: None,
            replay_lag: None,
            sync_state: "async".to_owned(),
            ..Replication::default()
        }
    }

    fn samples(rows: impl IntoIterator<Item = Replication>) -> Samples {
        let at = |(index, row)| Sample {
            at: Duration::from_secs(index),
            standbys: vec![row],
            slots: Vec::new(),
        };
        Samples { all: (0..).zip(rows).map(at).collect(), ..Samples::default() }
    }

    #[test]
    fn the_peak_is_that_of_the_standby_that_is_asked_for() {
        let seen = samples([row("a", 9, [9, 9, 9, 9]), row("a", 20, [15, 14, 13, 12])]);
        assert_eq!(seen.peak("a"), Some(8));
        assert_eq!(seen.peak("b"), None);
    }

    #[test]
    fn a_series_counts_from_the_begin_of_the_record() {
        let seen = samples([row("a", 9, [9, 9, 9, 9]), row("a", 20, [15, 14, 13, 12])]);
        let seen = Samples { began: Duration::from_secs(3), ..seen };
        let series = Reading::Series(vec![(3.0, 0.0), (4.0, 8.0)], "bytes".to_owned());
        assert_eq!(seen.lag("a"), series);
    }

    #[test]
    fn wal_is_counted_over_whole_steps() {
        let at = |lsn| row("a", lsn, [lsn; 4]);
        let seen = samples([at(10), at(20), at(50), at(50)]);
        let rate = |points| Reading::Series(points, "bytes per second".to_owned());
        assert_eq!(seen.wal_rate("a", Duration::from_secs(2)), rate(vec![(2.0, 20.0)]));
        assert_eq!(seen.wal_rate("b", Duration::from_secs(2)), rate(Vec::new()));
    }

    #[test]
    fn one_sample_out_of_order_is_seen_and_none_at_all_is_not_in_order() {
        let ordered = row("a", 9, [9, 8, 8, 7]);
        assert!(samples([ordered.clone()]).are_in_order("a"));
        assert!(!samples([ordered.clone(), row("a", 9, [9, 7, 8, 7])]).are_in_order("a"));
        assert!(!samples([ordered]).are_in_order("b"));
    }

    #[test]
    fn a_row_that_does_not_stream_yet_counts_for_nothing() {
        let starting =
            Replication { state: "startup".to_owned(), sent_lsn: None, ..row("a", 9, [9; 4]) };
        assert!(!starting.is_in_order());
        assert!(samples([starting, row("a", 9, [9; 4])]).are_in_order("a"));
    }

    /// Returns four samples of "a" with lags of 2, 9, 1 and 3 bytes, each beside a row of "b".
    fn four() -> Samples {
        let span = Duration::from_millis;
        let rows = [(2, 20), (9, 90), (1, 10), (3, 30)].map(|(lag, millis)| Replication {
            write_lag: Some(span(millis)),
            flush_lag: Some(span(2 * millis)),
            replay_lag: Some(span(3 * millis)),
            ..row("a", 100, [100, 100, 100, 100 - lag])
        });
        let mut seen = samples(rows);
        for sample in &mut seen.all {
            sample.standbys.insert(0, row("b", 100, [100, 100, 100, 60]));
        }
        seen
    }

    #[test]
    fn a_peak_is_the_greatest_and_neither_the_first_nor_the_last() {
        let seen = four();
        assert_eq!((seen.peak("a"), seen.peak("b")), (Some(9), Some(40)));
        let longest = [
            seen.longest("a", |row| row.write_lag),
            seen.longest("a", |row| row.flush_lag),
            seen.longest("a", |row| row.replay_lag),
            seen.longest("b", |row| row.replay_lag),
        ];
        let millis = [Some(90), Some(180), Some(270), None];
        assert_eq!(longest, millis.map(|millis| millis.map(Duration::from_millis)));
    }

    #[test]
    fn the_samples_of_a_standby_have_their_times_and_its_rows() {
        let seen = four();
        let of_a: Vec<_> = seen.of("a").map(|(at, row)| (at.as_secs(), row.lag())).collect();
        assert_eq!(of_a, [(0, Some(2)), (1, Some(9)), (2, Some(1)), (3, Some(3))]);
        assert_eq!(seen.of("c").count(), 0);
        assert_eq!(seen.all().len(), 4);
    }

    #[test]
    fn samples_are_kept_up_to_and_including_the_end() {
        let times = |end: u64| -> Vec<_> {
            let kept = four().until(Duration::from_secs(end));
            kept.all().iter().map(|sample| sample.at.as_secs()).collect()
        };
        assert_eq!(times(2), [0, 1, 2]);
        assert_eq!(times(0), [0]);
        let before = Duration::from_millis(1_999);
        assert_eq!(four().until(before).all().len(), 2);
    }

    #[test]
    fn the_cost_of_an_observation_is_a_mean_and_no_sum() {
        let seen = Samples { observing: Duration::from_secs(12), ..four() };
        assert_eq!(seen.cost(), Duration::from_secs(3));
        assert_eq!(Samples::default().cost(), Duration::ZERO);
    }

    #[test]
    fn the_retained_wal_is_that_of_the_slot_that_is_asked_for() {
        let slot = |name: &str, restart: Option<u64>| Slot {
            slot_name: name.to_owned(),
            active: true,
            restart_lsn: restart.map(Lsn::from),
            wal_status: None,
            synced: false,
            own_lsn: Some(Lsn::from(100)),
            ..Slot::default()
        };
        let mut seen = Samples { began: Duration::from_millis(1_500), ..four() };
        let retained = [Some(70), Some(20), None, Some(90)];
        for (sample, restart) in seen.all.iter_mut().zip(retained) {
            sample.slots = vec![slot("s1", Some(50)), slot("s2", restart)];
        }
        let series = |points| Reading::Series(points, "bytes".to_owned());
        assert_eq!(seen.retained("s2"), series(vec![(1.5, 30.0), (2.5, 80.0), (4.5, 10.0)]));
        assert_eq!(seen.retained("s3"), series(Vec::new()));
        assert_eq!(seen.lag("a"), series(vec![(1.5, 2.0), (2.5, 9.0), (3.5, 1.0), (4.5, 3.0)]));
    }

    #[test]
    fn a_rate_of_wal_is_per_second_and_counts_from_the_begin_of_the_record() {
        let at = |lsn| row("a", lsn, [lsn; 4]);
        let mut seen = samples([at(10), at(40), at(100), at(110)]);
        for sample in &mut seen.all {
            sample.at /= 2;
        }
        seen.began = Duration::from_secs(7);
        let rates = |step| seen.wal_rate("a", Duration::from_millis(step));
        let series = |points| Reading::Series(points, "bytes per second".to_owned());
        let each = || series(vec![(7.5, 60.0), (8.0, 120.0), (8.5, 20.0)]);
        assert_eq!(rates(500), each());
        assert_eq!(rates(0), each());
        assert_eq!(rates(501), series(vec![(8.0, 90.0)]));
        let twice = samples([at(10), at(40)]);
        let twice = Samples {
            all: twice
                .all
                .into_iter()
                .map(|sample| Sample { at: Duration::ZERO, ..sample })
                .collect(),
            ..Samples::default()
        };
        assert_eq!(twice.wal_rate("a", Duration::ZERO), series(Vec::new()));
    }
}
