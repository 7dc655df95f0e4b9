//! Shapes other than a pair: they come up as described, on the chosen host.

use pretty_assertions::assert_eq;
use replication_lab::{
    Notebook, Result, ServerMessage, Session, Shutdown, Standby, Topology, stat,
};

use crate::support::within_deadline;

/// Returns the standbys of this server, with their state and sync state.
async fn followers(session: &Session) -> Result<Vec<String>> {
    let rows = stat::replication(session).await?;
    let standbys =
        rows.iter().map(|row| format!("{} {} {}", row.application_name, row.state, row.sync_state));
    Ok(standbys.collect())
}

/// A chain and a synchronous rule. Method: what each upstream shows in `pg_stat_replication`.
#[test]
fn a_chain_with_a_synchronous_first_standby() {
    within_deadline(async move {
        let topology = Topology::pair()
            .standby(Standby::new("standby2").following("standby1"))
            .synchronous("FIRST 1 (standby1)")
            .set("work_mem", "5MB");
        let chain = topology.start().await?;
        let primary = chain.primary().session().await?;
        let first = chain.node("standby1")?.session().await?;
        let second = chain.node("standby2")?.session().await?;
        assert_eq!(followers(&primary).await?, ["standby1 streaming sync"]);
        assert_eq!(followers(&first).await?, ["standby2 streaming async"]);
        assert_eq!(second.value::<String>("SHOW work_mem").await?, "5MB");
        let slots = [stat::slots(&primary).await?, stat::slots(&first).await?].concat();
        let slots: Vec<_> =
            slots.iter().map(|slot| (slot.slot_name.as_str(), slot.active)).collect();
        assert_eq!(slots, [("standby1", true), ("standby2", true)]);
        primary.run("CREATE TABLE t AS SELECT 1 AS a").await?;
        chain.wait_for_catchup("standby2").await?;
        assert_eq!(second.value::<i32>("SELECT a FROM t").await?, 1);
        Ok(chain.stop().await?)
    });
}

/// A base backup makes a standby, too. Method: stop the standby, write, rebuild it from its
/// upstream, start it.
#[test]
fn a_standby_is_rebuilt_with_a_base_backup() {
    within_deadline(async move {
        let pair = Topology::pair().start().await?;
        let standby = pair.standby()?;
        standby.stop(Shutdown::Fast).await?;
        pair.primary().session().await?.run("CREATE TABLE t AS SELECT 1 AS a").await?;
        pair.rebuild("standby1").await?;
        standby.start().await?;
        pair.wait_for_catchup("standby1").await?;
        let session = standby.session().await?;
        assert_eq!(session.value::<i32>("SELECT a FROM t").await?, 1);
        assert_eq!(session.value::<String>("SHOW cluster_name").await?, "standby1");
        let primary = pair.primary().session().await?;
        assert_eq!(followers(&primary).await?, ["standby1 streaming async"]);
        Ok(pair.stop().await?)
    });
}

/// A server that crashed starts again at once, and has what it had committed.
#[test]
fn a_crashed_server_starts_again() {
    within_deadline(async move {
        let alone = Topology::alone().start().await?;
        let primary = alone.primary();
        primary.session().await?.run("CREATE TABLE t AS SELECT 1 AS a").await?;
        primary.crash().await?;
        assert!(primary.crash().await.is_err_and(|error| error.is_ended()));
        primary.start().await?;
        assert_eq!(primary.session().await?.value::<i32>("SELECT a FROM t").await?, 1);
        Ok(alone.stop().await?)
    });
}

/// Every role has a password, and only the privileges that it needs.
#[test]
fn roles_have_passwords_and_no_more_than_they_need() {
    within_deadline(async move {
        let pair = Topology::pair().start().await?;
        let primary = pair.primary().session().await?;
        let rights: Vec<_> = primary
            .rows("SELECT rolname::text, rolsuper, rolreplication, rolcreaterole, rolpassword ~ '^SCRAM-SHA-256' \
                   FROM pg_authid WHERE rolcanlogin ORDER BY rolname")
            .await?
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4)))
            .collect::<Vec<(String, bool, bool, bool, bool)>>();
        assert_eq!(
            rights,
            [
                ("postgres".to_owned(), true, true, true, true),
                ("replicator".to_owned(), false, true, false, true),
                ("rewinder".to_owned(), false, false, false, true),
            ]
        );
        let rewinder = pair.rewinder("primary")?;
        let rewinder = Session::open(&rewinder, "rewinder", &Notebook::in_memory()).await?;
        rewinder.run("SELECT pg_ls_dir('global', true, false)").await?;
        rewinder.run("SELECT pg_read_binary_file('PG_VERSION')").await?;
        for too_much in
            ["CHECKPOINT", "SELECT rolpassword FROM pg_authid", "SELECT pg_switch_wal()"]
        {
            assert_eq!(rewinder.refusal(too_much).await?.sqlstate(), "42501", "{too_much}");
        }
        let mut wrong = pair.primary().config();
        wrong.password("guessed");
        let refused = Session::open(&wrong, "primary", &Notebook::in_memory()).await;
        let refused = refused.err().ok_or("a wrong password was accepted")?;
        assert_eq!(refused.server_message().map(ServerMessage::sqlstate), Some("28P01"));
        Ok(pair.stop().await?)
    });
}

/// A cluster may be started from a spawned task.
#[test]
fn starting_a_cluster_can_be_sent_to_another_thread() {
    fn sendable(_: impl Send) {}
    sendable(Topology::pair().start());
}
