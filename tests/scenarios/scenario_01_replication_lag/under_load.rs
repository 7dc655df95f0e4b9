//! A standby's lag while rows are inserted, and afterwards. Nothing here judges how large a lag is.

use std::time::{Duration, Instant};

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_no_lag;
use replication_lab::record::Reading;
use replication_lab::sampler::STEP;
use replication_lab::stat::{self, Replication};
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{Cluster, Proof, Result, Sampler, Samples, Session, Topology};
use rstest::{Context, rstest};

use crate::steps::bounds::must_be_sampled;
use crate::steps::shop::USERS;
use crate::steps::wal::WRITTEN;
use crate::support::{Lab, exercise, scenario};

/// A standby lags while a bulk insert runs; measured afterwards, the lag is 0 bytes.
///
/// Method: insert a thousand, ten thousand and a hundred thousand rows; sample the lag every 5 ms
/// meanwhile, and compare the peak with the lag after replay.
#[apply(exercise)]
#[rstest]
fn bulk_inserts(#[context] test: Context) {
    let about = "A standby lags while a bulk insert runs; measured afterwards, the lag is 0 bytes";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with an empty shop");
        let pair = lab.start(Topology::pair()).await?;
        let writer = pair.primary().session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run_file("fixtures/sql/replication_health.sql").await?;
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("A thousand rows in one statement, the lag sampled meanwhile");
        insert(lab, &pair, &writer, 1_000).await?;
        lab.step("Ten thousand rows in one statement, the lag sampled meanwhile");
        insert(lab, &pair, &writer, 10_000).await?;
        lab.step("A hundred thousand rows in one statement, the lag sampled meanwhile");
        let bulk = insert(lab, &pair, &writer, 100_000).await?;
        let longest = |lag: fn(&Replication) -> Option<Duration>| {
            bulk.samples.longest("standby1", lag).unwrap_or_default()
        };
        lab.measure("longest write lag", longest(|row| row.write_lag));
        lab.measure("longest flush lag", longest(|row| row.flush_lag));
        lab.measure("longest replay lag", longest(|row| row.replay_lag));
        let lagged = bulk.peak > Some(0);
        let lagged = lab.must_be("was the peak lag above 0 bytes", lagged, true);

        lab.step("The view replication_health after replay");
        let health = settled(&writer).await?;
        lab.must_be("replication_health", &health, CAUGHT_UP);

        lab.learn(
            "A standby lags while rows are inserted, and catches up afterwards: 0 bytes measured \
             afterwards say nothing about the lag under load.",
            [&lagged, &bulk.afterwards],
        );
        lab.learn(
            "A position of pg_stat_replication is never ahead of the one before it: sent_lsn, write_lsn, \
             flush_lsn, replay_lsn.",
            [&bulk.in_order],
        );
        Ok(())
    });
}

/// Waits until the view shows a standby without lag: autovacuum and the background writer may write WAL
/// between the replay of the last row and a look at the view.
async fn settled(writer: &Session) -> Result<String> {
    until("replication_health shows no lag", PATIENCE, || async {
        let seen: String = writer.value(HEALTH).await?;
        Ok(if seen == CAUGHT_UP { Seen::Done(seen) } else { Seen::NotYet(seen) })
    })
    .await
}

const CAUGHT_UP: &str = "standby1 streaming, 0 bytes not replayed";

const HEALTH: &str = "SELECT standby || ' ' || state || ', ' || not_replayed_bytes || ' bytes not replayed' \
     FROM replication_health";

/// What was measured of a bulk insert.
struct Bulk {
    samples: Samples,
    peak: Option<u64>,
    afterwards: Proof,
    in_order: Proof,
}

/// Inserts users while the standby's lag is sampled, and records figures and facts.
async fn insert(lab: &Lab, pair: &Cluster, writer: &Session, rows: u64) -> Result<Bulk> {
    let rows = lab.scaled(rows);
    let reader = pair.standby()?.session().await?;
    let expected = writer.count(USERS).await? + rows;
    let before: Lsn = writer.value(WRITTEN).await?;
    let sampler = Sampler::start(pair.primary(), STEP).await?;
    let called = Instant::now();
    writer.run(&format!("SELECT insert_bulk_users({rows})")).await?;
    let took = called.elapsed();
    let at_return = stat::replication_to(writer, "standby1").await?.and_then(|row| row.lag());
    let last = wait_for_no_lag(writer, "standby1").await?;
    let caught_up = called.elapsed().saturating_sub(took);
    let seen = sampler.stop().await?;
    let during = seen.clone().until(took).peak("standby1").max(at_return);
    let after: Lsn = writer.value(WRITTEN).await?;
    let wal = bytes_between(before, after);

    lab.measure("the insert took", took);
    lab.key_figure("inserted", Reading::rate(rows, took, "rows"));
    lab.measure("WAL position before", before);
    lab.measure("WAL position after", after);
    lab.measure("WAL written", Reading::Bytes(wal));
    lab.measure("WAL per row", Reading::Bytes(wal / rows));
    lab.measure("lag, sampled every 5 ms", seen.lag("standby1"));
    lab.measure("one look of the sampler", seen.cost());
    lab.key_figure("peak lag while it ran", Reading::Bytes(during.unwrap_or(0)));
    lab.key_figure("lag the moment it returned", Reading::Bytes(at_return.unwrap_or(0)));
    lab.measure("from its return until all was replayed", caught_up);
    must_be_sampled(lab, &seen, took);
    let header = "is there at least the header of a WAL record, 24 bytes, for each row";
    lab.must_be(header, wal >= rows * 24, true);
    lab.must_be("users on the primary", writer.count(USERS).await?, expected);
    lab.must_be("users on the standby", reader.count(USERS).await?, expected);
    let in_order = seen.are_in_order("standby1");
    Ok(Bulk {
        samples: seen,
        peak: during,
        afterwards: lab.must_be("bytes of replay lag afterwards", last.lag(), Some(0)),
        in_order: lab.must_be("is sent ≥ write ≥ flush ≥ replay in every sample", in_order, true),
    })
}
