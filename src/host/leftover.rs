//! Hosts that a process made and did not take away: because they were to be kept, or because it
//! was killed in the one moment that no switch covers. Nothing here touches the hosts of a process
//! that still runs, unless it is told to.

use std::path::PathBuf;
#[cfg(feature = "container")]
use std::sync::Arc;

use nix::sys::signal::kill;
use nix::unistd::Pid;

#[cfg(feature = "container")]
use super::engine::Engine;
use super::local::Account;
use super::{switch, template};
use crate::error::{Error, Result};
use crate::settings::Settings;

/// A host that is there, and the process that made it.
#[derive(Debug)]
pub struct Leftover {
    /// The process that made it.
    pub process: u32,
    what: What,
}

#[derive(Debug)]
enum What {
    Directory(PathBuf),
    #[cfg(feature = "container")]
    Container(Arc<Engine>, String),
}

impl Leftover {
    /// Every host on this machine that the lab made: directories below `LAB_DIR`, and containers
    /// where an engine answers and `LAB_HOST` is not `local`.
    pub async fn all(settings: &Settings) -> Result<Vec<Self>> {
        let mut found = directories(settings);
        found.extend(containers(settings).await?);
        Ok(found)
    }

    /// Removes the cache of template data directories, and says where it was. Clusters that run
    /// are copies and do not need it.
    pub fn remove_cache() -> Result<PathBuf> {
        let cache = template::cache(Account::for_servers()?.as_ref())?;
        let act = || format!("removing the cache {}", cache.display());
        std::fs::remove_dir_all(&cache).map_err(|source| Error::io(act(), source))?;
        Ok(cache)
    }

    /// Has the process that made it ended?
    pub fn is_orphan(&self) -> bool {
        is_gone(self.process)
    }

    /// Where it is: a directory, or a container's id.
    pub fn place(&self) -> String {
        match &self.what {
            What::Directory(home) => home.display().to_string(),
            #[cfg(feature = "container")]
            What::Container(_, id) => format!("container {}", id.get(..12).unwrap_or(id)),
        }
    }

    /// Ends its server and takes it away.
    pub async fn remove(self) -> Result<()> {
        match self.what {
            What::Directory(home) => switch::clean(&home),
            #[cfg(feature = "container")]
            What::Container(engine, id) => engine.remove(&id).await,
        }
    }
}

pub(super) fn is_gone(process: u32) -> bool {
    let process = i32::try_from(process).unwrap_or(i32::MAX);
    kill(Pid::from_raw(process), None) == Err(nix::errno::Errno::ESRCH)
}

fn directories(settings: &Settings) -> Vec<Leftover> {
    let entries = std::fs::read_dir(&settings.dir).into_iter().flatten().flatten();
    let ours = entries.filter_map(|entry| {
        let name = entry.file_name();
        let process = name.to_str()?.strip_prefix("lab-")?.split('-').next()?.parse().ok()?;
        Some(Leftover { process, what: What::Directory(entry.path()) })
    });
    ours.collect()
}

#[cfg(feature = "container")]
async fn containers(settings: &Settings) -> Result<Vec<Leftover>> {
    if settings.host == crate::settings::HostChoice::Local {
        return Ok(Vec::new());
    }
    let Ok(engine) = Engine::connect().await else { return Ok(Vec::new()) };
    let engine = Arc::new(engine);
    let ours = engine.containers().await?.into_iter().map(|made| {
        let what = What::Container(Arc::clone(&engine), made.id);
        Leftover { process: made.process, what }
    });
    Ok(ours.collect())
}

#[cfg(not(feature = "container"))]
async fn containers(_: &Settings) -> Result<Vec<Leftover>> {
    Ok(Vec::new())
}
