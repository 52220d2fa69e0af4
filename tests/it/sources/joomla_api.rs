//! Joomla's web services over real HTTP: what a guest may see out of all that a token sees, and every fault of the interface.

mod portal;

use std::collections::BTreeSet;

use loa::clock::Timestamp;
use loa::domain::roll::Roll;
use loa::source::{AnySource, Ask, Depth, Reach, Source, SourceError};
use serde_json::json;

use self::portal::{Folder, Portal, Row, TOKEN, error};
use super::reader::{Moved, Reader};
use super::web_server::Reply;
use super::{at, ids, next_flip, one, open, set};
use crate::portal::stage::{Keep, Stage};

fn now() -> Timestamp {
    at("2026-11-23T00:00:00Z")
}

fn source_as(portal: &Portal, more: &str) -> AnySource {
    open(&format!(
        "kind = \"joomla-api\"\nurl = \"{}\"\ntoken = \"{TOKEN}\"\nallow = [\"127.0.0.1/32\"]\n\
         site_url = \"https://portal.example.vn\"\n{more}",
        portal.web.url("/")
    ))
    .expect("a source")
}

fn reader(portal: &Portal) -> Reader {
    Reader::new(source_as(portal, ""), now())
}

/// A portal of so many public articles.
async fn portal_of(count: i64) -> Portal {
    let portal = Portal::start().await;
    portal.add((1..=count).map(|id| Row::new(id, 10)));
    portal
}

/// Too large to be read whole at every sweep.
const LARGE: i64 = 420;

#[tokio::test]
async fn of_all_that_the_token_sees_a_scan_gives_exactly_what_a_guest_may_see() {
    let portal = Portal::start().await;
    for (id, parent, published, access) in [
        (20, 1, 0, 1),  // unpublished
        (21, 20, 1, 1), // published below it
        (22, 1, 2, 1),  // archived: in no list
        (23, 1, -2, 1), // in the trash: in no list
        (24, 1, 1, 2),  // for registered users
        (25, 24, 1, 1), // public below it
        (26, 1, 1, 5),  // for guests
    ] {
        portal.edit().folders.insert(id, Folder { published, access, ..Folder::new(id, parent) });
    }
    let row = |id, change: fn(&mut Row)| {
        let mut row = Row::new(id, 10);
        change(&mut row);
        row
    };
    portal.add([
        row(1, |_| {}),
        row(2, |row| row.state = 0),
        row(3, |row| row.state = 2),
        row(4, |row| row.state = -2),
        row(5, |row| row.access = 2),
        row(6, |row| row.access = 3),
        row(7, |row| row.access = 5),
        row(8, |row| row.up = None),
        row(9, |row| row.up = Some("0000-00-00 00:00:00")),
        row(10, |row| row.up = Some("2026-11-23 00:00:00")),
        row(11, |row| row.up = Some("2026-11-23 00:00:01")),
        row(12, |row| row.down = Some("2026-11-22 23:59:59")),
        row(13, |row| row.down = Some("2026-11-23 00:00:00")),
        row(14, |row| row.down = Some("0000-00-00 00:00:00")),
        row(15, |row| row.category = 20),
        row(16, |row| row.category = 21),
        row(17, |row| row.category = 22),
        row(18, |row| row.category = 23),
        row(19, |row| row.category = 24),
        row(20, |row| row.category = 25),
        row(21, |row| row.category = 26),
        row(22, |row| row.category = 999),
        row(23, |row| row.category = 11),
        row(24, |row| row.language = "en-GB"),
    ]);
    let scan = source_as(&portal, "").scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!(ids(&scan), set([1, 7, 8, 9, 10, 13, 14, 21, 23, 24]));
    assert!(scan.reach == Reach::Whole && scan.faults.is_empty() && scan.categories_hide);
    let categories: BTreeSet<String> = scan.categories.iter().flatten().map(|c| c.external_id.clone()).collect();
    assert_eq!(categories, set([10, 11, 26]));
    let flips: Vec<&str> = scan.flips.iter().map(|flip| flip.external_id.as_str()).collect();
    assert_eq!((flips, next_flip(&scan)), (vec!["11", "13"], Some(at("2026-11-23T00:00:01Z"))));

    let source = source_as(&portal, "language = \"vi-VN\"");
    source.scan(&Ask::first(now())).await.expect("a scan");
    let census = source.census(now()).await.expect("a census");
    let hidden: Vec<(&str, usize)> =
        census.hidden.iter().map(|hidden| (hidden.reason.as_str(), hidden.count)).collect();
    assert_eq!(
        hidden,
        [
            ("unpublished", 1),
            ("archived", 1),
            ("in the trash", 1),
            ("for an access level that guests do not have", 2),
            ("in a category that guests do not see", 7),
            ("in another language than `language` says", 1),
            ("past the time in `publish_down`", 1),
            ("waiting for the time in `publish_up`", 1),
        ]
    );
    assert_eq!(census.hidden[3].examples, ["5: Bài 5", "6: Bài 6"]);
    assert_eq!(census.by_category.expect("counts")["10"], 7);

    let scan = source_as(&portal, "language = \"vi-VN\"").scan(&Ask::first(now())).await.expect("a scan");
    assert!(!ids(&scan).contains("24") && ids(&scan).contains("1"));
    let scan = source_as(&portal, "guest_levels = [1, 2]").scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!(ids(&scan), set([1, 5, 8, 9, 10, 13, 14, 19, 20, 23, 24]));
    for asked in portal.web.asked() {
        assert_eq!(asked.header("accept"), Some("application/vnd.api+json"), "{}", asked.path);
        assert_eq!((asked.method.as_str(), asked.header("x-joomla-token")), ("GET", Some(TOKEN)));
        assert!(!asked.path.contains("bi-mat") && asked.path != "/robots.txt", "{}", asked.path);
    }
}

/// Every kind of edit, each seen by the next poll.
async fn edits(portal: Portal, depth: Depth, old: i64) {
    let mut reader = reader(&portal);
    reader.poll(Depth::Sweep).await.expect("a first poll");
    assert!(reader.public().contains(&old.to_string()));
    let new = old + 10_000;
    macro_rules! step {
        ($edit:expr => $moved:expr) => {{
            ($edit)(&mut *portal.edit());
            reader.now = Timestamp(reader.now.0 + 60_000);
            let moved = reader.poll(depth).await.expect("a poll");
            assert_eq!(moved, $moved, "{}", stringify!($edit));
        }};
    }
    step!(|_: &mut portal::Content| {} => Moved::default());
    portal
        .add([Row { state: 0, ..Row::new(new, 10) }, Row { up: Some("2026-11-23 00:10:00"), ..Row::new(new + 1, 10) }]);
    step!(|_: &mut portal::Content| {} => Moved::default());
    step!(|c: &mut portal::Content| c.row(new).state = 1 => Moved::new(&[new]));
    step!(|c: &mut portal::Content| c.row(new).state = 0 => Moved::gone(&[new]));
    step!(|c: &mut portal::Content| c.row(new).state = 1 => Moved::new(&[new]));
    step!(|c: &mut portal::Content| c.row(new).state = 2 => Moved::gone(&[new]));
    step!(|c: &mut portal::Content| c.row(new).state = 1 => Moved::new(&[new]));
    step!(|c: &mut portal::Content| c.row(new).state = -2 => Moved::gone(&[new]));
    step!(|c: &mut portal::Content| c.row(new).state = 1 => Moved::new(&[new]));
    // The time of the second came in the meantime, or comes now.
    reader.now = at("2026-11-23T00:10:00Z");
    reader.now.0 -= 60_000;
    step!(|_: &mut portal::Content| {} => Moved::new(&[new + 1]));
    step!(|c: &mut portal::Content| drop(c.rows.remove(&(new + 1))) => Moved::gone(&[new + 1]));
    step!(|c: &mut portal::Content| c.row(new).access = 2 => Moved::gone(&[new]));
    step!(|c: &mut portal::Content| c.row(new).access = 1 => Moved::new(&[new]));
    step!(|c: &mut portal::Content| c.row(new).category = 11 => Moved::changed(&[new]));
    step!(|c: &mut portal::Content| c.row(new).title = "Tên mới".into() => Moved::changed(&[new]));
    step!(|c: &mut portal::Content| c.row(new).full = "<p>Khác.</p>".into() => Moved::changed(&[new]));
    step!(|c: &mut portal::Content| c.row(new).down = Some("2026-11-23 00:00:00") => Moved::gone(&[new]));
    step!(|c: &mut portal::Content| c.row(new).down = None => Moved::new(&[new]));
    // A category hides what is in it and below it, and shows it again.
    step!(|c: &mut portal::Content| c.folder(11).published = 0 => Moved::gone(&[new]));
    step!(|c: &mut portal::Content| c.folder(11).published = 1 => Moved::new(&[new]));
    step!(|c: &mut portal::Content| c.folder(11).access = 2 => Moved::gone(&[new]));
    step!(|c: &mut portal::Content| c.folder(11).access = 1 => Moved::new(&[new]));
    step!(|c: &mut portal::Content| c.folder(11).title = "Đề mục mới".into() => Moved::changed(&[new]));
    // An old article is edited, which moves its date of modification.
    step!(|c: &mut portal::Content| {
        c.row(old).title = "Tên mới".into();
        c.row(old).modified = "2026-11-23 00:30:00".into();
    } => Moved::changed(&[old]));
    assert!(reader.scan.faults.is_empty());
}

#[tokio::test]
async fn every_edit_is_seen_by_the_next_sweep() {
    edits(portal_of(30).await, Depth::Sweep, 1).await;
}

#[tokio::test]
async fn every_edit_of_a_new_article_is_seen_by_the_next_hot_scan_of_a_large_portal() {
    edits(portal_of(LARGE).await, Depth::Hot, 1).await;
}

#[tokio::test]
async fn every_edit_is_seen_by_a_sweep_of_a_large_portal_that_is_answered_from_memory() {
    edits(portal_of(LARGE).await, Depth::Sweep, 1).await;
}

#[tokio::test]
async fn an_old_article_that_goes_without_a_trace_is_found_in_its_turn() {
    let portal = portal_of(LARGE).await;
    let mut reader = reader(&portal);
    reader.poll(Depth::Sweep).await.expect("a first poll");
    portal.edit().row(7).state = 0;
    let mut polls = 0;
    loop {
        let moved = reader.poll(Depth::Hot).await.expect("a poll");
        polls += 1;
        if moved != Moved::default() {
            assert_eq!(moved, Moved::gone(&[7]));
            break;
        }
        assert!(polls < 20, "it is not found");
    }
    assert!(portal.asked_singly() <= polls * 30, "{} calls in {polls} polls", portal.asked_singly());
}

#[tokio::test]
async fn a_large_portal_is_read_whole_once_in_the_given_time_however_often_it_is_swept() {
    let portal = portal_of(LARGE).await;
    let mut reader = reader(&portal);
    reader.poll(Depth::Sweep).await.expect("a first poll");
    let whole = portal.asked("content/articles");
    assert_eq!(whole, 6, "five pages that lap over each other take six calls");
    for _ in 0..3 {
        reader.now.0 += 60_000;
        reader.poll(Depth::Sweep).await.expect("a sweep");
        assert!(matches!(reader.scan.reach, Reach::Only(_)));
        assert_eq!(reader.scan.articles.len(), 420, "all is told again, from memory");
    }
    assert_eq!(portal.asked("content/articles"), whole + 3 * 2);
    reader.now.0 += 3_600_000;
    reader.poll(Depth::Hot).await.expect("a poll that goes deeper by itself");
    assert_eq!(reader.scan.reach, Reach::Whole);
}

#[tokio::test]
async fn rows_that_shift_while_pages_are_turned_are_neither_lost_nor_doubled() {
    let portal = portal_of(LARGE).await;
    let mut reader = reader(&portal);
    // Before the second page the first rows go and some come, before the third more; before the last, what was read.
    portal.edit().shifts.extend([
        Box::new(|_: &mut portal::Content| {}) as Box<dyn FnOnce(&mut portal::Content) + Send>,
        Box::new(|c| (1..=5).for_each(|id| c.row(id).state = 0)),
        Box::new(|c| (250..=340).for_each(|id| c.row(id).state = -2)),
        Box::new(|c| (250..=255).for_each(|id| c.row(id).state = 1)),
        Box::new(|c| (1..=120).for_each(|id| drop(c.rows.remove(&id)))),
    ]);
    reader.poll(Depth::Sweep).await.expect("a poll");
    assert!(portal.edit().shifts.is_empty());
    let public = reader.public();
    for id in (121..250).chain(341..=420) {
        assert!(public.contains(&id.to_string()), "{id} was public all the time and is not in the scan");
    }
    // What went after its page was read is found by the next reading.
    reader.now.0 += 3_600_000;
    reader.poll(Depth::Sweep).await.expect("a poll");
    assert_eq!(reader.public(), set((121..=255).chain(341..=420)));
}

#[tokio::test]
async fn a_list_that_never_stands_still_concludes_nothing() {
    let portal = portal_of(LARGE).await;
    let mut reader = reader(&portal);
    reader.poll(Depth::Sweep).await.expect("a first poll");
    for turn in 0..200_i64 {
        let shift = move |c: &mut portal::Content| {
            let first: Vec<i64> = c.rows.keys().take(150).copied().collect();
            for id in first {
                c.rows.remove(&id);
                c.add(Row::new(1_000 + turn * 1_000 + id % 1_000, 10));
            }
        };
        portal.edit().shifts.push_back(Box::new(shift));
    }
    reader.now.0 += 3_600_000;
    let moved = reader.poll(Depth::Sweep).await.expect("a poll");
    assert_eq!((moved.gone, &reader.scan.reach), (Vec::new(), &Reach::Part));
}

#[tokio::test]
async fn a_row_without_a_workflow_is_in_no_list_and_is_not_gone() {
    let portal = portal_of(30).await;
    let mut reader = reader(&portal);
    reader.poll(Depth::Sweep).await.expect("a first poll");
    portal.edit().row(7).workflow = false;
    portal.edit().row(8).workflow = false;
    assert_eq!(reader.poll(Depth::Sweep).await.expect("a sweep"), Moved::default());
    assert_eq!(reader.poll(Depth::Hot).await.expect("a hot scan"), Moved::default());
    assert_eq!(reader.scan.reach, Reach::Only(set(1..=30)));
    portal.edit().row(7).state = 0;
    assert_eq!(reader.poll(Depth::Sweep).await.expect("a sweep"), Moved::gone(&[7]));
    portal.edit().row(8).title = "Khác".into();
    assert_eq!(reader.poll(Depth::Hot).await.expect("a hot scan"), Moved::changed(&[8]));
}

#[tokio::test]
async fn an_error_document_under_a_status_of_success_is_no_proof_that_anything_went() {
    let portal = portal_of(30).await;
    let mut reader = reader(&portal);
    reader.poll(Depth::Sweep).await.expect("a first poll");
    let odd = Reply::page("application/xml", r#"{"errors":[{"title":"Resource not found","code":404}]}"#);
    portal.edit().instead.insert("content/articles".into(), odd.clone());
    let error = reader.poll(Depth::Sweep).await.expect_err("no list");
    assert!(matches!(error, SourceError::Unreachable(_)) && error.to_string().contains("404"), "{error}");
    portal.edit().instead.clear();

    portal.edit().row(7).workflow = false;
    portal.edit().instead.insert("content/articles/7".into(), odd);
    assert_eq!(reader.poll(Depth::Sweep).await.expect("a poll"), Moved::default());
    assert_eq!(reader.scan.faults.len(), 1);
    assert!(reader.scan.faults[0].message.contains("articles/7"), "{}", reader.scan.faults[0].message);
}

#[tokio::test]
async fn what_is_no_list_of_articles_is_told_with_a_remedy_and_without_the_token() {
    let portal = portal_of(3).await;
    let login = Reply::html("<!doctype html><html><title>Đăng nhập</title></html>");
    let home = Reply::page("application/vnd.api+json", "{\"data\": nul");
    let rowless = json!({"data": [{"type": "articles", "id": "x", "attributes": {}}], "meta": {"total-pages": 1}});
    for (reply, remedy, refused) in [
        (error(401, "Forbidden"), "token", true),
        (error(403, "Forbidden"), "token", true),
        (error(404, "Resource not found"), "Web Services - Content", false),
        (error(406, "Could not match accept header"), "next poll", false),
        (error(500, "Unknown column"), "next poll", false),
        (login, "Web Services - Content", false),
        (home, "next poll", false),
        (Reply::page("application/vnd.api+json", rowless.to_string()), "next poll", false),
    ] {
        portal.edit().instead.insert("content/articles".into(), reply);
        let error = source_as(&portal, "").scan(&Ask::first(now())).await.expect_err("no articles");
        let message = error.to_string();
        assert!(message.starts_with("source `portal`: ") && message.contains(remedy), "{message}");
        assert_eq!(matches!(error, SourceError::Refused(_)), refused, "{message}");
        assert!(!message.contains(TOKEN), "{message}");
    }
    let rest = error(429, "Too many requests").header("retry-after", "120");
    portal.edit().instead.insert("content/articles".into(), rest);
    let error = source_as(&portal, "").scan(&Ask::first(now())).await.expect_err("asked to wait");
    assert!(matches!(error, SourceError::Wait(_, until) if until == at("2026-11-23T00:02:00Z")), "{error}");

    // Another token, the same story.
    let wrong = portal.web.url("/");
    let wrong = format!("kind = \"joomla-api\"\nurl = \"{wrong}\"\ntoken = \"giả\"");
    assert!(matches!(open(&wrong), Err(SourceError::Schema(message)) if !message.contains("giả")));
}

#[tokio::test]
async fn a_row_without_what_decides_about_it_is_a_fault_and_neither_shown_nor_gone() {
    let portal = portal_of(3).await;
    let mut reader = reader(&portal);
    reader.poll(Depth::Sweep).await.expect("a first poll");
    let row = json!({
        "type": "articles", "id": "2", "attributes": {"title": "Bài", "state": 1, "access": 1},
        "relationships": {"category": {"data": {"type": "categories", "id": "10"}}},
    });
    let list = json!({"data": [row], "meta": {"total-pages": 1}, "links": {}});
    portal.edit().instead.insert("content/articles".into(), Reply::page("application/vnd.api+json", list.to_string()));
    portal.edit().rows.remove(&3);
    assert_eq!(reader.poll(Depth::Sweep).await.expect("a poll"), Moved::gone(&[3]));
    assert!(reader.scan.faults[0].message.contains("publish_up"), "{:?}", reader.scan.faults);
}

#[tokio::test]
async fn a_fetched_article_is_what_the_editor_wrote() {
    let portal = Portal::start().await;
    portal.edit().tags.extend([(3, (1, 1)), (4, (0, 1)), (5, (1, 2)), (6, (1, 5)), (7, (2, 1))]);
    let images = json!({
        "image_intro": "https://portal.example.vn/images/hoi nghi.jpg#joomlaImage://local-images/hoi nghi.jpg?width=800&height=600",
        "image_intro_alt": "Hội trường",
    });
    portal.add([
        Row {
            intro: "<p>(TUAG)- Lời dẫn.{loadposition banner}</p>".into(),
            full: "<hr class=\"system-pagebreak\" title=\"Hai\"><p>Nội dung.</p>".into(),
            images,
            tags: vec![3, 4, 5, 6, 7],
            language: "vi-VN",
            up: Some("2021-11-23 07:05:00"),
            ..Row::new(1, 11)
        },
        Row { author_alias: "Văn An", up: None, ..Row::new(2, 10) },
        Row { author: 77, ..Row::new(3, 10) },
    ]);
    let mut reader = Reader::new(source_as(&portal, "link = \"{base}{cat_path}/{id}-{alias}\""), now());
    reader.poll(Depth::Sweep).await.expect("a poll");
    let article = reader.article(1).await;
    assert_eq!(article.url, "https://portal.example.vn/de-muc-10/de-muc-11/1-bai-1");
    assert_eq!(article.base.as_ref().map(url::Url::as_str), Some("https://portal.example.vn/"));
    assert_eq!(article.content_html, "<p>(TUAG)- Lời dẫn.</p> <p>Nội dung.</p>");
    assert_eq!((article.title.as_str(), article.language.as_str()), ("Bài 1", "vi-VN"));
    assert_eq!(
        (article.authors, article.tags),
        (vec!["Trúc Linh".to_owned()], vec!["Thẻ 3".to_owned(), "Thẻ 6".to_owned()])
    );
    assert_eq!(article.categories, ["11", "10"]);
    assert_eq!(article.published, at("2021-11-23T07:05:00Z"));
    let image = article.image.expect("a picture");
    assert_eq!(
        (image.url.as_str(), image.width, image.alt.as_str()),
        ("https://portal.example.vn/images/hoi nghi.jpg", Some(800), "Hội trường")
    );
    let second = reader.article(2).await;
    assert_eq!((second.authors, second.published), (vec!["Văn An".to_owned()], at("2026-10-31T00:00:00Z")));
    assert_eq!(reader.article(3).await.authors, Vec::<String>::new(), "its author's account is gone");
    portal.edit().row(1).state = 0;
    assert!(reader.source.fetch(&set([1, 99]), now()).await.expect("a fetch").articles.is_empty());
    assert_eq!(one(reader.source.fetch(&set([1, 2]), now()).await.expect("a fetch")).external_id, "2");
}

#[tokio::test]
async fn what_does_not_fit_into_memory_is_fetched_by_pages_and_not_one_by_one() {
    let portal = portal_of(0).await;
    let long = "chữ ".repeat(9_000);
    portal.add((1..=250).map(|id| Row { full: format!("<p>{long}</p>"), ..Row::new(id, 10) }));
    let mut reader = reader(&portal);
    let moved = reader.poll(Depth::Sweep).await.expect("a first poll");
    assert_eq!(moved.new.len(), 250);
    assert!(portal.asked_singly() < 4, "{}", portal.asked_singly());
}

#[tokio::test]
async fn the_levels_of_guests_are_those_that_the_portal_says_and_else_the_usual_which_is_told() {
    let portal = portal_of(1).await;
    portal.add([Row { access: 7, ..Row::new(2, 10) }, Row { access: 5, ..Row::new(3, 10) }]);
    let source = source_as(&portal, "");
    let found = source.describe().await.expect("a description").found;
    assert!(found.contains("3 published articles, 2 public categories, guest levels 1, 5"), "{found}");
    assert!(found.contains("may not read the levels"), "{found}");
    assert_eq!(ids(&source.scan(&Ask::first(now())).await.expect("a scan")), set([1, 3]));

    portal.edit().levels = Some([(1, "[1]"), (2, "[6,2,8]"), (7, "[\"9\"]"), (5, "[2]")].into());
    let source = source_as(&portal, "");
    let found = source.describe().await.expect("a description").found;
    assert!(found.contains("guest levels 1, 7 (as the portal says)"), "{found}");
    let mut reader = Reader::new(source, now());
    reader.poll(Depth::Sweep).await.expect("a poll");
    assert_eq!(reader.public(), set([1, 2]));
    // To go on with the usual levels would hide and show articles that nobody touched.
    portal.edit().levels = None;
    reader.now.0 += 3_600_000;
    let error = reader.poll(Depth::Sweep).await.expect_err("the levels are hidden");
    assert!(matches!(error, SourceError::Refused(_)) && error.to_string().contains("guest_levels"), "{error}");
}

#[tokio::test]
async fn a_token_that_may_read_no_account_gives_articles_without_names() {
    let portal = portal_of(2).await;
    portal.edit().instead.insert("users/42".into(), error(403, "Forbidden"));
    let mut reader = reader(&portal);
    assert_eq!(reader.poll(Depth::Sweep).await.expect("a poll"), Moved::new(&[1, 2]));
    assert!(reader.article(1).await.authors.is_empty());
    assert_eq!(portal.asked("users/42"), 1, "one refusal is enough");
}

#[tokio::test]
async fn a_poll_that_failed_half_way_is_made_again_and_loses_nothing() {
    let portal = portal_of(LARGE).await;
    let mut reader = reader(&portal);
    reader.poll(Depth::Sweep).await.expect("a first poll");
    portal.add([Row::new(900, 10)]);
    portal.edit().row(420).state = 0;
    portal.edit().row(5).category = 999;
    reader.now.0 += 3_600_000;
    // The walk is made, and whoever asked forgets it.
    let known: Roll = reader.public().into_iter().map(|id| (id, "")).collect();
    let ask = Ask { now: reader.now, known: known.public(), ..Ask::first(reader.now) };
    assert_eq!(reader.source.scan(&ask).await.expect("a scan").reach, Reach::Whole);
    reader.now.0 += 60_000;
    let moved = reader.poll(Depth::Sweep).await.expect("a poll");
    assert_eq!(moved, Moved { new: vec![900], gone: vec![5, 420], changed: Vec::new() });
}

#[test]
fn a_setting_that_cannot_be_right_is_refused_with_a_remedy_and_the_token_never_shows() {
    let good = format!("kind = \"joomla-api\"\nurl = \"https://portal.example.vn/tin\"\ntoken = \"{TOKEN}\"\n");
    let shown = format!("{:?} {:?}", toml::from_str::<loa::source::Settings>(&good), open(&good));
    assert!(!shown.contains(TOKEN) && shown.contains("https://portal.example.vn/tin/api/index.php/v1/"), "{shown}");
    for (wrong, remedy) in [
        (good.replace("https:", "ftp:"), "https://"),
        (good.replace(TOKEN, ""), "Joomla API Token"),
        (good.replace(TOKEN, "a b"), "Joomla API Token"),
        (format!("{good}link = \"{{base}}{{slug}}\""), "{id}"),
        (format!("{good}link = \"{{base}}{{menu_path}}/{{id}}\""), "{id}"),
        (format!("{good}guest_levels = []"), "[1]"),
        (format!("{good}full_walk = \"soon\""), "30m"),
        (format!("{good}full_walk = \"5s\""), "one minute"),
        (format!("{good}allow = [\"0.0.0.0/0\"]"), "10.20.0.9/32"),
        (format!("{good}pause = 600"), "seconds"),
    ] {
        let Err(SourceError::Schema(message)) = open(&wrong) else { panic!("{wrong} was accepted") };
        assert!(message.starts_with("source `portal`: ") && message.contains(remedy), "{message}");
        assert!(!message.contains(TOKEN), "{message}");
    }
    assert!(toml::from_str::<loa::source::Settings>(&format!("{good}robots = true")).is_err());
}

#[tokio::test]
async fn a_portal_is_polled_as_a_whole_from_its_baseline_to_an_edit_and_a_withdrawal() {
    let portal = portal_of(12).await;
    let stage = Stage::build(source_as(&portal, ""), Keep::Sqlite, "joomla_api").await.expect("a stage");
    let report = stage.poll().await.expect("a baseline");
    assert_eq!((report.applied.baseline, report.faults.len(), report.partial), (12, 0, false));
    portal.add([Row { up: Some("2026-11-23 00:00:00"), ..Row::new(13, 11) }]);
    portal.edit().row(1).state = 0;
    portal.edit().row(2).title = "Tên mới".into();
    stage.clock.advance(std::time::Duration::from_mins(1));
    let applied = stage.poll().await.expect("a poll").applied;
    assert_eq!((applied.published, applied.revised, applied.withdrawn), (1, 1, 1));
    stage.clock.advance(std::time::Duration::from_mins(1));
    let applied = stage.poll().await.expect("a poll").applied;
    assert_eq!((applied.published, applied.revised, applied.withdrawn), (0, 0, 0));
}
