//! Laws of outgoing calls: what a hostile receiver, a hostile name server and a hostile environment cannot do, and what
//! a webhook's answer means. Every receiver here is a raw socket on loopback that the guard was told of exactly.

mod hostile;
mod kept;
mod names;
mod spellings;
mod tls;
mod webhooks;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loa::clock::Timestamp;
use loa::domain::delivery::{Cause, Outcome};
use loa::http::client::{Client, Settings};
use loa::http::guard::Guard;
use loa::http::resolve::{Answer, Resolve};
use loa::notify::webhook::secret::Secret;
use loa::notify::webhook::{Call, deliver};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use url::Url;

/// A deadline that a test may wait for.
const SHORT: Duration = Duration::from_millis(400);

/// A bound that only a failing test reaches.
const LONG: Duration = Duration::from_secs(20);

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A request as a receiver read it.
struct Seen {
    head: String,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A listener on loopback whose connections are handed to the test one by one.
struct Receiver {
    at: SocketAddr,
    accepted: Arc<AtomicUsize>,
    connections: UnboundedReceiver<TcpStream>,
}

impl Receiver {
    async fn on(ip: &str) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.expect("a port on loopback");
        let at = listener.local_addr().expect("an address");
        let accepted = Arc::new(AtomicUsize::new(0));
        let (to, connections) = unbounded_channel();
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                if to.send(socket).is_err() {
                    break;
                }
            }
        });
        Self { at, accepted, connections }
    }

    async fn new() -> Self {
        Self::on("127.0.0.1").await
    }

    fn url(&self) -> Url {
        Url::parse(&format!("http://{}/nhan-tin?khoa=1", self.at)).expect("a URL")
    }

    async fn accept(&mut self) -> TcpStream {
        tokio::time::timeout(LONG, self.connections.recv()).await.expect("in time").expect("a connection")
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// Reads one request with its body; nothing when the peer closed instead.
async fn request(socket: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).expect("an ASCII head");
            let seen = Seen { head, body: Vec::new() };
            let length: usize = seen.header("content-length").map_or(0, |n| n.parse().expect("a number"));
            if bytes.len() >= end + 4 + length {
                return Some(Seen { body: bytes[end + 4..].to_vec(), ..seen });
            }
        }
        let mut more = [0; 4096];
        match socket.read(&mut more).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&more[..n]),
            _ => return None,
        }
    }
}

/// Whether the peer closed this connection, within `LONG`, having sent nothing more.
async fn is_closed(socket: &mut TcpStream) -> bool {
    let mut byte = [0; 1];
    !matches!(tokio::time::timeout(LONG, socket.read(&mut byte)).await, Err(_) | Ok(Ok(1)))
}

/// Names for a test: each lookup takes the next answer, the last one stays.
#[derive(Default)]
struct Names {
    answers: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    lookups: AtomicUsize,
}

impl Names {
    fn of(name: &str, answers: &[&[&str]]) -> Arc<Self> {
        let parse = |ip: &&str| ip.parse().expect("an address");
        let answers = answers.iter().map(|answer| answer.iter().map(parse).collect()).collect();
        Arc::new(Self { answers: Mutex::new([(name.to_owned(), answers)].into()), lookups: AtomicUsize::new(0) })
    }
}

impl Resolve for Names {
    fn resolve(&self, name: &str) -> Answer {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().expect("no test panics with it");
        let answer = match answers.get_mut(name) {
            Some(list) if list.len() > 1 => list.pop_front(),
            Some(list) => list.front().cloned(),
            None => None,
        };
        Box::pin(async move { answer.ok_or_else(|| std::io::Error::other("no such name")) })
    }
}

fn guard(allow: &[&str]) -> Guard {
    Guard::new(allow.iter().map(|net| net.parse().expect("a network")).collect(), vec![])
}

fn settings(timeout: Duration) -> Settings {
    Settings { timeout, connect_timeout: timeout, ..Settings::default() }
}

/// A client that may call 127.0.0.1 and nothing else private.
fn client(timeout: Duration) -> Client {
    Client::new(guard(&["127.0.0.1/32"]), settings(timeout)).expect("a client")
}

fn client_with(allow: &[&str], names: &Arc<Names>) -> Client {
    Client::with_resolver(guard(allow), settings(LONG), Arc::<Names>::clone(names)).expect("a client")
}

fn url(text: &str) -> Url {
    Url::parse(text).expect("a URL")
}

fn secret() -> Secret {
    Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").expect("a secret")
}

async fn attempt(client: &Client, url: &Url) -> Outcome {
    // 2026-11-23T00:00:00Z
    let attempt_time = Timestamp::from_millis(1_795_392_000_000);
    deliver(client, Call { url, id: "art_5_2_p", attempt_time, body: b"{}", secrets: &[secret()] }).await
}

fn cause(outcome: &Outcome) -> Option<Cause> {
    match outcome {
        Outcome::Sent(_) => None,
        Outcome::Retry { cause, .. } | Outcome::Dead { cause, .. } => Some(*cause),
    }
}
