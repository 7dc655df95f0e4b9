//! The primary's server crashes, and the standby takes over. Nothing here needs a backup.

use std::time::Instant;

use replication_lab::Topology;
use replication_lab::health::Severity;
use rstest::{Context, rstest};

use super::drill::{
    as_clients_saw_it, checklist, fail_over, lost, rejoin, synchronous_again, wait_for_health,
    writable,
};
use crate::steps::crash::{around_the_cut, at_work, compared, cut_between, survivor};
use crate::support::{Lab, scenario};

/// With synchronous replication a crash of the primary costs time and no order.
///
/// Method: writers with a ledger; crash the primary, look with a health check, fence, promote; start the
/// old primary as its machine would, rewind it; compare the ledger with the new primary.
#[rstest]
fn drill(#[context] test: Context) {
    let about =
        "The whole drill, with a synchronous standby: downtime as clients saw it, and no loss";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A synchronous pair, and writers at work");
        let (pair, writers) = at_work(lab, Topology::pair().synchronous("standby1")).await?;
        let began = Instant::now();
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let seen = wait_for_health(primary, Severity::Ok).await?;
        lab.must_be("what a health check says", &seen, "OK");

        lab.step("The primary's server crashes, and a health check notices");
        lab.measure("time before the crash", began.elapsed());
        let crashed = Instant::now();
        primary.crash().await?;
        let seen = wait_for_health(primary, Severity::Critical).await?;
        lab.key_figure("detection", crashed.elapsed());
        let noticed = lab.must_be("what a health check says", &seen, "CRITICAL");

        lab.step("The old primary is fenced, the standby promoted, and clients find it");
        fail_over(lab, &pair, &writers).await?;
        lab.key_figure("failover", crashed.elapsed());

        lab.step("The old primary's machine starts its server again");
        primary.start().await?;
        let one = lab.must_be("servers that take writes", writable(&pair).await?, ["standby1"]);

        lab.step("It is rewound, and follows the new primary");
        let (recovering, on_new) = (Instant::now(), standby.session().await?);
        rejoin(&pair, &on_new).await?;
        lab.key_figure("recovery", recovering.elapsed());
        writers.wait_for_acks(writers.acked() + 20).await?;

        lab.step("The writers stop, and everything is verified");
        let (verifying, ledger) = (Instant::now(), writers.stop().await?);
        let verdict = compared(lab, &survivor(lab, &pair).await?, &ledger).await?;
        let wrong = "acked orders that are lost, orders that are unexpected, or there twice";
        let whole = lab.must_be(wrong, verdict.wrong(), [0_u64; 3]);
        let [writes, replicates, same, healthy] = checklist(lab, &pair, &on_new).await?;
        lab.key_figure("verification", verifying.elapsed());
        as_clients_saw_it(lab, &ledger);
        lost(lab, &verdict.lost);
        let counts = synchronous_again(&pair, &on_new).await?;
        let counts = lab.must_be("how the old primary counts on the new one", &counts, "sync");
        lab.key_figure("whole drill", began.elapsed());

        lab.learn("A health check tells a primary that is gone.", [&noticed]);
        lab.learn(
            "Fenced before the promotion, an old primary that comes back takes no writes.",
            [&one],
        );
        lab.learn("With a synchronous standby no acked order is lost.", [&whole]);
        lab.learn(
            "Afterwards the pair is what it was, with the roles swapped, once the synchronous rule is \
             set on the new primary.",
            [&writes, &replicates, &same, &healthy, &counts],
        );
        Ok(())
    });
}

/// An asynchronous standby that is behind loses what it has not got, and no health check tells.
///
/// Method: the same drill with an asynchronous pair whose link is cut before the crash.
#[rstest]
fn drill_behind(#[context] test: Context) {
    let about = "The drill with an asynchronous standby that is behind: what is really lost";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("An asynchronous pair, and writers at work; the standby is cut off");
        let (pair, writers) = at_work(lab, Topology::pair()).await?;
        let began = Instant::now();
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (cut, early) = cut_between(&pair, &writers).await?;
        writers.wait_for_acks(early + lab.scaled(100)).await?;

        lab.step("The primary's server crashes, and a health check notices");
        lab.measure("time before the crash", began.elapsed());
        let crashed = Instant::now();
        primary.crash().await?;
        let late = writers.acked();
        let seen = wait_for_health(primary, Severity::Critical).await?;
        lab.key_figure("detection", crashed.elapsed());
        lab.must_be("what a health check says", &seen, "CRITICAL");

        lab.step("The old primary is fenced, the standby promoted, and clients find it");
        fail_over(lab, &pair, &writers).await?;
        lab.key_figure("failover", crashed.elapsed());
        cut.heal();

        lab.step("The old primary is started, rewound, and follows the new primary");
        primary.start().await?;
        let (recovering, on_new) = (Instant::now(), standby.session().await?);
        rejoin(&pair, &on_new).await?;
        lab.key_figure("recovery", recovering.elapsed());
        writers.wait_for_acks(writers.acked() + 20).await?;

        lab.step("The writers stop, and everything is verified");
        let (verifying, ledger) = (Instant::now(), writers.stop().await?);
        let verdict = compared(lab, &survivor(lab, &pair).await?, &ledger).await?;
        let seen = around_the_cut(&ledger, &verdict, early, late);
        let around = "orders acked before the cut that are lost, acked after it that are there";
        let around = lab.must_be(around, seen, [0_u64; 2]);
        let missing = lab.must_be("are acked orders lost", !verdict.lost.is_empty(), true);
        let [writes, replicates, same, healthy] = checklist(lab, &pair, &on_new).await?;
        lab.key_figure("verification", verifying.elapsed());
        as_clients_saw_it(lab, &ledger);
        lost(lab, &verdict.lost);
        lab.key_figure("whole drill", began.elapsed());

        lab.learn(
            "What an asynchronous standby has not got when it is promoted is lost.",
            [&around, &missing],
        );
        lab.learn(
            "Everything is green afterwards: only who noted what was acked knows what is missing.",
            [&writes, &replicates, &same, &healthy, &missing],
        );
        Ok(())
    });
}
