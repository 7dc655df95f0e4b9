//! Measures the time from `Topology::start` to a row visible on the standby, and its parts (`cargo
//! bench --bench start`). Prints medians; it asserts nothing.

use std::time::{Duration, Instant};

use replication_lab::record::Event;
use replication_lab::{Notebook, Result, Settings, Site, Topology};

const RUNS: usize = 20;

/// The moments of one run, since its start.
const MOMENTS: [&str; 5] = ["hosts up", "data there", "streaming", "row visible", "removed"];

#[tokio::main(worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn main() -> Result<()> {
    let site = Site::choose(&Settings::from_env()?).await?;
    once(&site).await?;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(once(&site).await?);
    }
    println!("{site}: {RUNS} runs, milliseconds since start: median (least to most)");
    for (index, moment) in MOMENTS.iter().enumerate() {
        let mut times: Vec<_> = runs.iter().filter_map(|run| run.get(index)).collect();
        times.sort();
        let ms = |at: usize| times.get(at).map_or(0, |time| time.as_millis());
        println!("{moment:>12}: {:4} ({} to {})", ms(RUNS / 2), ms(0), ms(RUNS - 1));
    }
    Ok(())
}

async fn once(site: &Site) -> Result<Vec<Duration>> {
    let started = Instant::now();
    let book = Notebook::in_memory();
    let pair = Topology::pair().start_at(site, &book).await?;
    let streaming = started.elapsed();
    pair.primary().session().await?.run("CREATE TABLE t AS SELECT 1 AS a").await?;
    pair.wait_for_catchup("standby1").await?;
    let a: i32 = pair.standby()?.session().await?.value("SELECT a FROM t").await?;
    let visible = started.elapsed();
    pair.stop().await?;
    let gone = started.elapsed();
    assert_eq!(a, 1);
    let entries = book.entries();
    let commands = entries.iter().filter(|entry| matches!(entry.event, Event::Command { .. }));
    let mut at = commands.map(|entry| Duration::from_millis(entry.at_ms));
    let (first, last) = (at.next().unwrap_or_default(), at.next_back().unwrap_or_default());
    Ok(vec![first, last, streaming, visible, gone])
}
