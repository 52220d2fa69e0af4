//! Portals that give pages only, over real HTTP: what is new, edited and gone is seen; what misbehaves is a fault and never
//! an edit or a withdrawal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use loa::clock::{Clock, Timestamp};
use loa::domain::article::Category;
use loa::domain::site::Site;
use loa::domain::subscriber::Locale;
use loa::source::{AnySource, Ask, Depth, Light, Reach, Rhythm, Scan, Source, SourceError};
use loa::store::article::Applied;
use loa::store::engine::Store;
use loa::telemetry::metrics::Metrics;
use loa::work::ingest::{Ingest, Settings as IngestSettings};
use loa::work::wakes::Wakes;

use super::web_server::{Reply, WebServer};
use super::{at, fingerprints, ids, one, open, roll, set};

const KEYS: &str = "kind = \"html\"\nlink = \".tin a\"\ntitle = \"h1\"\ndate = \".ngay\"\ncontent = \".bai\"\n\
                    next = \"a.tiep\"\npause = 0\nallow = [\"127.0.0.1/32\"]\n";

fn now() -> Timestamp {
    at("2026-11-23T00:00:00Z")
}

fn source(portal: &WebServer, more: &str) -> AnySource {
    open(&format!("{KEYS}list_url = \"{}\"\n{more}", portal.url("/tin"))).expect("a source")
}

/// A list of links to `/bai/N`, with furniture that changes at each look.
fn list(numbers: &[u32], next: Option<&str>) -> Reply {
    let mut html = "<html><body><a href=/>Trang chủ</a><div>Đang có 114 khách</div>".to_owned();
    for number in numbers {
        let _ = write!(html, "<div class=tin><a href=\"/bai/{number}?utm_source=x\">Bài {number}</a></div>");
    }
    if let Some(next) = next {
        let _ = write!(html, "<a class=tiep href=\"{next}\">Tiếp</a>");
    }
    Reply::html(html)
}

fn body(number: u32, text: &str) -> String {
    format!(
        "<html lang=vi><body><h1>Bài {number}</h1><p class=ngay>Ngày đăng: 22/11/2026 08:00</p><div class=bai><p>{text}</p>\
         </div><p>Số lần xem các bài viết: 26072767</p></body></html>"
    )
}

fn article(number: u32, text: &str) -> Reply {
    Reply::html(body(number, text))
}

async fn portal(numbers: &[u32]) -> WebServer {
    let portal = WebServer::start().await;
    portal.on("/tin", list(numbers, None));
    for number in numbers {
        portal.on(&format!("/bai/{number}"), article(*number, "Thân bài."));
    }
    portal
}

/// Ingest's part: what is known, the time, and a scan after it.
struct Life {
    source: AnySource,
    known: Vec<Light>,
    categories: Vec<Category>,
    now: Timestamp,
}

impl Life {
    async fn begin(source: AnySource) -> Self {
        let mut life = Self { source, known: Vec::new(), categories: Vec::new(), now: now() };
        let scan = life.source.scan(&Ask::first(life.now)).await.expect("a first scan");
        life.learn(&scan);
        life
    }

    fn learn(&mut self, scan: &Scan) {
        for light in &scan.articles {
            self.known.retain(|known| known.external_id != light.external_id);
            self.known.push(light.clone());
        }
        if let Reach::Only(gone) = &scan.reach {
            self.known.retain(|known| !gone.contains(&known.external_id));
        }
        self.categories = scan.categories.clone().unwrap_or_default();
    }

    async fn try_poll(&mut self, minutes: u64) -> Result<Scan, SourceError> {
        self.now = self.now.plus(Duration::from_mins(minutes));
        let due = BTreeSet::new();
        let (depth, known) = (Depth::Hot, roll(&self.known));
        let ask = Ask { now: self.now, depth, known: known.public(), due: &due, categories: &self.categories };
        self.source.scan(&ask).await
    }

    async fn poll(&mut self, minutes: u64) -> Scan {
        self.try_poll(minutes).await.expect("a scan")
    }

    /// Ids that a scan shows as new or changed.
    fn moved(&self, scan: &Scan) -> BTreeSet<String> {
        let moved = scan.articles.iter().filter(|light| !self.known.contains(light));
        moved.map(|light| light.external_id.clone()).collect()
    }
}

fn gone(scan: &Scan) -> BTreeSet<String> {
    match &scan.reach {
        Reach::Only(gone) => gone.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_new_an_edited_and_a_removed_article_are_seen() {
    let portal = portal(&[1, 2]).await;
    let mut life = Life::begin(source(&portal, "")).await;
    assert_eq!(life.source.rhythm(), Rhythm::Window);
    let known: BTreeSet<String> = life.known.iter().map(|light| light.external_id.clone()).collect();
    assert_eq!(known, set(["/bai/1", "/bai/2"]));
    let raw = one(life.source.fetch(&set(["/bai/1"]), life.now).await.expect("articles"));
    assert_eq!((raw.title.as_str(), raw.url), ("Bài 1", portal.url("/bai/1")));
    assert_eq!((raw.published, raw.language.as_str()), (at("2026-11-22T01:00:00Z"), "vi"));

    portal.on("/tin", list(&[3, 1], None));
    portal.on("/bai/3", article(3, "Mới."));
    let scan = life.poll(6).await;
    assert_eq!((life.moved(&scan), gone(&scan)), (set(["/bai/3"]), BTreeSet::new()), "2 left the list, and is there");
    life.learn(&scan);

    portal.on("/bai/2", article(2, "Thân bài, đã sửa."));
    let scan = life.poll(6).await;
    assert_eq!(life.moved(&scan), set(["/bai/2"]), "also an article that no list shows");
    let raw = one(life.source.fetch(&life.moved(&scan), life.now).await.expect("articles"));
    assert!(raw.content_html.contains("đã sửa"));
    life.learn(&scan);

    portal.on("/bai/1", Reply::status(410));
    let scan = life.poll(6).await;
    assert_eq!((life.moved(&scan), gone(&scan)), (BTreeSet::new(), BTreeSet::new()), "once is not enough");
    let scan = life.poll(1).await;
    assert_eq!((gone(&scan), ids(&scan)), (set(["/bai/1"]), set(["/bai/2", "/bai/3"])));
    life.learn(&scan);

    portal.on("/bai/1", article(1, "Thân bài."));
    let scan = life.poll(60).await;
    assert_eq!(life.moved(&scan), set(["/bai/1"]), "it is back");
}

#[tokio::test]
async fn a_page_that_is_missing_only_once_is_not_gone() {
    let portal = portal(&[1]).await;
    let mut life = Life::begin(source(&portal, "")).await;
    for _ in 0..3 {
        portal.on("/bai/1", Reply::status(404));
        assert_eq!(gone(&life.poll(6).await), BTreeSet::new());
        portal.on("/bai/1", article(1, "Thân bài."));
        let scan = life.poll(6).await;
        assert_eq!((gone(&scan), life.moved(&scan)), (BTreeSet::new(), BTreeSet::new()));
    }
}

#[tokio::test]
async fn a_portal_that_changed_its_addresses_is_believed_after_a_day_only() {
    let numbers: Vec<u32> = (1..=8).collect();
    let portal = portal(&numbers).await;
    let mut life = Life::begin(source(&portal, "")).await;
    for number in numbers {
        portal.on(&format!("/bai/{number}"), Reply::status(404));
    }
    portal.on("/tin", list(&[1], None));
    for minutes in [6, 1, 60] {
        let scan = life.poll(minutes).await;
        assert_eq!((gone(&scan).len(), scan.faults.len()), (0, 1), "{:?}", scan.faults);
        assert!(scan.faults[0].message.contains("change its addresses"), "{}", scan.faults[0].message);
    }
    assert_eq!(gone(&life.poll(24 * 60).await).len(), 8);
}

#[tokio::test]
async fn counters_of_readers_and_other_furniture_are_no_edit_whether_the_page_is_cached_or_not() {
    let portal = WebServer::start().await;
    portal.on("/tin", list(&[1, 2], None));
    let looks = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&looks);
    portal.script("/bai/1", move |_| {
        let look = counter.fetch_add(1, Ordering::Relaxed);
        Reply::html(body(1, "Thân bài.").replace("26072767", &(26_072_767 + look).to_string()))
    });
    portal.script("/bai/2", |asked| match asked.header("if-none-match") {
        Some("\"a\"") => Reply::status(304),
        _ => article(2, "Thân bài.").header("etag", "\"a\""),
    });
    let mut life = Life::begin(source(&portal, "")).await;
    for _ in 0..3 {
        let scan = life.poll(6).await;
        assert_eq!((life.moved(&scan), scan.faults.len()), (BTreeSet::new(), 0));
        assert_eq!(ids(&scan), set(["/bai/1", "/bai/2"]));
    }
    assert_eq!(looks.load(Ordering::Relaxed), 4, "each poll looked");
    let asked = portal.asked_for("/bai/2");
    assert!(asked.len() == 4 && asked[1..].iter().all(|asked| asked.header("if-none-match").is_some()));
}

#[tokio::test]
async fn an_edit_is_seen_again_until_ingest_has_it_and_by_a_new_process() {
    let portal = portal(&[1, 2]).await;
    let mut life = Life::begin(source(&portal, "")).await;
    portal.on("/bai/1", article(1, "Đã sửa."));
    for minutes in [6, 1, 1] {
        // The transaction failed: nothing was learnt, and the page is not asked for again so soon.
        let scan = life.poll(minutes).await;
        assert_eq!(life.moved(&scan), set(["/bai/1"]));
        let raw = one(life.source.fetch(&set(["/bai/1"]), life.now).await.expect("articles"));
        assert!(raw.content_html.contains("Đã sửa"));
    }
    let scan = life.poll(1).await;
    life.learn(&scan);
    life.source = source(&portal, "");
    let scan = life.poll(1).await;
    assert_eq!(life.moved(&scan), BTreeSet::new(), "a restart is no edit");
    assert_eq!(ids(&scan), set(["/bai/1", "/bai/2"]));
    let asked = portal.asked_for("/bai/1").len();
    portal.on("/bai/1", article(1, "Sửa lần hai."));
    life.source = source(&portal, "");
    assert_eq!(
        life.moved(
            &life
                .source
                .scan(&Ask {
                    now: life.now,
                    depth: Depth::Hot,
                    known: roll(&life.known).public(),
                    due: &BTreeSet::new(),
                    categories: &[]
                })
                .await
                .expect("a scan")
        ),
        set(["/bai/1"])
    );
    assert_eq!(portal.asked_for("/bai/1").len(), asked + 1);
}

#[tokio::test]
async fn what_another_replica_has_read_meanwhile_counts_more_than_what_this_one_remembers() {
    let portal = portal(&[1]).await;
    let mut life = Life::begin(source(&portal, "")).await;
    portal.on("/bai/1", article(1, "Đã sửa."));
    let other = source(&portal, "");
    let elsewhere = other.scan(&Ask::first(life.now)).await.expect("a scan");
    life.learn(&elsewhere);
    let scan = life.poll(1).await;
    assert_eq!(life.moved(&scan), BTreeSet::new(), "the old text does not come back");
}

#[tokio::test]
async fn pages_that_show_something_else_are_faults_and_never_edits() {
    let portal = portal(&[1, 2, 3]).await;
    let login = "<html><body><h1>Đăng nhập</h1><form><input type=password></form></body></html>";
    portal.on("/dang-nhap", Reply::html(login));
    portal.on("/", list(&[1, 2, 3], None));
    let mut life = Life::begin(source(&portal, "")).await;
    for (number, reply, said) in [
        (1, Reply::html(login), "login"),
        (1, Reply::redirect("/dang-nhap?return=abc"), "login"),
        (1, Reply::redirect("/"), "no article of the portal"),
        (1, Reply::redirect("/tin"), "no article of the portal"),
        (1, Reply::redirect("/bai/2"), "another article, /bai/2"),
        (
            1,
            Reply::html(body(2, "Thân bài.").replace("<body>", "<link rel=canonical href=/bai/2>")),
            "another article, /bai/2",
        ),
        (1, Reply::page("application/pdf", "%PDF-1.4"), "application/pdf"),
        (1, Reply::status(500), "500"),
        (1, Reply::status(403), "403"),
        (1, Reply::endless("text/html"), "without end"),
        (1, Reply::html(format!("<div class=bai>{}", "<div>".repeat(10_000))), "within each other"),
        (1, article(1, "Thân bài.").cut(), "was not read"),
    ] {
        portal.on(&format!("/bai/{number}"), reply);
        let scan = life.poll(6 * 60).await;
        assert_eq!((life.moved(&scan), gone(&scan)), (BTreeSet::new(), BTreeSet::new()), "{said}");
        assert_eq!(ids(&scan), set(["/bai/2", "/bai/3"]), "{said}: the others go on");
        let [fault] = &scan.faults[..] else { panic!("{said}: {:?}", scan.faults) };
        assert_eq!(fault.external_id, "/bai/1");
        assert!(fault.message.contains("source `portal`") && fault.message.contains(said), "{}", fault.message);
        assert!(!fault.message.contains("return=abc"));
    }
    portal.on("/bai/1", article(1, "Thân bài."));
    let scan = life.poll(6 * 60).await;
    assert_eq!((life.moved(&scan), scan.faults.len()), (BTreeSet::new(), 0), "all is well again");
}

#[tokio::test]
async fn a_list_without_articles_is_an_error_and_says_where_to_look() {
    let portal = portal(&[1]).await;
    let mut life = Life::begin(source(&portal, "")).await;
    let design = "<html><body><article><a href=/bai/1>Bài 1</a><a href=/bai/2>Bài 2</a></article></body></html>";
    for (reply, said) in [
        (Reply::html(design), "2 links; did the portal change its design?"),
        (Reply::html(""), "0 links"),
        (Reply::status(404), "404"),
        (Reply::status(500), "500"),
        (Reply::page("application/json", "{}"), "application/json"),
    ] {
        portal.on("/tin", reply);
        let error = life.try_poll(6).await.expect_err(said).to_string();
        assert!(error.contains("source `portal`") && error.contains("/tin") && error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn one_list_that_fails_does_not_stop_the_others_but_for_the_first_look() {
    let portal = portal(&[1]).await;
    let lists = format!("list_url = [\"{}\", \"{}\"]\n", portal.url("/tin"), portal.url("/tin-2"));
    let source = open(&format!("{KEYS}{lists}")).expect("a source");
    let first = source.scan(&Ask::first(now())).await;
    assert!(first.is_err(), "a first look must see everything: {first:?}");
    portal.on("/tin-2", list(&[2], None));
    portal.on("/bai/2", article(2, "Thân bài."));
    let mut life = Life::begin(source).await;
    portal.on("/tin-2", Reply::status(500));
    portal.on("/tin", list(&[3, 1], None));
    portal.on("/bai/3", article(3, "Mới."));
    let scan = life.poll(6).await;
    assert_eq!((life.moved(&scan), scan.faults.len()), (set(["/bai/3"]), 1));
}

#[tokio::test]
async fn a_list_that_shifts_while_it_is_paged_loses_nothing() {
    let portal = portal(&[1, 2, 3, 4, 5, 6]).await;
    // Between the two pages article 4 is removed: 3 moves from the second page to the first.
    portal.script("/tin", |asked| match asked.before {
        0 => list(&[6, 5, 4], Some("/tin?trang=2")),
        _ => list(&[6, 5, 3], Some("/tin?trang=2")),
    });
    portal.on("/tin?trang=2", list(&[2, 1], None));
    portal.on("/bai/4", Reply::status(404));
    let life = Life::begin(source(&portal, "pages = 3")).await;
    let known: BTreeSet<String> = life.known.iter().map(|light| light.external_id.clone()).collect();
    assert_eq!(known, set(["/bai/1", "/bai/2", "/bai/3", "/bai/5", "/bai/6"]));
}

#[tokio::test]
async fn later_polls_go_to_further_pages_only_when_the_first_has_nothing_known() {
    let portal = portal(&[1, 2]).await;
    portal.on("/tin", list(&[2, 1], Some("/tin?trang=2")));
    portal.on("/tin?trang=2", list(&[9], None));
    portal.on("/bai/9", article(9, "Cũ."));
    let mut life = Life::begin(source(&portal, "pages = 2")).await;
    let paged = || portal.asked().iter().filter(|asked| asked.path == "/tin?trang=2").count();
    let before = paged();
    life.poll(6).await;
    assert_eq!(paged(), before);
    for number in 3..=6 {
        portal.on(&format!("/bai/{number}"), article(number, "Mới."));
    }
    portal.on("/tin", list(&[6, 5], Some("/tin?trang=2")));
    portal.on("/tin?trang=2", list(&[4, 3], None));
    let scan = life.poll(6).await;
    assert_eq!(life.moved(&scan), set(["/bai/3", "/bai/4", "/bai/5", "/bai/6"]));
}

#[tokio::test]
async fn a_poll_reads_no_more_pages_than_it_may_and_the_next_goes_on() {
    let portal = portal(&[1]).await;
    let mut life = Life::begin(source(&portal, "per_poll = 2")).await;
    let numbers = [6, 5, 4, 3, 2, 1];
    for number in numbers {
        portal.on(&format!("/bai/{number}"), article(number, "Thân bài."));
    }
    portal.on("/tin", list(&numbers, None));
    for expected in [&["/bai/6", "/bai/5"][..], &["/bai/4", "/bai/3"], &["/bai/2"]] {
        let before = portal.asked().len();
        let scan = life.poll(6).await;
        assert_eq!(life.moved(&scan), set(expected));
        // The list, two pages.
        assert_eq!(portal.asked().len(), before + 3);
        life.learn(&scan);
    }
}

#[tokio::test]
async fn a_first_look_that_is_broken_off_is_gone_on_with() {
    let numbers: Vec<u32> = (1..=8).collect();
    let portal = portal(&numbers).await;
    for number in 3..=8 {
        portal.on(&format!("/bai/{number}"), Reply::status(200).header("content-type", "text/html").body("x").cut());
    }
    let source = source(&portal, "");
    let scan = source.scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!((scan.reach.clone(), ids(&scan)), (Reach::Part, set(["/bai/1", "/bai/2"])));
    assert!(scan.faults.iter().any(|fault| fault.message.contains("in a row")), "{:?}", scan.faults);
    for number in numbers {
        portal.on(&format!("/bai/{number}"), article(number, "Thân bài."));
    }
    let later = now().plus(Duration::from_hours(1));
    let scan = source.scan(&Ask::first(later)).await.expect("a scan");
    assert_eq!((gone(&scan).len(), ids(&scan).len(), scan.faults.len()), (0, 8, 0));
}

#[tokio::test]
async fn a_portal_that_asks_for_rest_is_left_alone_and_what_was_read_is_not_lost() {
    let portal = portal(&[1, 2, 3]).await;
    portal.on("/bai/2", Reply::status(429).header("retry-after", "120"));
    let source = source(&portal, "");
    let Err(SourceError::Wait(_, until)) = source.scan(&Ask::first(now())).await else { panic!("no rest") };
    assert_eq!(until, now().plus(Duration::from_mins(2)));
    portal.on("/bai/2", article(2, "Thân bài."));
    let scan = source.scan(&Ask::first(now().plus(Duration::from_mins(3)))).await.expect("a scan");
    assert_eq!(ids(&scan), set(["/bai/1", "/bai/2", "/bai/3"]));
    assert_eq!(portal.asked_for("/bai/1").len(), 1);
}

#[tokio::test]
async fn categories_come_from_lists_and_pages_and_stay_when_the_list_moves_on() {
    let portal = portal(&[1, 2]).await;
    portal.on("/dang", list(&[1], None));
    let keys = format!(
        "{KEYS}category = \".muc\"\nlist_url = [{{ url = \"{}\", category = \"Xây dựng Đảng/Công tác tổ chức\" }}, \"{}\"]",
        portal.url("/dang"),
        portal.url("/tin")
    );
    portal.on("/bai/1", Reply::html(body(1, "Thân.").replace("<h1>", "<p class=muc>Chuyên mục: Tin tức</p><h1>")));
    let mut life = Life::begin(open(&keys).expect("a source")).await;
    let categories: Vec<_> = life.categories.iter().map(|c| (c.slug.as_str(), c.parent.as_deref())).collect();
    assert_eq!(categories, [("cong-tac-to-chuc", Some("xay-dung-dang")), ("tin-tuc", None), ("xay-dung-dang", None)]);
    let of = ["cong-tac-to-chuc", "tin-tuc", "xay-dung-dang"];
    let raw = one(life.source.fetch(&set(["/bai/1"]), life.now).await.expect("articles"));
    assert_eq!(raw.categories, of);

    portal.on("/dang", list(&[2], None));
    life.source = open(&keys).expect("a source");
    let scan = life.poll(6).await;
    assert_eq!(life.moved(&scan), set(["/bai/2"]), "1 keeps its category, 2 has a new one");
    let raw = one(life.source.fetch(&set(["/bai/1"]), life.now).await.expect("articles"));
    assert_eq!(raw.categories, of);
    assert_eq!(scan.categories.map(|all| all.len()), Some(3));
}

#[tokio::test]
async fn an_article_without_a_date_keeps_the_one_that_its_entry_had_or_its_first_sight() {
    let portal = WebServer::start().await;
    let undated = |number| Reply::html(body(number, "Thân bài.").replace("class=ngay", "class=khac"));
    portal.on(
        "/tin",
        Reply::html("<li><a href=/bai/1>a</a><i class=ngay>21/11/2026</i></li><li><a href=/bai/2>b</a></li>"),
    );
    portal.on("/bai/1", undated(1));
    portal.on("/bai/2", undated(2));
    let keys = KEYS.replace(".tin a", "a");
    let keys = format!("{keys}item = \"li\"\nlist_url = \"{}\"", portal.url("/tin"));
    let mut life = Life::begin(open(&keys).expect("a source")).await;
    portal.on("/tin", Reply::html("<li><a href=/bai/2>b</a></li>"));
    for restart in [false, true] {
        if restart {
            life.source = open(&keys).expect("a source");
        }
        let scan = life.poll(6).await;
        assert_eq!(life.moved(&scan), BTreeSet::new());
        let fetched = life.source.fetch(&set(["/bai/1", "/bai/2"]), life.now).await.expect("articles");
        let dates: Vec<_> = fetched.articles.iter().map(|raw| raw.published).collect();
        assert_eq!(dates, [at("2026-11-20T17:00:00Z"), now()]);
    }
}

#[tokio::test]
async fn one_article_at_two_addresses_is_one_article() {
    let portal = portal(&[1]).await;
    portal.on("/tin", Reply::html("<p class=tin><a href=/muc/1-bai>a</a><a href=/bai/1>b</a><a href=/cu>c</a></p>"));
    portal.on("/muc/1-bai", Reply::html(body(1, "Thân bài.").replace("<body>", "<link rel=canonical href=/bai/1>")));
    portal.on("/cu", Reply::redirect("/bai/1"));
    let mut life = Life::begin(source(&portal, "")).await;
    let known: Vec<_> = life.known.iter().map(|light| light.external_id.as_str()).collect();
    assert_eq!(known, ["/bai/1"]);
    let asked = portal.asked_for("/cu").len();
    let scan = life.poll(6).await;
    assert_eq!((life.moved(&scan), scan.faults.len()), (BTreeSet::new(), 0));
    assert_eq!(portal.asked_for("/cu").len(), asked);
}

#[tokio::test]
async fn a_sitemap_tells_what_is_new_and_what_to_look_at_again() {
    let portal = portal(&[1, 2, 3]).await;
    let entry = |number: u32, when: &str| {
        format!("<url><loc>{}</loc><lastmod>{when}</lastmod></url>", portal.url(&format!("/bai/{number}")))
    };
    let map = |entries: &[String]| {
        let about = format!("<url><loc>{}</loc></url>", portal.url("/gioi-thieu"));
        Reply::page("application/xml", format!("<?xml version=\"1.0\"?><urlset>{about}{}</urlset>", entries.concat()))
    };
    portal.on(
        "/sitemap.xml",
        Reply::page(
            "application/xml",
            format!("<sitemapindex><sitemap><loc>{}</loc></sitemap></sitemapindex>", portal.url("/bai.xml")),
        ),
    );
    portal.on("/bai.xml", map(&[entry(1, "2026-11-20"), entry(2, "2026-11-21")]));
    let keys = format!(
        "{}sitemap = \"{}\"\nlink_pattern = \"/bai/*\"\nper_poll = 2",
        KEYS.replace("link = \".tin a\"\n", ""),
        portal.url("/sitemap.xml")
    );
    let mut life = Life::begin(open(&keys).expect("a source")).await;
    let known: BTreeSet<String> = life.known.iter().map(|light| light.external_id.clone()).collect();
    assert_eq!(known, set(["/bai/1", "/bai/2"]));
    portal.on("/bai.xml", map(&[entry(1, "2026-11-23"), entry(2, "2026-11-21"), entry(3, "2026-11-22")]));
    portal.on("/bai/1", article(1, "Đã sửa."));
    let looked = portal.asked_for("/bai/2").len();
    let scan = life.poll(1).await;
    assert_eq!(life.moved(&scan), set(["/bai/1", "/bai/3"]), "at once, not when its turn comes");
    assert_eq!(portal.asked_for("/bai/2").len(), looked);
}

#[tokio::test]
async fn a_page_in_an_old_encoding_is_read() {
    let portal = portal(&[1]).await;
    let text = "<html><head><meta charset=windows-1252></head><body><h1>Bai 1</h1><p class=ngay>22/11/2026</p>\
                <div class=bai>caf\u{e9}</div></body></html>";
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
    portal.on("/bai/1", Reply::page("text/html; charset=iso-8859-15", bytes));
    let source = source(&portal, "");
    source.scan(&Ask::first(now())).await.expect("a scan");
    let raw = one(source.fetch(&set(["/bai/1"]), now()).await.expect("articles"));
    assert!(raw.content_html.contains("café"), "{}", raw.content_html);
}

#[tokio::test]
async fn robots_txt_is_obeyed_and_forbids_nothing_that_is_known() {
    let portal = portal(&[1, 2]).await;
    portal.on("/robots.txt", Reply::page("text/plain", "User-agent: *\nDisallow: /bai/2\n"));
    let source_ = source(&portal, "");
    let scan = source_.scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!((ids(&scan), scan.faults.len(), portal.asked_for("/bai/2").len()), (set(["/bai/1"]), 1, 0));
    assert!(scan.faults[0].message.contains("Disallow"), "{}", scan.faults[0].message);
    let scan = source(&portal, "robots = false").scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!(ids(&scan), set(["/bai/1", "/bai/2"]));
}

#[tokio::test]
async fn two_scans_of_one_state_are_the_same_and_describe_says_what_was_found() {
    let portal = portal(&[1, 2]).await;
    let first = source(&portal, "").scan(&Ask::first(now())).await.expect("a scan");
    let later = source(&portal, "").scan(&Ask::first(now().plus(Duration::from_hours(5)))).await.expect("a scan");
    assert_eq!(fingerprints(&first), fingerprints(&later));
    let said = source(&portal, "").describe().await.expect("a description");
    assert_eq!(said.kind, "html");
    assert!(said.found.contains("2 articles") && said.found.contains("\"Bài 1\""), "{}", said.found);
}

#[test]
fn a_key_that_cannot_be_right_is_refused_with_a_remedy() {
    let good = format!("{KEYS}list_url = \"https://portal.example.vn/tin\"\n");
    assert!(open(&good).is_ok());
    assert!(open("kind = \"html\"\npreset = \"joomla-2.5\"\nlist_url = \"https://portal.example.vn/\"").is_ok());
    for (wrong, remedy) in [
        (KEYS.to_owned(), "list_url"),
        (good.replace("https:", "ftp:"), "https://"),
        (format!("{KEYS}list_url = {{ url = \"https://portal.example.vn/\", muc = \"a\" }}"), "`muc`"),
        (format!("{KEYS}list_url = {{ category = \"a\" }}"), "list_url"),
        (good.replace("content = \".bai\"", ""), "preset"),
        (good.replace("link = \".tin a\"", ""), "link_pattern"),
        (good.replace(".bai", "..bai["), "CSS selector"),
        (format!("{good}per_poll = 0"), "1 to 200"),
        (format!("{good}timezone = \"Hanoi\""), "Asia/Ho_Chi_Minh"),
        (good.replace("127.0.0.1/32", "0.0.0.0/0"), "/32"),
        (good.replace("pause = 0", "pause = -1"), "pause"),
    ] {
        let Err(SourceError::Schema(message)) = open(&wrong) else { panic!("{wrong} was accepted") };
        assert!(message.contains("`portal`") && message.contains(remedy), "{message}");
    }
    for wrong in ["preset = \"drupal\"", "colour = \"red\"", "remove = 3", "category = [{}]"] {
        let text = format!("{good}{wrong}");
        assert!(toml::from_str::<loa::source::Settings>(&text).is_err(), "{wrong}");
    }
}

const BLOG: &str = include_str!("../../fixtures/html/joomla3-blog.html");
const SEED: &str = include_str!("../../fixtures/html/joomla3-article.html");
const PLACE: &str = "/index.php/cong-tac-to-chuc";

/// An ingest as the service builds it, over this source and a store that outlives it.
fn ingest(store: &Store, clock: &Clock, source: AnySource) -> Ingest {
    let site = Site {
        imprint: loa::domain::site::Imprint::default(),
        title: "Bản tin".into(),
        base_url: url::Url::parse("https://bantin.example.vn/").expect("an address"),
        authority: "example.vn,2021".to_owned(),
        locale: Locale::Vi,
        zone: jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone"),
    };
    let settings = IngestSettings {
        max_new: 50,
        max_age: Duration::from_hours(7 * 24),
        each_category: true,
        window: 50,
        small: 20_000,
    };
    let sources = BTreeMap::from([("portal".to_owned(), Arc::new(source))]);
    let metrics = Metrics::new(clock.now());
    Ingest::new(store.clone(), clock.clone(), site, sources, settings, Wakes::default(), metrics)
}

#[tokio::test]
async fn a_joomla_3_portal_that_gives_pages_only_is_published_revised_and_withdrawn_from() {
    let portal = WebServer::start().await;
    let of_here =
        |text: &str| text.replace("https://portal.example.vn", &portal.url("")).replace("2021-11-23T", "2026-11-22T");
    let (blog, seed) = (of_here(BLOG), of_here(SEED));
    let slugs = ["9019-nang-cao-nang-luc-lanh-dao", "9018-ket-nap-dang-vien", "9017-sinh-hoat-chi-bo", "9016-bai-cu"];
    portal.on(PLACE, Reply::html(blog.clone()));
    for slug in slugs {
        portal.on(&format!("{PLACE}/{slug}"), Reply::html(seed.replace("16 đảng bộ", &format!("16 đảng bộ ({slug})"))));
    }
    let source = || {
        open(&format!(
            "kind = \"html\"\npreset = \"joomla-3\"\nlist_url = \"{}\"\npause = 0\nallow = [\"127.0.0.1/32\"]",
            portal.url(PLACE)
        ))
        .expect("a source")
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(&format!("sqlite://{}/loa.db", folder.path().display())).await.expect("a store");
    let clock = Clock::manual(now());
    let mut house = ingest(&store, &clock, source());
    let none = Applied::default();

    let first = house.poll("portal").await.expect("a poll");
    assert_eq!((first.applied, first.faults), (Applied { baseline: 4, ..none }, Vec::new()));
    let stored = store.articles_after(0, 10).await.expect("articles");
    let seed_of = |id: &str| stored.iter().find(|stored| stored.article.external_id.contains(id)).expect("the article");
    let article = &seed_of("9019").article;
    assert_eq!(
        article.title.as_str(),
        "Nâng cao năng lực lãnh đạo, sức chiến đấu của tổ chức cơ sở đảng và đội ngũ đảng viên"
    );
    assert_eq!(article.url, portal.url(&format!("{PLACE}/{}", slugs[0])));
    assert!(
        article.summary.starts_with("(TUAG)- Sáng 23/11/2021, Ban Thường vụ Tỉnh ủy An Giang"),
        "{}",
        article.summary
    );
    assert_eq!(article.agency.as_deref(), Some("TUAG"));
    assert_eq!(article.authors.iter().map(loa::text::xml::XmlText::as_str).collect::<Vec<_>>(), ["Trúc Linh"]);
    let categories: Vec<_> = article.categories.iter().map(|category| category.slug.as_str()).collect();
    assert_eq!(categories, ["cong-tac-to-chuc", "xay-dung-dang"]);
    assert_eq!(article.categories[0].ancestors, ["xay-dung-dang"]);
    assert_eq!(article.image.as_ref().map(|image| image.url.clone()), Some(portal.url("/images/2021/hoi-nghi.jpg")));
    assert_eq!(article.published, at("2026-11-22T07:05:00Z"));

    let page = format!("{PLACE}/{}", slugs[0]);
    let poll = async |house: &Ingest| {
        clock.advance(Duration::from_mins(6));
        let report = house.poll("portal").await.expect("a poll");
        assert_eq!(report.faults, Vec::<String>::new());
        report.applied
    };
    let counted = seed.replace("26072767", "26072768").replace("114", "9").replace("24/11/2026", "25/11/2026");
    let counted = counted.replace("16 đảng bộ", "16 đảng bộ (9019-nang-cao-nang-luc-lanh-dao)");
    portal.on(&page, Reply::html(counted.clone()));
    assert_eq!(poll(&house).await, none, "counters are no edit");

    portal.on(&page, Reply::html(counted.replace("65.052", "65.053")));
    assert_eq!(poll(&house).await, Applied { revised: 1, ..none });
    assert_eq!(poll(&house).await, none);

    let new = blog.replace("9017-sinh-hoat-chi-bo", "9020-hop-mat");
    portal.on(PLACE, Reply::html(new));
    portal.on(&format!("{PLACE}/9020-hop-mat"), Reply::html(seed.replace("16 đảng bộ", "Họp mặt")));
    assert_eq!(poll(&house).await, Applied { published: 1, ..none }, "9017 only left the list");

    house = ingest(&store, &clock, source());
    assert_eq!(poll(&house).await, none, "a restart is no news");

    portal.on(&page, Reply::status(404));
    assert_eq!(poll(&house).await, none);
    assert_eq!(poll(&house).await, Applied { withdrawn: 1, ..none });
    portal.on(PLACE, Reply::html("<html><body><a href=/x>x</a></body></html>"));
    clock.advance(Duration::from_mins(6));
    let error = house.poll("portal").await.expect_err("no list").to_string();
    assert!(error.contains("did the portal change its design?"), "{error}");
    let visible = store.articles_after(0, 10).await.expect("articles").iter().filter(|stored| stored.visible).count();
    assert_eq!(visible, 4);
}
