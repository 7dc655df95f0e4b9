//! Hosts that a process created and did not remove: because they were to be kept, or because it was
//! killed in the one moment that no switch covers. A host of a process that still runs is removed
//! only on request.

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

/// A host that was left, and the process that created it.
#[derive(Debug)]
pub struct Leftover {
    /// The id of the process that created it.
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
    /// Returns every host of the lab on this machine: directories below `LAB_DIR`, and containers
    /// where an engine answers and `LAB_HOST` is not `local`.
    ///
    /// # Errors
    ///
    /// The engine does not list its containers.
    pub async fn all(settings: &Settings) -> Result<Vec<Self>> {
        let mut found = directories(settings);
        found.extend(containers(settings).await?);
        Ok(found)
    }

    /// Returns the names of all templates, in use or not.
    ///
    /// # Errors
    ///
    /// The cache or the engine cannot be read.
    pub async fn templates(settings: &Settings) -> Result<Vec<String>> {
        let cache = template::find_cache()?.into_iter();
        let mut found: Vec<_> = cache.map(|cache| cache.display().to_string()).collect();
        found.extend(template_images(settings).await?);
        Ok(found)
    }

    /// Removes the templates that are not in use, and returns their names. A running container uses
    /// its image; a local server is a copy.
    ///
    /// # Errors
    ///
    /// The cache cannot be removed, or the engine does not remove an image.
    pub async fn remove_templates(settings: &Settings) -> Result<Vec<String>> {
        let cache = template::remove_cache().await?.into_iter();
        let mut removed: Vec<_> = cache.map(|cache| cache.display().to_string()).collect();
        removed.extend(remove_template_images(settings).await?);
        Ok(removed)
    }

    /// Tells whether the process that created it has ended.
    pub fn is_orphan(&self) -> bool {
        program::is_gone(self.process)
    }

    /// Returns its location: a directory, or a container's id.
    pub fn location(&self) -> String {
        match &self.what {
            What::Directory(home) => home.display().to_string(),
            #[cfg(feature = "container")]
            What::Container(_, id) => format!("container {}", id.get(..12).unwrap_or(id)),
        }
    }

    /// Ends its server and removes it.
    ///
    /// # Errors
    ///
    /// The engine did not remove the container, or the directory is still there.
    pub async fn remove(self) -> Result<()> {
        match self.what {
            What::Directory(home) => switch::clean(&home, guest::quit()),
            #[cfg(feature = "container")]
            What::Container(engine, id) => engine.remove(&id).await,
        }
    }
}

/// Returns the directories that this account, or the account of servers, created as the home of a
/// host.
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

/// Returns the engine, where the settings allow containers and one answers.
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
