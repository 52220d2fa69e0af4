//! A portal with one new article and many readers, at the moment when the poll has written the change: what the bench of
//! the whole job begins with, each round anew. Made through loa's own doors: the folder source, the import, two polls.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use loa::clock::Clock;
use loa::config::Config;
use loa::domain::subscriber::{EmailAddress, Frequency, Locale};
use loa::service::Service;
use loa::store::engine::Store;
use loa::store::opt_in::Request;
use loa::store::subscriber::Wish;
use sqlx::{Connection, Executor, PgConnection, SqlSafeStr};
use tempfile::TempDir;

const SOURCE: &str = "cong";

/// Where the portal lies: a folder, and on PostgreSQL a database beside it. Rounds work on copies.
pub struct Portal {
    folder: TempDir,
    /// Address of a PostgreSQL database that may make others, for the engine of that name; else SQLite.
    postgres: Option<String>,
}

/// One round's copy of the database. On PostgreSQL it is dropped with [`Portal::discard`].
pub struct Copy {
    pub url: String,
    path: Option<PathBuf>,
}

impl Portal {
    /// Makes the portal with so many immediate readers. Mails get `filler` bytes more than the templates make.
    pub async fn make(people: usize, filler: usize, postgres: Option<String>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let portal = Self { folder, postgres };
        let dir = portal.folder.path();
        fs::create_dir_all(dir.join("articles")).expect("a folder");
        fs::create_dir_all(dir.join("feeds")).expect("a folder");
        fs::write(dir.join("loa.toml"), CONFIG).expect("a file");
        if filler > 0 {
            portal.write_templates(filler);
        }
        if let Some(admin) = &portal.postgres {
            command(admin, &format!("CREATE DATABASE {}", name(0))).await;
        }
        portal.fill(people).await;
        portal
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("loa.toml")
    }

    /// The folder of templates that win, if mails are larger than usual.
    pub fn templates(&self) -> Option<PathBuf> {
        Some(self.folder.path().join("templates")).filter(|t| t.exists())
    }

    /// A copy of the database for one round; `round` counts from 1.
    pub async fn copy(&self, round: usize) -> Copy {
        if let Some(admin) = &self.postgres {
            command(admin, &format!("CREATE DATABASE {} TEMPLATE {}", name(round), name(0))).await;
            // What copying left to be written is not the round's work.
            command(admin, "CHECKPOINT").await;
            return Copy { url: self.url(round), path: None };
        }
        let path = self.folder.path().join(format!("{}.db", name(round)));
        fs::copy(self.folder.path().join(format!("{}.db", name(0))), &path).expect("the database is copied");
        fs::File::open(&path).and_then(|f| f.sync_all()).expect("the copy reaches the disk");
        Copy { url: self.url(round), path: Some(path) }
    }

    /// Removes a round's copy.
    pub async fn discard(&self, copy: Copy, round: usize) {
        match (&self.postgres, copy.path) {
            (Some(admin), _) => command(admin, &format!("DROP DATABASE {}", name(round))).await,
            (None, Some(path)) => fs::remove_file(path).expect("the copy is removed"),
            (None, None) => {}
        }
    }

    /// Removes what [`Portal::make`] made outside its folder.
    pub async fn remove(self) {
        if let Some(admin) = &self.postgres {
            command(admin, &format!("DROP DATABASE {}", name(0))).await;
        }
    }

    fn url(&self, round: usize) -> String {
        match &self.postgres {
            Some(admin) => {
                let mut url: url::Url = admin.parse().expect("the address of PostgreSQL is a URL");
                url.set_path(&name(round));
                url.to_string()
            }
            None => format!("sqlite://{}/{}.db", self.folder.path().display(), name(round)),
        }
    }

    async fn fill(&self, people: usize) {
        let clock = Clock::system();
        let variables = [("LOA_STORE__URL".to_owned(), self.url(0))];
        let config = Config::load(Some(&self.config()), variables.into_iter()).expect("the configuration is good");
        let zone = config.site.timezone.clone();
        let article = |id: &str, text: &str| {
            let now = clock.now().in_zone(&zone).strftime("%Y-%m-%d %H:%M:%S").to_string();
            let text = format!(
                "---\nid: {id}\ntitle: \"Công tác chuẩn bị đại hội đảng bộ các cấp: {text}\"\npublished: {now}\n\
                 category: Công tác tổ chức\nauthor: Hoài Phương\n---\n{PARAGRAPH}\n\n{PARAGRAPH}\n"
            );
            fs::write(self.folder.path().join(format!("articles/{id}.md")), text).expect("an article is written");
        };
        article("truoc", "những việc đã xong");
        let service = Service::build(config, Vec::new(), clock.clone()).await.expect("the service is built");
        service.declare_feeds().await.expect("feeds are declared");
        service.ingest.poll(SOURCE).await.expect("the first poll");
        seed(&service.store, people, &clock).await;
        article("tin-moi", "những việc còn phải làm");
        let report = service.ingest.poll(SOURCE).await.expect("the second poll");
        assert_eq!(report.applied.published, 1, "the poll sees one new article");
        service.store.close().await;
    }

    fn write_templates(&self, filler: usize) {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/email/article/vi/body.html");
        let mut html = fs::read_to_string(own).expect("the template of the house");
        // base64 makes four bytes of three, and a line end after 76.
        let raw = filler * 57 / 78;
        let mut text = String::with_capacity(raw + 64);
        while text.len() < raw {
            let _ = write!(text, "Phần thêm cho đủ cỡ thư, dòng {}. ", text.len());
        }
        let at = html.find("{% endblock").unwrap_or(html.len());
        html.insert_str(at, &format!("<p>{text}</p>\n"));
        let folder = self.folder.path().join("templates/article/vi");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("body.html"), html).expect("a template is written");
    }
}

/// Readers, all of them confirmed and immediate.
async fn seed(store: &Store, people: usize, clock: &Clock) {
    let feeds = store.feeds().await.expect("the feeds are read");
    let feed_id = feeds.iter().find(|f| f.spec.slug == "cong-tac-to-chuc").expect("the category has a feed").id;
    let wishes = [Wish { feed_id, frequency: Frequency::Immediate }];
    let addresses: Vec<EmailAddress> = (0..people)
        .map(|n| EmailAddress::parse(&format!("doc.gia.{n}@so{}.example.gov.vn", n % 97)).expect("an address"))
        .collect();
    for some in addresses.chunks(5_000) {
        let requests: Vec<Request<'_>> =
            some.iter().map(|email| Request::new(email, &wishes, Locale::Vi, "import", clock.random())).collect();
        store.import_people(&requests, false, clock.now()).await.expect("readers are imported");
    }
}

fn name(round: usize) -> String {
    format!("loa_bench_{}_{round}", std::process::id())
}

async fn command(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("PostgreSQL is reached");
    connection.execute(sqlx::AssertSqlSafe(sql.to_owned()).into_sql_str()).await.expect("PostgreSQL does it");
    let _ = connection.close().await;
}

const CONFIG: &str = r#"
[site]
title = "Cổng thông tin điện tử Tỉnh ủy"
base_url = "https://bantin.example.gov.vn/"
authority = "example.gov.vn,2026"

[feeds]
dir = "feeds"

[[source]]
name = "cong"
kind = "folder"
poll = "0 * * * * *"
path = "articles"

[email]
transport = "smtp"
from = "Bản tin Tỉnh ủy <bantin@bantin.example.gov.vn>"
"#;

const PARAGRAPH: &str = "(TUTB) – Đến hết tuần này, toàn bộ chi bộ trực thuộc đã thông qua văn kiện trình đại hội và \
    hoàn tất danh sách nhân sự giới thiệu. Các tổ giúp việc phân công người trực tại từng cơ sở, ghi lại ý kiến góp ý \
    theo mẫu thống nhất, tổng hợp mỗi buổi chiều và gửi về thường trực để giải đáp trước ngày họp. Những nơi đông đảng \
    viên đi làm xa được hướng dẫn tổ chức họp vào cuối tuần, có phương án dự phòng cho thời tiết xấu.";
