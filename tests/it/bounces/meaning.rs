//! What refusals come to for people: suppression, waves, forgiveness, complaints.

use std::time::Duration;

use loa::domain::subscriber::EmailAddress;
use loa::domain::subscriber::Frequency::{Daily, Immediate};
use loa::work::bounces::Taken;
use loa::work::explain::explain;

use super::given::fixture;
use crate::support::house::base::Base;
use crate::support::house::letters::receivers;
use crate::support::house::{House, ORGANISATION, hours, laws};
use crate::support::smtp_server::Act;

laws! {
    two_refusals_days_apart_end_the_mails_and_asking_anew_begins_them_again,
    a_report_that_comes_back_counts_once_and_never_for_another_mailbox,
    a_complaint_ends_everything_at_once,
    a_wave_of_a_domain_suppresses_nobody_and_its_mails_go_out_once_more,
    a_mail_that_was_taken_and_did_not_come_back_forgives_what_was_before,
    a_suppression_for_a_full_mailbox_lapses,
}

const UNKNOWN: &str = "550 5.1.1 no such user";

fn gone() -> Act {
    Act::reply(UNKNOWN)
}

/// One article a day for so many days; gives what was sent on each.
async fn days(house: &House, from: u32, count: u32) -> Vec<usize> {
    let mut sent = Vec::new();
    for day in from..from + count {
        house.pass(hours(24));
        house.publish(&format!("tin-{day}"), ORGANISATION);
        house.news().await;
        sent.push(house.send_returning().await.len());
        house.judge().run().await.expect("judged");
    }
    sent
}

async fn story(house: &House, email: &str, article: &str) -> String {
    let email = EmailAddress::parse(email).expect("an address");
    explain(&house.base.store, &house.site, &email, article).await.expect("read").expect("there").join("\n")
}

async fn two_refusals_days_apart_end_the_mails_and_asking_anew_begins_them_again(base: Base) {
    let house = House::on(base).await;
    house.follow("la@so.example.vn", &[("tat-ca", Immediate), ("cong-tac-to-chuc", Daily)]).await;
    house.follow("tot@so.example.vn", &[("tat-ca", Immediate)]).await;
    house.relay.recipient("la@so.example.vn", gone());
    assert_eq!(days(&house, 1, 3).await, [1, 1, 1], "refused, and still tried");
    let suppressed = "SELECT count(*) FROM suppression";
    assert_eq!(house.base.number(suppressed).await, 0, "one event so far");
    days(&house, 4, 1).await;
    assert_eq!(house.base.lines("SELECT reason FROM suppression").await, ["no_such_user"]);
    house.relay.behave();
    assert_eq!(days(&house, 5, 1).await, [1], "only the other one");
    house.digests.run().await.expect("digests");
    let digests = "SELECT count(*) FROM delivery WHERE kind = 'digest' AND created_at >= ";
    let now = house.clock.now().millis();
    assert_eq!(house.base.number(&format!("{digests}{now}")).await, 0, "no digest either");
    let told = story(&house, "la@so.example.vn", "tin-5").await;
    assert!(told.contains("suppressed since") && told.contains("no_such_user") && told.contains("5.1.1"), "{told}");
    assert!(told.contains("Verdict: not sent, because the address is suppressed"), "{told}");
    assert!(!told.contains("la@so.example.vn"), "{told}");

    ask(&house, "la@so.example.vn").await;
    let letters = house.deliver().await;
    let letters: Vec<_> = letters.into_iter().filter(|l| l.text.contains("/confirm/")).collect();
    assert_eq!(receivers(&letters), ["la@so.example.vn"], "an answer to what they asked for");
    house.subscribe.confirm(&letters[0].token("confirm")).await.expect("confirmed");
    assert_eq!(house.base.number(suppressed).await, 0);
    assert_eq!(days(&house, 6, 1).await, [2], "both again");
    house.relay.recipient("la@so.example.vn", gone());
    days(&house, 7, 1).await;
    assert_eq!(house.base.number(suppressed).await, 0, "what was before they asked anew does not count");
}

async fn ask(house: &House, email: &str) {
    use loa::domain::subscriber::Locale;
    use loa::work::subscribe::Ask;
    let slugs = ["doan-the".to_owned()];
    house.subscribe.request(&Ask::new(email, &slugs, Immediate, Locale::Vi, "form")).await.expect("asked");
}

async fn a_report_that_comes_back_counts_once_and_never_for_another_mailbox(base: Base) {
    let house = House::on(base).await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    let other = house.follow("binh@so.example.vn", &[("tat-ca", Immediate)]).await;
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    let sent = house.send_returning().await;
    let an = sent.iter().find(|m| m.to == ["an@so.example.vn"]).expect("sent");
    assert!(an.from.starts_with("bounces+b") && an.from.ends_with("@bantin.example.vn"), "{}", an.from);
    let report = fixture("postfix-no-such-user", &an.from, &an.from);
    for _ in 0..3 {
        assert_eq!(house.bounces().take(None, &report).await.expect("taken"), Taken::Kept);
    }
    let kept = house.base.lines("SELECT kind, cause, domain, detail FROM bounce").await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept[0].starts_with("report no_such_user so.example.vn 550 5.1.1"), "{kept:?}");
    assert!(!kept[0].contains("an@so"), "{kept:?}");

    // The same token when the mailbox is somebody else's by now.
    house.base.store.erase(other, house.clock.now()).await.expect("erased");
    let binh = sent.iter().find(|m| m.to == ["binh@so.example.vn"]).expect("sent");
    let report = fixture("postfix-no-such-user", &binh.from, &binh.from);
    assert_eq!(house.bounces().take(None, &report).await.expect("taken"), Taken::Unproven);
    let mut forged = an.from.clone();
    let at = forged.find('@').expect("an address");
    forged.replace_range(at - 1..at, if forged.as_bytes()[at - 1] == b'a' { "b" } else { "a" });
    let report = fixture("postfix-no-such-user", &forged, &forged);
    assert_eq!(house.bounces().take(None, &report).await.expect("taken"), Taken::Unproven);
    assert_eq!(house.base.number("SELECT count(*) FROM bounce").await, 1);
    assert_eq!(house.measured("loa_returned_mails_total{result=\"unproven\"}"), "2");
}

async fn a_complaint_ends_everything_at_once(base: Base) {
    let house = House::on(base).await;
    let an = house.follow("an@so.example.vn", &[("tat-ca", Immediate), ("doan-the", Daily)]).await;
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    let sent = house.send_returning().await;
    let complaint = fixture("arf-abuse", &sent[0].from, &sent[0].from);
    assert_eq!(house.bounces().take(None, &complaint).await.expect("taken"), Taken::Kept);
    house.judge().run().await.expect("judged");
    let ended = house.base.lines("SELECT state, end_reason FROM subscription ORDER BY id").await;
    assert_eq!(ended, ["ended complained", "ended complained"]);
    assert_eq!(house.base.lines("SELECT reason, lapses_at FROM suppression").await, ["complaint -"]);
    assert_eq!(days(&house, 2, 1).await, [0]);
    house.base.store.erase(an, house.clock.now()).await.expect("erased");
    let rest = house.base.lines("SELECT reason, subscriber_id FROM suppression").await;
    assert_eq!(rest, ["complaint -"], "the hash stays");
    assert_eq!(house.base.number("SELECT count(*) FROM bounce").await, 0, "what was said of a person goes with them");
}

async fn a_wave_of_a_domain_suppresses_nobody_and_its_mails_go_out_once_more(base: Base) {
    let house = House::on(base).await;
    let people: Vec<String> = (0..8).map(|n| format!("p{n}@so.example.vn")).collect();
    for email in &people {
        house.follow(email, &[("tat-ca", Immediate)]).await;
    }
    house.follow("xa@tinh.example.vn", &[("tat-ca", Immediate)]).await;
    // One of them is really gone, and was refused before.
    house.relay.recipient("p0@so.example.vn", gone());
    house.relay.recipient("xa@tinh.example.vn", gone());
    days(&house, 1, 1).await;
    days(&house, 2, 3).await;
    assert_eq!(house.base.number("SELECT count(*) FROM suppression").await, 2, "refused twice, alone in their domains");
    for email in &people {
        house.relay.recipient(email, gone());
    }
    days(&house, 5, 1).await;
    let waves = house.base.lines("SELECT domain, people FROM bounce_wave").await;
    assert_eq!(waves, ["so.example.vn 7"], "seven who were mailed");
    assert_eq!(house.base.number("SELECT count(*) FROM bounce WHERE NOT void AND domain = 'so.example.vn'").await, 4);
    let waiting = "SELECT count(*) FROM delivery WHERE state = 'pending' AND kind = 'published'";
    assert_eq!(house.base.number(waiting).await, 7, "they go out once more");
    house.judge().measure().await.expect("measured");
    assert_eq!(house.measured("loa_bounce_waves"), "1");
    house.relay.behave();
    house.pass(hours(9));
    assert_eq!(house.send_returning().await.len(), 7, "and arrive");

    // The same day after day: for a week it is not believed, then it is.
    for email in &people {
        house.relay.recipient(email, gone());
    }
    days(&house, 6, 5).await;
    let of_domain = "SELECT count(*) FROM suppression WHERE since >= ";
    let wave = house.base.number("SELECT since FROM bounce_wave").await;
    assert_eq!(house.base.number(&format!("{of_domain}{wave}")).await, 0);
    days(&house, 11, 8).await;
    assert_eq!(house.base.number(&format!("{of_domain}{wave}")).await, 7, "no accident any more");
}

async fn a_mail_that_was_taken_and_did_not_come_back_forgives_what_was_before(base: Base) {
    let house = House::on(base).await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    house.relay.recipient("an@so.example.vn", gone());
    days(&house, 1, 1).await;
    house.relay.behave();
    assert_eq!(days(&house, 2, 1).await, [1], "taken");
    house.pass(hours(5 * 24));
    house.relay.recipient("an@so.example.vn", gone());
    days(&house, 3, 1).await;
    assert_eq!(house.base.number("SELECT count(*) FROM bounce WHERE NOT void").await, 2);
    assert_eq!(house.base.number("SELECT count(*) FROM suppression").await, 0, "forgiven");
    days(&house, 4, 4).await;
    assert_eq!(house.base.number("SELECT count(*) FROM suppression").await, 1, "and counted from there");
}

async fn a_suppression_for_a_full_mailbox_lapses(base: Base) {
    let house = House::on(base).await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    let now = house.clock.now();
    for day in 0..45_u64 {
        house.clock.set(now.plus(Duration::from_hours(24 * day)));
        house.publish(&format!("tin-{day}"), ORGANISATION);
        house.news().await;
        let Some(mail) = house.send_returning().await.pop() else { break };
        let report = fixture("postfix-mailbox-full", &mail.from, &mail.from);
        house.bounces().take(Some(&mail.from), &report).await.expect("taken");
        house.judge().run().await.expect("judged");
    }
    assert_eq!(house.base.lines("SELECT reason FROM suppression").await, ["mailbox_full"]);
    assert_eq!(days(&house, 100, 1).await, [0]);
    house.pass(hours(31 * 24));
    assert_eq!(house.base.store.lift_lapsed(house.clock.now()).await.expect("lifted"), 1);
    assert_eq!(days(&house, 101, 1).await, [1]);
}
