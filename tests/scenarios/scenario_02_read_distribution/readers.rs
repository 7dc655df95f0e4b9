//! Reads on the primary and on the standby: the same rows, how fresh they are, how many per second.
//! Clients do not choose their server here.

use std::time::{Duration, Instant};

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_replay;
use replication_lab::record::Reading;
use replication_lab::wait::{PATIENCE, Seen, until_at_once};
use replication_lab::wal::Lsn;
use replication_lab::{Cluster, Proof, Result, Session, Topology};
use rstest::{Context, rstest};

use crate::steps::reads::{BY_PRODUCT, reads, turnover};
use crate::steps::repeat::{for_a_while, spread, timed, times};
use crate::steps::shop::{ORDER, ORDERS, sessions};
use crate::support::{Lab, exercise, scenario};

const BY_USER: &str = "SELECT u.name || ': ' || count(*) FROM users u \
                       JOIN orders o ON o.user_id = u.id GROUP BY u.name ORDER BY u.name";
const TOTALS: &str = "SELECT count(*) || ' orders, ' || sum(amount) || ' pieces, ' || \
                      count(DISTINCT product) || ' products' FROM orders";

/// Aggregations and joins return the same rows on the primary and on a standby without lag.
///
/// Method: the same queries on both servers after replay; then one of them many times on each, idle and
/// while the primary takes writes.
#[apply(exercise)]
#[rstest]
fn same_answers(#[context] test: Context) {
    let about = "Aggregations and joins return the same rows on primary and standby";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a shop full of orders, and a standby without lag");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, reader) = sessions(&pair).await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run(&format!("SELECT fill_shop({})", lab.scaled(5000))).await?;
        writer.run("VACUUM ANALYZE").await?;
        pair.wait_for_catchup("standby1").await?;

        lab.step("The same queries on both servers");
        let on_primary = texts(&writer, TOTALS).await?;
        lab.fact("totals on the primary", on_primary.clone());
        let on_standby = texts(&reader, TOTALS).await?;
        let totals = lab.must_be("totals on the standby", on_standby, on_primary);
        let equal = texts(&writer, BY_PRODUCT).await? == texts(&reader, BY_PRODUCT).await?;
        let by_product = lab.must_be("is the turnover of every product the same", equal, true);
        let equal = texts(&writer, BY_USER).await? == texts(&reader, BY_USER).await?;
        let by_user = lab.must_be("is the number of orders of every user the same", equal, true);

        lab.step("Time of the turnover query, 30 times on each server: idle, and while the primary writes");
        let unrecorded = [
            pair.primary().session_unrecorded().await?,
            pair.standby()?.session_unrecorded().await?,
        ];
        let [primary, standby] = &unrecorded;
        spread(lab, "primary, idle", &times(RUNS, |_| timed(turnover(primary))).await?);
        spread(lab, "standby, idle", &times(RUNS, |_| timed(turnover(standby))).await?);
        let busy = pair.primary().session_unrecorded().await?;
        let work = async {
            let on_primary = times(RUNS, |_| timed(turnover(primary))).await?;
            Ok((on_primary, times(RUNS, |_| timed(turnover(standby))).await?))
        };
        let ((on_primary, on_standby), written) = beside(&busy, work).await?;
        spread(lab, "primary, while it writes", &on_primary);
        spread(lab, "standby, while the primary writes", &on_standby);
        lab.measure("orders written meanwhile", Reading::Count(written));

        lab.learn(
            "A standby that has replayed everything returns the same rows as its primary.",
            [&totals, &by_product, &by_user],
        );
        Ok(())
    });
}

/// A read on the standby may miss a commit. A read after the commit's LSN was replayed does not, nor does
/// a read on a synchronous standby after a commit with `remote_apply`.
///
/// Method: read with replay paused; then many times after waiting for the commit's LSN; then many times
/// right after commits with `remote_apply`, and once on a standby that is not synchronous.
#[apply(exercise)]
#[rstest]
fn freshness(#[context] test: Context) {
    let about =
        "A read on a standby can miss a commit; waiting for its LSN, or remote_apply, prevents it";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("standby1 is synchronous, standby2 is not; synchronous_commit is on");
        let cluster =
            lab.start(Topology::pair().standby("standby2").synchronous("standby1")).await?;
        let (writer, sync) = (cluster.primary().session().await?, cluster.node("standby1")?);
        let reader = sync.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT fill_shop(10)").await?;
        cluster.wait_for_catchup("standby1").await?;
        cluster.wait_for_catchup("standby2").await?;
        let rule = writer.value::<String>(SYNC_STATES).await?;
        lab.must_be("sync_state in pg_stat_replication", &rule, "standby1: sync, standby2: async");

        lab.step(
            "synchronous_commit = on, replay is paused on standby1: a read there misses the commit",
        );
        reader.run("SELECT pg_wal_replay_pause()").await?;
        writer.run(ORDER).await?;
        lab.must_be("orders on the primary", writer.count(ORDERS).await?, 21_u64);
        let missed = lab.must_be("orders on standby1", reader.count(ORDERS).await?, 20_u64);
        reader.run("SELECT pg_wal_replay_resume()").await?;
        cluster.wait_for_catchup("standby1").await?;

        lab.step("Each read waits until pg_last_wal_replay_lsn() on standby1 reaches its commit");
        let [primary, standby] =
            [cluster.primary().session_unrecorded().await?, sync.session_unrecorded().await?];
        let first = [missed_after_wait(&writer, &reader).await?];
        let commits = lab.scaled(200);
        let others = times(commits - 1, |_| missed_after_wait(&primary, &standby)).await?;
        lab.must_be("commits", others.len() as u64 + 1, commits);
        let late = count_missed(&first, &others);
        let after_lsn = lab.must_be("reads that missed their commit after the wait", late, 0_u64);
        let visible = times(commits, |_| visible(&primary, &standby)).await?;
        spread(lab, "from the answer to a commit until it is visible", &visible);

        lab.step("synchronous_commit = remote_apply: each read follows its commit at once");
        writer.run("SET synchronous_commit = remote_apply").await?;
        primary.run("SET synchronous_commit = remote_apply").await?;
        let first = [missed_at_once(&writer, &reader).await?];
        let others = times(commits - 1, |_| missed_at_once(&primary, &standby)).await?;
        lab.must_be("commits", others.len() as u64 + 1, commits);
        let late = count_missed(&first, &others);
        let applied = lab.must_be("reads that missed their commit with remote_apply", late, 0_u64);

        lab.step(
            "remote_apply does not wait for standby2, which is not synchronous: replay is paused",
        );
        let [there, elsewhere] = paused_elsewhere(lab, &cluster, &writer, &reader).await?;

        lab.learn(
            "With synchronous_commit = on a read on the synchronous standby can miss a commit: the commit \
             waits until the standby has flushed the WAL, not until it has replayed it.",
            [&missed],
        );
        lab.learn(
            "A read that waits until the standby has replayed the commit's LSN does not miss the commit.",
            [&after_lsn],
        );
        lab.learn(
            "With synchronous_commit = remote_apply the commit itself waits for replay, on the standbys \
             that synchronous_standby_names makes synchronous: reads on other standbys can miss it.",
            [&applied, &there, &elsewhere],
        );
        Ok(())
    });
}

/// Readers can use two servers at once. All servers of this lab share one machine, so the figures say
/// nothing about two machines.
///
/// Method: four readers on the primary alone, then two on each server, for the same time.
#[apply(exercise)]
#[rstest]
fn scaling(#[context] test: Context) {
    let about = "Reads per second on one server and on two, which share this machine's cores";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a shop full of orders");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, standby) = (pair.primary().session().await?, pair.standby()?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run(&format!("SELECT fill_shop({})", lab.scaled(2000))).await?;
        writer.run("VACUUM ANALYZE").await?;
        pair.wait_for_catchup("standby1").await?;

        lab.step("Four readers on the primary, then two on the primary and two on the standby");
        let span = Duration::from_secs(lab.scaled(1));
        let (alone, _) = reads(&[pair.primary(); 4], span).await?;
        let (both, servers) =
            reads(&[pair.primary(), standby, pair.primary(), standby], span).await?;
        lab.key_figure("reads with one node", Reading::rate(alone, span, "reads"));
        lab.key_figure("reads with two nodes", Reading::rate(both, span, "reads"));
        let served = lab.must_be("servers that answered reads", servers, ["primary", "standby1"]);
        lab.learn(
            "Readers can be spread over a primary and its standby. How many more reads that allows is not \
             shown here: both servers share the cores of one machine.",
            [&served],
        );
        Ok(())
    });
}

const SYNC_STATES: &str = "SELECT string_agg(application_name || ': ' || sync_state, ', ' \
                           ORDER BY application_name) FROM pg_stat_replication";

/// Pauses replay on `standby2`, commits with `remote_apply`, and reads on both standbys.
async fn paused_elsewhere(
    lab: &Lab,
    cluster: &Cluster,
    writer: &Session,
    reader: &Session,
) -> Result<[Proof; 2]> {
    cluster.wait_for_catchup("standby2").await?;
    let other = cluster.node("standby2")?.session().await?;
    other.run("SELECT pg_wal_replay_pause()").await?;
    let before = other.count(ORDERS).await?;
    writer.run(ORDER).await?;
    let there = reader.count(ORDERS).await? - before;
    let there = lab.must_be("new orders on standby1", there, 1_u64);
    let elsewhere = other.count(ORDERS).await? - before;
    Ok([there, lab.must_be("new orders on standby2", elsewhere, 0_u64)])
}

/// Counts the reads that missed their commit. The first commit is in recorded sessions, so that its
/// statements stand on the page; the others would fill the record.
fn count_missed(first: &[bool], others: &[bool]) -> u64 {
    first.iter().chain(others).filter(|missed| **missed).count() as u64
}

/// How often a query is timed.
const RUNS: u64 = 30;

async fn texts(session: &Session, sql: &str) -> Result<Vec<String>> {
    Ok(session.rows(sql).await?.iter().map(|row| row.get(0)).collect())
}

/// Runs `work` while a session inserts orders, and returns how many it inserted.
async fn beside<T>(writer: &Session, work: impl Future<Output = Result<T>>) -> Result<(T, u64)> {
    let mut written = 0;
    let write = async {
        let forever = for_a_while(Duration::MAX, || {
            written += 1;
            writer.run(ORDER)
        });
        forever.await
    };
    let done = tokio::select! {
        done = work => done,
        ended = write => panic!("the writer ended: {ended:?}"),
    };
    Ok((done?, written))
}

/// Inserts an order, waits until the standby has replayed the commit's LSN, and reads: whether the read
/// missed the order.
async fn missed_after_wait(primary: &Session, standby: &Session) -> Result<bool> {
    let there = standby.count(ORDERS).await?;
    primary.run(ORDER).await?;
    let commit: Lsn = primary.value("SELECT pg_current_wal_lsn()").await?;
    wait_for_replay(standby, commit).await?;
    Ok(standby.count(ORDERS).await? <= there)
}

/// Inserts an order, and returns the time from the answer to the commit until the standby shows it.
async fn visible(primary: &Session, standby: &Session) -> Result<Duration> {
    let there = standby.count(ORDERS).await?;
    primary.run(ORDER).await?;
    let answered = Instant::now();
    until_at_once("the standby shows the order", PATIENCE, || async {
        let seen = standby.count(ORDERS).await?;
        Ok(if seen > there { Seen::Done(()) } else { Seen::NotYet(format!("{seen} orders")) })
    })
    .await?;
    Ok(answered.elapsed())
}

/// Inserts an order and reads at once: whether the read missed the order.
async fn missed_at_once(primary: &Session, standby: &Session) -> Result<bool> {
    let there = standby.count(ORDERS).await?;
    primary.run(ORDER).await?;
    Ok(standby.count(ORDERS).await? <= there)
}
