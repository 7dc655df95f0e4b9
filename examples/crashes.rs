//! Crashes synchronous primaries under load, and searches for an acknowledged order that is lost:
//! `cargo run --example crashes -- 50`. Each crash has a pair of its own: its writers note the answer to
//! every order, its primary's server is killed after a random number of orders, its standby is promoted
//! while the writers reconnect, and the orders on the new primary are compared with the writers' ledger.
//!
//! Prints a line for each crash, and the sum. The exit code is 1 when an acked order is lost, an order is
//! duplicated, a failed order is found, or the run itself fails; 2 when the argument is not a number. It
//! never shows what a power loss would do: what a killed server had written is in the page cache and stays.

use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use replication_lab::ledger::Outcome;
use replication_lab::workload::orders;
use replication_lab::{Notebook, Result, Settings, Site, Topology, Writers};
use tokio_postgres::config::TargetSessionAttrs::ReadWrite;

/// The number of crashes by default.
const CRASHES: u32 = 50;

/// The number of clients that write.
const WRITERS: usize = 4;

/// The least and the most orders that the old primary acks before it is killed.
const BEFORE: std::ops::RangeInclusive<u64> = 50..=500;

/// The orders that the new primary acks before the writers stop.
const AFTER: u64 = 50;

/// The orders of one crash, or of all of them, by outcome.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    acked: u64,
    unknown: u64,
    recovered: u64,
    lost: u64,
    unexpected: u64,
    duplicated: u64,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let asked = std::env::args().nth(1);
    let Ok(crashes) = asked.as_deref().map_or(Ok(CRASHES), str::parse) else {
        let _ = writeln!(stderr(), "usage: crashes [NUMBER OF CRASHES, by default {CRASHES}]");
        return ExitCode::from(2);
    };
    match run(crashes).await {
        Ok(sum) if sum.is_right() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(stderr(), "crashes: {error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn run(crashes: u32) -> Result<Tally> {
    let site = Site::choose(&Settings::from_env()?).await?;
    let mut sum = Tally::default();
    for number in 1..=crashes {
        let seen = crash(&site).await?;
        let _ = writeln!(stdout(), "crash {number}: {}", seen.summary());
        sum = sum.and(seen);
    }
    let _ = writeln!(stdout(), "{crashes} crashes on {site}: {}", sum.summary());
    Ok(sum)
}

/// Starts a pair, crashes its primary, and counts the orders by outcome.
async fn crash(site: &Site) -> Result<Tally> {
    let topology = Topology::pair().synchronous("standby1");
    let pair = Arc::new(topology.start_at(site, &Notebook::in_memory()).await?);
    let session = pair.primary().session().await?;
    session.run_file(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sql/shop.sql")).await?;
    session.run("SELECT fill_shop(1)").await?;
    let writers = Writers::start(&pair, WRITERS);
    writers.wait_for_acks(rand::random_range(BEFORE)).await?;
    pair.primary().crash().await?;
    pair.standby()?.promote().await?;
    writers.wait_for_acks(writers.acked() + AFTER).await?;
    let ledger = writers.stop().await?;
    // The old primary stays down, so the only server that takes writes has the newest timeline.
    let verdict = ledger.compare(orders(&pair.client(ReadWrite).await?).await?);
    let [lost, unexpected, duplicated] = verdict.wrong();
    if let Some(pair) = Arc::into_inner(pair) {
        pair.stop().await?;
    }
    Ok(Tally {
        acked: ledger.count(Outcome::Acked),
        unknown: ledger.count(Outcome::Unknown),
        recovered: verdict.recovered.len() as u64,
        lost,
        unexpected,
        duplicated,
    })
}

impl Tally {
    fn and(self, other: Self) -> Self {
        Self {
            acked: self.acked + other.acked,
            unknown: self.unknown + other.unknown,
            recovered: self.recovered + other.recovered,
            lost: self.lost + other.lost,
            unexpected: self.unexpected + other.unexpected,
            duplicated: self.duplicated + other.duplicated,
        }
    }

    fn is_right(self) -> bool {
        [self.lost, self.unexpected, self.duplicated] == [0; 3]
    }

    fn summary(self) -> String {
        let Self { acked, unknown, recovered, lost, unexpected, duplicated } = self;
        let summary =
            format!("acked {acked}, unknown {unknown} ({recovered} of them found), lost {lost}");
        match (unexpected, duplicated) {
            (0, 0) => summary,
            _ => summary + &format!(", unexpected {unexpected}, duplicated {duplicated}"),
        }
    }
}
