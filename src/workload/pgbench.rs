//! `pgbench` as it comes with the server: its tables, a load of its built-in transactions, and its
//! report as values. It never judges a figure (manual: `pgbench`).

use std::time::Duration;

use crate::error::{Error, Result};
use crate::host::script::Script;
use crate::node::Node;
use crate::record::reading::Reading;

/// Creates `pgbench`'s tables on a node, with 100 000 accounts for each unit of `scale`.
///
/// # Errors
///
/// `pgbench` is missing on the node's host, or exits with an error.
pub async fn initialise(node: &Node, scale: u64) -> Result<()> {
    let line = format!("pgbench --initialize --quiet --scale={scale} 2>&1");
    node.run_as_client(Script::new(line)).await.map(drop)
}

/// Runs transactions of `clients` clients on a node for `seconds` seconds, each client as fast as
/// it can, and returns the report.
///
/// # Errors
///
/// `pgbench` exits with an error, or its report is not understood.
pub async fn run(node: &Node, clients: u64, seconds: u64) -> Result<Report> {
    let began = node.notebook().age();
    let said = node.run_as_client(Script::new(load(clients, seconds))).await?;
    let report = Report::parse(&said).map_err(|error| error.on(node.name()))?;
    Ok(Report { began, ..report })
}

/// Returns the command line of a load. Two threads of `pgbench` are enough for every number of clients
/// of the lab.
fn load(clients: u64, seconds: u64) -> String {
    let threads = clients.min(2);
    format!(
        "pgbench --no-vacuum --progress=1 --client={clients} --jobs={threads} --time={seconds} 2>&1"
    )
}

/// The report of a run of `pgbench`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The time when the run began, since the record began; the lab measures it.
    pub began: Duration,
    /// The number of clients that `pgbench` ran.
    pub clients: u64,
    /// The number of transactions that `pgbench` counted as processed.
    pub transactions: u64,
    /// The number of failed transactions. Before PostgreSQL 15 `pgbench` does not count them: the
    /// first one ends its client, and the run fails.
    pub failed: u64,
    /// Transactions per second, without the time that connections took.
    pub tps: f64,
    /// The average latency of a transaction.
    pub latency: Duration,
    /// Rate and latency, second by second. The last second may be missing.
    pub progress: Vec<Progress>,
}

/// One line of `pgbench`'s progress.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// The time since the run began.
    pub at: Duration,
    /// Transactions per second since the last line.
    pub tps: f64,
    /// The average latency of these transactions.
    pub latency: Duration,
}

impl Report {
    /// Reads the output of `pgbench`: progress, then the report.
    ///
    /// # Errors
    ///
    /// A figure is missing: the error has the text.
    pub fn parse(said: &str) -> Result<Self> {
        let missing = |what: &str| {
            Error::unreadable(format!("looking for {what:?} in the output of pgbench"), said)
                .remedy("make sure that the pgbench in PATH on this node comes with its server")
        };
        let after = |what: &str| -> Option<f64> {
            number(said.lines().filter_map(|line| line.strip_prefix(what)).next_back()?)
        };
        let figure = |what: &str| after(what).ok_or_else(|| missing(what));
        Ok(Self {
            began: Duration::ZERO,
            clients: whole(figure("number of clients: ")?),
            transactions: whole(figure("number of transactions actually processed: ")?),
            failed: after("number of failed transactions: ").map_or(0, whole),
            // PostgreSQL 13 prints two such lines; the last one excludes the time of connecting.
            tps: figure("tps = ")?,
            latency: millis(figure("latency average = ")?),
            progress: said.lines().filter_map(Progress::parse).collect(),
        })
    }

    /// Returns the transactions per second, over time.
    pub fn tps_over_time(&self) -> Reading {
        let points = self.progress.iter();
        let points = points.map(|second| ((self.began + second.at).as_secs_f64(), second.tps));
        Reading::Series(points.collect(), "transactions per second".to_owned())
    }
}

impl Progress {
    /// Reads a line such as `progress: 1.0 s, 628.0 tps, lat 1.580 ms stddev 0.501, 0 failed`.
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.strip_prefix("progress: ")?.split(", ");
        let at = Duration::try_from_secs_f64(number(parts.next()?)?).ok()?;
        let tps = number(parts.next()?)?;
        let latency = number(parts.next()?.strip_prefix("lat ")?)?;
        Some(Self { at, tps, latency: millis(latency) })
    }
}

/// Returns the number that a text begins with.
fn number(text: &str) -> Option<f64> {
    text.split([' ', '/']).next()?.parse().ok().filter(|number: &f64| number.is_finite())
}

fn millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1000.0).unwrap_or_default()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a count")]
fn whole(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_13: &str = "\
progress: 1.0 s, 1498.9 tps, lat 2.654 ms stddev 1.117
progress: 2.0 s, 1540.1 tps, lat 2.592 ms stddev 1.081
transaction type: <builtin: TPC-B (sort of)>
scaling factor: 1
query mode: simple
number of clients: 4
number of threads: 2
duration: 2 s
number of transactions actually processed: 3042
latency average = 2.624 ms
latency stddev = 1.102 ms
tps = 1519.100612 (including connections establishing)
tps = 1522.500021 (excluding connections establishing)
";

    const BY_17: &str = "\
pgbench (17.12 (Debian 17.12-0+deb13u1))
progress: 1.0 s, 1498.9 tps, lat 2.654 ms stddev 1.117, 0 failed
transaction type: <builtin: TPC-B (sort of)>
number of clients: 16
number of transactions actually processed: 1501
number of failed transactions: 2 (0.133%)
latency average = 2.624 ms
initial connection time = 6.012 ms
tps = 1519.100612 (without initial connection time)
";

    #[test]
    fn the_reports_of_old_and_new_versions_are_read() {
        let report = Report::parse(BY_13).unwrap();
        assert_eq!((report.clients, report.transactions, report.failed), (4, 3042, 0));
        assert_eq!(report.latency, Duration::from_micros(2624));
        assert!((report.tps - 1_522.500_021).abs() < 1e-6, "{}", report.tps);
        let seconds: Vec<_> = report.progress.iter().map(|second| second.at.as_secs()).collect();
        assert_eq!(seconds, [1, 2]);
        let report = Report::parse(BY_17).unwrap();
        assert_eq!((report.clients, report.transactions, report.failed), (16, 1501, 2));
        assert_eq!(report.progress.first().unwrap().latency, Duration::from_micros(2654));
    }

    #[test]
    fn a_program_that_says_nothing_is_an_error() {
        let error = Report::parse("").unwrap_err();
        assert!(error.to_string().contains("number of clients"), "{error}");
    }

    #[test]
    fn the_command_has_the_clients_the_seconds_and_at_most_two_threads() {
        for (clients, seconds, options) in [
            (1, 9, "--client=1 --jobs=1 --time=9"),
            (2, 5, "--client=2 --jobs=2 --time=5"),
            (4, 3, "--client=4 --jobs=2 --time=3"),
        ] {
            let line = format!("pgbench --no-vacuum --progress=1 {options} 2>&1");
            assert_eq!(load(clients, seconds), line);
        }
    }

    #[test]
    fn every_second_has_its_own_rate_and_latency() {
        let report = Report::parse(BY_13).unwrap();
        let second = |at, tps, micros| Progress {
            at: Duration::from_secs(at),
            tps,
            latency: Duration::from_micros(micros),
        };
        assert_eq!(report.progress, [second(1, 1498.9, 2654), second(2, 1540.1, 2592)]);
        assert_eq!(report.began, Duration::ZERO);
        let report = Report { began: Duration::from_millis(500), ..report };
        let points = vec![(1.5, 1498.9), (2.5, 1540.1)];
        let series = Reading::Series(points, "transactions per second".to_owned());
        assert_eq!(report.tps_over_time(), series);
    }

    #[test]
    fn a_figure_that_is_missing_is_named() {
        for figure in
            ["number of transactions actually processed: ", "tps = ", "latency average = "]
        {
            let lines = BY_17.lines().filter(|line| !line.starts_with(figure));
            let error = Report::parse(&lines.collect::<Vec<_>>().join("\n")).unwrap_err();
            assert!(error.to_string().contains(&format!("{figure:?}")), "{error}");
        }
    }

    #[test]
    fn a_line_that_is_no_progress_is_left_out() {
        for line in [
            "progress: 1.0 s, 5.0 tps",
            "progress: inf s, 5.0 tps, lat 1.0 ms",
            "progress: -1 s, 5.0 tps, lat 1.0 ms",
            "progress: 1.0 s, x tps, lat 1.0 ms",
            "progress: 1.0 s, 5.0 tps, 1.0 ms",
            "1.0 s, 5.0 tps, lat 1.0 ms",
        ] {
            assert_eq!(Progress::parse(line), None, "{line}");
        }
    }
}
