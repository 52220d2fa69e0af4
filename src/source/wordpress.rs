//! `WordPress` by its REST interface, as any visitor may read it: no account, no password. Only ever asks with GET.
//!
//! - Only `*_gmt` dates are used: the others, and `modified_after`, are on the site's own clock, and a post that was scheduled
//!   goes live without a new date of modification. So the newest page by date, the newest by modification and known posts by
//!   their ids are read at every poll, everything once in `full_walk`.
//! - Scans ask for few fields; text, names and pictures come with the fetch.
//! - Posts with a password are shown to nobody.

mod call;
mod fetch;
mod post;
mod root;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use self::root::Root;
use super::joomla::tree::Tree;
use super::tiers::{Memory, full_walk};
use super::web::{Options, Web};
use super::{Ask, Census, Description, Fetched, Rhythm, Scan, Source, SourceError, site_base};
use crate::clock::Timestamp;

/// The keys of a source of kind `wordpress`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The site's address.
    pub url: String,
    /// What is read, by the names in the interface's addresses: `posts`, `pages`, `tin-tuc`.
    #[serde(default = "posts")]
    pub post_types: Vec<String>,
    /// Private networks that may be called, exactly named.
    #[serde(default)]
    pub allow: Vec<IpNet>,
    /// Whether the site's `robots.txt` is obeyed.
    #[serde(default = "yes")]
    pub robots: bool,
    /// From one reading of everything to the next: `30m`, `1h`, `12h`.
    #[serde(default = "hour")]
    pub full_walk: String,
    /// From one call to the next, in seconds.
    #[serde(default)]
    pub pause: f64,
    /// For one call, in seconds.
    #[serde(default = "patience")]
    pub timeout: f64,
}

fn posts() -> Vec<String> {
    vec!["posts".to_owned()]
}

const fn yes() -> bool {
    true
}

fn hour() -> String {
    "1h".to_owned()
}

fn patience() -> f64 {
    Options::default().timeout
}

/// A `WordPress` that can be read.
pub struct WordPress {
    name: String,
    base: Url,
    types: Vec<String>,
    full_walk: Duration,
    web: Web,
    state: Mutex<State>,
}

/// What is kept from call to call. Without it everything is only read again.
#[derive(Default)]
struct State {
    /// Where the interface is; found at the first call and again after each error.
    root: Option<Root>,
    memory: Memory,
    tree: Tree,
    /// Of which type a post was, as an index of the configured types.
    types: BTreeMap<i64, usize>,
    /// What the last walk counted.
    census: Census,
}

impl fmt::Debug for WordPress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WordPress({} at {})", self.name, self.base)
    }
}

impl WordPress {
    /// Checks the settings; connects to nothing.
    ///
    /// # Errors
    /// [`SourceError::Schema`] when a setting cannot be right.
    pub fn open(name: &str, settings: Settings) -> Result<Self, SourceError> {
        let fault = |what: &str| SourceError::Schema(format!("source `{name}`: {what}"));
        let base = site_base(name, &settings.url).map_err(|_| {
            fault("`url` is not an address; write the site's address, such as https://portal.example.vn/")
        })?;
        let is_type = |name: &String| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        let distinct: BTreeSet<&String> = settings.post_types.iter().collect();
        if distinct.is_empty() || distinct.len() < settings.post_types.len() || !settings.post_types.iter().all(is_type)
        {
            return Err(fault(
                "`post_types` is a list of different names as in the addresses of the REST interface; write [\"posts\"]",
            ));
        }
        let options = Options {
            allow: settings.allow,
            robots: settings.robots,
            pause: settings.pause,
            timeout: settings.timeout,
        };
        Ok(Self {
            name: name.to_owned(),
            base,
            types: settings.post_types,
            full_walk: full_walk(name, &settings.full_walk)?,
            web: Web::open(name, options)?,
            state: Mutex::default(),
        })
    }

    async fn describe_at(&self, now: Timestamp) -> Result<Description, SourceError> {
        let root = self.find(now).await?;
        let tree = self.tree(&root, now).await?;
        let mut counts = Vec::new();
        for name in &self.types {
            let list = self.list(&root, name, &[("per_page", "1"), ("_fields", "id")], now).await?;
            let count = list.total.map_or_else(|| "some".to_owned(), |total| total.to_string());
            counts.push(format!("{count} {name}"));
        }
        let found = format!(
            "WordPress at {} (REST interface at {root}): {} as visitors see them, {} categories",
            self.base,
            counts.join(", "),
            tree.visible().count(),
        );
        Ok(Description { name: self.name.clone(), kind: "wordpress", found })
    }
}

impl Source for WordPress {
    async fn describe(&self) -> Result<Description, SourceError> {
        // A look by hand has no clock: this is before every time that a host named, so that it is let alone if it asked.
        self.describe_at(Timestamp::default()).await
    }

    fn rhythm(&self) -> Rhythm {
        Rhythm::Tiers { sweep: self.full_walk }
    }

    async fn scan(&self, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        let mut state = self.state.lock().await;
        let result = self.look(&mut state, ask).await;
        if result.is_err() {
            state.root = None;
        }
        result
    }

    async fn census(&self, _now: Timestamp) -> Result<Census, SourceError> {
        Ok(self.state.lock().await.census.clone())
    }

    async fn fetch(&self, ids: &BTreeSet<String>, now: Timestamp) -> Result<Fetched, SourceError> {
        // What is not a number is no id of WordPress's, so it is not visible.
        let ids = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let mut state = self.state.lock().await;
        let result = self.bring(&mut state, &ids, now).await;
        if result.is_err() {
            state.root = None;
        }
        result
    }
}
