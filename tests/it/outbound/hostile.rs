//! Laws: what a hostile receiver cannot do.

use std::io::Write as _;
use std::time::{Duration, Instant};

use loa::domain::delivery::{Cause, Outcome};
use loa::http::client::{Client, Response};
use loa::http::fault::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{LONG, OK, Receiver, SHORT, attempt, cause, client, is_closed, request, url};

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
async fn a_get_is_refused_what_is_larger_than_the_caller_takes() {
    const MOST: usize = 64 << 20;
    let mut receiver = Receiver::new().await;
    let (url, client) = (receiver.url(), client(LONG));
    let serve = async {
        let mut socket = receiver.accept().await;
        request(&mut socket).await.expect("a request");
        socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.expect("open");
        pour(&mut socket, b"4\r\nabcd\r\n", MOST, Duration::ZERO).await
    };
    let (answer, poured) = tokio::join!(client.get(&url, &[], 1000), serve);
    assert_eq!(answer.expect_err("too large"), Fault::TooLarge);
    assert!(poured < MOST);
}

#[tokio::test]
async fn a_get_does_not_wait_for_a_body_that_is_announced_too_large() {
    let mut receiver = Receiver::new().await;
    let (url, client) = (receiver.url(), client(LONG));
    let serve = async {
        let mut socket = receiver.accept().await;
        request(&mut socket).await.expect("a request");
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n").await.expect("open");
        assert!(is_closed(&mut socket).await);
    };
    let (answer, ()) = tokio::join!(client.get(&url, &[], 1000), serve);
    assert_eq!(answer.expect_err("too large"), Fault::TooLarge);
}

#[tokio::test]
async fn heads_that_are_too_long_or_have_too_many_lines_are_refused() {
    let long = format!("x: {}\r\n", "a".repeat(40 << 10));
    let many = "x: a\r\n".repeat(70);
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
async fn a_receiver_that_does_not_read_gets_no_more_after_the_deadline() {
    let body = vec![b'x'; 64 << 20];
    let mut receiver = Receiver::new().await;
    let client = client(SHORT);
    let fault = client.post(&receiver.url(), &[], &body).await.expect_err("no answer");
    assert_eq!(fault, Fault::Timeout { offered: true });
    let mut socket = receiver.accept().await;
    let mut all = Vec::new();
    let read = tokio::time::timeout(LONG, socket.read_to_end(&mut all)).await;
    assert!(read.is_ok(), "the connection was closed");
    assert!(all.len() < body.len(), "{} bytes came", all.len());
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
        tokio::time::sleep(Duration::from_millis(1500)).await;
        socket.write_all(OK.as_bytes()).await.expect("still open");
        socket
    };
    let (outcome, mut socket) = tokio::join!(attempt(&client, &url), serve);
    assert_eq!(outcome, Outcome::Sent("HTTP 204".into()));
    drop(client);
    assert!(is_closed(&mut socket).await, "nothing more was sent");
    assert_eq!(receiver.accepted(), 1);
}
