//! A primary that crashes under writers, with a synchronous standby and with an asynchronous one. Nothing
//! here judges a time.

use macro_rules_attribute::apply;
use replication_lab::Topology;
use replication_lab::ledger::Outcome;
use replication_lab::record::Reading;
use rstest::{Context, rstest};

use crate::steps::crash::{
    WRITERS, around_the_cut, at_work, cut_between, take_over, verdict, wait_for_waiting,
};
use crate::support::{Lab, exercise, scenario};

/// No acked order is lost when a primary with a synchronous standby crashes under load.
///
/// Method: writers note the answer to each order; kill the primary, promote the standby, let the writers
/// continue there, and compare their ledger with the table.
#[apply(exercise)]
#[rstest]
fn zero_loss(#[context] test: Context) {
    let about =
        "A primary with a synchronous standby crashes under load, and no acked order is lost";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, and writers that place orders");
        let synchronous = Topology::pair().synchronous("standby1");
        let (pair, writers) = at_work(lab, synchronous).await?;

        lab.step("The primary crashes, and the standby is promoted");
        pair.primary().crash().await?;
        let ledger = take_over(lab, &pair, writers).await?;

        lab.step("The orders on the new primary, compared with the ledger of the writers");
        let verdict = verdict(lab, &pair, &ledger).await?;
        let [lost, unexpected, duplicated] = verdict.wrong();
        let none = lab.must_be("acked orders lost", lost, 0_u64);
        lab.must_be("orders that no writer placed", unexpected, 0_u64);
        lab.must_be("orders found twice", duplicated, 0_u64);

        lab.learn(
            "With a synchronous standby that is promoted, no acked order is lost in a crash of the \
             primary's server processes.",
            [&none],
        );
        Ok(())
    });
}

/// No acked order is lost when the link to the synchronous standby is cut before the crash either: no
/// order is acked behind the cut.
///
/// Method: cut the link while a lock holds all writers, wait until every writer waits for the standby,
/// kill the primary, promote the standby behind the cut.
#[apply(exercise)]
#[rstest]
fn zero_loss_behind_a_cut(#[context] test: Context) {
    let about = "The link to the synchronous standby is cut before the primary crashes: no order is acked behind the cut, and none is lost";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, and writers that place orders");
        let synchronous = Topology::pair().synchronous("standby1");
        let (pair, writers) = at_work(lab, synchronous).await?;

        lab.step("The link is cut while a lock holds the writers; then every writer waits for the standby");
        let (cut, before) = cut_between(&pair, &writers).await?;
        let looker = pair.primary().session_unrecorded().await?;
        wait_for_waiting(&looker, "wait_event = 'SyncRep'").await?;

        lab.step("The primary crashes, and the standby is promoted");
        pair.primary().crash().await?;
        let acked = writers.acked() - before;
        let silent = lab.must_be("orders acked between the cut and the crash", acked, 0_u64);
        let ledger = take_over(lab, &pair, writers).await?;
        cut.heal();

        lab.step("The orders on the new primary, compared with the ledger of the writers");
        let verdict = verdict(lab, &pair, &ledger).await?;
        let [lost, unexpected, duplicated] = verdict.wrong();
        let none = lab.must_be("acked orders lost", lost, 0_u64);
        lab.must_be("orders that no writer placed", unexpected, 0_u64);
        lab.must_be("orders found twice", duplicated, 0_u64);
        let all = ledger.count(Outcome::Unknown) >= WRITERS as u64;
        let all = lab.must_be("has every writer an order without an answer", all, true);
        let there = verdict.recovered.len() as u64;
        let there = lab.must_be("orders without an answer on the new primary", there, 0_u64);

        lab.learn(
            "While its synchronous standby is out of reach, no order is acked: none that is acked is \
             lost.",
            [&silent, &none],
        );
        lab.learn(
            "An order without an answer may be missing after the failover: its outcome was unknown.",
            [&all, &there],
        );
        Ok(())
    });
}

/// The comparison finds the losses of an asynchronous pair: every order that was acked behind the cut.
///
/// Method: as in [`zero_loss_behind_a_cut`], with an asynchronous standby.
#[apply(exercise)]
#[rstest]
fn losses_are_found(#[context] test: Context) {
    let about =
        "The counter-proof: an asynchronous pair loses the orders that were acked behind the cut";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("An asynchronous pair, and writers that place orders");
        let (pair, writers) = at_work(lab, Topology::pair()).await?;

        lab.step(
            "The link is cut while a lock holds the writers; after that, orders are still acked",
        );
        let (cut, before) = cut_between(&pair, &writers).await?;
        writers.wait_for_acks(before + lab.scaled(200)).await?;

        lab.step("The primary crashes, and the standby is promoted");
        pair.primary().crash().await?;
        let then = writers.acked();
        let ledger = take_over(lab, &pair, writers).await?;
        cut.heal();

        lab.step("The orders on the new primary, compared with the ledger of the writers");
        let verdict = verdict(lab, &pair, &ledger).await?;
        lab.key_figure("acked orders lost", Reading::Count(verdict.lost.len() as u64));
        let enough = then - before >= lab.scaled(200);
        lab.must_be("were at least 200 orders acked between the cut and the crash", enough, true);
        let [lost, there] = around_the_cut(&ledger, &verdict, before, then);
        let kept = lab.must_be("orders acked before the cut that are lost", lost, 0_u64);
        let gone = lab.must_be(
            "orders acked between the cut and the crash that are on the new primary",
            there,
            0_u64,
        );
        let [lost, unexpected, duplicated] = verdict.wrong();
        let found = lab.must_be(
            "does the comparison find all orders acked behind the cut",
            lost >= then - before,
            true,
        );
        lab.must_be("orders that no writer placed", unexpected, 0_u64);
        lab.must_be("orders found twice", duplicated, 0_u64);

        lab.learn(
            "An asynchronous pair loses the orders that were acked and had not reached the standby.",
            [&gone, &found],
        );
        lab.learn("The orders that the standby had received before the cut are kept.", [&kept]);
        Ok(())
    });
}
