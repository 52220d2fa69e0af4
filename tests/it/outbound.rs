//! Laws of outgoing calls: what a hostile receiver, a hostile name server and a hostile environment cannot do, and what
//! a webhook's answer means. Every receiver here is a raw socket on loopback that the guard was told of exactly.

use std::collections::{HashMap, VecDeque};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loa::clock::{Clock, Timestamp};
use loa::domain::delivery::{Cause, Outcome};
use loa::http::client::{Client, Response, Settings};
use loa::http::fault::{Fault, TlsFault};
use loa::http::guard::{Guard, Refusal};
use loa::http::resolve::{Answer, Resolve};
use loa::notify::webhook::secret::{Secret, sign};
use loa::notify::webhook::{Call, deliver};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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

/// Posts once to a receiver that reads the request and then does `then` with the socket; what the caller got, and the
/// socket as `then` left it.
async fn post_to<F>(client: &Client, then: impl FnOnce(TcpStream) -> F) -> (Result<Response, Fault>, TcpStream)
where
    F: Future<Output = TcpStream>,
{
    let mut receiver = Receiver::new().await;
    let url = receiver.url();
    let answer = async {
        let mut socket = receiver.accept().await;
        request(&mut socket).await.expect("a request");
        then(socket).await
    };
    tokio::join!(client.post(&url, &[], b"{}"), answer)
}

/// Writes until the peer closes or `most` bytes are gone; how many were taken.
async fn pour(socket: &mut TcpStream, piece: &[u8], most: usize, pause: Duration) -> usize {
    let mut poured = 0;
    while poured < most && socket.write_all(piece).await.is_ok() {
        poured += piece.len();
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    poured
}

// ---- The receiver attacks.

#[tokio::test]
async fn a_head_that_drips_frees_its_slot_at_the_deadline() {
    let start = Instant::now();
    let (answer, _) = post_to(&client(SHORT), async |mut socket| {
        socket.write_all(b"HTTP/1.1 200 OK\r\nx-drip: ").await.expect("open");
        assert!(pour(&mut socket, b"a", 2000, Duration::from_millis(10)).await < 2000, "the connection was closed");
        socket
    })
    .await;
    assert_eq!(answer.expect_err("no answer"), Fault::Timeout { offered: true });
    assert!(start.elapsed() < LONG);
}

#[tokio::test]
async fn a_body_that_drips_neither_holds_its_slot_nor_undoes_the_status() {
    let (answer, _) = post_to(&client(SHORT), async |mut socket| {
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await.expect("open");
        assert!(pour(&mut socket, b"a", 2000, Duration::from_millis(10)).await < 2000, "the connection was closed");
        socket
    })
    .await;
    let answer = answer.expect("the status stands");
    assert!(answer.status == 200 && answer.cut && answer.body_start.len() < 1000);
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_cap_and_its_connection_dropped() {
    const MOST: usize = 64 << 20;
    let (answer, _) = post_to(&client(LONG), async |mut socket| {
        socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.expect("open");
        let piece = [b"4000\r\n", vec![b'x'; 0x4000].as_slice(), b"\r\n"].concat();
        let poured = pour(&mut socket, &piece, MOST, Duration::ZERO).await;
        assert!(poured < MOST, "{poured} bytes were taken");
        socket
    })
    .await;
    let answer = answer.expect("the status stands");
    assert!(answer.status == 200 && answer.cut);
    assert_eq!(answer.body_start.len(), 16 * 1024);
}

#[tokio::test]
async fn a_get_is_refused_what_is_larger_than_the_caller_takes_announced_or_not() {
    for head in ["content-length: 2000000000", "transfer-encoding: chunked"] {
        let mut receiver = Receiver::new().await;
        let url = receiver.url();
        let client = client(LONG);
        let serve = async {
            let mut socket = receiver.accept().await;
            request(&mut socket).await.expect("a request");
            socket.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes()).await.expect("open");
            pour(&mut socket, b"4\r\nabcd\r\n", 64 << 20, Duration::ZERO).await
        };
        let (answer, poured) = tokio::join!(client.get(&url, &[], 1000), serve);
        assert_eq!(answer.expect_err("too large"), Fault::TooLarge, "{head}");
        assert!(poured < 64 << 20);
    }
}

#[tokio::test]
async fn heads_that_are_too_long_or_have_too_many_lines_are_refused() {
    let long = format!("x: {}\r\n", "a".repeat(1 << 20));
    let many = "x: a\r\n".repeat(200);
    for head in [long, many] {
        let (answer, _) = post_to(&client(LONG), async |mut socket| {
            // May fail: the client closes as soon as it has seen enough.
            let _ = socket.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes()).await;
            socket
        })
        .await;
        assert_eq!(answer.expect_err("too large"), Fault::TooLarge);
    }
}

#[tokio::test]
async fn nothing_is_decompressed() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![0; 8 << 20]).expect("in memory");
    let bomb = gzip.finish().expect("in memory");
    assert!(bomb.len() < 16 * 1024);
    let mut receiver = Receiver::new().await;
    let url = receiver.url();
    let client = client(LONG);
    let serve = async {
        let mut socket = receiver.accept().await;
        let seen = request(&mut socket).await.expect("a request");
        let head = format!("HTTP/1.1 500 X\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
        socket.write_all(&[head.as_bytes(), &bomb].concat()).await.expect("open");
        seen.header("accept-encoding").map(str::to_owned)
    };
    let (answer, asked) = tokio::join!(client.post(&url, &[], b"{}"), serve);
    assert_eq!(asked.as_deref(), Some("identity"));
    assert_eq!(answer.expect("an answer").body_start, bomb);
}

#[tokio::test]
async fn a_receiver_that_accepts_and_stays_silent_frees_its_slot_at_the_deadline() {
    for (scheme, offered) in [("http", true), ("https", false)] {
        let mut receiver = Receiver::new().await;
        let url = url(&format!("{scheme}://{}/", receiver.at));
        let fault = client(SHORT).post(&url, &[], b"{}").await.expect_err("no answer");
        assert_eq!(fault, Fault::Timeout { offered }, "{scheme}");
        let mut socket = receiver.accept().await;
        let mut all = Vec::new();
        let read = tokio::time::timeout(LONG, socket.read_to_end(&mut all)).await;
        assert!(read.is_ok(), "{scheme}: the connection was closed");
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_closes_its_connection() {
    let mut receiver = Receiver::new().await;
    let (url, client) = (receiver.url(), client(LONG));
    let call = tokio::spawn(async move { client.post(&url, &[], b"{}").await.map(|answer| answer.status) });
    let mut socket = receiver.accept().await;
    request(&mut socket).await.expect("a request");
    call.abort();
    assert!(is_closed(&mut socket).await);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_in_doubt_before_the_status_and_good_after_it() {
    for (sent, doubt) in [
        ("", true),
        ("HTTP/1.1 200 O", true),
        ("HTTP/1.1 200 OK\r\ncontent-le", true),
        ("no HTTP at all\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", false),
    ] {
        let mut receiver = Receiver::new().await;
        let (url, client) = (receiver.url(), client(LONG));
        let serve = async {
            let mut socket = receiver.accept().await;
            request(&mut socket).await.expect("a request");
            socket.write_all(sent.as_bytes()).await.expect("open");
        };
        let (outcome, ()) = tokio::join!(attempt(&client, &url), serve);
        assert_eq!(cause(&outcome), doubt.then_some(Cause::InDoubt), "{sent:?}: {outcome:?}");
        assert_eq!(receiver.accepted(), 1, "{sent:?} is not repeated by the client");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_answer_to_a_get() {
    let mut receiver = Receiver::new().await;
    let (url, client) = (receiver.url(), client(LONG));
    let serve = async {
        let mut socket = receiver.accept().await;
        request(&mut socket).await.expect("a request");
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.expect("open");
    };
    let (answer, ()) = tokio::join!(client.get(&url, &[], 1000), serve);
    assert!(matches!(answer, Err(Fault::Protocol { offered: true, .. })));
}

#[tokio::test]
async fn a_receiver_that_answers_just_before_the_deadline_got_exactly_one_post() {
    let timeout = Duration::from_secs(2);
    let mut receiver = Receiver::new().await;
    let (url, client) = (receiver.url(), client(timeout));
    let serve = async {
        let mut socket = receiver.accept().await;
        request(&mut socket).await.expect("a request");
        tokio::time::sleep(timeout - Duration::from_millis(500)).await;
        socket.write_all(OK.as_bytes()).await.expect("still open");
        socket
    };
    let (outcome, mut socket) = tokio::join!(attempt(&client, &url), serve);
    assert_eq!(outcome, Outcome::Sent("HTTP 204".into()));
    drop(client);
    assert!(is_closed(&mut socket).await, "nothing more was sent");
    assert_eq!(receiver.accepted(), 1);
}

// ---- Connections that are kept.

#[tokio::test]
async fn a_connection_is_used_again_until_it_is_too_old() {
    for (max_age, connections) in [(Duration::from_mins(1), 1), (Duration::ZERO, 3)] {
        let mut receiver = Receiver::new().await;
        let url = receiver.url();
        let settings = Settings { max_age, ..settings(LONG) };
        let client = Client::new(guard(&["127.0.0.1/32"]), settings).expect("a client");
        let calls = async {
            for _ in 0..3 {
                assert_eq!(attempt(&client, &url).await, Outcome::Sent("HTTP 204".into()));
            }
        };
        let serve = async {
            loop {
                let mut socket = receiver.accept().await;
                tokio::spawn(async move {
                    while request(&mut socket).await.is_some() {
                        socket.write_all(OK.as_bytes()).await.expect("open");
                    }
                });
            }
        };
        tokio::select! { () = calls => {}, () = serve => {} }
        assert_eq!(receiver.accepted(), connections, "with {max_age:?}");
    }
}

#[tokio::test]
async fn a_message_goes_over_a_new_connection_when_the_kept_one_was_closed_unseen() {
    let mut receiver = Receiver::new().await;
    let (url, client) = (receiver.url(), client(LONG));
    for _ in 0..3 {
        let serve = async {
            let mut socket = receiver.accept().await;
            request(&mut socket).await.expect("a request");
            // Says nothing of closing, and closes.
            socket.write_all(OK.as_bytes()).await.expect("open");
        };
        let (outcome, ()) = tokio::join!(attempt(&client, &url), serve);
        assert_eq!(outcome, Outcome::Sent("HTTP 204".into()));
    }
    assert_eq!(receiver.accepted(), 3);
}

#[tokio::test]
async fn a_message_that_a_kept_connection_may_have_brought_is_not_posted_again() {
    let mut receiver = Receiver::new().await;
    let (url, client) = (receiver.url(), client(LONG));
    let serve = async {
        let mut socket = receiver.accept().await;
        request(&mut socket).await.expect("a request");
        socket.write_all(OK.as_bytes()).await.expect("open");
        request(&mut socket).await.expect("the second over the same connection");
    };
    let calls = async { (attempt(&client, &url).await, attempt(&client, &url).await) };
    let ((first, second), ()) = tokio::join!(calls, serve);
    assert_eq!((cause(&first), cause(&second)), (None, Some(Cause::InDoubt)));
    assert_eq!(receiver.accepted(), 1);
}

// ---- Names and addresses.

#[tokio::test]
async fn a_name_that_moves_to_loopback_between_calls_is_refused_and_never_looked_up_twice_for_one_call() {
    let mut good = Receiver::on("127.0.0.2").await;
    // The same port on the address that must not be reached.
    let trap = TcpListener::bind(("127.0.0.1", good.at.port())).await.expect("the same port");
    let names = Names::of("cong.example.vn", &[&["127.0.0.2"], &["127.0.0.1"]]);
    let client = client_with(&["127.0.0.2/32"], &names);
    let url = url(&format!("http://cong.example.vn:{}/", good.at.port()));
    let serve = async {
        let mut socket = good.accept().await;
        request(&mut socket).await.expect("a request");
        socket.write_all(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n").await.expect("open");
    };
    let (first, ()) = tokio::join!(attempt(&client, &url), serve);
    assert_eq!(first, Outcome::Sent("HTTP 204".into()));
    assert_eq!(names.lookups.load(Ordering::SeqCst), 1, "vetted and connected to by one answer");
    let second = attempt(&client, &url).await;
    let detail = "forbidden: This address is not allowed.".to_owned();
    assert_eq!(second, Outcome::Dead { cause: Cause::Forbidden, detail });
    assert!(tokio::time::timeout(Duration::ZERO, trap.accept()).await.is_err(), "nobody called 127.0.0.1");
}

#[tokio::test]
async fn one_bad_address_in_an_answer_rejects_the_name_in_any_order() {
    let receiver = Receiver::on("127.0.0.2").await;
    for answer in [["127.0.0.2", "127.0.0.1"], ["::ffff:127.0.0.1", "127.0.0.2"], ["127.0.0.2", "64:ff9b::a00:1"]] {
        let names = Names::of("cong.example.vn", &[&answer]);
        let client = client_with(&["127.0.0.2/32"], &names);
        let fault = client.post(&url(&format!("http://cong.example.vn:{}/", receiver.at.port())), &[], b"").await;
        assert!(matches!(fault, Err(Fault::Forbidden(Refusal::Address(_)))), "{answer:?}");
    }
    assert_eq!(receiver.accepted(), 0);
}

#[tokio::test]
async fn a_strange_port_and_a_local_name_are_open_only_where_every_address_is_in_the_allow_list() {
    let names = Names::of("kho.internal", &[&["127.0.0.2"]]);
    let client = client_with(&["127.0.0.2/32"], &names);
    assert_eq!(client.vet(&url("https://kho.internal/")).await, Ok(()));
    let names = Names::of("kho.internal", &[&["8.8.8.8"]]);
    let client = client_with(&["127.0.0.2/32"], &names);
    let refused = client.vet(&url("https://kho.internal/")).await;
    assert!(matches!(refused, Err(Fault::Forbidden(Refusal::Name(_)))));
    let names = Names::of("example.vn", &[&["8.8.8.8"]]);
    let client = client_with(&["127.0.0.2/32"], &names);
    assert_eq!(client.vet(&url("https://example.vn/")).await, Ok(()));
    let refused = client.vet(&url("https://example.vn:9000/")).await;
    assert_eq!(refused, Err(Fault::Forbidden(Refusal::Port(9000))));
}

#[tokio::test]
async fn the_machines_own_resolver_is_vetted_like_any_other() {
    let receiver = Receiver::new().await;
    let url = url(&format!("http://localhost:{}/", receiver.at.port()));
    let closed = Client::new(guard(&[]), settings(LONG)).expect("a client");
    assert!(matches!(closed.vet(&url).await, Err(Fault::Forbidden(Refusal::Name(_) | Refusal::Address(_)))));
    let open = Client::new(guard(&["127.0.0.0/8", "::1/128"]), settings(LONG)).expect("a client");
    assert_eq!(open.vet(&url).await, Ok(()));
}

#[tokio::test]
async fn a_name_without_an_address_and_a_closed_port_are_told_apart() {
    let names = Names::of("example.vn", &[&[]]);
    let client = client_with(&["127.0.0.1/32"], &names);
    for name in ["example.vn", "khong-co.example.vn"] {
        let outcome = attempt(&client, &url(&format!("http://{name}/"))).await;
        assert_eq!(cause(&outcome), Some(Cause::Unreachable));
        assert!(format!("{outcome:?}").contains("dns: "), "{outcome:?}");
    }
    let gone = Receiver::new().await.at;
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    assert_ne!(port, gone.port());
    let outcome = attempt(&client, &url(&format!("http://127.0.0.1:{port}/"))).await;
    assert_eq!(cause(&outcome), Some(Cause::Unreachable));
    assert!(format!("{outcome:?}").contains("connect: "), "{outcome:?}");
}

/// An IPv4 address in one of the networks that are not public.
fn blocked_v4() -> impl Strategy<Value = Ipv4Addr> {
    let networks = [
        ("0.0.0.0", 8),
        ("10.0.0.0", 8),
        ("100.64.0.0", 10),
        ("127.0.0.0", 8),
        ("169.254.0.0", 16),
        ("172.16.0.0", 12),
        ("192.0.0.0", 24),
        ("192.0.2.0", 24),
        ("192.88.99.0", 24),
        ("192.168.0.0", 16),
        ("198.18.0.0", 15),
        ("198.51.100.0", 24),
        ("203.0.113.0", 24),
        ("224.0.0.0", 4),
        ("240.0.0.0", 4),
    ];
    (proptest::sample::select(networks.to_vec()), any::<u32>()).prop_map(|((start, bits), rest)| {
        let start: Ipv4Addr = start.parse().expect("an address");
        Ipv4Addr::from_bits(start.to_bits() | (rest & (u32::MAX >> bits)))
    })
}

/// Every IPv6 address that holds an IPv4 one by some RFC, whoever would translate it.
fn embeddings(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = v4.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    vec![
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low), // mapped, RFC 4291 §2.5.5.2
        Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),      // compatible, RFC 4291 §2.5.5.1
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low), // SIIT, RFC 2765
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low), // NAT64, RFC 6052
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low), // local NAT64, RFC 8215
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1), // 6to4, RFC 3056
        Ipv6Addr::new(0x2001, 0, high, low, 0, 0, 1, 1), // Teredo server, RFC 4380
        Ipv6Addr::new(0x2001, 0, 1, 1, 0, 0, !high, !low), // Teredo client, RFC 4380
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x5efe, high, low), // ISATAP, RFC 5214
        Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, high, low), // site-local, RFC 3879
    ]
}

/// Every way in which a URL can spell an IPv4 address.
fn spellings(v4: Ipv4Addr) -> Vec<String> {
    let whole = v4.to_bits();
    let [a, b, c, d] = v4.octets();
    let percent: String = v4.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
    let wide: String = v4
        .to_string()
        .chars()
        .map(|digit| match digit {
            '.' => '。',
            digit => char::from_u32(u32::from(digit) - u32::from('0') + u32::from('０')).expect("a full-width digit"),
        })
        .collect();
    vec![
        v4.to_string(),
        format!("{v4}."),
        format!("{whole}"),
        format!("{whole:#x}"),
        format!("0{whole:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a}.{}", whole & 0xff_ffff),
        format!("{a}.{b}.{}", whole & 0xffff),
        format!("0X{a:X}.0{b:o}.{c}.{d}"),
        percent,
        wide,
    ]
}

proptest! {
    #[test]
    fn no_spelling_and_no_embedding_of_a_blocked_address_passes(v4 in blocked_v4()) {
        let guard = guard(&[]);
        prop_assert!(!guard.vet_addr(v4.into()));
        let mut hosts = spellings(v4);
        for v6 in embeddings(v4) {
            prop_assert!(!guard.vet_addr(v6.into()), "{v6}");
            let hex = v6.segments().map(|part| format!("{part:x}")).join(":");
            hosts.extend([format!("[{v6}]"), format!("[{hex}]"), format!("[{}]", hex.to_uppercase())]);
        }
        for host in hosts {
            for scheme in ["http", "https"] {
                let url = Url::parse(&format!("{scheme}://{host}:443/")).expect("a URL");
                prop_assert!(guard.vet_url(&url).is_err(), "{host} is {url}");
            }
        }
    }

    #[test]
    fn a_signature_is_the_one_that_the_reference_library_makes(
        id in "[a-zA-Z0-9_]{1,40}", at in 0_i64..4_000_000_000, body in ".{0,300}", key in prop::collection::vec(any::<u8>(), 24..=64),
    ) {
        use base64::Engine;
        let text = format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(&key));
        let oracle = standardwebhooks::Webhook::new(&text).expect("a secret");
        let theirs = oracle.sign(&id, at, body.as_bytes()).expect("signed");
        let ours = Secret::parse(&text).expect("a secret");
        prop_assert_eq!(sign(&id, at, body.as_bytes(), &[ours]), theirs);
    }
}

// ---- The environment.

#[tokio::test]
async fn proxies_in_the_environment_are_ignored() {
    const TEST: &str = "outbound::proxies_in_the_environment_are_ignored";
    const TARGET: &str = "LOA_TEST_PROXY_TARGET";
    if let Ok(target) = std::env::var(TARGET) {
        // The second process, whose environment names a proxy.
        let outcome = attempt(&client(LONG), &url(&target)).await;
        assert_eq!(outcome, Outcome::Sent("HTTP 204".into()));
        return;
    }
    let (mut receiver, trap) = (Receiver::new().await, Receiver::new().await);
    let mut child = tokio::process::Command::new(std::env::current_exe().expect("this binary"));
    child.args([TEST, "--exact"]).env(TARGET, receiver.url().as_str()).kill_on_drop(true);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, format!("http://{}", trap.at));
    }
    let serve = async {
        let mut socket = receiver.accept().await;
        let seen = request(&mut socket).await.expect("a request");
        socket.write_all(OK.as_bytes()).await.expect("open");
        seen.head
    };
    let (ran, head) = tokio::join!(child.output(), serve);
    let ran = ran.expect("the second process ran");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    assert!(head.starts_with("POST /nhan-tin?khoa=1 HTTP/1.1\r\n"), "not as a proxy is asked: {head}");
    assert_eq!(trap.accepted(), 0);
}

// ---- TLS.

/// What a TLS server of a test shows: a certificate for these names, valid in these years.
struct Shown {
    ca_pem: String,
    config: Arc<rustls::ServerConfig>,
}

fn shown(names: &[&str], years: std::ops::Range<i32>) -> Shown {
    let ca_key = rcgen::KeyPair::generate().expect("a key");
    let mut ca = rcgen::CertificateParams::new(Vec::<String>::new()).expect("no names");
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).expect("signed").pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut leaf = rcgen::CertificateParams::new(names).expect("names");
    leaf.not_before = rcgen::date_time_ymd(years.start, 1, 1);
    leaf.not_after = rcgen::date_time_ymd(years.end, 1, 1);
    let leaf = leaf.signed_by(&key, &issuer).expect("signed");
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("a certificate");
    Shown { ca_pem, config: Arc::new(config) }
}

/// Posts over TLS to `example.vn` on loopback, which shows this certificate; the client trusts its authority or not.
async fn post_over_tls(shown: &Shown, trusted: bool) -> Result<u16, Fault> {
    let mut receiver = Receiver::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let pem = folder.path().join("ca.pem");
    std::fs::write(&pem, &shown.ca_pem).expect("written");
    let settings = Settings { extra_ca: trusted.then_some(pem), ..settings(LONG) };
    let names = Names::of("example.vn", &[&["127.0.0.1"]]);
    let client = Client::with_resolver(guard(&["127.0.0.1/32"]), settings, names).expect("a client");
    let target = url(&format!("https://example.vn:{}/", receiver.at.port()));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&shown.config));
    let serve = async {
        if let Ok(mut stream) = acceptor.accept(receiver.accept().await).await {
            let mut bytes = [0; 4096];
            if stream.read(&mut bytes).await.is_ok_and(|n| n > 0) {
                stream.write_all(OK.as_bytes()).await.expect("open");
                let _ = stream.read(&mut bytes).await;
            }
        }
    };
    let call = async {
        let status = client.post(&target, &[], b"{}").await.map(|answer| answer.status);
        drop(client);
        status
    };
    tokio::join!(call, serve).0
}

#[tokio::test]
async fn a_certificate_counts_only_in_its_time_for_its_name_and_from_a_trusted_authority() {
    let class = |result: Result<u16, Fault>| match result {
        Err(Fault::Tls(class, _)) => Err(class),
        other => Ok(other),
    };
    let good = shown(&["example.vn"], 2020..2100);
    assert_eq!(post_over_tls(&good, true).await, Ok(204));
    assert_eq!(class(post_over_tls(&good, false).await), Err(TlsFault::Untrusted));
    let expired = shown(&["example.vn"], 2020..2021);
    assert_eq!(class(post_over_tls(&expired, true).await), Err(TlsFault::Expired));
    let early = shown(&["example.vn"], 2098..2100);
    assert_eq!(class(post_over_tls(&early, true).await), Err(TlsFault::Expired));
    let other = shown(&["khac.example.vn"], 2020..2100);
    assert_eq!(class(post_over_tls(&other, true).await), Err(TlsFault::WrongName));
}

#[tokio::test]
async fn a_server_with_only_old_tls_and_one_with_none_are_told_apart() {
    // A TLS alert, fatal, protocol_version (RFC 8446 §6); and a plain HTTP answer.
    let old: &[u8] = &[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46];
    for (says, class) in [(old, TlsFault::TooOld), (b"HTTP/1.1 400 Bad Request\r\n\r\n", TlsFault::Other)] {
        let mut receiver = Receiver::new().await;
        let target = url(&format!("https://{}/", receiver.at));
        let client = client(LONG);
        let serve = async {
            let mut socket = receiver.accept().await;
            let mut hello = [0; 4096];
            assert!(socket.read(&mut hello).await.expect("open") > 0);
            socket.write_all(says).await.expect("open");
            is_closed(&mut socket).await
        };
        let (answer, _) = tokio::join!(client.post(&target, &[], b"{}"), serve);
        assert!(matches!(answer, Err(Fault::Tls(found, _)) if found == class));
    }
}

#[test]
fn a_file_of_authorities_without_a_certificate_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "not a certificate").expect("written");
    for file in [path, folder.path().join("missing.pem")] {
        let settings = Settings { extra_ca: Some(file.clone()), ..Settings::default() };
        let error = Client::new(guard(&[]), settings).err().expect("no client").to_string();
        assert!(error.contains(&file.display().to_string()), "{error}");
    }
}

// ---- Webhooks.

/// The outcome of one attempt whose receiver answers with exactly this text.
async fn answered(answer: &str) -> Outcome {
    let mut receiver = Receiver::new().await;
    let (url, client) = (receiver.url(), client(LONG));
    let serve = async {
        let mut socket = receiver.accept().await;
        request(&mut socket).await.expect("a request");
        socket.write_all(answer.as_bytes()).await.expect("open");
    };
    tokio::join!(attempt(&client, &url), serve).0
}

#[tokio::test]
async fn a_receiver_can_verify_every_message_with_the_reference_library() {
    let mut receiver = Receiver::new().await;
    let (url, client) = (receiver.url(), client(LONG));
    let old = Secret::generate(&Clock::system());
    let secrets = [secret(), old.clone()];
    let body = "{\"type\":\"endpoint.test\",\"data\":\"Đại hội\"}".as_bytes();
    let call = Call { url: &url, id: "art_5_2_p", attempt_time: Clock::system().now(), body, secrets: &secrets };
    let serve = async {
        let mut socket = receiver.accept().await;
        let seen = request(&mut socket).await.expect("a request");
        socket.write_all(OK.as_bytes()).await.expect("open");
        seen
    };
    let (outcome, seen) = tokio::join!(deliver(&client, call), serve);
    assert_eq!(outcome, Outcome::Sent("HTTP 204".into()));
    assert_eq!(seen.body, body);
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("webhook-id"), Some("art_5_2_p"));
    assert_eq!(seen.header("host"), Some(receiver.at.to_string().as_str()));
    assert!(seen.header("user-agent").is_some_and(|agent| agent.starts_with("loa/")));
    let mut headers = hyper::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, seen.header(name).expect(name).parse().expect("a value"));
    }
    for key in [secret(), old] {
        let oracle = standardwebhooks::Webhook::new(&key.reveal()).expect("a secret");
        oracle.verify(&seen.body, &headers).expect("verified, with the new secret and with the old");
        assert!(oracle.verify(b"{}", &headers).is_err());
    }
}

#[tokio::test]
async fn each_answer_means_what_the_standard_says() {
    let retry = |cause, detail: &str, after: Option<u64>| Outcome::Retry {
        cause,
        detail: detail.into(),
        after: after.map(Duration::from_secs),
    };
    let dead = |cause, detail: &str| Outcome::Dead { cause, detail: detail.into() };
    let later = "Mon, 23 Nov 2026 00:10:00 GMT";
    for (head, outcome) in [
        ("200 OK", Outcome::Sent("HTTP 200".into())),
        ("202 X", Outcome::Sent("HTTP 202".into())),
        ("299 X", Outcome::Sent("HTTP 299".into())),
        ("410 Gone", dead(Cause::Gone, "HTTP 410")),
        ("400 X", retry(Cause::Refused, "HTTP 400", None)),
        ("401 X", retry(Cause::Refused, "HTTP 401", None)),
        ("404 X", retry(Cause::Refused, "HTTP 404", None)),
        ("408 X", retry(Cause::Busy, "HTTP 408", None)),
        ("429 X\r\nretry-after: 120", retry(Cause::Busy, "HTTP 429", Some(120))),
        (&format!("503 X\r\nRetry-After: {later}"), retry(Cause::Busy, "HTTP 503", Some(600))),
        ("503 X\r\nretry-after: 9999999", retry(Cause::Busy, "HTTP 503", Some(86_400))),
        ("429 X", retry(Cause::Busy, "HTTP 429", None)),
        ("500 X", retry(Cause::Busy, "HTTP 500", None)),
        ("504 X", retry(Cause::Busy, "HTTP 504", None)),
        (
            "500 X\r\nwebhook-delivery: abort-message",
            dead(Cause::Refused, "HTTP 500, and the endpoint does not want this message"),
        ),
        ("200 X\r\nwebhook-delivery: abort-message", Outcome::Sent("HTTP 200".into())),
        (
            "200 X\r\nwebhook-delivery: disable",
            dead(Cause::Gone, "HTTP 200, and the endpoint asked for no more messages"),
        ),
    ] {
        assert_eq!(answered(&format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n")).await, outcome, "{head}");
    }
}

#[tokio::test]
async fn a_redirect_is_shown_to_the_owner_and_never_followed() {
    let trap = Receiver::new().await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("http://{}/", trap.at);
        let answer = format!("HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let detail = format!("HTTP {status}: it redirects to 127.0.0.1, which is not followed; save the final address");
        assert_eq!(answered(&answer).await, Outcome::Retry { cause: Cause::Refused, detail, after: None });
    }
    assert_eq!(trap.accepted(), 0);
}

#[tokio::test]
async fn what_a_receiver_says_is_kept_as_one_short_line_of_plain_text() {
    let body = format!("<p>Lỗi\r\n\u{1b}[2J\u{0}nội\tbộ\u{202e}</p>{}", "x".repeat(5000));
    let Outcome::Retry { detail, .. } =
        answered(&format!("HTTP/1.1 500 X\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await
    else {
        panic!("a 500 is tried again");
    };
    assert!(detail.starts_with("HTTP 500: <p>Lỗi [2J nội bộ</p>xxx"), "{detail}");
    assert_eq!(detail.chars().count(), "HTTP 500: ".len() + 200);
    assert!(!detail.contains(char::is_control));
}

#[tokio::test]
async fn a_compressed_answer_is_not_shown() {
    let answer = "HTTP/1.1 500 X\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd";
    assert_eq!(answered(answer).await, Outcome::Retry { cause: Cause::Busy, detail: "HTTP 500".into(), after: None });
}

#[tokio::test]
async fn a_forbidden_target_is_not_connected_to_and_its_owner_learns_nothing() {
    let receiver = Receiver::new().await;
    let port = receiver.at.port();
    let client = Client::new(guard(&["127.0.0.9/32"]), settings(LONG)).expect("a client");
    for target in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://ten:mat-khau@127.0.0.9:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/".to_owned(),
    ] {
        let detail = "forbidden: This address is not allowed.".to_owned();
        let outcome = attempt(&client, &url(&target)).await;
        assert_eq!(outcome, Outcome::Dead { cause: Cause::Forbidden, detail }, "{target}");
    }
    assert_eq!(receiver.accepted(), 0);
}

#[tokio::test]
async fn a_message_that_cannot_be_signed_or_written_is_not_sent() {
    let receiver = Receiver::new().await;
    let (url, client) = (receiver.url(), client(LONG));
    let attempt_time = Timestamp::from_millis(0);
    let one = [secret()];
    let call = Call { url: &url, id: "a", attempt_time, body: b"{}", secrets: &one };
    let unsigned = deliver(&client, Call { secrets: &[], ..call }).await;
    let split = deliver(&client, Call { id: "a\r\nx: y", ..call }).await;
    for outcome in [unsigned, split] {
        assert!(matches!(outcome, Outcome::Dead { cause: Cause::Unmakeable, .. }), "{outcome:?}");
    }
    assert_eq!(receiver.accepted(), 0);
}
