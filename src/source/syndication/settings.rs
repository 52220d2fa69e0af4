//! The keys of a source of kind `feed`, and what can be told of them without a call. Reads no feed.

use ipnet::IpNet;
use serde::Deserialize;
use url::Url;

use super::super::SourceError;

/// The keys of a source of kind `feed`. `docs/sources/feed.md` explains each.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The feed, or several: `"https://…"`, or `[{ url = "https://…", category = "Công tác tổ chức" }, …]`.
    pub url: Urls,
    /// The portal's address, for links and pictures that are relative to it; else the feed tells.
    #[serde(default)]
    pub site_url: Option<String>,
    /// CSS selector of the text in an article's own page, where the feed has only its beginning.
    #[serde(default)]
    pub full_text: Option<String>,
    /// BCP 47 tag of all articles, whatever the feed says.
    #[serde(default)]
    pub language: Option<String>,
    /// IANA name of the zone in which dates without a zone are meant.
    #[serde(default = "home")]
    pub timezone: String,
    /// Private networks that may be called, exactly named.
    #[serde(default)]
    pub allow: Vec<IpNet>,
    /// Whether `robots.txt` is obeyed.
    #[serde(default = "yes")]
    pub robots: bool,
    /// Seconds from one call to a host to the next; 1 where pages are read for `full_text`, else 0.
    #[serde(default)]
    pub pause: Option<f64>,
    /// Seconds for one call.
    #[serde(default = "patience")]
    pub timeout: f64,
}

/// One feed or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "write the feed's address, or a list of addresses and of { url = \"https://…\", category = \"…\" }"
)]
pub enum Urls {
    /// `url = "https://…"`
    One(String),
    /// `url = ["https://…", { url = "https://…", category = "…" }]`
    Many(Vec<Listed>),
}

/// One of several feeds.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Listed {
    /// Its address alone.
    Bare(String),
    /// With the category that its articles are in.
    Titled(Titled),
}

/// A feed whose articles are in one category.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Titled {
    /// The feed's address.
    pub url: String,
    /// The category's title, which all its articles get before those that they name themselves.
    #[serde(default)]
    pub category: Option<String>,
}

fn home() -> String {
    "Asia/Ho_Chi_Minh".to_owned()
}

const fn yes() -> bool {
    true
}

const fn patience() -> f64 {
    20.0
}

/// One feed as it is polled.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    pub url: Url,
    pub category: Option<String>,
}

/// The feeds that the key `url` names.
///
/// # Errors
/// [`SourceError::Schema`] when it names none, one twice, or something that is no address.
pub(super) fn feeds(name: &str, urls: Urls) -> Result<Vec<Feed>, SourceError> {
    let fault = |what: String| SourceError::Schema(format!("source `{name}`: {what}"));
    let listed = match urls {
        Urls::One(url) => vec![Titled { url, category: None }],
        Urls::Many(many) => many
            .into_iter()
            .map(|one| match one {
                Listed::Bare(url) => Titled { url, category: None },
                Listed::Titled(titled) => titled,
            })
            .collect(),
    };
    if listed.is_empty() {
        return Err(fault("url = [] names no feed; write the feed's address".to_owned()));
    }
    let mut feeds: Vec<Feed> = Vec::with_capacity(listed.len());
    for Titled { url: raw, category } in listed {
        let url = Url::parse(&raw).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = url else {
            return Err(fault(format!(
                "url = \"{raw}\" is no address of http or https; write the feed's, such as \
                     https://portal.example.vn/tin?format=feed&type=rss"
            )));
        };
        if feeds.iter().any(|feed| feed.url == url) {
            return Err(fault(format!("url names {raw} twice; leave one out")));
        }
        feeds.push(Feed { url, category: category.filter(|title| !title.trim().is_empty()) });
    }
    Ok(feeds)
}
