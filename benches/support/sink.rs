//! A fast SMTP sink that counts: connections, messages, receivers, bytes, and reply groups (a client's round trips). Takes
//! pipelined commands in bulk, also behind the final dot. Never refuses anything and keeps no message; for benches and for
//! tests of many mails. Its threads are its own.
//!
//! ```ignore
//! let sink = Sink::start(Options { record: true, ..Options::default() })?;
//! // … something sends to smtp://{sink.address()}?tls=none …
//! assert_eq!(sink.counts().messages, 65_052);
//! assert_eq!(sink.twice().len(), 0);
//! ```

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// What the sink does.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Offer PIPELINING.
    pub pipelining: bool,
    /// Wait this long before each group of replies, as a relay far away would.
    pub delay: Duration,
    /// Remember who was written to, and the Message-ID of each message.
    pub record: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { pipelining: true, delay: Duration::ZERO, record: false }
    }
}

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Messages taken, each at its final dot.
    pub messages: u64,
    /// Receivers named.
    pub recipients: u64,
    /// Bytes of messages, dots and all.
    pub bytes: u64,
    /// Writes of replies: the round trips of the clients.
    pub groups: u64,
}

/// One message as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Taken {
    /// Its (last) receiver.
    pub to: String,
    /// Its Message-ID, empty if it had none in its first 4 KB.
    pub message_id: String,
}

#[derive(Default)]
struct Shared {
    connections: AtomicU64,
    messages: AtomicU64,
    recipients: AtomicU64,
    bytes: AtomicU64,
    groups: AtomicU64,
    taken: Mutex<Vec<Taken>>,
}

/// The sink. It ends when this is dropped.
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Sink {
    /// Starts on a free port of loopback.
    ///
    /// # Errors
    /// When there is none, or no thread.
    pub fn start(options: Options) -> io::Result<Self> {
        let listener = StdListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("smtp-sink".into()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = accept(listener, &shared, options) => {}
                        _ = stopped => {}
                    }
                });
            }
        })?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counts {
            connections: read(&self.shared.connections),
            messages: read(&self.shared.messages),
            recipients: read(&self.shared.recipients),
            bytes: read(&self.shared.bytes),
            groups: read(&self.shared.groups),
        }
    }

    /// The messages recorded so far, with [`Options::record`].
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The messages that came more than once (same receiver, same Message-ID), with [`Options::record`].
    pub fn twice(&self) -> Vec<Taken> {
        let mut times: HashMap<Taken, usize> = HashMap::new();
        for taken in self.taken() {
            *times.entry(taken).or_default() += 1;
        }
        times.into_iter().filter(|(_, n)| *n > 1).map(|(taken, _)| taken).collect()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

async fn accept(listener: StdListener, shared: &Arc<Shared>, options: Options) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        shared.connections.fetch_add(1, Ordering::SeqCst);
        // A client that breaks off is no fault of the sink.
        let session = Session {
            shared: Arc::clone(shared),
            options,
            in_message: false,
            begun: false,
            to: String::new(),
            head: Vec::new(),
        };
        tokio::spawn(async move { drop(session.run(tcp).await) });
    }
}

struct Session {
    shared: Arc<Shared>,
    options: Options,
    in_message: bool,
    /// Whether any of the message was taken yet.
    begun: bool,
    /// The receiver and the first bytes of the message, if recorded.
    to: String,
    head: Vec<u8>,
}

const END: &[u8] = b"\r\n.\r\n";
/// How much of a message is searched for its Message-ID.
const HEAD: usize = 4096;

impl Session {
    async fn run(mut self, mut tcp: TcpStream) -> io::Result<()> {
        let end = memmem::Finder::new(END);
        let mut buffer = vec![0; 256 * 1024];
        let mut filled = 0;
        let mut replies = Vec::with_capacity(1024);
        tcp.write_all(b"220 sink ESMTP\r\n").await?;
        loop {
            let n = tcp.read(&mut buffer[filled..]).await?;
            if n == 0 {
                return Ok(());
            }
            filled += n;
            let mut begin = 0;
            let mut quit = false;
            while !quit {
                let rest = &buffer[begin..filled];
                if self.in_message {
                    let (used, ended) = self.message(rest, &end);
                    begin += used;
                    if !ended {
                        break;
                    }
                    replies.extend_from_slice(b"250 2.0.0 taken\r\n");
                } else {
                    let Some(line_end) = memchr::memchr(b'\n', rest) else { break };
                    quit = self.command(&rest[..line_end], &mut replies);
                    begin += line_end + 1;
                }
            }
            buffer.copy_within(begin..filled, 0);
            filled -= begin;
            if !replies.is_empty() {
                if !self.options.delay.is_zero() {
                    tokio::time::sleep(self.options.delay).await;
                }
                self.shared.groups.fetch_add(1, Ordering::Relaxed);
                tcp.write_all(&replies).await?;
                replies.clear();
            }
            if quit {
                return Ok(());
            }
        }
    }

    /// Takes what there is of a message: how many bytes are done with, and whether it ended. What could be the beginning
    /// of the end stays.
    fn message(&mut self, rest: &[u8], end: &memmem::Finder<'_>) -> (usize, bool) {
        // The line end before the dot may be that of DATA itself.
        let at_once = !self.begun && rest.starts_with(b".\r\n");
        let (text, used, ended) = if at_once {
            (0, 3, true)
        } else if let Some(at) = end.find(rest) {
            (at + 2, at + END.len(), true)
        } else {
            let kept = rest.len().saturating_sub(END.len() - 1);
            (kept, kept, false)
        };
        self.begun |= used > 0;
        if self.options.record && self.head.len() < HEAD {
            self.head.extend_from_slice(&rest[..text.min(HEAD)]);
        }
        self.shared.bytes.fetch_add(text as u64, Ordering::Relaxed);
        if ended {
            self.in_message = false;
            if self.options.record {
                let message_id = message_id(&self.head);
                let to = std::mem::take(&mut self.to);
                self.head.clear();
                let taken = Taken { to, message_id };
                self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
            }
            self.shared.messages.fetch_add(1, Ordering::SeqCst);
        }
        (used, ended)
    }

    /// Answers one command; says whether it was QUIT.
    fn command(&mut self, line: &[u8], replies: &mut Vec<u8>) -> bool {
        let verb = line.get(..4).unwrap_or(line).to_ascii_uppercase();
        match verb.as_slice() {
            b"EHLO" if self.options.pipelining => {
                replies.extend_from_slice(b"250-sink\r\n250-PIPELINING\r\n250-SIZE 0\r\n250 8BITMIME\r\n");
            }
            b"EHLO" => replies.extend_from_slice(b"250-sink\r\n250-SIZE 0\r\n250 8BITMIME\r\n"),
            b"RCPT" => {
                self.shared.recipients.fetch_add(1, Ordering::Relaxed);
                if self.options.record {
                    let path = line.split(|&b| b == b'<').nth(1).and_then(|path| path.split(|&b| b == b'>').next());
                    self.to = String::from_utf8_lossy(path.unwrap_or_default()).into_owned();
                }
                replies.extend_from_slice(b"250 2.1.5 ok\r\n");
            }
            b"DATA" => {
                self.in_message = true;
                self.begun = false;
                replies.extend_from_slice(b"354 go on\r\n");
            }
            b"QUIT" => {
                replies.extend_from_slice(b"221 2.0.0 good-bye\r\n");
                return true;
            }
            b"HELO" | b"MAIL" | b"RSET" | b"NOOP" => replies.extend_from_slice(b"250 2.0.0 ok\r\n"),
            _ => replies.extend_from_slice(b"500 5.5.2 no such command\r\n"),
        }
        false
    }
}

fn message_id(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    let header = text.split("\r\n\r\n").next().unwrap_or_default();
    let field = header.split("\r\n").find(|line| line.get(..11).is_some_and(|n| n.eq_ignore_ascii_case("message-id:")));
    field.map(|line| line[11..].trim().to_owned()).unwrap_or_default()
}
