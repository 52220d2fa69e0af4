//! One post as the REST interface writes it. Pure.

use jiff::tz::TimeZone;
use serde_json::Value;
use url::Url;

use super::call::chain;
use crate::clock::Timestamp;
use crate::domain::article::{Image, RawArticle};
use crate::source::joomla::tree::Tree;
use crate::source::stamp::Stamp;
use crate::source::tiers::Seen;
use crate::text::date::parse;
use crate::text::media::media_type;
use crate::text::xml::XmlText;

/// What a scan asks for. Texts are not among it: they make the server run every plugin over every post.
pub(super) const FIELDS: &str =
    "id,date_gmt,modified_gmt,slug,status,link,title,author,featured_media,categories,tags,content.protected";

/// Whether visitors may read the post: published, and without a password.
pub(super) fn is_public(post: &Value) -> bool {
    post["status"] == "publish" && post["content"]["protected"] != true && post["excerpt"]["protected"] != true
}

/// A post as a scan sees it.
pub(super) fn seen(post: &Value, tree: &Tree) -> Seen {
    let mut stamp = Stamp::default();
    for key in ["date_gmt", "modified_gmt", "slug", "link", "title", "author", "featured_media", "tags"] {
        stamp.part(post[key].to_string());
    }
    for id in chain(tree, &numbers(&post["categories"])) {
        stamp.part(tree.stamp(id));
    }
    Seen { fingerprint: stamp.hex(), from: None, until: None }
}

/// The whole article, from a post with what it embeds.
///
/// # Errors
/// A clause for the operator when it has no date or address.
pub(super) fn article(post: &Value, id: i64, tree: &Tree, base: &Url) -> Result<RawArticle, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let url = post["link"].as_str().filter(|link| !link.is_empty()).ok_or("comes without `link`")?;
    let date = |key: &str| post[key].as_str().and_then(date);
    // An old import may have no date in UTC.
    let published =
        date("date_gmt").or_else(|| date("modified_gmt")).ok_or("comes without `date_gmt`; set its date anew")?;
    let embedded = &post["_embedded"];
    let terms = embedded["wp:term"].as_array().into_iter().flatten().filter_map(Value::as_array).flatten();
    let excerpt = post["excerpt"]["rendered"].as_str().unwrap_or_default();
    Ok(RawArticle {
        external_id: id.to_string(),
        url: url.to_owned(),
        base: Some(base.clone()),
        title: text(&post["title"]["rendered"]),
        summary_html: if is_automatic(excerpt) { String::new() } else { excerpt.to_owned() },
        content_html: text(&post["content"]["rendered"]),
        authors: names(embedded["author"].as_array().into_iter().flatten()),
        categories: chain(tree, &numbers(&post["categories"])).iter().map(ToString::to_string).collect(),
        tags: names(terms.filter(|term| term["taxonomy"] == "post_tag")),
        published,
        updated: date("modified_gmt").map(|modified| modified.max(published)),
        language: String::new(),
        image: image(&embedded["wp:featuredmedia"][0]),
    })
}

/// An excerpt that `WordPress` cut from the text by itself ends so. It is no lede that an editor wrote.
fn is_automatic(excerpt: &str) -> bool {
    let end = excerpt.trim_end().trim_end_matches("</p>").trim_end();
    ["[&hellip;]", "[…]", "[...]", "[&#8230;]"].iter().any(|mark| end.ends_with(mark))
}

/// Names of what is embedded. Where the site hides it, an error stands in its place, without a name.
fn names<'a>(all: impl Iterator<Item = &'a Value>) -> Vec<String> {
    all.filter_map(|one| one["name"].as_str()).filter(|name| !name.trim().is_empty()).map(str::to_owned).collect()
}

fn image(media: &Value) -> Option<Image> {
    let url = media["source_url"].as_str().filter(|url| !url.is_empty())?;
    // Sounds and films can be featured too.
    let kind = media["mime_type"].as_str().unwrap_or_else(|| media_type(url));
    if !kind.starts_with("image/") {
        return None;
    }
    let details = &media["media_details"];
    let size = |key: &str| details[key].as_u64().and_then(|size| u32::try_from(size).ok()).filter(|size| *size > 0);
    Some(Image {
        alt: XmlText::new(media["alt_text"].as_str().unwrap_or_default().trim()),
        width: size("width"),
        height: size("height"),
        media_type: kind.to_owned(),
        length: details["filesize"].as_u64().filter(|length| *length > 0),
        url: url.to_owned(),
    })
}

/// `2021-11-23T07:05:00`, in UTC. Drafts and damaged imports have zero dates, which are none.
fn date(text: &str) -> Option<Timestamp> {
    parse::date(text, &TimeZone::UTC).filter(|at| at.millis() > 0)
}

/// Ids of terms.
pub(super) fn numbers(list: &Value) -> Vec<i64> {
    list.as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn post() -> Value {
        json!({
            "id": 7, "date_gmt": "2021-11-23T07:05:00", "modified_gmt": "2021-11-23T06:00:00", "slug": "bai",
            "status": "publish", "link": "https://a.vn/bai/", "title": {"rendered": "Bài &#8211; một"},
            "content": {"rendered": "<p>a</p>", "protected": false}, "excerpt": {"rendered": "<p>Lede</p>\n", "protected": false},
            "author": 3, "featured_media": 9, "categories": [], "tags": [4],
            "_embedded": {
                "author": [{"code": "rest_user_invalid_id", "message": "Invalid user ID.", "data": {"status": 404}}],
                "wp:featuredmedia": [{"source_url": "https://a.vn/b.jpg", "alt_text": " Hội trường ", "mime_type": "image/jpeg",
                    "media_details": {"width": 800, "height": 600, "filesize": 1234}}],
                "wp:term": [[{"id": 1, "taxonomy": "category", "name": "Tin"}], [{"id": 4, "taxonomy": "post_tag", "name": "Đại hội"}]],
            },
        })
    }

    fn base() -> Url {
        Url::parse("https://a.vn/").unwrap()
    }

    #[test]
    fn a_post_brings_its_picture_its_tags_and_no_hidden_author() {
        let article = article(&post(), 7, &Tree::default(), &base()).unwrap();
        let image = article.image.unwrap();
        assert_eq!(
            (image.width, image.height, image.length, image.alt.as_str()),
            (Some(800), Some(600), Some(1234), "Hội trường")
        );
        assert_eq!((article.tags, article.authors), (vec!["Đại hội".to_owned()], Vec::new()));
        assert_eq!(article.published.rfc3339(&TimeZone::UTC), "2021-11-23T07:05:00+00:00");
        assert_eq!((article.updated, article.summary_html.as_str()), (Some(article.published), "<p>Lede</p>\n"));
    }

    #[test]
    fn what_visitors_may_not_read_is_not_public() {
        assert!(is_public(&post()));
        for (key, value) in [
            ("status", json!("private")),
            ("status", json!("future")),
            ("status", Value::Null),
            ("content", json!({"protected": true})),
            ("excerpt", json!({"protected": true})),
        ] {
            let mut hidden = post();
            hidden[key] = value;
            assert!(!is_public(&hidden), "{key}");
        }
    }

    #[test]
    fn an_excerpt_that_was_cut_by_machine_is_no_lede() {
        assert!(is_automatic("<p>Sáng nay [&hellip;]</p>\n") && is_automatic("Sáng nay […]"));
        assert!(!is_automatic("<p>Sáng nay &hellip;</p>") && !is_automatic(""));
    }

    #[test]
    fn a_post_without_a_date_in_utc_takes_the_next_best_and_one_without_any_is_refused() {
        let mut old = post();
        old["date_gmt"] = json!("0000-00-00T00:00:00");
        let published = article(&old, 7, &Tree::default(), &base()).unwrap().published;
        assert_eq!(published.rfc3339(&TimeZone::UTC), "2021-11-23T06:00:00+00:00");
        old["modified_gmt"] = Value::Null;
        assert!(article(&old, 7, &Tree::default(), &base()).unwrap_err().contains("date_gmt"));
    }

    #[test]
    fn a_film_is_no_picture() {
        assert_eq!(image(&json!({"source_url": "https://a.vn/b.mp4", "mime_type": "video/mp4"})), None);
        assert!(image(&json!({"source_url": "https://a.vn/b.webp"})).is_some());
        assert_eq!(image(&json!({"code": "rest_forbidden"})), None);
    }
}
