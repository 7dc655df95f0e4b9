//! What `remote_write` leaves out and `on` waits for: the flush on the standby. No commit is timed here.

use macro_rules_attribute::apply;
use replication_lab::Topology;
use rstest::{Context, rstest};

use super::commits::{Commit, SYNC_REP, order_of, session_at, wait_for_sync_rep};
use super::pair::synchronous_pair_of;
use super::unflushable::{continue_in_an_unflushable_segment, repair, wait_for_failed_flush};
use crate::steps::crash::must_have_crashed;
use crate::support::{Lab, exercise, scenario};

/// A commit at `remote_write` is answered before the standby has flushed it, and can be lost; one at
/// `on` is not answered (manual: `synchronous_commit`).
///
/// Method: lead the standby's next WAL segment to `/dev/null`, where a write succeeds and a flush fails;
/// commit at each level; crash the primary, promote the standby, and look for both commits.
#[apply(exercise)]
#[rstest]
fn remote_write(#[context] test: Context) {
    let about =
        "A commit at remote_write is answered before the standby has flushed it, one at on is not";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, while only the exercise writes WAL");
        let fragile = Topology::pair().set("restart_after_crash", "off");
        let pair = synchronous_pair_of(lab, fragile).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, looker) = (primary.session().await?, primary.session_unrecorded().await?);
        let quiet = primary.freeze_processes("background writer").await?;

        lab.step("A commit at on: the standby's next WAL segment leads to /dev/null, where a write succeeds and a flush fails");
        let logged = standby.log().await?.len();
        continue_in_an_unflushable_segment(&writer, standby).await?;
        let commit = Commit::of(session_at(primary, "on").await?, order_of(1));
        let seen = wait_for_failed_flush(standby, logged, &looker).await?.to_string();
        let panic = lab.must_be("at on: what the standby logs", &seen, PANIC);
        let seen = wait_for_sync_rep(&looker).await?;
        let waits = lab.must_be("at on: wait event of the commit after that", &seen, SYNC_REP);

        lab.step("The link to /dev/null is removed, and the standby starts");
        repair(standby).await?;
        let answered = commit.answer().await.result.is_ok();
        let answered = lab.must_be("at on: is the commit answered now", answered, true);

        lab.step("A commit at remote_write: the segment after that leads to /dev/null, too");
        let logged = standby.log().await?.len();
        continue_in_an_unflushable_segment(&writer, standby).await?;
        let commit = Commit::of(session_at(primary, "remote_write").await?, order_of(2));
        let written = commit.answer().await.result.is_ok();
        let written = lab.must_be("at remote_write: is the commit answered", written, true);
        let seen = wait_for_failed_flush(standby, logged, &looker).await?.to_string();
        let failed = lab.must_be("at remote_write: what the standby logs", &seen, PANIC);

        lab.step(
            "The primary crashes; the link is removed, and the standby starts and is promoted",
        );
        quiet.thaw().await?;
        primary.crash().await?;
        must_have_crashed(lab, primary, "in production").await?;
        repair(standby).await?;
        standby.promote().await?;
        let reader = standby.session().await?;
        let kept = reader.count("SELECT count(*) FROM orders WHERE amount = 1 AND id > 20").await?;
        let kept = lab.must_be("orders of the commit at on on the new primary", kept, 1_u64);
        let lost = reader.count("SELECT count(*) FROM orders WHERE amount = 2 AND id > 20").await?;
        let lost =
            lab.must_be("orders of the commit at remote_write on the new primary", lost, 0_u64);

        lab.learn(
            "A commit at on waits until its synchronous standby has flushed it: a standby that has only \
             written it does not release it.",
            [&panic, &waits, &answered, &kept],
        );
        lab.learn(
            "A commit at remote_write is answered once the standby has written it to its operating \
             system. It is lost if the standby never flushes it and the primary is lost, too.",
            [&written, &failed, &lost],
        );
        Ok(())
    });
}

const PANIC: &str = "PANIC:  could not fdatasync file \"‹segment›\": Invalid argument";
