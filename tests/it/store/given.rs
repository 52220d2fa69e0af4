//! What the laws of the store start from.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loa::clock::Timestamp;
use loa::domain::article::{Article, ChangeKind};
use loa::domain::delivery::{Channel, Lane};
use loa::domain::feed::{FeedOrigin, FeedSpec};
use loa::domain::selection::{Reason, Selection};
use loa::domain::subscriber::{EmailAddress, Frequency, Locale};
use loa::store::article::{Applied, Poll, Upsert};
use loa::store::delivery::{Claimed, Settle, Settled};
use loa::store::endpoint::NewEndpoint;
use loa::store::engine::Store;
use loa::store::opt_in::Request;
use loa::store::subscriber::Wish;

/// What stands for chance: never the same twice.
pub fn chance() -> [u8; 16] {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    u128::from(DRAWN.fetch_add(1, Ordering::Relaxed)).to_be_bytes()
}

/// The name of the source.
pub const SOURCE: &str = "cong";

/// A second, counted from a Thursday.
pub const fn t(second: i64) -> Timestamp {
    Timestamp::from_millis(1_795_000_000_000 + second * 1000)
}

/// A feed of one category.
pub fn spec(slug: &str) -> FeedSpec {
    FeedSpec {
        slug: slug.to_owned(),
        title: slug.into(),
        description: "".into(),
        title_en: None,
        description_en: None,
        select: Selection { categories: vec![slug.to_owned()], ..Selection::default() },
    }
}

/// Feeds of these names, and their row ids.
pub async fn feeds<const N: usize>(store: &Store, slugs: [&str; N]) -> [i64; N] {
    store.declare_feeds(FeedOrigin::File, &slugs.map(spec), t(0)).await.expect("declared");
    let all = store.feeds().await.expect("read");
    slugs.map(|slug| all.iter().find(|f| f.spec.slug == slug).expect("there").id)
}

/// An article's content.
pub fn article(id: &str, title: &str) -> Article {
    Article {
        source: SOURCE.to_owned(),
        external_id: id.to_owned(),
        url: format!("https://portal.example.vn/{id}"),
        title: title.into(),
        summary: "Tóm tắt.".into(),
        content_html: "<p>Nội dung.</p>".into(),
        authors: vec!["Trúc Linh".into()],
        agency: None,
        categories: Vec::new(),
        tags: Vec::new(),
        language: "vi".to_owned(),
        image: None,
        published: t(0),
    }
}

/// A line of a poll that tells people.
pub fn upsert(id: &str, feeds: &[i64], change: Option<ChangeKind>, now: Timestamp) -> Upsert {
    let article = article(id, &format!("Bài {id}"));
    Upsert {
        renew: true,
        light: format!("l{}", now.millis()),
        fingerprint: format!("f{}", now.millis()),
        entry_id: format!("tag:example.vn,2021:{SOURCE}/article/{id}"),
        first_seen: now,
        change,
        people: change.is_some(),
        held: false,
        matches: feeds.iter().map(|f| (*f, Reason::Everything)).collect(),
        article,
    }
}

/// Writes a poll with these lines.
pub async fn apply(store: &Store, upserts: Vec<Upsert>, now: Timestamp) -> Applied {
    let poll = Poll { source: SOURCE.to_owned(), upserts, ..Poll::default() };
    store.apply(&poll, now).await.expect("a poll is written")
}

/// A new article in these feeds, and its row id.
pub async fn publish(store: &Store, id: &str, feeds: &[i64], now: Timestamp) -> i64 {
    apply(store, vec![upsert(id, feeds, Some(ChangeKind::Published), now)], now).await;
    store.find_article(id).await.expect("read").expect("there").id
}

/// An article goes.
pub async fn withdraw(store: &Store, id: i64, now: Timestamp) -> Applied {
    let poll = Poll { source: SOURCE.to_owned(), gone: vec![id], ..Poll::default() };
    store.apply(&poll, now).await.expect("a poll is written")
}

/// Fans out all that is open. Answers how many rows were made.
pub async fn fan_out(store: &Store, now: Timestamp) -> u64 {
    let mut made = 0;
    for change in store.open_changes(1000).await.expect("read") {
        made += store.fan_out(change.id, now).await.expect("fanned out").unwrap_or(0);
    }
    made
}

/// Feeds at one frequency each.
pub fn wishes(wishes: &[(i64, Frequency)]) -> Vec<Wish> {
    wishes.iter().map(|(feed_id, frequency)| Wish { feed_id: *feed_id, frequency: *frequency }).collect()
}

/// An address.
pub fn address(email: &str) -> EmailAddress {
    EmailAddress::parse(email).expect("an address")
}

/// A confirmed person, and their row id.
pub async fn person(store: &Store, email: &str, wanted: &[(i64, Frequency)], now: Timestamp) -> i64 {
    let (email, wanted) = (address(email), wishes(wanted));
    let request = Request::new(&email, &wanted, Locale::Vi, "import", chance());
    store.import_people(&[request], false, now).await.expect("imported");
    store.person_by_email(&email).await.expect("read").expect("there")
}

/// An endpoint, and its subscriber id.
pub async fn endpoint(store: &Store, public_id: &str, feeds: &[i64], now: Timestamp) -> i64 {
    let new = NewEndpoint { public_id, name: "Trang", url: "https://so.example.vn/hook", secret: "whsec_AAAA", feeds };
    store.add_endpoint(&new, now).await.expect("made")
}

/// Claims up to `limit` mails of the immediate lane for a minute.
pub async fn claim(store: &Store, lease: i64, now: Timestamp, limit: i64) -> Vec<Claimed> {
    claim_of(store, Channel::Email, Lane::Immediate, lease, now, limit).await
}

/// Claims up to `limit` rows for a minute.
pub async fn claim_of(
    store: &Store,
    channel: Channel,
    lane: Lane,
    lease: i64,
    now: Timestamp,
    limit: i64,
) -> Vec<Claimed> {
    store.claim(channel, lane, lease, now, now.plus(Duration::from_mins(1)), limit).await.expect("claimed")
}

/// A line of a settle.
pub fn line(id: i64, lease: i64, state: Settled) -> Settle {
    Settle {
        id,
        lease: lease.to_string(),
        state,
        due_at: 0,
        untried: 0,
        cause: None,
        detail: String::new(),
        bounce: None,
    }
}

/// Settles one row. Answers how many were ours.
pub async fn settle(store: &Store, id: i64, lease: i64, state: Settled, now: Timestamp) -> u64 {
    store.settle(&[line(id, lease, state)], now).await.expect("settled")
}
