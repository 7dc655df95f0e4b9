//! A standby's data directory: a base backup over its link, or the template that its primary started
//! from; or a server told to follow. Nothing here starts one.

use crate::conf::{Conf, conninfo};
use crate::error::Result;
use crate::host::script::Script;
use crate::link::Link;
use crate::node::Node;
use crate::password::Password;
use crate::site::template::Template;

/// The role standbys connect as; it has REPLICATION and nothing else.
pub(crate) const REPLICATOR: &str = "replicator";

/// How a standby reaches its upstream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Source<'a> {
    /// The relay it connects to.
    pub link: &'a Link,
    /// The password of the role `replicator`.
    pub password: &'a Password,
    /// The slot that keeps WAL for it, if there is one.
    pub slot: Option<&'a str>,
}

impl Source<'_> {
    /// `primary_conninfo`, without the password. The standby's `cluster_name` is its
    /// `application_name`; a base backup has another, or it could count as a synchronous standby.
    pub fn conninfo(&self) -> String {
        let (host, port) = self.link.address();
        conninfo(&[("host", host), ("port", &port.to_string()), ("user", REPLICATOR)])
    }
}

/// How a base backup is made (manual: `pg_basebackup`).
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
    /// Limits the transfer to this many megabytes per second; PostgreSQL takes 1 to 1024.
    #[must_use]
    pub fn max_rate_mb(mut self, megabytes: u32) -> Self {
        self.max_rate_mb = Some(megabytes);
        self
    }

    /// Lets the checkpoint before the backup take its time. By default it is a fast one.
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

/// Fills a node's empty data directory from the template, as a standby where there is somebody to
/// follow: a cold backup.
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

/// Writes `standby.signal` and how to reach the upstream, as `pg_basebackup -R` would have.
pub(super) async fn configure_standby(node: &Node, source: &Source<'_>) -> Result<()> {
    let script = Script::new(format!("cd \"$PGDATA\" && {STANDBY}"));
    node.run_recorded(STANDBY, &script.with("AUTO", auto_conf(source))).await.map(drop)
}

const STANDBY: &str = ": >standby.signal && printf %s \"$AUTO\" >>postgresql.auto.conf";

/// How to reach the upstream, as lines of `postgresql.auto.conf`.
fn auto_conf(source: &Source<'_>) -> String {
    let password = conninfo(&[("password", source.password.as_str())]);
    let auto = Conf::new().set("primary_conninfo", format!("{} {password}", source.conninfo()));
    let slot = source.slot.into_iter();
    slot.fold(auto, |auto, slot| auto.set("primary_slot_name", slot)).lines()
}
