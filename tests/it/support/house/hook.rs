//! An endpoint on loopback that keeps what is posted to it and answers as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::LONG;

/// A post as the endpoint read it.
#[derive(Clone, Debug)]
pub struct Posted {
    head: String,
    /// The event.
    pub json: serde_json::Value,
}

impl Posted {
    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> &str {
        let value = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }

    /// `article.published` and so on.
    pub fn kind(&self) -> &str {
        self.json["type"].as_str().expect("a type")
    }
}

struct Shared {
    posts: Mutex<Vec<Posted>>,
    status: watch::Sender<Option<u16>>,
    count: watch::Sender<usize>,
    /// A header line that answers carry, with its line end.
    extra: Mutex<&'static str>,
    /// Posts that wait for their answer: now, and the most at once.
    held: Mutex<(usize, usize)>,
}

/// The endpoint. Ends with its runtime.
pub struct Hook {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Hook {
    /// An endpoint that answers 204.
    pub async fn start() -> Self {
        Self::on([127, 0, 0, 1]).await
    }

    /// The same at another address of loopback: on another machine, as far as loa can see.
    pub async fn on(ip: [u8; 4]) -> Self {
        let listener = TcpListener::bind((std::net::Ipv4Addr::from(ip), 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            posts: Mutex::default(),
            status: watch::Sender::new(Some(204)),
            count: watch::Sender::new(0),
            extra: Mutex::new(""),
            held: Mutex::default(),
        });
        let of_task = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&of_task)));
            }
        });
        Self { address, shared }
    }

    /// From now on answers this status; `None` lets every post wait until there is one again.
    pub fn answer(&self, status: Option<u16>) {
        self.shared.status.send_replace(status);
    }

    /// From now on answers with this header line, such as `retry-after: 60`.
    pub fn add_header(&self, line: &'static str) {
        *self.shared.extra.lock().unwrap_or_else(PoisonError::into_inner) = line;
    }

    /// The most posts that waited for their answers at once.
    pub fn most_at_once(&self) -> usize {
        self.shared.held.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Where events are posted.
    pub fn url(&self) -> String {
        format!("http://{}/nhan-tin", self.address)
    }

    /// The id that its endpoint gets: ports repeat from one address to the next.
    pub fn public_id(&self) -> String {
        format!("ep_{}", self.address.to_string().replace(['.', ':'], "_"))
    }

    /// Everything posted so far.
    pub fn posts(&self) -> Vec<Posted> {
        posts(&self.shared).clone()
    }

    /// The kinds of the events so far, in their order.
    pub fn kinds(&self) -> Vec<String> {
        self.posts().iter().map(|p| p.kind().to_owned()).collect()
    }

    /// Waits until so many posts have come, answered or not.
    ///
    /// # Panics
    /// When they have not come in time.
    pub async fn wait_for(&self, n: usize) {
        let mut count = self.shared.count.subscribe();
        let waited = tokio::time::timeout(LONG, count.wait_for(|seen| *seen >= n)).await;
        assert!(waited.is_ok(), "{} of {n} posts came", self.posts().len());
    }
}

fn posts(shared: &Shared) -> MutexGuard<'_, Vec<Posted>> {
    shared.posts.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(mut socket: TcpStream, shared: Arc<Shared>) {
    while let Some(posted) = request(&mut socket).await {
        posts(&shared).push(posted);
        shared.count.send_modify(|n| *n += 1);
        hold(&shared, true);
        let mut status = shared.status.subscribe();
        let Ok(status) = status.wait_for(Option::is_some).await.map(|s| s.unwrap_or(204)) else { return };
        hold(&shared, false);
        let extra = *shared.extra.lock().unwrap_or_else(PoisonError::into_inner);
        let extra = if extra.is_empty() { String::new() } else { format!("{extra}\r\n") };
        let answer = format!("HTTP/1.1 {status} As Told\r\n{extra}content-length: 0\r\n\r\n");
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn hold(shared: &Shared, begins: bool) {
    let mut held = shared.held.lock().unwrap_or_else(PoisonError::into_inner);
    held.0 = if begins { held.0 + 1 } else { held.0.saturating_sub(1) };
    held.1 = held.1.max(held.0);
}

async fn request(socket: &mut TcpStream) -> Option<Posted> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).expect("an ASCII head");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let json = serde_json::from_slice(&bytes[end + 4..]).expect("JSON");
                return Some(Posted { head, json });
            }
        }
        match socket.read_buf(&mut bytes).await {
            Ok(n) if n > 0 => {}
            _ => return None,
        }
    }
}
