//! Pages of real kinds, in the structure of their systems and with words of our own.

use jiff::tz::TimeZone;
use url::Url;

use super::article::{self, Piece};
use super::list::{self, Listing};
use super::rules::Rules;
use super::settings::Settings;
use super::{bounds, escape};
use crate::domain::article::Image;
use crate::text::html::agency::Agencies;
use crate::text::html::{clean, plain};

const SEED: &str = include_str!("../../../tests/fixtures/html/joomla3-article.html");
const BLOG: &str = include_str!("../../../tests/fixtures/html/joomla3-blog.html");
const FIVE: &str = include_str!("../../../tests/fixtures/html/joomla5-article.html");
const TWO: &str = include_str!("../../../tests/fixtures/html/joomla25-article.html");
const ASPX: &str = include_str!("../../../tests/fixtures/html/aspnet-article.html");
const ASPX_LIST: &str = include_str!("../../../tests/fixtures/html/aspnet-list.html");
const WORDPRESS: &str = include_str!("../../../tests/fixtures/html/wordpress-article.html");
const LOGIN: &str = include_str!("../../../tests/fixtures/html/login.html");

const ASPX_KEYS: &str = "item = \"td.tin\"\nlink = \"a.tieude\"\ntitle = \"#chitiet .tieude\"\ndate = \".ngay\"\n\
                         summary = \".sapo\"\ncontent = \".noidung\"\n";

fn rules(keys: &str) -> Rules {
    let text = format!("list_url = \"https://portal.example.vn/index.php/cong-tac-to-chuc\"\n{keys}");
    Rules::new("portal", &toml::from_str::<Settings>(&text).expect("keys")).expect("rules")
}

fn page(text: &str, keys: &str) -> Piece {
    let at = Url::parse("https://portal.example.vn/index.php/cong-tac-to-chuc/9019-bai").expect("an address");
    article::read(text, &at, &rules(keys)).unwrap_or_else(|what| panic!("the page {what}"))
}

fn listing(text: &str, keys: &str, at: &str) -> Listing {
    let html = bounds::parse(text).expect("a page");
    list::read(&html, &Url::parse(at).expect("an address"), &rules(keys))
}

fn date(piece: &Piece) -> String {
    let zone = TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone");
    piece.published.map_or_else(|| "none".to_owned(), |at| at.rfc3339(&zone))
}

fn text(piece: &Piece) -> String {
    plain(&piece.content_html).into_string()
}

fn hash(piece: &Piece) -> String {
    piece.hash(&Url::parse("https://portal.example.vn/").expect("an address"))
}

#[test]
fn the_article_of_a_joomla_3_portal_comes_out_whole_and_without_furniture() {
    let piece = page(SEED, "preset = \"joomla-3\"");
    assert_eq!(piece.title, "Nâng cao năng lực lãnh đạo, sức chiến đấu của tổ chức cơ sở đảng và đội ngũ đảng viên");
    assert_eq!(date(&piece), "2021-11-23T14:05:00+07:00");
    assert_eq!(piece.authors, ["Trúc Linh"]);
    assert_eq!(piece.category, ["Xây dựng Đảng", "Công tác tổ chức"]);
    let Some(Image { url, alt, .. }) = &piece.image else { panic!("no picture") };
    assert_eq!(
        (url.as_str(), alt.as_str()),
        ("https://portal.example.vn/images/2021/hoi-nghi.jpg", "Quang cảnh hội nghị")
    );
    let text = text(&piece);
    assert!(text.starts_with("(TUAG)- Sáng 23/11/2021, Ban Thường vụ Tỉnh ủy An Giang"), "{text}");
    assert_eq!(Agencies::default().find(&text).as_deref(), Some("TUAG"));
    assert!(text.contains("kết luận hội nghị. Trong năm qua, toàn tỉnh có 16 đảng bộ"), "{text}");
    assert!(text.ends_with("Trúc Linh"), "{text}");
    for furniture in ["114", "26072767", "24/11", "Trang trước", "Email", "đại hội đảng", "Chi tiết", "Super"]
    {
        assert!(!text.contains(furniture), "{furniture}: {text}");
    }
    let html = clean(&piece.content_html, &Url::parse("https://portal.example.vn/").expect("an address"));
    assert!(html.contains("href=\"https://portal.example.vn/index.php/van-ban/22-nq-tw\""), "{html}");
}

#[test]
fn counters_other_articles_and_the_date_of_the_day_are_no_edit_and_a_word_is() {
    let before = hash(&page(SEED, "preset = \"joomla-3\""));
    for (from, to) in [
        ("Đang có 114 khách", "Đang có 9 khách"),
        ("26072767", "26072768"),
        ("UserPageVisits:114\" />Lượt xem: 114", "UserPageVisits:115\" />Lượt xem: 115"),
        ("Thứ Ba, 24/11/2026 08:00", "Thứ Tư, 25/11/2026 09:30"),
        ("9001-chuan-bi\">Chuẩn bị đại hội", "9002-moi\">Một bài mới"),
        ("Trang trước", "Bài trước"),
        ("dateModified\">Cập nhật: 24", "dateModified\">Cập nhật: 25"),
        ("<p>Xem thêm", "<p data-nonce=\"x1\" class=\"a\">Xem thêm"),
    ] {
        assert!(SEED.contains(from), "{from}");
        assert_eq!(hash(&page(&SEED.replace(from, to), "preset = \"joomla-3\"")), before, "{from}");
    }
    for (from, to) in [
        ("16 đảng bộ", "17 đảng bộ"),
        ("sức chiến đấu của tổ chức cơ sở đảng và đội ngũ đảng viên		</h2>", "sức chiến đấu</h2>"),
        ("2021-11-23T14:05", "2021-11-23T15:05"),
        (">Công tác tổ chức</a></dd>", ">Tin tức</a></dd>"),
        ("toan-canh.jpg", "khac.jpg"),
        ("Trúc Linh", "Văn An"),
    ] {
        assert!(SEED.contains(from), "{from}");
        assert_ne!(hash(&page(&SEED.replace(from, to), "preset = \"joomla-3\"")), before, "{from}");
    }
    // A portal whose text element holds the counters of the whole site.
    let own = "preset = \"joomla-3\"\ncontent = \".item-page\"";
    let inside = |text: &str| {
        hash(&page(
            &text.replace(
                "<ul class=\"pager pagenav\">",
                "<p>Đang có 114 khách và không thành viên đang online</p><ul class=\"pager pagenav\">",
            ),
            own,
        ))
    };
    assert_eq!(
        inside(SEED),
        inside(&SEED.replace("UserPageVisits:114", "UserPageVisits:9").replace("Lượt xem: 114", "Lượt xem: 9"))
    );
    assert_eq!(inside(SEED), hash(&page(SEED, own)));
}

#[test]
fn the_blog_of_a_joomla_3_portal_lists_its_articles_once_and_in_order() {
    let read = listing(BLOG, "preset = \"joomla-3\"", "https://portal.example.vn/index.php/cong-tac-to-chuc");
    let ids: Vec<&str> = read.entries.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "/index.php/cong-tac-to-chuc/9019-nang-cao-nang-luc-lanh-dao",
            "/index.php/cong-tac-to-chuc/9018-ket-nap-dang-vien",
            "/index.php/cong-tac-to-chuc/9017-sinh-hoat-chi-bo",
            "/index.php/cong-tac-to-chuc/9016-bai-cu",
        ]
    );
    let next = read.next.expect("a next page");
    assert_eq!(next.as_str(), "https://portal.example.vn/index.php/cong-tac-to-chuc?start=4");
    let few = listing(BLOG, "preset = \"joomla-3\"\nlimit = 2", "https://portal.example.vn/index.php/cong-tac-to-chuc");
    assert_eq!(few.entries.len(), 2);
    let none = listing(LOGIN, "preset = \"joomla-3\"", "https://portal.example.vn/index.php/cong-tac-to-chuc");
    assert_eq!((none.entries.len(), none.anchors), (0, 1));
}

#[test]
fn the_article_of_a_joomla_5_portal_is_read() {
    let piece = page(FIVE, "preset = \"joomla-4\"");
    assert_eq!(piece.title, "Chuẩn bị nhân sự đại hội");
    assert_eq!(date(&piece), "2025-01-20T09:00:00+07:00");
    assert_eq!(
        (piece.authors.clone(), piece.category.clone()),
        (vec!["Văn An".to_owned()], vec!["Tiến tới đại hội đảng".to_owned()])
    );
    assert_eq!(
        piece.image.as_ref().map(|image| image.url.as_str()),
        Some("https://portal.example.vn/images/nhan-su.jpg")
    );
    assert_eq!(text(&piece), "TTXVN - Tiểu ban Nhân sự họp phiên đầu.");
    assert!(
        piece.content_html.contains("src=\"https://portal.example.vn/images/phien-hop.jpg\""),
        "{}",
        piece.content_html
    );
    let without = FIVE.replace("category-name", "khac");
    assert_eq!(page(&without, "preset = \"joomla-4\"").category, ["Tiến tới đại hội đảng"], "from the breadcrumbs");
}

#[test]
fn the_article_of_a_joomla_2_5_portal_is_read() {
    let piece = page(TWO, "preset = \"joomla-2.5\"");
    assert_eq!(piece.title, "Học tập và làm theo gương Bác");
    assert_eq!(date(&piece), "2021-11-23T14:05:00+07:00");
    assert_eq!(
        (piece.authors.clone(), piece.category.clone()),
        (vec!["Kim Ngân".to_owned()], vec!["Học tập".to_owned()])
    );
    assert_eq!(piece.image.as_ref().map(|image| image.url.as_str()), Some("https://portal.example.vn/images/bac.jpg"));
    assert_eq!(text(&piece), "Đảng ủy xã phát động phong trào. Các chi bộ hưởng ứng. Nhiều gương sáng.");
}

#[test]
fn an_old_portal_of_tables_is_read_with_selectors_of_its_own() {
    let read = listing(ASPX_LIST, ASPX_KEYS, "https://portal.example.vn/DanhMuc.aspx?CatID=4");
    let entries: Vec<_> =
        read.entries.iter().map(|entry| (entry.id.as_str(), entry.date.map(|at| at.rfc3339(&TimeZone::UTC)))).collect();
    assert_eq!(
        entries,
        [
            ("/ChiTiet.aspx?ID=512&CatID=4", Some("2021-11-22T17:00:00+00:00".to_owned())),
            ("/ChiTiet.aspx?ID=511&CatID=4", Some("2021-11-21T17:00:00+00:00".to_owned())),
        ]
    );
    let piece = page(ASPX, ASPX_KEYS);
    assert_eq!((piece.title.as_str(), date(&piece).as_str()), ("Giao ban công tác dân vận", "none"));
    assert_eq!(piece.authors, ["HOÀI ÂN"]);
    assert_eq!(
        text(&piece),
        "TUAG: Sáng nay, Ban Dân vận giao ban quý. Dự có đại diện các huyện, thị. Hội nghị thống nhất ba việc. Tin, ảnh: \
         HOÀI ÂN"
    );
    let by_pattern = listing(
        ASPX_LIST,
        "link_pattern = \"/ChiTiet.aspx?ID=*\"\ncontent = \".noidung\"",
        "https://portal.example.vn/DanhMuc.aspx?CatID=4",
    );
    assert_eq!(by_pattern.entries.len(), 2);
}

#[test]
fn what_selectors_do_not_name_is_taken_from_what_the_page_tells_machines() {
    let piece = page(WORDPRESS, "link = \"h2 a\"\ncontent = \".entry-content\"");
    assert_eq!(piece.title, "Ra quân làm sạch kênh rạch");
    assert_eq!(date(&piece), "2021-11-23T14:05:00+07:00");
    assert_eq!(piece.updated.map(|at| at.rfc3339(&TimeZone::UTC)).as_deref(), Some("2021-11-24T01:00:00+00:00"));
    assert_eq!((piece.authors.len(), piece.category.clone()), (0, vec!["Môi trường".to_owned()]));
    assert_eq!(text(&piece), "Sáng nay, hơn 200 đoàn viên ra quân.");
    assert_eq!(piece.content_html.matches("https://portal.example.vn/wp-content/uploads/kenh.jpg").count(), 1);
    let image = piece.image.expect("a picture").url;
    assert_eq!(image, "https://portal.example.vn/wp-content/uploads/ra-quan.jpg");
    assert_eq!(
        piece.canonical.map(String::from).as_deref(),
        Some("https://portal.example.vn/ra-quan-lam-sach-kenh-rach/")
    );
}

#[test]
fn a_page_that_is_no_article_is_a_fault_that_says_what_to_do() {
    let at = Url::parse("https://portal.example.vn/tin/1").expect("an address");
    let long = |body: &str| format!("<html><body>{body}</body></html>");
    for (text, keys, said) in [
        (LOGIN.to_owned(), "preset = \"joomla-3\"", "login, home page"),
        (LOGIN.to_owned(), "link = \"a\"\ncontent = \".login\"", "password"),
        (BLOG.to_owned(), "link = \"a\"\ncontent = \"[itemprop=blogPost]\"", "has 3 elements"),
        (
            long("<div class=x> <p>&nbsp;</p><script>a</script></div>"),
            "link = \"a\"\ncontent = \".x\"",
            "has nothing in",
        ),
        ("<div>".repeat(10_000), "link = \"a\"\ncontent = \"div\"", "within each other"),
    ] {
        let fault = article::read(&text, &at, &rules(keys)).expect_err(said);
        assert!(fault.contains(said), "{fault}");
    }
}

#[test]
fn a_title_with_brackets_and_ampersands_is_read_once() {
    let text = "<h1 class=t>Tọa đàm &lt;Nghị quyết&gt; &amp; thực tiễn</h1><div class=c>Thân.</div>";
    let piece = page(text, "link = \"a\"\ntitle = \".t\"\ncontent = \".c\"");
    assert_eq!(piece.title, "Tọa đàm <Nghị quyết> & thực tiễn");
    assert_eq!(crate::text::html::title(&escape(&piece.title)).as_str(), piece.title);
}
