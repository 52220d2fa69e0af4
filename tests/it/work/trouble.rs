//! Laws of relays that are down, slow or of another opinion.

use std::time::Duration;

use loa::domain::subscriber::EmailAddress;
use loa::domain::subscriber::Frequency::Immediate;
use loa::notify::folder::Folder;
use loa::notify::smtp::{Pool, settings::Settings};
use loa::work::deliver_mail::Transport;
use loa::work::explain::explain;

use crate::support::house::letters::receivers;
use crate::support::house::{House, LONG, ORGANISATION, hours};
use crate::support::smtp_server::{Act, Step};

const STATES: &str = "SELECT state, attempts, cause FROM delivery ORDER BY id";

/// A house with these followers and one article for them, fanned out.
async fn with_news(followers: &[&str]) -> House {
    let house = House::sqlite().await;
    for email in followers {
        house.follow(email, &[("tat-ca", Immediate)]).await;
    }
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    house
}

#[tokio::test]
async fn a_relay_that_is_down_delays_a_mail_and_loses_none() {
    let house = with_news(&["an@so.example.vn", "binh@so.example.vn"]).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let down = Settings::parse(&format!("smtp://{free}?tls=none"), "bantin.example.vn").expect("an address");
    let mailer = house.mailer_to(Transport::Smtp(Pool::new(down).into()));
    house.quiet("email").await;
    mailer.stop().await;
    assert_eq!(house.base.lines(STATES).await, ["pending 0 unreachable", "pending 0 unreachable"]);
    assert!(house.deliver().await.is_empty(), "not at once");
    house.pass(Duration::from_mins(2));
    assert_eq!(receivers(&house.deliver().await), ["an@so.example.vn", "binh@so.example.vn"]);
    house.pass(hours(48));
    assert!(house.deliver().await.is_empty(), "once each");
    assert_eq!(house.base.lines(STATES).await, ["sent 1 -", "sent 1 -"], "a relay that is not there is no try");
}

#[tokio::test]
async fn a_relay_that_says_later_is_asked_later() {
    let house = with_news(&["an@so.example.vn"]).await;
    house.relay.script(Step::Rcpt, Act::reply("451 4.3.0 later"));
    house.relay.script(Step::Body, Act::reply("452 4.3.1 no room"));
    assert!(house.deliver().await.is_empty());
    house.pass(hours(1));
    assert!(house.deliver().await.is_empty());
    house.pass(hours(1));
    assert_eq!(house.deliver().await.len(), 1);
    assert_eq!(house.base.lines(STATES).await, ["sent 3 -"]);
    let tries = house.base.lines("SELECT cause, detail FROM attempt ORDER BY id").await;
    assert_eq!(tries, ["busy 451 4.3.0 later", "busy 452 4.3.1 no room"]);
}

#[tokio::test]
async fn a_relay_that_says_never_is_not_asked_again() {
    let house = with_news(&["la@so.example.vn", "cam@so.example.vn", "tot@so.example.vn"]).await;
    house.relay.recipient("la@so.example.vn", Act::reply("550 5.1.1 <la@so.example.vn> is unknown here"));
    house.relay.recipient("cam@so.example.vn", Act::reply("554 5.7.1 not from you"));
    assert_eq!(receivers(&house.deliver().await), ["tot@so.example.vn"]);
    let mut states = house.base.lines(STATES).await;
    states.sort();
    assert_eq!(states, ["dead 1 address", "dead 1 refused", "sent 1 -"]);
    house.relay.behave();
    house.pass(hours(72));
    assert!(house.deliver().await.is_empty());
    for table in ["delivery", "attempt"] {
        let leaks = house.base.number(&format!("SELECT count(*) FROM {table} WHERE detail LIKE '%so.example%'")).await;
        assert_eq!(leaks, 0, "what a relay says of an address is kept without the address");
    }
    let email = EmailAddress::parse("la@so.example.vn").expect("an address");
    let story = explain(&house.base.store, &house.site, &email, "tin-1").await.expect("read").expect("there");
    let verdict = story.last().expect("a verdict");
    assert!(verdict.contains("given up") && verdict.contains("550 5.1.1"), "{verdict}");
}

#[tokio::test]
async fn a_mail_in_doubt_is_sent_again_under_its_message_id() {
    let house = with_news(&["an@so.example.vn"]).await;
    house.relay.script(Step::Body, Act::CloseAfterAccepting);
    let first = house.deliver().await;
    assert_eq!(house.base.lines(STATES).await, ["pending 1 in_doubt"]);
    house.pass(hours(1));
    let second = house.deliver().await;
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_eq!(first[0], second[0], "so that a mailbox may know it for the same");
    assert_eq!(house.base.lines(STATES).await, ["sent 2 -"]);
}

#[tokio::test]
async fn one_slow_receiver_holds_up_nobody_else() {
    let others: Vec<String> = (0..30).map(|n| format!("p{n}@so.example.vn")).collect();
    let mut followers = vec!["cham@so.example.vn"];
    followers.extend(others.iter().map(String::as_str));
    let house = with_news(&followers).await;
    house.relay.recipient("cham@so.example.vn", Act::Hold);
    let mailer = house.mailer();
    let messages = house.relay.wait_for(30, LONG).await;
    assert!(messages.iter().all(|m| m.to != ["cham@so.example.vn"]));
    house.base.until("the others to be settled", "SELECT count(*) FROM delivery WHERE state = 'sent'", 30).await;
    house.relay.release();
    house.relay.wait_for(31, LONG).await;
    mailer.stop().await;
    assert_eq!(house.base.number("SELECT count(*) FROM delivery WHERE state = 'sent'").await, 31);
}

#[tokio::test]
async fn a_stop_lets_what_is_on_its_way_arrive_and_puts_back_the_rest() {
    let followers: Vec<String> = (0..40).map(|n| format!("p{n}@so.example.vn")).collect();
    let house = with_news(&followers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    house.relay.always(Step::Body, Act::Hold);
    let mailer = house.mailer();
    house.relay.wait_until(LONG, "four mails on their way", |relay| relay.count("DATA") >= 4).await;
    let stopping = tokio::spawn(mailer.stop());
    house.base.until("the rest to be put back", "SELECT count(*) FROM delivery WHERE lease IS NULL", 32).await;
    house.relay.release();
    stopping.await.expect("it stops");
    let sent = house.base.number("SELECT count(*) FROM delivery WHERE state = 'sent' AND attempts = 1").await;
    assert_eq!(sent, i64::try_from(house.letters().len()).expect("few"));
    assert_eq!(
        house.base.number("SELECT count(*) FROM delivery WHERE state = 'pending' AND attempts = 0").await,
        40 - sent
    );
    let rest = house.deliver().await.len();
    assert_eq!(i64::try_from(rest).expect("few"), 40 - sent, "each once in all");
}

#[tokio::test]
async fn mails_to_a_folder_are_files() {
    let house = with_news(&["an@so.example.vn", "binh@so.example.vn"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mailer = house.mailer_to(Transport::Folder(Folder::new(folder.path())));
    house.quiet("email").await;
    mailer.stop().await;
    assert_eq!(std::fs::read_dir(folder.path()).expect("read").count(), 2);
    assert_eq!(house.base.lines(STATES).await, ["sent 1 -", "sent 1 -"]);
}
