//! A portal on loopback for tests of HTTP sources: scripted answers over real HTTP/1.1, with every way to misbehave, and a
//! log of what was asked.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request as the portal read it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET`.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// How often this path (with its query) was asked before: 0 in the first request.
    pub before: usize,
    /// When it came.
    pub at: Instant,
}

impl Asked {
    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A key of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(&format!("http://portal{}", self.path)).expect("a path");
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// How a body is sent.
#[derive(Clone, Debug)]
enum Body {
    /// With its length.
    Whole(Vec<u8>),
    /// A byte now and then, without end.
    Drip,
    /// As fast as it is read, without end.
    Endless,
    /// Announced longer than it is, then the connection breaks.
    Cut(Vec<u8>),
}

/// One scripted answer.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

impl Reply {
    /// 200 with this type and body.
    pub fn page(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).header("content-type", content_type).body(body)
    }

    /// 200 with HTML in UTF-8.
    pub fn html(body: impl Into<Vec<u8>>) -> Self {
        Self::page("text/html; charset=utf-8", body)
    }

    /// A status with an empty body.
    pub const fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(Vec::new()) }
    }

    /// 302 to an address.
    pub fn redirect(to: &str) -> Self {
        Self::status(302).header("location", to)
    }

    /// A page whose bytes come one at a time and never end.
    pub fn drip(content_type: &str) -> Self {
        Self { body: Body::Drip, ..Self::status(200).header("content-type", content_type) }
    }

    /// A page that never ends.
    pub fn endless(content_type: &str) -> Self {
        Self { body: Body::Endless, ..Self::status(200).header("content-type", content_type) }
    }

    /// With another header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With another body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }

    /// With its body packed by gzip, and named so.
    pub fn gzip(mut self) -> Self {
        if let Body::Whole(bytes) = &mut self.body {
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(bytes).expect("memory");
            *bytes = packer.finish().expect("memory");
        }
        self.header("content-encoding", "gzip")
    }

    /// With a connection that breaks when half of the body is sent.
    pub fn cut(mut self) -> Self {
        if let Body::Whole(bytes) = self.body {
            self.body = Body::Cut(bytes);
        }
        self
    }
}

type Script = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

#[derive(Default)]
struct Shared {
    routes: Mutex<HashMap<String, Script>>,
    asked: Mutex<Vec<Asked>>,
}

/// The portal. Ends with its runtime.
pub struct WebServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl WebServer {
    /// A portal that has no page yet: everything is 404, `robots.txt` too.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let of_task = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // Head and body go in two writes; without this the second waits for the client's delayed ACK.
                let _ = socket.set_nodelay(true);
                tokio::spawn(serve(socket, Arc::clone(&of_task)));
            }
        });
        Self { address, shared }
    }

    /// The address of a path: `/tin?format=feed`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on this path answers so. A path with a query holds for that query alone; one without for every query that
    /// has no answer of its own.
    pub fn on(&self, path: &str, reply: Reply) {
        self.script(path, move |_| reply.clone());
    }

    /// From now on this path answers as the script says, which is asked at every request.
    pub fn script(&self, path: &str, script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        lock(&self.shared.routes).insert(path.to_owned(), Arc::new(script));
    }

    /// Everything asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }

    /// What was asked of one path, with whatever query.
    pub fn asked_for(&self, path: &str) -> Vec<Asked> {
        let mut asked = self.asked();
        asked.retain(|asked| asked.path == path || asked.path.split('?').next() == Some(path));
        asked
    }
}

async fn serve(mut socket: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            let mut part = [0; 4096];
            match socket.read(&mut part).await {
                Ok(read) if read > 0 && buffer.len() < 1 << 20 => buffer.extend_from_slice(&part[..read]),
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        let asked = read_head(&head, &shared);
        let keep = answer(&mut socket, &asked, reply_to(&asked, &shared)).await;
        if !matches!(keep, Ok(true)) {
            return;
        }
    }
}

fn read_head(head: &str, shared: &Shared) -> Asked {
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let headers = lines.filter_map(|line| line.split_once(": "));
    let mut log = lock(&shared.asked);
    let asked = Asked {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: headers.map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned())).collect(),
        before: log.iter().filter(|before| before.path == path).count(),
        at: Instant::now(),
    };
    log.push(asked.clone());
    asked
}

fn reply_to(asked: &Asked, shared: &Shared) -> Reply {
    let routes = lock(&shared.routes);
    let bare = asked.path.split('?').next().unwrap_or_default();
    let script = routes.get(&asked.path).or_else(|| routes.get(bare)).cloned();
    drop(routes);
    script.map_or_else(|| Reply::status(404).body("không có trang này"), |script| script(asked))
}

/// Sends a reply; whether the connection may be used again.
async fn answer(socket: &mut TcpStream, asked: &Asked, reply: Reply) -> std::io::Result<bool> {
    let mut head = format!("HTTP/1.1 {} x\r\n", reply.status);
    for (name, value) in &reply.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    match reply.body {
        Body::Whole(bytes) => {
            let bytes = if asked.method == "HEAD" || matches!(reply.status, 204 | 304) { Vec::new() } else { bytes };
            if !matches!(reply.status, 204 | 304) {
                let _ = write!(head, "content-length: {}\r\n", bytes.len());
            }
            socket.write_all(format!("{head}\r\n").as_bytes()).await?;
            socket.write_all(&bytes).await?;
            Ok(true)
        }
        Body::Cut(bytes) => {
            let _ = write!(head, "content-length: {}\r\n\r\n", bytes.len());
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(&bytes[..bytes.len() / 2]).await?;
            Ok(false)
        }
        Body::Drip => {
            socket.write_all(format!("{head}\r\n").as_bytes()).await?;
            // Bounded, should a test forget to hang up.
            for _ in 0..600 {
                socket.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(false)
        }
        Body::Endless => {
            socket.write_all(format!("{head}\r\n").as_bytes()).await?;
            let block = vec![b' '; 64 * 1024];
            for _ in 0..4096 {
                socket.write_all(&block).await?;
            }
            Ok(false)
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
