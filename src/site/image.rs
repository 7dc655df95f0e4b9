//! Images: which of the engine's has the requested PostgreSQL, and how to get one. Nothing here
//! starts a server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use testcontainers_modules::testcontainers::bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptions,
};

use super::guest;
use crate::error::{Error, Result};
use crate::host::container::Container;
use crate::host::engine::Engine;
use crate::settings::{self, Settings};
use crate::version::Version;

/// The names of images: the official one, and that of `fixtures/images/build`.
const NAMES: [&str; 2] = ["postgres", "replication-lab/postgres"];

/// The version to pull where the settings name none and the engine has no image.
const TO_PULL: u16 = 18;

const PULL: Duration = Duration::from_secs(300);

/// An image with PostgreSQL's programs in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// The image's name without its tag.
    pub name: String,
    /// Its tag.
    pub tag: String,
    /// The PostgreSQL version in it.
    pub version: Version,
}

impl Image {
    /// Returns the image's name with its tag.
    pub(super) fn reference(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }

    /// Starts a container of this image, whose guest will be PostgreSQL.
    pub(super) async fn start(
        &self,
        engine: &Arc<Engine>,
        settings: &Settings,
        node: &str,
    ) -> Result<Container> {
        let guest = guest::in_image(self.version.major());
        let named = (self.name.as_str(), self.tag.as_str());
        Container::start(Arc::clone(engine), named, guest, settings, node).await
    }
}

/// Returns the image that the settings ask for, if the engine has it: `LAB_IMAGE`, or one of the
/// requested version, or else of the newest stable one.
pub(super) async fn find(engine: &Engine, settings: &Settings) -> Result<Option<Image>> {
    if let Some(reference) = &settings.image {
        let image = named(reference, settings.version.as_ref())?;
        let there = engine.docker.inspect_image(reference).await.is_ok();
        return Ok(there.then_some(image));
    }
    let images = all(engine).await?;
    let fits = |image: &&Image| match &settings.version {
        Some(wanted) => image.version.major() == wanted.major(),
        None => image.version.is_stable(),
    };
    let rank = |image: &&Image| (image.version.major(), short(&image.name) == NAMES[0]);
    Ok(images.iter().filter(fits).max_by_key(rank).cloned())
}

/// Returns every image that the engine has under one of `NAMES`.
pub(super) async fn all(engine: &Engine) -> Result<Vec<Image>> {
    let tags = tags(engine).await?;
    let known = tags.iter().filter_map(|tag| {
        let (name, tag) = tag.rsplit_once(':')?;
        let version = tag.parse().ok()?;
        let image = Image { name: name.to_owned(), tag: tag.to_owned(), version };
        NAMES.contains(&short(name)).then_some(image)
    });
    Ok(known.collect())
}

async fn tags(engine: &Engine) -> Result<Vec<String>> {
    let listed = engine.docker.list_images(None::<ListImagesOptions>).await;
    let listed = listed.map_err(|source| Error::engine("listing the engine's images", source))?;
    Ok(listed.into_iter().flat_map(|image| image.repo_tags).collect())
}

/// Pulls the image that the settings name, or else the official one of their version; `tell` is
/// called with the progress. Without `tell` nothing is pulled, and the missing image is the error.
pub(super) async fn pull(
    engine: &Engine,
    settings: &Settings,
    tell: Option<&(dyn Fn(&str) + Sync)>,
) -> Result<Image> {
    let tag = settings.version.as_ref().map_or(TO_PULL.to_string(), Version::to_string);
    let reference = settings.image.clone().unwrap_or(format!("{}:{tag}", NAMES[0]));
    let image = named(&reference, settings.version.as_ref())?;
    let remedy = format!(
        "if no registry answers, run fixtures/images/build {tag} (13, 15, 17, 18, 19rc1); or name \
         an image that is there with LAB_IMAGE; or LAB_HOST=local"
    );
    let Some(tell) = tell else {
        let act = format!("looking for the image {reference}");
        return Err(Error::missing(act, "an engine without it").remedy(remedy));
    };
    let act = format!("pulling the image {reference}");
    tell(&act);
    let options = CreateImageOptionsBuilder::new().from_image(&image.name).tag(&image.tag).build();
    let mut layers = HashMap::new();
    let pull = engine.docker.create_image(Some(options), None, None).try_for_each(|news| {
        let detail = news.progress_detail.and_then(|detail| detail.current.zip(detail.total));
        layers.extend(news.id.zip(detail));
        let (here, all) =
            layers.values().fold((0, 0), |sum, one: &(i64, i64)| (sum.0 + one.0, sum.1 + one.1));
        tell(&format!("{act}: {} of {} MB", here / 1_000_000, all / 1_000_000));
        std::future::ready(Ok(()))
    });
    let deadline = PULL.mul_f64(settings::timeout_factor());
    let pulled = match tokio::time::timeout(deadline, pull).await {
        Ok(pulled) => pulled.map_err(|source| Error::engine(act.as_str(), source)),
        Err(late) => Err(Error::engine(act.as_str(), late)),
    };
    pulled.map_err(|error| error.remedy(remedy))?;
    Ok(image)
}

/// Returns the short name of an image: Podman lists images with their registry, `localhost` for
/// those built on this machine, and with the folder `library` of official images.
fn short(name: &str) -> &str {
    let registry = |first: &str| first == "localhost" || first.contains(['.', ':']);
    let name = match name.split_once('/') {
        Some((first, rest)) if registry(first) => rest,
        _ => name,
    };
    name.strip_prefix("library/").unwrap_or(name)
}

/// Returns an image by its reference; its version comes from its tag, or from the settings.
fn named(reference: &str, wanted: Option<&Version>) -> Result<Image> {
    let colon = reference.rfind(':').filter(|colon| !reference[*colon..].contains('/'));
    let (name, tag) = match colon {
        Some(colon) => (&reference[..colon], &reference[colon + 1..]),
        None => (reference, "latest"),
    };
    let version = wanted.cloned().or_else(|| tag.split('-').next()?.parse().ok());
    let image = |version| Image { name: name.to_owned(), tag: tag.to_owned(), version };
    version.map(image).ok_or_else(|| {
        Error::missing(
            format!("reading the version of the image {reference}"),
            "a tag that does not say which PostgreSQL is in it",
        )
        .remedy("set LAB_PG to the version that is in the image")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_its_tag_or_by_the_version_that_was_asked_for() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        let image = named("postgres:17-bookworm", None).unwrap();
        assert_eq!((image.tag.as_str(), image.version.major()), ("17-bookworm", 17));
        let image = named("registry:5000/mine", Some(&version("16"))).unwrap();
        assert_eq!((image.name.as_str(), image.tag.as_str()), ("registry:5000/mine", "latest"));
        assert!(named("mine:latest", None).unwrap_err().to_string().contains("LAB_PG"));
    }

    #[test]
    fn an_image_is_the_same_wherever_it_came_from() {
        for (listed, name) in [
            ("postgres", "postgres"),
            ("registry.example/library/postgres", "postgres"),
            ("localhost/replication-lab/postgres", "replication-lab/postgres"),
            ("replication-lab/postgres", "replication-lab/postgres"),
            ("registry.example:5000/mine/postgres", "mine/postgres"),
        ] {
            assert_eq!(short(listed), name);
        }
    }
}
