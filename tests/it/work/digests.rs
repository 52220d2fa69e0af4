//! Laws of digests: when, what, and nothing twice.

use loa::domain::digest::DueRun;
use loa::domain::subscriber::Frequency::{Daily, Immediate, Weekly};
use loa::domain::subscriber::Locale;
use loa::store::digest::{Section, Step};

use crate::support::house::base::Base;
use crate::support::house::letters::{Letter, receivers};
use crate::support::house::{House, ORGANISATION, UNIONS, hours, laws};

laws! {
    a_daily_digest_is_due_at_seven_and_brings_each_article_once,
    what_was_mailed_at_once_is_left_out,
    who_follows_daily_and_weekly_is_told_of_each_article_once,
    after_two_days_of_downtime_there_is_one_digest_of_all_of_it,
    a_withdrawn_article_is_left_out_and_told_when_it_is_back,
    a_change_of_frequency_loses_nothing_and_repeats_nothing,
    a_digest_that_waits_is_not_sent_to_who_left,
    a_crash_before_the_fan_out_does_not_make_a_digest_and_a_mail_of_one_article,
}

/// Makes the runs that are due and works off the mails.
async fn digests(house: &House) -> Vec<Letter> {
    house.digests.run().await.expect("a run");
    house.deliver().await
}

/// How often each of these articles is told in a letter.
fn told<const N: usize>(letter: &Letter, ids: [&str; N]) -> [usize; N] {
    ids.map(|id| letter.tells(id))
}

async fn a_daily_digest_is_due_at_seven_and_brings_each_article_once(base: Base) {
    let house = House::on(base).await;
    house.follow("an@so.example.vn", &[("tat-ca", Daily), ("cong-tac-to-chuc", Daily), ("doan-the", Daily)]).await;
    house.follow_in("binh@so.example.vn", &[("doan-the", Daily)], Locale::En).await;
    assert!(digests(&house).await.is_empty(), "today's run was due before they came, and nothing was new");
    for (id, category) in [("tin-1", ORGANISATION), ("tin-2", UNIONS), ("tin-3", ORGANISATION)] {
        house.publish(id, category);
        house.news().await;
    }
    house.at("2026-11-20T06:59:59+07:00");
    assert!(digests(&house).await.is_empty(), "not a second early");
    house.at("2026-11-20T07:00:00+07:00");
    let letters = digests(&house).await;
    assert_eq!(receivers(&letters), ["an@so.example.vn", "binh@so.example.vn"]);
    assert_eq!(told(&letters[0], ["tin-1", "tin-2", "tin-3", "cu-1"]), [1, 1, 1, 0], "{}", letters[0].text);
    assert_eq!(told(&letters[1], ["tin-1", "tin-2"]), [0, 1]);
    assert!(letters[0].subject.starts_with("[Bản tin ngày 20/11] 3 tin mới"), "{}", letters[0].subject);
    assert!(letters[0].text.contains("CÔNG TÁC TỔ CHỨC") && letters[0].html.contains("Đoàn thể"));
    assert!(letters[1].text.contains("Unsubscribe") && !letters[1].subject.contains("Bản tin"), "{:?}", letters[1]);
    house.pass(hours(1));
    assert!(digests(&house).await.is_empty(), "a date has one run");
    house.at("2026-11-21T07:00:00+07:00");
    assert!(digests(&house).await.is_empty(), "nothing new means no mail");
    let runs = house
        .base
        .lines("SELECT frequency, date, members FROM digest_run WHERE planned_at IS NOT NULL ORDER BY id")
        .await;
    assert!(
        runs.contains(&"daily 2026-11-20 2".to_owned()) && runs.contains(&"daily 2026-11-21 0".to_owned()),
        "{runs:?}"
    );
}

async fn what_was_mailed_at_once_is_left_out(base: Base) {
    let house = House::on(base).await;
    house.follow("an@so.example.vn", &[("cong-tac-to-chuc", Immediate), ("tat-ca", Daily)]).await;
    house.publish("tin-1", ORGANISATION);
    house.publish("tin-2", UNIONS);
    house.news().await;
    let letters = house.deliver().await;
    assert_eq!((letters.len(), told(&letters[0], ["tin-1", "tin-2"])), (1, [1, 0]));
    house.publish("tin-3", ORGANISATION);
    house.at("2026-11-20T07:00:00+07:00");
    house.news().await;
    // The digest is planned while the mail of the third still waits.
    let letters = digests(&house).await;
    let mut all: Vec<_> = letters.iter().map(|l| told(l, ["tin-1", "tin-2", "tin-3"])).collect();
    all.sort_unstable();
    assert_eq!(all, [[0, 0, 1], [0, 1, 0]]);
    house.publish("tin-4", ORGANISATION);
    house.news().await;
    assert_eq!(house.deliver().await.len(), 1);
    house.at("2026-11-21T07:00:00+07:00");
    assert!(digests(&house).await.is_empty(), "if that leaves nothing, there is no mail");
}

async fn who_follows_daily_and_weekly_is_told_of_each_article_once(base: Base) {
    let house = House::on(base).await;
    house.follow("an@so.example.vn", &[("cong-tac-to-chuc", Daily), ("tat-ca", Weekly)]).await;
    house.publish("tin-1", ORGANISATION);
    house.publish("tin-2", UNIONS);
    house.news().await;
    house.at("2026-11-20T07:00:00+07:00");
    let letters = digests(&house).await;
    assert_eq!((letters.len(), told(&letters[0], ["tin-1", "tin-2"])), (1, [1, 0]));
    house.at("2026-11-22T20:00:00+07:00");
    assert!(digests(&house).await.is_empty());
    house.publish("tin-3", ORGANISATION);
    house.publish("tin-4", UNIONS);
    house.news().await;
    // Monday: both are made and composed together.
    house.at("2026-11-23T07:00:00+07:00");
    let letters = digests(&house).await;
    assert_eq!(letters.len(), 2, "{letters:#?}");
    let (daily, weekly): (Vec<_>, Vec<_>) = letters.iter().partition(|l| l.subject.contains("Bản tin ngày"));
    assert_eq!(told(daily[0], ["tin-1", "tin-2", "tin-3", "tin-4"]), [0, 0, 1, 0], "{}", daily[0].text);
    assert_eq!(told(weekly[0], ["tin-1", "tin-2", "tin-3", "tin-4"]), [0, 1, 0, 1], "{}", weekly[0].text);
}

async fn after_two_days_of_downtime_there_is_one_digest_of_all_of_it(base: Base) {
    let house = House::on(base).await;
    house.follow("an@so.example.vn", &[("tat-ca", Daily)]).await;
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    house.at("2026-11-20T12:00:00+07:00");
    house.publish("tin-2", ORGANISATION);
    house.news().await;
    house.at("2026-11-21T09:30:00+07:00");
    house.publish("tin-3", ORGANISATION);
    house.news().await;
    let letters = digests(&house).await;
    assert_eq!((letters.len(), told(&letters[0], ["tin-1", "tin-2", "tin-3"])), (1, [1, 1, 1]));
    assert!(letters[0].subject.contains("21/11"), "{}", letters[0].subject);
    house.at("2026-11-22T07:00:00+07:00");
    assert!(digests(&house).await.is_empty());
}

async fn a_withdrawn_article_is_left_out_and_told_when_it_is_back(base: Base) {
    let house = House::on(base).await;
    house.follow("an@so.example.vn", &[("tat-ca", Daily)]).await;
    house.follow("binh@so.example.vn", &[("cong-tac-to-chuc", Daily)]).await;
    house.publish("tin-1", ORGANISATION);
    house.publish("tin-2", UNIONS);
    house.news().await;
    house.at("2026-11-20T07:00:00+07:00");
    house.digests.run().await.expect("planned");
    house.remove("tin-1");
    house.news().await;
    let letters = house.deliver().await;
    assert_eq!(receivers(&letters), ["an@so.example.vn"], "nothing is left for the other");
    assert_eq!(told(&letters[0], ["tin-1", "tin-2"]), [0, 1]);
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    house.at("2026-11-21T07:00:00+07:00");
    let letters = digests(&house).await;
    assert_eq!(receivers(&letters), ["an@so.example.vn", "binh@so.example.vn"]);
    assert!(letters.iter().all(|l| told(l, ["tin-1", "tin-2"]) == [1, 0]), "{letters:#?}");
    house.remove("tin-1");
    house.news().await;
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    house.at("2026-11-22T07:00:00+07:00");
    assert!(digests(&house).await.is_empty(), "who was told is not told again when it comes back once more");
}

async fn a_change_of_frequency_loses_nothing_and_repeats_nothing(base: Base) {
    let house = House::on(base).await;
    let id = house.follow("an@so.example.vn", &[("tat-ca", Weekly)]).await;
    let change = async |frequency| {
        let wishes = house.wishes(&[("tat-ca", frequency)]).await;
        house.base.store.set_wishes(id, &wishes, Locale::Vi, house.clock.now()).await.expect("changed");
    };
    let news = async |id: &str| {
        house.publish(id, ORGANISATION);
        house.news().await;
    };
    let ids = ["tin-1", "tin-2", "tin-3", "tin-4", "tin-5", "tin-6"];
    news("tin-1").await;
    change(Daily).await;
    house.at("2026-11-20T07:00:00+07:00");
    let letters = digests(&house).await;
    assert_eq!((letters.len(), told(&letters[0], ids)), (1, [1, 0, 0, 0, 0, 0]), "weekly to daily");
    news("tin-2").await;
    change(Immediate).await;
    let letters = house.deliver().await;
    assert_eq!(
        (letters.len(), told(&letters[0], ids)),
        (1, [0, 1, 0, 0, 0, 0]),
        "daily to immediate sends what waited"
    );
    news("tin-3").await;
    assert_eq!(house.deliver().await.len(), 1);
    news("tin-4").await;
    change(Daily).await;
    assert!(house.deliver().await.is_empty(), "what was not sent waits for the digest");
    news("tin-5").await;
    house.at("2026-11-21T07:00:00+07:00");
    // Planned as a digest, and changed before it is sent.
    house.digests.run().await.expect("planned");
    change(Immediate).await;
    let letters = house.deliver().await;
    assert_eq!((letters.len(), told(&letters[0], ids)), (1, [0, 0, 0, 1, 1, 0]), "immediate to daily");
    news("tin-6").await;
    assert_eq!(house.deliver().await.len(), 1);
    change(Weekly).await;
    house.at("2026-11-23T07:00:00+07:00");
    assert!(digests(&house).await.is_empty(), "everything was told");
}

async fn a_digest_that_waits_is_not_sent_to_who_left(base: Base) {
    let house = House::on(base).await;
    let goes = house.follow("an@so.example.vn", &[("tat-ca", Daily)]).await;
    house.follow("binh@so.example.vn", &[("tat-ca", Daily)]).await;
    house.publish("tin-1", ORGANISATION);
    house.news().await;
    house.at("2026-11-20T07:00:00+07:00");
    house.digests.run().await.expect("planned");
    let token = house.subscribe.keys().sign(loa::domain::link::Link::Unsubscribe(house.public(goes).await, Daily));
    house.subscribe.unsubscribe(&token).await.expect("left");
    assert_eq!(receivers(&house.deliver().await), ["binh@so.example.vn"]);
    // And to who left while the run was made, after their part of it was read.
    let goes = house.follow("chi@so.example.vn", &[("tat-ca", Daily)]).await;
    house.publish("tin-2", ORGANISATION);
    house.news().await;
    let (store, now) = (&house.base.store, house.clock.now());
    let due = DueRun { frequency: Daily, date: jiff::civil::date(2026, 11, 21), window_to: now };
    assert!(store.begin_run(&due, now).await.expect("begun"));
    let run = store.open_runs().await.expect("read").pop().expect("open");
    let members = store.run_members(&run, 99).await.expect("read");
    let articles = vec![house.article("tin-2").await];
    let step = Step {
        sets: vec![("k".to_owned(), vec![Section { feed_id: members[0].feed_id, articles }])],
        deliveries: members.iter().map(|m| (m.subscriber_id, 0)).collect(),
        told: members.iter().map(|m| m.id).collect(),
        cursor: i64::MAX,
        last: true,
    };
    let link = loa::domain::link::Link::Unsubscribe(house.public(goes).await, Daily);
    house.subscribe.unsubscribe(&house.subscribe.keys().sign(link)).await.expect("left");
    assert!(store.write_step(&run, &step, now).await.expect("written"));
    assert_eq!(receivers(&house.deliver().await), ["binh@so.example.vn"]);
}

async fn a_crash_before_the_fan_out_does_not_make_a_digest_and_a_mail_of_one_article(base: Base) {
    let house = House::on(base).await;
    house.follow("an@so.example.vn", &[("cong-tac-to-chuc", Daily), ("tat-ca", Immediate)]).await;
    house.publish("tin-1", ORGANISATION);
    house.poll().await;
    // The process dies here, and starts again after the hour of the digest.
    house.at("2026-11-20T07:00:00+07:00");
    let letters = digests(&house).await;
    house.fan_out.run().await.expect("a fan-out");
    assert_eq!((letters.len(), letters[0].tells("tin-1")), (1, 1));
    assert!(house.deliver().await.is_empty());
}
