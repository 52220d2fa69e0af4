//! Laws: connections that are kept for the next call.

use std::time::Duration;

use loa::domain::delivery::{Cause, Outcome};
use loa::http::client::{Client, Settings};
use tokio::io::AsyncWriteExt;

use super::{LONG, OK, Receiver, SHORT, attempt, cause, client, guard, is_closed, request, settings};

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
async fn a_message_goes_over_a_new_connection_when_the_kept_one_was_closed_while_nobody_looked() {
    use std::io::{Read, Write};
    // A receiver on a thread of its own: while this thread waits for it, the client cannot notice that it closes.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = super::url(&format!("http://{}/", listener.local_addr().expect("an address")));
    let serve = |listener: std::net::TcpListener| {
        let (close, closing) = std::sync::mpsc::channel::<()>();
        let served = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a connection");
            let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
            while !all.ends_with(b"\r\n\r\n{}") {
                let n = socket.read(&mut bytes).expect("open");
                assert!(n > 0, "closed early");
                all.extend_from_slice(&bytes[..n]);
            }
            socket.write_all(OK.as_bytes()).expect("open");
            // Until the test hangs up.
            let _ = closing.recv();
            listener
        });
        (close, served)
    };
    let client = client(LONG);
    let (close, served) = serve(listener);
    assert_eq!(attempt(&client, &url).await, Outcome::Sent("HTTP 204".into()));
    drop(close);
    let listener = served.join().expect("served");
    let (close, served) = serve(listener);
    assert_eq!(attempt(&client, &url).await, Outcome::Sent("HTTP 204".into()));
    drop(close);
    served.join().expect("served");
}

#[tokio::test]
async fn a_get_that_a_kept_connection_swallowed_is_asked_again() {
    let mut receiver = Receiver::new().await;
    let (url, client) = (receiver.url(), client(LONG));
    let serve = async {
        let mut socket = receiver.accept().await;
        request(&mut socket).await.expect("a request");
        socket.write_all(OK.as_bytes()).await.expect("open");
        request(&mut socket).await.expect("the second over the same connection");
        drop(socket);
        let mut socket = receiver.accept().await;
        request(&mut socket).await.expect("the second again");
        socket.write_all(OK.as_bytes()).await.expect("open");
    };
    let calls = async { (client.get(&url, &[], 10).await, client.get(&url, &[], 10).await) };
    let ((first, second), ()) = tokio::join!(calls, serve);
    assert_eq!((first.expect("an answer").status, second.expect("an answer").status), (204, 204));
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

#[tokio::test]
async fn an_idle_connection_is_closed_without_anybody_calling_again() {
    let mut receiver = Receiver::new().await;
    let url = receiver.url();
    let settings = Settings { max_age: SHORT, ..settings(SHORT) };
    let client = Client::new(guard(&["127.0.0.1/32"]), settings).expect("a client");
    let serve = async {
        let mut socket = receiver.accept().await;
        request(&mut socket).await.expect("a request");
        socket.write_all(OK.as_bytes()).await.expect("open");
        socket
    };
    let (outcome, mut socket) = tokio::join!(attempt(&client, &url), serve);
    assert_eq!(outcome, Outcome::Sent("HTTP 204".into()));
    assert!(is_closed(&mut socket).await);
    drop(client);
}
