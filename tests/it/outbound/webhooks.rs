//! Laws: how a message is signed, and what an answer to it means.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use loa::clock::{Clock, Timestamp};
use loa::domain::delivery::{Cause, Outcome};
use loa::http::client::Client;
use loa::notify::webhook::secret::{Secret, sign};
use loa::notify::webhook::{Call, deliver};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::{LONG, OK, Receiver, attempt, client, guard, request, secret, settings, url};

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

proptest! {
    #[test]
    fn a_signature_is_the_one_that_the_reference_library_makes(
        id in "[a-zA-Z0-9_]{1,40}", at in 0_i64..4_000_000_000, body in ".{0,300}", key in prop::collection::vec(any::<u8>(), 24..=64),
    ) {
        let text = format!("whsec_{}", STANDARD.encode(&key));
        let oracle = standardwebhooks::Webhook::new(&text).expect("a secret");
        let theirs = oracle.sign(&id, at, body.as_bytes()).expect("signed");
        let ours = Secret::parse(&text).expect("a secret");
        prop_assert_eq!(sign(&id, at, body.as_bytes(), &[ours]), theirs);
    }
}
