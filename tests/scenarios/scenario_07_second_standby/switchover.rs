//! The way to another major version with little downtime: a logical copy that follows, and a switchover.
//! A run has one version of PostgreSQL, so both servers have the same one here.

use std::time::Instant;

use replication_lab::{Standby, Topology};
use rstest::{Context, rstest};

use super::subscription::{PUBLISH, copy_sequences, subscribe, wait_for_apply, wait_for_copy};
use crate::steps::shop::{ORDER, ORDERS, sums};
use crate::support::{Lab, scenario};

const IDENTIFIER: &str = "SELECT system_identifier FROM pg_control_system()";

/// A subscription copies every table and follows its changes, so that the switchover is short. It contains
/// neither the tables' definitions nor the values of sequences.
///
/// Method: `initdb`, the schema by `pg_dump`, a subscription; write during and after the copy; stop the
/// writes, wait until the subscription has applied everything, set the sequences, write on the new server.
#[rstest]
fn upgrade_by_subscription(#[context] test: Context) {
    let about = "An upgrade by logical replication: a new server gets the schema by pg_dump and the rows \
                 by a subscription, and takes over once it has applied everything. A run has one \
                 version of PostgreSQL: here both servers have the same one";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with wal_level = logical and a shop, and a new server by initdb");
        let machine = Standby::new("new").without_slot().deferred();
        let topology = Topology::alone().standby(machine).set("wal_level", "logical");
        let cluster = lab.start(topology).await?;
        let old = cluster.primary().session().await?;
        old.run_file("fixtures/sql/shop.sql").await?;
        old.run("SELECT fill_shop(100)").await?;
        cluster.repoint("new", "primary").await?;
        cluster.initdb("new").await?;
        cluster.node("new")?.start().await?;
        let new = cluster.node("new")?.session().await?;
        let same = old.value::<i64>(IDENTIFIER).await? == new.value::<i64>(IDENTIFIER).await?;
        lab.must_be("do both servers have the same system identifier", same, false);

        lab.step("The schema by pg_dump, a publication of all tables, and a subscription to it");
        cluster.restore_schema("new").await?;
        let rows = new.count(ORDERS).await?;
        let empty = lab.must_be("orders on the new server before the subscription", rows, 0_u64);
        let [publish, allow] = PUBLISH;
        old.run(publish).await?;
        old.run(allow).await?;
        let began = Instant::now();
        subscribe(&cluster, "new").await?;
        old.run("SELECT place_orders(10)").await?;
        let tables = lab.must_be("tables that are copied", wait_for_copy(&new).await?, 3_u64);
        lab.key_figure("from the subscription until every table was copied", began.elapsed());
        old.run("SELECT place_orders(10)").await?;
        wait_for_apply(&old).await?;
        let rows = new.count(ORDERS).await?;
        let follows = lab.must_be("orders on the new server after the copy", rows, 220_u64);

        lab.step("The switchover: the old server refuses writes, and the new one has applied all");
        let stopped = Instant::now();
        cluster.primary().set("default_transaction_read_only", "on").await?;
        let late = cluster.primary().session().await?;
        let refused = late.refusal(ORDER).await?;
        let refused =
            lab.must_be("SQLSTATE of an INSERT on the old server", refused.sqlstate(), "25006");
        wait_for_apply(&old).await?;
        let equal = sums(&old).await? == sums(&new).await?;
        let equal = lab.must_be("do both servers have the same rows in every table", equal, true);

        lab.step("The new server accepts an order once its sequences are set");
        let early = new.refusal(ORDER).await?;
        let twice = "SQLSTATE of an INSERT on the new server before its sequences are set";
        let twice = lab.must_be(twice, early.sqlstate(), "23505");
        lab.fact("answer to that INSERT", &early);
        copy_sequences(&old, &new).await?;
        new.run("DROP SUBSCRIPTION moved").await?;
        new.run(ORDER).await?;
        lab.key_figure(
            "from the last write on the old server to the first on the new",
            stopped.elapsed(),
        );
        let rows = new.count(ORDERS).await?;
        let writes = lab.must_be("orders on the new server", rows, 221_u64);
        let rows = old.count(ORDERS).await?;
        let behind = lab.must_be("orders on the old server", rows, 220_u64);

        lab.learn(
            "While the old server takes writes, a subscription copies the rows of every published table \
             and then applies their changes. The tables themselves come from pg_dump --schema-only.",
            [&empty, &tables, &follows],
        );
        lab.learn(
            "Clients move after the old server refuses writes and the subscription has applied \
             everything: no order is lost. Writes on the new server do not come back to the old one.",
            [&refused, &equal, &writes, &behind],
        );
        lab.learn(
            "A publication of tables does not contain the values of sequences: set them before the first \
             write on the new server, or it is refused as a duplicate.",
            [&twice, &writes],
        );
        Ok(())
    });
}
