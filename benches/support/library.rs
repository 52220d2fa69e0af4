//! A portal of many feeds and articles, as it stands in loa's database: written through the store's own door, so that
//! no source is needed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use loa::clock::{Clock, Timestamp};
use loa::config::feeds::feed_files;
use loa::domain::article::{Article, CategoryRef, ChangeKind, Image};
use loa::domain::feed::FeedOrigin;
use loa::domain::selection::Reason;
use loa::store::article::{Poll, Upsert};
use loa::store::engine::Store;

/// Articles in one transaction.
const STEP: usize = 2_000;

const SYLLABLES: &str = "đại hội đảng bộ tỉnh ủy công tác tổ chức cán bộ viên kết nạp chi bộ cơ sở nghị quyết chương trình \
    hành động kiểm tra giám sát tuyên giáo dân vận mặt trận nhân dân xã phường huyện thành phố kinh tế nông nghiệp chuyển \
    đổi số giáo dục y tế văn hóa du lịch quốc phòng an ninh thanh niên phụ nữ cựu chiến binh học tập làm theo tư tưởng \
    đạo đức phong cách nhiệm kỳ mục tiêu chỉ tiêu kết quả giải pháp triển khai thực hiện hiệu quả thiết thực sáng tạo \
    đoàn kết kỷ cương trách nhiệm phát huy tinh thần truyền thống quê hương đất nước con người bền vững hội nhập";

/// A repeatable sequence (`SplitMix64`).
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % most as u64).expect("below a usize")
    }

    fn words(&mut self, count: usize) -> String {
        let all: Vec<&str> = SYLLABLES.split_whitespace().collect();
        (0..count).map(|_| all[self.below(all.len())]).collect::<Vec<_>>().join(" ")
    }
}

/// Writes so many feed files: the first holds everything, each article is in one of the others as well.
pub fn write_feeds(folder: &Path, feeds: usize) {
    fs::create_dir_all(folder).expect("a folder");
    for n in 0..feeds {
        let categories = if n == 0 { String::new() } else { format!("categories = [\"muc-{n}\"]\n") };
        let text = format!(
            "title = \"Chuyên mục số {n}\"\ndescription = \"Tin của chuyên mục số {n}.\"\n[select]\n{categories}"
        );
        fs::write(folder.join(format!("kenh-{n:03}.toml")), text).expect("a feed file");
    }
}

/// Declares the feeds of a folder. Answers their row ids, in the order of their names.
pub async fn declare(store: &Store, folder: &Path, clock: &Clock) -> Vec<i64> {
    let (specs, faults) = feed_files(folder);
    assert!(faults.is_empty(), "{faults:?}");
    store.declare_feeds(FeedOrigin::File, &specs, clock.now()).await.expect("feeds are declared");
    let mut feeds = store.feeds().await.expect("the feeds are read");
    feeds.sort_by(|a, b| a.spec.slug.cmp(&b.spec.slug));
    feeds.into_iter().map(|feed| feed.id).collect()
}

/// Fills the feeds: so many articles, one every five minutes until now; those that documents show are long.
pub async fn fill(store: &Store, feeds: &[i64], articles: usize, now: Timestamp) {
    let mut chance = Chance(7);
    let others = feeds.len() - 1;
    let mut upserts = Vec::with_capacity(STEP);
    for n in 0..articles {
        let age = articles - n;
        let at = now.minus(Duration::from_mins(5) * u32::try_from(age).expect("few"));
        let paragraphs = if age <= 52 * others { 9 } else { 2 };
        upserts.push(upsert(n, &mut chance, paragraphs, at, &[feeds[0], feeds[1 + n % others]], 1 + n % others));
        if upserts.len() == STEP || n + 1 == articles {
            let poll = Poll { source: "cong".to_owned(), upserts: std::mem::take(&mut upserts), ..Poll::default() };
            store.apply(&poll, now).await.expect("articles are written");
        }
    }
}

/// An article as a poll would write it; `None` as its change is a baseline's.
pub fn upsert(
    n: usize,
    chance: &mut Chance,
    paragraphs: usize,
    at: Timestamp,
    feeds: &[i64],
    category: usize,
) -> Upsert {
    let mut html = String::new();
    for _ in 0..paragraphs {
        let _ =
            writeln!(html, "<p>{} <strong>{}</strong> {}.</p>", chance.words(40), chance.words(4), chance.words(35));
    }
    let title = format!("{} {n}", chance.words(12));
    Upsert {
        article: Article {
            source: "cong".to_owned(),
            external_id: n.to_string(),
            url: format!("https://tinhuy.example.vn/tin/{n}-bai-viet.html"),
            title: title.as_str().into(),
            summary: chance.words(40).as_str().into(),
            content_html: html.as_str().into(),
            authors: vec![chance.words(3).as_str().into()],
            agency: None,
            categories: vec![CategoryRef {
                slug: format!("muc-{category}"),
                title: format!("Chuyên mục số {category}").as_str().into(),
                ancestors: Vec::new(),
            }],
            tags: vec![chance.words(2).as_str().into()],
            language: "vi".to_owned(),
            image: Some(Image {
                url: format!("https://tinhuy.example.vn/images/{n}.jpg"),
                alt: chance.words(6).as_str().into(),
                width: Some(1200),
                height: Some(800),
                media_type: "image/jpeg".to_owned(),
                length: Some(180_000),
            }),
            published: at,
        },
        light: n.to_string(),
        fingerprint: format!("{n}-{}", chance.below(usize::MAX)),
        entry_id: format!("tag:tinhuy.example.vn,2021:cong/article/{n}"),
        first_seen: at,
        change: None,
        renew: true,
        people: false,
        held: false,
        matches: feeds.iter().map(|feed| (*feed, Reason::Everything)).collect(),
    }
}

/// The same article, corrected.
pub fn corrected(mut upsert: Upsert, round: usize) -> Upsert {
    upsert.article.title = format!("{} (đã sửa lần {round})", &*upsert.article.title).as_str().into();
    upsert.fingerprint = format!("{}-{round}", upsert.fingerprint);
    upsert.change = Some(ChangeKind::Revised);
    upsert
}
