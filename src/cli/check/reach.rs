//! Opens a session on a server outside the lab: its address, TLS and the password, within a deadline. A
//! server that cannot be reached becomes a finding. Nothing here queries replication.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_postgres::Config;
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;

use super::passfile::{Wanted, password};
use super::sockets;
use super::target::{Mode, Place, Target};
use super::tls::connector;
use crate::error::Error;
use crate::health::Severity;
use crate::record::notebook::Notebook;
use crate::session::Session;

/// The request for TLS (manual: Message Formats, `SSLRequest`).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Why a server was not reached.
pub(super) struct Unreached {
    /// `CRITICAL` where the server or the network fails, `UNKNOWN` where the check is not admitted.
    pub(super) severity: Severity,
    pub(super) why: String,
    /// The server, as `host:port`.
    pub(super) place: String,
}

/// A session, and its server as `host:port`.
pub(super) type Reached = (Session, String);

/// Opens a session on the first server that answers and matches `target_session_attrs`.
///
/// # Errors
///
/// No server does: one reason for each.
pub(super) async fn reach(target: &Target, until: Instant) -> Result<Reached, Vec<Unreached>> {
    let mut failures = Vec::new();
    for (index, place) in target.places.iter().enumerate() {
        let others = u32::try_from(target.places.len() - index).unwrap_or(1);
        let share = until.saturating_duration_since(Instant::now()) / others;
        let share = target.patience.map_or(share, |patience| patience.min(share));
        // The attempt ends a moment before its share of the time, so that it can still report how far it
        // came: a server that accepts connections and does not answer is not one without an answer at all.
        let attempt = Attempt { target, place, until: Instant::now() + share.mul_f64(0.95) };
        match timeout(share, attempt.run()).await {
            Ok(Ok(session)) => return Ok((session, place.to_string())),
            Ok(Err(failure)) => failures.push(failure.at(place)),
            Err(_) => {
                let why = format!(
                    "connecting to {place}: no answer within {:.1} s; check the network, or raise --timeout",
                    share.as_secs_f64()
                );
                failures.push(critical(why).at(place));
            }
        }
    }
    Err(failures)
}

impl Unreached {
    fn at(self, place: &Place) -> Self {
        Self { place: place.to_string(), ..self }
    }
}

fn critical(why: String) -> Unreached {
    Unreached { severity: Severity::Critical, why, place: String::new() }
}

fn unknown(why: String) -> Unreached {
    Unreached { severity: Severity::Unknown, why, place: String::new() }
}

struct Attempt<'a> {
    target: &'a Target,
    place: &'a Place,
    until: Instant,
}

/// A connection without TLS, or with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Tls,
}

impl Attempt<'_> {
    async fn run(&self) -> Result<Session, Unreached> {
        let mut config = self.target.config.clone();
        config.port(self.place.port).host(&self.place.host);
        let mut note = String::new();
        if !self.target.has_password {
            let found = self.kept_password();
            note = found.note;
            if let Some(password) = found.password {
                config.password(password);
            }
        }
        let ways = if self.place.is_local() {
            vec![Way::Plain]
        } else {
            let (address, offers) = self.knock().await?;
            config.hostaddr(address.ip());
            self.ways(offers)?
        };
        let mut last = None;
        for way in ways {
            match self.connect(&config, way).await? {
                Ok(session) => return Ok(session),
                Err(error) => {
                    let is_final = !is_about_tls(&error, way);
                    last.get_or_insert(error);
                    if is_final {
                        break;
                    }
                }
            }
        }
        let failure = last.map(|error| self.reason(&error));
        let mut failure = failure
            .unwrap_or_else(|| unknown(format!("connecting to {}: no way was tried", self.place)));
        failure.why.push_str(&note);
        Err(failure)
    }

    /// Returns the ways to try, in libpq's order (manual: `sslmode`).
    fn ways(&self, offers_tls: bool) -> Result<Vec<Way>, Unreached> {
        match (self.target.tls.mode, offers_tls) {
            (Mode::Disable, _) | (Mode::Allow | Mode::Prefer, false) => Ok(vec![Way::Plain]),
            (Mode::Allow, true) => Ok(vec![Way::Plain, Way::Tls]),
            (Mode::Prefer, true) => Ok(vec![Way::Tls, Way::Plain]),
            (_, true) => Ok(vec![Way::Tls]),
            (_, false) => {
                let place = self.place;
                let why = format!(
                    "connecting to {place}: sslmode requires TLS, which the server does not offer"
                );
                Err(unknown(why))
            }
        }
    }

    /// Connects once. The inner error may be mended by another way, the outer one by none.
    async fn connect(
        &self,
        config: &Config,
        way: Way,
    ) -> Result<Result<Session, Error>, Unreached> {
        let (mut config, book) = (config.clone(), Notebook::in_memory());
        let (name, left) = (self.place.to_string(), self.left());
        Ok(match way {
            Way::Plain => {
                config.ssl_mode(SslMode::Disable);
                Session::open_with(&config, NoTls, left, &name, &book).await
            }
            Way::Tls => {
                config.ssl_mode(SslMode::Require);
                let place = self.place;
                let tls = connector(&self.target.tls)
                    .map_err(|why| unknown(format!("connecting to {place}: {why}")))?;
                Session::open_with(&config, tls, left, &name, &book).await
            }
        })
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Returns the first address that answers, and whether the server offers TLS.
    ///
    /// This comes before the real connection, because the client library takes the answer of a server that
    /// is not PostgreSQL for an endless message.
    async fn knock(&self) -> Result<(SocketAddr, bool), Unreached> {
        let place = self.place;
        let name = place.address.as_ref().unwrap_or(&place.host).clone();
        let found = tokio::net::lookup_host((name.as_str(), place.port)).await;
        let addresses: Vec<_> = found
            .map_err(|error| unknown(format!("looking up the address of {name}: {error}")))?
            .collect();
        let mut refused = format!("looking up the address of {name}: there is none");
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok((address, offers_tls(stream, place).await?)),
                Err(error) => {
                    refused = format!(
                        "connecting to {place}: {error}; check that the server runs and listens there"
                    );
                }
            }
        }
        Err(critical(refused))
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
        let host = if usual { "localhost" } else { &self.place.host };
        let port = self.place.port.to_string();
        let wanted = Wanted { host, port: &port, database: &target.database, user: &target.user };
        Kept { password: password(&text, wanted), note: String::new() }
    }

    /// Returns an error as one sentence, with its severity.
    fn reason(&self, error: &Error) -> Unreached {
        if let Some(refusal) = error.server_message() {
            let tls = refusal.sqlstate() == "28000"
                && ["no encryption", "SSL off"].iter().any(|off| refusal.message().contains(off));
            let remedy = if tls { "; it may accept TLS: set sslmode=require" } else { "" };
            let why =
                format!("connecting to {}: the server refuses: {refusal}{remedy}", self.place);
            // Classes 57 (starting up, shutting down) and 53 (too many connections): the server admits no
            // client now. Any other error concerns this client.
            return match refusal.sqlstate().get(..2) {
                Some("57" | "53") => critical(why),
                _ => unknown(why),
            };
        }
        if error.is_deadline() {
            let place = self.place;
            return critical(format!(
                "connecting to {place}: the server accepts connections and does not answer; look at \
                 its log"
            ));
        }
        let mut why = format!("connecting to {}: {}", self.place, causes(error));
        if why.contains("password missing") {
            why.push_str("; set PGPASSWORD, or add a line to the password file");
        }
        if is_io(error) { critical(why) } else { unknown(why) }
    }
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

async fn offers_tls(mut stream: TcpStream, place: &Place) -> Result<bool, Unreached> {
    let mut answer = [0; 32];
    let asked = async {
        stream.write_all(&SSL_REQUEST).await?;
        stream.read(&mut answer).await
    };
    let length =
        asked.await.map_err(|error| critical(format!("asking {place} for TLS: {error}")))?;
    match answer.get(..length).unwrap_or_default() {
        [b'S'] => Ok(true),
        [b'N'] | [b'E', ..] => Ok(false),
        [] => Err(critical(format!("asking {place} for TLS: the server closes the connection"))),
        other => {
            let said = String::from_utf8_lossy(other);
            let said = said.lines().next().unwrap_or_default().trim();
            Err(unknown(format!(
                "asking {place} for TLS: this is not a PostgreSQL server, it answers {said:?}; check the \
                 port"
            )))
        }
    }
}

/// Whether the other way may succeed: TLS, or its absence, was refused.
fn is_about_tls(error: &Error, way: Way) -> bool {
    match error.server_message() {
        Some(refusal) => refusal.sqlstate() == "28000",
        None => way == Way::Tls && !error.is_deadline(),
    }
}

/// Whether the network or the server failed. rustls reports a refused certificate as an I/O error of kind
/// `InvalidData`: that is neither.
fn is_io(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return io.kind() != std::io::ErrorKind::InvalidData;
        }
        let closed = inner.downcast_ref::<tokio_postgres::Error>();
        if closed.is_some_and(tokio_postgres::Error::is_closed) {
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
