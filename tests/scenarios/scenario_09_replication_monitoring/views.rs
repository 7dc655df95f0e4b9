//! The monitoring views, read on both servers by a role with `pg_monitor` alone. Nothing here raises an
//! alert.

use macro_rules_attribute::apply;
use replication_lab::Topology;
use replication_lab::catchup::wait_for_no_lag;
use rstest::{Context, rstest};

use super::judges::{install, session_as};
use super::questions::{DASHBOARD, HISTORY, SLOTS, STANDBY, WAL, line};
use crate::support::{Lab, exercise, scenario};

/// One set of views works in every version, on a primary and on a standby.
///
/// Method: create the views on the primary; a role with `pg_monitor` alone reads each on both servers.
#[apply(exercise)]
#[rstest]
fn queries(#[context] test: Context) {
    let about =
        "The same views work on a primary and on a standby, for a role with pg_monitor alone";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair, the views, and a role with pg_monitor");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let writer = primary.session().await?;
        install(&writer).await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let (above, below) =
            (session_as(primary, "monitor").await?, session_as(standby, "monitor").await?);

        lab.step("The view replication_dashboard on both servers");
        let seen = line(&above, DASHBOARD).await?;
        let up = lab.must_be(
            "replication_dashboard on the primary",
            seen,
            "primary, timeline 1: standbys that stream: 1, inactive slots: 0, no alert",
        );
        let seen = line(&below, DASHBOARD).await?;
        let down = lab.must_be(
            "replication_dashboard on the standby",
            seen,
            "standby, timeline 1: receiver streaming, no alert",
        );

        lab.step("The views slot_health, wal_statistics and standby_health on both servers");
        let seen = line(&above, SLOTS).await?;
        let expected = "standby1 physical, used by standby1, reserved";
        let slots = lab.must_be("slot_health on the primary", seen, expected);
        let seen = line(&below, SLOTS).await?;
        let no_slots = lab.must_be("slot_health on the standby", seen, "none");
        let expected = "WAL files on disk: yes, archiving: no";
        let seen = line(&above, WAL).await?;
        let wal = lab.must_be("wal_statistics on the primary", seen, expected);
        let seen = line(&below, WAL).await?;
        let wal_below = lab.must_be("wal_statistics on the standby", seen, expected);
        let seen = line(&below, STANDBY).await?;
        let expected = "the walreceiver hears from its upstream: yes, less than 1 MB behind: yes";
        let side = lab.must_be("standby_health on the standby", seen, expected);
        lab.must_be("standby_health on the primary", line(&above, STANDBY).await?, "none");

        lab.step("The history: the function is called twice, on the standby, and with keep = 0 s");
        writer.run("SELECT note_replication(), note_replication(keep => '1 hour')").await?;
        let seen = line(&above, HISTORY).await?;
        let past = lab.must_be("replication_history after two calls", seen, NOTED_TWICE);
        let reader = standby.session().await?;
        let noted = reader.count("SELECT note_replication()").await?;
        let nothing = lab.must_be("rows inserted by a call on the standby", noted, 0_u64);
        writer.run("SELECT note_replication(keep => '0 s')").await?;
        let seen = line(&above, HISTORY).await?;
        let kept = lab.must_be("replication_history after a call that keeps 0 s", seen, NOTED_ONCE);

        lab.learn("One dashboard view works on a primary and on a standby.", [&up, &down]);
        lab.learn(
            "pg_monitor is enough to read all of these views on both servers.",
            [&up, &down, &slots, &no_slots, &wal, &wal_below, &side],
        );
        lab.learn(
            "Only the primary can write this history; the function inserts nothing on a standby, and \
             deletes rows that are older than it must keep.",
            [&past, &nothing, &kept],
        );
        Ok(())
    });
}

const NOTED_TWICE: &str = "rows: 2, standby: standby1, state: streaming, worst severity: OK";
const NOTED_ONCE: &str = "rows: 1, standby: standby1, state: streaming, worst severity: OK";
