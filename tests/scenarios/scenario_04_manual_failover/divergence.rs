//! A standby is promoted while its primary runs, or before that follows it: what differs, and the ways
//! back. What `pg_rewind` refuses is not here.

use std::time::Instant;

use replication_lab::catchup::{wait_for_no_lag, wait_for_replay_of, wait_for_streaming};
use replication_lab::drift::drift;
use replication_lab::record::Reading;
use replication_lab::{Direction, Node, Result, Shutdown, Topology};
use rstest::{Context, rstest};

use super::split_brain::{
    FILL, OURS, Resolution, THEIRS, diverge, joined, kinds, stays_behind, timelines,
};
use crate::steps::shop::{ADD_PRODUCT, PRODUCTS, sums};
use crate::support::{Lab, scenario};

/// A timeline does not prevent split brain. It makes it visible, and a server that diverged refuses to
/// follow.
///
/// Method: promote the standby while the primary runs, write on both, make the old primary follow the
/// new one as it is; start it, and start it once more.
#[rstest]
fn split_brain(#[context] test: Context) {
    let about =
        "A timeline does not prevent split brain: it makes it visible and refuses to merge it";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("The standby is promoted while the primary runs; both take writes");
        let pair = lab.start(Topology::pair()).await?;
        let (old, new) = (pair.primary(), pair.standby()?);
        let (on_old, on_new) = diverge(&pair).await?;
        let both = [on_old.count(PRODUCTS).await?, on_new.count(PRODUCTS).await?];
        let counts = lab.must_be("rows on the old and on the new primary", both, [1001, 1001]);
        let seen = [sums(&on_old).await?, sums(&on_new).await?];
        let differ = lab.must_be("are they the same rows", seen[0] == seen[1], false);
        let seen = [timelines(&on_old).await?[0], timelines(&on_new).await?[0]];
        let visible = lab.must_be("timelines of their WAL", seen, [1, 2]);

        lab.step("The old one is told to follow the new one, with the data it has");
        old.stop(Shutdown::Fast).await?;
        pair.repoint("primary", "standby1").await?;
        pair.configure_standby("primary").await?;
        old.start().await?;
        let forked = old.wait_for_log("forked off current database system timeline").await?;
        let told = lab.fact("what its log says", &forked);
        let reader = old.session().await?;
        let recovers: bool = reader.value("SELECT pg_is_in_recovery()").await?;
        let serves = lab.must_be("does it serve reads, in recovery", recovers, true);
        stays_behind(&reader).await?;
        let arrived = reader.count(OURS).await?;
        let away = lab.must_be("rows of the new primary that have arrived", arrived, 0);

        lab.step("It is started once more");
        old.stop(Shutdown::Fast).await?;
        let ended = old.start().await.err().is_some_and(|error| error.is_ended());
        let ended = lab.must_be("does it end by itself", ended, true);
        let refused = old.wait_for_log("FATAL:  requested timeline 2 is not a child").await?;
        lab.must_be("new primary still takes writes: rows added", new_row(new).await?, 1);
        let refused = lab.fact("what its log says then", &refused);

        lab.learn(
            "Nothing prevents split brain: the old primary knows nothing of the promotion, and takes \
             writes as long as clients reach it.",
            [&counts, &differ],
        );
        lab.learn("The timelines make it visible.", [&visible]);
        lab.learn(
            "A server that has WAL past the fork is not merged: it serves old reads, gets nothing of the \
             new timeline, and does not start again.",
            [&told, &serves, &away, &ended, &refused],
        );
        Ok(())
    });
}

/// An old primary that stopped before the promotion, and has nothing that the new one lacks, follows
/// it without rewind or rebuild.
///
/// Method: stop the primary, promote when everything was replayed, make the old one follow.
#[rstest]
fn clean_rejoin(#[context] test: Context) {
    let about = "An old primary with nothing past the fork follows the new one as it is";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("The primary stops, and the standby, which has everything, is promoted");
        let pair = lab.start(Topology::pair()).await?;
        let (old, new) = (pair.primary(), pair.standby()?);
        let writer = old.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run(FILL).await?;
        let reader = new.session().await?;
        old.stop(Shutdown::Fast).await?;
        wait_for_replay_of(&reader, old.last_checkpoint().await?).await?;
        new.promote().await?;
        let added = reader.execute(ADD_PRODUCT, &[]).await?;
        lab.must_be("rows that the new primary adds", added, 1);

        lab.step("The old one follows, with the data it has");
        pair.repoint("primary", "standby1").await?;
        pair.configure_standby("primary").await?;
        old.start().await?;
        let followed = joined(lab, &pair, &reader).await?;
        lab.learn(
            "An old primary with nothing past the fork needs neither pg_rewind nor a rebuild.",
            [&followed],
        );
        Ok(())
    });
}

/// Three ways out of a split brain; after each of them both servers have the same rows on one timeline,
/// and stream.
///
/// Method: diverge, resolve, compare every table; look what became of the row that only the old primary
/// had, and how much was copied.
#[rstest]
#[case::rebuild(Resolution::Rebuild, 0)]
#[case::rewind(Resolution::Rewind, 0)]
#[case::salvage(Resolution::Salvage, 1)]
fn resolve(#[context] test: Context, #[case] resolution: Resolution, #[case] kept: u64) {
    let about = "A way out of a split brain, what it costs, and what becomes of the diverged row";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("Both have taken a row that the other has not");
        let pair = lab.start(Topology::pair()).await?;
        let (_, on_new) = diverge(&pair).await?;
        pair.repoint("primary", "standby1").await?;

        lab.step("The old primary is brought back");
        let link = pair.link("primary")?;
        let (before, called) = (link.bytes(Direction::ToStandby), Instant::now());
        resolution.apply(&pair, &on_new).await?;
        pair.primary().start().await?;
        wait_for_streaming(&on_new, &["primary"]).await?;
        lab.key_figure("until it streams", called.elapsed());
        let copied = link.bytes(Direction::ToStandby).saturating_sub(before);
        lab.key_figure("copied over its link", Reading::Bytes(copied));

        lab.step("What there is now");
        let same = joined(lab, &pair, &on_new).await?;
        let theirs = on_new.count(THEIRS).await?;
        let theirs = lab.must_be("rows of the old primary that are there", theirs, kept);
        let ours = on_new.count(OURS).await?;
        let ours = lab.must_be("rows of the new primary that are there", ours, 1);

        lab.learn("Afterwards both hold the same rows on one timeline, and stream.", [&same]);
        lab.learn(
            "The new primary's rows stay; the old one's are gone unless somebody copied them first.",
            [&theirs, &ours],
        );
        Ok(())
    });
}

/// Thousands of rows that differ on two primaries are found by checksums, without comparing row by row.
///
/// Method: insert, update and delete on both sides of a split brain over three tables; find what differs;
/// resolve; find nothing.
#[rstest]
fn bulk_drift(#[context] test: Context) {
    let about =
        "Thousands of rows that differ are found by checksums, listed by kind, and gone after";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A shop on both sides of a split brain; WAL is kept, or it could not be rewound");
        let pair = lab.start(Topology::pair().set("wal_keep_size", "1GB")).await?;
        let (old, new) = (pair.primary().session().await?, pair.standby()?.session().await?);
        old.run_file("fixtures/sql/shop.sql").await?;
        old.run(&format!("SELECT fill_shop({})", lab.scaled(20_000).max(20_000))).await?;
        pair.wait_for_catchup("standby1").await?;
        pair.standby()?.promote().await?;

        lab.step("Both add, change and delete");
        old.run_file("fixtures/sql/drift_old.sql").await?;
        new.run_file("fixtures/sql/drift_new.sql").await?;

        lab.step("What differs: only on the old primary, only on the new one, changed");
        let looked = Instant::now();
        let users = drift(&old, &new, "users", "id").await?;
        let products = drift(&old, &new, "products", "id").await?;
        let orders = drift(&old, &new, "orders", "id").await?;
        lab.key_figure("finding all of it took", looked.elapsed());
        let compared = users.compared + products.compared + orders.compared;
        lab.key_figure("hashes that were compared", Reading::Bytes(compared));
        lab.measure("size of the tables", Reading::Bytes(new.count(SIZE).await?));
        let users = lab.must_be("users", kinds(&users), [200, 500, 1000]);
        let products = lab.must_be("products", kinds(&products), [10, 20, 100]);
        let orders = lab.must_be("orders", kinds(&orders), [400, 700, 2000]);

        lab.step("The old primary is rewound");
        pair.repoint("primary", "standby1").await?;
        Resolution::Rewind.apply(&pair, &new).await?;
        pair.primary().start().await?;
        wait_for_streaming(&new, &["primary"]).await?;
        wait_for_no_lag(&new, "primary").await?;
        let old = pair.primary().session().await?;
        let left = [
            drift(&old, &new, "users", "id").await?.rows() as u64,
            drift(&old, &new, "products", "id").await?.rows() as u64,
            drift(&old, &new, "orders", "id").await?.rows() as u64,
        ];
        let left = lab.must_be("users, products and orders that differ", left, [0, 0, 0]);

        lab.learn(
            "Checksums of buckets find every row that was added, changed or deleted on either side.",
            [&users, &products, &orders],
        );
        lab.learn("After a rewind nothing differs.", [&left]);
        Ok(())
    });
}

const SIZE: &str = "SELECT sum(pg_relation_size(name))::bigint \
                    FROM unnest(ARRAY['users', 'products', 'orders']) AS name";

async fn new_row(node: &Node) -> Result<u64> {
    node.session().await?.execute(ADD_PRODUCT, &[]).await
}
