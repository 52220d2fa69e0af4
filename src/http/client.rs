//! The client: one call, one deadline, one answer of bounded size, over a connection to vetted addresses. Never
//! repeats a request that may have been received (a GET on a connection that was just being closed excepted).

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ACCEPT_ENCODING, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use tokio::time::{Instant, timeout_at};
use url::{Host, Position, Url};

use super::connect::Connector;
use super::fault::Fault;
use super::guard::{Guard, Target};
use super::pool::{Connection, Key, Pool};
use super::resolve::{Resolve, SystemResolver};
use super::tls::{self, TlsSetupError};

/// How long the body of an answer to a POST is read at most: by then the status has said all that matters, and a
/// receiver that drips must not hold its slot until the deadline.
const BODY_PATIENCE: Duration = Duration::from_secs(3);

/// Host names whose machine is remembered.
const MOST_PEERS: usize = 10_000;

/// How a client calls.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For the whole call: name, connection, TLS, request, answer with its body.
    pub timeout: Duration,
    /// For the name server's answer, for each connection and for each TLS handshake, within `timeout`.
    pub connect_timeout: Duration,
    /// Bytes of the body that [`Client::post`] reads; the rest is not waited for.
    pub max_body: usize,
    /// Age after which a connection is used no more: a changed DNS record counts within this time.
    pub max_age: Duration,
    /// Who we say we are: `loa/0.1 (+https://loa.example.vn/)`.
    pub user_agent: String,
    /// PEM file of authorities that are trusted beside Mozilla's, for an intranet.
    pub extra_ca: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
            max_body: 16 * 1024,
            max_age: Duration::from_mins(1),
            user_agent: concat!("loa/", env!("CARGO_PKG_VERSION")).into(),
            extra_ca: None,
        }
    }
}

/// Why a client cannot be made. An operator must act.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The user agent is not a header value.
    #[error("the user agent {0:?} has a character that a header may not have")]
    UserAgent(String),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
}

/// An answer, of any status.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body as it came, never decompressed; the start of it if `cut`.
    pub body_start: Vec<u8>,
    /// Whether there was or may have been more body than `body_start` has.
    pub cut: bool,
    headers: HeaderMap,
}

impl Response {
    /// The first header of this name, if it is visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Every header of this name that is visible ASCII, in order.
    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
    }
}

/// The one outbound client. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    connector: Connector,
    pool: Pool,
    /// Which machine each host name led to last.
    peers: Mutex<HashMap<String, IpAddr>>,
    timeout: Duration,
    max_body: usize,
    user_agent: HeaderValue,
}

/// How much of a body is wanted.
#[derive(Clone, Copy)]
enum Want {
    /// This many bytes; more is cut off, and a body that breaks off is as good as its start.
    Start(usize),
    /// All of it, or a fault if it is larger than this or incomplete.
    Whole(usize),
}

impl Client {
    /// A client that asks the machine's resolver.
    ///
    /// # Errors
    /// [`SetupError`] when the settings cannot be used.
    pub fn new(guard: Guard, settings: Settings) -> Result<Self, SetupError> {
        Self::with_resolver(guard, settings, Arc::new(SystemResolver::default()))
    }

    /// A client that asks this resolver.
    ///
    /// # Errors
    /// [`SetupError`] when the settings cannot be used.
    pub fn with_resolver(guard: Guard, settings: Settings, resolver: Arc<dyn Resolve>) -> Result<Self, SetupError> {
        let Settings { timeout, connect_timeout, max_body, max_age, user_agent, extra_ca } = settings;
        let user_agent = HeaderValue::try_from(&user_agent).map_err(|_| SetupError::UserAgent(user_agent))?;
        let connector = Connector {
            guard,
            resolver,
            tls: tls::config(extra_ca.as_deref())?.into(),
            patience: connect_timeout,
            lifetime: max_age + timeout,
        };
        Ok(Self(Arc::new(Inner {
            connector,
            pool: Pool::new(max_age),
            peers: Mutex::default(),
            timeout,
            max_body,
            user_agent,
        })))
    }

    /// Whether this URL may be called now, asking the name server but connecting to nothing: the check to make when an
    /// endpoint is saved. Every call makes it again.
    ///
    /// # Errors
    /// [`Fault::Forbidden`] when it may not, [`Fault::Dns`] when its name has no address.
    pub async fn vet(&self, url: &Url) -> Result<(), Fault> {
        let target = self.0.connector.guard.target(url)?;
        self.0.connector.addresses(&target).await.map(drop)
    }

    /// The machine that calls to this URL go to, as far as it is known: the address in it, or the one that its name led
    /// to last. Several names may lead to one machine.
    #[must_use]
    pub fn peer(&self, url: &Url) -> Option<IpAddr> {
        match url.host()? {
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
            Host::Domain(name) => self.0.peers().get(name).copied(),
        }
    }

    /// Sends `body` and brings the status and the first [`Settings::max_body`] bytes of the answer. Once a status has
    /// come the answer stands, even if its body drips, breaks off or never ends.
    ///
    /// # Errors
    /// [`Fault`]; ask [`Fault::offered`] whether the request may have been received.
    pub async fn post(&self, url: &Url, headers: &[(&str, &str)], body: &[u8]) -> Result<Response, Fault> {
        let want = Want::Start(self.0.max_body);
        self.call(Method::POST, url, headers, Bytes::copy_from_slice(body), want).await
    }

    /// Brings the whole answer, up to `max` bytes of body.
    ///
    /// # Errors
    /// [`Fault`]; [`Fault::TooLarge`] when the body has more than `max` bytes, [`Fault::Protocol`] when it broke off.
    pub async fn get(&self, url: &Url, headers: &[(&str, &str)], max: usize) -> Result<Response, Fault> {
        self.call(Method::GET, url, headers, Bytes::new(), Want::Whole(max)).await
    }

    async fn call(
        &self,
        method: Method,
        url: &Url,
        headers: &[(&str, &str)],
        body: Bytes,
        want: Want,
    ) -> Result<Response, Fault> {
        let target = self.0.connector.guard.target(url)?;
        let request = self.0.request(method, url, headers, body)?;
        let deadline = Instant::now() + self.0.timeout;
        let offered = AtomicBool::new(false);
        // Dropping the exchange, at the deadline or because nobody wants the answer any more, closes its connection.
        let (key, connection, answer) = timeout_at(deadline, self.0.exchange(&target, &request, &offered))
            .await
            .map_err(|_| Fault::Timeout { offered: offered.load(Ordering::Relaxed) })??;
        self.0.read(key, connection, answer, want, deadline).await
    }
}

impl Inner {
    fn remember(&self, host: &str, peer: IpAddr) {
        let mut peers = self.peers();
        if peers.get(host) != Some(&peer) {
            if peers.len() >= MOST_PEERS {
                peers.clear();
            }
            peers.insert(host.to_owned(), peer);
        }
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<String, IpAddr>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(
        &self,
        method: Method,
        url: &Url,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Fault> {
        let unfit = |what: &str| Fault::protocol(false, &format!("{what} is not one that HTTP allows"));
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() =
            url[Position::BeforePath..Position::AfterQuery].parse().map_err(|_| unfit("the path of the address"))?;
        let map = request.headers_mut();
        map.insert(USER_AGENT, self.user_agent.clone());
        map.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| unfit("a header's value"))?;
            map.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit("a header's name"))?, value);
        }
        let host = &url[Position::BeforeHost..Position::AfterPort];
        map.insert(HOST, HeaderValue::from_str(host).map_err(|_| unfit("the host of the address"))?);
        Ok(request)
    }

    async fn exchange(
        &self,
        target: &Target,
        request: &Request<Full<Bytes>>,
        offered: &AtomicBool,
    ) -> Result<(Key, Connection, hyper::Response<Incoming>), Fault> {
        let key: Key = (target.tls, target.host.to_string(), target.port);
        loop {
            let (mut connection, used) = if let Some(connection) = self.pool.take(&key) {
                // Lets the connection's own task notice first that the peer has closed it meanwhile.
                tokio::task::yield_now().await;
                (connection, true)
            } else {
                let connection = self.connector.open(target).await?;
                self.remember(&key.1, connection.peer);
                (connection, false)
            };
            if let Err(error) = connection.sender.ready().await {
                if used {
                    continue;
                }
                return Err(Fault::connect(&error));
            }
            offered.store(true, Ordering::Relaxed);
            match connection.sender.try_send_request(request.clone()).await {
                Ok(answer) => return Ok((key, connection, answer)),
                Err(mut failed) => {
                    let unsent = failed.take_message().is_some();
                    offered.store(!unsent, Ordering::Relaxed);
                    // A peer closes idle connections when it likes. What it has not seen goes over a new one; what it
                    // may have seen is repeated only if that changes nothing.
                    let safe = unsent || (request.method() == Method::GET && !failed.error().is_parse());
                    match failed.into_error() {
                        _ if used && safe => {}
                        error if unsent => return Err(Fault::connect(&error)),
                        error => return Err(Fault::of_hyper(&error)),
                    }
                }
            }
        }
    }

    async fn read(
        &self,
        key: Key,
        connection: Connection,
        answer: hyper::Response<Incoming>,
        want: Want,
        deadline: Instant,
    ) -> Result<Response, Fault> {
        let (head, mut body) = answer.into_parts();
        let mut bytes = Vec::new();
        let ended = match want {
            Want::Start(max) => {
                let enough = deadline.min(Instant::now() + BODY_PATIENCE);
                matches!(timeout_at(enough, collect(&mut body, max, &mut bytes)).await, Ok(Ok(true)))
            }
            // What is announced too large is not worth reading.
            Want::Whole(max) if body.size_hint().lower() > max as u64 => return Err(Fault::TooLarge),
            Want::Whole(max) => match timeout_at(deadline, collect(&mut body, max, &mut bytes)).await {
                Ok(Ok(true)) => true,
                Ok(Ok(false)) => return Err(Fault::TooLarge),
                Ok(Err(error)) => return Err(Fault::of_hyper(&error)),
                Err(_) => return Err(Fault::Timeout { offered: true }),
            },
        };
        if ended {
            self.pool.put(key, connection);
        }
        Ok(Response { status: head.status.as_u16(), body_start: bytes, cut: !ended, headers: head.headers })
    }
}

/// Reads up to `max` bytes; whether that was the whole body.
async fn collect(body: &mut Incoming, max: usize, into: &mut Vec<u8>) -> Result<bool, hyper::Error> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            let room = max - into.len();
            into.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
