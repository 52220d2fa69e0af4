//! A wire to a server on loopback that counts what comes from it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// The wire; ends with the runtime.
pub struct Wire {
    address: SocketAddr,
    bytes: Arc<AtomicU64>,
}

impl Wire {
    /// A wire to the server that `url` names.
    pub async fn to(url: &str) -> Self {
        let server = Url::parse(url).expect("an address");
        let server = (server.host_str().expect("a host").to_owned(), server.port().expect("a port"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port on loopback");
        let address = listener.local_addr().expect("an address");
        let bytes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&bytes);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (server, counter) = (server.clone(), Arc::clone(&counter));
                tokio::spawn(async move {
                    let far = TcpStream::connect(server).await.expect("the server answers");
                    let (mut near_in, mut near_out) = near.into_split();
                    let (mut far_in, mut far_out) = far.into_split();
                    let asks = copy(&mut near_in, &mut far_out);
                    let answers = async {
                        let mut buffer = vec![0; 64 * 1024];
                        while let Ok(read @ 1..) = far_in.read(&mut buffer).await {
                            counter.fetch_add(read as u64, Ordering::Relaxed);
                            if near_out.write_all(&buffer[..read]).await.is_err() {
                                break;
                            }
                        }
                    };
                    tokio::select! { _ = asks => {}, () = answers => {} }
                });
            }
        });
        Self { address, bytes }
    }

    /// The server's address through this wire.
    pub fn through(&self, url: &str) -> String {
        let mut url = Url::parse(url).expect("an address");
        url.set_port(Some(self.address.port())).expect("an address with a host");
        url.into()
    }

    /// What came since the last call.
    pub fn take(&self) -> u64 {
        self.bytes.swap(0, Ordering::Relaxed)
    }
}
