//! What this machine offers for a run, and what a run would take, for `lab doctor`. It starts a
//! container to try the route from it to this process, and removes it.

#[cfg(feature = "container")]
use std::sync::Arc;

use super::Site;
#[cfg(feature = "container")]
use super::containers::Containers;
#[cfg(feature = "container")]
use super::image::{self, Candidate};
use super::installation::Installation;
use crate::error::Result;
use crate::host::account::Account;
#[cfg(feature = "container")]
use crate::host::engine::Engine;
use crate::settings::{HostChoice, Settings};
use crate::version::Version;

/// The findings of a survey.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The container engine, or why there is none.
    #[cfg(feature = "container")]
    pub engine: Result<Arc<Engine>>,
    /// The PostgreSQL images of the engine.
    #[cfg(feature = "container")]
    pub images: Vec<Candidate>,
    /// The address at which containers reach this process, or why they do not; none where there is
    /// no image to try it with.
    #[cfg(feature = "container")]
    pub relay: Option<Result<String>>,
    /// The installations on this machine.
    pub installed: Vec<Installation>,
    /// The account that local servers run under.
    pub account: Result<String>,
    /// The site of a run with these settings, or why there is none.
    pub choice: Result<Site>,
}

impl Survey {
    /// Surveys this machine.
    pub(crate) async fn of(settings: &Settings) -> Self {
        #[cfg(feature = "container")]
        let containers = Containers::of_process().await;
        #[cfg(feature = "container")]
        let (images, relay) = match &containers {
            Ok(containers) => {
                let images = image::all(containers.engine()).await.unwrap_or_default();
                (images, relay(containers, settings).await)
            }
            Err(_) => (Vec::new(), None),
        };
        Self {
            #[cfg(feature = "container")]
            engine: containers.map(|containers| Arc::clone(containers.engine())),
            #[cfg(feature = "container")]
            images,
            #[cfg(feature = "container")]
            relay,
            installed: Installation::all(settings).await,
            account: Account::for_servers()
                .map(|account| account.map_or("you".to_owned(), |account| account.name)),
            choice: Site::there(settings).await,
        }
    }
}

/// Returns every host and version that a run on this machine can have, as `LAB_HOST` and `LAB_PG`, in
/// the order of the versions. Other settings hold: `LAB_HOST=local` leaves containers out.
pub(crate) async fn everywhere(settings: &Settings) -> Vec<(&'static str, Version)> {
    let mut found: Vec<_> = match settings.host {
        HostChoice::Container => Vec::new(),
        HostChoice::Auto | HostChoice::Local => {
            let installed = Installation::all(settings).await.into_iter();
            installed.map(|one| ("local", one.version)).collect()
        }
    };
    #[cfg(feature = "container")]
    if settings.host != HostChoice::Local
        && let Ok(containers) = Containers::of_process().await
    {
        let images = image::all(containers.engine()).await.unwrap_or_default();
        let versions = images.into_iter().filter_map(|image| image.claim);
        found.extend(versions.map(|version| ("container", version)));
    }
    found.sort_by_key(|(host, version)| (version.major(), *host));
    // LAB_PG chooses by the major version.
    found.dedup_by_key(|(host, version)| (version.major(), *host));
    found
}

#[cfg(feature = "container")]
async fn relay(containers: &Containers, settings: &Settings) -> Option<Result<String>> {
    let image = containers.find(settings).await.ok().flatten()?;
    let probed = containers.probe(&image, settings).await;
    Some(probed.map(|route| route.address))
}
