//! The outcomes that writers recorded, compared with the rows that are present: the proof that no
//! acknowledged commit was lost. It is pure: it asks no server, and it works for any kind of
//! writer.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::record::reading::Reading;

/// The outcome of one attempt, as the client knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server reported that it committed.
    Acked,
    /// The server reported that it did not commit.
    Failed,
    /// The connection ended, or no answer came in time: the row may be present or not.
    Unknown,
}

/// One attempt to write one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The id of the row, unique among all attempts.
    pub id: i64,
    /// The time when the outcome was known, since the record began.
    pub at: Duration,
    /// The outcome.
    pub outcome: Outcome,
}

/// All attempts of all writers, in the order in which their outcomes were known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    attempts: Vec<Attempt>,
}

/// The comparison of a ledger with the rows on the primary of the newest timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// The rows that were acked and are not present.
    pub lost: Vec<i64>,
    /// The rows that are present and failed, or were never written.
    pub unexpected: Vec<i64>,
    /// The rows that are present and whose outcome was unknown: no client received a wrong answer.
    pub recovered: Vec<i64>,
    /// The rows that are present more than once.
    pub duplicated: Vec<i64>,
}

impl Verdict {
    /// Returns the numbers of lost, unexpected and duplicated rows, in this order. Each must be 0.
    pub fn wrong(&self) -> [u64; 3] {
        [&self.lost, &self.unexpected, &self.duplicated].map(|ids| ids.len() as u64)
    }
}

impl Ledger {
    /// Creates a ledger of these attempts.
    pub fn new(mut attempts: Vec<Attempt>) -> Self {
        attempts.sort_by_key(|attempt| attempt.at);
        Self { attempts }
    }

    /// Returns all attempts.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Returns the number of attempts with this outcome.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.with(outcome).count() as u64
    }

    /// Returns the longest time between two acks: the downtime as the clients saw it.
    pub fn longest_gap(&self) -> Duration {
        let mut acks = self.with(Outcome::Acked).map(|attempt| attempt.at);
        let Some(mut last) = acks.next() else { return Duration::ZERO };
        let gaps = acks.map(|at| at.saturating_sub(std::mem::replace(&mut last, at)));
        gaps.max().unwrap_or_default()
    }

    /// Returns the rate of acked orders over time, in steps of a tenth of a second, including steps
    /// without any.
    pub fn acked_over_time(&self) -> Reading {
        let tenth = |attempt: &Attempt| attempt.at.as_millis() / 100;
        let mut acks = self.with(Outcome::Acked).map(tenth).peekable();
        let mut points = Vec::new();
        let mut now = acks.peek().copied().unwrap_or_default();
        while acks.peek().is_some() {
            let mut acked = 0.0;
            while acks.next_if_eq(&now).is_some() {
                acked += 10.0;
            }
            points.push((seconds(now), acked));
            now += 1;
        }
        Reading::Series(points, "orders per second".to_owned())
    }

    /// Compares the ledger with the rows that are present.
    ///
    /// ```
    /// use replication_lab::ledger::{Attempt, Ledger, Outcome};
    /// let attempt = |id, outcome| Attempt { id, at: std::time::Duration::ZERO, outcome };
    /// let ledger = Ledger::new(vec![attempt(1, Outcome::Acked), attempt(2, Outcome::Unknown)]);
    /// let verdict = ledger.compare([2]);
    /// assert_eq!((verdict.lost, verdict.recovered), (vec![1], vec![2]));
    /// ```
    pub fn compare(&self, found: impl IntoIterator<Item = i64>) -> Verdict {
        let ids = |outcome| self.with(outcome).map(|attempt| attempt.id).collect::<BTreeSet<_>>();
        let (acked, unknown) = (ids(Outcome::Acked), ids(Outcome::Unknown));
        let mut seen = BTreeSet::new();
        let duplicated = found.into_iter().filter(|id| !seen.insert(*id)).collect();
        let unacked = seen.difference(&acked).copied();
        let (recovered, unexpected) = unacked.partition(|id| unknown.contains(id));
        let lost = acked.difference(&seen).copied().collect();
        Verdict { lost, unexpected, recovered, duplicated }
    }

    fn with(&self, outcome: Outcome) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(move |attempt| attempt.outcome == outcome)
    }
}

#[expect(clippy::cast_precision_loss, reason = "no run takes that long")]
fn seconds(tenths: u128) -> f64 {
    tenths as f64 / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(id: i64, millis: u64, outcome: Outcome) -> Attempt {
        Attempt { id, at: Duration::from_millis(millis), outcome }
    }

    #[test]
    fn every_kind_of_row_is_told_apart() {
        let ledger = Ledger::new(vec![
            attempt(1, 1, Outcome::Acked),
            attempt(2, 2, Outcome::Acked),
            attempt(3, 3, Outcome::Failed),
            attempt(4, 4, Outcome::Unknown),
            attempt(5, 5, Outcome::Unknown),
            attempt(6, 6, Outcome::Failed),
        ]);
        let verdict = ledger.compare([1, 3, 4, 9, 1]);
        assert_eq!(verdict.lost, [2]);
        assert_eq!(verdict.unexpected, [3, 9]);
        assert_eq!(verdict.recovered, [4]);
        assert_eq!(verdict.duplicated, [1]);
        assert_eq!(verdict.wrong(), [1, 2, 1]);
        assert_eq!(ledger.count(Outcome::Unknown), 2);
        assert_eq!(ledger.compare([1, 2]), Verdict::default());
    }

    #[test]
    fn the_longest_gap_is_between_acks_and_not_between_attempts() {
        let ledger = Ledger::new(vec![
            attempt(3, 90, Outcome::Acked),
            attempt(1, 10, Outcome::Acked),
            attempt(2, 50, Outcome::Unknown),
        ]);
        assert_eq!(ledger.longest_gap(), Duration::from_millis(80));
        assert_eq!(Ledger::default().longest_gap(), Duration::ZERO);
    }
    #[test]
    fn a_time_without_acks_shows_as_one() {
        let ledger = Ledger::new(vec![
            attempt(1, 110, Outcome::Acked),
            attempt(2, 190, Outcome::Acked),
            attempt(3, 250, Outcome::Unknown),
            attempt(4, 310, Outcome::Acked),
        ]);
        let points = vec![(0.1, 20.0), (0.2, 0.0), (0.3, 10.0)];
        assert_eq!(ledger.acked_over_time(), Reading::Series(points, "orders per second".into()));
        let none = Reading::Series(Vec::new(), "orders per second".into());
        assert_eq!(Ledger::default().acked_over_time(), none);
    }

    #[test]
    fn wrong_rows_are_counted_in_the_order_lost_unexpected_duplicated() {
        let acked = (1..=9).map(|id| attempt(id, 1, Outcome::Acked));
        let unknown = [attempt(10, 2, Outcome::Unknown), attempt(11, 3, Outcome::Unknown)];
        let ledger = Ledger::new(acked.chain(unknown).collect());
        let verdict = ledger.compare([9, 1, 2, 3, 4, 4, 2, 10, 20, 5]);
        assert_eq!(verdict.lost, [6, 7, 8]);
        assert_eq!(verdict.unexpected, [20]);
        assert_eq!(verdict.duplicated, [4, 2]);
        assert_eq!(verdict.recovered, [10]);
        assert_eq!(verdict.wrong(), [3, 1, 2]);
    }

    #[test]
    fn attempts_are_counted_by_their_outcome_and_sorted_by_their_time() {
        let ledger = Ledger::new(vec![
            attempt(1, 50, Outcome::Acked),
            attempt(2, 90, Outcome::Failed),
            attempt(3, 10, Outcome::Acked),
            attempt(4, 30, Outcome::Unknown),
            attempt(5, 70, Outcome::Acked),
            attempt(6, 20, Outcome::Failed),
        ]);
        let counts = [Outcome::Acked, Outcome::Failed, Outcome::Unknown];
        assert_eq!(counts.map(|outcome| ledger.count(outcome)), [3, 2, 1]);
        let ids: Vec<_> = ledger.attempts().iter().map(|attempt| attempt.id).collect();
        assert_eq!(ids, [3, 6, 4, 1, 5, 2]);
    }

    #[test]
    fn the_longest_gap_is_neither_the_first_nor_the_last_nor_the_sum() {
        let acked = |times: &[u64]| {
            let acks = (1..).zip(times).map(|(id, at)| attempt(id, *at, Outcome::Acked));
            Ledger::new(acks.collect()).longest_gap()
        };
        assert_eq!(acked(&[100, 130, 190, 200]), Duration::from_millis(60));
        assert_eq!(acked(&[100]), Duration::ZERO);
    }

    #[test]
    fn a_step_of_acks_begins_with_its_tenth_of_a_second() {
        let at = [199, 200, 299, 300, 301].into_iter();
        let acks = (1..).zip(at).map(|(id, at)| attempt(id, at, Outcome::Acked));
        let points = vec![(0.1, 10.0), (0.2, 20.0), (0.3, 20.0)];
        let series = Reading::Series(points, "orders per second".to_owned());
        assert_eq!(Ledger::new(acks.collect()).acked_over_time(), series);
    }
}
