//! One connection through a link: two directions, each a reader, a delay line and a writer that
//! passes the gate. It ends when both directions have, or with a reset.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream, tcp, unix};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::rules::{Direction, Rules};
use crate::host::script::Endpoint;

/// How much is read at once: less than what an allocator asks the kernel for each time.
const CHUNK: usize = 120 * 1024;

/// How many chunks may be under way in one direction: what a slow link holds.
const UNDER_WAY: usize = 256;

/// The share of a second's bandwidth that passes at once, so that a slow link is smooth.
const SHARE: u32 = 50;

/// Relays one connection. An upstream that cannot be reached is a connection closed right after it
/// came about; a server that is down would have refused it: its standby logs another message then.
pub(super) async fn run(standby: TcpStream, rules: Arc<Rules>) {
    let before = rules.state().resets;
    // A network that is cut brings no connection about either.
    rules.until(|state| !state.is_cut(Direction::ToUpstream)).await;
    let upstream = rules.state().upstream.clone();
    let Ok((from_upstream, mut to_upstream)) = connect(&upstream).await else { return };
    let _ = standby.set_nodelay(true);
    let (from_standby, to_standby) = standby.into_split();
    let (from_standby, mut to_standby) = (Reader::Tcp(from_standby), Writer::Tcp(to_standby));
    let reset = {
        let up = pass(from_standby, &mut to_upstream, Direction::ToUpstream, &rules);
        let down = pass(from_upstream, &mut to_standby, Direction::ToStandby, &rules);
        tokio::select! {
            ended = async { tokio::try_join!(up, down) } => ended.is_err(),
            () = rules.until(|state| state.resets != before) => true,
        }
    };
    if reset {
        to_standby.end_with_a_reset();
        to_upstream.end_with_a_reset();
    }
}

/// What travels in a delay line: bytes, the end, or the reset that came instead.
enum Item {
    Bytes(Vec<u8>),
    End,
    Broken(io::Error),
}

/// Passes one direction on until its end. The end and a reset travel as bytes do: after what was
/// said before them, as late, and not through a cut.
async fn pass(
    mut from: Reader,
    to: &mut Writer,
    direction: Direction,
    rules: &Rules,
) -> io::Result<()> {
    let (line, mut arriving) = mpsc::channel::<(Instant, Item)>(UNDER_WAY);
    let read = async move {
        loop {
            // What is cut off stays where it is, in the sender's kernel.
            rules.until(|state| !state.is_cut(direction)).await;
            let mut bytes = Vec::with_capacity(CHUNK);
            let item = match from.read(&mut bytes).await {
                Ok(0) => Item::End,
                Ok(_) => Item::Bytes(bytes),
                Err(error) => Item::Broken(error),
            };
            let last = !matches!(item, Item::Bytes(_));
            let due = Instant::now() + rules.state().delay();
            if line.send((due, item)).await.is_err() || last {
                return;
            }
        }
    };
    let write = async {
        while let Some((due, item)) = arriving.recv().await {
            at(due).await;
            let passed = match item {
                Item::Bytes(bytes) => deliver(&bytes, to, direction, rules).await,
                Item::End => end(to, direction, rules).await,
                Item::Broken(error) => {
                    rules.until(|state| !state.is_cut(direction)).await;
                    return Err(error);
                }
            };
            if passed.is_err() {
                // Who takes nothing more has gone, and is heard of from the other direction.
                return Ok(());
            }
        }
        Ok(())
    };
    tokio::pin!(write);
    tokio::select! {
        done = &mut write => done,
        () = read => write.await,
    }
}

/// Says the end while the gate is open.
async fn end(to: &mut Writer, direction: Direction, rules: &Rules) -> io::Result<()> {
    loop {
        rules.until(|state| !state.is_cut(direction)).await;
        let state = rules.state();
        if !state.is_cut(direction) {
            return to.end();
        }
        drop(state);
    }
}

/// Writes while the gate is open, as fast as the link allows.
async fn deliver(bytes: &[u8], to: &Writer, direction: Direction, rules: &Rules) -> io::Result<()> {
    let mut left = bytes;
    while !left.is_empty() {
        rules.until(|state| !state.is_cut(direction)).await;
        let bandwidth = rules.state().throttle();
        let most = bandwidth.map_or(left.len(), |limit| (limit / SHARE).max(1) as usize);
        let (now, _) = left.split_at(most.min(left.len()));
        to.writable().await?;
        let Some(written) = through_the_gate(now, to, direction, rules)? else { continue };
        left = left.get(written..).unwrap_or_default();
        if let Some(limit) = bandwidth {
            let seconds = f64::from(u32::try_from(written).unwrap_or(u32::MAX)) / f64::from(limit);
            at(Instant::now() + std::time::Duration::from_secs_f64(seconds)).await;
        }
    }
    Ok(())
}

/// Nothing is written while somebody changes the rules, so that a cut is complete when it is made.
fn through_the_gate(
    bytes: &[u8],
    to: &Writer,
    direction: Direction,
    rules: &Rules,
) -> io::Result<Option<usize>> {
    let mut state = rules.state();
    if state.is_cut(direction) {
        return Ok(None);
    }
    match to.try_write(bytes) {
        Ok(written) => {
            *state.passed(direction) += written as u64;
            Ok(Some(written))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

#[expect(clippy::disallowed_methods, reason = "time is what a slow link is made of")]
async fn at(due: Instant) {
    if due > Instant::now() {
        tokio::time::sleep_until(due).await;
    }
}

async fn connect(upstream: &Endpoint) -> io::Result<(Reader, Writer)> {
    match upstream {
        Endpoint::Unix(directory, port) => {
            let server = UnixStream::connect(directory.join(format!(".s.PGSQL.{port}"))).await?;
            let (from, to) = server.into_split();
            Ok((Reader::Unix(from), Writer::Unix(to)))
        }
        Endpoint::Tcp(host, port) => {
            let server = TcpStream::connect((host.as_str(), *port)).await?;
            server.set_nodelay(true)?;
            let (from, to) = server.into_split();
            Ok((Reader::Tcp(from), Writer::Tcp(to)))
        }
    }
}

/// The half of a connection that bytes come from.
enum Reader {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
}

impl Reader {
    async fn read(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => half.read_buf(bytes).await,
            Self::Unix(half) => half.read_buf(bytes).await,
        }
    }
}

/// The half of a connection that bytes go to.
enum Writer {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

impl Writer {
    async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(half) => half.writable().await,
            Self::Unix(half) => half.writable().await,
        }
    }

    /// A shutdown is a call that does not wait.
    fn end(&mut self) -> io::Result<()> {
        let ended = match self {
            Self::Tcp(half) => half.shutdown().now_or_never(),
            Self::Unix(half) => half.shutdown().now_or_never(),
        };
        ended.unwrap_or(Ok(()))
    }

    /// Dropped as it is, a half would say goodbye first.
    fn end_with_a_reset(self) {
        if let Self::Tcp(half) = self {
            // On a connection that is gone already there is nothing to reset.
            let _ = half.as_ref().set_zero_linger();
            half.forget();
        }
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => half.try_write(bytes),
            Self::Unix(half) => half.try_write(bytes),
        }
    }
}
