//! Whom a check connects to: a connection string or URI as libpq reads it, over libpq's variables
//! (manual: Connection Strings). It is pure: it opens no file and no connection.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;

use crate::conf::conninfo;

/// PostgreSQL's usual port.
const PORT: u16 = 5432;

/// Keywords of libpq that make no difference to a check.
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

/// Whom to connect to, and how.
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
    /// How long one server may take to take a connection; without it, what is left.
    pub(super) patience: Option<Duration>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its name, its address, or the directory of its socket.
    pub(super) host: String,
    /// Where to connect, if not where the name leads.
    pub(super) address: Option<String>,
    pub(super) port: u16,
}

/// What is asked of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) mode: Mode,
    pub(super) roots: Roots,
    /// A certificate of one's own and its key.
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
    /// Those that this machine trusts.
    System,
    /// Those in a file that was named.
    File(PathBuf),
    /// Those in the usual file, if there is one.
    Usual(PathBuf),
}

/// A string that is not understood: why, without its values, one of which may be a password.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadTarget(pub(super) String);

/// Who runs the check, and from where.
pub(super) struct Me<'a> {
    pub(super) name: &'a str,
    pub(super) home: &'a Path,
    /// The directory where a server of this machine has its socket, if it has one.
    pub(super) socket: Option<&'a str>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Place {
    /// Is it a socket's directory?
    pub(super) fn is_local(&self) -> bool {
        self.address.is_none() && self.host.starts_with('/')
    }
}

type Words = BTreeMap<String, String>;

impl Target {
    /// Reads a string; what it does not say is `variables`', and then libpq's default.
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
                return Err(BadTarget(format!("sslmode is one of {modes}, not {other:?}")));
            }
        };
        if system && mode != Mode::VerifyFull {
            return Err(BadTarget("sslrootcert=system goes with sslmode=verify-full only".into()));
        }
        let roots = match roots {
            _ if system => Roots::System,
            Some(file) => Roots::File(file.into()),
            None => Roots::Usual(usual),
        };
        Ok(Self { mode, roots, own: None })
    }
}

/// The hosts of a string, each with its port: one port may stand for all of them.
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
        return Err(BadTarget("host and hostaddr have to be as many as each other".into()));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(BadTarget("there are more or fewer ports than hosts".into()));
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
                BadTarget(format!("a port is a number from 1 to 65535, not {port:?}"))
            })?,
        };
        Ok(Place { host, address, port })
    };
    (0..count).map(place).collect()
}

/// A time in whole seconds; 0 is no limit, as libpq has it.
fn seconds(text: &str) -> Result<Option<Duration>, BadTarget> {
    let seconds: i64 = text
        .parse()
        .map_err(|_| BadTarget(format!("connect_timeout is a number of seconds, not {text:?}")))?;
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    Ok(seconds.map(Duration::from_secs))
}

/// A server that is a standby is one that takes no writes, and the other way round.
fn attributes(wanted: &str) -> Result<&str, BadTarget> {
    match wanted {
        "any" | "read-write" | "read-only" => Ok(wanted),
        "primary" => Ok("read-write"),
        "standby" => Ok("read-only"),
        other => {
            let known = "any, read-write, read-only, primary, standby";
            Err(BadTarget(format!("target_session_attrs is one of {known} here, not {other:?}")))
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

/// `host=a user='b c'`: blanks around the sign, quotes and backslashes as libpq has them.
fn words_of_string(text: &str) -> Result<Words, BadTarget> {
    let mut words = Words::new();
    let mut rest = text;
    while !rest.trim_start().is_empty() {
        let (word, after) = rest.split_once('=').ok_or_else(|| {
            BadTarget("there is a word without \"=\" in the connection string".to_owned())
        })?;
        let word = word.trim();
        if word.is_empty() || word.contains(char::is_whitespace) {
            return Err(BadTarget("there is a word without \"=\" in the connection string".into()));
        }
        let (value, after) = value(after.trim_start())
            .ok_or_else(|| BadTarget(format!("the quoted value of {word:?} does not end")))?;
        words.insert(word.to_owned(), value);
        rest = after;
    }
    Ok(words)
}

/// A value, and what stands after it.
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

/// `user:password@host:port,host:port/database?word=value&…`, each part percent-encoded.
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
        // A list of nothing is nothing.
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
            .ok_or_else(|| BadTarget("there is a word without \"=\" in the URI".to_owned()))?;
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
