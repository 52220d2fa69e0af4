//! `WordPress` over real HTTP: what a visitor may read, every kind of edit, and what sites do to their REST interface.

mod site;

use std::collections::BTreeMap;

use loa::clock::Timestamp;
use loa::source::{AnySource, Ask, Depth, Reach, Source, SourceError};

use self::site::{Content, Post, Site, Tells, error};
use super::reader::{Moved, Reader};
use super::web_server::Reply;
use super::{at, ids, open, set};
use crate::portal::stage::{Keep, Stage};

fn now() -> Timestamp {
    at("2026-11-23T00:00:00Z")
}

fn source_as(site: &Site, more: &str) -> AnySource {
    let url = site.web.url("/");
    open(&format!("kind = \"wordpress\"\nurl = \"{url}\"\nallow = [\"127.0.0.1/32\"]\n{more}")).expect("a source")
}

fn reader(site: &Site) -> Reader {
    Reader::new(source_as(site, ""), now())
}

async fn site_of(count: i64) -> Site {
    Site::start(Tells::Header, (1..=count).map(Post::new)).await
}

/// Too large to be read whole at every sweep.
const LARGE: i64 = 420;

#[tokio::test]
async fn a_scan_gives_what_a_visitor_may_read_and_asks_for_no_text() {
    let site = site_of(3).await;
    for (id, status) in [(4, "draft"), (5, "private"), (6, "future"), (7, "trash"), (8, "pending")] {
        site.edit().add(Post { status, ..Post::new(id) });
    }
    site.edit().add(Post { password: true, ..Post::new(9) });
    site.edit().add(Post { kind: "pages", ..Post::new(10) });
    let scan = source_as(&site, "").scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!(ids(&scan), set([1, 2, 3]));
    assert!(scan.reach == Reach::Whole && scan.faults.is_empty() && !scan.categories_hide && scan.flips.is_empty());
    let source = source_as(&site, "");
    source.scan(&Ask::first(now())).await.expect("a scan");
    let census = source.census(now()).await.expect("a census");
    assert_eq!((census.hidden.len(), census.hidden[0].count), (1, 1));
    assert_eq!(census.hidden[0].examples, ["9: Bài 9"]);
    assert_eq!(census.by_category.expect("counts")["10"], 3);
    let both = source_as(&site, "post_types = [\"posts\", \"pages\"]").scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!(ids(&both), set([1, 2, 3, 10]));
    let categories: BTreeMap<_, _> =
        scan.categories.expect("categories").into_iter().map(|c| (c.external_id.clone(), c)).collect();
    assert_eq!((categories["10"].title.as_str(), categories["10"].slug.as_str()), ("Tin tức & sự kiện", "tin-tuc"));
    assert_eq!((categories["11"].parent.as_deref(), categories["11"].slug.as_str()), (Some("10"), "dai-hoi"));
    for asked in site.asked("wp/v2/posts") {
        let fields = asked.query("_fields").expect("few fields");
        assert!(!fields.split(',').any(|field| field == "content" || field == "excerpt"), "{fields}");
        assert!(asked.query("_embed").is_none() && asked.query("modified_after").is_none(), "{}", asked.path);
    }
}

/// Every kind of edit, each seen by the next poll.
async fn edits(site: Site, depth: Depth, old: i64) {
    let mut reader = reader(&site);
    reader.poll(Depth::Sweep).await.expect("a first poll");
    let all: Vec<i64> = site.edit().posts.keys().copied().collect();
    let new = old + 10_000;
    macro_rules! step {
        ($edit:expr => $moved:expr) => {{
            ($edit)(&mut *site.edit());
            reader.now = Timestamp(reader.now.0 + 60_000);
            let moved = reader.poll(depth).await.expect("a poll");
            assert_eq!(moved, $moved, "{}", stringify!($edit));
        }};
    }
    step!(|_: &mut Content| {} => Moved::default());
    step!(|c: &mut Content| c.add(Post { status: "draft", ..Post::new(new) }) => Moved::default());
    step!(|c: &mut Content| {
        c.post(new).status = "publish";
        c.post(new).date = "2026-11-23T00:02:00";
        c.post(new).modified = "2026-11-23T00:02:00";
    } => Moved::new(&[new]));
    for status in ["draft", "pending", "private", "trash"] {
        step!(|c: &mut Content| c.post(new).status = status => Moved::gone(&[new]));
        step!(|c: &mut Content| c.post(new).status = "publish" => Moved::new(&[new]));
    }
    step!(|c: &mut Content| c.post(new).password = true => Moved::gone(&[new]));
    step!(|c: &mut Content| c.post(new).password = false => Moved::new(&[new]));
    step!(|c: &mut Content| c.post(new).categories = vec![11] => Moved::changed(&[new]));
    step!(|c: &mut Content| c.post(new).tags = vec![4] => Moved::changed(&[new]));
    step!(|c: &mut Content| c.post(new).media = 5 => Moved::changed(&[new]));
    step!(|c: &mut Content| c.post(new).title = "Tên mới".into() => Moved::changed(&[new]));
    // Written long ago, scheduled for now: goes live with an old date of modification.
    step!(|c: &mut Content| c.add(Post {
        status: "future", date: "2026-11-23T00:30:00", modified: "2020-01-01T00:00:00", ..Post::new(new + 1)
    }) => Moved::default());
    step!(|c: &mut Content| c.post(new + 1).status = "publish" => Moved::new(&[new + 1]));
    step!(|c: &mut Content| drop(c.posts.remove(&(new + 1))) => Moved::gone(&[new + 1]));
    // Published with an old date: the modification is new.
    step!(|c: &mut Content| c.add(Post { date: "2020-01-01T00:00:00", modified: "2026-11-23T00:40:00", ..Post::new(new + 2) })
        => Moved::new(&[new + 2]));
    step!(|c: &mut Content| {
        c.post(old).content = "<p>Khác.</p>".into();
        c.post(old).modified = "2026-11-23T00:45:00";
    } => Moved::changed(&[old]));
    step!(|c: &mut Content| c.categories.get_mut(&11).expect("a category").1 = "Đề mục mới".into()
        => Moved::changed(&[new]));
    // The parent's name stands at every article.
    let every: Vec<i64> = all.iter().copied().chain([new, new + 2]).collect();
    step!(|c: &mut Content| c.categories.get_mut(&10).expect("a category").1 = "Tin".into() => Moved::changed(&every));
}

#[tokio::test]
async fn every_edit_is_seen_by_the_next_sweep() {
    edits(site_of(30).await, Depth::Sweep, 1).await;
}

#[tokio::test]
async fn every_edit_is_seen_by_the_next_hot_scan_of_a_large_site() {
    edits(site_of(LARGE).await, Depth::Hot, 1).await;
}

#[tokio::test]
async fn every_edit_is_seen_by_a_sweep_of_a_large_site_that_is_answered_from_memory() {
    edits(site_of(LARGE).await, Depth::Sweep, 1).await;
}

#[tokio::test]
async fn an_old_post_that_goes_is_found_when_it_is_asked_for_by_its_id() {
    let site = site_of(LARGE).await;
    let mut reader = reader(&site);
    reader.poll(Depth::Sweep).await.expect("a first poll");
    site.edit().post(7).status = "trash";
    let (first, second) =
        (reader.poll(Depth::Hot).await.expect("a poll"), reader.poll(Depth::Hot).await.expect("a poll"));
    assert_eq!([first.gone, second.gone].concat(), [7]);
}

#[tokio::test]
async fn rows_that_shift_while_pages_are_turned_are_neither_lost_nor_doubled() {
    for no_totals in [false, true] {
        let site = site_of(LARGE).await;
        site.edit().no_totals = no_totals;
        let mut reader = reader(&site);
        site.edit().shifts.extend([
            Box::new(|_: &mut Content| {}) as Box<dyn FnOnce(&mut Content) + Send>,
            Box::new(|c| (1..=50).for_each(|id| c.post(id).status = "draft")),
            Box::new(|c| (1..=20).for_each(|id| c.post(id).status = "publish")),
            Box::new(|c| (1..=150).for_each(|id| drop(c.posts.remove(&id)))),
        ]);
        reader.poll(Depth::Sweep).await.expect("a poll");
        let public = reader.public();
        for id in 151..=LARGE {
            assert!(public.contains(&id.to_string()), "{id} was public all the time and is not in the scan");
        }
        // What went after its page was read is found by the next reading.
        reader.now.0 += 3_600_000;
        reader.poll(Depth::Sweep).await.expect("a poll");
        assert_eq!((reader.public(), &reader.scan.reach), (set(151..=LARGE), &Reach::Whole));
    }
}

#[tokio::test]
async fn a_list_that_never_stands_still_concludes_nothing() {
    let site = site_of(LARGE).await;
    let mut reader = reader(&site);
    reader.poll(Depth::Sweep).await.expect("a first poll");
    for turn in 0..200_i64 {
        let shift = move |c: &mut Content| {
            let first: Vec<i64> = c.posts.keys().take(150).copied().collect();
            for id in first {
                c.posts.remove(&id);
                c.add(Post::new(1_000 + turn * 1_000 + id % 1_000));
            }
        };
        site.edit().shifts.push_back(Box::new(shift));
    }
    reader.now.0 += 3_600_000;
    let moved = reader.poll(Depth::Sweep).await.expect("a poll");
    assert_eq!((moved.gone, &reader.scan.reach), (Vec::new(), &Reach::Part));
}

#[tokio::test]
async fn a_fetched_article_has_its_text_its_names_and_its_picture() {
    let site = site_of(0).await;
    site.edit().add(Post {
        title: "Đại hội &#8211; &quot;ngày đầu&quot;".into(),
        excerpt: "<p>Lời dẫn của người viết.</p>\n".into(),
        categories: vec![10, 11],
        tags: vec![4],
        media: 5,
        date: "2021-11-23T07:05:00",
        modified: "2021-11-24T00:00:00",
        ..Post::new(1)
    });
    site.edit().add(Post::new(2));
    let mut reader = reader(&site);
    reader.poll(Depth::Sweep).await.expect("a poll");
    let article = reader.article(1).await;
    assert_eq!(article.url, "https://tin.example.vn/bai-1/");
    assert_eq!(article.title, "Đại hội &#8211; &quot;ngày đầu&quot;", "ingest decodes titles");
    assert_eq!(
        (article.summary_html.as_str(), article.content_html.as_str()),
        ("<p>Lời dẫn của người viết.</p>\n", "<p>Nội dung 1.</p>")
    );
    assert_eq!(
        (article.categories, article.authors),
        (vec!["11".to_owned(), "10".into()], vec!["Trúc Linh".to_owned()])
    );
    assert_eq!(article.tags, ["Thẻ &amp; 4"]);
    assert_eq!((article.published, article.updated), (at("2021-11-23T07:05:00Z"), Some(at("2021-11-24T00:00:00Z"))));
    let image = article.image.expect("a picture");
    assert_eq!(
        (image.width, image.height, image.length, image.alt.as_str()),
        (Some(800), Some(600), Some(12_345), "Hội trường")
    );
    assert_eq!(reader.article(2).await.summary_html, "", "an excerpt cut by machine is no lede");
    site.edit().authors_hidden = true;
    assert!(reader.article(1).await.authors.is_empty());
    site.edit().post(1).password = true;
    site.edit().post(2).status = "draft";
    assert!(reader.source.fetch(&set([1, 2, 99]), now()).await.expect("a fetch").articles.is_empty());
}

#[tokio::test]
async fn the_interface_is_found_wherever_a_site_has_it() {
    for tells in [Tells::Header, Tells::Page, Tells::Nothing, Tells::Query] {
        let site = Site::start(tells, (1..=3).map(Post::new)).await;
        let mut reader = reader(&site);
        assert_eq!(reader.poll(Depth::Sweep).await.expect("a poll"), Moved::new(&[1, 2, 3]), "{tells:?}");
        let found = reader.source.describe().await.expect("a description").found;
        assert!(found.contains("3 posts as visitors see them, 2 categories"), "{found}");
    }
}

#[tokio::test]
async fn a_site_that_is_no_wordpress_or_closes_its_interface_is_told_with_a_remedy() {
    let scan = async |site: &Site| source_as(site, "").scan(&Ask::first(now())).await.expect_err("no posts");
    let site = Site::start(Tells::Nothing, []).await;
    site.edit().instead.insert(String::new(), Reply::page("application/json", "{\"namespaces\": []}"));
    let error_of = scan(&site).await;
    assert!(matches!(&error_of, SourceError::Schema(message) if message.contains("kind = \"feed\"")), "{error_of}");
    site.edit().instead.insert(String::new(), error(401, "rest_login_required"));
    assert!(matches!(scan(&site).await, SourceError::Refused(_)));
    site.edit().instead.clear();

    let login = Reply::html("<!DOCTYPE html><html><title>Đăng nhập</title></html>");
    for (reply, remedy, kind) in [
        (error(401, "rest_forbidden"), "kind = \"feed\"", "refused"),
        (error(403, "rest_forbidden"), "kind = \"feed\"", "refused"),
        (error(404, "rest_no_route"), "post_types", "schema"),
        (login, "without cookies", "schema"),
        (error(400, "rest_invalid_param"), "next poll", "unreachable"),
        (error(500, "internal_server_error"), "next poll", "unreachable"),
        (Reply::page("application/json", "{\"code\": \"odd\"}"), "next poll", "unreachable"),
        (Reply::page("application/json", "[{\"id\": \"x\"}]"), "next poll", "unreachable"),
        (Reply::page("application/json", "[{\"id\": 1}").cut(), "next poll", "unreachable"),
    ] {
        site.edit().instead.insert("wp/v2/posts".into(), reply);
        let error = scan(&site).await;
        let found = match &error {
            SourceError::Refused(_) => "refused",
            SourceError::Schema(_) => "schema",
            SourceError::Unreachable(_) => "unreachable",
            SourceError::Wait(..) => "wait",
        };
        let message = error.to_string();
        assert!(
            message.starts_with("source `portal`: ") && message.contains(remedy) && found == kind,
            "{found}: {message}"
        );
    }
    let rest = error(503, "maintenance").header("retry-after", "120");
    site.edit().instead.insert("wp/v2/posts".into(), rest);
    assert!(matches!(scan(&site).await, SourceError::Wait(_, until) if until == at("2026-11-23T00:02:00Z")));
}

#[tokio::test]
async fn a_site_that_answers_other_posts_than_asked_for_makes_nothing_gone() {
    let site = site_of(LARGE).await;
    let mut reader = reader(&site);
    reader.poll(Depth::Sweep).await.expect("a first poll");
    site.edit().include_ignored = true;
    let error = reader.poll(Depth::Hot).await.expect_err("other posts");
    assert!(matches!(error, SourceError::Unreachable(_)) && error.to_string().contains("include"), "{error}");
    site.edit().include_ignored = false;
    assert_eq!(reader.poll(Depth::Hot).await.expect("a poll"), Moved::default());
}

#[tokio::test]
async fn what_robots_txt_forbids_is_not_read_unless_the_operator_says_so() {
    let site = site_of(1).await;
    site.web.on("/robots.txt", Reply::page("text/plain", "User-agent: *\nDisallow: /noi-khac/\n"));
    let error = source_as(&site, "").scan(&Ask::first(now())).await.expect_err("forbidden");
    assert!(error.to_string().contains("robots"), "{error}");
    source_as(&site, "robots = false").scan(&Ask::first(now())).await.expect("a scan");
}

#[test]
fn a_setting_that_cannot_be_right_is_refused_with_a_remedy() {
    let good = "kind = \"wordpress\"\nurl = \"https://tin.example.vn\"\n";
    assert!(open(good).is_ok());
    for (wrong, remedy) in [
        (good.replace("https:", "ftp:"), "https://"),
        (format!("{good}post_types = []"), "[\"posts\"]"),
        (format!("{good}post_types = [\"posts\", \"posts\"]"), "[\"posts\"]"),
        (format!("{good}post_types = [\"../users\"]"), "[\"posts\"]"),
        (format!("{good}full_walk = \"-1h\""), "30m"),
    ] {
        let Err(SourceError::Schema(message)) = open(&wrong) else { panic!("{wrong} was accepted") };
        assert!(message.starts_with("source `portal`: ") && message.contains(remedy), "{message}");
    }
    assert!(toml::from_str::<loa::source::Settings>(&format!("{good}token = \"x\"")).is_err());
}

#[tokio::test]
async fn a_site_is_polled_as_a_whole_from_its_baseline_to_an_edit_and_a_withdrawal() {
    let site = site_of(12).await;
    let stage = Stage::build(source_as(&site, ""), Keep::Sqlite, "wordpress").await.expect("a stage");
    let report = stage.poll().await.expect("a baseline");
    assert_eq!((report.applied.baseline, report.faults.len(), report.partial), (12, 0, false));
    site.edit().add(Post { date: "2026-11-23T00:00:00", ..Post::new(13) });
    site.edit().post(1).status = "trash";
    site.edit().post(2).title = "Tên mới".into();
    stage.clock.advance(std::time::Duration::from_mins(1));
    let applied = stage.poll().await.expect("a poll").applied;
    assert_eq!((applied.published, applied.revised, applied.withdrawn), (1, 1, 1));
    stage.clock.advance(std::time::Duration::from_mins(1));
    let applied = stage.poll().await.expect("a poll").applied;
    assert_eq!((applied.published, applied.revised, applied.withdrawn), (0, 0, 0));
}
