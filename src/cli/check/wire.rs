//! The bytes of a connection to a server: over TCP, over a socket, or encrypted. Until the server has accepted the
//! client, every message of it is watched, so that no password answers a request that is not allowed.

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_openssl::SslStream;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::watch::Watch;

/// A connection to a server.
pub(super) enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<SslStream<TcpStream>>),
}

/// A connection that is watched until the server has accepted the client. Its clones share it, so that it can be
/// closed in an orderly way after the client library has given it up.
#[derive(Clone)]
pub(super) struct Watched(Arc<Mutex<Shared>>);

struct Shared {
    wire: Wire,
    watch: Watch,
    /// The hash of the server's certificate, for channel binding.
    certificate: Option<Vec<u8>>,
}

impl Watched {
    pub(super) fn new(wire: Wire, watch: Watch, certificate: Option<Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(Shared { wire, watch, certificate })))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns why a message of the server was refused, if one was.
    pub(super) fn refusal(&self) -> Option<String> {
        self.shared().watch.refusal.clone()
    }

    /// Whether the server has accepted the client.
    pub(super) fn is_accepted(&self) -> bool {
        self.shared().watch.is_accepted
    }

    /// Ends TLS and the stream in order: a server logs a connection that breaks off.
    pub(super) async fn close(&self) {
        let _ = poll_fn(|context| self.shared().wire.poll_shutdown_in(context)).await;
    }
}

impl Wire {
    fn stream(&mut self) -> Pin<&mut dyn Stream> {
        match self {
            Self::Tcp(stream) => Pin::new(stream),
            Self::Unix(stream) => Pin::new(stream),
            Self::Tls(stream) => Pin::new(stream.as_mut()),
        }
    }

    fn poll_shutdown_in(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let shared = &mut *self.shared();
        let before = buffer.filled().len();
        let read = shared.wire.stream().poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = read {
            let new = buffer.filled().get(before..).unwrap_or_default();
            return Poll::Ready(shared.watch.hear(new).map_err(io::Error::other));
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.shared().wire.stream().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared().wire.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared().wire.stream().poll_shutdown(context)
    }
}

impl TlsStream for Watched {
    fn channel_binding(&self) -> ChannelBinding {
        let certificate = self.shared().certificate.clone();
        certificate.map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// Hands the client library a connection whose encryption has been agreed already.
pub(super) struct Agreed;

impl TlsConnect<Watched> for Agreed {
    type Stream = Watched;
    type Error = Infallible;
    type Future = Ready<Result<Watched, Infallible>>;

    fn connect(self, wire: Watched) -> Self::Future {
        ready(Ok(wire))
    }
}
