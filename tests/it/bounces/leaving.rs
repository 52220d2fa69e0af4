//! Leaving by mail ends what one click ends.

use loa::domain::subscriber::Frequency::{Daily, Immediate};
use loa::work::bounces::Taken;

use super::given::fixture;
use crate::support::house::{House, ORGANISATION};

#[tokio::test]
async fn a_mail_to_the_address_in_a_mail_ends_what_one_click_ends_and_twice_is_fine() {
    let house = House::sqlite().await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate), ("doan-the", Daily)]).await;
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    let mail = house.send_returning().await.pop().expect("a mail");
    let header = mail.header("List-Unsubscribe").expect("a header");
    let (link, write) = header.split_once(", ").expect("two ways");
    assert!(link.starts_with("<https://bantin.example.vn/u/"), "{header}");
    let leave = write.strip_prefix("<mailto:").and_then(|w| w.strip_suffix("?subject=unsubscribe>")).expect("a mailto");
    assert!(leave.starts_with("bounces+u"), "{leave}");
    assert!(mail.text().lines().all(|line| line.len() <= 998));
    let live = "SELECT frequency FROM subscription WHERE state = 'confirmed'";

    for name in ["leave-answered-by-a-machine", "list-loop", "leave-only-quoted", "answer-to-the-return-path"] {
        house.bounces().take(None, &fixture(name, &mail.from, leave)).await.expect("taken");
        assert_eq!(house.base.rows(live).await.len(), 2, "{name}");
    }
    let report = fixture("postfix-no-such-user", leave, leave);
    house.bounces().take(None, &report).await.expect("taken");
    assert_eq!(house.base.rows(live).await.len(), 2, "a report is no wish");

    // Whoever wrote it, from whichever address, however its case was changed on the way.
    for name in ["leave-by-a-program", "leave-by-mail", "leave-by-mail"] {
        assert_eq!(house.bounces().take(None, &fixture(name, &mail.from, leave)).await.expect("taken"), Taken::Left);
        assert_eq!(house.base.lines(live).await, ["daily"], "{name}");
    }
    let ended = house.base.lines("SELECT end_reason FROM subscription WHERE state = 'ended'").await;
    assert_eq!(ended, ["unsubscribed"]);
}

#[tokio::test]
async fn without_a_mailbox_for_it_a_mail_offers_one_click_alone_and_comes_from_the_sender() {
    let house = House::sqlite().await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    house.deliver().await;
    let mail = house.relay.messages().pop().expect("a mail");
    assert_eq!(mail.from, "bantin@example.vn");
    assert!(!mail.header("List-Unsubscribe").expect("a header").contains("mailto"));
}
