//! A stopped node brought behind another server: rebuilt, rewound, repointed, configured as a standby.
//! Nothing here starts or stops a node.

use super::Cluster;
use super::basebackup::{BackupOptions, base_backup, configure_standby};
use super::rewind::{dry_run, rewind, rewind_restoring_wal};
use crate::error::Result;

impl Cluster {
    /// Makes a stopped node anew from its upstream, with a base backup over its link. It is a standby
    /// then.
    pub async fn rebuild(&self, node: &str) -> Result<()> {
        self.rebuild_with(node, &BackupOptions::default()).await
    }

    /// Rebuilds a stopped node as [`rebuild`](Self::rebuild) does, with options of the base backup.
    pub async fn rebuild_with(&self, node: &str, options: &BackupOptions) -> Result<()> {
        let source = self.source(node)?;
        let node = self.node(node)?;
        base_backup(node, &source, options, &self.conf_of(node)).await
    }

    /// Rewinds a stopped node that diverged to the history of its upstream, over its link (manual:
    /// `pg_rewind`), and gives what that said. The upstream must have made a checkpoint since it was
    /// promoted. It is no standby yet: see [`configure_standby`](Self::configure_standby).
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

    /// What `pg_rewind` says it would do to a stopped node; nothing is changed. As for
    /// [`rewind`](Self::rewind), the upstream must have made a checkpoint since it was promoted.
    pub async fn rewind_dry_run(&self, node: &str) -> Result<String> {
        let source = self.source(node)?;
        dry_run(self.node(node)?, &source, &self.passwords.rewinder).await
    }

    /// Repoints a node's link to another upstream, for connections from now on, and makes the node's slot
    /// there if it uses one. The node's own configuration stays as it is.
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

    /// Configures a stopped node as a standby of its link's upstream and keeps its data. Does not start
    /// it.
    pub async fn configure_standby(&self, node: &str) -> Result<()> {
        configure_standby(self.node(node)?, &self.source(node)?).await
    }

    /// Brings a stopped server that may have diverged behind the server that took over: makes a checkpoint
    /// there, repoints the link, rewinds and configures a standby (manual: `pg_rewind`).
    /// Does not start it.
    ///
    /// The checkpoint is what makes `pg_rewind` see the new timeline: see [`rewind`](Self::rewind).
    /// Rows that only the diverged server has are lost.
    ///
    /// # Errors
    ///
    /// `pg_rewind` refuses: neither `wal_log_hints` nor checksums, or WAL back to the fork is missing.
    /// The node then has the data it had; [`rebuild`](Self::rebuild) it.
    pub async fn rejoin(&self, node: &str, upstream: &str) -> Result<()> {
        self.node(upstream)?.session().await?.run("CHECKPOINT").await?;
        self.repoint(node, upstream).await?;
        self.rewind(node).await?;
        self.configure_standby(node).await
    }
}
