//! The container engine of this process, with what was found out and created on it, each once per
//! process: what is in its images, the route back to this process, and the templates. Nothing here
//! starts a server.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Mutex, OnceCell};

use super::image::{self, Image};
use super::layer;
use super::route::{self, RelayRoute};
use super::template::Template;
use crate::error::Result;
use crate::host::container::Container;
use crate::host::engine::Engine;
use crate::settings::Settings;

/// An engine that answers, with its route and its templates.
#[derive(Debug)]
pub(super) struct Containers {
    engine: Arc<Engine>,
    route: OnceCell<RelayRoute>,
    templates: Mutex<HashMap<String, Template>>,
}

impl Containers {
    /// Returns the engine of this process, connected to once: that of `DOCKER_HOST`, or of the
    /// usual sockets.
    pub(super) async fn of_process() -> Result<Arc<Self>> {
        static CONTAINERS: OnceCell<Arc<Containers>> = OnceCell::const_new();
        let connected = CONTAINERS.get_or_try_init(|| async {
            let engine = Engine::of_process().await?;
            let (route, templates) = (OnceCell::new(), Mutex::default());
            Ok(Arc::new(Self { engine, route, templates }))
        });
        connected.await.cloned()
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Returns the image that a run with these settings takes; none where the engine has none that
    /// fits.
    ///
    /// # Errors
    ///
    /// An image is not what its tag says, or lacks what a run needs.
    pub(super) async fn find(&self, settings: &Settings) -> Result<Option<Image>> {
        for candidate in image::candidates(&self.engine, settings).await? {
            let image = layer::open(&self.engine, &candidate, settings).await?;
            let found = &image.contents.version;
            // A moving tag, such as 17, does not say which minor version is in it.
            if settings.image.is_some()
                || settings.version.as_ref().is_none_or(|asked| found.satisfies(asked))
            {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }

    /// Pulls the image that the settings ask for.
    pub(super) async fn pull(
        &self,
        settings: &Settings,
        tell: Option<&(dyn Fn(&str) + Sync)>,
    ) -> Result<Image> {
        let pulled = image::pull(&self.engine, settings, tell).await?;
        layer::open(&self.engine, &pulled, settings).await
    }

    /// Returns how containers reach relays of this process, found by a trial from this one.
    pub(super) async fn route(&self, from: &Container, settings: &Settings) -> Result<RelayRoute> {
        let find = || route::find(&self.engine, from, settings);
        self.route.get_or_try_init(find).await.cloned()
    }

    /// Returns how containers of this image reach relays of this process; starts a container for
    /// the trial, unless one has been made.
    pub(super) async fn probe(&self, image: &Image, settings: &Settings) -> Result<RelayRoute> {
        if let Some(known) = self.route.get() {
            return Ok(known.clone());
        }
        let container = image.start(&self.engine, settings, "probe").await?;
        let route = self.route(&container, settings).await;
        container.remove().await?;
        route
    }

    /// Returns the template of an image; creates it if the engine does not have it yet.
    pub(super) async fn template(&self, image: &Image, settings: &Settings) -> Result<Template> {
        let mut templates = self.templates.lock().await;
        if let Some(template) = templates.get(&image.id) {
            return Ok(template.clone());
        }
        let template = layer::template(&self.engine, image, settings).await?;
        templates.insert(image.id.clone(), template.clone());
        Ok(template)
    }
}
