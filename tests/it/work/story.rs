//! Laws of explaining: why someone got an article, or did not.

use loa::domain::subscriber::EmailAddress;
use loa::domain::subscriber::Frequency::{Daily, Immediate};
use loa::work::explain::explain;

use crate::support::house::base::Base;
use crate::support::house::{House, ORGANISATION, laws};

laws! {
    each_story_ends_in_what_became_of_it,
}

async fn told(house: &House, email: &str, article: &str) -> Option<Vec<String>> {
    let email = EmailAddress::parse(email).expect("an address");
    explain(&house.base.store, &house.site, &email, article).await.expect("read")
}

async fn story(house: &House, email: &str, article: &str) -> Vec<String> {
    told(house, email, article).await.expect("there is such an article")
}

async fn verdict(house: &House, email: &str, article: &str) -> String {
    story(house, email, article).await.pop().expect("a verdict")
}

async fn each_story_ends_in_what_became_of_it(base: Base) {
    let house = House::on(base).await;
    house.follow("an@so.example.vn", &[("tat-ca", Immediate)]).await;
    house.follow("binh@so.example.vn", &[("tat-ca", Daily)]).await;
    house.follow("chi@so.example.vn", &[("doan-the", Immediate)]).await;
    house.publish("tin-1", ORGANISATION);
    house.publish("tin-2", ORGANISATION);
    house.news().await;
    let waits = verdict(&house, "an@so.example.vn", "tin-2").await;
    assert!(waits.contains("waits for its first try"), "{waits}");
    house.remove("tin-2");
    house.news().await;
    house.deliver().await;
    let sent = verdict(&house, "an@so.example.vn", "tin-1").await;
    assert!(sent.contains("was sent 2026-11-19T10:00:0") && sent.contains("250"), "{sent}");
    let withdrawn = story(&house, "an@so.example.vn", "tin-2").await;
    assert!(withdrawn.last().is_some_and(|v| v.contains("cancelled") && v.contains("withdrawn")), "{withdrawn:#?}");
    let never = verdict(&house, "binh@so.example.vn", "tin-2").await;
    assert!(never.contains("not sent, because the article was withdrawn"), "{never}");
    let later = verdict(&house, "binh@so.example.vn", "tin-1").await;
    assert!(later.contains("the next digest will bring it"), "{later}");
    let elsewhere = verdict(&house, "chi@so.example.vn", "tin-1").await;
    assert!(elsewhere.contains("no live subscription holds this article"), "{elsewhere}");
    let unknown = verdict(&house, "ai@so.example.vn", "tin-1").await;
    assert!(unknown.contains("has no subscription"), "{unknown}");
    let baseline = story(&house, "an@so.example.vn", "cu-1").await;
    assert!(baseline.iter().any(|line| line.contains("first sight of the source")), "{baseline:#?}");
    assert_eq!(told(&house, "an@so.example.vn", "khong-co").await, None);
    house.at("2026-11-20T07:00:00+07:00");
    house.digests.run().await.expect("a run");
    house.deliver().await;
    let digest = story(&house, "binh@so.example.vn", "tin-1").await;
    assert!(digest.last().is_some_and(|v| v.contains("digest") && v.contains("was sent")), "{digest:#?}");
    let all = digest.join("\n");
    assert!(
        all.contains("Hội nghị sơ kết tin-1") && all.contains("In feed tat-ca") && all.contains("fanned out"),
        "{all}"
    );
    let by_tag = story(&house, "binh@so.example.vn", "tag:example.vn,2021:cong/article/tin-1").await;
    assert_eq!(by_tag, digest, "an article has several names");
}
