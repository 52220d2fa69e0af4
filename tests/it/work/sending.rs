//! Laws of the mailer: who gets mail outside production, what becomes of mails in doubt, and what a relay's rest costs.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use loa::domain::subscriber::Frequency::Immediate;
use loa::notify::folder::Folder;
use loa::notify::smtp::Pool;
use loa::notify::smtp::relays::Relays;
use loa::work::deliver_mail::{Staging, Transport};

use crate::support::house::letters::receivers;
use crate::support::house::{House, LONG, ORGANISATION, hours};
use crate::support::smtp_server::{Act, SmtpServer, Step};

const STATES: &str = "SELECT state, attempts, cause FROM delivery ORDER BY id";

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
async fn outside_production_only_listed_people_get_mail_and_nothing_of_the_others_is_lost() {
    let house = with_news(&["an@so.example.vn", "binh@khac.example.vn", "thu@thu.example.vn"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let only: Vec<_> = ["AN@so.example.vn", "thu.example.vn"].iter().map(|l| l.parse().expect(l)).collect();
    let staging = Staging { only: Arc::from(only), folder: Folder::new(folder.path()) };
    let mailer = house.mailer_to(Transport::Staging(Pool::new(house.smtp()).into(), staging));
    house.quiet("email").await;
    mailer.stop().await;
    assert_eq!(receivers(&house.letters()), ["an@so.example.vn", "thu@thu.example.vn"]);
    let kept: Vec<_> = fs::read_dir(folder.path()).expect("a folder").flatten().collect();
    assert_eq!(kept.len(), 1);
    let text = fs::read_to_string(kept[0].path()).expect("a mail");
    assert!(text.contains("To: <binh@khac.example.vn>"), "{text}");
    assert_eq!(house.base.lines(STATES).await, ["sent 1 -"; 3]);
    let details = house.base.lines("SELECT detail FROM delivery ORDER BY id").await;
    assert!(details[1].starts_with("not sent, this is not production: written to"), "{details:?}");
    assert_eq!(house.relay.count("RCPT TO:<binh"), 0);
}

#[tokio::test]
async fn a_mail_that_is_twice_in_doubt_is_given_up_and_told_as_such() {
    let house = with_news(&["an@so.example.vn"]).await;
    house.relay.always(Step::Body, Act::CloseAfterAccepting);
    house.deliver().await;
    assert_eq!(house.base.lines(STATES).await, ["pending 1 in_doubt"]);
    house.pass(hours(1));
    house.deliver().await;
    assert_eq!(house.base.lines(STATES).await, ["dead 2 in_doubt"]);
    house.pass(hours(30));
    assert!(house.deliver().await.is_empty());
    assert_eq!(house.relay.messages().len(), 2, "once more, and no third time");
    assert_eq!(house.base.lines("SELECT cause FROM attempt ORDER BY id").await, ["in_doubt", "in_doubt"]);
}

#[tokio::test]
async fn what_waited_for_a_relay_at_rest_still_hears_of_a_withdrawal() {
    let followers: Vec<String> = (0..20).map(|n| format!("p{n}@so.example.vn")).collect();
    let house = with_news(&followers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let gone = SmtpServer::start().await;
    let settings = loa::notify::smtp::settings::Settings::parse(&gone.url(), "loa").expect("settings");
    drop(gone);
    let mailer = house.mailer_to(Transport::Smtp(Pool::new(settings).into()));
    house
        .base
        .until("all to be put back", "SELECT count(*) FROM delivery WHERE lease IS NULL AND attempts = 0", 20)
        .await;
    mailer.stop().await;
    house.remove("tin-1");
    house.poll().await;
    house.pass(Duration::from_mins(5));
    assert!(house.deliver().await.is_empty());
    assert_eq!(house.base.number("SELECT count(*) FROM delivery WHERE state = 'cancelled'").await, 20);
}

#[tokio::test]
async fn a_relay_that_is_down_is_stood_in_for_and_costs_no_try() {
    let house = with_news(&["an@so.example.vn", "binh@so.example.vn"]).await;
    let gone = SmtpServer::start().await;
    let down = loa::notify::smtp::settings::Settings::parse(&gone.url(), "loa").expect("settings");
    drop(gone);
    let mailer = house.mailer_to(Transport::Smtp(Relays::new(vec![(down, 10), (house.smtp(), 1)])));
    house.relay.wait_for(2, LONG).await;
    house.quiet("email").await;
    mailer.stop().await;
    assert_eq!(house.base.lines(STATES).await, ["sent 1 -"; 2]);
}
