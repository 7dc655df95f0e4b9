//! Whether a certificate names a host, by libpq's rules (manual: SSL Support, client verification of server
//! certificates). Pure.

use core::net::IpAddr;

/// The names in a certificate.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Its alternative names that are names of hosts.
    pub(super) hosts: Vec<String>,
    /// Its alternative names that are addresses, as bytes.
    pub(super) addresses: Vec<Vec<u8>>,
    /// The common name of its subject, which counts where no alternative name is of the host's kind.
    pub(super) common: Option<String>,
}

impl Names {
    /// Whether one of the names is that of the host.
    pub(super) fn fit(&self, host: &str) -> bool {
        let address = host.parse().ok().map(bytes);
        let is_named = self.hosts.iter().any(|name| fits(name, host));
        let is_numbered = address.as_ref().is_some_and(|address| self.addresses.contains(address));
        let of_its_kind = match address {
            Some(_) => self.addresses.is_empty(),
            None => self.hosts.is_empty(),
        };
        let is_common = || self.common.as_ref().is_some_and(|name| fits(name, host));
        is_named || is_numbered || of_its_kind && is_common()
    }
}

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let first = self.hosts.first().or(self.common.as_ref());
        match first {
            Some(name) => write!(f, "the server's certificate is for {name:?}"),
            None => f.write_str("the server's certificate names no host"),
        }
    }
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Whether a name is that of the host; `*.` at its beginning stands for one label.
fn fits(name: &str, host: &str) -> bool {
    // A name with a zero byte was made to deceive.
    if name.contains('\0') {
        return false;
    }
    let (name, host) = (name.to_ascii_lowercase(), host.to_ascii_lowercase());
    let label = name.strip_prefix('*').filter(|rest| rest.len() > 1 && rest.starts_with('.'));
    let covers = |rest: &str| host.strip_suffix(rest).is_some_and(|label| !label.contains('.'));
    name == host || label.is_some_and(covers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(hosts: &[&str], addresses: &[&[u8]], common: &str) -> Names {
        Names {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            addresses: addresses.iter().map(|address| address.to_vec()).collect(),
            common: Some(common.to_owned()).filter(|name| !name.is_empty()),
        }
    }

    #[test]
    fn a_host_is_named_as_libpq_says() {
        let local: &[u8] = &[127, 0, 0, 1];
        for (names, host, fit) in [
            (names(&["db.example.org"], &[], ""), "DB.example.org", true),
            (names(&["*.example.org"], &[], ""), "db.example.org", true),
            (names(&["*.example.org"], &[], ""), "a.db.example.org", false),
            (names(&["*.example.org"], &[], ""), "example.org", false),
            (names(&["*"], &[], ""), "db", false),
            (names(&["*."], &[], ""), "db.", false),
            (names(&[], &[], "db"), "db", true),
            (names(&["other"], &[], "db"), "db", false),
            (names(&[], &[local], "db"), "db", true),
            (names(&[], &[local], ""), "127.0.0.1", true),
            (names(&[], &[local], "127.0.0.2"), "127.0.0.2", false),
            (names(&["db"], &[], "127.0.0.1"), "127.0.0.1", true),
            (names(&["127.0.0.1"], &[local], ""), "127.0.0.1", true),
            (names(&[], &[&[0; 16]], ""), "::", true),
            (names(&["db\0.evil"], &[], "db\0"), "db", false),
            (names(&[], &[], ""), "db", false),
        ] {
            assert_eq!(names.fit(host), fit, "{names:?} {host}");
        }
    }
}
