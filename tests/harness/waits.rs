//! Each wait waits: it is pending while the server is held, and done after the release, at the position or
//! count that it waited for. On the chosen host.

use std::sync::Arc;
use std::time::Duration;

use pretty_assertions::assert_eq;
use replication_lab::catchup::{
    wait_for_catchup, wait_for_no_lag, wait_for_replay, wait_for_replay_of, wait_for_streaming,
    wait_for_sync,
};
use replication_lab::wal::Lsn;
use replication_lab::{Result, Session, Shutdown, Topology, Writers};

use crate::support::{Outcome, within_deadline};

/// How long a wait is watched while the server is held: many times the wait's own step.
const HELD: Duration = Duration::from_millis(300);

const PAUSE: &str = "SELECT pg_wal_replay_pause()";
const RESUME: &str = "SELECT pg_wal_replay_resume()";
const REPLAYED: &str = "SELECT pg_last_wal_replay_lsn()";

/// Asserts that a wait is pending while it is held, releases it, and returns what it returns.
async fn held<T>(
    wait: impl Future<Output = Result<T>>,
    release: impl Future<Output = Result<()>>,
) -> Outcome<T> {
    tokio::pin!(wait);
    if tokio::time::timeout(HELD, &mut wait).await.is_ok() {
        return Err("it did not wait".into());
    }
    release.await?;
    Ok(wait.await?)
}

/// The waits for replay, held by a standby whose replay is paused. Method: write a row and keep the
/// position before and after it; each wait, and then the standby's position and its rows.
#[test]
fn waits_for_replay_end_at_the_position() {
    within_deadline(async move {
        let pair = Topology::pair().start().await?;
        let (primary, standby) =
            (pair.primary().session().await?, pair.standby()?.session().await?);
        primary.run("CREATE TABLE t (a int)").await?;
        pair.wait_for_catchup("standby1").await?;
        for (kind, rows) in (0..4).zip(1_i64..) {
            standby.run(PAUSE).await?;
            let before: Lsn = primary.value("SELECT pg_current_wal_insert_lsn()").await?;
            primary.run("INSERT INTO t VALUES (1)").await?;
            let after: Lsn = primary.value("SELECT pg_current_wal_lsn()").await?;
            let resume = standby.run(RESUME);
            let reached = match kind {
                0 => held(wait_for_catchup(&primary, &standby), resume).await?,
                1 => held(pair.wait_for_catchup("standby1"), resume).await?,
                2 => held(wait_for_replay(&standby, after), resume).await?,
                _ => held(wait_for_replay_of(&standby, before), resume).await?,
            };
            assert!(reached > before && reached <= standby.value(REPLAYED).await?, "{reached}");
            if kind < 3 {
                assert!(reached >= after, "{reached} {after}");
                assert_eq!(standby.value::<i64>("SELECT count(*) FROM t").await?, rows);
            }
        }
        Ok(pair.stop().await?)
    });
}

/// The wait for no lag, held by a frozen walreceiver: the row has reached what was written.
#[test]
fn the_wait_for_no_lag_ends_with_a_report() {
    within_deadline(async move {
        let pair = Topology::pair().start().await?;
        let primary = pair.primary().session().await?;
        wait_for_no_lag(&primary, "standby1").await?;
        let frozen = pair.standby()?.freeze_processes("walreceiver").await?;
        primary.run("CREATE TABLE t (a int)").await?;
        let after: Lsn = primary.value("SELECT pg_current_wal_lsn()").await?;
        let row = held(wait_for_no_lag(&primary, "standby1"), frozen.thaw()).await?;
        assert_eq!((row.lag(), row.state.as_str()), (Some(0), "streaming"));
        assert!(row.replay_lsn >= Some(after), "{row:?}");
        Ok(pair.stop().await?)
    });
}

/// The wait for streaming, held by one of two standbys that does not run; the wait for a synchronous
/// standby, held by an empty rule.
#[test]
fn waits_for_standbys_need_all_that_they_name() {
    within_deadline(async move {
        let cluster = Topology::pair().standby("standby2").start().await?;
        let (primary, second) = (cluster.primary().session().await?, cluster.node("standby2")?);
        second.stop(Shutdown::Fast).await?;
        wait_for_streaming(&primary, &["standby1"]).await?;
        held(wait_for_streaming(&primary, &["standby1", "standby2"]), second.start()).await?;
        let states: Vec<_> = primary
            .rows("SELECT application_name || ' ' || state FROM pg_stat_replication ORDER BY 1")
            .await?
            .iter()
            .map(|row| row.get::<_, String>(0))
            .collect();
        assert_eq!(states, ["standby1 streaming", "standby2 streaming"]);

        let rule = cluster.primary().set("synchronous_standby_names", "standby2");
        held(wait_for_sync(&primary), rule).await?;
        let sync = "SELECT application_name FROM pg_stat_replication WHERE sync_state = 'sync'";
        assert_eq!(primary.value::<String>(sync).await?, "standby2");
        Ok(cluster.stop().await?)
    });
}

/// The wait for a line of the log, and the wait that skips what was logged before. Method: lines that the
/// server logs because a function raises them.
#[test]
fn waits_for_a_log_line_skip_what_was_there() {
    within_deadline(async move {
        let alone = Topology::alone().start().await?;
        let primary = alone.primary();
        let session = primary.session().await?;
        let line = held(primary.wait_for_log("one raised"), raise(&session, "one raised")).await?;
        assert_eq!(line.to_string(), "LOG:  one raised");
        assert_eq!(primary.wait_for_log("raised").await?.to_string(), "LOG:  one raised");
        let seen = primary.log().await?.len();
        let since = primary.wait_for_log_since(seen, "raised");
        let line = held(since, raise(&session, "another raised")).await?;
        assert_eq!(line.to_string(), "LOG:  another raised");
        Ok(alone.stop().await?)
    });
}

async fn raise(session: &Session, text: &str) -> Result<()> {
    session.run(&format!("DO $$ BEGIN RAISE LOG '{text}'; END $$")).await
}

/// The wait for acked orders, held by a lock on the table; and the end of the writers, which waits for the
/// outcome of each attempt.
#[test]
fn the_wait_for_acks_ends_at_the_count() {
    within_deadline(async move {
        let pair = Arc::new(Topology::pair().start().await?);
        let session = pair.primary().session().await?;
        session.run_file("fixtures/sql/shop.sql").await?;
        session.run("SELECT fill_shop(1)").await?;
        let writers = Writers::start(&pair, 3);
        writers.wait_for_acks(20).await?;
        assert!(writers.acked() >= 20);
        session.run("BEGIN; LOCK TABLE orders IN EXCLUSIVE MODE").await?;
        let more = writers.acked() + 10;
        held(writers.wait_for_acks(more), session.run("COMMIT")).await?;
        assert!(writers.acked() >= more);
        session.run("BEGIN; LOCK TABLE orders IN EXCLUSIVE MODE").await?;
        let ledger = held(writers.stop(), session.run("COMMIT")).await?;
        let acked = ledger.count(replication_lab::ledger::Outcome::Acked);
        assert!(acked >= more);
        assert_eq!(acked, ledger.attempts().len() as u64, "an attempt without an outcome");
        let there = "SELECT count(*) FROM orders WHERE id >= 1000000000";
        assert_eq!(session.count(there).await?, acked);
        drop(session);
        match Arc::into_inner(pair) {
            Some(pair) => Ok(pair.stop().await?),
            None => Err("a writer has not ended".into()),
        }
    });
}

/// A smart shutdown waits for the client that is connected; a fast one does not.
#[test]
fn a_smart_shutdown_waits_for_clients() {
    within_deadline(async move {
        let alone = Topology::alone().start().await?;
        let primary = alone.primary();
        let client = primary.session().await?;
        held(primary.stop(Shutdown::Smart), async {
            drop(client);
            Ok(())
        })
        .await?;
        assert!(primary.exit_status().await?.is_some());
        primary.start().await?;
        let client = primary.session().await?;
        primary.stop(Shutdown::Fast).await?;
        assert!(client.run("SELECT 1").await.is_err());
        Ok(alone.stop().await?)
    });
}
