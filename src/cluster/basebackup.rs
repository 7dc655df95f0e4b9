//! A standby's data directory: from a base backup over its link, from the template that its primary
//! started from, or its own data with the configuration of a standby. Nothing here starts a server.

use crate::conf::{Conf, conninfo};
use crate::error::Result;
use crate::host::script::Script;
use crate::link::Link;
use crate::node::Node;
use crate::password::Password;
use crate::site::template::Template;

/// The role that standbys connect as; REPLICATION is its only attribute.
pub(crate) const REPLICATOR: &str = "replicator";

/// The way from a standby to its upstream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Source<'a> {
    /// The relay that the standby connects to.
    pub link: &'a Link,
    /// The password of the role `replicator`.
    pub password: &'a Password,
    /// The slot that the standby streams through, if there is one.
    pub slot: Option<&'a str>,
}

impl Source<'_> {
    /// Returns `primary_conninfo`, without the password. It sets no `application_name`: that of a
    /// standby is its `cluster_name`. A base backup has another one, or PostgreSQL could count it
    /// as a synchronous standby.
    pub fn conninfo(&self) -> String {
        let (host, port) = self.link.address();
        conninfo(&[("host", host), ("port", &port.to_string()), ("user", REPLICATOR)])
    }
}

/// Options of a base backup (manual: `pg_basebackup`).
///
/// ```no_run
/// # async fn example(cluster: &replication_lab::Cluster) -> replication_lab::Result<()> {
/// use replication_lab::BackupOptions;
/// cluster.rebuild_with("standby1", &BackupOptions::default().max_rate_mb(16)).await
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupOptions {
    spread: bool,
    max_rate_mb: Option<u32>,
}

impl BackupOptions {
    /// Limits the transfer to this many megabytes per second; PostgreSQL accepts 1 to 1024.
    #[must_use]
    pub fn max_rate_mb(mut self, megabytes: u32) -> Self {
        self.max_rate_mb = Some(megabytes);
        self
    }

    /// Spreads the checkpoint before the backup over time. By default it is a fast one.
    #[must_use]
    pub fn spread_checkpoint(mut self) -> Self {
        self.spread = true;
        self
    }
}

/// Empties a stopped node's data directory and fills it with `pg_basebackup -R` (manual:
/// `pg_basebackup`).
pub(super) async fn base_backup(
    node: &Node,
    source: &Source<'_>,
    options: &BackupOptions,
    conf: &Conf,
) -> Result<()> {
    let checkpoint = if options.spread { "spread" } else { "fast" };
    let slot = source.slot.map_or(String::new(), |slot| format!(" -S {slot}"));
    let rate = options.max_rate_mb.map_or(String::new(), |rate| format!(" --max-rate={rate}M"));
    let line = format!(
        "rm -rf \"$PGDATA\"/* && \
         pg_basebackup -D \"$PGDATA\" -d \"$UPSTREAM\" -R -X stream -c {checkpoint}{slot}{rate}"
    );
    let script = Script::new(line).with("UPSTREAM", source.conninfo());
    node.prepare(script.with("PGPASSWORD", source.password.as_str()), conf).await.map(drop)
}

/// Fills a node's empty data directory from the template, which is a cold backup; with a source, it
/// becomes a standby.
pub(super) async fn from_template(
    node: &Node,
    template: &Template,
    source: Option<&Source<'_>>,
    conf: &Conf,
) -> Result<()> {
    let mut fill = template.fill();
    if let Some(source) = source {
        fill.line += " && ";
        fill.line += STANDBY;
        fill = fill.with("AUTO", auto_conf(source));
    }
    node.prepare(fill, conf).await.map(drop)
}

/// Writes `standby.signal` and the connection to the upstream, as `pg_basebackup -R` does.
pub(super) async fn configure_standby(node: &Node, source: &Source<'_>) -> Result<()> {
    let script = Script::new(format!("cd \"$PGDATA\" && {STANDBY}"));
    node.run_recorded(STANDBY, &script.with("AUTO", auto_conf(source))).await.map(drop)
}

/// Writes the files that make a server a standby. Of two settings with one name in
/// `postgresql.auto.conf` the last one counts, so the lines are appended.
const STANDBY: &str = ": >standby.signal && printf %s \"$AUTO\" >>postgresql.auto.conf";

/// Returns the connection to the upstream, as lines of `postgresql.auto.conf`.
fn auto_conf(source: &Source<'_>) -> String {
    let password = conninfo(&[("password", source.password.as_str())]);
    let auto = Conf::new().set("primary_conninfo", format!("{} {password}", source.conninfo()));
    let slot = source.slot.into_iter();
    slot.fold(auto, |auto, slot| auto.set("primary_slot_name", slot)).lines()
}
