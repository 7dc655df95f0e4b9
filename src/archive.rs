//! A WAL archive and a base backup on a node's own machine, and recovery from them to a moment of one's
//! choice. Nothing here starts a server, or removes what was archived.
//!
//! ```text
//!   <home>/data      $PGDATA
//!   <home>/archive   WAL files, one copy of each
//!   <home>/base      the base backup
//! ```

use crate::cluster::Cluster;
use crate::conf::Conf;
use crate::error::Result;
use crate::host::Script;
use crate::topology::Topology;

/// Never writes over a file that is there, never leaves half of one, and takes one that is there already
/// for archived if it is the same (manual: Setting Up WAL Archiving).
const ARCHIVE: &str = "mkdir -p ../archive && if test -f ../archive/%f; \
                       then cmp -s %p ../archive/%f; \
                       else cp %p ../archive/%f.new && mv ../archive/%f.new ../archive/%f; fi";

impl Topology {
    /// Every node archives its WAL on its own machine when it is a primary.
    #[must_use]
    pub fn archiving(self) -> Self {
        self.set("archive_mode", "on").set("archive_command", ARCHIVE)
    }
}

impl Cluster {
    /// Makes a base backup of a running node beside its data directory (manual: `pg_basebackup`).
    pub async fn back_up(&self, node: &str) -> Result<()> {
        let line = "pg_basebackup -D ../base -X none -c fast";
        self.node(node)?.run_as_client(Script::new(line)).await.map(drop)
    }

    /// Replaces a stopped node's data directory by its base backup, and has the next start recover from
    /// the archive up to a target, such as `("recovery_target_time", "2026-11-25 12:00:00+00")`, and
    /// then promote (manual: Recovering Using a Continuous Archive Backup).
    pub async fn recover(&self, node: &str, target: (&str, &str)) -> Result<()> {
        let node = self.node(node)?;
        let line = "rm -rf \"$PGDATA\"/* && cp -Rp ../base/. \"$PGDATA\" && : >recovery.signal";
        let conf = Conf::new()
            .set("restore_command", "cp ../archive/%f %p")
            .set(target.0, target.1)
            .set("recovery_target_action", "promote");
        node.prepare(Script::new(line), &self.conf_of(node).and(&conf)).await.map(drop)
    }
}
