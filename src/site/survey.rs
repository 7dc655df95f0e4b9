//! What this machine offers for a run, and what a run would take: for people who ask before they
//! start. It starts a container to try the way back from it, and leaves nothing.

#[cfg(feature = "container")]
use std::sync::Arc;

use super::Site;
#[cfg(feature = "container")]
use super::containers::Containers;
#[cfg(feature = "container")]
use super::image::{self, Image};
use super::installation::Installation;
use crate::error::Result;
use crate::host::account::Account;
#[cfg(feature = "container")]
use crate::host::engine::Engine;
use crate::settings::Settings;

/// What was found.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The container engine, or why there is none.
    #[cfg(feature = "container")]
    pub engine: Result<Arc<Engine>>,
    /// The images of PostgreSQL that it has.
    #[cfg(feature = "container")]
    pub images: Vec<Image>,
    /// The address under which containers reach this process, or why they do not; nothing where it
    /// was not tried, for want of an image.
    #[cfg(feature = "container")]
    pub relay: Option<Result<String>>,
    /// What is installed on this machine.
    pub installed: Vec<Installation>,
    /// The account that local servers run under.
    pub account: Result<String>,
    /// What a run takes with these settings, or why it cannot.
    pub choice: Result<Site>,
}

impl Survey {
    /// Looks at everything that there is.
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

#[cfg(feature = "container")]
async fn relay(containers: &Containers, settings: &Settings) -> Option<Result<String>> {
    let image = image::find(containers.engine(), settings).await.ok().flatten()?;
    let probed = containers.probe(&image, settings).await;
    Some(probed.map(|route| route.address))
}
