//! The way from a standby to its upstream: a TCP relay in this process, the same on both hosts.
//! Its listener is held for the cluster's life, so a link's address never changes; it never looks
//! at what passes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::error::{Error, Result};
use crate::host::{Endpoint, PORT};

/// A relay that a standby connects to instead of its upstream.
#[derive(Debug)]
pub struct Link {
    address: (String, u16),
    upstream: Arc<Mutex<Endpoint>>,
    relay: JoinHandle<()>,
}

impl Link {
    /// Opens a relay at `bind`, which those behind it know under `address` (by default the one it
    /// is bound to), to `upstream`.
    pub async fn open(
        bind: SocketAddr,
        address: Option<String>,
        upstream: Endpoint,
    ) -> Result<Self> {
        let failed = |source| Error::io(format!("opening a relay at {bind}"), source);
        let listener = TcpListener::bind(bind).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let upstream = Arc::new(Mutex::new(upstream));
        let relay = tokio::spawn(accept(listener, Arc::clone(&upstream)));
        let address = (address.unwrap_or_else(|| bound.ip().to_string()), bound.port());
        Ok(Self { address, upstream, relay })
    }

    /// The host and port that a standby connects to.
    pub fn address(&self) -> (&str, u16) {
        (&self.address.0, self.address.1)
    }

    /// Where new connections go from now on; those that are open stay where they are.
    pub fn lead_to(&self, upstream: Endpoint) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

/// Goes on until the link is dropped, which ends every connection too. A connection that cannot be
/// accepted, because this process has no file descriptor left, say, is one that the standby tries
/// again.
async fn accept(listener: TcpListener, upstream: Arc<Mutex<Endpoint>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((standby, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let upstream = upstream.lock().unwrap_or_else(PoisonError::into_inner).clone();
        connections.spawn(relay(standby, upstream));
        while connections.try_join_next().is_some() {}
    }
}

/// An upstream that cannot be reached is a connection closed right after it came about. A server
/// that is down would have refused it: its standby logs another message then.
async fn relay(mut standby: TcpStream, upstream: Endpoint) {
    let _ = standby.set_nodelay(true);
    match upstream {
        Endpoint::Unix(directory) => {
            if let Ok(server) =
                UnixStream::connect(directory.join(format!(".s.PGSQL.{PORT}"))).await
            {
                pass(&mut standby, server).await;
            }
        }
        Endpoint::Tcp(host, port) => {
            if let Ok(server) = TcpStream::connect((host.as_str(), port)).await {
                let _ = server.set_nodelay(true);
                pass(&mut standby, server).await;
            }
        }
    }
}

/// An end of the one side is an end of the other; how it ended is for PostgreSQL to notice.
async fn pass(standby: &mut TcpStream, mut server: impl AsyncRead + AsyncWrite + Unpin) {
    let _ = copy_bidirectional(standby, &mut server).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn greeter(greeting: &'static [u8]) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut heard = [0; 4];
                client.read_exact(&mut heard).await.unwrap();
                client.write_all(greeting).await.unwrap();
                client.write_all(&heard).await.unwrap();
            }
        });
        Endpoint::Tcp("127.0.0.1".to_owned(), port)
    }

    async fn greet(link: &Link) -> String {
        let mut client = TcpStream::connect(link.address()).await.unwrap();
        client.write_all(b"ping").await.unwrap();
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.unwrap();
        heard
    }

    #[tokio::test]
    async fn both_directions_pass_and_the_end_of_one_side_ends_the_other() {
        let link =
            Link::open(([127, 0, 0, 1], 0).into(), None, greeter(b"one ").await).await.unwrap();
        assert_eq!(greet(&link).await, "one ping");
    }

    #[tokio::test]
    async fn the_address_stays_when_it_leads_elsewhere() {
        let link =
            Link::open(([127, 0, 0, 1], 0).into(), None, greeter(b"one ").await).await.unwrap();
        let address = (link.address().0.to_owned(), link.address().1);
        link.lead_to(greeter(b"two ").await);
        assert_eq!(greet(&link).await, "two ping");
        assert_eq!(link.address(), (address.0.as_str(), address.1));
    }

    #[tokio::test]
    async fn an_upstream_that_is_down_is_a_closed_connection() {
        let nowhere = tempfile::tempdir().unwrap();
        let upstream = Endpoint::Unix(nowhere.path().to_owned());
        let link = Link::open(([127, 0, 0, 1], 0).into(), None, upstream).await.unwrap();
        let mut client = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(client.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
}
