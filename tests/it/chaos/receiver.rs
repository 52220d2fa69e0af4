//! A site that takes webhooks: verifies each with the reference library, and remembers what came where.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use loa::clock::Clock;
use loa::notify::webhook::secret::Secret;

/// A webhook whose signature was right.
#[derive(Clone, Debug)]
pub struct Event {
    /// Which endpoint it came to.
    pub endpoint: usize,
    /// Its `webhook-id`.
    pub id: String,
    /// Its type, such as `article.published`.
    pub kind: String,
    /// The article's title; of a withdrawal, which has none, the one that it was last told by.
    pub title: String,
    /// Its number among the events of its endpoint.
    pub seq: i64,
    article: String,
}

#[derive(Default)]
struct Seen {
    events: Vec<Event>,
    faults: Vec<String>,
}

struct Shared {
    secrets: Vec<Secret>,
    seen: Mutex<Seen>,
    changed: Condvar,
}

/// The receiver, with so many endpoints. Its threads end with the process.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// Listens on 127.0.0.2; endpoint `n` is `/hook/n` and takes `n` times four milliseconds to answer.
    pub fn start(endpoints: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.2:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let secrets = (0..endpoints).map(|_| Secret::generate(&Clock::system())).collect();
        let shared = Arc::new(Shared { secrets, seen: Mutex::default(), changed: Condvar::new() });
        let for_connections = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&for_connections);
                std::thread::spawn(move || serve(socket, &shared));
            }
        });
        Self { address, shared }
    }

    /// The address and secret of each endpoint.
    pub fn endpoints(&self) -> Vec<(String, String)> {
        let url = |n| format!("http://{}/hook/{n}", self.address);
        self.shared.secrets.iter().enumerate().map(|(n, secret)| (url(n), secret.reveal())).collect()
    }

    /// Everything so far.
    ///
    /// # Panics
    /// When something came that was not signed as it should be.
    pub fn events(&self) -> Vec<Event> {
        let seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(seen.faults.is_empty(), "{:?}", seen.faults);
        seen.events.clone()
    }

    /// Waits until something holds of the events.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn wait_until(&self, within: Duration, what: &str, holds: impl Fn(&[Event]) -> bool) {
        let until = Instant::now() + within;
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while !holds(&seen.events) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} within {within:?}: {} events, {:?}", seen.events.len(), seen.faults);
            seen = self.shared.changed.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// One connection, to its end.
fn serve(socket: TcpStream, shared: &Shared) {
    let Ok(mut answers) = socket.try_clone() else { return };
    let mut requests = BufReader::new(socket);
    while let Some((path, headers, body)) = request(&mut requests) {
        let judged = judge(&path, &headers, &body, shared);
        if let Ok(event) = &judged {
            std::thread::sleep(Duration::from_millis(4) * u32::try_from(event.endpoint).unwrap_or(0));
        }
        let answer = if judged.is_ok() { "204 No Content" } else { "400 Bad Request" };
        // It counts once its answer is under way: what was not answered must come again.
        let sent = answers.write_all(format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").as_bytes());
        let mut seen = shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match judged {
            Ok(mut event) => {
                let known =
                    |e: &&Event| e.endpoint == event.endpoint && e.article == event.article && !e.title.is_empty();
                if event.title.is_empty()
                    && let Some(last) = seen.events.iter().rev().find(known)
                {
                    event.title.clone_from(&last.title);
                }
                seen.events.push(event);
            }
            Err(fault) => seen.faults.push(fault),
        }
        shared.changed.notify_all();
        if sent.is_err() {
            return;
        }
    }
}

type Request = (String, HashMap<String, String>, Vec<u8>);

fn request(from: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    from.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0)];
    from.read_exact(&mut body).ok()?;
    Some((path, headers, body))
}

fn judge(path: &str, headers: &HashMap<String, String>, body: &[u8], shared: &Shared) -> Result<Event, String> {
    let endpoint: usize =
        path.strip_prefix("/hook/").and_then(|n| n.parse().ok()).ok_or_else(|| format!("a strange path: {path}"))?;
    let secret = shared.secrets.get(endpoint).ok_or_else(|| format!("no endpoint {endpoint}"))?;
    let mut signed = hyper::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let value = headers.get(name).ok_or_else(|| format!("no header {name}"))?;
        signed.insert(name, value.parse().map_err(|e| format!("{name}: {e}"))?);
    }
    let reference = standardwebhooks::Webhook::new(&secret.reveal()).map_err(|e| e.to_string())?;
    reference.verify(body, &signed).map_err(|e| e.to_string())?;
    let event: serde_json::Value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Event {
        endpoint,
        id: headers["webhook-id"].clone(),
        kind: text(&event["type"]),
        title: text(&event["data"]["title"]),
        seq: event["seq"].as_i64().unwrap_or_default(),
        article: text(&event["data"]["id"]),
    })
}
