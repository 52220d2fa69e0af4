//! Any database by the operator's own SELECT, on MariaDB and PostgreSQL: what is read, what moves, what is refused.

use std::collections::BTreeSet;

use loa::clock::Timestamp;
use loa::source::{AnySource, Ask, Depth, Light, Reach, Rhythm, Scan, Source, SourceError};

use super::{at, fingerprints, ids, next_flip, one, open, roll, set};
use crate::support::databases::{self, Db, Engine};

mod broken;
mod life;
mod nukeviet;
mod values;
mod wire;

/// What is public in the fixtures at [`now`].
const VISIBLE: [i64; 4] = [1, 2, 6, 8];

/// The instant for which the fixtures are written: 07:00 at home.
pub fn now() -> Timestamp {
    at("2026-11-23T00:00:00Z")
}

/// The SELECT of an operator, with `{tags}` in the dialect.
const ARTICLES: &str =
    "SELECT b.ma AS id, b.tieu_de AS title, b.bi_danh AS alias, b.tom_tat AS summary, b.noi_dung AS content,
    b.tac_gia AS author, b.chuyen_muc AS category_id, {tags} AS tags, b.ngay_dang AS published, b.ngay_sua AS updated,
    b.het_han AS expires, b.hinh AS image, b.chu_thich AS image_alt
  FROM bai_viet b WHERE b.hien = 1 -- what a visitor may see";
const CATEGORIES: &str =
    "SELECT ma AS id, cha AS parent, ten AS title, duong_dan AS slug FROM chuyen_muc WHERE hien = 1;";

/// One portal on one server.
pub struct Portal {
    pub db: Db,
}

impl Portal {
    /// A fresh portal, or nothing where the server lacks.
    pub async fn new(engine: Engine, test: &str) -> Option<Self> {
        let (db, tables) = match engine {
            Engine::MariaDb => (databases::mariadb(test).await?, include_str!("../../fixtures/sql/portal.mysql.sql")),
            Engine::Postgres => {
                (databases::postgres(test).await?, include_str!("../../fixtures/sql/portal.postgres.sql"))
            }
        };
        db.run(tables).await;
        db.run(include_str!("../../fixtures/sql/portal.rows.sql")).await;
        Some(Self { db })
    }

    /// The SELECT in the server's dialect.
    pub fn articles(&self) -> String {
        let list = match self.db.engine {
            Engine::MariaDb => "GROUP_CONCAT(t.ten ORDER BY t.ten SEPARATOR ',')",
            Engine::Postgres => "string_agg(t.ten, ',' ORDER BY t.ten)",
        };
        ARTICLES.replace("{tags}", &format!("(SELECT {list} FROM the t WHERE t.bai = b.ma)"))
    }

    /// The portal as a source.
    pub fn source(&self) -> AnySource {
        self.source_as(&self.db.url)
    }

    /// The portal as a source, with another account.
    pub fn source_as(&self, url: &str) -> AnySource {
        let categories =
            format!("categories = '''{CATEGORIES}'''\nlink = \"{{base}}tin/{{category}}/{{alias}}-{{id}}.html\"");
        source(url, &self.articles(), &categories)
    }

    pub async fn sweep(&self, source: &AnySource) -> Scan {
        let scan = source.scan(&Ask::first(now())).await.expect("a scan");
        assert!(scan.reach == Reach::Whole && scan.faults.is_empty(), "{scan:?}");
        scan
    }
}

/// A source with a SELECT and more settings.
pub fn source(url: &str, articles: &str, more: &str) -> AnySource {
    open(&settings(url, articles, more)).expect("a source")
}

pub fn settings(url: &str, articles: &str, more: &str) -> String {
    format!(
        "kind = \"sql\"\nurl = \"{url}\"\nsite_url = \"https://portal.example.vn/\"\narticles = '''\n{articles}\n'''\n{more}"
    )
}

/// Stamps a law for each server.
macro_rules! on_each_server {
    ($($law:ident),+ $(,)?) => {$(
        mod $law {
            use $crate::sources::sql::Portal;
            use $crate::support::databases::Engine;

            #[tokio::test]
            async fn mariadb() {
                if let Some(portal) = Portal::new(Engine::MariaDb, stringify!($law)).await {
                    super::$law(portal).await;
                }
            }

            #[tokio::test]
            async fn postgresql() {
                if let Some(portal) = Portal::new(Engine::Postgres, stringify!($law)).await {
                    super::$law(portal).await;
                }
            }
        }
    )+};
}
pub(crate) use on_each_server;

on_each_server!(
    a_scan_gives_what_the_select_gives_and_whose_time_has_come,
    a_row_becomes_an_article,
    categories_are_the_rows_of_their_select,
    each_edit_moves_its_article_and_no_other,
    what_is_hidden_deleted_or_over_is_gone_and_what_comes_due_appears,
    a_category_that_moves_is_seen,
    a_hot_scan_sees_the_newest_and_what_it_is_asked_about,
    a_hot_scan_that_meets_a_changed_category_asks_for_a_sweep,
    a_thousand_articles_are_fetched_in_one_call,
    exactly_these_grants_suffice,
    a_view_with_one_grant_suffices,
    a_census_tells_what_is_hidden_and_why,
    the_description_says_what_was_found_and_what_is_made_nothing_of,
);

async fn a_scan_gives_what_the_select_gives_and_whose_time_has_come(portal: Portal) {
    let source = portal.source();
    assert!(matches!(source.rhythm(), Rhythm::Tiers { sweep } if sweep.as_secs() == 600));
    let scan = portal.sweep(&source).await;
    assert_eq!(ids(&scan), set(VISIBLE));
    let flips: Vec<_> = scan.flips.iter().map(|flip| (flip.external_id.as_str(), flip.at)).collect();
    assert_eq!(flips.len(), 2, "{flips:?}");
    assert!(flips.contains(&("4", at("2026-11-23T00:30:00Z"))) && flips.contains(&("6", at("2026-11-23T00:00:01Z"))));
    assert_eq!(next_flip(&scan), Some(at("2026-11-23T00:00:01Z")));
    let again = portal.sweep(&source).await;
    assert_eq!(fingerprints(&scan), fingerprints(&again), "a fingerprint moved although nothing changed");
}

async fn a_row_becomes_an_article(portal: Portal) {
    let source = portal.source();
    let article = one(source.fetch(&set([1]), now()).await.expect("an article"));
    assert_eq!(article.title, "Hội nghị tổng kết \"năm\"");
    assert_eq!(article.url, "https://portal.example.vn/tin/cong-tac-to-chuc/hoi-nghi-1.html");
    assert_eq!(article.base.as_ref().map(ToString::to_string).as_deref(), Some("https://portal.example.vn/"));
    assert_eq!(article.summary_html, "<p>Sáng 23/11, hội nghị khai mạc.</p>");
    assert_eq!(article.content_html, "<p>Toàn văn &amp; phụ lục.</p>");
    assert_eq!(article.authors, ["Trúc Linh", "Văn An"]);
    assert_eq!(
        (article.categories, article.tags),
        (vec!["2".into(), "1".into()], vec!["chi bộ".into(), "đại hội".into()])
    );
    assert_eq!((article.published, article.updated), (at("2021-11-23T07:05:00Z"), Some(at("2021-11-24T01:00:00Z"))));
    let image = article.image.expect("a picture");
    assert_eq!(
        (image.url.as_str(), image.alt.as_str(), image.media_type.as_str()),
        ("hinh/hoi-nghi.jpg", "Quang cảnh", "image/jpeg")
    );

    let bare = one(source.fetch(&set([8]), now()).await.expect("an article"));
    assert_eq!((bare.url.as_str(), bare.content_html.as_str()), ("https://portal.example.vn/tin//8.html", ""));
    assert!(bare.categories.is_empty() && bare.tags.is_empty() && bare.authors.is_empty() && bare.image.is_none());

    // Only what is public is brought, whatever is asked for.
    let all: BTreeSet<String> =
        (1..=9).map(|id| id.to_string()).chain(["x".into(), "1 OR 1=1".into(), "01".into()]).collect();
    let fetched = source.fetch(&all, now()).await.expect("articles");
    assert_eq!(fetched.articles.into_iter().map(|a| a.external_id).collect::<BTreeSet<_>>(), set(VISIBLE));
}

async fn categories_are_the_rows_of_their_select(portal: Portal) {
    let scan = portal.sweep(&portal.source()).await;
    let found: Vec<_> = scan
        .categories
        .iter()
        .flatten()
        .map(|c| (c.external_id.as_str(), c.parent.as_deref(), c.title.as_str(), c.slug.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("1", None, "Xây dựng Đảng", "xay-dung-dang"),
            ("2", Some("1"), "Công tác tổ chức", "cong-tac-to-chuc"),
            ("4", None, "Tin tức", "tin-tuc"),
        ]
    );
    assert!(scan.categories_hide);
}

async fn each_edit_moves_its_article_and_no_other(portal: Portal) {
    let source = portal.source();
    let mut before = fingerprints(&portal.sweep(&source).await);
    for (edit, moves) in [
        ("tieu_de = 'Hội nghị'", true),
        ("bi_danh = 'hoi-nghi-2'", true),
        ("tom_tat = NULL", true),
        ("tom_tat = ''", true),
        ("noi_dung = '<p>Toàn văn.</p>'", true),
        // What leaves one column and enters the next is a change.
        ("tieu_de = 'Hội', bi_danh = ' nghịhoi-nghi-2'", true),
        ("tac_gia = NULL", true),
        ("ngay_dang = '2021-11-23 14:06:00'", true),
        ("hinh = 'hinh/khac.jpg'", true),
        ("chuyen_muc = 4", true),
        ("luot_xem = luot_xem + 1", false),
        ("ngay_sua = '2021-11-25 08:00:00'", false),
    ] {
        portal.db.run(&format!("UPDATE bai_viet SET {edit} WHERE ma = 1")).await;
        let after = fingerprints(&portal.sweep(&source).await);
        let moved: Vec<_> =
            after.iter().filter(|(id, print)| before.get(*id) != Some(*print)).map(|(id, _)| id.as_str()).collect();
        assert_eq!(moved, if moves { vec!["1"] } else { vec![] }, "{edit}");
        before = after;
    }
    portal.db.run("DELETE FROM the WHERE ten = 'chi bộ'").await;
    let after = fingerprints(&portal.sweep(&source).await);
    assert_ne!(after["1"], before["1"], "a tag went");
}

async fn what_is_hidden_deleted_or_over_is_gone_and_what_comes_due_appears(portal: Portal) {
    let source = portal.source();
    portal.sweep(&source).await;
    portal.db.run("UPDATE bai_viet SET hien = 0 WHERE ma = 2; DELETE FROM bai_viet WHERE ma = 8;").await;
    assert_eq!(ids(&portal.sweep(&source).await), set([1, 6]));
    portal.db.run("UPDATE bai_viet SET hien = 1 WHERE ma IN (2, 3)").await;
    assert_eq!(ids(&portal.sweep(&source).await), set([1, 2, 3, 6]));
    let scan = source.scan(&Ask::first(at("2026-11-23T00:30:00Z"))).await.expect("a scan");
    assert_eq!(ids(&scan), set([1, 2, 3, 4]), "4 came due, 6 is over");
    assert!(scan.flips.is_empty());
    let fetched = source.fetch(&set([4, 6]), at("2026-11-23T00:30:00Z")).await.expect("articles");
    assert_eq!(one(fetched).external_id, "4");
    // An end before the beginning: never.
    portal
        .db
        .run("UPDATE bai_viet SET ngay_dang = '2027-01-02 00:00:00', het_han = '2027-01-01 00:00:00' WHERE ma = 1")
        .await;
    let scan = portal.sweep(&source).await;
    assert!(!ids(&scan).contains("1") && scan.flips.iter().all(|flip| flip.external_id != "1"));
}

async fn a_category_that_moves_is_seen(portal: Portal) {
    let source = portal.source();
    let before = fingerprints(&portal.sweep(&source).await);
    portal.db.run("UPDATE chuyen_muc SET ten = 'Xây dựng Đảng và hệ thống chính trị' WHERE ma = 1").await;
    let renamed = fingerprints(&portal.sweep(&source).await);
    let moved: Vec<_> =
        renamed.iter().filter(|(id, print)| before[*id] != **print).map(|(id, _)| id.as_str()).collect();
    assert_eq!(moved, ["1"], "its ancestor has another name");
    portal.db.run("UPDATE chuyen_muc SET hien = 0 WHERE ma = 4").await;
    assert_eq!(ids(&portal.sweep(&source).await), set([1, 8]), "hidden with its category");
    portal.db.run("UPDATE chuyen_muc SET hien = 1 WHERE ma = 3").await;
    assert_eq!(ids(&portal.sweep(&source).await), set([1, 7, 8]), "shown with its category");
    portal.db.run("UPDATE chuyen_muc SET hien = 0 WHERE ma = 1").await;
    let scan = portal.sweep(&source).await;
    assert!(ids(&scan).contains("1"), "the SELECT says what is public: 2 still is, now at the top");
    let article = one(source.fetch(&set([1]), now()).await.expect("an article"));
    assert_eq!(article.categories, ["2"]);
}

/// A thousand articles, a minute apart, from 1001 on.
async fn crowd(portal: &Portal) {
    let rows: Vec<String> = (1..=1000)
        .map(|n| {
            format!(
                "({}, 'Bài {n}', 'bai-{n}', '<p>{n}</p>', 4, '2022-01-01 {:02}:{:02}:00', 1)",
                1000 + n,
                n / 60,
                n % 60
            )
        })
        .collect();
    let columns = "ma, tieu_de, bi_danh, noi_dung, chuyen_muc, ngay_dang, hien";
    portal.db.run(&format!("INSERT INTO bai_viet ({columns}) VALUES {}", rows.join(","))).await;
}

async fn a_hot_scan_sees_the_newest_and_what_it_is_asked_about(portal: Portal) {
    crowd(&portal).await;
    let source = portal.source();
    let sweep = portal.sweep(&source).await;
    assert_eq!(sweep.articles.len(), 1000 + VISIBLE.len());
    let all = fingerprints(&sweep);
    // Readers see 1, 2, 8 and an old one; 2 is hidden, 8 deleted, 1 edited, 4 comes due.
    let asked = |light: &&Light| ["1", "2", "8", "1100"].contains(&light.external_id.as_str());
    let known = roll(sweep.articles.iter().filter(asked));
    portal
        .db
        .run(
            "UPDATE bai_viet SET hien = 0 WHERE ma = 2; DELETE FROM bai_viet WHERE ma = 8;
             UPDATE bai_viet SET tieu_de = 'Khác' WHERE ma IN (1, 1050);
             INSERT INTO bai_viet (ma, tieu_de, ngay_dang) VALUES (20, 'Mới nhưng số nhỏ', '2022-02-01 00:00:00'),
               (9000, 'Mới nhưng đề ngày cũ', '2020-01-01 00:00:00');",
        )
        .await;
    let categories = sweep.categories.clone().expect("categories");
    let due = set([4]);
    let ask = Ask {
        now: at("2026-11-23T00:30:00Z"),
        depth: Depth::Hot,
        known: known.public(),
        due: &due,
        categories: &categories,
    };
    let hot = source.scan(&ask).await.expect("a scan");
    let found = fingerprints(&hot);
    for id in ["20", "9000", "1", "4", "1100"] {
        assert!(found.contains_key(id), "{id}");
    }
    assert!((hot.faults.is_empty()) && !hot.deeper && hot.categories.as_ref() == Some(&categories));
    assert!(found.len() < 500, "{} rows for the newest 400 and four", found.len());
    let Reach::Only(looked_for) = &hot.reach else { panic!("{:?}", hot.reach) };
    for gone in ["2", "8"] {
        assert!(looked_for.contains(gone) && !found.contains_key(gone), "{gone}");
    }
    assert!(!looked_for.contains("1050"), "an old article that nobody asked about was not looked at");
    assert_ne!(found["1"], all["1"]);
    assert_eq!(found["1100"], all["1100"], "asked for alone or with all: one fingerprint");
    for (id, print) in found.iter().filter(|(id, _)| !["1", "4", "20", "9000"].contains(&id.as_str())) {
        assert_eq!(all.get(id), Some(print), "{id}");
    }
}

async fn a_hot_scan_that_meets_a_changed_category_asks_for_a_sweep(portal: Portal) {
    let source = portal.source();
    let categories = portal.sweep(&source).await.categories.expect("categories");
    let none = BTreeSet::new();
    let ask = Ask { depth: Depth::Hot, due: &none, categories: &categories, ..Ask::first(now()) };
    assert!(!source.scan(&ask).await.expect("a scan").deeper);
    portal.db.run("UPDATE chuyen_muc SET ten = 'Tin mới' WHERE ma = 4").await;
    assert!(source.scan(&ask).await.expect("a scan").deeper);
}

async fn a_thousand_articles_are_fetched_in_one_call(portal: Portal) {
    crowd(&portal).await;
    let source = portal.source();
    let wanted = ids(&portal.sweep(&source).await);
    let fetched = source.fetch(&wanted, now()).await.expect("articles");
    assert!(fetched.faults.is_empty());
    assert_eq!(fetched.articles.into_iter().map(|a| a.external_id).collect::<BTreeSet<_>>(), wanted);
}

fn schema(portal: &Portal) -> &'static str {
    if portal.db.engine == Engine::MariaDb { "{database}." } else { "" }
}

async fn exactly_these_grants_suffice(mut portal: Portal) {
    let schema = schema(&portal);
    let article = "ma, tieu_de, bi_danh, tom_tat, noi_dung, tac_gia, chuyen_muc, ngay_dang, ngay_sua, het_han, hinh, chu_thich, hien";
    let grants = [
        format!("GRANT SELECT ({article}) ON {schema}bai_viet TO {{account}}"),
        format!("GRANT SELECT ON {schema}chuyen_muc TO {{account}}"),
        format!("GRANT SELECT ON {schema}the TO {{account}}"),
    ];
    let url = portal.db.account(&grants.each_ref().map(String::as_str)).await;
    let source = portal.source_as(&url);
    let scan = portal.sweep(&source).await;
    assert_eq!(ids(&scan), set(VISIBLE));
    assert_eq!(source.fetch(&ids(&scan), now()).await.expect("articles").articles.len(), VISIBLE.len());
}

async fn a_view_with_one_grant_suffices(mut portal: Portal) {
    let view = portal.articles();
    portal.db.run(&format!("CREATE VIEW loa_articles AS {}", view.split("--").next().expect("a part"))).await;
    let url = portal.db.account(&[&format!("GRANT SELECT ON {}loa_articles TO {{account}}", schema(&portal))]).await;
    let source = source(&url, "SELECT * FROM loa_articles", "link = \"{base}{id}\"");
    let scan = portal.sweep(&source).await;
    assert_eq!(ids(&scan), set([1, 2, 6, 7, 8]), "without `categories` nothing lies in a hidden one");
    assert!(scan.categories.as_ref().is_some_and(Vec::is_empty) && !scan.categories_hide, "ids alone are no names");
}

async fn the_description_says_what_was_found_and_what_is_made_nothing_of(portal: Portal) {
    let articles = portal.articles().replace("SELECT b.ma AS id,", "SELECT b.ma AS id, b.luot_xem,");
    let more = format!("categories = '''{CATEGORIES}'''\nlink = \"{{base}}{{id}}\"");
    portal.db.run("UPDATE bai_viet SET ngay_dang = '2999-01-01 00:00:00' WHERE ma = 4").await;
    portal.db.run("UPDATE bai_viet SET het_han = '2021-11-23 00:00:00' WHERE ma IN (5, 6)").await;
    let found = source(&portal.db.url, &articles, &more).describe().await.expect("a description");
    assert_eq!((found.name.as_str(), found.kind), ("portal", "sql"));
    let server = if portal.db.engine == Engine::MariaDb { "MariaDB" } else { "PostgreSQL 1" };
    for part in [
        server,
        "3 public",
        "1 wait",
        "2 are over",
        "1 lie in a category",
        "3 categories",
        "expires",
        "nothing of the columns luot_xem",
    ] {
        assert!(found.found.contains(part), "{part}: {}", found.found);
    }
}

async fn a_census_tells_what_is_hidden_and_why(portal: Portal) {
    let census = portal.source().census(now()).await.expect("a census");
    let counts = census.by_category.expect("counts");
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("2".to_owned(), 1), ("4".to_owned(), 2)]);
    let hidden: Vec<_> = census.hidden.iter().map(|h| (h.reason.as_str(), h.count, h.examples.join("|"))).collect();
    assert_eq!(hidden.len(), 3, "{hidden:?}");
    for (part, example) in [("wait", "4: Hẹn giờ"), ("over", "5: Đã hết hạn"), ("category", "7: Trong chuyên mục ẩn")]
    {
        assert!(
            hidden.iter().any(|(reason, n, e)| reason.contains(part) && *n == 1 && e == example),
            "{part}: {hidden:?}"
        );
    }
}

#[test]
fn a_setting_that_cannot_be_right_is_refused_with_a_remedy() {
    let select = "SELECT id, title, published, url FROM tin";
    let mysql = "mysql://u:geheim@h/d";
    let good = |more: &str| settings(mysql, select, more);
    let preset =
        format!("kind = \"sql\"\nurl = \"{mysql}\"\nsite_url = \"https://example.vn\"\npreset = \"nukeviet\"\n");
    assert!(open(&good("")).is_ok() && open(&preset).is_ok());
    assert!(open(&good("").replace("mysql://", "mariadb://")).is_ok());
    assert!(open(&format!("{preset}module = \"tin-tuc\"\nlanguage = \"en\"\nprefix = \"nv5\"")).is_ok());
    for (wrong, remedy) in [
        (settings(mysql, "DELETE FROM tin", ""), "one SELECT"),
        (settings(mysql, "SELECT 1; SELECT 2", ""), "more than one statement"),
        (good("categories = \"SELECT 1 INTO x\""), "`categories`"),
        (good("link = \"{base}{slug}\""), "{alias}-{id}"),
        (good("limit = 0"), "between 1 and 50"),
        (good("limit = 51"), "between 1 and 50"),
        (good("sweep = 0"), "600"),
        (good("timezone = \"Hanoi\""), "Asia/Ho_Chi_Minh"),
        (good("prefix = \"nv4\""), "`preset`"),
        (good("preset = \"nukeviet\""), "leave either"),
        (preset.replace("mysql:", "postgres:"), "mysql://"),
        (format!("{preset}prefix = \"nv4; DROP\""), "letters"),
        (format!("{preset}language = \"v`i\""), "letters"),
        ("kind = \"sql\"\nurl = \"mysql://u:geheim@h/d\"\nsite_url = \"https://example.vn\"".to_owned(), "`preset`"),
        (good("").replace("mysql:", "sqlite:"), "postgres://"),
    ] {
        let Err(SourceError::Schema(message)) = open(&wrong) else { panic!("{wrong} was accepted") };
        assert!(message.contains("`portal`") && message.contains(remedy), "{message}");
        assert!(!message.contains("geheim"), "{message}");
    }
    assert!(toml::from_str::<loa::source::Settings>(&good("dates = \"julian\"")).is_err());
    assert!(toml::from_str::<loa::source::Settings>(&good("selct = \"x\"")).is_err());
    let debug = format!("{:?}", toml::from_str::<loa::source::Settings>(&good("")).expect("settings"));
    assert!(!debug.contains("geheim"), "{debug}");
}
