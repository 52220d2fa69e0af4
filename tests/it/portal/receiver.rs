//! A receiver of webhooks on loopback: says 204 to everything and keeps it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One event as it came.
#[derive(Clone, Debug)]
pub struct Event {
    /// The path that it was posted to: which endpoint.
    pub path: String,
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: i64,
    /// `webhook-signature`.
    pub signature: String,
    /// The body.
    pub body: String,
}

/// Listens as long as its runtime lives.
pub struct Receiver {
    address: SocketAddr,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Receiver {
    /// A receiver on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port on loopback");
        let address = listener.local_addr().expect("an address");
        let events = Arc::new(Mutex::default());
        let kept = Arc::clone(&events);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&kept)));
            }
        });
        Self { address, events }
    }

    /// The address of one endpoint.
    pub fn url(&self, endpoint: &str) -> String {
        format!("http://{}/{endpoint}", self.address)
    }

    /// Takes what has come so far.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn serve(mut socket: TcpStream, events: Arc<Mutex<Vec<Event>>>) {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let header = |name: &str| {
                head.lines()
                    .filter_map(|line| line.split_once(": "))
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.to_owned())
                    .unwrap_or_default()
            };
            let length: usize = header("content-length").parse().expect("a length");
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).expect("UTF-8");
                let path = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
                events.lock().unwrap_or_else(PoisonError::into_inner).push(Event {
                    path,
                    id: header("webhook-id"),
                    timestamp: header("webhook-timestamp").parse().expect("seconds"),
                    signature: header("webhook-signature"),
                    body,
                });
                bytes.drain(..end + 4 + length);
                if socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
                    return;
                }
                continue;
            }
        }
        match socket.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
