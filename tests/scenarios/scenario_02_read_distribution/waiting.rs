//! Reads on a standby that wait for a commit, as a statement of the server. How fresh reads are without
//! that is not here.

use macro_rules_attribute::apply;
use replication_lab::Topology;
use replication_lab::wal::Lsn;
use rstest::{Context, rstest};

use super::wait_statement::{
    FAR, promote_while_waiting, read_after_wait, wait_and_resume, wait_for_lsn,
};
use crate::steps::repeat::{spread, times};
use crate::steps::shop::{ORDER, ORDERS, sessions, shop};
use crate::steps::wal::WRITTEN;
use crate::support::{Lab, exercise, scenario};

/// From PostgreSQL 19 on a reader can wait on the standby for the LSN of a commit with one statement;
/// before, it asks for the replayed position until that is reached.
///
/// Method: pause replay and let the statement time out; resume while a reader waits; repeat with many
/// commits; promote the standby while a session waits (manual: WAIT FOR).
#[apply(exercise)]
#[rstest]
fn freshness_by_wait(#[context] test: Context) {
    let about = "A read on a standby that waits for the LSN of a commit: from PostgreSQL 19 on with WAIT \
                 FOR LSN, before by asking for the replayed position";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("Replay is paused, and an order is placed");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, reader) = sessions(&pair).await?;
        let quiet = pair.standby()?.session_unrecorded().await?;
        shop(&writer, 10).await?;
        reader.run("SELECT pg_wal_replay_pause()").await?;
        writer.run(ORDER).await?;
        let commit: Lsn = writer.value(WRITTEN).await?;
        let stale = reader.count(ORDERS).await?;
        let stale = lab.must_be("orders that a read on the standby sees", stale, 20_u64);

        lab.step("WAIT FOR LSN with the LSN of its commit and a timeout, while replay is paused");
        let said = wait_for_lsn(&quiet, commit, " WITH (TIMEOUT '100ms')").await?;
        let late = lab.fact("answer to WAIT FOR LSN, TIMEOUT '100ms'", said);
        let said = wait_for_lsn(&quiet, commit, " WITH (TIMEOUT '100ms', NO_THROW)").await?;
        let quietly = lab.fact("answer to WAIT FOR LSN, TIMEOUT '100ms', NO_THROW", said);
        let said = wait_for_lsn(&quiet, commit, " WITH (MODE 'standby_flush')").await?;
        let flushed = lab.fact("answer to WAIT FOR LSN, MODE 'standby_flush'", said);

        lab.step("A reader waits for the LSN, and replay is resumed");
        let how = wait_and_resume(lab, &quiet, commit, &reader).await?;
        let how = lab.fact("how the reader waits", how);
        let fresh = quiet.count(ORDERS).await?;
        let fresh = lab.must_be("orders that the read sees after the wait", fresh, 21_u64);
        let primary = pair.primary().session_unrecorded().await?;
        let reads = times(lab.scaled(200), |_| read_after_wait(lab, &primary, &quiet)).await?;
        let (missed, waits): (Vec<bool>, Vec<_>) = reads.into_iter().unzip();
        spread(lab, "from the answer to a commit until the wait ended", &waits);
        let missed = missed.into_iter().filter(|missed| *missed).count() as u64;
        let never = "reads that waited and missed their commit";
        let never = lab.must_be(never, missed, 0_u64);

        lab.step("WAIT FOR LSN on the primary");
        let said = wait_for_lsn(&writer, "0/1", "").await?;
        let primary = lab.fact("answer of the primary to WAIT FOR LSN", said);
        let said = wait_for_lsn(&writer, "0/1", " WITH (MODE 'primary_flush')").await?;
        let flush = lab.fact("answer of the primary to WAIT FOR LSN, MODE 'primary_flush'", said);

        lab.step(
            "The standby is promoted while a session waits there for an LSN that is far ahead",
        );
        let said = promote_while_waiting(lab, &pair).await?;
        let ended = lab.fact("answer to the session that waited", said);
        let said = wait_for_lsn(&reader, FAR, " WITH (NO_THROW)").await?;
        let after = lab.fact("answer to WAIT FOR LSN after the promotion, NO_THROW", said);

        lab.learn(
            "A read that waits on the standby for the LSN of a commit does not miss the commit.",
            [&stale, &how, &fresh, &never],
        );
        lab.learn(
            "From PostgreSQL 19 on WAIT FOR LSN waits in the server, with an optional timeout. Its \
             default mode waits until the LSN is replayed, which can be long after it is flushed. Before \
             19 the statement does not exist.",
            [&late, &quietly, &flushed],
        );
        lab.learn(
            "WAIT FOR LSN for replay works during recovery only: a primary refuses it, and a promotion \
             ends a wait whose LSN was not reached. Before 19 every server refuses the statement.",
            [&primary, &flush, &ended, &after],
        );
        Ok(())
    });
}
