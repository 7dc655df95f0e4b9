//! The route by which containers reach relays of this process: an address that is found by a trial.
//! Nothing here opens a relay.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::error::{Error, Result, Why};
use crate::host::container::Container;
use crate::host::engine::Engine;
use crate::host::script::Script;
use crate::settings::{self, Settings};

/// The longest that a container may take to connect.
const PROBE: Duration = Duration::from_secs(3);

/// A route from a container to a relay in this process: the relay listens at `bind`, the container
/// connects to `address`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelayRoute {
    pub(crate) bind: IpAddr,
    pub(crate) address: String,
}

/// Finds a route from containers to relays of this process, by a trial from one of them.
///
/// # Errors
///
/// None of the tried addresses leads to this process: the error lists them.
pub(super) async fn find(
    engine: &Engine,
    from: &Container,
    settings: &Settings,
) -> Result<RelayRoute> {
    let candidates = candidates(engine, settings);
    for candidate in &candidates {
        if reaches(from, candidate).await {
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

fn candidates(engine: &Engine, settings: &Settings) -> Vec<RelayRoute> {
    let anywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if let Some(address) = &settings.relay_address {
        return vec![RelayRoute { bind: anywhere, address: address.clone() }];
    }
    let own = |own: IpAddr| RelayRoute { bind: own, address: own.to_string() };
    let desktop = RelayRoute { bind: anywhere, address: "host.docker.internal".to_owned() };
    let facing = engine.gateway.and_then(own_address_towards).map(own);
    engine.gateway.map(own).into_iter().chain([desktop]).chain(facing).collect()
}

/// Tells whether the container connects by this route. A connection that arrives here is the proof;
/// the container's answer does not matter.
async fn reaches(from: &Container, route: &RelayRoute) -> bool {
    let Ok(listener) = TcpListener::bind((route.bind, 0)).await else {
        return false;
    };
    let Ok(port) = listener.local_addr().map(|address| address.port()) else {
        return false;
    };
    let patience = PROBE.mul_f64(settings::timeout_factor());
    let seconds = patience.as_secs();
    let probe = format!("pg_isready -h {} -p {port} -t {seconds}", route.address);
    let probe = Script::new(probe);
    // The exit status of the probe is no answer: what counts is a connection that arrives here. So this
    // branch never completes, and the deadline ends the attempt.
    let knock = async {
        let _ = from.run(&probe).await;
        std::future::pending().await
    };
    tokio::select! {
        arrived = tokio::time::timeout(patience, listener.accept()) => matches!(arrived, Ok(Ok(_))),
        never = knock => never,
    }
}

/// Returns the address of this machine from which packets towards `there` are sent; sends nothing.
fn own_address_towards(there: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Connecting a UDP socket only chooses a route; port 9 (discard) is never sent to.
    socket.connect((there, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
