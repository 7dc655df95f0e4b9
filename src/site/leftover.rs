//! Hosts that a process made and did not take away: because they were to be kept, or because it
//! was killed in the one moment that no switch covers. Nothing here touches the hosts of a process
//! that still runs, unless it is told to.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
#[cfg(feature = "container")]
use std::sync::Arc;

use nix::unistd::Uid;

#[cfg(feature = "container")]
use super::layer;
use super::{guest, template};
use crate::error::Result;
use crate::host::account::Account;
#[cfg(feature = "container")]
use crate::host::engine::Engine;
use crate::host::{local, program, switch};
#[cfg(feature = "container")]
use crate::settings::HostChoice;
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

    /// The templates that are there, whether something uses them now or not.
    pub async fn templates(settings: &Settings) -> Result<Vec<String>> {
        let cache = template::find_cache()?.into_iter();
        let mut found: Vec<_> = cache.map(|cache| cache.display().to_string()).collect();
        found.extend(template_images(settings).await?);
        Ok(found)
    }

    /// Removes the templates that nothing uses now, and says which. A running container uses its
    /// image; a local server is a copy.
    pub async fn remove_templates(settings: &Settings) -> Result<Vec<String>> {
        let cache = template::remove_cache().await?.into_iter();
        let mut removed: Vec<_> = cache.map(|cache| cache.display().to_string()).collect();
        removed.extend(remove_template_images(settings).await?);
        Ok(removed)
    }

    /// Has the process that made it ended?
    pub fn is_orphan(&self) -> bool {
        program::is_gone(self.process)
    }

    /// Where it is: a directory, or a container's id.
    pub fn location(&self) -> String {
        match &self.what {
            What::Directory(home) => home.display().to_string(),
            #[cfg(feature = "container")]
            What::Container(_, id) => format!("container {}", id.get(..12).unwrap_or(id)),
        }
    }

    /// Ends its server and takes it away.
    pub async fn remove(self) -> Result<()> {
        match self.what {
            What::Directory(home) => switch::clean(&home, guest::quit()),
            #[cfg(feature = "container")]
            What::Container(engine, id) => engine.remove(&id).await,
        }
    }
}

/// Directories that this account, or the one servers run under, made as the home of a host.
fn directories(settings: &Settings) -> Vec<Leftover> {
    let mut owners = vec![Uid::effective().as_raw()];
    owners.extend(Account::for_servers().ok().flatten().map(|account| account.uid));
    let entries = std::fs::read_dir(&settings.dir).into_iter().flatten().flatten();
    let ours = entries.filter_map(|entry| {
        let process = local::maker(entry.file_name().to_str()?)?;
        let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_dir)?;
        let home = owners.contains(&metadata.uid()) && entry.path().join("data").is_dir();
        home.then(|| Leftover { process, what: What::Directory(entry.path()) })
    });
    ours.collect()
}

#[cfg(feature = "container")]
async fn containers(settings: &Settings) -> Result<Vec<Leftover>> {
    let Some(engine) = engine(settings).await? else { return Ok(Vec::new()) };
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

/// The engine, where the settings do not leave containers out and one answers.
#[cfg(feature = "container")]
async fn engine(settings: &Settings) -> Result<Option<Arc<Engine>>> {
    if settings.host == HostChoice::Local {
        return Ok(None);
    }
    match (settings.host, Engine::of_process().await) {
        (HostChoice::Auto, Err(_)) => Ok(None),
        (_, engine) => engine.map(Some),
    }
}

#[cfg(feature = "container")]
async fn template_images(settings: &Settings) -> Result<Vec<String>> {
    match engine(settings).await? {
        Some(engine) => layer::all(&engine).await,
        None => Ok(Vec::new()),
    }
}

#[cfg(not(feature = "container"))]
async fn template_images(_: &Settings) -> Result<Vec<String>> {
    Ok(Vec::new())
}

#[cfg(feature = "container")]
async fn remove_template_images(settings: &Settings) -> Result<Vec<String>> {
    match engine(settings).await? {
        Some(engine) => layer::remove_all(&engine).await,
        None => Ok(Vec::new()),
    }
}

#[cfg(not(feature = "container"))]
async fn remove_template_images(_: &Settings) -> Result<Vec<String>> {
    Ok(Vec::new())
}
