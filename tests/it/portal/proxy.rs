//! A wire that can be cut: passes bytes to a server on loopback until it is told to drop everyone.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// The wire; ends with the runtime.
pub struct Proxy {
    address: SocketAddr,
    whole: watch::Sender<bool>,
}

impl Proxy {
    /// A wire to the server that `url` names, which is whole.
    pub async fn to(url: &str) -> Self {
        let server = Url::parse(url).expect("an address");
        let server = (server.host_str().expect("a host").to_owned(), server.port().expect("a port"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port on loopback");
        let address = listener.local_addr().expect("an address");
        let (whole, state) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (mut state, server) = (state.clone(), server.clone());
                tokio::spawn(async move {
                    if !*state.borrow_and_update() {
                        return;
                    }
                    let mut far = TcpStream::connect(server).await.expect("the test server answers");
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = state.changed() => {}
                    }
                });
            }
        });
        Self { address, whole }
    }

    /// The server's address through this wire.
    pub fn through(&self, url: &str) -> String {
        let mut url = Url::parse(url).expect("an address");
        url.set_port(Some(self.address.port())).expect("an address with a host");
        url.into()
    }

    /// Drops every connection, and each new one at once.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}
