//! The traces of a process that ran a cluster: hosts, processes, shared memory. It finds them, and
//! removes nothing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use replication_lab::wait::{Seen, until};
use replication_lab::{Leftover, Result, Settings};
use tempfile::TempDir;

use crate::support::settings;

/// The longest that the end of a cluster may take on a busy machine; it takes a fraction of a second.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// The traces that a process that runs a cluster can leave.
pub(crate) struct Traces {
    settings: Settings,
    pub(crate) process: u32,
    servers: Vec<i32>,
}

impl Traces {
    pub(crate) fn of(process: u32, home: &TempDir) -> Result<Self> {
        Ok(Self { settings: settings(home)?, process, servers: postmasters(home.path()) })
    }

    pub(crate) async fn hosts(&self) -> Result<Vec<Leftover>> {
        let mut hosts = Leftover::all(&self.settings).await?;
        hosts.retain(|host| host.process == self.process);
        Ok(hosts)
    }

    pub(crate) async fn left(&self) -> Result<Vec<String>> {
        let hosts = self.hosts().await?;
        let mut left: Vec<_> = hosts.iter().map(Leftover::location).collect();
        left.extend(processes_in(&self.settings.dir));
        left.extend(memory_of(&self.servers));
        Ok(left)
    }

    pub(crate) async fn vanish(&self, deadline: Duration) -> Result<()> {
        until("nothing of the cluster is left", deadline, || async {
            let left = self.left().await?;
            Ok(if left.is_empty() { Seen::Done(()) } else { Seen::NotYet(left.join(", ")) })
        })
        .await
    }
}

/// Returns the process ids in every `postmaster.pid` of the clusters in `home`.
pub(crate) fn postmasters(home: &Path) -> Vec<i32> {
    let hosts = fs::read_dir(home).into_iter().flatten().flatten();
    let files =
        hosts.filter_map(|host| fs::read_to_string(host.path().join("data/postmaster.pid")).ok());
    files.filter_map(|file| file.lines().next()?.trim().parse().ok()).collect()
}

/// Returns the processes that work in `home` or have it in their command line: servers, their backends,
/// and the switches. Only Linux has `/proc`; elsewhere only directories are checked.
pub(crate) fn processes_in(home: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let here = processes.filter_map(|process| {
        let id = process.file_name().to_string_lossy().parse::<u32>().ok()?;
        let line = fs::read(process.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let works_there =
            fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(home));
        let named = line.contains(&*home.to_string_lossy());
        (id != std::process::id() && (works_there || named))
            .then(|| format!("process {id}: {line}"))
    });
    here.collect()
}

/// Returns the System V shared memory that one of these processes created.
pub(crate) fn memory_of(servers: &[i32]) -> Vec<String> {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let of_servers = table.lines().skip(1).filter(|line| {
        let creator = line.split_whitespace().nth(4).and_then(|pid| pid.parse().ok());
        creator.is_some_and(|creator| servers.contains(&creator))
    });
    of_servers.map(|line| format!("shared memory: {line}")).collect()
}
