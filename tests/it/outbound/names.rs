//! Laws: what a hostile name server and a hostile environment cannot do.

use std::sync::atomic::Ordering;
use std::time::Duration;

use loa::domain::delivery::{Cause, Outcome};
use loa::http::client::Client;
use loa::http::fault::Fault;
use loa::http::guard::Refusal;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket};

use super::{LONG, Names, OK, Receiver, attempt, cause, client, client_with, guard, request, settings, url};

#[tokio::test]
async fn a_name_that_moves_to_loopback_between_calls_is_refused_and_never_looked_up_twice_for_one_call() {
    // The same port on the address that must not be reached.
    let (mut good, trap) = loop {
        let good = Receiver::on("127.0.0.2").await;
        if let Ok(trap) = TcpListener::bind(("127.0.0.1", good.at.port())).await {
            break (good, trap);
        }
    };
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
    // Bound, so that nobody else gets it, and not listening.
    let closed = TcpSocket::new_v4().expect("a socket");
    closed.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let port = closed.local_addr().expect("an address").port();
    let outcome = attempt(&client, &url(&format!("http://127.0.0.1:{port}/"))).await;
    assert_eq!(cause(&outcome), Some(Cause::Unreachable));
    assert!(format!("{outcome:?}").contains("connect: "), "{outcome:?}");
}

#[tokio::test]
async fn proxies_in_the_environment_are_ignored() {
    const TEST: &str = "outbound::names::proxies_in_the_environment_are_ignored";
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
