//! The servers that a connection string names. Pure.

use std::fmt;

use super::words::BadTarget;

/// PostgreSQL's default port.
const PORT: u16 = 5432;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its name, its address, or the directory of its socket; empty where the string gives only an address.
    pub(super) host: String,
    /// `hostaddr`: the address to connect to, in place of a lookup of the name.
    pub(super) address: Option<String>,
    pub(super) port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name(), self.port)
    }
}

impl Place {
    /// Pairs the hosts of a string with their ports; a single port applies to all hosts. An empty item is the
    /// default.
    ///
    /// # Errors
    ///
    /// The lists have different lengths, or a port is invalid.
    pub(super) fn read(
        host: Option<String>,
        address: Option<String>,
        port: Option<String>,
        socket: &dyn Fn(u16) -> String,
    ) -> Result<Vec<Self>, BadTarget> {
        let list = |text: Option<String>| -> Vec<String> {
            text.map_or(Vec::new(), |text| text.split(',').map(str::to_owned).collect())
        };
        let (hosts, addresses, ports) = (list(host), list(address), list(port));
        let count = hosts.len().max(addresses.len()).max(1);
        if !(hosts.is_empty() || addresses.is_empty() || hosts.len() == addresses.len()) {
            return Err(BadTarget("host and hostaddr list different numbers of servers".into()));
        }
        if ports.len() > 1 && ports.len() != count {
            let rule = "give one port, or one for each host";
            return Err(BadTarget(format!(
                "the number of ports differs from the number of hosts: {rule}"
            )));
        }
        let given = |list: &[String], index: usize| {
            list.get(index).filter(|one: &&String| !one.is_empty()).cloned()
        };
        let place = |index| {
            let text = given(&ports, if ports.len() == 1 { 0 } else { index });
            let port = text.map_or(Ok(PORT), |text| port_of(&text))?;
            let address = given(&addresses, index);
            let usual = || if address.is_none() { socket(port) } else { String::new() };
            let host = given(&hosts, index).unwrap_or_else(usual);
            Ok(Self { host, address, port })
        };
        (0..count).map(place).collect()
    }

    /// Whether the server is reached over a socket of this machine: in a directory, or an abstract one.
    pub(super) fn is_local(&self) -> bool {
        self.address.is_none() && self.host.starts_with(['/', '@'])
    }

    /// The name of the server, or its address where it has none.
    pub(super) fn name(&self) -> &str {
        match &self.address {
            Some(address) if self.host.is_empty() => address,
            _ => &self.host,
        }
    }

    /// The path of the socket. A zero byte at the beginning marks an abstract one.
    pub(super) fn socket(&self) -> String {
        let path = format!("{}/.s.PGSQL.{}", self.host, self.port);
        match path.strip_prefix('@') {
            Some(name) => format!("\0{name}"),
            None => path,
        }
    }
}

fn port_of(text: &str) -> Result<u16, BadTarget> {
    let port = text.trim().parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| BadTarget(format!("port is {text:?}: use a number from 1 to 65535")))
}
