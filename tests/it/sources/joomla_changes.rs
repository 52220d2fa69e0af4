//! Every kind of edit on a portal shows in the next scan, also those that leave `modified` alone.

use std::collections::BTreeSet;

use loa::clock::Timestamp;
use loa::source::{AnySource, Ask, Source};

use super::joomla::{Portal, VISIBLE, now, on_each_portal};
use super::{at, fingerprints, ids, next_flip, one, set};
use crate::support::databases::Engine;

on_each_portal!(
    publishing_from_the_list_shows_though_modified_stays,
    unpublishing_archiving_and_trashing_withdraw,
    a_deleted_article_is_gone,
    a_move_to_another_category_shows,
    an_edit_of_the_text_shows_with_and_without_modified,
    whatever_a_reader_would_see_moves_the_fingerprint,
    what_no_reader_sees_leaves_the_fingerprint,
    publish_up_passes_by_the_clock_alone,
    publish_down_passes_by_the_clock_alone,
    a_change_of_a_category_reaches_its_articles,
);

/// Which ids came, went and changed between two scans.
async fn after(portal: &Portal, source: &AnySource, sql: &str, now: Timestamp) -> [BTreeSet<String>; 3] {
    let before = fingerprints(&source.scan(&Ask::first(now)).await.expect("a scan"));
    portal.run(sql).await;
    let after = fingerprints(&source.scan(&Ask::first(now)).await.expect("a scan"));
    let came = after.keys().filter(|id| !before.contains_key(*id)).cloned().collect();
    let went = before.keys().filter(|id| !after.contains_key(*id)).cloned().collect();
    let changed = after.iter().filter(|(id, print)| before.get(*id).is_some_and(|b| b != *print));
    [came, went, changed.map(|(id, _)| id.clone()).collect()]
}

fn none() -> BTreeSet<String> {
    BTreeSet::new()
}

async fn publishing_from_the_list_shows_though_modified_stays(portal: Portal) {
    let source = portal.source();
    let change = after(&portal, &source, "UPDATE #__content SET state = 1 WHERE id = 103", now()).await;
    assert_eq!(change, [set([103]), none(), none()]);
}

async fn unpublishing_archiving_and_trashing_withdraw(portal: Portal) {
    let source = portal.source();
    for (id, state) in [(100, 0), (101, 2), (102, -2)] {
        let change =
            after(&portal, &source, &format!("UPDATE #__content SET state = {state} WHERE id = {id}"), now()).await;
        assert_eq!(change, [none(), set([id]), none()]);
        assert!(source.fetch(&set([id]), now()).await.expect("no error").articles.is_empty());
    }
}

async fn a_deleted_article_is_gone(portal: Portal) {
    let change = after(&portal, &portal.source(), "DELETE FROM #__content WHERE id = 100", now()).await;
    assert_eq!(change, [none(), set([100]), none()]);
}

async fn a_move_to_another_category_shows(portal: Portal) {
    let source = portal.source();
    let change = after(&portal, &source, "UPDATE #__content SET catid = 12 WHERE id = 100", now()).await;
    assert_eq!(change, [none(), none(), set([100])]);
    assert_eq!(one(source.fetch(&set([100]), now()).await.expect("an article")).categories, ["12"]);
    let change = after(&portal, &source, "UPDATE #__content SET catid = 20 WHERE id = 100", now()).await;
    assert_eq!(change, [none(), set([100]), none()]);
}

async fn an_edit_of_the_text_shows_with_and_without_modified(portal: Portal) {
    let source = portal.source();
    let full = if portal.db.engine == Engine::Postgres { "\"fulltext\"" } else { "`fulltext`" };
    for edit in [
        "introtext = '<p>Sửa.</p>', modified = '2026-11-22 10:00:00'".to_owned(),
        "introtext = '<p>Sửa nữa.</p>'".to_owned(),
        format!("{full} = '<p>Phần sau.</p>'"),
        // The same bytes, cut elsewhere.
        format!("introtext = '<p>Sửa nữa.</p><p>Phần', {full} = ' sau.</p>'"),
    ] {
        let change = after(&portal, &source, &format!("UPDATE #__content SET {edit} WHERE id = 100"), now()).await;
        assert_eq!(change, [none(), none(), set([100])], "{edit}");
    }
    let article = one(source.fetch(&set([100]), now()).await.expect("an article"));
    assert_eq!(article.updated, Some(at("2026-11-22T10:00:00Z")));
}

async fn whatever_a_reader_would_see_moves_the_fingerprint(portal: Portal) {
    let source = portal.source();
    for edit in [
        "UPDATE #__content SET title = 'Tên mới' WHERE id = 100",
        "UPDATE #__content SET alias = 'ten-moi' WHERE id = 100",
        "UPDATE #__content SET language = 'en-GB' WHERE id = 100",
        "UPDATE #__content SET images = '{\"image_intro\":\"images/moi.jpg\"}' WHERE id = 100",
        "UPDATE #__content SET publish_up = '2021-11-24 00:00:00' WHERE id = 100",
        "UPDATE #__content SET created_by_alias = 'Bút danh' WHERE id = 100",
        "UPDATE #__tags SET title = 'Chi bộ mẫu' WHERE id = 2",
        "UPDATE #__tags SET published = 1 WHERE id = 3",
        "DELETE FROM #__contentitem_tag_map WHERE content_item_id = 100",
    ] {
        assert_eq!(after(&portal, &source, edit, now()).await, [none(), none(), set([100])], "{edit}");
    }
    // Everyone without a pen name carries the account's name; 101 has one, 128 has no account.
    let rename = "UPDATE #__users SET name = 'Nguyễn Văn Bình' WHERE id = 42";
    let expected = set(VISIBLE.into_iter().filter(|id| !matches!(id, 128)));
    let [came, went, changed] = after(&portal, &source, rename, now()).await;
    assert_eq!((came, went), (none(), none()));
    assert!(changed.is_subset(&expected) && changed.contains("102"), "{changed:?}");
}

async fn what_no_reader_sees_leaves_the_fingerprint(portal: Portal) {
    let source = portal.source();
    for edit in [
        "UPDATE #__content SET hits = hits + 1, ordering = 7, featured = 1, version = version + 1",
        "UPDATE #__content SET checked_out = 42, checked_out_time = '2026-11-22 23:00:00' WHERE id = 100",
        "UPDATE #__categories SET hits = hits + 1, lft = 0, rgt = 0, path = 'x', version = 2",
        "UPDATE #__tags SET title = 'Không ai thấy' WHERE id = 4",
    ] {
        assert_eq!(after(&portal, &source, edit, now()).await, [none(), none(), none()], "{edit}");
    }
}

async fn publish_up_passes_by_the_clock_alone(portal: Portal) {
    let source = portal.source();
    // 126 has expired one second later, so the next change is that of 106.
    let later = source.scan(&Ask::first(at("2026-11-23T00:00:01Z"))).await.expect("a scan");
    assert!(!ids(&later).contains("126"));
    assert_eq!(next_flip(&later), Some(at("2026-12-01T00:00:00Z")));
    let before = source.scan(&Ask::first(at("2026-11-30T23:59:59.999Z"))).await.expect("a scan");
    let passed = source.scan(&Ask::first(at("2026-12-01T00:00:00Z"))).await.expect("a scan");
    assert_eq!((ids(&before).contains("106"), ids(&passed).contains("106")), (false, true));
    assert!(source.fetch(&set([106]), at("2026-11-30T23:59:59Z")).await.expect("no error").articles.is_empty());
    assert_eq!(one(source.fetch(&set([106]), at("2026-12-01T00:00:00Z")).await.expect("one")).external_id, "106");
}

async fn publish_down_passes_by_the_clock_alone(portal: Portal) {
    let source = portal.source();
    let last = source.scan(&Ask::first(at("2026-12-24T10:00:00Z"))).await.expect("a scan");
    let gone = source.scan(&Ask::first(at("2026-12-24T10:00:01Z"))).await.expect("a scan");
    assert_eq!((ids(&last).contains("120"), ids(&gone).contains("120")), (true, false));
    assert_eq!((next_flip(&last), next_flip(&gone)), (Some(at("2026-12-24T10:00:01Z")), None));
}

async fn a_change_of_a_category_reaches_its_articles(portal: Portal) {
    let source = portal.source();
    let rename = "UPDATE #__categories SET title = 'Tổ chức' WHERE id = 10";
    let [came, went, changed] = after(&portal, &source, rename, now()).await;
    assert_eq!((came, went), (none(), none()));
    assert!(changed.is_superset(&set([100, 101])) && changed.is_disjoint(&set([102, 119, 127])), "{changed:?}");

    let hide = "UPDATE #__categories SET published = 0 WHERE id = 12";
    assert_eq!(after(&portal, &source, hide, now()).await, [none(), set([102, 127]), none()]);
    let show = "UPDATE #__categories SET published = 1 WHERE id IN (12, 20)";
    assert_eq!(after(&portal, &source, show, now()).await, [set([102, 127, 111, 112, 113]), none(), none()]);

    let level = "UPDATE #__viewlevels SET rules = '[8]' WHERE id = 5";
    assert_eq!(after(&portal, &source, level, now()).await, [none(), set([110, 118]), none()]);
}
