//! One connection through a link: two directions, each with a reader, a delay line and a writer
//! that passes the gate. It ends when both directions have ended, or with a reset.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream, tcp, unix};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::rules::{Direction, Rules};
use crate::host::script::Endpoint;

/// The most bytes that are read at once: fewer than an allocator requests from the kernel each
/// time.
const CHUNK: usize = 120 * 1024;

/// The most chunks in transit in one direction: what a delayed link holds.
const UNDER_WAY: usize = 256;

/// The share of a second's throttle that passes at once, so that a throttled link is smooth.
const SHARE: u32 = 50;

/// Relays one connection. Where the upstream cannot be reached, the connection is closed right
/// after it was accepted. A server that is down would have refused it: the standby logs another
/// message then.
pub(super) async fn run(standby: TcpStream, rules: Arc<Rules>) {
    let before = rules.state().resets;
    // While the link is cut, do not connect upstream.
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

/// An item in a delay line: bytes, the end of the stream, or the reset that came instead.
enum Item {
    Bytes(Vec<u8>),
    End,
    Broken(io::Error),
}

/// Forwards one direction until its end. The end and a reset travel as bytes do: after the bytes
/// before them, with the same delay, and not through a cut.
async fn pass(
    mut from: Reader,
    to: &mut Writer,
    direction: Direction,
    rules: &Rules,
) -> io::Result<()> {
    let (line, mut arriving) = mpsc::channel::<(Instant, Item)>(UNDER_WAY);
    let read = async move {
        loop {
            // Bytes that a cut holds back stay in the sender's kernel, so that they count as not
            // sent through the link.
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
                // The peer closed its side; the task of the other direction reports why.
                return Ok(());
            }
        }
        Ok(())
    };
    tokio::pin!(write);
    tokio::select! {
        done = &mut write => done,
        // The reader is done; what is still in the delay line must arrive.
        () = read => write.await,
    }
}

/// Forwards end-of-stream, but not while this direction is cut.
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

/// Writes bytes, but not while this direction is cut, and not faster than the throttle.
async fn deliver(bytes: &[u8], to: &Writer, direction: Direction, rules: &Rules) -> io::Result<()> {
    let mut left = bytes;
    while !left.is_empty() {
        rules.until(|state| !state.is_cut(direction)).await;
        let throttle = rules.state().throttle();
        let most = throttle.map_or(left.len(), |limit| (limit / SHARE).max(1) as usize);
        let (now, _) = left.split_at(most.min(left.len()));
        to.writable().await?;
        let Some(written) = through_the_gate(now, to, direction, rules)? else { continue };
        left = left.get(written..).unwrap_or_default();
        if let Some(limit) = throttle {
            let seconds = f64::from(u32::try_from(written).unwrap_or(u32::MAX)) / f64::from(limit);
            at(Instant::now() + std::time::Duration::from_secs_f64(seconds)).await;
        }
    }
    Ok(())
}

/// Writes under the lock under which rules change, so that a cut is complete when it returns.
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

/// The half of a connection that bytes are read from.
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

/// The half of a connection that bytes are written to.
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

    /// Shuts the writing half down; on a socket this never waits.
    fn end(&mut self) -> io::Result<()> {
        let ended = match self {
            Self::Tcp(half) => half.shutdown().now_or_never(),
            Self::Unix(half) => half.shutdown().now_or_never(),
        };
        ended.unwrap_or(Ok(()))
    }

    /// Resets the connection: a half that is simply dropped would send end-of-stream first.
    fn end_with_a_reset(self) {
        if let Self::Tcp(half) = self {
            // A connection that is closed already has nothing to reset.
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
