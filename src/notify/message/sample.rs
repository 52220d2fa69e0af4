//! Sample mails, for `loa check`, previews and tests: every template with much and with little in it. The people, the
//! site and the articles are invented.

use jiff::civil::date;
use jiff::tz::{TimeZone, offset};
use url::Url;

use crate::clock::Timestamp;
use crate::domain::article::{Article, CategoryRef, Image, StoredArticle};
use crate::domain::feed::FeedSpec;
use crate::domain::selection::Selection;
use crate::domain::site::Site;
use crate::domain::subscriber::{Frequency, Locale};
use crate::notify::message::Templates;
use crate::notify::message::content::{ArticleMail, Card, DigestMail, FeedLink, Mail, Section};
use crate::notify::message::question::{ConfirmMail, MoveMail, MovedMail, WishedFeed};

/// 07:00 on Monday, 23 November 2026 in Vietnam.
const NOW: Timestamp = Timestamp::from_millis(1_795_392_000_000);
const HOUR: i64 = 3_600_000;

/// A sample mail and what it shows.
#[derive(Clone, Debug)]
pub struct Sample {
    /// A short name: `article-one`.
    pub name: &'static str,
    /// The mail.
    pub mail: Mail,
}

/// The site that the samples speak for.
///
/// # Panics
/// Never: the address is a constant.
#[must_use]
pub fn site(locale: Locale) -> Site {
    Site {
        title: match locale {
            Locale::Vi => "Cổng thông tin điện tử Tỉnh ủy".into(),
            Locale::En => "Portal of the Provincial Party Committee".into(),
        },
        base_url: Url::parse("https://bantin.example.gov.vn/").expect("a constant address"),
        authority: "example.gov.vn,2026".to_owned(),
        locale,
        zone: TimeZone::fixed(offset(7)),
        imprint: crate::domain::site::Imprint::default(),
    }
}

/// Renders every sample in both languages. Each fault is one sentence that names the template and the line.
#[must_use]
pub fn check(templates: &Templates) -> Vec<String> {
    let mut faults = Vec::new();
    for locale in [Locale::Vi, Locale::En] {
        let site = site(locale);
        for sample in samples(locale) {
            if let Err(error) = templates.render(&site, locale, &sample.mail) {
                faults.push(error.to_string());
            }
        }
    }
    faults.sort();
    faults.dedup();
    faults
}

/// One of each mail, with much and with little in it.
#[must_use]
pub fn samples(locale: Locale) -> Vec<Sample> {
    let site = site(locale);
    let feeds: Vec<FeedLink> = feeds().iter().map(|f| FeedLink::new(f, &site, locale)).collect();
    let card = |nth: usize, feeds: &[FeedLink]| Card::new(&article(nth), &site, locale, feeds);
    let revised = Card { revised: true, ..card(1, &feeds[..1]) };
    let bare = Card { image: None, agency: None, authors: Vec::new(), categories: Vec::new(), ..card(2, &feeds[..1]) };
    let silent = Card { summary: "".into(), feeds: Vec::new(), ..bare.clone() };
    let section = |feed: usize, articles: &[usize]| Section {
        feed: feeds[feed].clone(),
        articles: articles.iter().map(|nth| card(*nth, &feeds[feed..=feed])).collect(),
    };
    let daily = vec![section(0, &[0, 1, 2]), section(1, &[3, 0]), section(2, &[4, 5, 6])];
    let weekly = vec![section(0, &[0, 1, 2, 7, 8]), section(1, &[3]), section(2, &[4, 5, 6, 9])];
    let digest = |frequency, days: i64, sections| {
        let from = Timestamp::from_millis(NOW.millis() - days * 24 * HOUR);
        Mail::Digest(DigestMail::new(frequency, date(2026, 11, 23), from, sections, &site))
    };
    let token = || "AWMAAAAAAAAAKgBzYW1wbGUtdG9rZW4tMDAw".to_owned();
    let confirm = |feeds: &[FeedLink], frequencies: &[Frequency]| {
        let wished = feeds.iter().zip(frequencies.iter().cycle());
        let feeds = wished.map(|(feed, frequency)| WishedFeed { feed: feed.clone(), frequency: *frequency }).collect();
        let frequency = Some(frequencies[0]).filter(|_| frequencies.len() == 1);
        Mail::Confirm(ConfirmMail { feeds, frequency, token: token() })
    };
    let article = |articles| Mail::Article(ArticleMail { articles });
    vec![
        Sample { name: "article-one", mail: article(vec![card(0, &feeds[..2])]) },
        Sample { name: "article-bare", mail: article(vec![silent]) },
        Sample { name: "article-several", mail: article(vec![card(3, &feeds[1..2]), revised, bare]) },
        Sample { name: "digest-daily", mail: digest(Frequency::Daily, 1, daily) },
        Sample { name: "digest-one", mail: digest(Frequency::Daily, 1, vec![section(1, &[3])]) },
        Sample { name: "digest-weekly", mail: digest(Frequency::Weekly, 7, weekly) },
        Sample { name: "confirm-daily", mail: confirm(&feeds, &[Frequency::Daily]) },
        Sample { name: "confirm-weekly", mail: confirm(&feeds[1..2], &[Frequency::Weekly]) },
        Sample { name: "confirm-immediate", mail: confirm(&feeds[..1], &[Frequency::Immediate]) },
        Sample { name: "confirm-mixed", mail: confirm(&feeds, &Frequency::ALL) },
        Sample { name: "move", mail: Mail::Move(MoveMail { from: "a***@s***.vn".into(), token: token() }) },
        Sample { name: "moved", mail: Mail::Moved(MovedMail { to: "b***@s***.vn".into() }) },
    ]
}

fn feeds() -> Vec<FeedSpec> {
    [
        ("cong-tac-to-chuc", "Công tác tổ chức", "Organisational work"),
        ("tien-toi-dai-hoi-dang", "Tiến tới đại hội Đảng", "Towards the Party congress"),
        ("doi-song-nong-thon", "Đời sống nông thôn", "Rural life"),
    ]
    .into_iter()
    .map(|(slug, title, title_en)| FeedSpec {
        slug: slug.to_owned(),
        title: title.into(),
        description: String::new().into(),
        title_en: Some(title_en.into()),
        description_en: None,
        select: Selection::default(),
    })
    .collect()
}

/// Title, lede, category, and whether there is a picture.
const ARTICLES: [(&str, &str, &str, bool); 10] = [
    (
        "Hoàn thành sắp xếp chi bộ thôn, khối phố tại 12 xã, phường trước ngày 15/12",
        "Ban Tổ chức Tỉnh ủy yêu cầu các đảng ủy rà soát danh sách đảng viên, bảo đảm mỗi chi bộ mới có đủ cấp ủy và nơi \
         sinh hoạt; kết quả báo cáo về Thường trực Tỉnh ủy hằng tuần để kịp thời tháo gỡ vướng mắc từ cơ sở.",
        "Tổ chức xây dựng Đảng",
        true,
    ),
    (
        "Lịch sinh hoạt chi bộ định kỳ tháng 12 thay đổi ở ba xã vùng cao",
        "Do ảnh hưởng của mưa lớn, ba đảng ủy xã chuyển buổi sinh hoạt từ ngày 3 sang ngày 5/12. Địa điểm không đổi.",
        "Sinh hoạt chi bộ",
        false,
    ),
    (
        "Mở lớp bồi dưỡng nghiệp vụ công tác đảng cho 180 bí thư chi bộ mới",
        "Lớp học kéo dài năm ngày, dành một nửa thời gian cho xử lý tình huống và ghi biên bản sinh hoạt.",
        "Đào tạo, bồi dưỡng",
        false,
    ),
    (
        "Lấy ý kiến đảng viên vào dự thảo văn kiện: gửi góp ý qua chi bộ đến hết ngày 10/12",
        "Dự thảo được đăng toàn văn kèm bản tóm tắt hai trang. Ý kiến được tổng hợp theo từng chương và công bố công khai.",
        "Góp ý văn kiện",
        true,
    ),
    (
        "Nước sạch về thêm 1.400 hộ ở các bản dọc sông",
        "Công trình đấu nối giai đoạn hai hoàn thành sớm 20 ngày; người dân chỉ trả tiền đồng hồ đo.",
        "Hạ tầng nông thôn",
        true,
    ),
    (
        "Hợp tác xã chè ký hợp đồng bao tiêu ba năm",
        "Giá sàn được cố định theo mùa, phần chênh lệch chia theo sản lượng của từng hộ.",
        "Kinh tế tập thể",
        false,
    ),
    (
        "Trạm y tế xã trực thêm tối thứ Tư và sáng thứ Bảy",
        "Người cao tuổi có thẻ bảo hiểm y tế được khám không cần đặt lịch trước.",
        "Y tế cơ sở",
        false,
    ),
    (
        "Kết quả kiểm tra, giám sát quý III: 14 tổ chức đảng khắc phục xong hạn chế",
        "Các nội dung còn lại có thời hạn đến ngày 31/12 và có người chịu trách nhiệm cụ thể.",
        "Kiểm tra, giám sát",
        false,
    ),
    (
        "Trao Huy hiệu 50 năm tuổi Đảng cho 26 đảng viên",
        "Buổi lễ tổ chức tại nhà văn hóa xã, có đại diện gia đình và thế hệ đảng viên trẻ cùng dự.",
        "Đảng viên",
        false,
    ),
    (
        "Đường liên bản dài 6 km thông xe trước mùa thu hoạch",
        "Mặt đường bê tông rộng 4 m, nhân dân hiến 2.300 m² đất và hơn 900 ngày công.",
        "Hạ tầng nông thôn",
        false,
    ),
];

/// The nth sample article as it would stand in the store.
#[must_use]
pub fn article(nth: usize) -> StoredArticle {
    let (title, summary, category, picture) = ARTICLES[nth % ARTICLES.len()];
    let id = i64::try_from(nth).unwrap_or(0) + 1;
    let published = Timestamp::from_millis(NOW.millis() - id * 2 * HOUR);
    StoredArticle {
        id,
        revision: 1,
        entry_id: format!("tag:example.gov.vn,2026:portal/article/{id}"),
        first_seen: published,
        updated: published,
        visible: true,
        article: Article {
            source: "portal".to_owned(),
            external_id: id.to_string(),
            url: format!("https://tinhuy.example.gov.vn/tin-tuc/bai-viet-{id}.html"),
            title: title.into(),
            summary: summary.into(),
            content_html: format!("<p>{summary}</p>").into(),
            authors: vec!["Minh Hà".into()],
            agency: Some("TUAG".into()),
            categories: vec![CategoryRef { slug: "tin".to_owned(), title: category.into(), ancestors: Vec::new() }],
            tags: Vec::new(),
            language: "vi".to_owned(),
            image: picture.then(|| Image {
                url: format!("https://tinhuy.example.gov.vn/images/{id}.jpg"),
                alt: format!("Ảnh minh họa: {title}").into(),
                width: Some(1200),
                height: Some(675),
                media_type: "image/jpeg".to_owned(),
                length: None,
            }),
            published,
        },
    }
}
