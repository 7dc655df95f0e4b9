//! The WAL that a slot retains while its standby is stopped. Nothing here drops the slot.

use std::time::Instant;

use macro_rules_attribute::apply;
use replication_lab::catchup::{wait_for_no_lag, wait_for_streaming};
use replication_lab::record::Reading;
use replication_lab::stat;
use replication_lab::wal::{Lsn, bytes_between};
use replication_lab::{Shutdown, Topology};
use rstest::{Context, rstest};

use crate::steps::shop::USERS;
use crate::steps::slot::wait_for_slot;
use crate::steps::wal::WRITTEN;
use crate::support::{Lab, exercise, scenario};

/// A slot retains the WAL of a standby that is down, through a checkpoint, until the standby is back.
///
/// Method: stop the standby, insert, switch WAL files and make a checkpoint, read the slot; start the
/// standby again.
#[apply(exercise)]
#[rstest]
fn standby_down(#[context] test: Context) {
    let about = "A slot retains the WAL that a standby misses while it is down";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with wal_keep_size = 0: only the slot retains WAL for the standby");
        let small = Topology::pair().set("wal_keep_size", "0").set("max_wal_size", "32MB");
        let pair = lab.start(small.set("min_wal_size", "32MB")).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let writer = primary.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let slot = stat::slot(&writer, "standby1").await?;
        lab.must_be("is the slot active", slot.active, true);

        lab.step("The standby is stopped; the primary inserts rows and makes a checkpoint");
        standby.stop(Shutdown::Fast).await?;
        let idle = wait_for_slot(&writer, "standby1", false).await?;
        let before: Lsn = writer.value(WRITTEN).await?;
        let rows = lab.scaled(10_000);
        writer.run(&format!("SELECT insert_bulk_users({rows})")).await?;
        writer.run("SELECT pg_switch_wal()").await?;
        writer.run("INSERT INTO products (name, price) VALUES ('one', 1)").await?;
        writer.run("CHECKPOINT").await?;
        let after: Lsn = writer.value(WRITTEN).await?;
        let written = bytes_between(before, after);
        let slot = stat::slot(&writer, "standby1").await?;
        lab.measure("WAL written while the standby is down", Reading::Bytes(written));
        lab.key_figure("WAL retained by the slot", Reading::Bytes(slot.retained().unwrap_or(0)));
        let inactive = lab.must_be("is the slot active without the standby", slot.active, false);
        let stands = slot.restart_lsn.is_some() && slot.restart_lsn == idle.restart_lsn;
        let stands = lab.must_be("is restart_lsn where it was at the stop", stands, true);
        let kept = slot.retained() >= Some(written);
        let kept = lab.must_be("does the slot retain all WAL since the stop", kept, true);
        let file: bool = writer.value(OLDEST_THERE).await?;
        let file = lab.must_be("is the WAL file of restart_lsn still in pg_wal", file, true);

        lab.step("The standby is started again");
        let called = Instant::now();
        standby.start().await?;
        wait_for_streaming(&writer, &["standby1"]).await?;
        wait_for_no_lag(&writer, "standby1").await?;
        lab.key_figure("from the standby's start until it had no lag", called.elapsed());
        let slot = wait_for_slot(&writer, "standby1", true).await?;
        let active = lab.must_be("is the slot active again", slot.active, true);
        let reader = standby.session().await?;
        lab.must_be("users on the primary", writer.count(USERS).await?, rows);
        let whole = lab.must_be("users on the standby", reader.count(USERS).await?, rows);

        lab.learn(
            "A slot retains WAL for a standby that is down, from the slot's restart_lsn on, through \
             checkpoints (unless max_slot_wal_keep_size limits it).",
            [&inactive, &stands, &kept, &file],
        );
        lab.learn(
            "A standby that starts again connects by itself, and gets all rows while the WAL is there.",
            [&active, &whole],
        );
        Ok(())
    });
}

const OLDEST_THERE: &str = "SELECT count(*) = 1 FROM pg_ls_waldir() \
     WHERE name = (SELECT pg_walfile_name(restart_lsn) FROM pg_replication_slots)";
