//! Reads on the primary and on the standby: the same rows, how fresh they are, how many per second.
//! Nothing here lets a client choose its server.

use std::time::{Duration, Instant};

use replication_lab::catchup::wait_for_replay;
use replication_lab::record::Reading;
use replication_lab::wait::{PATIENCE, Seen, until_at_once};
use replication_lab::wal::Lsn;
use replication_lab::{Result, Session, Topology};
use rstest::{Context, rstest};

use crate::steps::reads::{BY_PRODUCT, reads, turnover};
use crate::steps::repeat::{for_a_while, spread, timed, times};
use crate::steps::shop::{ORDER, ORDERS, sessions};
use crate::support::{Lab, scenario};

const BY_USER: &str = "SELECT u.name || ': ' || count(*) FROM users u \
                       JOIN orders o ON o.user_id = u.id GROUP BY u.name ORDER BY u.name";
const TOTALS: &str = "SELECT count(*) || ' orders, ' || sum(amount) || ' pieces, ' || \
                      count(DISTINCT product) || ' products' FROM orders";

/// Aggregations and joins give the same rows on both nodes.
///
/// Method: the same queries on both after catch-up; then many times on each, idle and while the
/// primary takes writes.
#[rstest]
fn same_answers(#[context] test: Context) {
    let about = "Aggregations and joins give the same rows on both nodes";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a shop full of orders");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, reader) = sessions(&pair).await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run(&format!("SELECT fill_shop({})", lab.scaled(5000))).await?;
        writer.run("VACUUM ANALYZE").await?;
        pair.wait_for_catchup("standby1").await?;

        lab.step("The same queries on both");
        let seen = [texts(&writer, TOTALS).await?, texts(&reader, TOTALS).await?].concat();
        let totals = lab.fact("totals on the primary and on the standby", seen.clone());
        let equal = texts(&writer, BY_PRODUCT).await? == texts(&reader, BY_PRODUCT).await?;
        let by_product = lab.must_be("is the turnover of every product the same", equal, true);
        let equal = texts(&writer, BY_USER).await? == texts(&reader, BY_USER).await?;
        let by_user = lab.must_be("is the number of orders of every user the same", equal, true);
        let same_totals = seen.first() == seen.last();
        let same = lab.must_be("are the totals the same", same_totals, true);

        lab.step(
            "How long the turnover takes, on each node by itself and while the primary writes",
        );
        let quiet = [
            pair.primary().session_unrecorded().await?,
            pair.standby()?.session_unrecorded().await?,
        ];
        let [primary, standby] = &quiet;
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
            "A standby that has caught up gives the same answers as its primary.",
            [&totals, &by_product, &by_user, &same],
        );
        Ok(())
    });
}

/// A read on the standby may miss what was committed; two ways of reading never do.
///
/// Method: read with replay paused; then many times after waiting for the commit's LSN; then many
/// times right after commits with `synchronous_commit = remote_apply`.
#[rstest]
fn freshness(#[context] test: Context) {
    let about = "A read on the standby may miss what was committed; two ways of reading never do";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby");
        let pair = lab.start(Topology::pair().synchronous("standby1")).await?;
        let (writer, reader) = sessions(&pair).await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT fill_shop(10)").await?;
        pair.wait_for_catchup("standby1").await?;

        lab.step("Straight after the commit, while replay is paused");
        reader.run("SELECT pg_wal_replay_pause()").await?;
        writer.run(ORDER).await?;
        let both = [writer.count(ORDERS).await?, reader.count(ORDERS).await?];
        let missed = lab.must_be("orders on the primary and on the standby", both, [21, 20]);
        reader.run("SELECT pg_wal_replay_resume()").await?;
        pair.wait_for_catchup("standby1").await?;

        lab.step("After waiting until the standby has replayed the commit's LSN");
        let quiet = [
            pair.primary().session_unrecorded().await?,
            pair.standby()?.session_unrecorded().await?,
        ];
        let [primary, standby] = &quiet;
        let commits = lab.scaled(300);
        let late = times(commits, |_| missed_after_wait(primary, standby)).await?;
        let late = late.iter().filter(|missed| **missed).count() as u64;
        let after_lsn = lab.must_be("commits that a read missed after that wait", late, 0);
        let visible = times(commits, |_| visible(primary, standby)).await?;
        spread(lab, "from the answer to a commit until it is visible", &visible);

        lab.step("Straight after the commit, with synchronous_commit = remote_apply");
        primary.run("SET synchronous_commit = remote_apply").await?;
        let late = times(commits, |_| missed_at_once(primary, standby)).await?;
        let late = late.iter().filter(|missed| **missed).count() as u64;
        let applied = lab.must_be("commits that a read missed", late, 0);

        lab.learn(
            "A read on the standby can miss what was committed a moment ago: even a synchronous \
             standby has only flushed it.",
            [&missed],
        );
        lab.learn("A read that waits for the commit's LSN misses nothing.", [&after_lsn]);
        lab.learn("Nor does one after a commit with remote_apply: that waits itself.", [&applied]);
        Ok(())
    });
}

/// Two nodes answer reads, and how many more that makes depends on the machine.
///
/// Method: as many readers on the primary alone, then on both nodes, for the same time.
#[rstest]
fn scaling(#[context] test: Context) {
    let about = "Reads on one node and on two: how many, measured";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a shop full of orders");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, standby) = (pair.primary().session().await?, pair.standby()?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run(&format!("SELECT fill_shop({})", lab.scaled(2000))).await?;
        writer.run("VACUUM ANALYZE").await?;
        pair.wait_for_catchup("standby1").await?;

        lab.step("Four readers on the primary, then two on each node");
        let span = Duration::from_secs(lab.scaled(1));
        let (alone, _) = reads(&[pair.primary(); 4], span).await?;
        let (both, servers) =
            reads(&[pair.primary(), standby, pair.primary(), standby], span).await?;
        lab.key_figure("reads with one node", Reading::rate(alone, span, "reads"));
        lab.key_figure("reads with two nodes", Reading::rate(both, span, "reads"));
        let served = lab.must_be("servers that answered", servers, ["primary", "standby1"]);
        lab.learn("Readers can be spread over a primary and its standby.", [&served]);
        Ok(())
    });
}

/// How often a query is timed.
const RUNS: u64 = 30;

async fn texts(session: &Session, sql: &str) -> Result<Vec<String>> {
    Ok(session.rows(sql).await?.iter().map(|row| row.get(0)).collect())
}

/// Does something while a session writes orders, and says how many it wrote.
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

/// Commits, waits until the standby has replayed the commit's LSN, reads: was it missed?
async fn missed_after_wait(primary: &Session, standby: &Session) -> Result<bool> {
    let there = standby.count(ORDERS).await?;
    primary.run(ORDER).await?;
    let commit: Lsn = primary.value("SELECT pg_current_wal_lsn()").await?;
    wait_for_replay(standby, commit).await?;
    Ok(standby.count(ORDERS).await? <= there)
}

/// Commits, and gives the time until the standby shows it.
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

/// Commits, reads at once: was it missed?
async fn missed_at_once(primary: &Session, standby: &Session) -> Result<bool> {
    let there = standby.count(ORDERS).await?;
    primary.run(ORDER).await?;
    Ok(standby.count(ORDERS).await? <= there)
}
