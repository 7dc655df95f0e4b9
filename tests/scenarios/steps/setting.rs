//! The settings of a server that runs, changed by a reload. It never restarts the server.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Node, Result};

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
