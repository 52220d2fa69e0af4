//! Laws of searches and of selections that somebody follows.

use loa::domain::article::ChangeKind::{Published, Revised};
use loa::domain::feed::{FeedOrigin, FeedSpec};
use loa::domain::selection::{Reason, Selection};
use loa::domain::subscriber::Frequency::Immediate;
use loa::domain::subscriber::{EndReason, Locale};
use loa::store::article::Poll;
use loa::store::engine::StoreError;
use loa::store::feed::Membership;
use loa::store::opt_in::{Confirmed, Request};
use loa::store::selection::{MOST_OF_ONE, MOST_SELECTIONS, SelectionWish};

use super::given::{SOURCE, address, apply, endpoint, fan_out, feeds, person, publish, t, upsert, withdraw};
use crate::support::house::base::Base;
use crate::support::house::laws;

laws! {
    the_newest_articles_are_read_in_their_order_and_only_while_they_are_public,
    a_poll_that_does_not_know_of_a_feed_writes_nothing,
    what_a_selection_holds_when_it_begins_is_told_to_nobody,
    a_selection_ends_with_its_last_follower_and_begins_anew_as_itself,
    what_was_never_followed_is_let_go_and_what_ended_long_ago_is_forgotten,
    strangers_cannot_make_selections_without_end,
}

fn selection(word: &str) -> FeedSpec {
    let select = Selection { keywords: vec![word.to_owned()], ..Selection::default() };
    FeedSpec {
        slug: select.slug(),
        title: format!("Tin về {word}").into(),
        description: "".into(),
        title_en: None,
        description_en: None,
        select,
    }
}

async fn the_newest_articles_are_read_in_their_order_and_only_while_they_are_public(base: Base) {
    let store = &base.store;
    let before = store.content_version().await.expect("read");
    let (a, b, c) = (
        publish(store, "a", &[], t(1)).await,
        publish(store, "b", &[], t(3)).await,
        publish(store, "c", &[], t(2)).await,
    );
    assert!(store.content_version().await.expect("read") > before);
    assert_eq!(store.newest(2).await.expect("read"), [(b, 1), (c, 1)]);
    let ids = |found: Vec<loa::domain::article::StoredArticle>| found.into_iter().map(|a| a.id).collect::<Vec<_>>();
    assert_eq!(ids(store.articles_by_id(&[a, c, b, 999]).await.expect("read")), [b, c, a]);
    assert!(store.articles_by_id(&[]).await.expect("read").is_empty());
    withdraw(store, b, t(4)).await;
    apply(store, vec![upsert("c", &[], Some(Revised), t(5))], t(5)).await;
    assert_eq!(store.newest(9).await.expect("read"), [(c, 2), (a, 1)]);
    assert_eq!(ids(store.articles_by_id(&[a, b, c]).await.expect("read")), [c, a]);
}

async fn a_poll_that_does_not_know_of_a_feed_writes_nothing(base: Base) {
    let store = &base.store;
    let [tin] = feeds(store, ["tin"]).await;
    let poll = |known: i64| Poll {
        source: SOURCE.to_owned(),
        upserts: vec![upsert("a", &[tin], Some(Published), t(1))],
        feeds: Some(known),
        ..Poll::default()
    };
    let id = store.follow_selection(&selection("a"), t(1)).await.expect("made").expect("room");
    let late = store.apply(&poll(tin), t(2)).await;
    assert!(matches!(late, Err(StoreError::OtherFeeds)), "{late:?}");
    assert!(store.newest(9).await.expect("read").is_empty());
    assert_eq!(store.apply(&poll(tin + id), t(2)).await.expect("written").published, 1);
}

async fn what_a_selection_holds_when_it_begins_is_told_to_nobody(base: Base) {
    let store = &base.store;
    let spec = selection("a");
    let (old, new) = (publish(store, "a", &[], t(1)).await, publish(store, "b", &[], t(2)).await);
    fan_out(store, t(2)).await;
    let id = store.follow_selection(&spec, t(3)).await.expect("made").expect("room");
    endpoint(store, "ep_1", &[id], t(3)).await;
    // A poll was faster than the filling with one of them: it stays as it is.
    apply(store, vec![upsert("b", &[id], Some(Revised), t(4))], t(4)).await;
    let member = |article_id| Membership { article_id, first_seen: t(1), reason: Reason::Everything };
    store.fill_selection(&spec.slug, &[member(old), member(new)], t(5)).await.expect("filled");
    let held = store.feed_articles(id, 9).await.expect("read");
    assert_eq!(held.len(), 2);
    let people = base
        .lines(&format!("SELECT article_id, CASE WHEN people THEN 'told' ELSE 'silent' END FROM feed_article WHERE feed_id = {id} ORDER BY article_id"))
        .await;
    assert_eq!(people, [format!("{old} silent"), format!("{new} told")]);
    store.fill_selection("s-khong-co", &[member(old)], t(5)).await.expect("nothing to fill");
    let feed = store.feeds().await.expect("read").into_iter().find(|f| f.id == id).expect("there");
    assert_eq!((feed.origin, feed.spec.slug), (FeedOrigin::Selection, spec.slug.clone()));
    assert_eq!(store.selection_query(&spec.slug).await.expect("read").as_deref(), Some("q=a"));
    assert!(store.declare_feeds(FeedOrigin::File, &[], t(6)).await.expect("declared").is_empty());
    assert!(!store.feeds().await.expect("read")[0].retired, "files say nothing of selections");
}

async fn a_selection_ends_with_its_last_follower_and_begins_anew_as_itself(base: Base) {
    let store = &base.store;
    let spec = selection("a");
    let id = store.follow_selection(&spec, t(1)).await.expect("made").expect("room");
    endpoint(store, "ep_1", &[id], t(1)).await;
    let article = publish(store, "a", &[id], t(2)).await;
    assert_eq!(store.sweep_selections(t(3)).await.expect("swept"), 0);
    store.delete_endpoint("ep_1", t(4)).await.expect("deleted");
    assert_eq!(store.sweep_selections(t(5)).await.expect("swept"), 1);
    assert_eq!(store.sweep_selections(t(6)).await.expect("swept"), 0);
    assert!(store.feeds_of(article).await.expect("read").is_empty());
    assert_eq!(store.follow_selection(&spec, t(7)).await.expect("made"), Some(id));
    assert!(!store.feeds().await.expect("read")[0].retired);
}

async fn what_was_never_followed_is_let_go_and_what_ended_long_ago_is_forgotten(base: Base) {
    let store = &base.store;
    let spec = selection("a");
    let id = store.follow_selection(&spec, t(0)).await.expect("made").expect("room");
    assert_eq!(store.sweep_selections(t(60)).await.expect("swept"), 0, "its follower may be on the way");
    assert_eq!(store.sweep_selections(t(600)).await.expect("swept"), 1);
    store.follow_selection(&spec, t(700)).await.expect("made").expect("again");
    person(store, "an@so.example.vn", &[(id, Immediate)], t(700)).await;
    assert_eq!(store.sweep_selections(t(5_000)).await.expect("swept"), 0);
    assert_eq!(store.forget_selections(t(9_000)).await.expect("swept"), 0, "it is followed");
    let who = store.person_by_email(&address("an@so.example.vn")).await.expect("read").expect("known");
    store.unsubscribe(who, None, EndReason::Unsubscribed, t(5_001)).await.expect("ended");
    assert_eq!(store.sweep_selections(t(5_002)).await.expect("swept"), 1);
    assert_eq!(store.forget_selections(t(5_001)).await.expect("swept"), 0, "its name still leads to its search");
    assert!(store.selection_query(&spec.slug).await.expect("read").is_some());
    assert_eq!(store.forget_selections(t(5_002)).await.expect("swept"), 1);
    assert!(store.feeds().await.expect("read").is_empty() && store.person(who).await.expect("read").is_some());
    assert!(store.follow_selection(&spec, t(6_000)).await.expect("made").is_some(), "it can begin anew");
}

async fn strangers_cannot_make_selections_without_end(base: Base) {
    let store = &base.store;
    let email = address("an@so.example.vn");
    let ask = |n: i64| {
        let (store, email) = (store.clone(), email.clone());
        async move {
            let wish = SelectionWish { frequency: Immediate, spec: selection(&format!("tin{n}")) };
            let selections = [wish.clone()];
            let request = Request::new(&email, &[], Locale::Vi, "form", super::given::chance());
            let request = Request { selections: &selections, ..request };
            // A day apart: an address is asked three times a day at most.
            let now = t(n * 90_000);
            let asked = store.request_opt_in(&request, now).await.expect("asked").expect("taken");
            let pending = store.opt_in(asked).await.expect("read").expect("there");
            assert_eq!(
                pending.selections,
                [SelectionWish { spec: FeedSpec { slug: String::new(), ..wish.spec.clone() }, ..wish }]
            );
            store.confirm(asked, super::given::chance(), now).await.expect("confirmed")
        }
    };
    assert!(store.feeds().await.expect("read").is_empty(), "asking makes nothing");
    let most = i64::try_from(MOST_OF_ONE).expect("few");
    for n in 0..most {
        assert!(matches!(ask(n).await, Confirmed::Now(_)), "{n}");
    }
    assert!(matches!(ask(most - 1).await, Confirmed::Now(_)), "one that is followed already needs no room");
    assert!(matches!(ask(most).await, Confirmed::Enough), "it says why");
    assert_eq!(store.feeds().await.expect("read").len(), MOST_OF_ONE);
    for n in most..MOST_SELECTIONS {
        assert!(store.follow_selection(&selection(&format!("tin{n}")), t(1)).await.expect("made").is_some());
    }
    let more = selection("them");
    assert!(!store.has_room_for(&more).await.expect("read"));
    assert_eq!(store.follow_selection(&more, t(1)).await.expect("asked"), None);
    let known = selection("tin3");
    let (who, wish) = (address("binh@so.example.vn"), SelectionWish { frequency: Immediate, spec: more.clone() });
    let request = Request::new(&who, &[], Locale::Vi, "form", super::given::chance());
    let request = Request { selections: std::slice::from_ref(&wish), ..request };
    let asked = store.request_opt_in(&request, t(2)).await.expect("asked").expect("taken");
    let confirmed = async |at: i64| store.confirm(asked, super::given::chance(), t(at)).await.expect("done");
    assert_eq!(confirmed(3).await, Confirmed::Full);
    assert!(store.opt_in(asked).await.expect("read").expect("there").confirmed_at.is_none(), "it can be tried again");
    assert!(store.has_room_for(&known).await.expect("read"), "one that is there needs no room");
    assert!(store.follow_selection(&known, t(1)).await.expect("asked").is_some());
}
