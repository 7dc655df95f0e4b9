//! Reads and writes that servers count, and the counters. Nothing here asserts.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Cluster, Node, Result, Session};

use crate::steps::repeat::times;
use crate::steps::shop::ORDER;

/// Creates the function of a read: the turnover of the shop. A function in PL/pgSQL is never inlined, so that
/// each call is counted.
pub(super) const READ_FUNCTION: &str = "CREATE FUNCTION turnover() RETURNS numeric LANGUAGE plpgsql STABLE \
     AS $$ BEGIN RETURN (SELECT sum(o.amount * p.price) FROM orders o JOIN products p ON p.id = o.product); \
     END $$";
/// Calls the function of a read.
pub(super) const READ: &str = "SELECT turnover()";

const READERS: u64 = 4;
const READS_OF_EACH: u64 = 25;

/// What readers and the writer beside them have done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// The reads of all readers.
    pub(super) reads: u64,
    /// The orders that the writer placed meanwhile.
    pub(super) placed: u64,
    /// The time that it took.
    pub(super) took: Duration,
}

/// Runs readers on a server, each with a fixed number of reads, while a writer places orders on the primary.
pub(super) async fn work(pair: &Cluster, node: &Node) -> Result<Work> {
    let writer = pair.primary().session_unrecorded().await?;
    let began = Instant::now();
    let done = Cell::new(false);
    let reading = async {
        let reads = try_join_all((0..READERS).map(|_| read(node))).await;
        done.set(true);
        reads
    };
    // An order that was sent is waited for: each order that was placed is counted.
    let writing = async {
        let mut placed = 0;
        while !done.get() {
            writer.run(ORDER).await?;
            placed += 1;
        }
        Ok(placed)
    };
    let (reads, placed) = tokio::join!(reading, writing);
    Ok(Work { reads: reads?.into_iter().sum(), placed: placed?, took: began.elapsed() })
}

/// Reads again and again in a session of its own, and returns how often.
async fn read(node: &Node) -> Result<u64> {
    let session = node.session_unrecorded().await?;
    let reads = times(READS_OF_EACH, |_| session.run(READ)).await?;
    Ok(reads.len() as u64)
}

/// Waits until the server has counted this number of rows that clients have inserted into `orders`, and returns
/// the number.
pub(super) async fn wait_for_insertions(session: &Session, rows: u64) -> Result<u64> {
    const SQL: &str = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'orders'";
    wait_for_count(session, SQL, rows).await
}

/// Waits until the server has counted this number of reads, and returns the number.
pub(super) async fn wait_for_reads(session: &Session, reads: u64) -> Result<u64> {
    const SQL: &str = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_user_functions \
                       WHERE funcname = 'turnover'";
    wait_for_count(session, SQL, reads).await
}

/// Statistics arrive a moment after what they count, at the latest when a session has ended.
async fn wait_for_count(session: &Session, sql: &str, least: u64) -> Result<u64> {
    until(&format!("{sql}: {least}"), PATIENCE, || async {
        let counted = session.count(sql).await?;
        Ok(if counted >= least { Seen::Done(counted) } else { Seen::NotYet(counted.to_string()) })
    })
    .await
}
