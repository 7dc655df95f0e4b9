//! A standby is promoted after its primary has stopped. No row is lost here.

use std::time::Instant;

use replication_lab::catchup::wait_for_replay_of;
use replication_lab::record::Reading;
use replication_lab::wal::{Lsn, Timeline, bytes_between};
use replication_lab::{Shutdown, Topology};
use rstest::{Context, rstest};
use tokio_postgres::config::TargetSessionAttrs::ReadWrite;

use super::split_brain::{FILL, timelines};
use crate::steps::shop::{ADD_PRODUCT, PRODUCTS};
use crate::support::{Lab, scenario};

const WHO: &str = "SELECT current_setting('cluster_name')";

/// A promoted standby has every row and takes writes, and clients that ask for a server to write to
/// find it by themselves.
///
/// Method: replay everything, stop the primary, `pg_promote()`, connect with the same string.
#[rstest]
fn promote(#[context] test: Context) {
    let about = "A promoted standby has every row and takes writes; clients find it by themselves";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair, and a standby that has replayed everything");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run(FILL).await?;
        pair.wait_for_catchup("standby1").await?;
        let both = [writer.count(PRODUCTS).await?, reader.count(PRODUCTS).await?];
        let rows_before = lab.must_be("rows on the primary and on the standby", both, [1000, 1000]);

        lab.step("Who may write, and who may promote");
        let found = pair.client(ReadWrite).await?.value::<String>(WHO).await?;
        let found_before =
            lab.must_be("a client that asks for read-write reaches", &found, "primary");
        let refused = reader.refusal(ADD_PRODUCT).await?;
        let read_only =
            lab.must_be("SQLSTATE of a write on the standby", refused.sqlstate(), "25006");
        lab.fact("what the standby says", &refused);
        let refused = writer.refusal("SELECT pg_promote()").await?;
        lab.must_be("SQLSTATE of a promotion of the primary", refused.sqlstate(), "55000");
        lab.fact("what the primary says", &refused);

        lab.step("The primary stops, and the standby is promoted");
        primary.stop(Shutdown::Fast).await?;
        wait_for_replay_of(&reader, primary.last_checkpoint().await?).await?;
        let called = Instant::now();
        standby.promote().await?;
        let client = pair.client(ReadWrite).await?;
        client.run(ADD_PRODUCT).await?;
        lab.key_figure("from pg_promote() to the first row that a client wrote", called.elapsed());
        let found = client.value::<String>(WHO).await?;
        let found_after = lab.must_be("the same connection string now reaches", &found, "standby1");
        let added = reader.execute(ADD_PRODUCT, &[]).await?;
        let same_session = lab.must_be("rows the refused session adds now", added, 1);

        lab.step("What was lost");
        let kept = reader.count("SELECT count(*) FROM products WHERE id <= 1000").await?;
        let kept = lab.must_be("rows of 1000 that are there", kept, 1000);
        let id = reader.count("SELECT min(id) FROM products WHERE id > 1000").await?;
        let id = lab.fact("id of the first row after row 1000", id);

        lab.learn("A standby refuses to write until it is promoted.", [&read_only, &same_session]);
        lab.learn("What was replayed is kept by a promotion.", [&rows_before, &kept]);
        lab.learn(
            "A client that names both servers and asks for read-write needs no new connection string.",
            [&found_before, &found_after],
        );
        lab.learn("A promotion may skip ids: sequences are logged ahead of their use.", [&id]);
        Ok(())
    });
}

/// A promotion starts timeline 2 exactly where the standby's replay ended.
///
/// Method: stop the primary, wait until the standby has replayed its last record, `pg_promote()`,
/// and look wherever a timeline shows.
#[rstest]
fn timeline(#[context] test: Context) {
    let about = "A promotion starts a new timeline, exactly where the standby's replay ended";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair on timeline 1");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        let seen = timelines(&writer).await?;
        let before = lab.must_be("timeline of the WAL file and of the control file", seen, [1, 1]);

        lab.step("The primary stops; the standby replays its last record, the shutdown checkpoint");
        primary.stop(Shutdown::Fast).await?;
        let replayed = wait_for_replay_of(&reader, primary.last_checkpoint().await?).await?;
        lab.measure("last position replayed", replayed);

        lab.step("The standby is promoted");
        standby.promote().await?;
        reader.run("CHECKPOINT").await?;
        let seen = timelines(&reader).await?;
        let after =
            lab.must_be("timeline of the WAL file and of the control file then", seen, [2, 2]);
        let written: Lsn = reader.value("SELECT pg_current_wal_lsn()").await?;
        lab.key_figure("WAL since the promotion", Reading::Bytes(bytes_between(replayed, written)));
        let branch = standby.branch(Timeline(2)).await?;
        let parent = lab.must_be("00000002.history: branched off", branch.parent, Timeline(1));
        let exactly = branch.at == replayed;
        let exactly = lab.must_be("00000002.history: at the last position replayed", exactly, true);
        lab.fact("00000002.history: reason", branch.reason);

        lab.learn(
            "A promotion counts the timeline up: in the name of every new WAL file, in the control \
             file, and in a history file that says where and why.",
            [&before, &after, &parent],
        );
        lab.learn("The new timeline begins where replay ended, and nowhere earlier.", [&exactly]);
        Ok(())
    });
}
