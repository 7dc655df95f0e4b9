//! Faults on links and servers, with real servers on the chosen host.

use std::time::Duration;

use pretty_assertions::assert_eq;
use replication_lab::wait::{Seen, stays};
use replication_lab::{Direction, Session, Topology, stat};

use crate::support::within_deadline;

/// While a link is cut nothing arrives and no connection ends; healed, the standby catches up by
/// itself. Method: cut, write, watch the relay's count, the standby's rows and the walsender's row;
/// heal.
#[test]
fn a_cut_stops_replication_and_a_heal_resumes_it() {
    within_deadline(async move {
        let pair = Topology::pair().start().await?;
        let primary = pair.primary().session().await?;
        let standby = pair.standby()?.session().await?;
        primary.run("CREATE TABLE t (a int)").await?;
        pair.wait_for_catchup("standby1").await?;
        let link = pair.link("standby1")?;
        let cut = link.cut();
        let passed = || [link.bytes(Direction::ToStandby), link.bytes(Direction::ToUpstream)];
        let before = passed();
        primary.run("INSERT INTO t VALUES (1)").await?;
        stays("no byte passes and no row arrives", Duration::from_millis(500), || async {
            let rows: i64 = standby.value("SELECT count(*) FROM t").await?;
            Ok(match (passed() == before, rows) {
                (true, 0) => Seen::Done(()),
                (_, rows) => Seen::NotYet(format!("{:?} bytes, {rows} rows", passed())),
            })
        })
        .await?;
        let there = stat::replication(&primary).await?;
        assert_eq!(there.iter().map(|row| row.state.as_str()).collect::<Vec<_>>(), ["streaming"]);
        cut.heal();
        pair.wait_for_catchup("standby1").await?;
        assert_eq!(standby.value::<i64>("SELECT count(*) FROM t").await?, 1);
        Ok(pair.stop().await?)
    });
}

/// After a reset the standby reconnects by itself, and no row is lost.
#[test]
fn a_reset_is_survived_without_a_hand() {
    within_deadline(async move {
        let pair = Topology::pair().start().await?;
        let primary = pair.primary().session().await?;
        let standby = pair.standby()?;
        primary.run("CREATE TABLE t (a int)").await?;
        pair.wait_for_catchup("standby1").await?;
        pair.link("standby1")?.reset();
        primary.run("INSERT INTO t VALUES (1)").await?;
        pair.wait_for_catchup("standby1").await?;
        assert_eq!(standby.session().await?.value::<i64>("SELECT count(*) FROM t").await?, 1);
        let log = standby.log().await?;
        let (received, sent) = ("could not receive data from WAL", "could not send data to WAL");
        assert!(log.contains(received) || log.contains(sent), "{log}");
        Ok(pair.stop().await?)
    });
}

/// A frozen server answers no client, and its upstream does not notice; thawed, it goes on. Method:
/// freeze a standby, write, ask it over an open session; thaw; once more by a drop.
#[test]
fn a_frozen_server_says_nothing_and_a_thawed_one_goes_on() {
    within_deadline(async move {
        let pair = Topology::pair().start().await?;
        let primary = pair.primary().session().await?;
        let standby = pair.standby()?;
        let reader = standby.session().await?;
        primary.run("CREATE TABLE t (a int)").await?;
        pair.wait_for_catchup("standby1").await?;
        for round in 1..=2_i64 {
            let frozen = standby.freeze().await?;
            primary.run("INSERT INTO t VALUES (1)").await?;
            assert!(is_silent(&reader).await, "a frozen server answered");
            let there = stat::replication_to(&primary, "standby1").await?;
            assert_eq!(there.map(|row| row.state).as_deref(), Some("streaming"));
            match round {
                1 => frozen.thaw().await?,
                _ => drop(frozen),
            }
            pair.wait_for_catchup("standby1").await?;
            assert_eq!(reader.value::<i64>("SELECT count(*) FROM t").await?, round);
        }
        Ok(pair.stop().await?)
    });
}

/// One kind of process can be frozen by itself; a kind that does not exist is an error.
#[test]
fn a_frozen_walreceiver_leaves_the_readers_alone() {
    within_deadline(async move {
        let pair = Topology::pair().start().await?;
        let standby = pair.standby()?;
        let reader = standby.session().await?;
        let frozen = standby.freeze_processes("walreceiver").await?;
        assert!(!is_silent(&reader).await, "a reader must not notice");
        drop(frozen);
        let missing = standby.freeze_processes("walsender").await.unwrap_err();
        assert!(missing.is_not_found());
        assert!(missing.to_string().contains("walreceiver"), "{missing}");
        Ok(pair.stop().await?)
    });
}

/// A frozen cluster is removed like any other, even while its guard exists.
#[test]
fn a_frozen_cluster_is_taken_away() {
    within_deadline(async move {
        let pair = Topology::pair().start().await?;
        let primary = pair.primary().freeze().await?;
        let standby = pair.standby()?.freeze().await?;
        pair.stop().await?;
        drop((primary, standby));
        Ok(())
    });
}

async fn is_silent(session: &Session) -> bool {
    let answer = session.value::<i32>("SELECT 1");
    tokio::time::timeout(Duration::from_millis(500), answer).await.is_err()
}

/// A fenced server does not run, and takes no writes when it is started again. Method: fence a
/// running primary, start it, write.
#[test]
fn a_fenced_primary_takes_no_writes() {
    within_deadline(async move {
        let alone = Topology::alone().start().await?;
        let primary = alone.primary();
        primary.session().await?.run("CREATE TABLE t (a int)").await?;
        primary.fence().await?;
        assert!(primary.session().await.is_err(), "it does not run");
        primary.start().await?;
        let refused = primary.session().await?.refusal("INSERT INTO t VALUES (1)").await?;
        assert_eq!(refused.sqlstate(), "25006");
        Ok(alone.stop().await?)
    });
}
