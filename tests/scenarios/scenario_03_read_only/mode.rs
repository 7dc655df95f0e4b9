//! What distinguishes a standby from a primary: variables, and the file `standby.signal`. Nothing here
//! compares statements.

use macro_rules_attribute::apply;
use replication_lab::wal::Timeline;
use replication_lab::{Result, Session, Shutdown, Topology, stat};
use rstest::{Context, rstest};

use crate::steps::shop::ADD_PRODUCT;
use crate::steps::shutdown::shut_down;
use crate::support::{Lab, exercise, scenario};

/// A server in recovery refuses writes whatever a session sets; a primary's read-only session can set
/// its own setting back and write.
///
/// Method: read four variables on a primary, in a session with `default_transaction_read_only`, and on a
/// standby; try to write in each; promote, and try again in the sessions that were open.
#[apply(exercise)]
#[rstest]
fn variables(#[context] test: Context) {
    let about =
        "A read-only session of a primary can become writable; a session of a standby cannot";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary, a session there with default_transaction_read_only, and a standby");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, shy) = (primary.session().await?, primary.session().await?);
        let reader = standby.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        pair.wait_for_catchup("standby1").await?;
        let open = lab.fact("on the primary", variables_of(&writer).await?);
        shy.run("SET default_transaction_read_only = on").await?;
        let shy_ones = lab.fact("on the primary, in that session", variables_of(&shy).await?);
        let standbys = lab.fact("on the standby", variables_of(&reader).await?);

        lab.step("Both refuse a write; the primary's session sets its setting back and writes");
        let refused = shy.refusal(ADD_PRODUCT).await?;
        let shy_refusal =
            lab.must_be("SQLSTATE in the primary's session", refused.sqlstate(), "25006");
        shy.run("SET default_transaction_read_only = off").await?;
        let added = shy.execute(ADD_PRODUCT, &[]).await?;
        let talked = lab.must_be("rows it inserts after SET … = off", added, 1);
        reader.run("SET default_transaction_read_only = off").await?;
        let refused = reader.refusal(ADD_PRODUCT).await?;
        let firm =
            lab.must_be("SQLSTATE on the standby after SET … = off", refused.sqlstate(), "25006");
        let refused = reader.refusal("SET transaction_read_only = off").await?;
        let set = lab.fact("the standby's answer to SET transaction_read_only = off", &refused);
        pair.wait_for_catchup("standby1").await?;

        lab.step("A session and a transaction that are open on the standby when it is promoted");
        let pending = standby.session().await?;
        pending.run("BEGIN").await?;
        pending.value::<i64>("SELECT count(*) FROM products").await?;
        shut_down(lab, primary).await?;
        standby.promote().await?;
        let seen = stat::timeline(&reader).await?;
        lab.must_be("timeline of standby1 after its promotion", seen, Timeline(2));
        let added = reader.execute(ADD_PRODUCT, &[]).await?;
        let session = lab.must_be("rows that the open session inserts", added, 1);
        let refused = pending.refusal(ADD_PRODUCT).await?;
        let transaction =
            lab.must_be("SQLSTATE in the open transaction", refused.sqlstate(), "25006");
        pending.run("ROLLBACK").await?;
        let added = pending.execute(ADD_PRODUCT, &[]).await?;
        let next = lab.must_be("rows that its session inserts after ROLLBACK", added, 1);

        lab.learn(
            "pg_is_in_recovery() tells a standby from a read-only session of a primary; \
             transaction_read_only does not. (It is true in archive recovery, too.)",
            [&open, &shy_ones, &standbys],
        );
        lab.learn(
            "default_transaction_read_only protects against mistakes only: the session can set it back. \
             On a standby no setting allows a write.",
            [&shy_refusal, &talked, &firm, &set],
        );
        lab.learn(
            "A session that was open across a promotion can write afterwards; a transaction that was \
             open stays read-only to its end.",
            [&session, &transaction, &next],
        );
        Ok(())
    });
}

/// With `standby.signal` a server starts as a standby. Without it the same data directory opens
/// read-write on the primary's timeline.
///
/// Method: rebuild a standby with `pg_basebackup -R` and read what it wrote; delete the file and start;
/// promote another standby for comparison.
#[apply(exercise)]
#[rstest]
fn standby_signal(#[context] test: Context) {
    let about = "A server with standby.signal is a standby; without it there are two primaries on one timeline \
                 (MySQL has START REPLICA, PostgreSQL this file and primary_conninfo)";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with two standbys, one of them made with pg_basebackup -R");
        let pair = lab.start(Topology::pair().standby("standby2")).await?;
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
        let writer = primary.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        standby.stop(Shutdown::Fast).await?;
        pair.rebuild("standby1").await?;
        let settings = standby.run(WRITTEN_BY_R).await?;
        let settings: Vec<_> = settings.split_whitespace().collect();
        let wrote = ["primary_conninfo", "primary_slot_name"];
        let auto = lab.must_be("settings that -R wrote to postgresql.auto.conf", settings, wrote);
        let size = standby.run("wc -c <\"$PGDATA/standby.signal\"").await?;
        let empty = lab.must_be("bytes in standby.signal", size.trim(), "0");

        lab.step("The standby starts without standby.signal: it opens for writes, on timeline 1");
        standby.run("rm \"$PGDATA/standby.signal\"").await?;
        standby.start().await?;
        let stray = standby.session().await?;
        let opened: bool = stray.value("SELECT pg_is_in_recovery()").await?;
        let opened = lab.must_be("is standby1 in recovery", opened, false);
        let added = writer.execute(ADD_PRODUCT, &[]).await?;
        lab.must_be("rows that the primary inserts", added, 1);
        let added = stray.execute(ADD_PRODUCT, &[]).await?;
        let both = lab.must_be("rows that standby1 inserts", added, 1);
        lab.must_be("timeline of the primary", timeline(&writer).await?, 1_u32);
        let seen = timeline(&stray).await?;
        let same = lab.must_be("timeline of standby1", seen, 1_u32);
        let seen = writer.value::<String>(SYSTEM).await? == stray.value::<String>(SYSTEM).await?;
        let system = lab.must_be("do both have the same system identifier", seen, true);

        lab.step("The other standby is promoted, for comparison");
        let promoted = pair.node("standby2")?;
        promoted.promote().await?;
        let seen = timeline(&promoted.session().await?).await?;
        let promotion = lab.must_be("timeline of standby2", seen, 2_u32);

        lab.learn(
            "pg_basebackup -R writes primary_conninfo to postgresql.auto.conf, and an empty file, \
             standby.signal: with it the server starts as a standby.",
            [&auto, &empty],
        );
        lab.learn(
            "A standby that starts without standby.signal is a second primary on the same timeline: \
             neither timeline nor system identifier tells the two apart.",
            [&opened, &both, &same, &system],
        );
        lab.learn("A promotion starts a new timeline.", [&promotion]);
        Ok(())
    });
}

const VARIABLES: &str = "SELECT concat('pg_is_in_recovery() = ', pg_is_in_recovery(), \
     ', transaction_read_only = ', current_setting('transaction_read_only'), \
     ', default_transaction_read_only = ', current_setting('default_transaction_read_only'), \
     ', in_hot_standby = ', coalesce(current_setting('in_hot_standby', true), 'no such variable'))";
const WRITTEN_BY_R: &str = "grep -o '^[a-z_]*' \"$PGDATA/postgresql.auto.conf\" | sort";
const SYSTEM: &str = "SELECT system_identifier::text FROM pg_control_system()";

async fn variables_of(session: &Session) -> Result<String> {
    session.value(VARIABLES).await
}

/// The timeline of a server, from the control file after a checkpoint.
async fn timeline(session: &Session) -> Result<u32> {
    session.run("CHECKPOINT").await?;
    let timeline: i32 = session.value("SELECT timeline_id FROM pg_control_checkpoint()").await?;
    Ok(timeline.unsigned_abs())
}
