//! `pg_receivewal`: a receiver that writes WAL at once and flushes it at the end of a WAL file. Nothing
//! here replays.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::wal::Lsn;
use replication_lab::{Node, Result, Script, Session};

/// Starts `pg_receivewal` on the primary's machine, in the background, with a slot: only then does it
/// report what it has flushed (manual: `pg_receivewal`).
pub(super) async fn start(primary: &Node, writer: &Session) -> Result<()> {
    let config = primary.config();
    let password = config.get_password().map(String::from_utf8_lossy).unwrap_or_default();
    // The password is in a file, because the notebook shows every command line.
    let prepare = Script::new("umask 077 && printf '%s\\n' \"$LINE\" >../passfile");
    let prepare = prepare.with("LINE", format!("*:*:*:*:{password}"));
    primary.host().run(&prepare).await?;
    writer.run("SELECT pg_create_physical_replication_slot('received')").await?;
    primary.run("mkdir ../received").await?;
    let receive = "PGPASSFILE=../passfile pg_receivewal -D ../received -S received \
                   --status-interval=1 >>../log.receiver 2>&1 &";
    primary.run(receive).await.map(drop)
}

/// Waits until `pg_receivewal` has written up to `target`, and returns which positions it reports at
/// `target` or behind it.
pub(super) async fn wait_for_write(primary: &Session, target: Lsn) -> Result<String> {
    wait_for("written: yes", primary, target).await
}

/// Waits until `pg_receivewal` has flushed up to `target`, and returns which positions it reports at
/// `target` or behind it.
pub(super) async fn wait_for_flush(primary: &Session, target: Lsn) -> Result<String> {
    wait_for("flushed: yes", primary, target).await
}

async fn wait_for(what: &str, primary: &Session, target: Lsn) -> Result<String> {
    until(&format!("pg_receivewal reports {target} as {what}"), PATIENCE, || async {
        let seen = reported(primary, target).await?;
        Ok(if seen.contains(what) { Seen::Done(seen) } else { Seen::NotYet(seen) })
    })
    .await
}

const POSITIONS: &str = "SELECT write_lsn, flush_lsn FROM pg_stat_replication \
                         WHERE application_name = 'pg_receivewal'";

async fn reported(primary: &Session, target: Lsn) -> Result<String> {
    let rows = primary.rows(POSITIONS).await?;
    let position = |name: &str| rows.first().and_then(|row| row.get::<_, Option<Lsn>>(name));
    let yes = |name| if position(name) >= Some(target) { "yes" } else { "no" };
    Ok(format!("written: {}, flushed: {}", yes("write_lsn"), yes("flush_lsn")))
}
