//! Images: which of the engine's has the PostgreSQL that is asked for, how to get one, and the
//! template made of it, with a data directory inside. It starts no server.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use testcontainers_modules::testcontainers::bollard::models::{
    ContainerConfig, ImageInspect, ImageSummary,
};
use testcontainers_modules::testcontainers::bollard::query_parameters::{
    CommitContainerOptionsBuilder, CreateImageOptionsBuilder, ListImagesOptions,
    RemoveImageOptionsBuilder,
};

use super::Script;
use super::container::Container;
use super::engine::Engine;
use super::site::Tell;
use super::template::{INITDB, Template, fill};
use crate::error::{Error, Result, Why};
use crate::password::Password;
use crate::settings::{self, Settings};
use crate::version::Version;

/// What images are called: the official ones, and those built by `fixtures/images/build`.
const NAMES: [&str; 2] = ["postgres", "replication-lab/postgres"];

/// What the templates made of them are called, and the label with the password in them.
const TEMPLATE: &str = "replication-lab/template";
const TEMPLATE_PASSWORD: &str = "replication-lab.template-password";

/// The version to pull where the settings name none and the engine has none.
const TO_PULL: u16 = 18;

const PULL: Duration = Duration::from_secs(300);

/// An image with PostgreSQL's programs in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The image's name without its tag.
    pub name: String,
    /// Its tag.
    pub tag: String,
    /// The PostgreSQL version in it.
    pub version: Version,
}

impl Image {
    fn reference(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }
}

impl Engine {
    /// The image that the settings ask for, if the engine has it: `LAB_IMAGE`, or one of the
    /// version they name, or else the newest stable one.
    pub(crate) async fn find_image(&self, settings: &Settings) -> Result<Option<Image>> {
        if let Some(reference) = &settings.image {
            let image = named(reference, settings.version.as_ref())?;
            let there = self.docker.inspect_image(reference).await.is_ok();
            return Ok(there.then_some(image));
        }
        let images = self.images().await?;
        let fits = |image: &&Image| match &settings.version {
            Some(wanted) => image.version.major() == wanted.major(),
            None => image.version.is_stable(),
        };
        let rank = |image: &&Image| (image.version.major(), short(&image.name) == NAMES[0]);
        Ok(images.iter().filter(fits).max_by_key(rank).cloned())
    }

    /// Every image the engine has under the names that count.
    pub async fn images(&self) -> Result<Vec<Image>> {
        let tags = self.tags().await?;
        let known = tags.iter().filter_map(|tag| {
            let (name, tag) = tag.rsplit_once(':')?;
            let version = tag.parse().ok()?;
            let image = Image { name: name.to_owned(), tag: tag.to_owned(), version };
            NAMES.contains(&short(name)).then_some(image)
        });
        Ok(known.collect())
    }

    async fn tags(&self) -> Result<Vec<String>> {
        let listed = self.docker.list_images(None::<ListImagesOptions>).await;
        let listed =
            listed.map_err(|source| Error::engine("listing the engine's images", source))?;
        Ok(listed.into_iter().flat_map(|image| image.repo_tags).collect())
    }

    /// Gets the image that the settings name, or else the official one of their version, where it
    /// may: `tell` hears how it goes.
    pub(crate) async fn pull(&self, settings: &Settings, tell: Option<&Tell<'_>>) -> Result<Image> {
        let tag = settings.version.as_ref().map_or(TO_PULL.to_string(), Version::to_string);
        let reference = settings.image.clone().unwrap_or(format!("{}:{tag}", NAMES[0]));
        let image = named(&reference, settings.version.as_ref())?;
        let remedy = format!(
            "where no registry answers: fixtures/images/build {tag} (13, 15, 17, 18, 19rc1); or name \
             an image that is there with LAB_IMAGE; or LAB_HOST=local"
        );
        let Some(tell) = tell else {
            let act = format!("looking for the image {reference}");
            return Err(Error::missing(act, "an engine without it").remedy(remedy));
        };
        let act = format!("pulling the image {reference}");
        tell(&act);
        let options =
            CreateImageOptionsBuilder::new().from_image(&image.name).tag(&image.tag).build();
        let mut layers = HashMap::new();
        let pull = self.docker.create_image(Some(options), None, None).try_for_each(|news| {
            let detail = news.progress_detail.and_then(|detail| detail.current.zip(detail.total));
            layers.extend(news.id.zip(detail));
            let (here, all) = layers
                .values()
                .fold((0, 0), |sum, one: &(i64, i64)| (sum.0 + one.0, sum.1 + one.1));
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

    /// The template of an image, made if it is not there yet: the image with one layer more, in which
    /// `initdb` has filled the data directory.
    pub(crate) async fn template(
        self: &Arc<Self>,
        image: &Image,
        settings: &Settings,
    ) -> Result<Template> {
        let mut templates = self.templates.lock().await;
        if let Some(template) = templates.get(&image.reference()) {
            return Ok(template.clone());
        }
        let base = self.inspect(&image.reference()).await?;
        let tag = tag_of(&base);
        let reference = format!("{TEMPLATE}:{tag}");
        let inspected = match self.docker.inspect_image(&reference).await {
            Ok(there) => there,
            Err(_) => {
                self.make_template(image, &tag, settings).await?;
                self.inspect(&reference).await?
            }
        };
        let template = read_template(&inspected, &image.version).ok_or_else(|| {
            let act = format!("reading the template image {reference}");
            Error::missing(act, "an image without an id or a password")
                .remedy(format!("docker rmi {reference}; it is made again"))
        })?;
        templates.insert(image.reference(), template.clone());
        Ok(template)
    }

    async fn inspect(&self, reference: &str) -> Result<ImageInspect> {
        let inspected = self.docker.inspect_image(reference).await;
        inspected
            .map_err(|source| Error::engine(format!("inspecting the image {reference}"), source))
    }

    async fn make_template(
        self: &Arc<Self>,
        image: &Image,
        tag: &str,
        settings: &Settings,
    ) -> Result<()> {
        let password = Password::random();
        let settings = Settings { keep: false, ..settings.clone() };
        let container = Container::start(Arc::clone(self), image, &settings, "template").await?;
        let filled =
            container.run(&Script::new(fill()).with("PASSWORD", password.as_str())).await?;
        if filled.status != Some(0) {
            let (status, output) = (filled.status, filled.stdout + &filled.stderr);
            let why = Why::Command { line: INITDB.to_owned(), status, output };
            return Err(Error::new(format!("making a template of {}", image.reference()), why));
        }
        let options = CommitContainerOptionsBuilder::new()
            .container(container.id())
            .repo(TEMPLATE)
            .tag(tag)
            .pause(false)
            .build();
        let labels = [(TEMPLATE_PASSWORD.to_owned(), password.as_str().to_owned())].into();
        let config = ContainerConfig { labels: Some(labels), ..ContainerConfig::default() };
        let made = self.docker.commit_container(options, config).await;
        made.map_err(|source| Error::engine(format!("making the image {TEMPLATE}:{tag}"), source))?;
        container.remove().await
    }

    /// Every template, also one that lost its tag to another process that made the same at the same time.
    pub(crate) async fn templates_there(&self) -> Result<Vec<String>> {
        let labelled = [("label".to_owned(), vec![TEMPLATE_PASSWORD.to_owned()])].into();
        let options = ListImagesOptions { filters: Some(labelled), ..ListImagesOptions::default() };
        let listed = self.docker.list_images(Some(options)).await;
        let listed = listed.map_err(|source| Error::engine("listing the templates", source))?;
        let name = |image: ImageSummary| image.repo_tags.into_iter().next().unwrap_or(image.id);
        Ok(listed.into_iter().map(name).collect())
    }

    /// Removes every template that no container uses, and says which were removed.
    pub(crate) async fn remove_templates(&self) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for name in self.templates_there().await? {
            let options = RemoveImageOptionsBuilder::new().build();
            if self.docker.remove_image(&name, Some(options), None).await.is_ok() {
                removed.push(name);
            }
        }
        Ok(removed)
    }
}

/// One template for each image and each way of making one.
fn tag_of(base: &ImageInspect) -> String {
    let mut hasher = DefaultHasher::new();
    (&base.id, fill()).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The image by its id: a tag may be moved by another process that makes the same template.
fn read_template(inspected: &ImageInspect, version: &Version) -> Option<Template> {
    let (name, tag) = inspected.id.as_deref()?.split_once(':')?;
    let password = inspected.config.as_ref()?.labels.as_ref()?.get(TEMPLATE_PASSWORD)?;
    let (name, tag, version) = (name.to_owned(), tag.to_owned(), version.clone());
    Some(Template::Image(Image { name, tag, version }, Password::known(password.clone())))
}

/// Podman lists images with the registry they came from, `localhost` for those made here, and the
/// folder `library` that official images are in.
fn short(name: &str) -> &str {
    let registry = |first: &str| first == "localhost" || first.contains(['.', ':']);
    let name = match name.split_once('/') {
        Some((first, rest)) if registry(first) => rest,
        _ => name,
    };
    name.strip_prefix("library/").unwrap_or(name)
}

/// An image by its reference; its version from its tag, or from the settings.
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
            format!("looking at the image {reference}"),
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
