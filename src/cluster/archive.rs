//! A WAL archive and a base backup on a node's own machine, and recovery from them to a chosen
//! point in time. Nothing here starts a server, or removes what was archived.
//!
//! ```text
//!   <home>/data      $PGDATA
//!   <home>/archive   WAL files, one copy of each
//!   <home>/base      the base backup
//! ```

use super::Cluster;
use crate::conf::Conf;
use crate::error::Result;
use crate::host::script::Script;
use crate::topology::Topology;
use crate::wal::Lsn;

/// The archive command. It never overwrites a file, leaves no partial file, and reports success for
/// a file that is already archived with the same content (manual: Setting Up WAL Archiving).
const ARCHIVE: &str = "mkdir -p ../archive && if test -f ../archive/%f; \
                       then cmp -s %p ../archive/%f; \
                       else cp %p ../archive/%f.new && mv ../archive/%f.new ../archive/%f; fi";

impl Topology {
    /// Sets every node to archive its WAL on its own machine while it is a primary.
    #[must_use]
    pub fn archiving(self) -> Self {
        self.set("archive_mode", "on").set("archive_command", ARCHIVE)
    }
}

/// A point at which recovery from an archive ends (manual: Recovery Target).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecoveryTarget {
    /// A time, as PostgreSQL reads a timestamp with time zone: `2026-11-25 12:00:00+00`.
    Time(String),
    /// A restore point of this name (manual: `pg_create_restore_point`).
    Name(String),
    /// A position in the WAL.
    Lsn(Lsn),
    /// The commit of the transaction with this id.
    Xid(u64),
    /// The first point at which the backup is consistent.
    Immediate,
    /// The end of the archive.
    Latest,
}

impl RecoveryTarget {
    /// Returns the setting of the target; none for the end of the archive, which is PostgreSQL's
    /// default.
    fn setting(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Time(moment) => Some(("recovery_target_time", moment.clone())),
            Self::Name(name) => Some(("recovery_target_name", name.clone())),
            Self::Lsn(position) => Some(("recovery_target_lsn", position.to_string())),
            Self::Xid(xid) => Some(("recovery_target_xid", xid.to_string())),
            Self::Immediate => Some(("recovery_target", "immediate".to_owned())),
            Self::Latest => None,
        }
    }
}

impl Cluster {
    /// Takes a base backup of a running node, and keeps it beside the data directory (manual:
    /// `pg_basebackup`).
    ///
    /// # Errors
    ///
    /// The cluster has no such node, or `pg_basebackup` fails.
    pub async fn back_up(&self, node: &str) -> Result<()> {
        let line = "pg_basebackup -D ../base -X none -c fast";
        self.node(node)?.run_as_client(Script::new(line)).await.map(drop)
    }

    /// Replaces a stopped node's data directory by its base backup, and configures the next start
    /// to recover from the archive up to a target and then to promote (manual: Recovering Using a
    /// Continuous Archive Backup).
    ///
    /// # Errors
    ///
    /// The cluster has no such node, or the node has no base backup.
    pub async fn recover(&self, node: &str, target: &RecoveryTarget) -> Result<()> {
        let node = self.node(node)?;
        let line = "rm -rf \"$PGDATA\"/* && cp -Rp ../base/. \"$PGDATA\" && : >recovery.signal";
        let conf = Conf::new().set("restore_command", "cp ../archive/%f %p");
        let target = target.setting().into_iter();
        let conf = target.fold(conf, |conf, (name, value)| conf.set(name, value));
        let conf = conf.set("recovery_target_action", "promote");
        node.prepare(Script::new(line), &self.conf_of(node).and(&conf)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use pretty_assertions::assert_eq;

    use super::*;

    /// Runs the `archive_command` of a node as the server does: in its data directory, with the path and the
    /// name of a WAL file in the place of `%p` and `%f`. Returns whether it reported success.
    fn archive(data: &Path, name: &str) -> bool {
        let lines = Topology::alone().archiving().conf().lines();
        let command = |line: &str| {
            let command = line.strip_prefix("archive_command = '")?.strip_suffix('\'')?;
            Some(command.replace("''", "'"))
        };
        let line = lines.lines().find_map(command).unwrap_or_else(|| panic!("{lines}"));
        let line = line.replace("%p", &format!("pg_wal/{name}")).replace("%f", name);
        #[expect(clippy::disallowed_methods, reason = "the test takes the place of the server")]
        let mut shell = Command::new("sh");
        let status = shell.args(["-c", &line]).current_dir(data).output();
        status.unwrap_or_else(|error| panic!("{line}: {error}")).status.success()
    }

    #[test]
    fn an_archived_file_is_never_overwritten_and_the_same_file_is_archived_again() {
        let home = tempfile::tempdir().unwrap();
        let (data, archived) = (home.path().join("data"), home.path().join("archive"));
        fs::create_dir_all(data.join("pg_wal")).unwrap();
        let write = |text: &str| fs::write(data.join("pg_wal/0001"), text).unwrap();
        let read = || fs::read_to_string(archived.join("0001")).unwrap();
        write("one");
        assert!(archive(&data, "0001"), "the archive has no such file");
        assert_eq!(read(), "one");
        assert!(archive(&data, "0001"), "the archive has the same file");
        write("two");
        assert!(!archive(&data, "0001"), "the archive has another file of this name");
        assert_eq!(read(), "one");
        assert_eq!(fs::read_dir(&archived).unwrap().count(), 1);
    }

    #[test]
    fn a_copy_that_was_interrupted_is_replaced_by_a_whole_one() {
        let home = tempfile::tempdir().unwrap();
        let (data, archived) = (home.path().join("data"), home.path().join("archive"));
        fs::create_dir_all(data.join("pg_wal")).unwrap();
        fs::create_dir_all(&archived).unwrap();
        fs::write(data.join("pg_wal/0002"), "whole").unwrap();
        fs::write(archived.join("0002.new"), "who").unwrap();
        assert!(archive(&data, "0002"));
        assert_eq!(fs::read_to_string(archived.join("0002")).unwrap(), "whole");
        assert!(!archive(&data, "0003"), "the server has no such file");
        let names = fs::read_dir(&archived).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["0002"]);
    }

    #[test]
    fn a_node_archives_while_it_is_a_primary() {
        let lines = Topology::pair().archiving().conf().lines();
        let modes = lines.lines().filter(|line| line.starts_with("archive_mode"));
        assert_eq!(modes.collect::<Vec<_>>(), ["archive_mode = 'on'"]);
    }

    #[test]
    fn every_target_has_its_setting() {
        for (target, setting) in [
            (
                RecoveryTarget::Time("2026-11-25 12:00:00+00".to_owned()),
                Some(("recovery_target_time", "2026-11-25 12:00:00+00")),
            ),
            (RecoveryTarget::Name("before".to_owned()), Some(("recovery_target_name", "before"))),
            (
                RecoveryTarget::Lsn(Lsn::from(0x300_0060)),
                Some(("recovery_target_lsn", "0/3000060")),
            ),
            (RecoveryTarget::Xid(742), Some(("recovery_target_xid", "742"))),
            (RecoveryTarget::Immediate, Some(("recovery_target", "immediate"))),
            (RecoveryTarget::Latest, None),
        ] {
            assert_eq!(target.setting(), setting.map(|(name, value)| (name, value.to_owned())));
        }
    }
}
