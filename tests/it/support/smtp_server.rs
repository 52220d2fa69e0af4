//! An SMTP server (RFC 5321) on loopback that keeps what it is given and misbehaves on command. It runs on a thread of
//! its own, so a test may block or have any kind of runtime.
//!
//! ```ignore
//! let server = SmtpServer::start().await;                              // PIPELINING, 8BITMIME, SIZE, enhanced codes
//! server.script(Step::Body, Act::CloseAfterAccepting);                 // once, at the next final dot
//! server.always(Step::Connect, Act::reply("421 4.3.2 closed today"));  // until `behave`
//! server.recipient("gone@example.vn", Act::reply("550 5.1.1 unknown"));
//! // … something sends to server.url() …
//! let messages = server.wait_for(1, Duration::from_secs(5)).await;     // envelope and bytes, dots undoubled
//! ```
//!
//! Acts for a step: those from [`SmtpServer::script`] first, one each time, in order; then the recipient's (at RCPT);
//! then the one from [`SmtpServer::always`]; then good behaviour. A positive scripted reply has the usual effect, a
//! negative one has none. What a client does against the protocol is noted in [`SmtpServer::violations`].

mod session;
mod tls;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, oneshot, watch};

/// Where in the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A connection was made; the usual reply is the greeting.
    Connect,
    /// The TLS handshake: only acts that wait or close make sense.
    Tls,
    /// EHLO and HELO.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The final dot.
    Body,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
}

/// What to do there.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answer with this reply (several lines are joined by `\r\n`, the last line end is added).
    Reply(String),
    /// Answer with this reply, then close.
    ReplyThenClose(String),
    /// Close without a word.
    Close,
    /// At the final dot: keep the message, then close without a word.
    CloseAfterAccepting,
    /// Write this much of a reply and nothing more, ever.
    Half(String),
    /// Write this much of a reply, then close.
    HalfThenClose(String),
    /// Wait, then behave.
    Delay(Duration),
    /// Wait for [`SmtpServer::release`], then behave.
    Hold,
    /// Never answer; the connection stays open.
    Silence,
    /// Behave, a byte at a time with this pause between two.
    Drip(Duration),
}

impl Act {
    /// [`Act::Reply`].
    pub fn reply(text: &str) -> Self {
        Self::Reply(text.to_owned())
    }

    /// [`Act::ReplyThenClose`].
    pub fn reply_then_close(text: &str) -> Self {
        Self::ReplyThenClose(text.to_owned())
    }
}

/// Whether and how the server encrypts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all.
    #[default]
    None,
    /// Offers STARTTLS.
    StartTls,
    /// From the first byte.
    Implicit,
}

/// What becomes of an envelope that stands behind a final dot (RFC 2920 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behind {
    /// It is read as any other.
    #[default]
    Read,
    /// It is answered by 503.
    Refused,
    /// It is thrown away unread.
    Dropped,
}

/// What the server can do.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own that a server can do or not")]
pub struct Options {
    /// Offer PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// Offer 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// Offer SMTPUTF8 (RFC 6531).
    pub international: bool,
    /// Offer SIZE (RFC 1870) with this limit.
    pub size: Option<usize>,
    /// Offer AUTH PLAIN and LOGIN, and insist on this user and password.
    pub login: Option<(&'static str, &'static str)>,
    /// Only AUTH LOGIN.
    pub login_only: bool,
    /// Encryption; the certificate's authority is at [`SmtpServer::ca`].
    pub encryption: Encryption,
    /// The host name in the certificate.
    pub certified: &'static str,
    /// Listen here again after another server was stopped.
    pub port: u16,
    /// What becomes of an envelope that stands behind a final dot, though PIPELINING is offered.
    pub behind_the_dot: Behind,
    /// Read at most so many bytes of a message at a time.
    pub bite: usize,
    /// The receive buffer of each connection, if it is to be a tiny one.
    pub window: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pipelining: true,
            eight_bit: true,
            international: false,
            size: Some(10_000_000),
            login: None,
            login_only: false,
            encryption: Encryption::None,
            certified: "127.0.0.1",
            port: 0,
            behind_the_dot: Behind::Read,
            bite: 16 * 1024,
            window: None,
        }
    }
}

/// A message that the server took responsibility for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Return path, empty for `<>`.
    pub from: String,
    /// Receivers.
    pub to: Vec<String>,
    /// The parameters of MAIL, such as `SIZE=123`.
    pub parameters: Vec<String>,
    /// The message as it was before dots were doubled.
    pub data: Vec<u8>,
    /// Which connection brought it, counted from 1.
    pub connection: usize,
    /// Whether MAIL, RCPT and DATA came as one group.
    pub grouped: bool,
    /// Whether it came through TLS.
    pub encrypted: bool,
    /// Who had signed in.
    pub user: Option<String>,
}

impl Message {
    /// The message as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }

    /// The first header field of this name, unfolded, without its name.
    pub fn header(&self, name: &str) -> Option<String> {
        let text = self.text();
        let head = text.split("\r\n\r\n").next()?.replace("\r\n ", " ").replace("\r\n\t", " ");
        head.split("\r\n").find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

#[derive(Default)]
struct Seen {
    once: HashMap<Step, VecDeque<Act>>,
    always: HashMap<Step, Act>,
    recipients: HashMap<String, Act>,
    messages: Vec<Message>,
    lines: Vec<(usize, String)>,
    violations: Vec<String>,
    accepted: usize,
    open: usize,
    most_open: usize,
    chained: usize,
}

struct Shared {
    options: Options,
    seen: Mutex<Seen>,
    changed: Condvar,
    change: watch::Sender<()>,
    released: watch::Sender<bool>,
    kick: broadcast::Sender<Option<String>>,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen());
        self.changed.notify_all();
        self.change.send_replace(());
    }

    fn act(&self, step: Step, recipient: Option<&str>) -> Option<Act> {
        let mut seen = self.seen();
        if let Some(act) = seen.once.get_mut(&step).and_then(VecDeque::pop_front) {
            return Some(act);
        }
        recipient
            .and_then(|address| seen.recipients.get(&address.to_ascii_lowercase()))
            .or_else(|| seen.always.get(&step))
            .cloned()
    }
}

/// The server. It ends when this is dropped.
pub struct SmtpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    identity: Option<tls::Identity>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl SmtpServer {
    /// A well-behaved server with PIPELINING, 8BITMIME and SIZE, no TLS, no login.
    #[expect(clippy::unused_async, reason = "a test starts its servers alike")]
    pub async fn start() -> Self {
        Self::with(Options::default())
    }

    /// A server as told. Needs no runtime.
    pub fn with(options: Options) -> Self {
        let listener = listen(&options);
        let address = listener.local_addr().expect("a listener has an address");
        let identity = (options.encryption != Encryption::None).then(|| tls::Identity::new(options.certified));
        let acceptor = identity.as_ref().map(|identity| identity.acceptor.clone());
        let shared = Arc::new(Shared {
            options,
            seen: Mutex::default(),
            changed: Condvar::new(),
            change: watch::Sender::new(()),
            released: watch::Sender::new(false),
            kick: broadcast::Sender::new(16),
        });
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("smtp-server".into()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
                runtime.block_on(async {
                    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener is usable");
                    tokio::select! {
                        () = session::accept(listener, shared, acceptor) => {}
                        _ = stopped => {}
                    }
                });
            }
        });
        let thread = Some(thread.expect("a thread starts"));
        Self { address, shared, identity, stop: Some(stop), thread }
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for loa's `email.url`, with login, TLS and authority as the server wants them.
    pub fn url(&self) -> String {
        let options = &self.shared.options;
        let scheme = if options.encryption == Encryption::Implicit { "smtps" } else { "smtp" };
        let login = options.login.map(|(user, password)| format!("{user}:{password}@")).unwrap_or_default();
        let query = match self.ca() {
            Some(ca) => format!("?ca={}", ca.display()),
            None => "?tls=none".to_owned(),
        };
        format!("{scheme}://{login}{}{query}", self.address)
    }

    /// The PEM file of the authority behind the server's certificate, if it encrypts.
    pub fn ca(&self) -> Option<&Path> {
        self.identity.as_ref().map(|identity| identity.ca.path())
    }

    /// Misbehaves once at the next `step`; several are taken in order.
    pub fn script(&self, step: Step, act: Act) {
        self.shared.seen().once.entry(step).or_default().push_back(act);
    }

    /// Misbehaves at every `step` until [`SmtpServer::behave`].
    pub fn always(&self, step: Step, act: Act) {
        self.shared.seen().always.insert(step, act);
    }

    /// Misbehaves whenever this receiver is named.
    pub fn recipient(&self, address: &str, act: Act) {
        self.shared.seen().recipients.insert(address.to_ascii_lowercase(), act);
    }

    /// Forgets all scripts and rules.
    pub fn behave(&self) {
        let mut seen = self.shared.seen();
        seen.once.clear();
        seen.always.clear();
        seen.recipients.clear();
    }

    /// Lets everything go on that waits in [`Act::Hold`], now and later.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// Closes every connection that waits for a command, first saying `farewell` (such as `421 4.4.2 bye`) if given.
    pub fn drop_idle(&self, farewell: Option<&str>) {
        // Without a connection there is nobody to tell.
        let _ = self.shared.kick.send(farewell.map(str::to_owned));
    }

    /// The messages so far, in the order in which they were accepted.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.seen().messages.clone()
    }

    /// How many messages there are so far.
    pub fn taken(&self) -> usize {
        self.shared.seen().messages.len()
    }

    /// The messages behind the first `n`.
    pub fn since(&self, n: usize) -> Vec<Message> {
        self.shared.seen().messages[n..].to_vec()
    }

    /// What clients did against the protocol: commands sent ahead of a reply that must be awaited, bare line ends, …
    pub fn violations(&self) -> Vec<String> {
        self.shared.seen().violations.clone()
    }

    /// Every command line, with the number of its connection (from 1). Secrets of AUTH are in it.
    pub fn lines(&self) -> Vec<(usize, String)> {
        self.shared.seen().lines.clone()
    }

    /// How many command lines began with this verb.
    pub fn count(&self, verb: &str) -> usize {
        self.shared.seen().lines.iter().filter(|(_, line)| line.starts_with(verb)).count()
    }

    /// How many messages had the next envelope behind their final dot.
    pub fn chained(&self) -> usize {
        self.shared.seen().chained
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.seen().accepted
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.shared.seen().open
    }

    /// The most connections that were open at one time.
    pub fn most_open(&self) -> usize {
        self.shared.seen().most_open
    }

    /// Waits until there are `n` messages, and gives all there are.
    ///
    /// # Panics
    /// When they have not come in time.
    pub async fn wait_for(&self, n: usize, within: Duration) -> Vec<Message> {
        self.wait_until(within, &format!("{n} messages"), |server| server.messages().len() >= n).await;
        self.messages()
    }

    /// Waits until something holds of the server.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn wait_until(&self, within: Duration, what: &str, holds: impl Fn(&Self) -> bool) {
        let mut change = self.shared.change.subscribe();
        let waited = tokio::time::timeout(within, async {
            while !holds(self) {
                change.changed().await.expect("the server lives as long as this");
            }
        });
        assert!(waited.await.is_ok(), "no {what} within {within:?}: {}", self.summary());
    }

    /// [`SmtpServer::wait_for`] for a test without a runtime.
    ///
    /// # Panics
    /// When they have not come in time.
    pub fn wait_for_blocking(&self, n: usize, within: Duration) -> Vec<Message> {
        let until = Instant::now() + within;
        let mut seen = self.shared.seen();
        while seen.messages.len() < n {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {n} messages came within {within:?}", seen.messages.len());
            seen = self.shared.changed.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        seen.messages.clone()
    }

    fn summary(&self) -> String {
        let seen = self.shared.seen();
        let last: Vec<_> = seen.lines.iter().rev().take(8).rev().collect();
        format!("{} connections, {} open, {} messages, last {last:?}", seen.accepted, seen.open, seen.messages.len())
    }
}

/// A listener whose connections have the window that is wanted.
fn listen(options: &Options) -> std::net::TcpListener {
    let Some(window) = options.window else {
        let listener = std::net::TcpListener::bind(("127.0.0.1", options.port)).expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        return listener;
    };
    // tokio's socket can be told before it listens; it needs a runtime to be made a listener.
    std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(async {
                let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
                socket.set_recv_buffer_size(window).expect("a buffer");
                let address = SocketAddr::from(([127, 0, 0, 1], options.port));
                socket.bind(address).expect("loopback has a free port");
                socket.listen(64).expect("it listens").into_std().expect("a plain listener")
            })
        });
        made.join().expect("a listener")
    })
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        // The thread may have ended by a panic; then it was already told.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}
