//! An LMTP server (RFC 2033) for mails that come back: the operator's mail server hands each over on loopback or a local
//! socket. A mail is acknowledged only when it is settled; until then the other side keeps it and brings it again. Never
//! relays, never sends, and takes mail for the return path alone.

mod dialogue;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::domain::verp::Template;

/// Connections at one time; more are told to come later.
const CONNECTIONS: usize = 16;

/// How long one connection may last.
const LIFE: Duration = Duration::from_hours(1);

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A port of this machine.
    Tcp(SocketAddr),
    /// A local socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    /// Reads `127.0.0.1:2424`, `[::1]:2424` or `unix:/run/loa/lmtp.sock`.
    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write \"127.0.0.1:2424\" or \"unix:/run/loa/lmtp.sock\"";
        if let Some(path) = text.strip_prefix("unix:") {
            if !path.starts_with('/') || path.len() > 100 {
                return Err(format!("names no absolute path of at most 100 characters; {example}"));
            }
            return Ok(Self::Unix(path.into()));
        }
        let address: SocketAddr = text.parse().map_err(|_| format!("is no address and port; {example}"))?;
        if !address.ip().is_loopback() {
            return Err(format!("is open to other machines, and LMTP asks nobody for a password; {example}"));
        }
        Ok(Self::Tcp(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What takes a mail for one recipient: true once it is settled, false to have it brought again.
pub type Take = Arc<dyn Fn(String, Arc<[u8]>) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// A server that listens and does not take anything yet.
pub struct Lmtp {
    socket: Socket,
    template: Template,
    take: Take,
}

impl Lmtp {
    /// Listens at this address for mail to addresses of this form.
    ///
    /// # Errors
    /// When it cannot: the port is taken, or another process listens on the socket.
    pub async fn bind(address: &Address, template: Template, take: Take) -> io::Result<Self> {
        let socket = match address {
            Address::Tcp(address) => Socket::Tcp(TcpListener::bind(address).await?),
            Address::Unix(path) => Socket::Unix(unix(path).await?, path.clone()),
        };
        Ok(Self { socket, template, take })
    }

    /// The port that was given, for port 0.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok().map(|a| a.port()),
            Socket::Unix(..) => None,
        }
    }

    /// Serves until `stop` turns true; then whatever is not acknowledged is brought again by its sender.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        let mut sessions = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                _ = stop.wait_for(|s| *s) => break,
            };
            while sessions.try_join_next().is_some() {}
            match accepted {
                Ok(stream) => {
                    let (template, take) = (self.template.clone(), Arc::clone(&self.take));
                    let permit = Arc::clone(&free).try_acquire_owned().ok();
                    sessions.spawn(async move {
                        let busy = permit.is_none();
                        let _ = tokio::time::timeout(LIFE, dialogue::hold(stream, &template, &take, busy)).await;
                        drop(permit);
                    });
                }
                Err(e) => {
                    tracing::warn!("the LMTP listener could not take a connection: {e}");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
        sessions.shutdown().await;
        if let Socket::Unix(_, path) = &self.socket {
            let _ = std::fs::remove_file(path);
        }
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Socket::Unix(listener, _) => Box::new(listener.accept().await?.0),
        })
    }
}

/// Either kind of connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A socket file of a process that died is in the way; one that somebody listens on is not ours to remove.
async fn unix(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    if let Ok(found) = std::fs::symlink_metadata(path)
        && found.file_type().is_socket()
    {
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // The mail server runs under another account of the same group.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_listens_on_this_machine_alone() {
        assert!(matches!("127.0.0.1:2424".parse(), Ok(Address::Tcp(_))));
        assert!(matches!("[::1]:2424".parse(), Ok(Address::Tcp(_))));
        assert!(matches!("unix:/run/loa/lmtp.sock".parse(), Ok(Address::Unix(_))));
        for bad in ["0.0.0.0:24", "192.0.2.1:24", "localhost", "unix:lmtp.sock", ""] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
