//! What tells a standby from a primary: variables, and the file `standby.signal`. Nothing here
//! compares statements.

use replication_lab::{Result, Session, Shutdown, Topology};
use rstest::{Context, rstest};

use crate::steps::shop::ADD_PRODUCT;
use crate::support::{Lab, scenario};

/// Four settings tell a standby from a primary that was told to be read-only, and only one of the two
/// can be talked out of it.
///
/// Method: look on a primary, in a session with `default_transaction_read_only`, and on a standby; try
/// to write in each; promote, and try again in the sessions that were open.
#[rstest]
fn variables(#[context] test: Context) {
    let about =
        "What tells a standby from a read-only session, and which of the two can be talked out";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary, a session there that is read-only by default, and a standby");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, shy) = (primary.session().await?, primary.session().await?);
        let reader = standby.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        pair.wait_for_catchup("standby1").await?;
        shy.run("SET default_transaction_read_only = on").await?;
        let open = lab.fact(&format!("on a primary: {NAMES}"), variables_of(&writer).await?);
        let shy_ones = lab.fact("in the read-only session", variables_of(&shy).await?);
        let standbys = lab.fact("on a standby", variables_of(&reader).await?);

        lab.step("Both refuse a write; one of them can be talked out of it");
        let refused = shy.refusal(ADD_PRODUCT).await?;
        let shy_refusal =
            lab.must_be("SQLSTATE in the read-only session", refused.sqlstate(), "25006");
        shy.run("SET default_transaction_read_only = off").await?;
        let added = shy.execute(ADD_PRODUCT, &[]).await?;
        let talked = lab.must_be("rows it adds once that is off", added, 1);
        reader.run("SET default_transaction_read_only = off").await?;
        let refused = reader.refusal(ADD_PRODUCT).await?;
        let firm =
            lab.must_be("SQLSTATE on the standby after the same", refused.sqlstate(), "25006");
        let refused = reader.refusal("SET transaction_read_only = off").await?;
        lab.fact("what the standby says to more than that", &refused);
        pair.wait_for_catchup("standby1").await?;

        lab.step("Sessions and transactions that are open across a promotion");
        let pending = standby.session().await?;
        pending.run("BEGIN").await?;
        pending.value::<i64>("SELECT count(*) FROM products").await?;
        primary.stop(Shutdown::Fast).await?;
        standby.promote().await?;
        let added = reader.execute(ADD_PRODUCT, &[]).await?;
        let session = lab.must_be("rows that the session adds then", added, 1);
        let refused = pending.refusal(ADD_PRODUCT).await?;
        let transaction = lab.must_be("SQLSTATE in the transaction", refused.sqlstate(), "25006");
        pending.run("ROLLBACK").await?;
        let added = pending.execute(ADD_PRODUCT, &[]).await?;
        let next = lab.must_be("rows that its session adds after it", added, 1);

        lab.learn(
            "pg_is_in_recovery() says whether a server is a standby; the read-only settings do not.",
            [&open, &shy_ones, &standbys],
        );
        lab.learn(
            "A read-only session is a promise that it can take back; a standby cannot be talked out.",
            [&shy_refusal, &talked, &firm],
        );
        lab.learn(
            "A session that was open across a promotion writes afterwards; a transaction that was open \
             stays read-only to its end.",
            [&session, &transaction, &next],
        );
        Ok(())
    });
}

/// `standby.signal` makes a server a standby. Without it the same data open read-write on the same
/// timeline, and nobody can tell the two primaries apart.
///
/// Method: rebuild a standby with `pg_basebackup -R` and look at what it wrote; delete the file and
/// start; promote another standby for comparison.
#[rstest]
fn standby_signal(#[context] test: Context) {
    let about =
        "standby.signal makes a standby; without it there are two primaries on one timeline";
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
        let auto = lab.must_be("settings in postgresql.auto.conf", settings, wrote);
        let size = standby.run("wc -c <\"$PGDATA/standby.signal\"").await?;
        let empty = lab.must_be("bytes in standby.signal", size.trim(), "0");

        lab.step("Without that file it opens for writes, and still on timeline 1");
        standby.run("rm \"$PGDATA/standby.signal\"").await?;
        standby.start().await?;
        let stray = standby.session().await?;
        let opened: bool = stray.value("SELECT pg_is_in_recovery()").await?;
        let opened = lab.must_be("is it in recovery", opened, false);
        let added =
            [writer.execute(ADD_PRODUCT, &[]).await?, stray.execute(ADD_PRODUCT, &[]).await?];
        let both = lab.must_be("rows that each of the two adds", added, [1, 1]);
        let seen = [timeline(&writer).await?, timeline(&stray).await?];
        let same = lab.must_be("timelines of the two", seen, [1, 1]);
        let seen = writer.value::<String>(SYSTEM).await? == stray.value::<String>(SYSTEM).await?;
        let system = lab.must_be("have they the same system identifier", seen, true);

        lab.step("A promotion of the other standby, for comparison");
        let promoted = pair.node("standby2")?;
        promoted.promote().await?;
        let seen = timeline(&promoted.session().await?).await?;
        let promotion = lab.must_be("its timeline", seen, 2_u32);

        lab.learn(
            "pg_basebackup -R writes how to reach the primary, and an empty file that makes a standby.",
            [&auto, &empty],
        );
        lab.learn(
            "Who deletes standby.signal and starts has a second primary that no timeline tells from the \
             first.",
            [&opened, &both, &same, &system],
        );
        lab.learn("A promotion starts a timeline of its own.", [&promotion]);
        Ok(())
    });
}

const NAMES: &str = "pg_is_in_recovery(), transaction_read_only, default_transaction_read_only, \
                     in_hot_standby";
const VARIABLES: &str = "SELECT concat_ws(', ', pg_is_in_recovery(), \
                         current_setting('transaction_read_only'), \
                         current_setting('default_transaction_read_only'), \
                         coalesce(current_setting('in_hot_standby', true), 'unknown'))";
const WRITTEN_BY_R: &str = "grep -o '^[a-z_]*' \"$PGDATA/postgresql.auto.conf\" | sort";
const SYSTEM: &str = "SELECT system_identifier::text FROM pg_control_system()";

async fn variables_of(session: &Session) -> Result<String> {
    session.value(VARIABLES).await
}

/// The timeline of a server, from its last checkpoint.
async fn timeline(session: &Session) -> Result<u32> {
    session.run("CHECKPOINT").await?;
    let timeline: i32 = session.value("SELECT timeline_id FROM pg_control_checkpoint()").await?;
    Ok(timeline.unsigned_abs())
}
