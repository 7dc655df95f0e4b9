//! Reads a connection string or URI as libpq does, with libpq's environment variables as defaults (manual:
//! Connection Strings). Pure: it opens no file and no connection.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;

use crate::conf::conninfo;

/// PostgreSQL's default port.
const PORT: u16 = 5432;

/// Keywords of libpq that are accepted and ignored.
const IGNORED: [&str; 12] = [
    "client_encoding",
    "fallback_application_name",
    "gssencmode",
    "gssdelegation",
    "gsslib",
    "krbsrvname",
    "sslcompression",
    "sslcrl",
    "sslsni",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "require_auth",
];

/// The servers to try, and the parameters of the connection.
pub(super) struct Target {
    /// The servers, in the order in which they are tried.
    pub(super) places: Vec<Place>,
    /// Everything else: user, database, options.
    pub(super) config: Config,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) has_password: bool,
    pub(super) passfile: PathBuf,
    pub(super) tls: Tls,
    /// `connect_timeout`: the longest time for one server; `None` allows the rest of the check's time.
    pub(super) patience: Option<Duration>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its name, its address, or the directory of its socket.
    pub(super) host: String,
    /// `hostaddr`: the address to connect to, in place of a lookup of the name.
    pub(super) address: Option<String>,
    pub(super) port: u16,
}

/// The parameters of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) mode: Mode,
    pub(super) roots: Roots,
    /// The client's certificate and key (`sslcert`, `sslkey`).
    pub(super) own: Option<(PathBuf, PathBuf)>,
}

/// `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// `sslrootcert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// The roots that this machine trusts.
    System,
    /// The roots in the file that `sslrootcert` names.
    File(PathBuf),
    /// The roots in libpq's default file, if it exists.
    Usual(PathBuf),
}

/// Why a connection string is invalid. The sentence never contains the value of a password.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadTarget(pub(super) String);

/// The account that runs the check, for libpq's defaults.
pub(super) struct Me<'a> {
    pub(super) name: &'a str,
    pub(super) home: &'a Path,
    /// The default directory in which a local server has its socket, if any has.
    pub(super) socket: Option<&'a str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Place {
    /// Whether the host is the directory of a socket.
    pub(super) fn is_local(&self) -> bool {
        self.address.is_none() && self.host.starts_with('/')
    }
}

type Words = BTreeMap<String, String>;

impl Target {
    /// Reads a string; parameters that it omits come from `variables`, then from libpq's defaults.
    ///
    /// # Errors
    ///
    /// The string, or a parameter in it or in `variables`, is invalid.
    pub(super) fn read(
        text: &str,
        variables: impl Iterator<Item = (&'static str, String)>,
        me: &Me<'_>,
    ) -> Result<Self, BadTarget> {
        let mut words: Words = variables.map(|(word, value)| (word.to_owned(), value)).collect();
        words.extend(words_of(text)?);
        words.retain(|word, value| !value.is_empty() && !IGNORED.contains(&word.as_str()));
        let mut take = |word: &str| words.remove(word);
        let places = places(take("host"), take("hostaddr"), take("port"), me.socket)?;
        let usual = |file: &str| me.home.join(".postgresql").join(file);
        let tls = Tls::read(take("sslmode").as_deref(), take("sslrootcert"), usual("root.crt"))?;
        let own = take("sslcert").zip(take("sslkey"));
        let own = own.map(|(certificate, key)| (certificate.into(), key.into()));
        let passfile = take("passfile").map_or_else(|| me.home.join(".pgpass"), PathBuf::from);
        let patience = take("connect_timeout").map(|text| seconds(&text)).transpose()?.flatten();
        let user = take("user").unwrap_or_else(|| me.name.to_owned());
        let database = take("dbname").unwrap_or_else(|| user.clone());
        let password = take("password");
        if let Some(wanted) = take("target_session_attrs") {
            words.insert("target_session_attrs".to_owned(), attributes(&wanted)?.to_owned());
        }
        words.entry("application_name".to_owned()).or_insert_with(|| "lab check".to_owned());
        let rest: Vec<_> =
            words.iter().map(|(word, value)| (word.as_str(), value.as_str())).collect();
        let mut config: Config = conninfo(&rest).parse().map_err(|source| {
            let mut why = format!("{source}");
            let cause = std::error::Error::source(&source);
            why.extend(cause.map(|cause| format!(": {cause}")));
            BadTarget(why)
        })?;
        config.user(&user).dbname(&database);
        let has_password = password.is_some();
        if let Some(password) = password {
            config.password(password);
        }
        let tls = Tls { own, ..tls };
        Ok(Self { places, config, user, database, has_password, passfile, tls, patience })
    }
}

impl Tls {
    fn read(mode: Option<&str>, roots: Option<String>, usual: PathBuf) -> Result<Self, BadTarget> {
        let system = roots.as_deref() == Some("system");
        let mode = match mode {
            None if system => Mode::VerifyFull,
            None | Some("prefer") => Mode::Prefer,
            Some("disable") => Mode::Disable,
            Some("allow") => Mode::Allow,
            Some("require") => Mode::Require,
            Some("verify-ca") => Mode::VerifyCa,
            Some("verify-full") => Mode::VerifyFull,
            Some(other) => {
                let modes = "disable, allow, prefer, require, verify-ca, verify-full";
                return Err(BadTarget(format!("sslmode is {other:?}: use one of {modes}")));
            }
        };
        if system && mode != Mode::VerifyFull {
            return Err(BadTarget("sslrootcert=system requires sslmode=verify-full".into()));
        }
        let roots = match roots {
            _ if system => Roots::System,
            Some(file) => Roots::File(file.into()),
            None => Roots::Usual(usual),
        };
        Ok(Self { mode, roots, own: None })
    }
}

/// Pairs the hosts of a string with their ports; a single port applies to all hosts.
fn places(
    host: Option<String>,
    address: Option<String>,
    port: Option<String>,
    socket: Option<&str>,
) -> Result<Vec<Place>, BadTarget> {
    let list = |text: Option<String>| -> Vec<String> {
        text.map_or(Vec::new(), |text| text.split(',').map(|one| one.trim().to_owned()).collect())
    };
    let (hosts, addresses, ports) = (list(host), list(address), list(port));
    let count = hosts.len().max(addresses.len()).max(1);
    if !(hosts.is_empty() || addresses.is_empty() || hosts.len() == addresses.len()) {
        return Err(BadTarget("host and hostaddr list different numbers of servers".into()));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(BadTarget("the number of ports differs from the number of hosts: give one port, or one for each host".into()));
    }
    let given = |list: &[String], index: usize| {
        list.get(index).filter(|one: &&String| !one.is_empty()).cloned()
    };
    let place = |index| {
        let address = given(&addresses, index);
        let usual = || socket.unwrap_or("localhost").to_owned();
        let host = given(&hosts, index).or_else(|| address.clone()).unwrap_or_else(usual);
        let port = match given(&ports, if ports.len() == 1 { 0 } else { index }) {
            None => PORT,
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                BadTarget(format!("port is {port:?}: use a number from 1 to 65535"))
            })?,
        };
        Ok(Place { host, address, port })
    };
    (0..count).map(place).collect()
}

/// Parses `connect_timeout`, in whole seconds. As in libpq, 0 and negative values are no limit.
fn seconds(text: &str) -> Result<Option<Duration>, BadTarget> {
    let seconds: i64 = text.parse().map_err(|_| {
        BadTarget(format!("connect_timeout is {text:?}: use a whole number of seconds"))
    })?;
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    Ok(seconds.map(Duration::from_secs))
}

/// Maps `target_session_attrs` to the values that the client library knows: it lacks `primary` and
/// `standby`, and tests for writes instead.
fn attributes(wanted: &str) -> Result<&str, BadTarget> {
    match wanted {
        "any" | "read-write" | "read-only" => Ok(wanted),
        "primary" => Ok("read-write"),
        "standby" => Ok("read-only"),
        other => {
            let known = "any, read-write, read-only, primary, standby";
            Err(BadTarget(format!("target_session_attrs is {other:?}: use one of {known}")))
        }
    }
}

fn words_of(text: &str) -> Result<Words, BadTarget> {
    let text = text.trim();
    let uri = ["postgresql://", "postgres://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    match uri {
        Some(rest) => words_of_uri(rest),
        None if text.is_empty() => Ok(Words::new()),
        // One word alone is the database's name.
        None if !text.contains('=') => Ok(Words::from([("dbname".to_owned(), text.to_owned())])),
        None => words_of_string(text),
    }
}

/// Reads `host=a user='b c'`, with libpq's rules for blanks around `=`, quotes and backslashes.
fn words_of_string(text: &str) -> Result<Words, BadTarget> {
    let mut words = Words::new();
    let mut rest = text;
    while !rest.trim_start().is_empty() {
        let (word, after) = rest
            .split_once('=')
            .ok_or_else(|| BadTarget("a word in the connection string has no \"=\"".to_owned()))?;
        let word = word.trim();
        if word.is_empty() || word.contains(char::is_whitespace) {
            return Err(BadTarget("a word in the connection string has no \"=\"".into()));
        }
        let (value, after) = value(after.trim_start()).ok_or_else(|| {
            BadTarget(format!("the quoted value of {word:?} has no closing quote"))
        })?;
        words.insert(word.to_owned(), value);
        rest = after;
    }
    Ok(words)
}

/// Reads a value, and returns it with the text after it; `None` where a quote is not closed.
fn value(text: &str) -> Option<(String, &str)> {
    let (quoted, text) = text.strip_prefix('\'').map_or((false, text), |text| (true, text));
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, character)| character)),
            '\'' if quoted => return Some((value, text.get(at + 1..)?)),
            space if !quoted && space.is_whitespace() => return Some((value, text.get(at..)?)),
            other => value.push(other),
        }
    }
    (!quoted).then_some((value, ""))
}

/// Reads `user:password@host:port,host:port/database?word=value&…`, each part percent-encoded.
fn words_of_uri(rest: &str) -> Result<Words, BadTarget> {
    let mut words = Words::new();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (who, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let end = host.strip_prefix('[').and_then(|host| host.split_once(']'));
        let (name, port) = match end {
            Some((name, port)) => (name, port.strip_prefix(':').unwrap_or(port)),
            None => host.split_once(':').unwrap_or((host, "")),
        };
        names.push(decoded(name)?);
        ports.push(port);
    }
    let names = names.join(",");
    for (word, value) in
        [("host", names.trim_matches(',')), ("port", ports.join(",").trim_matches(','))]
    {
        // `//,/` names no host.
        if !value.is_empty() {
            words.insert(word.to_owned(), value.to_owned());
        }
    }
    for (word, value) in [("user", user), ("password", password), ("dbname", database)] {
        words.insert(word.to_owned(), decoded(value)?);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (word, value) = pair
            .split_once('=')
            .ok_or_else(|| BadTarget("a parameter in the URI has no \"=\"".to_owned()))?;
        let (word, value) = (decoded(word)?, decoded(value)?);
        match (word.as_str(), value.as_str()) {
            ("ssl", "true") => words.insert("sslmode".to_owned(), "require".to_owned()),
            _ => words.insert(word, value),
        };
    }
    words.retain(|_, value| !value.is_empty());
    Ok(words)
}

fn decoded(text: &str) -> Result<String, BadTarget> {
    let bad =
        || BadTarget("a \"%\" in the URI is not followed by two hexadecimal digits".to_owned());
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let decoded = match byte {
            b'%' => {
                let digits = [rest.next().ok_or_else(bad)?, rest.next().ok_or_else(bad)?];
                let digits = std::str::from_utf8(&digits).map_err(|_| bad())?;
                u8::from_str_radix(digits, 16).map_err(|_| bad())?
            }
            other => other,
        };
        bytes.push(decoded);
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests;
