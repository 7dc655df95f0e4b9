//! The primary's server crashes, and the standby is promoted. Nothing here needs a backup.

use std::time::Instant;

use macro_rules_attribute::apply;
use replication_lab::Topology;
use replication_lab::health::Severity;
use rstest::{Context, rstest};

use super::drill::{
    as_clients_saw_it, checklist, fail_over, lost, named, rejoin, synchronous_again,
    wait_for_health, writable,
};
use crate::steps::crash::{
    around_the_cut, at_work, compared, cut_between, must_have_crashed, survivor,
};
use crate::support::{Lab, exercise, scenario};

/// With a synchronous standby a crash of the primary costs time and no acked order.
///
/// Method: writers with a ledger; crash the primary's server, repeat a health check, fence, promote; start
/// the old primary as its machine would, rewind it; compare the ledger with the new primary.
#[apply(exercise)]
#[rstest]
fn drill(#[context] test: Context) {
    let about = "The whole drill with a synchronous standby: the downtime that clients saw, and no acked \
                 order lost. The fence is a file on the old primary's machine, which must still answer; \
                 where it does not, cut its power (STONITH), use a lease that a primary must renew, or a \
                 load balancer that sends writes to one server";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, and writers that place orders");
        let (pair, writers) = at_work(lab, Topology::pair().synchronous("standby1")).await?;
        let began = Instant::now();
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let seen = wait_for_health(primary, Severity::Ok).await?;
        lab.must_be("health check of the primary before the crash", &seen, "OK");

        lab.step("The primary's server crashes, and a health check reports it");
        lab.measure("time before the crash", began.elapsed());
        let crashed = Instant::now();
        primary.crash().await?;
        let seen = wait_for_health(primary, Severity::Critical).await?;
        lab.key_figure("from the crash until the health check reported it", crashed.elapsed());
        let noticed = "health check of the primary after the crash";
        let noticed = lab.must_be(noticed, &seen, "CRITICAL");
        must_have_crashed(lab, primary, "in production").await?;

        lab.step("The old primary is fenced with standby.signal; the standby is promoted, and clients connect to it");
        let fenced = fail_over(lab, &pair, &writers).await?;
        lab.key_figure("from the crash until the new primary acked an order", crashed.elapsed());

        lab.step("The old primary's machine starts its server again");
        primary.start().await?;
        let one = lab.must_be("servers that accept writes", writable(&pair).await?, ["standby1"]);

        lab.step("The old primary is rewound, and streams from the new one");
        let (recovering, on_new) = (Instant::now(), standby.session().await?);
        rejoin(&pair, &on_new).await?;
        lab.key_figure("from the rewind until the old primary streamed", recovering.elapsed());
        writers.wait_for_acks(writers.acked() + 20).await?;

        lab.step("The writers stop; their ledger, the data and the replication are verified");
        let (verifying, ledger) = (Instant::now(), writers.stop().await?);
        let verdict = compared(lab, &survivor(lab, &pair).await?, &ledger).await?;
        let none = "0 acked and lost, 0 unexpected, 0 duplicated";
        let whole = "orders on the new primary against the writers' ledger";
        let whole = lab.must_be(whole, named(verdict.wrong()), none);
        let [writes, replicates, same, healthy] = checklist(lab, &pair, &on_new).await?;
        lab.key_figure("time of the verification", verifying.elapsed());
        as_clients_saw_it(lab, &ledger, fenced, began.elapsed());
        lost(lab, &verdict.lost);
        let counts = synchronous_again(&pair, &on_new).await?;
        let sync = "sync_state of the old primary on the new one";
        let counts = lab.must_be(sync, &counts, "sync");
        lab.key_figure("whole drill", began.elapsed());

        lab.learn("A health check reports a primary that does not answer as CRITICAL.", [&noticed]);
        lab.learn(
            "An old primary that was fenced with standby.signal before the promotion accepts no writes \
             when its machine starts it again.",
            [&one],
        );
        lab.learn("With a synchronous standby, and synchronous_commit = on, no acked order was lost by the crash of the primary's server.", [&whole]);
        lab.learn(
            "Afterwards the pair works with swapped roles; synchronous_standby_names must be set on the \
             new primary.",
            [&writes, &replicates, &same, &healthy, &counts],
        );
        Ok(())
    });
}

/// When an asynchronous standby that is behind is promoted, the orders that it has not received are lost,
/// and no health check shows that.
///
/// Method: the same drill with an asynchronous pair whose link is cut before the crash.
#[apply(exercise)]
#[rstest]
fn drill_behind(#[context] test: Context) {
    let about = "The drill with an asynchronous standby that is behind: the acked orders that it has not \
                 received are lost, and the checks afterwards do not show that";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with an asynchronous standby, and writers that place orders; the link is cut while a lock keeps them waiting");
        let (pair, writers) = at_work(lab, Topology::pair()).await?;
        let began = Instant::now();
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (cut, early) = cut_between(&pair, &writers).await?;
        writers.wait_for_acks(early + lab.scaled(100)).await?;

        lab.step("The primary's server crashes, and a health check reports it");
        lab.measure("time before the crash", began.elapsed());
        let crashed = Instant::now();
        primary.crash().await?;
        let late = writers.acked();
        let seen = wait_for_health(primary, Severity::Critical).await?;
        lab.key_figure("from the crash until the health check reported it", crashed.elapsed());
        let noticed = "health check of the primary after the crash";
        lab.must_be(noticed, &seen, "CRITICAL");
        must_have_crashed(lab, primary, "in production").await?;

        lab.step("The old primary is fenced with standby.signal; the standby is promoted, and clients connect to it");
        let fenced = fail_over(lab, &pair, &writers).await?;
        lab.key_figure("from the crash until the new primary acked an order", crashed.elapsed());
        cut.heal();

        lab.step("The old primary is started, rewound, and streams from the new one");
        primary.start().await?;
        let (recovering, on_new) = (Instant::now(), standby.session().await?);
        rejoin(&pair, &on_new).await?;
        lab.key_figure("from the rewind until the old primary streamed", recovering.elapsed());
        writers.wait_for_acks(writers.acked() + 20).await?;

        lab.step("The writers stop; their ledger, the data and the replication are verified");
        let (verifying, ledger) = (Instant::now(), writers.stop().await?);
        let verdict = compared(lab, &survivor(lab, &pair).await?, &ledger).await?;
        let [before, seen_after] = around_the_cut(&ledger, &verdict, early, late);
        let before = lab.must_be("orders acked before the cut that are lost", before, 0_u64);
        let after = "orders acked between the cut and the crash that the new primary has";
        let after = lab.must_be(after, seen_after, 0_u64);
        let enough = late - early >= lab.scaled(100);
        lab.must_be("were at least 100 orders acked between the cut and the crash", enough, true);
        let missing = verdict.lost.len() as u64 >= late - early;
        let missing = lab.must_be("are all of them lost", missing, true);
        let [writes, replicates, same, healthy] = checklist(lab, &pair, &on_new).await?;
        lab.key_figure("time of the verification", verifying.elapsed());
        as_clients_saw_it(lab, &ledger, fenced, began.elapsed());
        lost(lab, &verdict.lost);
        lab.key_figure("whole drill", began.elapsed());

        lab.learn(
            "Acked orders that an asynchronous standby has not received when it is promoted are lost; \
             those that it has received are kept.",
            [&before, &after, &missing],
        );
        lab.learn(
            "Every check on the servers passes afterwards: the loss shows only against the clients' own \
             record of what was acked.",
            [&writes, &replicates, &same, &healthy, &missing],
        );
        Ok(())
    });
}
