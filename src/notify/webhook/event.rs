//! What an event says: `{"type","timestamp","data"}`, thin by default, with a link to the rest. The bytes follow from
//! the event alone, so every retry sends and signs the same ones. Never more than 20 kB, unless the whole text was asked
//! for.

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::domain::article::{ChangeKind, Image, StoredArticle};
use crate::text::xml::XmlText;

/// Bytes that a thin event may have (Standard Webhooks advises less than 20 kB).
pub const MAX_THIN: usize = 20_000;

/// How much of an article is said.
#[derive(Clone, Copy)]
struct Limits {
    summary: usize,
    title: usize,
    items: usize,
    item: usize,
    image: bool,
}

/// Tried in this order until the event fits; nearly every article fits the first.
const LADDER: [Limits; 3] = [
    Limits { summary: 2000, title: 500, items: 50, item: 200, image: true },
    Limits { summary: 500, title: 300, items: 20, item: 100, image: true },
    Limits { summary: 0, title: 200, items: 10, item: 60, image: false },
];

/// The body of `article.published`, `article.revised` or `article.withdrawn`, thin. `seen` is when loa saw the change,
/// `feeds` the slugs of the feeds that carry it; times are written in `zone`.
#[must_use]
pub fn event_body(
    kind: ChangeKind,
    seen: Timestamp,
    article: &StoredArticle,
    feeds: &[String],
    zone: &TimeZone,
) -> Vec<u8> {
    let mut body = Vec::new();
    for limits in LADDER {
        body = write(kind, seen, article, feeds, zone, limits, false);
        if body.len() < MAX_THIN {
            break;
        }
    }
    body
}

/// The same with `content_html`, the whole text, of any length; for endpoints whose owner asked for it.
#[must_use]
pub fn full_event_body(
    kind: ChangeKind,
    seen: Timestamp,
    article: &StoredArticle,
    feeds: &[String],
    zone: &TimeZone,
) -> Vec<u8> {
    write(kind, seen, article, feeds, zone, LADDER[0], true)
}

/// The body of `article.digest`: what became of these articles while their endpoint was away, the newest first. `more`
/// says that there were more than are named.
#[must_use]
pub fn digest_body(at: Timestamp, articles: &[StoredArticle], more: bool, zone: &TimeZone) -> Vec<u8> {
    let shown = articles.iter().filter(|a| a.visible).map(|stored| Line {
        id: &stored.entry_id,
        revision: stored.revision,
        title: cut(&stored.article.title, LADDER[2].title),
        url: &stored.article.url,
        published: stored.article.published.rfc3339(zone),
        updated: stored.updated.rfc3339(zone),
    });
    let gone = articles.iter().filter(|a| !a.visible).map(|stored| Withdrawn {
        id: &stored.entry_id,
        revision: stored.revision,
        url: &stored.article.url,
    });
    let data = DigestData { articles: shown.collect(), withdrawn: gone.collect(), more };
    encode(&Event { kind: "article.digest", timestamp: at.rfc3339(zone), data })
}

/// The body of `endpoint.disabled`: from this number on events were kept and not sent.
#[must_use]
pub fn disabled_body(at: Timestamp, zone: &TimeZone) -> Vec<u8> {
    let data = TestData {
        message: Message {
            vi: "Từ lúc này loa ngừng gửi tin tới điểm nhận này. Không tin nào bị mất: các tin sau được giữ lại và gửi khi điểm nhận được bật lại.",
            en: "From this moment loa sent nothing to this endpoint. Nothing is lost: later events are kept and sent once it is enabled again.",
        },
    };
    encode(&Event { kind: "endpoint.disabled", timestamp: at.rfc3339(zone), data })
}

/// A body with the event's number among those of its endpoint and the number before it that was not cancelled.
#[must_use]
pub fn numbered(body: &[u8], seq: i64, prev_seq: i64) -> Vec<u8> {
    let mut all = Vec::with_capacity(body.len() + 64);
    // Every body is a JSON object with members, so it ends with a brace.
    all.extend_from_slice(&body[..body.len().saturating_sub(1)]);
    all.extend_from_slice(format!(",\"seq\":{seq},\"prev_seq\":{prev_seq}}}").as_bytes());
    all
}

/// The body of `endpoint.test`, by which an owner tries an endpoint out.
#[must_use]
pub fn test_body(at: Timestamp, zone: &TimeZone) -> Vec<u8> {
    let data = TestData {
        message: Message {
            vi: "Đây là tin thử từ loa. Nếu chữ ký đúng, điểm nhận của bạn đã sẵn sàng.",
            en: "This is a test from loa. If its signature is right, your endpoint is ready.",
        },
    };
    encode(&Event { kind: "endpoint.test", timestamp: at.rfc3339(zone), data })
}

#[derive(Serialize)]
struct Event<'a, D> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    data: D,
}

/// Nothing of what it said: who has it knows what to take down, and who has not learns nothing.
#[derive(Serialize)]
struct Withdrawn<'a> {
    id: &'a str,
    revision: i64,
    url: &'a str,
}

#[derive(Serialize)]
struct DigestData<'a> {
    articles: Vec<Line<'a>>,
    withdrawn: Vec<Withdrawn<'a>>,
    more: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    revision: i64,
    title: String,
    url: &'a str,
    published: String,
    updated: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    revision: i64,
    source: &'a str,
    title: String,
    summary: String,
    url: &'a str,
    authors: Vec<String>,
    agency: Option<String>,
    categories: Vec<CategoryData<'a>>,
    tags: Vec<String>,
    language: &'a str,
    image: Option<ImageData<'a>>,
    published: String,
    updated: String,
    feeds: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    content_html: Option<&'a str>,
}

#[derive(Serialize)]
struct CategoryData<'a> {
    slug: &'a str,
    title: String,
}

#[derive(Serialize)]
struct ImageData<'a> {
    url: &'a str,
    alt: String,
    width: Option<u32>,
    height: Option<u32>,
    #[serde(rename = "type")]
    media_type: &'a str,
}

#[derive(Serialize)]
struct TestData {
    message: Message,
}

#[derive(Serialize)]
struct Message {
    vi: &'static str,
    en: &'static str,
}

fn write(
    kind: ChangeKind,
    seen: Timestamp,
    stored: &StoredArticle,
    feeds: &[String],
    zone: &TimeZone,
    limits: Limits,
    full: bool,
) -> Vec<u8> {
    let name = format!("article.{}", kind.as_str());
    let timestamp = seen.rfc3339(zone);
    let (id, revision, article) = (stored.entry_id.as_str(), stored.revision, &stored.article);
    let url = article.url.as_str();
    if kind == ChangeKind::Withdrawn {
        return encode(&Event { kind: &name, timestamp, data: Withdrawn { id, revision, url } });
    }
    let list = |items: &[XmlText]| items.iter().take(limits.items).map(|item| cut(item, limits.item)).collect();
    let data = Shown {
        id,
        revision,
        source: &article.source,
        title: cut(&article.title, limits.title),
        summary: cut(&article.summary, limits.summary),
        url,
        authors: list(&article.authors),
        agency: article.agency.as_deref().map(|agency| cut(agency, limits.item)),
        categories: article
            .categories
            .iter()
            .take(limits.items)
            .map(|category| CategoryData { slug: &category.slug, title: cut(&category.title, limits.item) })
            .collect(),
        tags: list(&article.tags),
        language: &article.language,
        image: article.image.as_ref().filter(|_| limits.image).map(|image| image_data(image, limits.item)),
        published: article.published.rfc3339(zone),
        updated: stored.updated.rfc3339(zone),
        feeds: &feeds[..feeds.len().min(limits.items)],
        content_html: full.then_some(article.content_html.as_str()),
    };
    encode(&Event { kind: &name, timestamp, data })
}

fn image_data(image: &Image, alt: usize) -> ImageData<'_> {
    ImageData {
        url: &image.url,
        alt: cut(&image.alt, alt),
        width: image.width,
        height: image.height,
        media_type: &image.media_type,
    }
}

fn encode(event: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(event).expect("strings, numbers and lists have a JSON form")
}

/// At most `max` characters, cut between words and ended by `…`.
fn cut(text: &str, max: usize) -> String {
    let text = text.trim();
    if max == 0 || text.chars().count() <= max {
        return if max == 0 { String::new() } else { text.to_owned() };
    }
    let end = text.char_indices().nth(max - 1).map_or(text.len(), |(at, _)| at);
    let (head, rest) = text.split_at(end);
    let whole_words = match head.rfind(char::is_whitespace) {
        Some(at) if !rest.starts_with(char::is_whitespace) => &head[..at],
        _ => head,
    };
    format!("{}…", whole_words.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::article::{Article, CategoryRef};

    fn zone() -> TimeZone {
        TimeZone::fixed(jiff::tz::Offset::constant(7))
    }

    fn stored() -> StoredArticle {
        let at = Timestamp::from_millis(1_795_392_000_000);
        StoredArticle {
            id: 5,
            revision: 2,
            entry_id: "tag:example.vn,2021:cong/article/77".into(),
            first_seen: at,
            updated: at.plus(std::time::Duration::from_mins(10)),
            visible: true,
            article: Article {
                source: "cong".into(),
                external_id: "77".into(),
                url: "https://example.vn/cong-tac-to-chuc/77".into(),
                title: "Hội nghị \"sơ kết\" công tác tổ chức".into(),
                summary: "Sáng nay, hội nghị bàn ba việc.".into(),
                content_html: "<p>Sáng nay, hội nghị bàn ba việc.</p>".into(),
                authors: vec!["Lê An".into()],
                agency: Some("TUAG".into()),
                categories: vec![CategoryRef {
                    slug: "cong-tac-to-chuc".into(),
                    title: "Công tác tổ chức".into(),
                    ancestors: vec![],
                }],
                tags: vec!["đại hội".into()],
                language: "vi-VN".into(),
                image: Some(Image {
                    url: "https://example.vn/a.jpg".into(),
                    alt: "Hội trường".into(),
                    width: Some(800),
                    height: None,
                    media_type: "image/jpeg".into(),
                    length: None,
                }),
                published: at,
            },
        }
    }

    fn json(body: &[u8]) -> serde_json::Value {
        serde_json::from_slice(body).expect("JSON")
    }

    #[test]
    fn a_published_article_is_told_in_these_very_bytes() {
        let body = event_body(ChangeKind::Published, stored().first_seen, &stored(), &["to-chuc".into()], &zone());
        let expected = concat!(
            r#"{"type":"article.published","timestamp":"2026-11-23T07:00:00+07:00","data":{"#,
            r#""id":"tag:example.vn,2021:cong/article/77","revision":2,"source":"cong","#,
            r#""title":"Hội nghị \"sơ kết\" công tác tổ chức","summary":"Sáng nay, hội nghị bàn ba việc.","#,
            r#""url":"https://example.vn/cong-tac-to-chuc/77","authors":["Lê An"],"agency":"TUAG","#,
            r#""categories":[{"slug":"cong-tac-to-chuc","title":"Công tác tổ chức"}],"tags":["đại hội"],"#,
            r#""language":"vi-VN","image":{"url":"https://example.vn/a.jpg","alt":"Hội trường","width":800,"#,
            r#""height":null,"type":"image/jpeg"},"published":"2026-11-23T07:00:00+07:00","#,
            r#""updated":"2026-11-23T07:10:00+07:00","feeds":["to-chuc"]}}"#,
        );
        assert_eq!(String::from_utf8(body).expect("UTF-8"), expected);
    }

    #[test]
    fn a_withdrawn_article_tells_nothing_but_what_to_take_down() {
        let body = event_body(ChangeKind::Withdrawn, stored().updated, &stored(), &["to-chuc".into()], &zone());
        let event = json(&body);
        assert_eq!(event["type"], "article.withdrawn");
        let keys: Vec<_> = event["data"].as_object().expect("an object").keys().cloned().collect();
        assert_eq!(keys, ["id", "revision", "url"]);
    }

    #[test]
    fn the_whole_text_is_sent_only_when_asked_for() {
        let thin = event_body(ChangeKind::Revised, stored().updated, &stored(), &[], &zone());
        let full = full_event_body(ChangeKind::Revised, stored().updated, &stored(), &[], &zone());
        assert!(json(&thin)["data"].get("content_html").is_none());
        assert_eq!(json(&full)["data"]["content_html"], "<p>Sáng nay, hội nghị bàn ba việc.</p>");
    }

    #[test]
    fn a_thin_event_stays_below_20_kb_whatever_the_article_holds() {
        for repeat in [100, 10_000] {
            let mut big = stored();
            let text = "ầ\" ".repeat(repeat);
            big.article.title = text.as_str().into();
            big.article.summary = text.as_str().into();
            big.article.authors = vec![text.as_str().into(); 200];
            big.article.tags = vec![text.as_str().into(); 200];
            big.article.agency = Some(text.as_str().into());
            big.article.url = format!("https://example.vn/{}", "a".repeat(2000));
            let body = event_body(ChangeKind::Published, big.first_seen, &big, &vec!["x".repeat(100); 500], &zone());
            assert!(body.len() < MAX_THIN, "{}", body.len());
            assert!(json(&body)["data"]["title"].as_str().expect("a title").starts_with("ầ"));
        }
    }

    #[test]
    fn a_long_summary_ends_between_words() {
        assert_eq!(cut("một hai ba bốn", 11), "một hai ba…");
        assert_eq!(cut("một hai ba bốn", 10), "một hai…");
        assert_eq!(cut("một hai", 7), "một hai");
        assert_eq!(cut("mộthaibabốn", 5), "mộth…");
    }

    #[test]
    fn a_number_is_added_behind_everything_else() {
        let body = numbered(&test_body(stored().first_seen, &zone()), 7, 5);
        let event = json(&body);
        assert_eq!((&event["seq"], &event["prev_seq"]), (&7.into(), &5.into()));
        assert_eq!(event["type"], "endpoint.test");
    }

    #[test]
    fn a_digest_names_what_is_public_and_what_to_take_down() {
        let gone = StoredArticle { visible: false, entry_id: "tag:x".into(), ..stored() };
        let event = json(&digest_body(stored().first_seen, &[stored(), gone], false, &zone()));
        assert_eq!(event["data"]["articles"][0]["id"], "tag:example.vn,2021:cong/article/77");
        assert_eq!(
            event["data"]["withdrawn"],
            serde_json::json!([
                { "id": "tag:x", "revision": 2, "url": "https://example.vn/cong-tac-to-chuc/77" }
            ])
        );
    }

    #[test]
    fn a_test_event_speaks_both_languages() {
        let event = json(&test_body(stored().first_seen, &zone()));
        assert_eq!(event["type"], "endpoint.test");
        assert!(event["data"]["message"]["vi"].is_string() && event["data"]["message"]["en"].is_string());
    }
}
