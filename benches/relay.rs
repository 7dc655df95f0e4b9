//! Measures what a link without a fault costs: a standby catches up with bulk WAL through the relay
//! and over a direct connection, in turns, and an idle round trip is timed on both (`cargo bench
//! --bench relay`). Prints medians and their ratio; it asserts nothing.

use std::time::{Duration, Instant};

use replication_lab::conf::conninfo;
use replication_lab::wait::{Seen, until};
use replication_lab::wal::Lsn;
use replication_lab::{
    Cluster, Endpoint, Notebook, Result, Session, Settings, Site, Standby, Topology,
};
use tokio_postgres::Config;

/// The bytes of WAL to catch up with.
const BULK: u64 = 1 << 30;

/// The bytes of one record: logical messages, which cost replay nothing.
const RECORD: u64 = 1 << 20;

const ROUNDS: usize = 5;
const ROUND_TRIPS: usize = 2000;
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::main(worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
async fn main() -> Result<()> {
    let site = Site::choose(&Settings::from_env()?).await?;
    let bulk = Topology::alone()
        .standby(Standby::new("standby1").without_slot())
        .set("wal_keep_size", "2GB")
        .set("max_wal_size", "2GB");
    let pair = bulk.start_at(&site, &Notebook::in_memory()).await?;
    let ways = [("relay", relayed(&pair)?), ("direct", direct(&pair).await?)];
    println!("{site}");

    let mut catch_up = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for ((_, way), times) in ways.iter().zip(&mut catch_up) {
            let took = catches_up(&pair, way).await?;
            // The first round creates the WAL files that later rounds recycle.
            times.extend(Some(took).filter(|_| round > 0));
        }
    }
    let [relay, direct] = catch_up.map(median);
    #[expect(clippy::cast_precision_loss, reason = "a gigabyte is exact")]
    let rate = |span: Duration| BULK as f64 / 1e6 / span.as_secs_f64();
    println!("catch-up with {BULK} bytes of WAL, medians of {ROUNDS}:");
    println!("  through the relay {relay:.2?} ({:.0} MB/s)", rate(relay));
    println!("  direct            {direct:.2?} ({:.0} MB/s)", rate(direct));
    println!(
        "  relay / direct    {:.2} of the throughput",
        direct.as_secs_f64() / relay.as_secs_f64()
    );

    let (host, port) = pair.link("standby1")?.address();
    let relay = round_trip(&redirected(&pair.primary().config(), host, port)).await?;
    let direct = round_trip(&pair.primary().config()).await?;
    println!("round trip of an idle session, medians of {ROUND_TRIPS}:");
    println!("  through the relay {} µs, direct {} µs", relay.as_micros(), direct.as_micros());
    pair.stop().await
}

/// Returns the standby's connection through its link.
fn relayed(pair: &Cluster) -> Result<String> {
    let source = pair.source("standby1")?;
    Ok(source.conninfo() + " " + &conninfo(&[("password", source.password.as_str())]))
}

/// Returns a direct connection: to the primary's socket, or to its container.
async fn direct(pair: &Cluster) -> Result<String> {
    let (host, port) = match pair.primary().endpoint() {
        Endpoint::Unix(..) => pair.primary().endpoint().host_and_port(),
        Endpoint::Tcp(..) => (pair.primary().run("hostname -i").await?.trim().to_owned(), 5432),
    };
    let source = pair.source("standby1")?;
    let password = source.password.as_str();
    Ok(conninfo(&[
        ("host", &host),
        ("port", &port.to_string()),
        ("user", "replicator"),
        ("password", password),
    ]))
}

/// Disconnects the standby, writes the bulk, connects it again, and returns the time until it has
/// received all.
async fn catches_up(pair: &Cluster, way: &str) -> Result<Duration> {
    let writer = pair.primary().session().await?;
    let standby = pair.standby()?.session().await?;
    follow(&standby, "").await?;
    until("the standby is disconnected", PATIENCE, || async {
        Ok(match writer.value::<i64>("SELECT count(*) FROM pg_stat_replication").await? {
            0 => Seen::Done(()),
            there => Seen::NotYet(format!("{there} walsenders")),
        })
    })
    .await?;
    let records = BULK / RECORD;
    let write = format!(
        "SELECT count(pg_logical_emit_message(false, '', repeat('x', {RECORD}))) \
         FROM generate_series(1, {records})"
    );
    writer.run(&write).await?;
    writer.run("CHECKPOINT").await?;
    let target: Lsn = writer.value("SELECT pg_current_wal_lsn()").await?;
    let started = Instant::now();
    follow(&standby, way).await?;
    until("the standby has received it all", PATIENCE, || async {
        let there: Option<Lsn> = standby.value("SELECT pg_last_wal_receive_lsn()").await?;
        Ok(match there {
            Some(there) if there >= target => Seen::Done(()),
            there => Seen::NotYet(format!("{there:?}")),
        })
    })
    .await?;
    let took = started.elapsed();
    pair.wait_for_catchup("standby1").await?;
    Ok(took)
}

async fn follow(standby: &Session, way: &str) -> Result<()> {
    let way = way.replace('\'', "''");
    standby.run(&format!("ALTER SYSTEM SET primary_conninfo = '{way}'")).await?;
    standby.run("SELECT pg_reload_conf()").await
}

/// Returns the median time of a trivial query.
async fn round_trip(config: &Config) -> Result<Duration> {
    let session = Session::open(config, "client", &Notebook::in_memory()).await?;
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let asked = Instant::now();
        session.run("").await?;
        times.push(asked.elapsed());
    }
    Ok(median(times))
}

fn redirected(config: &Config, host: &str, port: u16) -> Config {
    let mut redirected = Config::new();
    redirected.host(host).port(port).user("postgres").dbname("postgres");
    redirected.password(config.get_password().unwrap_or_default());
    redirected
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
