//! The way to another major version with little downtime: a logical copy that follows, and a switchover.
//! A run has one version of PostgreSQL, so both servers have the same one here.

use std::time::Instant;

use macro_rules_attribute::apply;
use replication_lab::{Shutdown, Standby, Topology};
use rstest::{Context, rstest};

use super::from_standby::{ending, wait_for_orders};
use super::subscription::{PUBLISH, copy_sequences, subscribe, wait_for_apply, wait_for_copy};
use crate::steps::shop::{ORDER, ORDERS, shop, sums};
use crate::steps::shutdown::STATE;
use crate::support::{Lab, exercise, scenario};

const IDENTIFIER: &str = "SELECT system_identifier FROM pg_control_system()";

/// A subscription copies every table and follows its changes, so that the switchover is short. It contains
/// neither the tables' definitions nor the values of sequences.
///
/// Method: `initdb`, the schema by `pg_dump`, a subscription; write during and after the copy; stop the
/// writes, wait until the subscription has applied everything, set the sequences, write on the new server.
#[apply(exercise)]
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

/// `pg_createsubscriber`, from PostgreSQL 17 on, turns a standby into a logical subscriber without copying
/// its rows again. Before, the program is not there, and the standby stays what it was.
///
/// Method: stop the standby; `--dry-run` with `wal_level = replica` and with `logical`; run it; start the
/// server, and write on the primary (manual: `pg_createsubscriber`).
#[apply(exercise)]
#[rstest]
fn subscriber_from_standby(#[context] test: Context) {
    let about = "From PostgreSQL 17 on pg_createsubscriber turns a stopped standby into a logical \
                 subscriber, which has the rows already; before 17 there is no such program, and the \
                 standby stays a physical one";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with wal_level = replica; the standby is stopped: pg_createsubscriber --dry-run");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let writer = primary.session().await?;
        shop(&writer, 100).await?;
        standby.stop(Shutdown::Fast).await?;
        let said = ending(pair.create_subscriber_dry_run("standby1").await);
        let early = lab.fact("answer to --dry-run with wal_level = replica", said);

        lab.step("wal_level = logical on the primary, which restarts: --dry-run again");
        writer.run("ALTER SYSTEM SET wal_level = logical").await?;
        primary.stop(Shutdown::Fast).await?;
        primary.start().await?;
        let said = ending(pair.create_subscriber_dry_run("standby1").await);
        let checked = lab.fact("answer to --dry-run with wal_level = logical", said);
        let state = standby.control(STATE).await?;
        let name = "control file of standby1: state after --dry-run";
        let same = lab.must_be(name, &state, "shut down in recovery");

        lab.step("pg_createsubscriber runs; then the server is started, and orders come in");
        let said = ending(pair.create_subscriber("standby1").await);
        let done = lab.fact("answer to pg_createsubscriber", said);
        standby.start().await?;
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        writer.run("SELECT place_orders(10)").await?;
        let rows = wait_for_orders(&reader, 210).await?;
        let arrives = lab.must_be("orders on the server that was standby1", rows, 210_u64);
        let recovers: bool = reader.value("SELECT pg_is_in_recovery()").await?;
        let recovers = lab.fact("is it in recovery", recovers);
        let own = writer.value::<i64>(IDENTIFIER).await?;
        let own = reader.value::<i64>(IDENTIFIER).await? == own;
        let own = lab.fact("does it have the primary's system identifier", own);
        let subscriptions = reader.count("SELECT count(*) FROM pg_subscription").await?;
        let subscribes = lab.fact("subscriptions on it", subscriptions);

        lab.learn(
            "From PostgreSQL 17 on pg_createsubscriber makes a standby a server of its own, with a new \
             system identifier and a subscription that applies what the primary writes. Before 17 the \
             program does not exist, and the standby goes on as a standby.",
            [&done, &arrives, &recovers, &own, &subscribes],
        );
        lab.learn(
            "pg_createsubscriber checks its conditions with --dry-run, which changes nothing.",
            [&early, &checked, &same],
        );
        Ok(())
    });
}
