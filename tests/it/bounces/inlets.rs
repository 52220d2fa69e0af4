//! How mails come in: a Maildir and an LMTP dialogue, both of which keep a mail until it is settled.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;

use loa::domain::subscriber::Frequency::Immediate;
use loa::notify::inbound::lmtp::{Address, Lmtp};
use loa::notify::inbound::maildir::Maildir;
use tokio::sync::watch;

use super::given::fixture;
use crate::support::house::{House, LONG, ORGANISATION};

/// A house that sent one mail, and that mail's return path.
async fn with_a_mail() -> (House, String) {
    let house = House::sqlite().await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    let from = house.send_returning().await.pop().expect("a mail").from;
    (house, from)
}

const KEPT: &str = "SELECT count(*) FROM bounce";

#[tokio::test]
async fn a_mail_leaves_new_only_when_it_is_written_down() {
    let (house, from) = with_a_mail().await;
    let folder = tempfile::tempdir().expect("a folder");
    let maildir = Maildir::new(folder.path());
    maildir.prepare().expect("prepared");
    let put = |name: &str, fixture_name: &str| {
        std::fs::write(folder.path().join("new").join(name), fixture(fixture_name, &from, &from)).expect("written");
    };
    let count = |sub: &str| std::fs::read_dir(folder.path().join(sub)).expect("read").count();
    put("1.report", "postfix-no-such-user");
    let bounces = house.bounces();
    let other = house.base.another().await;
    house.base.store.close().await;
    assert!(bounces.look_into(&maildir).await.is_err(), "the database is away");
    assert_eq!((count("new"), count("cur")), (1, 0), "so it waits");

    let again = loa::work::bounces::Bounces::new(
        other,
        house.clock.clone(),
        house.returns(),
        house.subscribe.clone(),
        loa::work::wakes::Wakes::default(),
        loa::telemetry::metrics::Metrics::new(house.clock.now()),
    );
    put("2.again", "postfix-no-such-user");
    put("3.odd", "vacation");
    put("4.ignored", "postfix-delayed");
    assert_eq!(again.look_into(&maildir).await.expect("taken"), 4);
    assert_eq!((count("new"), count("cur")), (0, 4));
    assert!(folder.path().join("cur/3.odd:2,FS").exists(), "flagged for a person's eye");
    assert_eq!(house.base.number(KEPT).await, 1, "the same report twice is one refusal");
}

/// Says lines to the server and hears its replies.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("a bound");
        Self { stream: BufReader::new(stream) }
    }

    fn hear(&mut self) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).expect("a reply") == 0 {
                return all;
            }
            let more = line.as_bytes().get(3) == Some(&b'-');
            all.push_str(&line);
            if !more {
                return all;
            }
        }
    }

    fn say(&mut self, line: &str) -> String {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("sent");
        self.hear()
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("sent");
    }
}

async fn served(house: &House) -> (u16, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let address: Address = "127.0.0.1:0".parse().expect("an address");
    let bounces = house.bounces();
    let lmtp = Lmtp::bind(&address, house.returns().template().clone(), bounces.taker()).await.expect("listens");
    let (stop, stopped) = watch::channel(false);
    (lmtp.port().expect("a port"), stop, tokio::spawn(lmtp.run(stopped)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialogue_settles_each_recipient_and_takes_mail_for_the_return_path_alone() {
    let (house, from) = with_a_mail().await;
    let (port, stop, task) = served(&house).await;
    let report = String::from_utf8(fixture("postfix-no-such-user", &from, &from)).expect("UTF-8");
    let to = from.clone();
    tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(port);
        assert!(client.hear().starts_with("220 "));
        assert!(client.say("EHLO mx.example.vn").starts_with("500 "), "LMTP has no EHLO");
        assert!(client.say("MAIL FROM:<>").starts_with("503 "));
        assert!(client.say("LHLO mx.example.vn").contains("PIPELINING"));
        assert!(client.say("MAIL FROM:<>").starts_with("250 "));
        for other in ["<an@so.example.vn>", "<postmaster@bantin.example.vn>", "<>", "no path"] {
            assert!(client.say(&format!("RCPT TO:{other}")).starts_with("550 "), "{other}");
        }
        assert!(client.say("DATA").starts_with("503 "), "nobody to take it");
        // As one group (RFC 2920), with two recipients: a reply for each behind the dot.
        let doubled = report.replace("\r\n.", "\r\n..");
        client.send(format!("RCPT TO:<{to}>\r\nRCPT TO:<bounces@bantin.example.vn>\r\nDATA\r\n").as_bytes());
        assert!(
            client.hear().starts_with("250 ") && client.hear().starts_with("250 ") && client.hear().starts_with("354 ")
        );
        client.send(format!("{doubled}..a line of one dot\r\n").as_bytes());
        // A line longer than any piece, cut where it is worst.
        for length in [2_046, 2_047, 2_048, 4_095] {
            client.send(&vec![b'x'; length]);
            client.send(b"\r\n");
        }
        client.send(b".\r\n");
        assert!(client.hear().starts_with("250 2.0.0") && client.hear().starts_with("250 2.0.0"));
        assert!(client.say("NOOP").starts_with("250 "));
        assert!(client.say(&"x".repeat(5_000)).starts_with("500 "), "a line without an end in sight");
    })
    .await
    .expect("the dialogue");
    assert_eq!(house.base.number(KEPT).await, 1);

    // Cut off before the dot: nothing was promised, nothing is kept.
    let again = from.clone();
    tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(port);
        client.hear();
        client.say("LHLO mx.example.vn");
        client.say("MAIL FROM:<>");
        client.say(&format!("RCPT TO:<{from}>"));
        assert!(client.say("DATA").starts_with("354 "));
        client.send(b"Subject: half\r\n");
    })
    .await
    .expect("the dialogue");
    house.base.store.close().await;
    tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(port);
        client.hear();
        client.say("LHLO mx.example.vn");
        client.say("MAIL FROM:<>");
        client.say(&format!("RCPT TO:<{again}>"));
        client.say("DATA");
        client.send(&fixture("postfix-mailbox-full", &again, &again));
        client.send(b".\r\n");
        assert!(client.hear().starts_with("451 "), "the database is away: it is to be brought again");
    })
    .await
    .expect("the dialogue");
    stop.send_replace(true);
    task.await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_socket_is_taken_over_from_a_dead_process_and_from_no_living_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lmtp.sock");
    let address: Address = format!("unix:{}", path.display()).parse().expect("an address");
    let template = loa::domain::verp::Template::parse("bounces+{token}@bantin.example.vn").expect("a template");
    let take: loa::notify::inbound::lmtp::Take = Arc::new(|_, _| Box::pin(async { true }));
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    let lmtp = Lmtp::bind(&address, template.clone(), Arc::clone(&take)).await.expect("its process is gone");
    assert!(Lmtp::bind(&address, template, take).await.is_err(), "this one lives");
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(lmtp.run(stopped));
    stop.send_replace(true);
    task.await.expect("it stops");
    assert!(!path.exists());
}
