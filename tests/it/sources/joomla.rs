//! Joomla's tables on four pairs of schema and server: exactly what an anonymous visitor may see, and how it looks.

use std::collections::BTreeSet;

use loa::clock::Timestamp;
use loa::source::{AnySource, Ask, Reach, Source};

use super::{at, fingerprints, ids, next_flip, one, open, set};
use crate::support::databases::{self, Db, Engine};

/// What is public in the fixtures at [`now`], on every schema and server.
pub const VISIBLE: [i64; 13] = [100, 101, 102, 110, 118, 119, 120, 124, 125, 126, 127, 128, 130];

/// The instant for which the fixtures are written.
pub fn now() -> Timestamp {
    at("2026-11-23T00:00:00Z")
}

/// One portal on one server.
pub struct Portal {
    pub db: Db,
    pub prefix: &'static str,
    pub joomla: u8,
}

impl Portal {
    /// A fresh portal, or nothing where the server lacks.
    pub async fn new(joomla: u8, engine: Engine, test: &str) -> Option<Self> {
        let (db, sql) = match (joomla, engine) {
            (3, Engine::MariaDb) => {
                (databases::mariadb(test).await?, include_str!("../../fixtures/joomla/joomla3.mysql.sql"))
            }
            (3, Engine::Postgres) => {
                (databases::postgres(test).await?, include_str!("../../fixtures/joomla/joomla3.postgres.sql"))
            }
            (_, Engine::MariaDb) => {
                (databases::mariadb(test).await?, include_str!("../../fixtures/joomla/joomla5.mysql.sql"))
            }
            (_, Engine::Postgres) => {
                (databases::postgres(test).await?, include_str!("../../fixtures/joomla/joomla5.postgres.sql"))
            }
        };
        db.run(sql).await;
        Some(Self { db, prefix: if joomla == 3 { "jos_" } else { "k3v9x_" }, joomla })
    }

    /// Runs SQL in which `#__` stands for the prefix.
    pub async fn run(&self, sql: &str) {
        self.db.run(&sql.replace("#__", self.prefix)).await;
    }

    /// The portal as a source, with the account that owns everything and no hint of the prefix.
    pub fn source(&self) -> AnySource {
        source_as(&self.db.url, "")
    }
}

/// A portal as a source, with the account of an address and more settings.
pub fn source_as(url: &str, more: &str) -> AnySource {
    open(&format!("kind = \"joomla\"\nurl = \"{url}\"\nsite_url = \"https://portal.example.vn\"\n{more}"))
        .expect("a source")
}

/// Stamps a law for each pair of schema and server.
macro_rules! on_each_portal {
    ($($law:ident),+ $(,)?) => {$(
        mod $law {
            use $crate::sources::joomla::Portal;
            use $crate::support::databases::Engine;

            #[tokio::test]
            async fn joomla_3_on_mariadb() {
                if let Some(portal) = Portal::new(3, Engine::MariaDb, stringify!($law)).await {
                    super::$law(portal).await;
                }
            }

            #[tokio::test]
            async fn joomla_3_on_postgresql() {
                if let Some(portal) = Portal::new(3, Engine::Postgres, stringify!($law)).await {
                    super::$law(portal).await;
                }
            }

            #[tokio::test]
            async fn joomla_5_on_mariadb() {
                if let Some(portal) = Portal::new(5, Engine::MariaDb, stringify!($law)).await {
                    super::$law(portal).await;
                }
            }

            #[tokio::test]
            async fn joomla_5_on_postgresql() {
                if let Some(portal) = Portal::new(5, Engine::Postgres, stringify!($law)).await {
                    super::$law(portal).await;
                }
            }
        }
    )+};
}
pub(crate) use on_each_portal;

on_each_portal!(
    a_scan_gives_exactly_what_a_visitor_may_see,
    the_scan_agrees_with_the_rule_written_as_one_query,
    categories_are_those_a_visitor_can_reach,
    a_fetched_article_is_what_the_editor_wrote,
    only_visible_articles_are_fetched,
    hundreds_of_articles_are_fetched_in_one_call,
    settings_override_what_is_found,
    a_census_counts_every_article_once_and_says_why_it_is_not_shown,
);

async fn a_scan_gives_exactly_what_a_visitor_may_see(portal: Portal) {
    let scan = portal.source().scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!(ids(&scan), set(VISIBLE));
    assert!((scan.reach == Reach::Whole) && scan.faults.is_empty());
    assert_eq!(next_flip(&scan), Some(at("2026-11-23T00:00:01Z")), "the second after 126 expires");
    let again = portal.source().scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!(fingerprints(&scan), fingerprints(&again), "a fingerprint moved although nothing changed");
}

/// The same rule by nested sets instead of parents; the damaged categories 70, 71 and 80 apart, whose sets are wrong.
async fn the_scan_agrees_with_the_rule_written_as_one_query(portal: Portal) {
    let id = if portal.db.engine == Engine::Postgres { "CAST(a.id AS text)" } else { "CAST(a.id AS CHAR)" };
    let sql = format!(
        "SELECT {id} FROM {p}content a JOIN {p}categories c ON c.id = a.catid AND c.extension = 'com_content' \
         WHERE a.state = 1 AND a.access IN (1, 5) AND a.catid NOT IN (70, 71, 80) \
         AND (a.publish_up IS NULL OR a.publish_up <= '2026-11-23 00:00:00') \
         AND (a.publish_down IS NULL OR a.publish_down < '1971-01-02' OR a.publish_down >= '2026-11-23 00:00:00') \
         AND NOT EXISTS (SELECT 1 FROM {p}categories p WHERE p.lft <= c.lft AND p.rgt >= c.rgt AND p.level > 0 \
                         AND (p.published <> 1 OR p.access NOT IN (1, 5)))",
        p = portal.prefix
    );
    let rows = portal.db.rows(&sql).await;
    let expected: BTreeSet<String> = rows.into_iter().map(|mut row| row.remove(0).expect("an id")).collect();
    assert_eq!(ids(&portal.source().scan(&Ask::first(now())).await.expect("a scan")), expected);
}

async fn categories_are_those_a_visitor_can_reach(portal: Portal) {
    let scan = portal.source().scan(&Ask::first(now())).await.expect("a scan");
    let found: Vec<_> = scan
        .categories
        .iter()
        .flatten()
        .map(|c| (c.external_id.as_str(), c.parent.as_deref(), c.title.as_str(), c.slug.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("10", None, "Công tác tổ chức", "cong-tac-to-chuc"),
            ("11", Some("10"), "Kết nạp đảng viên", "ket-nap-dang-vien"),
            ("12", None, "Tiến tới đại hội đảng", "tien-toi-dai-hoi-dang"),
            ("13", None, "Giải phóng miền Nam", "giai-phong-mien-nam"),
            ("50", None, "Dành cho khách", "danh-cho-khach"),
            ("90", Some("12"), "Kết nạp đảng viên mới", "ket-nap-dang-vien-90"),
            ("91", None, "Ðổi mới sáng tạo", "doi-moi-sang-tao"),
        ]
    );
}

async fn a_fetched_article_is_what_the_editor_wrote(portal: Portal) {
    let source = portal.source();
    let article = one(source.fetch(&set([100]), now()).await.expect("an article"));
    assert_eq!(article.title, "Tổ chức cơ sở đảng nâng chất lượng sinh hoạt");
    assert_eq!(article.url, "https://portal.example.vn/index.php?option=com_content&view=article&id=100");
    assert_eq!(article.summary_html, "<p>(TUAG)- Sáng 23/11, hội nghị khai mạc.</p>");
    assert_eq!(article.content_html, format!("{}\n<p>Toàn văn &amp; phụ lục.</p>", article.summary_html));
    assert_eq!((article.authors, article.tags), (vec!["Nguyễn Văn An".to_owned()], vec!["Chi bộ".to_owned()]));
    assert_eq!(article.categories, ["10"]);
    assert_eq!(article.published, at("2021-11-23T07:05:00Z"));
    assert_eq!(article.updated, Some(at("2021-11-23T07:05:00Z")), "never before it was published");
    assert_eq!(article.language, "");
    let image = article.image.expect("a picture");
    assert_eq!((image.url.as_str(), image.width, image.height), ("images/hoi-nghi.jpg", Some(800), Some(600)));

    let nested = one(source.fetch(&set([101]), now()).await.expect("an article"));
    assert_eq!((nested.title.as_str(), nested.authors), ("Kết nạp \"đảng viên\" trẻ", vec!["Trúc Linh".to_owned()]));
    assert_eq!((nested.categories, nested.language.as_str()), (vec!["11".to_owned(), "10".to_owned()], "vi-VN"));
    assert!(nested.tags.is_empty(), "a tag of a contact is no tag of an article");
    assert_eq!(nested.summary_html, "", "without a second half no lede was marked");

    let undated = one(source.fetch(&set([119]), now()).await.expect("an article"));
    assert_eq!(undated.published, at("2021-04-30T02:00:00Z"), "created stands in for a missing publish_up");
    let foreign = one(source.fetch(&set([128]), now()).await.expect("an article"));
    assert_eq!((foreign.language.as_str(), foreign.authors.len()), ("en-GB", 0));
}

async fn only_visible_articles_are_fetched(portal: Portal) {
    let wanted: BTreeSet<String> =
        (100..=130).map(|id| id.to_string()).chain(["x".into(), "1 OR 1=1".into()]).collect();
    let fetched = portal.source().fetch(&wanted, now()).await.expect("articles");
    let found: BTreeSet<String> = fetched.articles.into_iter().map(|article| article.external_id).collect();
    assert_eq!(found, set(VISIBLE));
}

async fn hundreds_of_articles_are_fetched_in_one_call(portal: Portal) {
    let columns = "state, catid, access, title, alias, introtext, created, modified, images, urls, attribs, metadesc, \
                   metadata, language, publish_up, publish_down, created_by, metakey";
    let full = if portal.db.engine == Engine::Postgres { "\"fulltext\"" } else { "`fulltext`" };
    let tens = "(SELECT id - 100 AS n FROM #__content WHERE id BETWEEN 100 AND 119) x, \
                (SELECT id - 100 AS n FROM #__content WHERE id BETWEEN 100 AND 124) y";
    let from = columns.split(", ").map(|c| format!("a.{c}")).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "INSERT INTO #__content (id, {columns}, {full}) SELECT 1000 + x.n * 25 + y.n, {from}, a.{full} \
         FROM #__content a, {tens} WHERE a.id = 100"
    );
    portal.run(&sql).await;
    let source = portal.source();
    let scan = source.scan(&Ask::first(now())).await.expect("a scan");
    assert_eq!(scan.articles.len(), 500 + VISIBLE.len());
    let fetched = source.fetch(&ids(&scan), now()).await.expect("articles");
    let found: BTreeSet<String> = fetched.articles.into_iter().map(|article| article.external_id).collect();
    assert_eq!(found, ids(&scan));
}

async fn settings_override_what_is_found(portal: Portal) {
    let link = "link = \"{base}{lang}/{catid}-{cat_path}/{id}-{alias}\"\nguest_levels = [1, 2]";
    let source = source_as(&portal.db.url, link);
    let found = ids(&source.scan(&Ask::first(now())).await.expect("a scan"));
    for (id, visible) in [("108", true), ("114", true), ("115", true), ("110", false), ("118", false)] {
        assert_eq!(found.contains(id), visible, "{id}");
    }
    let article = one(source.fetch(&set([101]), now()).await.expect("an article"));
    assert_eq!(article.url, "https://portal.example.vn/vi/11-cong-tac-to-chuc/ket-nap-dang-vien/101-bai-101");

    // The editor's 00:00 was meant on the wall clock at home: then all bounds lie seven hours earlier.
    let home = source_as(&portal.db.url, "timezone = \"Asia/Ho_Chi_Minh\"");
    let scan = home.scan(&Ask::first(at("2026-11-22T17:00:00Z"))).await.expect("a scan");
    assert_eq!(ids(&scan), set(VISIBLE));
    let article = one(home.fetch(&set([100]), now()).await.expect("an article"));
    assert_eq!(article.published, at("2021-11-23T00:05:00Z"));
}

async fn a_census_counts_every_article_once_and_says_why_it_is_not_shown(portal: Portal) {
    let census = portal.source().census(now()).await.expect("a census");
    let shown: usize = census.by_category.expect("counted").values().sum();
    assert_eq!(shown, VISIBLE.len());
    let hidden: usize = census.hidden.iter().map(|hidden| hidden.count).sum();
    let all = portal.db.rows(&format!("SELECT count(*) FROM {}content", portal.prefix)).await;
    assert_eq!(all[0][0].as_deref(), Some((shown + hidden).to_string().as_str()));
    for reason in
        ["unpublished", "archived", "in the trash", "access level", "which is not published", "has not come", "is over"]
    {
        assert!(census.hidden.iter().any(|hidden| hidden.reason.contains(reason)), "{reason}: {:?}", census.hidden);
    }
    assert!(census.hidden.iter().all(|hidden| (1..=3).contains(&hidden.examples.len())));
}
