//! Articles that break feeds, and the plain ones beside them.

use jiff::tz::{Offset, TimeZone};
use loa::clock::Timestamp;
use loa::domain::article::{Article, CategoryRef, Image, StoredArticle};
use loa::domain::feed::{Feed, FeedOrigin, FeedSpec};
use loa::domain::selection::Selection;
use loa::domain::site::Site;
use loa::domain::subscriber::Locale;
use loa::text::xml::XmlText;

/// 2026-01-05T07:30:00+07:00.
pub const START: i64 = 1_767_573_000_000;

pub fn site() -> Site {
    Site {
        title: "Trang tin Tỉnh ủy Sông Cầu".into(),
        base_url: "https://loa.songcau.example/".parse().expect("an address"),
        authority: "songcau.example,2021".to_owned(),
        locale: Locale::Vi,
        zone: TimeZone::fixed(Offset::from_hours(7).expect("an offset")),
        imprint: loa::domain::site::Imprint::default(),
    }
}

pub fn feed() -> Feed {
    Feed {
        id: 3,
        spec: FeedSpec {
            slug: "cong-tac-to-chuc".to_owned(),
            title: "Công tác tổ chức".into(),
            description: "Tin về tổ chức, cán bộ & đảng viên.".into(),
            title_en: Some("Organisational work".into()),
            description_en: None,
            select: Selection { categories: vec!["cong-tac-to-chuc".to_owned()], ..Selection::default() },
        },
        origin: FeedOrigin::File,
        version: 41,
        changed: Timestamp::from_millis(START),
        retired: false,
    }
}

/// A plain article; the higher its id, the newer.
pub fn stored(id: i64) -> StoredArticle {
    let at = Timestamp::from_millis(START + id * 3_600_000);
    StoredArticle {
        id,
        revision: 1,
        entry_id: format!("tag:songcau.example,2021:portal/article/{id}"),
        first_seen: at,
        updated: at,
        visible: true,
        article: Article {
            source: "portal".to_owned(),
            external_id: id.to_string(),
            url: format!("https://songcau.example/tin/{id}-ket-nap-dang-vien.html"),
            title: format!("Chi bộ số {id} kết nạp đảng viên mới").into(),
            summary: "Buổi lễ diễn ra trang trọng tại nhà văn hóa xã.".into(),
            content_html: "<p>Buổi lễ diễn ra <b>trang trọng</b> tại nhà văn hóa xã.</p>".into(),
            authors: vec!["Lê Minh".into()],
            agency: None,
            categories: vec![CategoryRef {
                slug: "cong-tac-to-chuc".to_owned(),
                title: "Công tác tổ chức".into(),
                ancestors: vec!["xay-dung-dang".to_owned()],
            }],
            tags: vec!["kết nạp".into()],
            language: "vi".to_owned(),
            image: Some(Image {
                url: format!("https://songcau.example/anh/{id}.jpg"),
                alt: "Quang cảnh buổi lễ".into(),
                width: Some(1200),
                height: Some(800),
                media_type: "image/jpeg".to_owned(),
                length: Some(182_044),
            }),
            published: at,
        },
    }
}

/// Texts that have broken feeds somewhere.
pub fn texts() -> Vec<String> {
    let words = [
        "]]>",
        "]]]]>>",
        "<![CDATA[x]]>",
        "]]>]]>]]>",
        "&",
        "&&amp;&#38;",
        "&nbsp;&hellip;&bogus;",
        "<",
        ">",
        "<b></b>",
        "<Nghị quyết> số 5",
        "PCI 5 < 6 & 7 > 3",
        "\"' onload='x' \"",
        "<script>alert(1)</script>",
        "<!-- -->",
        "-->",
        "<?php echo 1 ?>",
        "?>",
        "<!DOCTYPE x [<!ENTITY y \"z\">]>&y;",
        "%PARAM;",
        "",
        " ",
        "\t\r\n",
        "a\r\nb\rc\nd",
        "\u{0}",
        "a\u{0}b\u{1}c\u{8}",
        "a\u{B}b\u{C}c",
        "\u{1F}",
        "\u{7F}",
        "\u{80}\u{93}\u{94}\u{9F}",
        "\u{FFFE}\u{FFFF}",
        "\u{FEFF}tin",
        "\u{FFFD}",
        "\u{FDD0}\u{1FFFE}\u{10FFFF}",
        "\u{E000}",
        "\\ud83d\\ude00",
        "&#xD83D;&#xDE00;",
        "&#0;&#11;&#xFFFE;",
        "\u{2028}x\u{2029}y",
        "\u{200B}",
        "\u{200E}\u{200F}",
        "\u{202E}tin\u{202C}",
        "\u{A0}tin\u{A0}",
        "\u{AD}mềm\u{AD}",
        "😀👩‍👩‍👧‍👦🇻🇳",
        "Đa\u{309}ng u\u{309}y ti\u{309}nh",
        "e\u{301}\u{301}\u{301}\u{301}",
        "𝕿𝖎𝖓",
        "漢字と仮名",
        "שלום عليكم",
        "</title></item></channel></rss>",
        "</content></entry></feed>",
        "xmlns:media=\"x\"",
        "media:content",
        "{\"a\":\"b\\\"\"}",
        "\\",
        "\\u0000",
        "'; DROP TABLE articles; --",
        "${jndi}",
        "{{ 7*7 }}",
        "../../../etc/passwd",
        "javascript:alert(1)",
    ];
    let mut texts: Vec<String> = words.iter().map(ToString::to_string).collect();
    texts.push("x".repeat(20_000));
    texts.push("dài ".repeat(5_000));
    texts.push("&<>\"']".repeat(3_000));
    texts
}

/// Addresses that have broken feeds somewhere.
pub fn addresses() -> Vec<String> {
    [
        "https://songcau.example/anh?w=1&h=2&amp;x=3",
        "https://songcau.example/\"onload=\"x",
        "https://songcau.example/a'b",
        "https://songcau.example/<b>",
        "https://songcau.example/ảnh đẹp.jpg",
        "https://songcau.example/a[1].jpg?b=[2]|3",
        "https://songcau.example/50%-giam",
        "https://songcau.example/a#b#c",
        "https://songcau.example/\u{B}\u{0}",
        "https://songcau.example/😀\u{202E}",
        "https://songcau.example/a\nb\tc",
        "https://người.example/",
        "http://[::1]/a",
        "",
        "/tuong/doi.html",
        "images/x.jpg",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "https://",
        "ftp://a.example/",
    ]
    .iter()
    .map(ToString::to_string)
    .collect()
}

/// Every hostile text in every place of an article, every hostile address, and every hostile date.
pub fn hostile() -> Vec<StoredArticle> {
    let mut articles = Vec::new();
    let mut add = |change: &dyn Fn(&mut StoredArticle)| {
        let mut article = stored(1_000 - i64::try_from(articles.len()).expect("few"));
        change(&mut article);
        articles.push(article);
    };
    for text in texts() {
        add(&|stored| {
            let text = XmlText::new(&text);
            let article = &mut stored.article;
            article.title = text.clone();
            article.summary = text.clone();
            article.content_html = text.clone();
            article.authors = vec![text.clone()];
            article.agency = Some(text.clone());
            article.tags = vec![text.clone()];
            article.categories[0].title = text.clone();
            article.categories[0].slug = text.to_string();
            article.language = text.to_string();
            let image = article.image.as_mut().expect("a picture");
            image.alt = text.clone();
            image.media_type = text.to_string();
        });
    }
    for address in addresses() {
        add(&|stored| stored.article.url.clone_from(&address));
        add(&|stored| stored.article.image.as_mut().expect("a picture").url.clone_from(&address));
    }
    for millis in [i64::MIN, -9_000_000_000_000, -1, 0, 1, 253_402_300_799_999, i64::MAX] {
        add(&|stored| {
            stored.article.published = Timestamp::from_millis(millis);
            stored.updated = Timestamp::from_millis(millis);
        });
    }
    for id in ["", "15", "tag:a b", "tag:x\u{B}", "tag:songcau.example,2021:portal/article/bài-số-một", "tag:<&\">"]
    {
        add(&|stored| id.clone_into(&mut stored.entry_id));
    }
    add(&|stored| {
        stored.article.image = None;
        stored.article.tags.clear();
        stored.article.authors.clear();
        stored.article.categories.clear();
        stored.article.summary = XmlText::default();
        stored.article.content_html = XmlText::default();
        stored.article.title = XmlText::default();
    });
    add(&|stored| stored.article.content_html = "<p>Nội dung &amp; ]]&gt; ]]></p>".repeat(60_000).as_str().into());
    articles
}
