//! A stopped node made a standby of another server: rebuilt, rewound, repointed, configured as a
//! standby. Nothing here starts or stops a node.

use super::Cluster;
use super::basebackup::{BackupOptions, base_backup, configure_standby};
use super::rewind::{dry_run, rewind, rewind_restoring_wal};
use crate::error::Result;

impl Cluster {
    /// Replaces the data directory of a stopped node by a base backup of its upstream, over its
    /// link. The node is then a standby.
    ///
    /// # Errors
    ///
    /// The cluster has no such node, or `pg_basebackup` fails.
    pub async fn rebuild(&self, node: &str) -> Result<()> {
        self.rebuild_with(node, &BackupOptions::default()).await
    }

    /// Rebuilds a stopped node as [`rebuild`](Self::rebuild) does, with options of the base backup.
    ///
    /// # Errors
    ///
    /// As those of [`rebuild`](Self::rebuild).
    pub async fn rebuild_with(&self, node: &str, options: &BackupOptions) -> Result<()> {
        let source = self.source(node)?;
        let node = self.node(node)?;
        base_backup(node, &source, options, &self.conf_of(node)).await
    }

    /// Rewinds a stopped node that diverged to the history of its upstream, over its link, and
    /// returns the output of `pg_rewind` (manual: `pg_rewind`). The upstream must have completed a
    /// checkpoint since its promotion. The node is not a standby yet: see
    /// [`configure_standby`](Self::configure_standby).
    ///
    /// # Errors
    ///
    /// The cluster has no such node, or `pg_rewind` refuses: neither `wal_log_hints` nor checksums,
    /// or WAL back to the fork is missing.
    pub async fn rewind(&self, node: &str) -> Result<String> {
        let source = self.source(node)?;
        let node = self.node(node)?;
        rewind(node, &source, &self.passwords.rewinder, &self.conf_of(node)).await
    }

    /// Rewinds as [`rewind`](Self::rewind) does, with `--restore-target-wal`: `pg_rewind` runs the
    /// `restore_command` of the node's own configuration for the WAL files that the node has removed
    /// since the last common checkpoint.
    ///
    /// # Errors
    ///
    /// As for [`rewind`](Self::rewind); also when the node's configuration has no `restore_command`, or
    /// the archive has not all of these files.
    pub async fn rewind_restoring_wal(&self, node: &str) -> Result<String> {
        let source = self.source(node)?;
        let node = self.node(node)?;
        rewind_restoring_wal(node, &source, &self.passwords.rewinder, &self.conf_of(node)).await
    }

    /// Returns what `pg_rewind` would do to a stopped node, and changes nothing. As for
    /// [`rewind`](Self::rewind), the upstream must have completed a checkpoint since its promotion.
    ///
    /// # Errors
    ///
    /// As those of [`rewind`](Self::rewind).
    pub async fn rewind_dry_run(&self, node: &str) -> Result<String> {
        let source = self.source(node)?;
        dry_run(self.node(node)?, &source, &self.passwords.rewinder).await
    }

    /// Repoints a node's link to another upstream, for connections from now on, and creates the
    /// node's slot there if it uses one. The node's own configuration does not change.
    ///
    /// # Errors
    ///
    /// The cluster has no such node, or the upstream does not answer or refuses the slot.
    pub async fn repoint(&self, node: &str, upstream: &str) -> Result<()> {
        let (source, upstream) = (self.source(node)?, self.node(upstream)?);
        source.link.repoint(upstream.endpoint());
        let Some(slot) = source.slot else { return Ok(()) };
        let sql = format!(
            "SELECT pg_create_physical_replication_slot('{slot}', true) \
             WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{slot}')"
        );
        upstream.session().await?.run(&sql).await
    }

    /// Configures a stopped node as a standby of its link's upstream and keeps its data. Does not
    /// start it.
    ///
    /// # Errors
    ///
    /// The cluster has no such node, or its files cannot be written.
    pub async fn configure_standby(&self, node: &str) -> Result<()> {
        configure_standby(self.node(node)?, &self.source(node)?).await
    }

    /// Makes a stopped server that may have diverged a standby of the promoted server: makes a
    /// checkpoint there, repoints the link, rewinds, and configures the standby (manual:
    /// `pg_rewind`). Does not start it.
    ///
    /// `pg_rewind` sees the new timeline only after that checkpoint: see [`rewind`](Self::rewind).
    /// Rows that only the diverged server has are lost.
    ///
    /// # Errors
    ///
    /// `pg_rewind` refuses: neither `wal_log_hints` nor checksums, or WAL back to the fork is
    /// missing. The node then has the data it had; [`rebuild`](Self::rebuild) it.
    pub async fn rejoin(&self, node: &str, upstream: &str) -> Result<()> {
        self.node(upstream)?.session().await?.run("CHECKPOINT").await?;
        self.repoint(node, upstream).await?;
        self.rewind(node).await?;
        self.configure_standby(node).await
    }
}
