//! Laws of the door that no source shows from outside: where a token goes, and what settling does. Loopback only.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A host that gives one answer to everything; what it was asked, and its address.
async fn host(answer: String) -> (Arc<Mutex<Vec<String>>>, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let url = Url::parse(&format!("http://{}/", listener.local_addr().expect("an address"))).expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = socket.read_u8().await else { break };
                head.push(byte);
            }
            log.lock().expect("never poisoned").push(String::from_utf8_lossy(&head).to_ascii_lowercase());
            let _ = socket.write_all(format!("{answer}connection: close\r\n\r\n").as_bytes()).await;
        }
    });
    (asked, url)
}

fn web() -> Web {
    let allow = vec!["127.0.0.1/32".parse().expect("a network")];
    Web::open("portal", Options { allow, robots: false, ..Options::default() }).expect("a door")
}

fn call(fresh: Fresh) -> Call<'static> {
    Call { accept: "text/html", headers: &[("authorization", "Bearer bi-mat")], max: 1000, fresh }
}

#[tokio::test]
async fn a_token_is_not_carried_to_another_origin() {
    let (there, elsewhere) = host("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n".to_owned()).await;
    let (here, url) = host(format!("HTTP/1.1 302 x\r\nlocation: {elsewhere}tin\r\ncontent-length: 0\r\n")).await;
    let Ok(Answer::Page(page)) = web().get(&url, &call(Fresh::Always), Timestamp(1)).await else { panic!("no page") };
    assert_eq!(page.url.as_str(), format!("{elsewhere}tin"));
    assert!(here.lock().expect("never poisoned")[0].contains("bearer bi-mat"));
    let there = there.lock().expect("never poisoned");
    assert!(there.len() == 1 && !there[0].contains("bi-mat") && there[0].contains("accept: text/html"), "{there:?}");
}

#[tokio::test]
async fn a_page_is_unchanged_only_once_it_was_settled_and_only_to_who_asks_so() {
    let (asked, url) = host("HTTP/1.1 200 OK\r\netag: \"a\"\r\ncontent-length: 0\r\n".to_owned()).await;
    let web = web();
    for _ in 0..2 {
        let answer = web.get(&url, &call(Fresh::IfChanged), Timestamp(1)).await;
        assert!(matches!(answer, Ok(Answer::Page(_))), "a reader that failed can try again: {answer:?}");
    }
    let Ok(Answer::Page(page)) = web.get(&url, &call(Fresh::IfChanged), Timestamp(1)).await else { panic!("no page") };
    assert!(!asked.lock().expect("never poisoned").iter().any(|head| head.contains("if-none-match")));
    web.settle(&page);
    assert!(matches!(web.get(&url, &call(Fresh::IfChanged), Timestamp(1)).await, Ok(Answer::Unchanged)));
    assert!(asked.lock().expect("never poisoned")[3].contains("if-none-match: \"a\""));
    assert!(matches!(web.get(&url, &call(Fresh::Always), Timestamp(1)).await, Ok(Answer::Page(_))));
    assert!(!asked.lock().expect("never poisoned")[4].contains("if-none-match"));
}
