//! The meaning of a connection's parameters, with libpq's defaults (manual: Parameter Key Words). What only
//! restricts a connection is either done or refused. Pure: it opens no file and no connection.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::ChannelBinding;

use super::auth::Allowed;
use super::places::Place;
use super::words::{BadTarget, Words};

/// The servers to try, and the parameters of the connection.
pub(super) struct Target {
    /// The servers, in the order in which they are tried.
    pub(super) places: Vec<Place>,
    /// `load_balance_hosts`: whether to try the servers, and the addresses of each, in a random order.
    pub(super) is_shuffled: bool,
    /// `target_session_attrs`.
    pub(super) attributes: Attributes,
    /// User, database, options, password, application name, channel binding.
    pub(super) config: Config,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) has_password: bool,
    pub(super) passfile: PathBuf,
    /// `require_auth`.
    pub(super) allowed: Allowed,
    /// `requirepeer`: the account that the server behind a socket must have.
    pub(super) peer: Option<String>,
    pub(super) tls: Tls,
    /// `connect_timeout`: the longest time for one server; `None` allows the rest of the check's time.
    pub(super) patience: Option<Duration>,
}

/// The parameters of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) mode: Mode,
    /// `sslnegotiation=direct`: TLS begins with the first byte.
    pub(super) is_direct: bool,
    pub(super) roots: Roots,
    pub(super) revoked: Revoked,
    /// The client's certificate and key; `None` sends none. Files that do not exist are not an error by themselves.
    pub(super) own: Option<Own>,
    /// `ssl_min_protocol_version` and `ssl_max_protocol_version`.
    pub(super) versions: (Option<Protocol>, Option<Protocol>),
    /// `sslsni`: whether the handshake names the host.
    pub(super) tells_name: bool,
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
    /// The roots in this file. Where it does not exist, nothing is verified, or cannot be.
    File(PathBuf),
}

/// `sslcrl` and `sslcrldir`: the lists of revoked certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Revoked {
    Named {
        file: Option<PathBuf>,
        directory: Option<PathBuf>,
    },
    /// libpq's default file, if it exists.
    Usual(PathBuf),
}

/// `sslcert`, `sslkey` and `sslpassword`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) password: String,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

/// `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attributes {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// The account that runs the check and its machine, for libpq's defaults.
pub(super) struct Me<'a> {
    pub(super) name: &'a str,
    pub(super) home: &'a Path,
    /// The directory in which the local server with this port has its socket.
    pub(super) socket: &'a dyn Fn(u16) -> String,
    /// Settings of the session that come from the environment.
    pub(super) settings: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with the key {}", self.certificate.display(), self.key.display())
    }
}

impl Target {
    /// Reads parameters; those that are absent have libpq's defaults.
    ///
    /// # Errors
    ///
    /// A value is invalid, or asks for what is not supported here.
    pub(super) fn read(mut words: Words, me: &Me<'_>) -> Result<Self, BadTarget> {
        are_supported(&words)?;
        let numbers = [
            "keepalives",
            "keepalives_idle",
            "keepalives_interval",
            "keepalives_count",
            "tcp_user_timeout",
        ];
        for name in numbers {
            words.get(name).map(|text| whole(name, text)).transpose()?;
        }
        let tls = Tls::read(&mut words, me)?;
        let attributes = choice(&words, "target_session_attrs", ATTRIBUTES, Attributes::Any)?;
        let is_shuffled =
            choice(&words, "load_balance_hosts", [("disable", false), ("random", true)], false)?;
        let binding = choice(&words, "channel_binding", BINDINGS, ChannelBinding::Prefer)?;
        let patience = words.get("connect_timeout").map(|text| whole("connect_timeout", text));
        let patience = patience.transpose()?.and_then(limit);
        let mut take = |word: &str| words.remove(word).filter(|value| !value.is_empty());
        let places = Place::read(take("host"), take("hostaddr"), take("port"), me.socket)?;
        let allowed = Allowed::read(&take("require_auth").unwrap_or_default())?;
        let passfile = take("passfile").map_or_else(|| me.home.join(".pgpass"), PathBuf::from);
        let user = take("user").unwrap_or_else(|| me.name.to_owned());
        let database = take("dbname").unwrap_or_else(|| user.clone());
        let application = take("application_name").or_else(|| take("fallback_application_name"));
        let password = take("password");
        let peer = take("requirepeer");
        let mut config = Config::new();
        config.user(&user).dbname(&database).channel_binding(binding);
        config.application_name(application.as_deref().unwrap_or("lab check"));
        let options = options(take("options"), &me.settings);
        if !options.is_empty() {
            config.options(&options);
        }
        let has_password = password.is_some();
        if let Some(password) = password {
            config.password(password);
        }
        Ok(Self {
            places,
            is_shuffled,
            attributes,
            config,
            user,
            database,
            has_password,
            passfile,
            allowed,
            peer,
            tls,
            patience,
        })
    }
}

const ATTRIBUTES: [(&str, Attributes); 6] = [
    ("any", Attributes::Any),
    ("read-write", Attributes::ReadWrite),
    ("read-only", Attributes::ReadOnly),
    ("primary", Attributes::Primary),
    ("standby", Attributes::Standby),
    ("prefer-standby", Attributes::PreferStandby),
];

const BINDINGS: [(&str, ChannelBinding); 3] = [
    ("disable", ChannelBinding::Disable),
    ("prefer", ChannelBinding::Prefer),
    ("require", ChannelBinding::Require),
];

const MODES: [(&str, Mode); 6] = [
    ("disable", Mode::Disable),
    ("allow", Mode::Allow),
    ("prefer", Mode::Prefer),
    ("require", Mode::Require),
    ("verify-ca", Mode::VerifyCa),
    ("verify-full", Mode::VerifyFull),
];

const VERSIONS: [(&str, Protocol); 4] = [
    ("tlsv1", Protocol::Tls10),
    ("tlsv1.1", Protocol::Tls11),
    ("tlsv1.2", Protocol::Tls12),
    ("tlsv1.3", Protocol::Tls13),
];

impl Tls {
    fn read(words: &mut Words, me: &Me<'_>) -> Result<Self, BadTarget> {
        let system = words.get("sslrootcert").is_some_and(|file| file == "system");
        let usual = if system { Mode::VerifyFull } else { Mode::Prefer };
        let mode = choice(words, "sslmode", MODES, usual)?;
        if system && mode != Mode::VerifyFull {
            return Err(BadTarget("sslrootcert=system requires sslmode=verify-full".into()));
        }
        let ways = [("postgres", false), ("direct", true)];
        let is_direct = choice(words, "sslnegotiation", ways, false)?;
        if is_direct && mode < Mode::Require {
            let stricter = "require, verify-ca or verify-full";
            return Err(BadTarget(format!("sslnegotiation=direct requires sslmode={stricter}")));
        }
        let sends = [("disable", false), ("allow", true)];
        let sends = choice(words, "sslcertmode", sends, true)?;
        let minimum = protocol(words, "ssl_min_protocol_version", Some(Protocol::Tls12))?;
        let maximum = protocol(words, "ssl_max_protocol_version", None)?;
        if minimum.zip(maximum).is_some_and(|(minimum, maximum)| minimum > maximum) {
            let why = "ssl_min_protocol_version is above ssl_max_protocol_version";
            return Err(BadTarget(why.into()));
        }
        let tells_name = words.get("sslsni").is_none_or(|value| value.starts_with('1'));
        let mut take = |word: &str| words.remove(word).filter(|value| !value.is_empty());
        let usual = |file: &str| me.home.join(".postgresql").join(file);
        let mut file =
            |word: &str, default: &str| take(word).map_or_else(|| usual(default), PathBuf::from);
        let (certificate, key) =
            (file("sslcert", "postgresql.crt"), file("sslkey", "postgresql.key"));
        let roots = match file("sslrootcert", "root.crt") {
            _ if system => Roots::System,
            file => Roots::File(file),
        };
        let (file, directory) = (take("sslcrl"), take("sslcrldir"));
        let revoked = match (&file, &directory) {
            (None, None) => Revoked::Usual(usual("root.crl")),
            _ => {
                Revoked::Named { file: file.map(Into::into), directory: directory.map(Into::into) }
            }
        };
        let password = take("sslpassword").unwrap_or_default();
        let own = sends.then_some(Own { certificate, key, password });
        let versions = (minimum, maximum);
        Ok(Self { mode, is_direct, roots, revoked, own, versions, tells_name })
    }
}

/// Refuses what would restrict the connection and is not done here.
fn are_supported(words: &Words) -> Result<(), BadTarget> {
    let value = |name: &str| words.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let gss = [("disable", false), ("prefer", false), ("require", true)];
    let versions = [("", false), ("3.0", false), ("3.2", true), ("latest", true)];
    let of_certificates = [("disable", false), ("allow", false), ("require", true)];
    let is_off = |value: &str| ["false", "off", "no", "0"].contains(&value);
    let beyond = [
        ("gssencmode", choice(words, "gssencmode", gss, false)?),
        ("min_protocol_version", choice(words, "min_protocol_version", versions, false)?),
        ("sslcertmode", choice(words, "sslcertmode", of_certificates, false)?),
        ("replication", value("replication").is_some_and(|value| !is_off(value))),
        ("scram_client_key", value("scram_client_key").is_some()),
        ("scram_server_key", value("scram_server_key").is_some()),
        ("sslkeylogfile", value("sslkeylogfile").is_some()),
    ];
    choice(words, "max_protocol_version", versions, false)?;
    let Some((name, _)) = beyond.into_iter().find(|(_, is_beyond)| *is_beyond) else {
        return Ok(());
    };
    let shown = match name.starts_with("scram") {
        true => name.to_owned(),
        false => format!("{name}={}", value(name).unwrap_or_default()),
    };
    Err(BadTarget(format!("{shown} is not supported here; psql may connect with it")))
}

/// Returns the meaning of a parameter with a fixed set of values. As in libpq, an empty value is none of them.
fn choice<T, const N: usize>(
    words: &Words,
    name: &str,
    values: [(&str, T); N],
    default: T,
) -> Result<T, BadTarget> {
    let Some(given) = words.get(name) else { return Ok(default) };
    let known = values.each_ref().map(|(value, _)| *value).join(", ");
    let found = values.into_iter().find(|(value, _)| value == given);
    found
        .map(|(_, meaning)| meaning)
        .ok_or_else(|| BadTarget(format!("{name} is {given:?}: use one of {known}")))
}

/// Returns a version of TLS; an empty value is no limit.
fn protocol(
    words: &Words,
    name: &str,
    default: Option<Protocol>,
) -> Result<Option<Protocol>, BadTarget> {
    let Some(given) = words.get(name) else { return Ok(default) };
    let lower = given.to_lowercase();
    let found = VERSIONS.into_iter().find(|(known, _)| *known == lower);
    match found {
        None if given.is_empty() => Ok(None),
        None => Err(BadTarget(format!(
            "{name} is {given:?}: use one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3"
        ))),
        Some((_, version)) => Ok(Some(version)),
    }
}

fn whole(name: &str, text: &str) -> Result<i32, BadTarget> {
    let number = text.trim().parse();
    number.map_err(|_| BadTarget(format!("{name} is {text:?}: use a whole number")))
}

/// Returns `connect_timeout` as a duration. As in libpq, 0 and negative values are no limit, and 1 is 2.
fn limit(seconds: i32) -> Option<Duration> {
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    seconds.map(|seconds| Duration::from_secs(seconds.max(2)))
}

/// Returns the options for the server, with the settings from the environment at the end: as in libpq, they win.
fn options(given: Option<String>, settings: &[(&'static str, String)]) -> String {
    let escaped = |text: &str| text.replace('\\', r"\\").replace(' ', r"\ ");
    let settings = settings.iter().map(|(name, value)| format!("-c {name}={}", escaped(value)));
    given.into_iter().chain(settings).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
