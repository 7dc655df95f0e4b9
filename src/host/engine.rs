//! The container engine, and the image that nodes run: found, chosen, pulled if it must be. It
//! makes containers (see [`Container`]), never networks: engines have few of them to give.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use testcontainers_modules::testcontainers::bollard::Docker;
use testcontainers_modules::testcontainers::bollard::models::ContainerSummaryStateEnum;
use testcontainers_modules::testcontainers::bollard::query_parameters::{
    CreateImageOptionsBuilder, InspectNetworkOptions, ListContainersOptionsBuilder,
    ListImagesOptions, RemoveContainerOptionsBuilder,
};
use testcontainers_modules::testcontainers::core::client::docker_client_instance;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

use super::container::Container;
use super::leftover::is_gone;
use super::switch::Creations;
use crate::error::{Error, Result, Why};
use crate::settings::{self, Settings};
use crate::version::Version;

/// What images are called: the official ones, and those built by `fixtures/images/build`.
const NAMES: [&str; 2] = ["postgres", "replication-lab/postgres"];

/// The version to pull where the settings name none and the engine has none.
const TO_PULL: u16 = 18;

/// The label all our containers carry: the process that made them, and the machine it runs on.
const LABEL: &str = "replication-lab.process";

const ANSWER: Duration = Duration::from_secs(5);
const PULL: Duration = Duration::from_secs(300);
const PROBE: Duration = Duration::from_secs(3);

/// A container engine that answers.
#[derive(Debug)]
pub struct Engine {
    pub(crate) docker: Docker,
    /// Its name and version, as it says.
    pub version: String,
    /// Where containers publish their ports, and where clients find them there.
    pub(crate) published: Published,
    pub(crate) creations: Creations,
    gateway: Option<IpAddr>,
    relay: OnceCell<RelayRoute>,
}

/// Where a container's port is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) bind: String,
    pub(crate) connect: String,
}

/// How a container reaches a relay in this process: the relay listens at `bind`, the container
/// connects to `address`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelayRoute {
    pub(crate) bind: IpAddr,
    pub(crate) address: String,
}

/// A container that a process on this machine made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) process: u32,
    pub(crate) id: String,
    started: bool,
}

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

impl Engine {
    /// The engine of this process, asked for once: that which `DOCKER_HOST` or the usual sockets
    /// name.
    pub(crate) async fn of_process() -> Result<Arc<Self>> {
        static ENGINE: OnceCell<Arc<Engine>> = OnceCell::const_new();
        ENGINE.get_or_try_init(|| async { Self::connect().await.map(Arc::new) }).await.cloned()
    }

    async fn connect() -> Result<Self> {
        let act = "asking the container engine";
        let remedy = "start Docker or Podman's Docker socket, set DOCKER_HOST to it, \
                      or set LAB_HOST=local";
        let docker = docker_client_instance()
            .await
            .map_err(|source| Error::engine(act, source).remedy(remedy))?;
        let version = tokio::time::timeout(ANSWER, docker.version())
            .await
            .map_err(|late| Error::engine(act, late).remedy(remedy))?
            .map_err(|source| Error::engine(act, source).remedy(remedy))?;
        let gateway = bridge_gateway(&docker).await;
        let published = published(settings::docker_host().as_deref(), gateway).await;
        let version = version.version.unwrap_or_default();
        let relay = OnceCell::new();
        let (label, value) = label();
        let creations = Creations::watch(&format!("{label}={value}"));
        let engine = Self { docker, version, published, creations, gateway, relay };
        engine.sweep().await?;
        Ok(engine)
    }

    /// Removes what was created for processes that ended before it could be started.
    async fn sweep(&self) -> Result<()> {
        for container in self.containers().await? {
            if !container.started && is_gone(container.process) {
                // Somebody else may sweep at the same time.
                let _ = self.remove(&container.id).await;
            }
        }
        Ok(())
    }

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
        let listed = self
            .docker
            .list_images(None::<ListImagesOptions>)
            .await
            .map_err(|source| Error::engine("listing the engine's images", source))?;
        let tags = listed.iter().flat_map(|image| &image.repo_tags);
        let known = tags.filter_map(|tag| {
            let (name, tag) = tag.rsplit_once(':')?;
            let version = tag.parse().ok()?;
            let image = Image { name: name.to_owned(), tag: tag.to_owned(), version };
            NAMES.contains(&short(name)).then_some(image)
        });
        Ok(known.collect())
    }

    /// Gets the image that the settings name, or else the official one of their version.
    pub(crate) async fn pull(&self, settings: &Settings) -> Result<Image> {
        let tag = settings.version.as_ref().map_or(TO_PULL.to_string(), Version::to_string);
        let reference = settings.image.clone().unwrap_or(format!("{}:{tag}", NAMES[0]));
        let image = named(&reference, settings.version.as_ref())?;
        let act = format!("pulling the image {reference}");
        let options =
            CreateImageOptionsBuilder::new().from_image(&image.name).tag(&image.tag).build();
        let pull =
            self.docker.create_image(Some(options), None, None).try_for_each(|_| async { Ok(()) });
        let deadline = PULL.mul_f64(settings::timeout_factor());
        let pulled = match tokio::time::timeout(deadline, pull).await {
            Ok(pulled) => pulled.map_err(|source| Error::engine(act.as_str(), source)),
            Err(late) => Err(Error::engine(act.as_str(), late)),
        };
        let remedy = format!(
            "where no registry answers: fixtures/images/build {tag}; or name an image that is \
             there with LAB_IMAGE; or LAB_HOST=local"
        );
        pulled.map_err(|error| error.remedy(remedy))?;
        Ok(image)
    }

    /// Every container that a process on this machine made.
    pub(crate) async fn containers(&self) -> Result<Vec<Made>> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let listed = self
            .docker
            .list_containers(Some(options))
            .await
            .map_err(|source| Error::engine("listing the engine's containers", source))?;
        let ours = listed.into_iter().filter_map(|container| {
            let label = container.labels?.remove(LABEL)?;
            let (process, machine) = label.split_once('@')?;
            let started = container.state != Some(ContainerSummaryStateEnum::CREATED);
            let made = Made { process: process.parse().ok()?, id: container.id?, started };
            (machine == machine_name()).then_some(made)
        });
        Ok(ours.collect())
    }

    /// Removes a container by force, and its anonymous volumes.
    pub(crate) async fn remove(&self, id: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed = self.docker.remove_container(id, Some(options)).await;
        removed.map_err(|source| Error::engine(format!("removing the container {id}"), source))
    }

    /// How containers reach relays of this process, found by trying, once per process.
    pub(crate) async fn relay_route(
        &self,
        from: &Container,
        settings: &Settings,
    ) -> Result<RelayRoute> {
        self.relay.get_or_try_init(|| self.find_relay_route(from, settings)).await.cloned()
    }

    async fn find_relay_route(&self, from: &Container, settings: &Settings) -> Result<RelayRoute> {
        let candidates = self.relay_candidates(settings);
        for candidate in &candidates {
            if self.reaches(from, candidate).await {
                return Ok(candidate.clone());
            }
        }
        let tried: Vec<_> = candidates.into_iter().map(|route| route.address).collect();
        let act = "looking for an address under which containers reach this process";
        Err(Error::new(act, Why::NoRoute { tried: tried.join(", ") }).remedy(
            "allow connections from the container bridge to this machine (firewall), or set \
             LAB_RELAY_ADDRESS to an address that containers reach, or LAB_HOST=local",
        ))
    }

    /// Can containers of this image reach a relay of this process? Tried with one.
    pub(crate) async fn probe(self: &Arc<Self>, image: &Image, settings: &Settings) -> Result<()> {
        if self.relay.initialized() {
            return Ok(());
        }
        let container = Container::start(Arc::clone(self), image, settings, "probe").await?;
        let route = self.relay_route(&container, settings).await;
        container.remove().await?;
        route.map(drop)
    }

    fn relay_candidates(&self, settings: &Settings) -> Vec<RelayRoute> {
        let anywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        if let Some(address) = &settings.relay_address {
            return vec![RelayRoute { bind: anywhere, address: address.clone() }];
        }
        let own = |own: IpAddr| RelayRoute { bind: own, address: own.to_string() };
        let desktop = RelayRoute { bind: anywhere, address: "host.docker.internal".to_owned() };
        let facing = self.gateway.and_then(own_address_towards).map(own);
        self.gateway.map(own).into_iter().chain([desktop]).chain(facing).collect()
    }

    /// A connection that arrives here is proof; what it says does not matter.
    async fn reaches(&self, from: &Container, route: &RelayRoute) -> bool {
        let Ok(listener) = TcpListener::bind((route.bind, 0)).await else {
            return false;
        };
        let Ok(port) = listener.local_addr().map(|address| address.port()) else {
            return false;
        };
        let probe = super::Script::new(format!("pg_isready -h {} -p {port} -t 2", route.address));
        let knock = async {
            let _ = from.run(&probe).await;
            std::future::pending().await
        };
        tokio::select! {
            arrived = tokio::time::timeout(PROBE, listener.accept()) => matches!(arrived, Ok(Ok(_))),
            never = knock => never,
        }
    }
}

/// The label of the containers that this process makes.
pub(crate) fn label() -> (&'static str, String) {
    (LABEL, format!("{}@{}", std::process::id(), machine_name()))
}

/// Where a process id means the same: a host name, and on Linux the namespace of process ids.
fn machine_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits = namespace.to_string_lossy().replace(|c: char| !c.is_ascii_digit(), "");
    format!("{name}-{digits}")
}

/// Podman lists images with the registry they came from.
fn short(name: &str) -> &str {
    let registries = ["localhost/"];
    registries.iter().find_map(|registry| name.strip_prefix(registry)).unwrap_or(name)
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

async fn bridge_gateway(docker: &Docker) -> Option<IpAddr> {
    let bridge = docker.inspect_network("bridge", None::<InspectNetworkOptions>).await.ok()?;
    let configs = bridge.ipam?.config?;
    configs.into_iter().find_map(|config| config.gateway?.parse().ok())
}

/// On a Unix socket the engine is this machine's, and a port on the loopback is enough; unless
/// this process is itself in a container, with the socket mounted: then its loopback is not the
/// engine's. Over TCP the engine is another machine's, and the port must be open there.
async fn published(docker_host: Option<&str>, gateway: Option<IpAddr>) -> Published {
    let remote = docker_host.and_then(|url| {
        let (scheme, rest) = url.split_once("://")?;
        let host = rest.split(['/', ':']).next()?;
        (scheme != "unix").then(|| host.to_owned())
    });
    let inside = Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists();
    match (remote, gateway) {
        (Some(host), _) => Published { bind: "0.0.0.0".to_owned(), connect: host },
        (None, Some(gateway)) if inside && TcpListener::bind((gateway, 0)).await.is_err() => {
            Published { bind: gateway.to_string(), connect: gateway.to_string() }
        }
        _ => Published { bind: "127.0.0.1".to_owned(), connect: "127.0.0.1".to_owned() },
    }
}

/// The address of this machine that packets towards `there` leave from; nothing is sent.
fn own_address_towards(there: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((there, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
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
}
