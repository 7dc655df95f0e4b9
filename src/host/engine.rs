//! The container engine: whether it answers, where it publishes ports, and which of its containers
//! belong to the lab. It never creates networks: engines have few address ranges for them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use testcontainers_modules::testcontainers::bollard::Docker;
use testcontainers_modules::testcontainers::bollard::models::ContainerSummaryStateEnum;
use testcontainers_modules::testcontainers::bollard::query_parameters::{
    InspectNetworkOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers_modules::testcontainers::core::client::docker_client_instance;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

use super::program::is_gone;
use super::switch::Creations;
use crate::error::{Error, Result};
use crate::settings;

/// The label of all containers of the lab; its value names the process that created the container,
/// and its machine.
const LABEL: &str = "replication-lab.process";

const ANSWER: Duration = Duration::from_secs(5);

/// A container engine that answers.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) docker: Docker,
    /// The name and the version that it reports.
    pub version: String,
    /// Where the engine publishes ports, and where clients connect to them.
    pub(crate) published: Published,
    pub(crate) creations: Creations,
    /// The address of the engine's bridge, where the engine reports it.
    pub(crate) gateway: Option<IpAddr>,
}

/// The addresses of published ports: bound by the engine, connected to by clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) bind: String,
    pub(crate) connect: String,
}

/// A container that a process on this machine created.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) process: u32,
    pub(crate) id: String,
    started: bool,
}

impl Engine {
    /// Returns the engine of this process, connected to once: that of `DOCKER_HOST`, or of the
    /// usual sockets.
    pub(crate) async fn of_process() -> Result<Arc<Self>> {
        static ENGINE: OnceCell<Arc<Engine>> = OnceCell::const_new();
        ENGINE.get_or_try_init(|| async { Self::connect().await.map(Arc::new) }).await.cloned()
    }

    async fn connect() -> Result<Self> {
        let act = "connecting to the container engine";
        let remedy = "start Docker or Podman's Docker socket, set DOCKER_HOST to it, \
                      or set LAB_HOST=local";
        let docker = docker_client_instance()
            .await
            .map_err(|source| Error::engine(act, source).remedy(remedy))?;
        let version =
            tokio::time::timeout(ANSWER.mul_f64(settings::timeout_factor()), docker.version())
                .await
                .map_err(|late| Error::engine(act, late).remedy(remedy))?
                .map_err(|source| Error::engine(act, source).remedy(remedy))?;
        let gateway = bridge_gateway(&docker).await;
        let published = published(settings::docker_host().as_deref(), gateway).await;
        let version = version.version.unwrap_or_default();
        let (label, value) = label();
        let creations = Creations::watch(&format!("{label}={value}"));
        let engine = Self { docker, version, published, creations, gateway };
        engine.sweep().await?;
        Ok(engine)
    }

    /// Removes containers that were created, but never started, for processes that have ended.
    async fn sweep(&self) -> Result<()> {
        for container in self.containers().await? {
            if !container.started && is_gone(container.process) {
                // Another process may remove the same container at the same time.
                let _ = self.remove(&container.id).await;
            }
        }
        Ok(())
    }

    /// Returns every container that a process on this machine created.
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
}

/// Returns the label of the containers that this process creates.
pub(crate) fn label() -> (&'static str, String) {
    (LABEL, format!("{}@{}", std::process::id(), machine_name()))
}

/// Returns a name for the scope in which a process id is unique: the host name, and on Linux the
/// namespace of process ids.
fn machine_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits = namespace.to_string_lossy().replace(|c: char| !c.is_ascii_digit(), "");
    format!("{name}-{digits}")
}

async fn bridge_gateway(docker: &Docker) -> Option<IpAddr> {
    let bridge = docker.inspect_network("bridge", None::<InspectNetworkOptions>).await.ok()?;
    let configs = bridge.ipam?.config?;
    configs.into_iter().find_map(|config| match config.gateway {
        Some(gateway) => gateway.parse().ok(),
        None => first_address(&config.subnet?),
    })
}

/// Returns the first address of a subnet: the bridge's own, where the engine does not report it.
fn first_address(subnet: &str) -> Option<IpAddr> {
    let network: Ipv4Addr = subnet.split_once('/')?.0.parse().ok()?;
    Some(Ipv4Addr::from(u32::from(network).checked_add(1)?).into())
}

/// Returns where the engine publishes ports. On a Unix socket the engine is on this machine, and a
/// port on the loopback is enough; unless this process itself is in a container, with the socket
/// mounted: then its loopback is not the engine's. Over TCP the engine is on another machine, and
/// the port must be open there.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_has_the_first_address_of_its_subnet() {
        assert_eq!(first_address("172.17.0.0/16"), Some([172, 17, 0, 1].into()));
        assert_eq!(first_address("fd00::/64"), None);
    }
}
