//! A standby is promoted, and its old primary has WAL past the fork, or has none: what differs, and how
//! the old primary becomes a standby. What `pg_rewind` refuses is not here.

use std::time::Instant;

use macro_rules_attribute::apply;
use replication_lab::catchup::{wait_for_no_lag, wait_for_streaming};
use replication_lab::drift::drift;
use replication_lab::record::Reading;
use replication_lab::{Direction, Shutdown, Topology};
use rstest::{Context, rstest};

use super::split_brain::{
    FILL, FROM_NEW, FROM_OLD, Resolution, by_kind, diverge, joined, must_be_on, stays_behind,
};
use crate::steps::shop::{ADD_PRODUCT, PRODUCTS, sums};
use crate::steps::shutdown::shut_down_and_replay;
use crate::support::{Lab, exercise, scenario};

/// A timeline does not prevent split brain. It makes it visible, and a server that diverged cannot follow
/// the new timeline.
///
/// Method: promote the standby while the primary runs, write on both, configure the old primary as a
/// standby with the data it has; start it, and start it a second time.
#[apply(exercise)]
#[rstest]
fn split_brain(#[context] test: Context) {
    let about = "Timelines do not prevent a split brain: they make it visible, and keep the old primary \
                 from following the new one with diverged data (as with MySQL, it is for other tools to fence \
                 the old primary)";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("The standby is promoted while the primary runs; both accept a row");
        let pair = lab.start(Topology::pair()).await?;
        let old = pair.primary();
        let (on_old, on_new) = diverge(&pair).await?;
        let rows = on_old.count(PRODUCTS).await?;
        let on_first = lab.must_be("rows on the old primary", rows, 1001_u64);
        let rows = on_new.count(PRODUCTS).await?;
        let on_second = lab.must_be("rows on the new primary", rows, 1001_u64);
        let same = sums(&on_old).await? == sums(&on_new).await?;
        let differ = lab.must_be("do both primaries have the same rows", same, false);
        let [old_timeline, _] = must_be_on(lab, &on_old, "old primary", [1, 1]).await?;
        on_new.run("CHECKPOINT").await?;
        let [new_timeline, _] = must_be_on(lab, &on_new, "new primary", [2, 2]).await?;

        lab.step(
            "The old primary is configured as a standby of the new one, keeps its data, and starts",
        );
        old.stop(Shutdown::Fast).await?;
        pair.repoint("primary", "standby1").await?;
        pair.configure_standby("primary").await?;
        old.start().await?;
        let logged = old.wait_for_log("forked off current database system timeline").await?;
        let forked = lab.fact("log of the old primary after its first start", &logged);
        let reader = old.session().await?;
        let recovers: bool = reader.value("SELECT pg_is_in_recovery()").await?;
        let serves =
            lab.must_be("does the old primary answer queries, in recovery", recovers, true);
        stays_behind(&reader).await?;
        let arrived = reader.count(FROM_NEW).await?;
        let none = lab.must_be("rows of the new primary on the old one", arrived, 0);

        lab.step("The old primary is started a second time");
        old.stop(Shutdown::Fast).await?;
        let ended = old.start().await.err().is_some_and(|error| error.is_ended());
        let ended = lab.must_be("does the old primary exit during its second start", ended, true);
        let logged = old.wait_for_log("FATAL:  requested timeline 2 is not a child").await?;
        let refused = lab.fact("log of the old primary after its second start", &logged);
        let added = on_new.execute(ADD_PRODUCT, &[]).await?;
        lab.must_be("rows that the new primary inserts meanwhile", added, 1);

        lab.learn(
            "PostgreSQL by itself does not prevent a split brain: a promotion does not stop the old \
             primary, which accepts writes as long as clients reach it.",
            [&on_first, &on_second, &differ],
        );
        lab.learn(
            "Timelines make it visible: the servers write WAL on different ones.",
            [&old_timeline, &new_timeline],
        );
        lab.learn(
            "An old primary with WAL past the fork cannot follow the new timeline with the data it has: \
             it received nothing of the new primary, and could not start a second time.",
            [&forked, &serves, &none, &ended, &refused],
        );
        Ok(())
    });
}

/// An old primary that stopped before the promotion, and has no WAL past the fork, becomes a standby
/// without rewind or rebuild.
///
/// Method: stop the primary, promote when everything was replayed, configure the old primary as a standby.
#[apply(exercise)]
#[rstest]
fn clean_rejoin(#[context] test: Context) {
    let about = "An old primary without WAL past the fork becomes a standby of the new one without \
                 pg_rewind and without a rebuild (a MySQL replica connects in any case, and keeps what \
                 diverged)";
    scenario(&test, about, async |lab: &Lab| {
        lab.step(
            "The primary stops; pg_controldata shows where its last WAL record is, and the standby is \
             promoted once it has replayed that record",
        );
        let pair = lab.start(Topology::pair()).await?;
        let (old, new) = (pair.primary(), pair.standby()?);
        let writer = old.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run(FILL).await?;
        let reader = new.session().await?;
        shut_down_and_replay(lab, old, &reader).await?;
        new.promote().await?;
        let added = reader.execute(ADD_PRODUCT, &[]).await?;
        lab.must_be("rows that the new primary inserts", added, 1);

        lab.step("The old primary is configured as a standby, keeps its data, and starts");
        pair.repoint("primary", "standby1").await?;
        pair.configure_standby("primary").await?;
        old.start().await?;
        let [streams, timeline, same] = joined(lab, &pair, &reader).await?;
        lab.learn(
            "An old primary that stopped cleanly, and whose WAL the new primary has replayed to the \
             end, needs neither pg_rewind nor a rebuild.",
            [&streams, &timeline, &same],
        );
        Ok(())
    });
}

/// Three ways out of a split brain; after each of them both servers have the same rows on one timeline,
/// and stream.
///
/// Method: diverge, resolve, compare every table; count the row that only the old primary had, and
/// measure how much was copied.
#[apply(exercise)]
#[rstest]
#[case::rebuild(Resolution::Rebuild, 0)]
#[case::rewind(Resolution::Rewind, 0)]
#[case::salvage(Resolution::Salvage, 1)]
fn resolve(#[context] test: Context, #[case] resolution: Resolution, #[case] kept: u64) {
    scenario(&test, resolution.about(), async |lab: &Lab| {
        lab.step("A split brain: each primary has a row that the other does not have");
        let pair = lab.start(Topology::pair()).await?;
        let (_, on_new) = diverge(&pair).await?;
        pair.repoint("primary", "standby1").await?;

        lab.step(resolution.title());
        let link = pair.link("primary")?;
        let (before, called) = (link.bytes(Direction::ToStandby), Instant::now());
        resolution.apply(&pair, &on_new).await?;
        pair.primary().start().await?;
        wait_for_streaming(&on_new, &["primary"]).await?;
        lab.key_figure("until the old primary streams", called.elapsed());
        let copied = link.bytes(Direction::ToStandby).saturating_sub(before);
        lab.key_figure("copied over its link", Reading::Bytes(copied));

        lab.step("What both servers have now");
        let [streams, timeline, same] = joined(lab, &pair, &on_new).await?;
        let rows = on_new.count(FROM_OLD).await?;
        let from_old = lab.must_be("rows written on the old primary that exist now", rows, kept);
        let rows = on_new.count(FROM_NEW).await?;
        let from_new = lab.must_be("rows written on the new primary that exist now", rows, 1);

        lab.learn(
            "Afterwards both servers have the same rows on one timeline, and the old primary streams.",
            [&streams, &timeline, &same],
        );
        lab.learn(resolution.learned(), [&from_old]);
        lab.learn("The rows written on the new primary stay.", [&from_new]);
        Ok(())
    });
}

/// Thousands of rows that differ between two primaries are found by hashes of buckets of rows, without
/// transferring every row.
///
/// Method: insert, update and delete on both sides of a split brain over three tables; find what differs;
/// rewind; compare again.
#[apply(exercise)]
#[rstest]
fn bulk_drift(#[context] test: Context) {
    let about = "Hashes find thousands of rows that differ between two primaries, and list them by \
                 kind; after pg_rewind no row differs";
    scenario(&test, about, async |lab: &Lab| {
        lab.step(
            "A shop on both sides of a split brain; wal_keep_size keeps the WAL for pg_rewind",
        );
        let pair = lab.start(Topology::pair().set("wal_keep_size", "1GB")).await?;
        let (old, new) = (pair.primary().session().await?, pair.standby()?.session().await?);
        old.run_file("fixtures/sql/shop.sql").await?;
        old.run(&format!("SELECT fill_shop({})", lab.scaled(20_000).max(20_000))).await?;
        pair.wait_for_catchup("standby1").await?;
        pair.standby()?.promote().await?;

        lab.step("Both primaries insert, update and delete rows");
        old.run_file("fixtures/sql/drift_old.sql").await?;
        new.run_file("fixtures/sql/drift_new.sql").await?;

        lab.step("The rows that differ are found by hashes of 16384 buckets of each table");
        let looked = Instant::now();
        let users = drift(&old, &new, "users", "id").await?;
        let products = drift(&old, &new, "products", "id").await?;
        let orders = drift(&old, &new, "orders", "id").await?;
        lab.key_figure("time to find all of them", looked.elapsed());
        let compared = users.compared + products.compared + orders.compared;
        lab.key_figure("keys and hashes that were compared", Reading::Bytes(compared));
        lab.measure("size of the three tables", Reading::Bytes(new.count(SIZE).await?));
        let expected = "200 only on the old primary, 500 only on the new primary, 1000 changed";
        let users = lab.must_be("users that differ", by_kind(&users), expected);
        let expected = "10 only on the old primary, 20 only on the new primary, 100 changed";
        let products = lab.must_be("products that differ", by_kind(&products), expected);
        let expected = "400 only on the old primary, 700 only on the new primary, 2000 changed";
        let orders = lab.must_be("orders that differ", by_kind(&orders), expected);

        lab.step("The old primary is rewound, and streams from the new one");
        pair.repoint("primary", "standby1").await?;
        Resolution::Rewind.apply(&pair, &new).await?;
        pair.primary().start().await?;
        wait_for_streaming(&new, &["primary"]).await?;
        wait_for_no_lag(&new, "primary").await?;
        let old = pair.primary().session().await?;
        let rows = drift(&old, &new, "users", "id").await?.rows() as u64;
        let no_user = lab.must_be("users that differ after the rewind", rows, 0_u64);
        let rows = drift(&old, &new, "products", "id").await?.rows() as u64;
        let no_product = lab.must_be("products that differ after the rewind", rows, 0_u64);
        let rows = drift(&old, &new, "orders", "id").await?.rows() as u64;
        let no_order = lab.must_be("orders that differ after the rewind", rows, 0_u64);

        lab.learn(
            "Hashes of buckets of rows found the rows that were inserted, updated or deleted on either \
             side, all of them.",
            [&users, &products, &orders],
        );
        lab.learn("After the rewind no row differs.", [&no_user, &no_product, &no_order]);
        Ok(())
    });
}

const SIZE: &str = "SELECT sum(pg_relation_size(name))::bigint \
                    FROM unnest(ARRAY['users', 'products', 'orders']) AS name";
