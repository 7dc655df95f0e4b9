//! A primary that crashes at work, with a synchronous standby and without one. Nothing here judges a
//! time.

use replication_lab::Topology;
use replication_lab::ledger::Outcome;
use replication_lab::record::Reading;
use rstest::{Context, rstest};

use crate::steps::crash::{
    WRITERS, around_the_cut, at_work, cut_between, take_over, verdict, wait_for_waiting,
};
use crate::support::{Lab, scenario};

/// No order that was acked is lost when a synchronous primary crashes at work.
///
/// Method: writers note what they are told; kill the primary at work, promote the standby, let the
/// writers go on there, and compare.
#[rstest]
fn zero_loss(#[context] test: Context) {
    let about = "A synchronous primary crashes at work, and no order that was acked is lost";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, and writers at work");
        let synchronous = Topology::pair().synchronous("standby1");
        let (pair, writers) = at_work(lab, synchronous).await?;

        lab.step("The primary crashes, and the standby takes over");
        pair.primary().crash().await?;
        let ledger = take_over(lab, &pair, writers).await?;

        lab.step("What the new primary has");
        let verdict = verdict(lab, &pair, &ledger).await?;
        let none = lab.must_be("lost, unexpected, twice", verdict.wrong(), [0_u64; 3]);

        lab.learn("No order that was acked is lost.", [&none]);
        Ok(())
    });
}

/// Nor is one when the standby was out of reach before the crash: nothing was acked then.
///
/// Method: cut the link at a moment when nobody writes, wait until every writer waits for the standby,
/// kill the primary, promote the standby behind the cut.
#[rstest]
fn zero_loss_behind_a_cut(#[context] test: Context) {
    let about = "A synchronous primary crashes behind a cut link: nothing was acked there, and nothing is lost";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, and writers at work");
        let synchronous = Topology::pair().synchronous("standby1");
        let (pair, writers) = at_work(lab, synchronous).await?;

        lab.step("The link is cut, and every writer waits");
        let (cut, before) = cut_between(&pair, &writers).await?;
        let looker = pair.primary().session_unrecorded().await?;
        wait_for_waiting(&looker, "wait_event = 'SyncRep'").await?;

        lab.step("The primary crashes, and the standby takes over");
        pair.primary().crash().await?;
        let acked = writers.acked() - before;
        let silent = lab.must_be("orders acked behind the cut", acked, 0_u64);
        let ledger = take_over(lab, &pair, writers).await?;
        cut.heal();

        lab.step("What the new primary has");
        let verdict = verdict(lab, &pair, &ledger).await?;
        let none = lab.must_be("lost, unexpected, twice", verdict.wrong(), [0_u64; 3]);
        let all = ledger.count(Outcome::Unknown) >= WRITERS as u64;
        let all = lab.must_be("did every writer wait for an answer in vain", all, true);
        let there = verdict.recovered.len() as u64;
        let there = lab.must_be("orders without an answer that are there", there, 0_u64);

        lab.learn("What no standby has is acked to nobody, and cannot be lost.", [&silent, &none]);
        lab.learn(
            "An order without an answer may be gone: nobody was promised it.",
            [&all, &there],
        );
        Ok(())
    });
}

/// The same check finds what an asynchronous pair loses: everything that was acked behind the cut.
///
/// Method: as with a synchronous standby, without it.
#[rstest]
fn losses_are_found(#[context] test: Context) {
    let about = "The counter-proof: an asynchronous pair loses what was acked behind the cut";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("An asynchronous pair, and writers at work");
        let (pair, writers) = at_work(lab, Topology::pair()).await?;

        lab.step("The link is cut, and orders are acked all the same");
        let (cut, before) = cut_between(&pair, &writers).await?;
        writers.wait_for_acks(before + lab.scaled(200)).await?;

        lab.step("The primary crashes, and the standby takes over");
        pair.primary().crash().await?;
        let then = writers.acked();
        let ledger = take_over(lab, &pair, writers).await?;
        cut.heal();

        lab.step("What the new primary has");
        let verdict = verdict(lab, &pair, &ledger).await?;
        lab.key_figure("acked orders lost", Reading::Count(verdict.lost.len() as u64));
        let [lost, there] = around_the_cut(&ledger, &verdict, before, then);
        let kept = lab.must_be("orders acked before the cut, and lost", lost, 0_u64);
        let gone = lab.must_be("orders acked between cut and crash, and there", there, 0_u64);
        let [lost, unexpected, twice] = verdict.wrong();
        let found = lab.must_be("does the check find losses", lost >= then - before, true);
        lab.must_be("unexpected, twice", [unexpected, twice], [0_u64; 2]);

        lab.learn("An asynchronous pair loses what was acked and not yet sent.", [&gone, &found]);
        lab.learn("What the standby had before the cut is kept.", [&kept]);
        Ok(())
    });
}
