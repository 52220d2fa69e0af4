//! Rules on top of the comparison: floods, masses that vanish, what is on top, and what a portal's text becomes.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use loa::config::feeds::feed_files;
use loa::domain::feed::FeedOrigin;
use loa::domain::subscriber::Frequency;
use loa::source::{AnySource, Settings};

use super::read::named;
use super::stage::{Keep, Stage, copies, mark, source, visible};
use crate::sources::joomla::Portal;
use crate::support::databases::Engine;

/// A marked portal after its first poll, with one reader and one endpoint of everything.
async fn begin(joomla: u8, engine: Engine, test: &str) -> Option<(Portal, Stage)> {
    let portal = Portal::new(joomla, engine, test).await?;
    mark(&portal).await;
    let stage = Stage::build(source(&portal.db.url), Keep::Sqlite, test).await?;
    stage.poll().await.expect("a poll");
    stage.follow("an", &["tat-ca"], Frequency::Immediate).await;
    stage.endpoint("so", &["tat-ca"]).await;
    stage.clock.advance(Duration::from_mins(1));
    // 126 has expired.
    assert_eq!(stage.poll().await.expect("a poll").applied.withdrawn, 1);
    assert_eq!(stage.quiet().await.events.len(), 1);
    stage.clock.advance(Duration::from_mins(1));
    Some((portal, stage))
}

#[tokio::test]
async fn a_flood_fills_the_feeds_and_waits_for_a_person_before_it_is_told() {
    let test = "portal::rules::a_flood_fills_the_feeds_and_waits_for_a_person_before_it_is_told";
    let Some((portal, stage)) = begin(5, Engine::MariaDb, test).await else { return };
    portal.run(&copies(&portal, 200..251, 13, "2026-11-22 08:00:00")).await;
    portal.run("UPDATE #__content SET title = 'Sửa td119q' WHERE id = 119").await;
    let report = stage.poll().await.expect("a poll");
    assert!(report.held && report.applied.published == 51 && report.applied.revised == 1, "{report:?}");
    let sent = stage.quiet().await;
    assert!(sent.mails.is_empty(), "{sent:?}");
    assert_eq!(sent.events.len(), 1, "an edit is no part of the flood: {sent:?}");
    assert!(stage.shown().await.is_superset(&(200..251).collect()));
    assert_eq!(stage.store.held("portal").await.expect("a count"), 51);

    // What goes before it is released need not be told at all; what changes is told as it is then.
    stage.clock.advance(Duration::from_mins(1));
    portal.run("DELETE FROM #__content WHERE id = 200").await;
    portal.run("UPDATE #__content SET introtext = '<p>Sửa tb201q.</p>' WHERE id = 201").await;
    stage.poll().await.expect("a poll");
    assert!(stage.quiet().await.mails.is_empty());
    assert_eq!(stage.store.held("portal").await.expect("a count"), 50);

    stage.clock.advance(Duration::from_mins(1));
    assert_eq!(stage.ingest.release("portal").await.expect("a release"), 50);
    stage.spread().await;
    let sent = stage.quiet().await;
    let told: Vec<i64> = sent.mails.iter().flat_map(|(_, mail)| named(mail, &(100..260).collect())).collect();
    assert_eq!((told.len(), told.into_iter().collect::<BTreeSet<_>>()), (50, (201..251).collect()));
    assert_eq!(sent.events.iter().filter(|event| event.body.contains("article.published")).count(), 50);
    stage.clock.advance(Duration::from_mins(1));
    assert_eq!(stage.ingest.release("portal").await.expect("a release"), 0);
    stage.poll().await.expect("a poll");
    assert!(stage.quiet().await.mails.is_empty());
}

#[tokio::test]
async fn a_mass_that_vanishes_is_kept_for_two_polls_unless_its_category_was_hidden() {
    let test = "portal::rules::a_mass_that_vanishes_is_kept_for_two_polls_unless_its_category_was_hidden";
    let Some((portal, stage)) = begin(3, Engine::Postgres, test).await else { return };
    portal.run(&copies(&portal, 200..251, 90, "2021-11-22 08:00:00")).await;
    stage.poll().await.expect("a poll");
    stage.ingest.release("portal").await.expect("a release");
    stage.spread().await;
    stage.quiet().await;

    // 53 of 63 articles are in it: hidden is hidden, at once; and shown again they are no flood.
    stage.clock.advance(Duration::from_mins(1));
    portal.run("UPDATE #__categories SET published = 0 WHERE id = 12").await;
    let report = stage.poll().await.expect("a poll");
    assert_eq!((report.applied.withdrawn, report.kept), (53, 0), "{report:?}");
    assert!(stage.shown().await.is_disjoint(&(200..251).collect()));
    stage.clock.advance(Duration::from_mins(1));
    portal.run("UPDATE #__categories SET published = 1 WHERE id = 12").await;
    let report = stage.poll().await.expect("a poll");
    assert_eq!((report.applied.published, report.held), (53, false), "{report:?}");
    assert!(stage.quiet().await.mails.is_empty());

    // The same articles without a cause: a restored dump, a lost grant.
    portal.run("UPDATE #__content SET state = 9 WHERE id >= 200").await;
    portal.run("UPDATE #__content SET state = 0 WHERE id = 100").await;
    for _ in 0..2 {
        stage.clock.advance(Duration::from_mins(1));
        let report = stage.poll().await.expect("a poll");
        assert_eq!((report.applied.withdrawn, report.kept), (0, 52), "{report:?}");
        assert!(stage.shown().await.contains(&250));
    }
    stage.clock.advance(Duration::from_mins(1));
    let report = stage.poll().await.expect("a poll");
    assert_eq!((report.applied.withdrawn, report.kept), (52, 0), "{report:?}");
    let seen: BTreeSet<i64> = visible(&portal, stage.clock.now()).await.into_keys().collect();
    assert_eq!(stage.shown().await, seen);
}

#[tokio::test]
async fn feeds_are_in_the_order_in_which_a_visitor_could_first_read() {
    let test = "portal::rules::feeds_are_in_the_order_in_which_a_visitor_could_first_read";
    let Some((portal, stage)) = begin(5, Engine::Postgres, test).await else { return };
    portal.run(&copies(&portal, 200..201, 13, "2026-11-22 20:00:00")).await;
    stage.poll().await.expect("a poll");
    stage.clock.advance(Duration::from_mins(1));
    // Dated before 200 but seen after it; two of one poll go by their own dates; one of 2021 is no news.
    portal.run(&copies(&portal, 201..202, 13, "2026-11-22 19:00:00")).await;
    portal.run(&copies(&portal, 202..203, 13, "2026-11-22 08:00:00")).await;
    portal.run(&copies(&portal, 203..204, 13, "2021-11-24 08:00:00")).await;
    stage.poll().await.expect("a poll");
    let feed = &stage.feeds().await["giai-phong-mien-nam"];
    assert_eq!(feed.ids, [201, 202, 200, 203, 130, 119]);
    let told: BTreeSet<i64> =
        stage.quiet().await.mails.iter().flat_map(|(_, mail)| named(mail, &(100..260).collect())).collect();
    assert_eq!(told, BTreeSet::from([200, 201, 202]));
}

#[tokio::test]
async fn links_hang_on_the_root_of_a_portal_in_a_folder_and_tag_and_byline_stay_in_the_text() {
    let test = "portal::rules::links_hang_on_the_root_of_a_portal_in_a_folder_and_tag_and_byline_stay_in_the_text";
    let Some(portal) = Portal::new(3, Engine::MariaDb, test).await else { return };
    let text = "<p>(TUAG)- Sáng nay, <a href=\"tin/mot\">một</a>, <a href=\"/hai\">hai</a>, \
                <a href=\"#ba\">ba</a>.</p><p><img src=\"images/a b.jpg\" alt=\"Ảnh\"></p>\
                <p style=\"text-align: right\"><strong>Trúc Linh</strong></p>";
    portal.run(&format!("UPDATE #__content SET introtext = '{text}' WHERE id = 119")).await;
    let settings =
        format!("kind = \"joomla\"\nurl = \"{}\"\nsite_url = \"https://tinhuy.example.vn/portal\"", portal.db.url);
    let settings = toml::from_str::<Settings>(&settings).expect("settings");
    let source = AnySource::open("portal", settings).expect("a source");
    let stage = Stage::build(source, Keep::Sqlite, test).await.expect("a stage");
    stage.poll().await.expect("a poll");
    let feeds = stage.feeds().await;
    let feed = &feeds["giai-phong-mien-nam"];
    let base = "https://tinhuy.example.vn/portal/";
    assert_eq!(feed.links[&119], format!("{base}index.php?option=com_content&view=article&id=119"));
    let json: serde_json::Value = serde_json::from_str(&feed.texts[2]).expect("JSON");
    let item = json["items"]
        .as_array()
        .expect("items")
        .iter()
        .find(|item| item["id"].as_str().is_some_and(|id| id.ends_with("/119")));
    let item = item.expect("the article");
    let html = item["content_html"].as_str().expect("HTML");
    for part in [
        "(TUAG)- Sáng nay".to_owned(),
        format!("href=\"{base}tin/mot\""),
        "href=\"https://tinhuy.example.vn/hai\"".to_owned(),
        format!("src=\"{base}images/a%20b.jpg\""),
        "<strong>Trúc Linh</strong>".to_owned(),
    ] {
        assert!(html.contains(&part), "{part}: {html}");
    }
    assert!(!html.contains("style=") && !html.contains("#ba"), "{html}");
    assert_eq!(item["image"].as_str(), Some(format!("{base}images/a%20b.jpg").as_str()));
    let stored = stage.store.find_article("119").await.expect("a store").expect("an article").article;
    assert_eq!(stored.agency.as_deref(), Some("TUAG"));
    assert!(stored.summary.starts_with("(TUAG)- Sáng nay, một, hai, ba."), "{}", &*stored.summary);
}

#[tokio::test]
async fn an_article_of_which_nothing_is_left_goes_from_the_feeds() {
    let test = "portal::rules::an_article_of_which_nothing_is_left_goes_from_the_feeds";
    let Some((portal, stage)) = begin(3, Engine::Postgres, test).await else { return };
    portal.run("UPDATE #__content SET title = ' ', introtext = '<p>&nbsp;</p>' WHERE id = 119").await;
    let report = stage.poll().await.expect("a poll");
    assert_eq!((report.applied.withdrawn, report.faults.len()), (1, 1), "{report:?}");
    assert!(report.faults[0].contains("119") && report.faults[0].contains("neither a title nor text"), "{report:?}");
    assert!(!stage.shown().await.contains(&119));
    stage.clock.advance(Duration::from_mins(1));
    let report = stage.poll().await.expect("a poll");
    assert_eq!((report.applied.withdrawn, report.faults.len()), (0, 1), "it is told, and it stays away: {report:?}");
    portal.run("UPDATE #__content SET title = 'Trở lại td119q' WHERE id = 119").await;
    stage.clock.advance(Duration::from_mins(1));
    assert_eq!(stage.poll().await.expect("a poll").applied.published, 1);
    assert_eq!(stage.feeds().await["tat-ca"].titles[&119], "Trở lại td119q");
}

#[tokio::test]
async fn a_mass_of_articles_that_lose_their_text_is_kept_for_two_polls_as_one_that_vanishes() {
    let test = "portal::rules::a_mass_of_articles_that_lose_their_text_is_kept_for_two_polls_as_one_that_vanishes";
    let Some((portal, stage)) = begin(5, Engine::MariaDb, test).await else { return };
    portal.run(&copies(&portal, 200..251, 90, "2021-11-22 08:00:00")).await;
    stage.poll().await.expect("a poll");
    // An upgrade that went wrong half way.
    portal.run("UPDATE #__content SET title = '', introtext = '' WHERE id >= 200").await;
    for _ in 0..2 {
        stage.clock.advance(Duration::from_mins(1));
        let report = stage.poll().await.expect("a poll");
        assert_eq!((report.applied.withdrawn, report.kept, report.faults.len()), (0, 51, 51), "{report:?}");
        assert!(stage.shown().await.contains(&250));
    }
    stage.clock.advance(Duration::from_mins(1));
    let report = stage.poll().await.expect("a poll");
    assert_eq!((report.applied.withdrawn, report.kept), (51, 0), "{report:?}");
}

#[tokio::test]
async fn a_feed_that_comes_back_holds_what_came_while_it_was_away_and_tells_nobody() {
    let test = "portal::rules::a_feed_that_comes_back_holds_what_came_while_it_was_away_and_tells_nobody";
    let Some((portal, stage)) = begin(5, Engine::Postgres, test).await else { return };
    let (all, _) = feed_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("feeds"));
    let without: Vec<_> = all.iter().filter(|spec| spec.slug != "tat-ca").cloned().collect();
    stage.ingest.declare(FeedOrigin::File, &without).await.expect("feeds");
    portal.run("UPDATE #__content SET state = 1 WHERE id = 103").await;
    portal.run("UPDATE #__content SET state = 0 WHERE id = 100").await;
    stage.poll().await.expect("a poll");
    stage.clock.advance(Duration::from_mins(1));
    stage.ingest.declare(FeedOrigin::File, &all).await.expect("feeds");
    stage.poll().await.expect("a poll");
    let seen: BTreeSet<i64> = visible(&portal, stage.clock.now()).await.into_keys().collect();
    assert!(seen.contains(&103));
    assert_eq!(stage.feeds().await["tat-ca"].ids.iter().copied().collect::<BTreeSet<_>>(), seen);
    assert!(stage.quiet().await.mails.is_empty());
}

#[tokio::test]
async fn another_spelling_of_a_category_reaches_the_articles_of_a_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |id: i64, category: &str| {
        let text = format!("---\ntitle: Tin {id}\npublished: 2026-11-22 08:00\ncategory: {category}\n---\nLời.\n");
        std::fs::write(folder.path().join(format!("{id}.md")), text).expect("a file");
    };
    write(1, "Tin Tức");
    write(2, "Tin tức");
    let settings =
        format!("kind = \"folder\"\npath = \"{}\"\nsite_url = \"https://a.example.vn\"", folder.path().display());
    let source = AnySource::open("portal", toml::from_str::<Settings>(&settings).expect("settings"));
    let stage = Stage::build(source.expect("a source"), Keep::Sqlite, "").await.expect("a stage");
    stage.poll().await.expect("a poll");
    let category = |text: &str| text.matches(">Tin Tức<").count() + text.matches("label=\"Tin Tức\"").count();
    assert!(stage.feeds().await["tat-ca"].texts.iter().any(|text| category(text) > 0));
    stage.clock.advance(Duration::from_mins(1));
    std::fs::remove_file(folder.path().join("1.md")).expect("a file");
    let report = stage.poll().await.expect("a poll");
    assert_eq!((report.applied.withdrawn, report.applied.revised), (1, 1), "{report:?}");
    assert!(stage.feeds().await["tat-ca"].texts.iter().all(|text| category(text) == 0));
}
