//! Opens connections: name, addresses, the guard's word on all of them, socket, TLS, HTTP/1.1. The addresses that were
//! vetted are the ones that are connected to; nothing is looked up twice. Never sends a request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use url::Host;

use super::fault::Fault;
use super::guard::{Guard, Target};
use super::pool::Connection;
use super::resolve::Resolve;

/// Headers that an answer may have.
const MAX_HEADERS: usize = 64;

/// Bytes that the head of an answer may have.
const MAX_HEAD: usize = 32 * 1024;

/// Addresses of one name that are tried.
const MAX_TRIES: usize = 6;

/// What it takes to open a connection.
pub(super) struct Connector {
    pub guard: Guard,
    pub resolver: Arc<dyn Resolve>,
    pub tls: TlsConnector,
    /// For the name server's answer, for each connection, for each TLS handshake.
    pub patience: Duration,
    /// How long a connection can be of use to any call.
    pub lifetime: Duration,
}

impl Connector {
    /// A new connection to one of the target's addresses, all of which were vetted: nothing is looked up twice.
    pub async fn open(&self, target: &Target) -> Result<Connection, Fault> {
        let mut last = None;
        for ip in self.addresses(target).await?.into_iter().take(MAX_TRIES) {
            let at = SocketAddr::new(ip, target.port);
            match timeout(self.patience, TcpStream::connect(at)).await {
                Ok(Ok(socket)) => {
                    // A request goes out in one piece; waiting for more to send only delays it.
                    let _ = socket.set_nodelay(true);
                    return self.speak(target, ip, socket).await;
                }
                Ok(Err(error)) => last = Some(Fault::connect(&error)),
                Err(_) => last = Some(Fault::Timeout { offered: false }),
            }
        }
        Err(last.unwrap_or_else(|| Fault::dns(&"the name has no address")))
    }

    /// Every address of the target, IPv4 first, once the guard has passed them all.
    pub async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, Fault> {
        let mut found = match &target.host {
            Host::Domain(name) => match timeout(self.patience, self.resolver.resolve(name)).await {
                Ok(answer) => answer.map_err(|error| Fault::dns(&error))?,
                Err(_) => return Err(Fault::dns(&"the name server does not answer in time")),
            },
            Host::Ipv4(ip) => vec![IpAddr::V4(*ip)],
            Host::Ipv6(ip) => vec![IpAddr::V6(*ip)],
        };
        self.guard.vet_answer(target, &found)?;
        found.sort_by_key(IpAddr::is_ipv6);
        if found.is_empty() { Err(Fault::dns(&"the name has no address")) } else { Ok(found) }
    }

    async fn speak(&self, target: &Target, peer: IpAddr, socket: TcpStream) -> Result<Connection, Fault> {
        if !target.tls {
            return self.drive(TokioIo::new(socket), peer).await;
        }
        let name = match &target.host {
            Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                .map_err(|_| Fault::protocol(false, &"the host is not a name that TLS can verify"))?,
            Host::Ipv4(ip) => ServerName::IpAddress(IpAddr::V4(*ip).into()),
            Host::Ipv6(ip) => ServerName::IpAddress(IpAddr::V6(*ip).into()),
        };
        match timeout(self.patience, self.tls.connect(name, socket)).await {
            Ok(Ok(stream)) => self.drive(TokioIo::new(stream), peer).await,
            Ok(Err(error)) => Err(Fault::of_handshake(&error)),
            Err(_) => Err(Fault::Timeout { offered: false }),
        }
    }

    async fn drive<S: Read + Write + Send + Unpin + 'static>(
        &self,
        stream: S,
        peer: IpAddr,
    ) -> Result<Connection, Fault> {
        let (sender, connection) = http1::Builder::new()
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEAD)
            .max_buf_size(MAX_HEAD)
            .handshake(stream)
            .await
            .map_err(|error| Fault::connect(&error))?;
        // Ends by itself once no call can use it, so that idle connections need nobody to sweep them.
        let lifetime = self.lifetime;
        let driver = tokio::spawn(async move {
            // Whatever breaks the connection is also told to the call that uses it.
            let _ = timeout(lifetime, connection).await;
        });
        Ok(Connection { sender, driver: driver.abort_handle(), born: Instant::now(), peer })
    }
}
