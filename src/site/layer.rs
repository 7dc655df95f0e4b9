//! Templates of containers: an image with one more layer, in which `initdb` has filled the data
//! directory, and with labels that say what is in the image. No template is ever started.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::Arc;

use testcontainers_modules::testcontainers::bollard::models::{
    ContainerConfig, ImageInspect, ImageSummary,
};
use testcontainers_modules::testcontainers::bollard::query_parameters::{
    CommitContainerOptionsBuilder, ListImagesOptions, RemoveImageOptionsBuilder,
};

use super::contents::{self, Contents};
use super::guest;
use super::image::{Candidate, Image};
use super::template::{INITDB, Template, fill};
use crate::error::{Error, Result, Why};
use crate::host::container::{Base, Container, HOME};
use crate::host::engine::Engine;
use crate::host::script::Script;
use crate::password::Password;
use crate::settings::Settings;
use crate::version::Version;

/// The name of the template images.
const TEMPLATE: &str = "replication-lab/template";

/// The labels of a template: the superuser's password in it, its image, and what is in that.
const PASSWORD: &str = "replication-lab.template-password";
const BASE: &str = "replication-lab.base";
const VERSION: &str = "replication-lab.version";
const PROGRAMS: &str = "replication-lab.programs";
const LIBRARIES: &str = "replication-lab.libraries";
const USER: &str = "replication-lab.user";

/// Returns a candidate with what is in it: from the labels of its template, or else as a container of
/// it answers.
///
/// # Errors
///
/// The image is not what its tag or the settings say, or lacks what a server needs.
pub(super) async fn open(
    engine: &Arc<Engine>,
    candidate: &Candidate,
    settings: &Settings,
) -> Result<Image> {
    let reference = &candidate.reference;
    let base = inspect(engine, reference).await?;
    let there = engine.docker.inspect_image(&template_of(&base, settings)).await;
    let known = there.ok().and_then(|template| labelled(&template));
    let contents = match known {
        Some((contents, _)) => contents,
        None => ask(engine, reference, &base, settings).await?,
    };
    check_volumes(reference, &base)?;
    check_version(candidate, &contents.version, settings)?;
    let (reference, unwanted) = (reference.clone(), unwanted(&base));
    Ok(Image { reference, id: base.id.unwrap_or_default(), contents, unwanted })
}

/// Asks a container of an image what is in it.
async fn ask(
    engine: &Arc<Engine>,
    reference: &str,
    base: &ImageInspect,
    settings: &Settings,
) -> Result<Contents> {
    let settings = Settings { keep: false, ..settings.clone() };
    let id = base.id.as_deref().unwrap_or_default();
    let asked = Base { reference, id, user: "0", unwanted: &[] };
    let guest = guest::in_image(Path::new("/usr/bin"), None);
    let container = Container::start(Arc::clone(engine), &asked, guest, &settings, "image").await?;
    let own = base.config.as_ref().and_then(|config| config.user.clone());
    let user = settings.image_user.or(own).unwrap_or_default();
    let data = variables(base).find(|(name, _)| *name == "PGDATA").map_or("", |(_, value)| value);
    let script = Script::new(contents::ASK).with("IMAGE_USER", user).with("PGDATA", data);
    let said = container.run(&script).await?;
    container.remove().await?;
    contents::read(reference, &said)
}

/// Refuses an image whose server is not of the version that its tag names; `LAB_PG` may say what is
/// in it in spite of the tag. A page must not be compared under a wrong version.
fn check_version(candidate: &Candidate, found: &Version, settings: &Settings) -> Result<()> {
    let reference = &candidate.reference;
    let by_name = settings.image.is_some();
    let (said, by) = match (&settings.version, &candidate.claim) {
        (Some(asked), _) if by_name => (asked, "LAB_PG"),
        (_, Some(claim)) => (claim, "its tag"),
        _ => return Ok(()),
    };
    if found.satisfies(said) {
        return Ok(());
    }
    let act = format!("looking for PostgreSQL {said}, as {by} says, in the image {reference}");
    let remedy = match by_name {
        true => format!("set LAB_PG={}, or name another image with LAB_IMAGE", found.major()),
        false => format!(
            "remove the tag with docker rmi {reference}, or set LAB_IMAGE={reference} \
                          and LAB_PG={}",
            found.major()
        ),
    };
    Err(Error::missing(act, format!("a server of version {found}")).remedy(remedy))
}

/// Refuses an image with a volume over the lab's directory: what `initdb` writes there would not
/// become part of the template.
fn check_volumes(reference: &str, base: &ImageInspect) -> Result<()> {
    let volumes = base.config.as_ref().and_then(|config| config.volumes.as_ref());
    let over = |volume: &&String| Path::new(HOME).starts_with(volume);
    match volumes.into_iter().flatten().find(over) {
        None => Ok(()),
        Some(volume) => {
            let act = format!("looking at what is in the image {reference}");
            let there = format!("a volume at {volume}, over {HOME}, where the lab's data are");
            Err(Error::missing(act, there).remedy("name an image without this volume"))
        }
    }
}

/// Returns the names of the variables of an image that change what PostgreSQL's programs do (manual:
/// libpq, Environment Variables; Locale Support).
fn unwanted(base: &ImageInspect) -> Vec<String> {
    let acts = |name: &&str| name.starts_with("PG") || name.starts_with("LC_") || *name == "LANG";
    variables(base).map(|(name, _)| name).filter(acts).map(str::to_owned).collect()
}

/// Returns the variables that an image sets, each with its value.
fn variables(base: &ImageInspect) -> impl Iterator<Item = (&str, &str)> {
    let set = base.config.as_ref().and_then(|config| config.env.as_deref()).unwrap_or_default();
    set.iter().filter_map(|one| one.split_once('='))
}

/// Returns the template of an image; creates it if the engine does not have it yet.
pub(super) async fn template(
    engine: &Arc<Engine>,
    image: &Image,
    settings: &Settings,
) -> Result<Template> {
    let base = inspect(engine, &image.id).await?;
    let reference = template_of(&base, settings);
    let inspected = match engine.docker.inspect_image(&reference).await {
        Ok(there) => there,
        Err(_) => {
            make(engine, image, &reference, settings).await?;
            inspect(engine, &reference).await?
        }
    };
    read(&inspected, image).ok_or_else(|| {
        let act = format!("reading the template image {reference}");
        Error::missing(act, "an image without an id or a password")
            .remedy(format!("run docker rmi {reference}; the next run creates it again"))
    })
}

async fn inspect(engine: &Engine, reference: &str) -> Result<ImageInspect> {
    let inspected = engine.docker.inspect_image(reference).await;
    inspected.map_err(|source| Error::engine(format!("inspecting the image {reference}"), source))
}

async fn make(
    engine: &Arc<Engine>,
    image: &Image,
    reference: &str,
    settings: &Settings,
) -> Result<()> {
    let password = Password::random();
    let settings = Settings { keep: false, ..settings.clone() };
    let container = image.start(engine, &settings, "template").await?;
    let user = Script::new(contents::ENTER).with("IMAGE_USER", &image.contents.user);
    let entered = container.run_as_root(&user).await?;
    let filled = container.run(&Script::new(fill()).with("PASSWORD", password.as_str())).await?;
    if filled.status != Some(0) {
        let (status, output) = (filled.status, entered.stderr + &filled.stdout + &filled.stderr);
        let why = Why::Command { line: INITDB.to_owned(), status, output };
        return Err(Error::new(format!("creating a template of {}", image.reference), why));
    }
    let (repository, tag) = reference.split_once(':').unwrap_or((reference, ""));
    let options = CommitContainerOptionsBuilder::new()
        .container(container.id())
        .repo(repository)
        .tag(tag)
        .pause(false)
        .changes(&labels(image, &password))
        .build();
    let made = engine.docker.commit_container(options, ContainerConfig::default()).await;
    made.map_err(|source| Error::engine(format!("creating the image {reference}"), source))?;
    container.remove().await
}

/// Returns the labels of a template as an instruction of a Dockerfile, which every engine keeps.
fn labels(image: &Image, password: &Password) -> String {
    let Contents { version, programs, libraries, user } = &image.contents;
    let libraries = libraries.as_deref().unwrap_or(Path::new(""));
    let labels = [
        (PASSWORD, password.as_str()),
        (BASE, &image.reference),
        (VERSION, &version.to_string()),
        (PROGRAMS, &programs.display().to_string()),
        (LIBRARIES, &libraries.display().to_string()),
        (USER, user),
    ];
    let labels = labels.map(|(name, value)| format!(" {name}=\"{value}\""));
    format!("LABEL{}", labels.concat())
}

/// Reads the labels of a template.
fn labelled(inspected: &ImageInspect) -> Option<(Contents, Password)> {
    let labels = inspected.config.as_ref()?.labels.as_ref()?;
    let label = |name: &str| labels.get(name).cloned();
    let version = label(VERSION)?.parse().ok()?;
    let libraries = label(LIBRARIES)?;
    let libraries = (!libraries.is_empty()).then(|| libraries.into());
    let programs = label(PROGRAMS)?.into();
    let contents = Contents { version, programs, libraries, user: label(USER)? };
    Some((contents, Password::known(label(PASSWORD)?)))
}

/// Returns the names of all templates, including those that lost their tag to another process that
/// created the same template at the same time.
pub(super) async fn all(engine: &Engine) -> Result<Vec<String>> {
    let labelled = [("label".to_owned(), vec![PASSWORD.to_owned()])].into();
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

/// Returns the name of a template: one for each image, each user of it, and each way of creating a
/// template.
fn template_of(base: &ImageInspect, settings: &Settings) -> String {
    let mut hasher = DefaultHasher::new();
    (&base.id, fill(), [BASE, VERSION, PROGRAMS, LIBRARIES, USER], &settings.image_user)
        .hash(&mut hasher);
    format!("{TEMPLATE}:{:016x}", hasher.finish())
}

/// Reads the template of an inspected image, by its id: its tag may be moved by another process
/// that creates the same template.
fn read(inspected: &ImageInspect, image: &Image) -> Option<Template> {
    let (contents, password) = labelled(inspected)?;
    let id = inspected.id.clone()?;
    Some(Template::Image(Image { id, contents, ..image.clone() }, password))
}
