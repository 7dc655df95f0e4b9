//! The primary's WAL archive, and a standby that reads it. Nothing here rebuilds the standby.

use replication_lab::{Cluster, Result, Script, Session};

/// How the standby fetches a WAL file from the primary's archive. It stands for whatever reaches an
/// archive in production: a shared directory, `scp`, an object store's client. It fails where the archive
/// has no such file, as a `restore_command` must (manual: Recovering Using a Continuous Archive Backup).
const RESTORE: &str = "PGSERVICEFILE=../services psql service=primary -XAtc \
     \"SELECT encode(pg_read_binary_file('../archive/%f'), 'base64')\" >../fetched \
     && base64 -d ../fetched >%p";

/// Sets a `restore_command` on the standby. The next start reads it, on every version.
pub(super) async fn set_restore_command(pair: &Cluster, reader: &Session) -> Result<()> {
    let (host, port) = pair.link("standby1")?.address();
    let config = pair.primary().config();
    let password = config.get_password().map(String::from_utf8_lossy).unwrap_or_default();
    let services =
        format!("[primary]\nhost={host}\nport={port}\nuser=postgres\npassword={password}\n");
    // The address and the password are in a file, because the notebook shows the setting.
    let write = Script::new("umask 077 && printf %s \"$SERVICES\" >../services");
    pair.standby()?.host().run(&write.with("SERVICES", services)).await?;
    let command = RESTORE.replace('\'', "''");
    reader.run(&format!("ALTER SYSTEM SET restore_command = '{command}'")).await
}
