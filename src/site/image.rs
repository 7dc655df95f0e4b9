//! Images: which of the engine's may have the requested PostgreSQL, and how to get one. What is in one
//! is asked elsewhere. Nothing here starts a server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use testcontainers_modules::testcontainers::bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptions,
};

use super::contents::Contents;
use super::guest;
use crate::error::{Error, Result};
use crate::host::container::{Base, Container};
use crate::host::engine::Engine;
use crate::settings::{self, Settings};
use crate::version::Version;

/// The names of images: the official one, and that of `fixtures/images/build`.
const NAMES: [&str; 2] = ["postgres", "replication-lab/postgres"];

/// The version to pull where the settings name none and the engine has no image.
const TO_PULL: u16 = 18;

const PULL: Duration = Duration::from_secs(300);

/// An image that may have what a run needs: what is in it was not asked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The image as a person names it.
    pub(crate) reference: String,
    /// The version that its tag names; none where the tag names none.
    pub(crate) claim: Option<Version>,
}

/// An image with PostgreSQL's programs in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    /// The image as a person names it.
    pub(crate) reference: String,
    /// The engine's id of it, which no other process moves to another image.
    pub(crate) id: String,
    /// What is in it.
    pub(crate) contents: Contents,
    /// The variables that it sets and that no program of the lab may have.
    pub(crate) unwanted: Vec<String>,
}

impl Image {
    /// Starts a container of this image, whose guest will be PostgreSQL.
    pub(super) async fn start(
        &self,
        engine: &Arc<Engine>,
        settings: &Settings,
        node: &str,
    ) -> Result<Container> {
        let guest = guest::in_image(&self.contents.programs, self.contents.libraries.as_deref());
        let base = Base {
            reference: &self.reference,
            id: &self.id,
            user: &self.contents.user,
            unwanted: &self.unwanted,
        };
        Container::start(Arc::clone(engine), &base, guest, settings, node).await
    }
}

/// Returns the images that may have what the settings ask for, the best one first: `LAB_IMAGE`, or
/// those whose tags name the requested version, or else a stable one.
pub(super) async fn candidates(engine: &Engine, settings: &Settings) -> Result<Vec<Candidate>> {
    if let Some(reference) = &settings.image {
        let there = engine.docker.inspect_image(reference).await.is_ok();
        return Ok(there.then(|| named(reference)).into_iter().collect());
    }
    Ok(ranked(all(engine).await?, settings.version.as_ref()))
}

/// Returns those that may have the version, the best one first: a tag that names the release, the
/// newest, a moving tag such as `17` before `17.4` where any 17 will do, the tag without a variant before others, the official image before others.
fn ranked(images: Vec<Candidate>, asked: Option<&Version>) -> Vec<Candidate> {
    let fits = |image: &Candidate| match (&image.claim, asked) {
        (Some(claim), Some(asked)) => claim.may_satisfy(asked),
        (Some(claim), None) => claim.is_stable(),
        (None, _) => false,
    };
    let mut fitting: Vec<_> = images.into_iter().filter(fits).collect();
    fitting.sort_by_cached_key(|image| {
        let claim = image.claim.as_ref();
        let official = short(name_and_tag(&image.reference).0) == NAMES[0];
        let rank = claim.map(|claim| {
            let minor = claim.minor().unwrap_or(u16::MAX);
            let plain = claim.variant().is_none();
            let exact = asked.is_some_and(|asked| claim.satisfies(asked));
            (exact, claim.is_stable(), claim.major(), minor, plain, official, claim.to_string())
        });
        std::cmp::Reverse(rank)
    });
    fitting
}

/// Returns every image that the engine has under one of `NAMES`, with a version as its tag.
pub(super) async fn all(engine: &Engine) -> Result<Vec<Candidate>> {
    let tags = tags(engine).await?;
    let known = tags.iter().map(|reference| named(reference));
    Ok(known.filter(|image| image.claim.is_some() && is_usual(&image.reference)).collect())
}

fn is_usual(reference: &str) -> bool {
    NAMES.contains(&short(name_and_tag(reference).0))
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
) -> Result<Candidate> {
    let tag = settings.version.as_ref().map_or(TO_PULL.to_string(), Version::to_string);
    let reference = settings.image.clone().unwrap_or(format!("{}:{tag}", NAMES[0]));
    let remedy = format!(
        "if no registry answers, run fixtures/images/build {tag} (13 to 18, 19rc1); or name \
         an image that is there with LAB_IMAGE; or LAB_HOST=local"
    );
    let Some(tell) = tell else {
        let act = format!("looking for the image {reference}");
        return Err(Error::missing(act, "an engine without it").remedy(remedy));
    };
    let act = format!("pulling the image {reference}");
    tell(&act);
    let (name, tag) = name_and_tag(&reference);
    let options = CreateImageOptionsBuilder::new().from_image(name).tag(tag).build();
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
    Ok(named(&reference))
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

/// Returns an image by its reference, with the version that its tag names.
fn named(reference: &str) -> Candidate {
    let claim = name_and_tag(reference).1.parse().ok();
    Candidate { reference: reference.to_owned(), claim }
}

/// Splits a reference into what the engine takes as an image's name and as its tag. A digest stands
/// for the tag, also where there is a tag, too: it says more.
fn name_and_tag(reference: &str) -> (&str, &str) {
    let (named, digest) = match reference.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (reference, None),
    };
    // A colon before a slash is that of a registry's port.
    let colon = named.rfind(':').filter(|colon| !named[*colon..].contains('/'));
    let (name, tag) = colon.map_or((named, "latest"), |at| (&named[..at], &named[at + 1..]));
    (name, digest.unwrap_or(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_a_name_and_a_tag_or_a_digest() {
        for (reference, name, tag) in [
            ("postgres:17-bookworm", "postgres", "17-bookworm"),
            ("registry:5000/mine", "registry:5000/mine", "latest"),
            ("registry:5000/mine:3", "registry:5000/mine", "3"),
            ("postgres@sha256:ab", "postgres", "sha256:ab"),
            ("registry:5000/mine:17@sha256:ab", "registry:5000/mine", "sha256:ab"),
        ] {
            assert_eq!(name_and_tag(reference), (name, tag));
        }
        assert_eq!(named("postgres:17-alpine").claim.unwrap().to_string(), "17-alpine");
        assert_eq!(named("mine:latest").claim, None);
        assert_eq!(named("timescaledb:2.17.2-pg16").claim, None);
    }

    #[test]
    fn the_best_image_is_the_first_whatever_the_order_of_the_list() {
        let listed = [
            "postgres:17-alpine",
            "postgres:17.4",
            "replication-lab/postgres:17",
            "postgres:18beta1",
            "postgres:17.10-bookworm",
            "postgres:17",
            "postgres:16",
            "postgres:17.10",
        ];
        let best = |asked: &str, reversed: bool| {
            let mut images: Vec<_> = listed.iter().map(|reference| named(reference)).collect();
            if reversed {
                images.reverse();
            }
            let ranked = ranked(images, asked.parse().ok().as_ref());
            ranked.iter().map(|image| image.reference.clone()).collect::<Vec<_>>()
        };
        for (asked, first) in [
            ("17", "postgres:17"),
            ("", "postgres:17"),
            ("17-alpine", "postgres:17-alpine"),
            ("17-bookworm", "postgres:17.10-bookworm"),
            ("18", "postgres:18beta1"),
            ("18beta1", "postgres:18beta1"),
            ("16", "postgres:16"),
        ] {
            assert_eq!(best(asked, false)[0], first, "{asked}");
            assert_eq!(best(asked, true), best(asked, false), "{asked}");
        }
        // A moving tag may have the release; whether it has is asked.
        assert_eq!(
            best("17.4", false),
            ["postgres:17.4", "postgres:17", "replication-lab/postgres:17", "postgres:17-alpine"]
        );
        assert_eq!(best("18rc1", false), [""; 0]);
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
        assert!(is_usual("localhost/replication-lab/postgres:17"));
        assert!(!is_usual("mine:17"));
    }
}
