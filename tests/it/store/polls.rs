//! Laws of writing what a poll found.

use loa::domain::article::ChangeKind;
use loa::domain::selection::Reason;
use loa::store::article::Poll;
use loa::store::source::Flips;

use super::given::{SOURCE, apply, article, claim, fan_out, feeds, line, person, publish, t, upsert, withdraw};
use crate::support::house::base::Base;
use crate::support::house::laws;
use loa::domain::subscriber::Frequency;
use loa::store::delivery::Settled;

laws! {
    a_poll_is_written_whole_or_not_at_all,
    an_article_keeps_its_row_and_entry_id_across_revisions_and_returns,
    held_changes_are_told_once_when_they_are_released,
    a_failed_poll_leaves_only_its_reason,
    a_part_of_a_poll_is_written_without_a_word_of_its_source,
    text_is_kept_byte_for_byte,
    each_change_moves_the_versions_of_exactly_its_feeds,
}

async fn a_poll_is_written_whole_or_not_at_all(base: Base) {
    let [tin] = feeds(&base.store, ["tin"]).await;
    let known = publish(&base.store, "cu", &[tin], t(1)).await;
    let tables = ["article", "change", "feed_article", "source", "counter", "feed", "delivery"];
    let mut before = Vec::new();
    for table in tables {
        before.push(base.lines(&format!("SELECT * FROM {table} ORDER BY 1, 2")).await);
    }
    let mut last = upsert("c", &[tin], Some(ChangeKind::Published), t(2));
    last.matches.push((999_999, Reason::Everything));
    let poll = Poll {
        source: SOURCE.to_owned(),
        upserts: vec![upsert("a", &[tin], Some(ChangeKind::Published), t(2)), last],
        touched: vec![(known, "moved".to_owned())],
        gone: vec![known],
        baseline_done: true,
        ..Poll::default()
    };
    assert!(base.store.apply(&poll, t(2)).await.is_err(), "there is no such feed");
    for (table, before) in tables.into_iter().zip(before) {
        assert_eq!(base.lines(&format!("SELECT * FROM {table} ORDER BY 1, 2")).await, before, "{table}");
    }
}

async fn a_part_of_a_poll_is_written_without_a_word_of_its_source(base: Base) {
    let [tin] = feeds(&base.store, ["tin"]).await;
    let flips = Flips::All(vec![(t(5), "a".to_owned())]);
    base.store.apply(&Poll { source: SOURCE.to_owned(), flips, ..Poll::default() }, t(1)).await.expect("a poll");
    base.store.poll_failed(SOURCE, "nobody answers", t(4)).await.expect("noted");
    let before = base.lines("SELECT * FROM source").await;
    let upserts = vec![upsert("a", &[tin], Some(ChangeKind::Revised), t(6))];
    let part = Poll { source: SOURCE.to_owned(), upserts, part: true, ..Poll::default() };
    assert_eq!(base.store.apply(&part, t(6)).await.expect("a part").revised, 1);
    assert_eq!(base.lines("SELECT * FROM source").await, before, "the rest of the poll may still fail");
    assert_eq!(base.store.flips_due(SOURCE, t(6)).await.expect("read").len(), 1, "and then what is due still is");
}

async fn an_article_keeps_its_row_and_entry_id_across_revisions_and_returns(base: Base) {
    let [tin, khac] = feeds(&base.store, ["tin", "khac"]).await;
    let id = publish(&base.store, "bai", &[tin], t(1)).await;
    let first = base.store.article(id).await.expect("read").expect("there");
    let mut edit = upsert("bai", &[khac], Some(ChangeKind::Revised), t(2));
    "tag:elsewhere.example,2030:x".clone_into(&mut edit.entry_id);
    edit.article.title = "Tên mới".into();
    apply(&base.store, vec![edit], t(2)).await;
    withdraw(&base.store, id, t(3)).await;
    let gone = base.store.article(id).await.expect("read").expect("its row stays");
    assert_eq!((gone.visible, gone.revision, gone.entry_id.as_str()), (false, 3, first.entry_id.as_str()));
    apply(&base.store, vec![upsert("bai", &[tin], Some(ChangeKind::Published), t(4))], t(4)).await;
    let back = base.store.article(id).await.expect("read").expect("there");
    assert_eq!((back.visible, back.revision, &back.entry_id), (true, 4, &first.entry_id));
    assert_eq!((back.first_seen, back.updated), (t(1), t(4)), "its place in the order of feeds stays");
    assert_eq!(base.number("SELECT count(*) FROM article").await, 1);
    let changes = base.lines("SELECT kind, revision FROM change ORDER BY id").await;
    assert_eq!(changes, ["published 1", "revised 2", "withdrawn 3", "published 4"]);
    assert_eq!(withdraw(&base.store, 12_345, t(5)).await.withdrawn, 0, "what is not there cannot go");
    withdraw(&base.store, id, t(6)).await;
    assert_eq!(withdraw(&base.store, id, t(7)).await.withdrawn, 0, "nothing goes twice");
}

async fn held_changes_are_told_once_when_they_are_released(base: Base) {
    let [tin] = feeds(&base.store, ["tin"]).await;
    person(&base.store, "an@so.example.vn", &[(tin, Frequency::Immediate)], t(0)).await;
    let mut held = upsert("a", &[tin], Some(ChangeKind::Published), t(1));
    held.held = true;
    let mut old = upsert("b", &[tin], Some(ChangeKind::Published), t(1));
    (old.held, old.people) = (true, false);
    apply(&base.store, vec![held, old], t(1)).await;
    assert_eq!((base.store.held(SOURCE).await.expect("read"), fan_out(&base.store, t(2)).await), (2, 0));
    let upto = base.number("SELECT value FROM counter").await;
    assert_eq!(base.store.entered(tin, 0, upto).await.expect("read"), [0_i64; 0], "digests wait as well");
    assert_eq!(base.store.feed_articles(tin, 9).await.expect("read").len(), 2, "feeds show it all the same");
    assert_eq!(base.store.release_held("khac", t(3)).await.expect("released"), 0, "another source's are not meant");
    assert_eq!(base.store.release_held(SOURCE, t(3)).await.expect("released"), 2);
    assert_eq!((base.store.held(SOURCE).await.expect("read"), fan_out(&base.store, t(4)).await), (0, 1));
    let a = base.store.find_article("a").await.expect("read").expect("there").id;
    assert_eq!(base.store.entered(tin, upto, i64::MAX).await.expect("read"), [a], "after what was told before");
    assert_eq!(base.store.release_held(SOURCE, t(5)).await.expect("released"), 0);
    assert_eq!(fan_out(&base.store, t(6)).await, 0);
    assert_eq!(base.number("SELECT count(*) FROM delivery").await, 1);
}

async fn a_failed_poll_leaves_only_its_reason(base: Base) {
    let [tin] = feeds(&base.store, ["tin"]).await;
    publish(&base.store, "a", &[tin], t(1)).await;
    base.store.poll_failed(SOURCE, "cổng không trả lời", t(2)).await.expect("kept");
    let source = base.store.sources().await.expect("read").remove(0);
    assert_eq!((source.polled_at, source.visible), (Some(t(1).millis()), 1));
    assert_eq!((source.error.as_deref(), source.error_at), (Some("cổng không trả lời"), Some(t(2).millis())));
    apply(&base.store, Vec::new(), t(3)).await;
    let source = base.store.sources().await.expect("read").remove(0);
    assert_eq!((source.error, source.error_at, source.polled_at), (None, None, Some(t(3).millis())));
}

async fn text_is_kept_byte_for_byte(base: Base) {
    let [tin] = feeds(&base.store, ["tin"]).await;
    person(&base.store, "an@so.example.vn", &[(tin, Frequency::Immediate)], t(0)).await;
    let texts = [
        "Đảng ủy Khối: “nghị quyết” số 05-NQ/TU – ‘thẳng thắn’",
        "🇻🇳 👩‍🌾 𝕏 ✓",
        "it's 100% $1 ? :x \\ \\n \\u0041 \"quoted\" {\"a\":1} <b>&amp;</b>",
        "hàng một\nhàng hai\tcột",
        "ở phường Ô Chợ Dừa, ẵm ngữ ỹ",
    ];
    for (n, text) in texts.into_iter().enumerate() {
        let mut bài = upsert(&format!("a{n}"), &[tin], Some(ChangeKind::Published), t(1));
        bài.article = article(&format!("a{n}"), text);
        bài.article.tags = vec![text.into()];
        bài.matches = vec![(tin, Reason::Phrase { phrase: text.to_owned(), place: "title".to_owned() })];
        apply(&base.store, vec![bài], t(1)).await;
        let stored = base.store.find_article(&format!("a{n}")).await.expect("read").expect("there");
        assert_eq!(stored.article.title.as_str(), text);
        assert_eq!(stored.article.tags[0].as_str(), text);
        assert_eq!(base.store.memberships_of(stored.id).await.expect("read").len(), 1);
        let reasons = base.store.feeds_of(stored.id).await.expect("read");
        assert_eq!(reasons[0].1, Reason::Phrase { phrase: text.to_owned(), place: "title".to_owned() });
        fan_out(&base.store, t(2)).await;
        let claimed = claim(&base.store, 7, t(2), 9).await;
        let settle = loa::store::delivery::Settle { detail: text.to_owned(), ..line(claimed[0].id, 7, Settled::Sent) };
        base.store.settle(&[settle], t(3)).await.expect("settled");
        let ledger = base.store.ledger(claimed[0].subscriber_id, stored.id).await.expect("read");
        assert_eq!(ledger[0].detail.as_deref(), Some(text));
    }
}

async fn each_change_moves_the_versions_of_exactly_its_feeds(base: Base) {
    let [tin, khac, yen] = feeds(&base.store, ["tin", "khac", "yen"]).await;
    let ids = |moved: Vec<loa::domain::feed::Feed>| moved.iter().map(|f| f.id).collect::<Vec<_>>();
    let mut seen = base.number("SELECT value FROM counter").await;
    let a = publish(&base.store, "a", &[tin], t(1)).await;
    assert_eq!(ids(base.store.feeds_since(seen).await.expect("read")), [tin]);
    seen = base.number("SELECT value FROM counter").await;
    apply(&base.store, vec![upsert("a", &[khac], Some(ChangeKind::Revised), t(2))], t(2)).await;
    assert_eq!(ids(base.store.feeds_since(seen).await.expect("read")), [tin, khac], "the one that lost it as well");
    seen = base.number("SELECT value FROM counter").await;
    withdraw(&base.store, a, t(3)).await;
    let moved = base.store.feeds_since(seen).await.expect("read");
    assert_eq!((ids(moved.clone()), moved[0].changed), (vec![khac], t(3)));
    seen = base.number("SELECT value FROM counter").await;
    apply(&base.store, Vec::new(), t(4)).await;
    assert_eq!(ids(base.store.feeds_since(seen).await.expect("read")), [0_i64; 0]);
    let quiet = base.store.feeds().await.expect("read").into_iter().find(|f| f.id == yen).expect("there");
    assert_eq!(quiet.changed, t(0));
}
