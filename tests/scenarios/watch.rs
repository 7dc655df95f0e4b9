//! Waits that several scenarios share: for a line of a log, for a slot. What comes of them is the
//! scenarios' to judge.

use replication_lab::stat::{self, Slot};
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Node, Refusal, Result, Session};

/// Waits until a server logs these words, and gives the first line that has them.
pub(crate) async fn wait_for_log(node: &Node, words: &str) -> Result<Refusal> {
    until(&format!("{} logs {words:?}", node.name()), PATIENCE, || async {
        let log = node.log().await?;
        let line = log.lines().find(|line| line.contains(words)).map(Refusal::from_log);
        Ok(line.map_or_else(|| Seen::NotYet(node.name().to_owned()), Seen::Done))
    })
    .await
}

/// Waits until somebody uses a slot, or nobody does any more.
pub(crate) async fn wait_for_slot(upstream: &Session, name: &str, active: bool) -> Result<Slot> {
    until("the slot is what it should be", PATIENCE, || async {
        let slot = stat::slot(upstream, name).await?;
        let other = Seen::NotYet(format!("{slot:?}"));
        Ok(if slot.active == active { Seen::Done(slot) } else { other })
    })
    .await
}

/// Changes a setting and waits until it is in effect. A session that is opened then comes after all
/// processes were told: the postmaster does that before it starts another one.
pub(crate) async fn set(node: &Node, name: &str, value: &str) -> Result<()> {
    let quiet = node.session_unnoted().await?;
    let session = node.session().await?;
    session.run(&format!("ALTER SYSTEM SET {name} = '{value}'")).await?;
    session.run("SELECT pg_reload_conf()").await?;
    until(&format!("{name} is {value:?}"), PATIENCE, || async {
        let shown: String = quiet.value(&format!("SHOW {name}")).await?;
        Ok(if shown == value { Seen::Done(()) } else { Seen::NotYet(shown) })
    })
    .await
}

/// Fills the rest of a WAL file, and begins the next one.
pub(crate) async fn next_wal_file(writer: &Session, small_write: &str) -> Result<()> {
    writer.run("SELECT pg_switch_wal()").await?;
    writer.run(small_write).await
}

/// A query that counts the WAL files of this name.
pub(crate) fn file_is_there(file: &str) -> String {
    format!("SELECT count(*) FROM pg_ls_waldir() WHERE name = '{file}'")
}

/// Waits until a server has so many walsenders: those of servers that stopped are gone.
pub(crate) async fn wait_for_followers(upstream: &Session, count: usize) -> Result<()> {
    until(&format!("{count} standbys are connected"), PATIENCE, || async {
        let there = stat::replication(upstream).await?;
        let others = Seen::NotYet(format!("{there:?}"));
        Ok(if there.len() == count { Seen::Done(()) } else { others })
    })
    .await
}
