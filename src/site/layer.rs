//! Templates of containers: an image with one more layer, in which `initdb` has filled the data
//! directory. No template is ever started.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use testcontainers_modules::testcontainers::bollard::models::{
    ContainerConfig, ImageInspect, ImageSummary,
};
use testcontainers_modules::testcontainers::bollard::query_parameters::{
    CommitContainerOptionsBuilder, ListImagesOptions, RemoveImageOptionsBuilder,
};

use super::image::Image;
use super::template::{INITDB, Template, fill};
use crate::error::{Error, Result, Why};
use crate::host::engine::Engine;
use crate::host::script::Script;
use crate::password::Password;
use crate::settings::Settings;
use crate::version::Version;

/// The name of the template images; the label with the password has it, too.
const TEMPLATE: &str = "replication-lab/template";
const TEMPLATE_PASSWORD: &str = "replication-lab.template-password";

/// Returns the template of an image; creates it if the engine does not have it yet.
pub(super) async fn template(
    engine: &Arc<Engine>,
    image: &Image,
    settings: &Settings,
) -> Result<Template> {
    let base = inspect(engine, &image.reference()).await?;
    let tag = tag_of(&base);
    let reference = format!("{TEMPLATE}:{tag}");
    let inspected = match engine.docker.inspect_image(&reference).await {
        Ok(there) => there,
        Err(_) => {
            make(engine, image, &tag, settings).await?;
            inspect(engine, &reference).await?
        }
    };
    read(&inspected, &image.version).ok_or_else(|| {
        let act = format!("reading the template image {reference}");
        Error::missing(act, "an image without an id or a password")
            .remedy(format!("run docker rmi {reference}; the next run creates it again"))
    })
}

async fn inspect(engine: &Engine, reference: &str) -> Result<ImageInspect> {
    let inspected = engine.docker.inspect_image(reference).await;
    inspected.map_err(|source| Error::engine(format!("inspecting the image {reference}"), source))
}

async fn make(engine: &Arc<Engine>, image: &Image, tag: &str, settings: &Settings) -> Result<()> {
    let password = Password::random();
    let settings = Settings { keep: false, ..settings.clone() };
    let container = image.start(engine, &settings, "template").await?;
    let filled = container.run(&Script::new(fill()).with("PASSWORD", password.as_str())).await?;
    if filled.status != Some(0) {
        let (status, output) = (filled.status, filled.stdout + &filled.stderr);
        let why = Why::Command { line: INITDB.to_owned(), status, output };
        return Err(Error::new(format!("creating a template of {}", image.reference()), why));
    }
    let options = CommitContainerOptionsBuilder::new()
        .container(container.id())
        .repo(TEMPLATE)
        .tag(tag)
        .pause(false)
        .build();
    let labels = [(TEMPLATE_PASSWORD.to_owned(), password.as_str().to_owned())].into();
    let config = ContainerConfig { labels: Some(labels), ..ContainerConfig::default() };
    let made = engine.docker.commit_container(options, config).await;
    made.map_err(|source| Error::engine(format!("creating the image {TEMPLATE}:{tag}"), source))?;
    container.remove().await
}

/// Returns the names of all templates, including those that lost their tag to another process that
/// created the same template at the same time.
pub(super) async fn all(engine: &Engine) -> Result<Vec<String>> {
    let labelled = [("label".to_owned(), vec![TEMPLATE_PASSWORD.to_owned()])].into();
    let options = ListImagesOptions { filters: Some(labelled), ..ListImagesOptions::default() };
    let listed = engine.docker.list_images(Some(options)).await;
    let listed = listed.map_err(|source| Error::engine("listing the templates", source))?;
    let name = |image: ImageSummary| image.repo_tags.into_iter().next().unwrap_or(image.id);
    Ok(listed.into_iter().map(name).collect())
}

/// Removes every template that no container uses, and returns their names.
pub(super) async fn remove_all(engine: &Engine) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for name in all(engine).await? {
        let options = RemoveImageOptionsBuilder::new().build();
        // The engine refuses to remove an image that a container uses, and that one is to stay.
        if engine.docker.remove_image(&name, Some(options), None).await.is_ok() {
            removed.push(name);
        }
    }
    Ok(removed)
}

/// Returns the tag of a template: one for each image and each way of creating a template.
fn tag_of(base: &ImageInspect) -> String {
    let mut hasher = DefaultHasher::new();
    (&base.id, fill()).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Reads the template of an inspected image, by its id: its tag may be moved by another process
/// that creates the same template.
fn read(inspected: &ImageInspect, version: &Version) -> Option<Template> {
    let (name, tag) = inspected.id.as_deref()?.split_once(':')?;
    let password = inspected.config.as_ref()?.labels.as_ref()?.get(TEMPLATE_PASSWORD)?;
    let (name, tag, version) = (name.to_owned(), tag.to_owned(), version.clone());
    Some(Template::Image(Image { name, tag, version }, Password::known(password.clone())))
}
