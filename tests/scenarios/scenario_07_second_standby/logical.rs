//! Logical slots across a promotion. Nothing here sets up a subscription.

use macro_rules_attribute::apply;
use replication_lab::wal::Timeline;
use replication_lab::{Topology, stat};
use rstest::{Context, rstest};

use super::failover_slot::{CREATE, SLOTS, decoded, name_a_database, wait_until_synchronised};
use crate::steps::shop::{sessions, shop};
use crate::steps::shutdown::shut_down_and_replay;
use crate::support::{Lab, exercise, scenario};

/// A logical slot exists on the primary only, and is not on a standby that is promoted; from PostgreSQL 17
/// on one with `failover = true` is synchronised, and is.
///
/// Method: a logical slot without `failover` and one with it; let the standby synchronise, promote it, and
/// decode what was written before (manual: Logical Decoding, Replication Slot Synchronization).
#[apply(exercise)]
#[rstest]
fn failover_slots(#[context] test: Context) {
    let about = "Logical slots across a promotion: a plain one does not survive it; from PostgreSQL 17 on \
                 one with failover = true does, if the standby synchronises it";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with wal_level = logical and hot_standby_feedback = on, and a plain slot");
        let pair = Topology::pair().set("wal_level", "logical").set("hot_standby_feedback", "on");
        let pair = lab.start(pair).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = sessions(&pair).await?;
        shop(&writer, 10).await?;
        writer.run("SELECT pg_create_logical_replication_slot('plain', 'test_decoding')").await?;

        lab.step("A slot with failover = true, and sync_replication_slots on the standby");
        let answer = writer.attempt(CREATE).await?;
        let created = lab.fact("refusal of a slot with failover = true on the primary", answer);
        let answer = reader.attempt("ALTER SYSTEM SET sync_replication_slots = on").await?;
        let synchronises = lab.fact("refusal of sync_replication_slots on the standby", answer);

        lab.step("primary_conninfo of the standby gets a dbname, and the slot is synchronised");
        name_a_database(&pair).await?;
        wait_until_synchronised(lab, &pair).await?;
        let before: String = writer.value(SLOTS).await?;
        let on_old = lab.fact("logical slots on the primary", before);
        let copies: String = reader.value(SLOTS).await?;
        let copies = lab.fact("logical slots on the standby", copies);

        lab.step(
            "Three orders; the primary stops, pg_controldata shows where its last WAL record is, and the \
             standby is promoted once it has replayed that record",
        );
        writer.run("SELECT place_orders(3)").await?;
        shut_down_and_replay(lab, primary, &reader).await?;
        standby.promote().await?;
        let seen = stat::timeline(&reader).await?;
        lab.must_be("timeline of the standby after its promotion", seen, Timeline(2));
        let after: String = reader.value(SLOTS).await?;
        let on_new = lab.fact("logical slots on the new primary", after);
        let orders = "orders that the slot kept decodes on the new primary, or the refusal";
        let orders = lab.fact(orders, decoded(&reader).await?);

        lab.learn(
            "A logical slot without failover = true does not exist on the new primary after a promotion.",
            [&on_old, &on_new],
        );
        lab.learn(
            "From PostgreSQL 17 on a logical slot with failover = true survives the promotion of a \
             standby with sync_replication_slots = on, hot_standby_feedback = on, a physical slot and a \
             dbname in primary_conninfo. Before 17 neither the argument nor the setting exists.",
            [&created, &synchronises, &copies, &on_new, &orders],
        );
        Ok(())
    });
}
