//! Opens a session on one server: its addresses, TLS, the password and `target_session_attrs`, in libpq's order. It
//! says what a failure means for the search; it searches no other server.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::unistd::{Uid, User};
use rand::seq::SliceRandom as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, SslNegotiation};

use super::passfile::{Wanted, password};
use super::places::Place;
use super::sockets;
use super::target::{Attributes, Mode, Target};
use super::tls::encrypt;
use super::watch::{Watch, stranger};
use super::wire::{Agreed, Watched, Wire};
use crate::error::Error;
use crate::health::Severity;
use crate::record::notebook::Notebook;
use crate::session::Session;

/// The request for TLS (manual: Message Formats, `SSLRequest`).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The longest time for the end of a session: the server has said everything by then.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

/// Why a session was not opened.
pub(super) struct Failure {
    /// `CRITICAL` where the server or the network fails, `UNKNOWN` where the check is not admitted.
    pub(super) severity: Severity,
    pub(super) why: String,
    pub(super) next: Next,
}

/// What libpq tries after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next address of the server, then the next server.
    Address,
    /// The next server.
    Host,
    /// The server once more, with TLS or without it, where `sslmode` has a second choice.
    Way,
    /// Nothing: the server has refused the client.
    End,
}

/// A connection without TLS, or with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Tls,
}

/// One address of a server.
enum Address {
    Socket(String),
    Internet(SocketAddr),
}

pub(super) struct Attempt<'a> {
    target: &'a Target,
    place: &'a Place,
    attributes: Attributes,
    /// Whether the server has sent anything.
    is_heard: AtomicBool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(target: &'a Target, place: &'a Place, attributes: Attributes) -> Self {
        Self { target, place, attributes, is_heard: AtomicBool::new(false) }
    }

    pub(super) async fn run(&self) -> Result<Session, Failure> {
        let mut config = self.target.config.clone();
        let mut note = String::new();
        if !self.target.has_password {
            let found = self.kept_password();
            note = found.note;
            if let Some(password) = found.password {
                config.password(password);
            }
        }
        let mut last = unknown(format!("{} has no address", self.place.name()), Next::Host);
        for address in self.addresses().await? {
            match self.server(&config, &address).await {
                Ok(session) => return Ok(session),
                Err(failure) if failure.next == Next::Address => last = failure,
                Err(failure) => return Err(Failure { why: failure.why + &note, ..failure }),
            }
        }
        Err(last)
    }

    /// Returns the failure of a server that did not answer in time, by how far it came.
    pub(super) fn out_of_time(&self, time: Duration) -> Failure {
        let why = match self.is_heard.load(Ordering::Relaxed) || self.place.is_local() {
            true => {
                "the server accepts connections and does not answer; look at its log".to_owned()
            }
            false => {
                let time = time.as_secs_f64();
                format!("no answer within {time:.1} s; check the network, or raise --timeout")
            }
        };
        critical(why, Next::Address)
    }

    async fn addresses(&self) -> Result<Vec<Address>, Failure> {
        let place = self.place;
        if place.is_local() {
            return Ok(vec![Address::Socket(place.socket())]);
        }
        if let Some(address) = &place.address {
            let number = address.split('%').next().unwrap_or_default();
            if number.parse::<IpAddr>().is_err() {
                let why = format!("hostaddr is {address:?}, which is not an address");
                return Err(unknown(why, Next::Host));
            }
        }
        let name = place.address.as_ref().unwrap_or(&place.host);
        let found = tokio::net::lookup_host((name.as_str(), place.port)).await;
        let failed = |error| unknown(format!("looking up {name}: {error}"), Next::Host);
        let mut found: Vec<_> = found.map_err(failed)?.collect();
        if self.target.is_shuffled {
            found.shuffle(&mut rand::rng());
        }
        Ok(found.into_iter().map(Address::Internet).collect())
    }

    /// Connects to one address, in the ways that `sslmode` allows.
    async fn server(&self, config: &Config, address: &Address) -> Result<Session, Failure> {
        let mut first: Option<Failure> = None;
        for way in self.ways(address) {
            let failure = match self.connect(config, address, *way).await {
                Ok(session) => return Ok(session),
                Err(failure) => failure,
            };
            let is_final = failure.next != Next::Way;
            let both = match first {
                Some(first) if first.why != failure.why => {
                    let how = if *way == Way::Tls { "with" } else { "without" };
                    Failure { why: format!("{}; {how} TLS: {}", first.why, failure.why), ..failure }
                }
                _ => failure,
            };
            if is_final {
                return Err(both);
            }
            first = Some(both);
        }
        let nothing = || unknown("no way was tried".to_owned(), Next::End);
        Err(Failure { next: Next::End, ..first.unwrap_or_else(nothing) })
    }

    /// Returns the ways to try, in libpq's order (manual: `sslmode`). TLS is not for sockets.
    fn ways(&self, address: &Address) -> &'static [Way] {
        match (address, self.target.tls.mode) {
            (Address::Socket(_), _) | (_, Mode::Disable) => &[Way::Plain],
            (_, Mode::Allow) => &[Way::Plain, Way::Tls],
            (_, Mode::Prefer) => &[Way::Tls, Way::Plain],
            _ => &[Way::Tls],
        }
    }

    /// Connects to one address in one way.
    async fn connect(
        &self,
        config: &Config,
        address: &Address,
        way: Way,
    ) -> Result<Session, Failure> {
        let (wire, certificate) = match address {
            Address::Socket(path) => (Wire::Unix(self.open_socket(path).await?), None),
            Address::Internet(address) => {
                let stream =
                    TcpStream::connect(address).await.map_err(|error| unanswered(&error))?;
                let _ = stream.set_nodelay(true);
                if way == Way::Tls { self.agree(stream).await? } else { (Wire::Tcp(stream), None) }
            }
        };
        let is_tls = matches!(wire, Wire::Tls(_));
        let watch = Watch::new(self.target.allowed.clone());
        let wire = Watched::new(wire, watch, certificate);
        let mut config = config.clone();
        config.ssl_mode(if is_tls { SslMode::Require } else { SslMode::Disable });
        // TLS is there already: the client library must not request it.
        config.ssl_negotiation(SslNegotiation::Direct);
        let (client, connection) = match config.connect_raw(wire.clone(), Agreed).await {
            Ok(opened) => opened,
            Err(error) => {
                wire.close().await;
                return Err(failure(&wire, error));
            }
        };
        let reported = |name: &str| connection.parameter(name).map(|value| value == "on");
        let state = Reported {
            is_standby: reported("in_hot_standby"),
            is_read_only: reported("default_transaction_read_only"),
        };
        let book = Notebook::in_memory();
        let session = Session::over(client, connection, &self.place.to_string(), &book);
        self.wanted(session, state).await
    }

    async fn open_socket(&self, path: &str) -> Result<UnixStream, Failure> {
        let stream = UnixStream::connect(path).await.map_err(|error| unanswered(&error))?;
        let Some(wanted) = &self.target.peer else { return Ok(stream) };
        let end = |why| unknown(why, Next::End);
        let peer = stream.peer_cred();
        let peer = peer.map_err(|error| end(format!("asking who the server is: {error}")))?;
        let user = User::from_uid(Uid::from_raw(peer.uid())).ok().flatten();
        let name = user.map_or_else(|| peer.uid().to_string(), |user| user.name);
        match name == *wanted {
            true => Ok(stream),
            false => Err(end(format!("requirepeer={wanted}, and the server runs as {name}"))),
        }
    }

    /// Requests TLS and encrypts the connection. It stays plain where the server has no TLS and `sslmode` allows it.
    async fn agree(&self, mut stream: TcpStream) -> Result<(Wire, Option<Vec<u8>>), Failure> {
        let tls = &self.target.tls;
        if !tls.is_direct {
            let broken = |error| critical(format!("asking for TLS: {error}"), Next::End);
            stream.write_all(&SSL_REQUEST).await.map_err(broken)?;
            let mut answer = [0; 64];
            let length = stream.read(&mut answer).await.map_err(broken)?;
            self.is_heard.store(true, Ordering::Relaxed);
            if !offers_tls(answer.get(..length).unwrap_or_default())? {
                return match tls.mode {
                    Mode::Allow | Mode::Prefer => Ok((Wire::Tcp(stream), None)),
                    _ => {
                        let why = "sslmode requires TLS, which the server does not offer";
                        Err(unknown(why.to_owned(), Next::End))
                    }
                };
            }
        }
        let encrypted = encrypt(stream, tls, &self.place.host).await;
        let (stream, certificate) = encrypted.map_err(|why| unknown(why, Next::Way))?;
        Ok((Wire::Tls(stream), certificate))
    }

    /// Returns the session if its server is one that `target_session_attrs` wants. Servers before 14 do not report
    /// their state when a session begins.
    async fn wanted(&self, session: Session, state: Reported) -> Result<Session, Failure> {
        let is_standby = || async {
            match state.is_standby {
                Some(is_standby) => Ok(is_standby),
                None => {
                    let answer = session.text("SELECT pg_catalog.pg_is_in_recovery()").await;
                    answer.map(|answer| answer == "t")
                }
            }
        };
        let is_read_only = || async {
            match state.is_standby.zip(state.is_read_only) {
                Some((is_standby, is_read_only)) => Ok(is_standby || is_read_only),
                None => {
                    session.text("SHOW transaction_read_only").await.map(|answer| answer == "on")
                }
            }
        };
        let mismatch = match self.attributes {
            Attributes::Any | Attributes::PreferStandby => Ok(None),
            Attributes::Primary => {
                is_standby().await.map(|is| is.then_some("the server is a standby"))
            }
            Attributes::Standby => {
                is_standby().await.map(|is| (!is).then_some("the server is not a standby"))
            }
            Attributes::ReadWrite => {
                is_read_only().await.map(|is| is.then_some("the session is read-only"))
            }
            Attributes::ReadOnly => {
                is_read_only().await.map(|is| (!is).then_some("the session is not read-only"))
            }
        };
        let why = match mismatch {
            Ok(None) => return Ok(session),
            Ok(Some(why)) => format!("{why}, which target_session_attrs excludes"),
            Err(error) => format!("asking for its state: {}", causes(&error)),
        };
        session.close(GOODBYE).await;
        Err(critical(why, Next::Host))
    }

    fn kept_password(&self) -> Kept {
        let target = self.target;
        let file = target.passfile.as_path();
        let Ok(text) = readable(file) else { return Kept::default() };
        let Some(text) = text else {
            let file = file.display();
            let note = format!(
                "; the password file {file} is ignored, because others can read it: chmod 600 it"
            );
            return Kept { password: None, note };
        };
        // libpq looks up a socket in its default directory as localhost.
        let usual = self.place.is_local() && sockets::USUAL.contains(&self.place.host.as_str());
        let host = if usual { "localhost" } else { self.place.name() };
        let port = self.place.port.to_string();
        let wanted = Wanted { host, port: &port, database: &target.database, user: &target.user };
        Kept { password: password(&text, wanted), note: String::new() }
    }
}

/// The state that a server reported when the session began; servers before 14 do not.
struct Reported {
    is_standby: Option<bool>,
    is_read_only: Option<bool>,
}

/// The password from the file, if any, and a note where the file was ignored.
#[derive(Default)]
struct Kept {
    password: Option<String>,
    note: String,
}

/// Returns the text of a password file; `None` where its group or others have access to it.
fn readable(file: &Path) -> std::io::Result<Option<String>> {
    let about = fs::metadata(file)?;
    if !about.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    match about.permissions().mode() & 0o077 {
        0 => fs::read_to_string(file).map(Some),
        _ => Ok(None),
    }
}

fn critical(why: String, next: Next) -> Failure {
    Failure { severity: Severity::Critical, why, next }
}

fn unknown(why: String, next: Next) -> Failure {
    Failure { severity: Severity::Unknown, why, next }
}

fn unanswered(error: &std::io::Error) -> Failure {
    critical(format!("{error}; check that the server runs and listens there"), Next::Address)
}

/// Whether the server takes the request for TLS.
fn offers_tls(answer: &[u8]) -> Result<bool, Failure> {
    match answer {
        b"S" => Ok(true),
        b"N" => Ok(false),
        [] => {
            Err(critical("asking for TLS: the server closes the connection".to_owned(), Next::End))
        }
        [b'S', ..] => {
            let why = "the server's answer goes on in plain text where TLS begins";
            Err(unknown(why.to_owned(), Next::End))
        }
        [b'E', said @ ..] => {
            let said = String::from_utf8_lossy(said);
            let said = said.trim_matches(|one: char| one.is_control());
            Err(critical(format!("asking for TLS: the server refuses: {said}"), Next::End))
        }
        other => Err(unknown(stranger(other), Next::End)),
    }
}

/// Returns what an error of the client library says, and what libpq would try next.
fn failure(wire: &Watched, error: tokio_postgres::Error) -> Failure {
    if let Some(why) = wire.refusal() {
        return unknown(why, Next::End);
    }
    let error = Error::sql("connecting", error);
    if let Some(refusal) = error.server_message() {
        let plain = ["no encryption", "SSL off"].iter().any(|off| refusal.message().contains(off));
        let remedy = match refusal.sqlstate() == "28000" && plain {
            true => "; it may accept TLS: set sslmode=require",
            false => "",
        };
        let why = format!("the server refuses: {refusal}{remedy}");
        let next = match refusal.sqlstate() {
            _ if wire.is_accepted() => Next::End,
            "57P03" => Next::Host,
            _ => Next::Way,
        };
        // Classes 57 (starting up, shutting down) and 53 (too many connections): the server admits no
        // client now. Any other error concerns this client.
        return match refusal.sqlstate().get(..2) {
            Some("57" | "53") => critical(why, next),
            _ => unknown(why, next),
        };
    }
    let mut why = causes(&error);
    if why.contains("password missing") {
        why.push_str("; set PGPASSWORD, or add a line to the password file");
    }
    if why.contains("unsupported") {
        why.push_str("; the kind of authentication that the server requests is not supported here");
    }
    if is_io(&error) { critical(why, Next::End) } else { unknown(why, Next::End) }
}

/// Whether the network or the server failed.
fn is_io(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let closed = inner.downcast_ref::<tokio_postgres::Error>();
        if inner.is::<std::io::Error>() || closed.is_some_and(tokio_postgres::Error::is_closed) {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// Returns the causes of an error on one line.
fn causes(error: &Error) -> String {
    let mut texts = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if texts.last().is_none_or(|last: &String| !last.contains(&text)) {
            texts.push(text);
        }
        cause = inner.source();
    }
    if texts.is_empty() { error.to_string().replace('\n', " ") } else { texts.join(": ") }
}
