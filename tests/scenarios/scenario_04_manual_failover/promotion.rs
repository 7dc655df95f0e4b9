//! A standby is promoted after its primary has stopped. No row is lost here.

use std::time::Instant;

use macro_rules_attribute::apply;
use replication_lab::Topology;
use replication_lab::record::Reading;
use replication_lab::wal::{Lsn, Timeline, bytes_between};
use rstest::{Context, rstest};
use tokio_postgres::config::TargetSessionAttrs::ReadWrite;

use super::split_brain::{FILL, must_be_on};
use crate::steps::reads::SERVER;
use crate::steps::shop::{ADD_PRODUCT, PRODUCTS};
use crate::steps::shutdown::shut_down_and_replay;
use crate::support::{Lab, exercise, scenario};

/// A promoted standby has every row that it replayed and accepts writes, and a client that asks for
/// `target_session_attrs=read-write` reaches it with the connection string that it had.
///
/// Method: replay everything, stop the primary, `pg_promote()`, connect with the same string.
#[apply(exercise)]
#[rstest]
fn promote(#[context] test: Context) {
    let about = "A promoted standby has every row that it replayed and accepts writes; a client with \
                 target_session_attrs=read-write reaches it without a new connection string";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary and a standby that has replayed everything");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run(FILL).await?;
        pair.wait_for_catchup("standby1").await?;
        lab.must_be("rows on the primary", writer.count(PRODUCTS).await?, 1000_u64);
        let before = lab.must_be("rows on the standby", reader.count(PRODUCTS).await?, 1000_u64);

        lab.step("Before the failover: the server for writes, and what each server refuses");
        let found = pair.client(ReadWrite).await?.value::<String>(SERVER).await?;
        let first = "server that a client with target_session_attrs=read-write reaches";
        let first = lab.must_be(first, &found, "primary");
        let refused = reader.refusal(ADD_PRODUCT).await?;
        let read_only =
            lab.must_be("SQLSTATE of an INSERT on the standby", refused.sqlstate(), "25006");
        lab.fact("answer to an INSERT on the standby", &refused);
        let refused = writer.refusal("SELECT pg_promote()").await?;
        lab.must_be("SQLSTATE of pg_promote() on the primary", refused.sqlstate(), "55000");
        lab.fact("answer to pg_promote() on the primary", &refused);

        lab.step(
            "The primary stops; pg_controldata shows where its last WAL record is, and the standby is \
             promoted once it has replayed that record",
        );
        shut_down_and_replay(lab, primary, &reader).await?;
        let called = Instant::now();
        standby.promote().await?;
        let client = pair.client(ReadWrite).await?;
        client.run(ADD_PRODUCT).await?;
        lab.key_figure("from pg_promote() to the first row that a client wrote", called.elapsed());
        let found = client.value::<String>(SERVER).await?;
        let then = "server that the same connection string reaches after the promotion";
        let then = lab.must_be(then, &found, "standby1");
        let added = reader.execute(ADD_PRODUCT, &[]).await?;
        let writes = "rows that the session with the refused INSERT inserts after the promotion";
        let writes = lab.must_be(writes, added, 1);

        lab.step("What the new primary has of the rows from before");
        let kept = reader.count("SELECT count(*) FROM products WHERE id <= 1000").await?;
        let kept = lab.must_be("rows on the new primary, of the 1000 from before", kept, 1000);
        let id = reader.count("SELECT min(id) FROM products WHERE id > 1000").await?;
        let id = lab.fact("id of the first row that was inserted after the promotion", id);

        lab.learn(
            "A standby refuses INSERT with 25006 until it is promoted; a session that stays open \
             across the promotion can write afterwards.",
            [&read_only, &writes],
        );
        lab.learn("A promotion keeps every row that the standby had replayed.", [&before, &kept]);
        lab.learn(
            "A client whose connection string names both servers and target_session_attrs=read-write \
             needs no new connection string after a failover.",
            [&first, &then],
        );
        lab.learn(
            "Ids of a sequence can have a gap after a promotion, because the WAL has a sequence's \
             values ahead of their use.",
            [&id],
        );
        Ok(())
    });
}

/// A promotion starts timeline 2 exactly where the standby's replay ended.
///
/// Method: stop the primary, wait until the standby has replayed its last record, `pg_promote()`,
/// and read the timeline wherever it shows.
#[apply(exercise)]
#[rstest]
fn timeline(#[context] test: Context) {
    let about = "A promotion starts a new timeline at the position where the standby's replay ended (a GTID of \
                 MySQL names a transaction, a timeline names a history)";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair on timeline 1");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        let [name, control] = must_be_on(lab, &writer, "before the promotion", [1, 1]).await?;

        lab.step(
            "The primary stops; pg_controldata shows where its last WAL record, the shutdown \
             checkpoint, is, and the standby replays that record",
        );
        let replayed = shut_down_and_replay(lab, primary, &reader).await?;
        lab.measure("last position that the standby replayed", replayed);

        lab.step("The standby is promoted, and makes a checkpoint");
        standby.promote().await?;
        reader.run("CHECKPOINT").await?;
        let [new_name, new_control] =
            must_be_on(lab, &reader, "after the promotion and a checkpoint", [2, 2]).await?;
        let written: Lsn = reader.value("SELECT pg_current_wal_lsn()").await?;
        lab.key_figure("WAL since the promotion", Reading::Bytes(bytes_between(replayed, written)));
        let branch = standby.branch(Timeline(2)).await?;
        let parent = lab.must_be("00000002.history: parent timeline", branch.parent, Timeline(1));
        let exactly =
            "00000002.history: is the fork at the last position that the standby replayed";
        let exactly = lab.must_be(exactly, branch.at == replayed, true);
        let reason = lab.fact("00000002.history: reason", branch.reason);

        lab.learn(
            "A promotion starts a new timeline. It shows in the name of every WAL file written from \
             then on, in the control file after the next checkpoint, and in a history file that names \
             the parent timeline, the position of the fork and the reason.",
            [&name, &control, &new_name, &new_control, &parent, &reason],
        );
        lab.learn(
            "The new timeline begins at the last position that the standby had replayed.",
            [&exactly],
        );
        Ok(())
    });
}
