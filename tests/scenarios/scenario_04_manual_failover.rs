//! Scenario 04: manual failover. What a promotion does, and what it leaves to the person who
//! promotes.
//!
//! For those who come from MySQL: PostgreSQL counts promotions. The *timeline* in every WAL file's
//! name is that count, and its history file says where it branched off and why. A GTID identifies a
//! transaction; a timeline identifies a history.

use std::time::Instant;

use pretty_assertions::assert_eq;
use replication_lab::record::Reading;
use replication_lab::wal::{History, Lsn, Timeline, bytes_between};
use replication_lab::{Result, Session, Shutdown, Topology};
use rstest::rstest;
use tokio_postgres::config::TargetSessionAttrs::ReadWrite;

use crate::support::{Lab, scenario};

const FILL: &str = "INSERT INTO products (name, price) \
                    SELECT 'product ' || n, n / 100.0 FROM generate_series(1, 1000) AS n";
const ADD: &str = "INSERT INTO products (name, price) VALUES ('one more', 1)";
const WHO: &str = "SELECT current_setting('cluster_name')";

async fn rows(session: &Session) -> Result<u64> {
    session.value::<i64>("SELECT count(*) FROM products").await.map(i64::unsigned_abs)
}

/// The timeline of the WAL file that is written now.
async fn timeline(session: &Session) -> Result<Option<Timeline>> {
    let file: String = session.value("SELECT pg_walfile_name(pg_current_wal_lsn())").await?;
    Ok(Timeline::of_wal_file(&file))
}

/// A promotion starts timeline 2 exactly where the standby's replay ended, loses no row, and is
/// found by clients that ask for a server to write to.
///
/// Method: replay everything, stop the primary, `pg_promote()`, and look wherever a timeline shows.
#[rstest]
fn promote(#[context] test: rstest::Context) {
    scenario(&test, PROMOTE, async |lab: &Lab| {
        lab.step("A pair: the primary writes, the standby has replayed all of it");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.node("standby1")?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run(FILL).await?;
        pair.wait_for_catchup("standby1").await?;
        assert_eq!((rows(&writer).await?, rows(&reader).await?), (1000, 1000));
        let rows_before = lab.fact("rows on the primary and on the standby", 1000_u64);
        let old = timeline(&writer).await?;
        assert_eq!(old, Some(Timeline(1)));
        let timeline_before = lab.fact("timeline in the name of the WAL file", Timeline(1));

        lab.step("What only a primary does");
        let client = pair.client(ReadWrite).await?;
        assert_eq!(client.value::<String>(WHO).await?, "primary");
        let client_before = lab.fact("a client that asks for read-write reaches", "primary");
        let read_only = lab.fact("a write on the standby", reader.refusal(ADD).await?);
        lab.fact("its own position", reader.refusal("SELECT pg_current_wal_lsn()").await?);
        let promoted_twice =
            lab.fact("a promotion of the primary", writer.refusal(PG_PROMOTE).await?);

        lab.step("The primary stops; the standby is promoted");
        primary.stop(Shutdown::Fast).await?;
        Ok(())
    });
}
