//! Laws of lanes: what a person waits for goes before what many are sent.

use std::time::Duration;

use loa::domain::delivery::{Channel, Lane};
use loa::domain::subscriber::Frequency::Immediate;
use loa::domain::subscriber::{EmailAddress, Locale};
use loa::store::opt_in::Request;
use loa::work::subscribe::Ask;

use crate::support::house::base::Base;
use crate::support::house::{House, LONG, ORGANISATION, laws};
use crate::support::smtp_server::{Act, Step};

laws! {
    a_confirmation_overtakes_the_mails_of_an_article_that_are_going_out,
    a_stop_in_the_midst_of_a_mass_leaves_nothing_claimed,
    the_most_urgent_lane_with_something_due_is_told,
}

/// More readers than are claimed ahead in one process.
const MANY: usize = 1_500;

/// A house with that many readers of one article that is fanned out, and a relay that takes some 200 mails a second.
async fn busy(base: Base) -> House {
    let house = House::on(base).await;
    let wishes = house.wishes(&[("cong-tac-to-chuc", Immediate)]).await;
    let addresses: Vec<EmailAddress> =
        (0..MANY).map(|n| EmailAddress::parse(&format!("r{n}@so.example.vn")).expect("an address")).collect();
    let requests: Vec<Request<'_>> = addresses
        .iter()
        .map(|email| Request::new(email, &wishes, Locale::Vi, "import", house.clock.random()))
        .collect();
    house.base.store.import_people(&requests, false, house.clock.now()).await.expect("readers");
    house.publish("tin", ORGANISATION);
    house.news().await;
    house.relay.always(Step::Body, Act::Delay(Duration::from_millis(20)));
    house
}

async fn a_confirmation_overtakes_the_mails_of_an_article_that_are_going_out(base: Base) {
    let house = busy(base).await;
    let mailer = house.mailer();
    house.relay.wait_for(100, LONG).await;
    let slugs = ["doan-the".to_owned()];
    house
        .subscribe
        .request(&Ask::new("moi@so.example.vn", &slugs, Immediate, Locale::Vi, "form"))
        .await
        .expect("asked");
    let before = house.relay.taken();
    let is_confirmation = |to: &str| to.contains("moi@so.example.vn");
    house
        .relay
        .wait_until(LONG, "the confirmation", |relay| {
            relay.since(before).iter().any(|m| m.header("To").is_some_and(|to| is_confirmation(&to)))
        })
        .await;
    let later = house.relay.since(before);
    let at = later.iter().position(|m| m.header("To").is_some_and(|to| is_confirmation(&to))).expect("it is there");
    mailer.stop().await;
    // 200 mails are what this relay takes in a second; a thousand wait in the process.
    assert!(at < 200, "{at} mails of the article were sent before the confirmation");
}

async fn a_stop_in_the_midst_of_a_mass_leaves_nothing_claimed(base: Base) {
    let house = busy(base).await;
    let mailer = house.mailer();
    house.relay.wait_for(50, LONG).await;
    mailer.stop().await;
    let base = &house.base;
    let taken = i64::try_from(house.relay.taken()).expect("few");
    assert!(taken < i64::try_from(MANY).expect("few"), "there was a rest");
    assert_eq!(base.number("SELECT count(*) FROM delivery WHERE lease IS NOT NULL").await, 0);
    assert_eq!(base.number("SELECT count(*) FROM delivery WHERE state = 'sent'").await, taken);
    let untried = "SELECT count(*) FROM delivery WHERE state = 'pending' AND attempts = 0";
    assert_eq!(base.number(untried).await, i64::try_from(MANY).expect("few") - taken, "the rest counts as untried");
    house.relay.behave();
    house.deliver().await;
    assert_eq!(house.relay.taken(), MANY, "each reader has one mail");
}

async fn the_most_urgent_lane_with_something_due_is_told(base: Base) {
    let house = House::on(base).await;
    let store = house.base.store.clone();
    let due = async |channel| store.due_lane(channel, house.clock.now()).await.expect("read");
    assert_eq!(due(Channel::Email).await, None);
    house.follow("an@so.example.vn", &[("cong-tac-to-chuc", Immediate)]).await;
    house.publish("tin", ORGANISATION);
    house.news().await;
    assert_eq!(due(Channel::Email).await, Some(Lane::Immediate));
    assert_eq!(due(Channel::Webhook).await, None);
    let slugs = ["doan-the".to_owned()];
    house
        .subscribe
        .request(&Ask::new("moi@so.example.vn", &slugs, Immediate, Locale::Vi, "form"))
        .await
        .expect("asked");
    assert_eq!(due(Channel::Email).await, Some(Lane::Transactional));
    let (now, until) = (house.clock.now(), house.clock.now().plus(LONG));
    store.claim(Channel::Email, Lane::Transactional, 1, now, until, 9).await.expect("claimed");
    assert_eq!(due(Channel::Email).await, Some(Lane::Immediate), "what is claimed is not due");
}
