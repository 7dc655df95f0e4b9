//! The monitoring views, read on both servers with `pg_monitor` alone. Nothing here raises an alert.

use replication_lab::Topology;
use replication_lab::catchup::wait_for_no_lag;
use rstest::{Context, rstest};

use super::alerts::{install, session_as};
use super::monitoring::{DASHBOARD, HISTORY, SLOTS, STANDBY, WAL, line};
use crate::support::{Lab, scenario};

/// One set of queries answers for every version and either role.
///
/// Method: a pair with a shop; a role with `pg_monitor` alone reads every view on both servers.
#[rstest]
fn queries(#[context] test: Context) {
    let about = "The same queries work on a primary and on a standby, with pg_monitor alone";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair, the queries, and a role that may look");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let writer = primary.session().await?;
        install(&writer).await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let (above, below) =
            (session_as(primary, "monitor").await?, session_as(standby, "monitor").await?);

        lab.step("The dashboard");
        let seen = line(&above, DASHBOARD).await?;
        let up = lab.must_be(
            "on the primary",
            seen,
            "primary, timeline 1: 1 streams, 0 idle slots, no alert",
        );
        let seen = line(&below, DASHBOARD).await?;
        let down = lab.must_be(
            "on the standby",
            seen,
            "standby, timeline 1: receiver streaming, no alert",
        );

        lab.step("Slots, WAL, the standby's side");
        let seen = line(&above, SLOTS).await?;
        let slots = lab.must_be("slots", seen, "standby1 physical, used by standby1, reserved");
        lab.must_be("slots of the standby", line(&below, SLOTS).await?, "none");
        let seen = [line(&above, WAL).await?, line(&below, WAL).await?];
        let wal =
            lab.must_be("WAL on the primary, on the standby", seen, ["files, not archived"; 2]);
        let seen = line(&below, STANDBY).await?;
        let side = lab.must_be("the standby's side", seen, "hears yes, is not behind");
        lab.must_be("the primary is no standby", line(&above, STANDBY).await?, "none");

        lab.step("History");
        writer.run("SELECT note_replication(), note_replication(keep => '1 hour')").await?;
        let seen = line(&above, HISTORY).await?;
        let past = lab.must_be("what was noted", seen, "2 times: standby1 streaming, worst OK");
        let reader = standby.session().await?;
        let noted = reader.count("SELECT note_replication()").await?;
        let nothing = lab.must_be("rows that the standby notes", noted, 0_u64);
        writer.run("SELECT note_replication(keep => '0 s')").await?;
        let seen = line(&above, HISTORY).await?;
        let kept = lab.must_be(
            "what is left when nothing old is kept",
            seen,
            "1 times: standby1 streaming, worst OK",
        );

        lab.learn("One dashboard does for both roles.", [&up, &down]);
        lab.learn("pg_monitor is enough to see everything.", [&up, &slots, &wal, &side]);
        lab.learn(
            "A history is written by the primary alone, and forgets what is old.",
            [&past, &nothing, &kept],
        );
        Ok(())
    });
}
