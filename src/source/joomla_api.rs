//! Joomla's web services (4.0 and later), for portals that give no database account. A token sees everything, drafts and
//! trash too, so what an anonymous visitor may see is decided here, by the same rules as for Joomla's tables. Only ever asks
//! with GET.
//!
//! The interface has faults, and each is met by a rule (content-store.md §6):
//! - its filters do not know dates, levels or categories, and it ignores filters that it does not know: every row is judged by
//!   its own attributes, whatever was asked for;
//! - lists leave out rows without a workflow (migrated portals have them): an article that is known and not in the list is
//!   asked for by its id before it counts as gone;
//! - pages shift while they are read: see `source::walk`;
//! - publishing, hiding, archiving and moving do not touch `modified`: the newest page by id, the newest by `modified`, and
//!   known articles one by one in turn are read at every poll, everything once in `full_walk`.

mod call;
mod census;
mod document;
mod fetch;
mod row;
mod rules;
mod scan;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use self::call::Found;
use self::census::Tally;
use self::fetch::Kept;
use self::rules::Rules;
use super::joomla::link::{self, Template};
use super::tiers::{Memory, full_walk};
use super::web::{Options, Web};
use super::{Ask, Census, Description, Fetched, Rhythm, Scan, Source, SourceError, site_base};
use crate::clock::Timestamp;

/// The keys of a source of kind `joomla-api`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The root of the portal, below which `api/index.php` is.
    pub url: String,
    /// The API token of an account. Secret.
    pub token: String,
    /// The portal's address for readers, where it is another than `url`.
    pub site_url: Option<String>,
    /// Template of an article's address; see `joomla`.
    pub link: Option<String>,
    /// Access levels that an anonymous visitor has; asked from the portal by default, and 1 and 5 if it does not tell.
    pub guest_levels: Option<BTreeSet<i64>>,
    /// Only articles in this language, or in none: `vi-VN` or `vi`. All by default.
    pub language: Option<String>,
    /// Private networks that may be called, exactly named.
    #[serde(default)]
    pub allow: Vec<IpNet>,
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

fn hour() -> String {
    "1h".to_owned()
}

fn patience() -> f64 {
    Options::default().timeout
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &self.url)
            .field("token", &"(secret)")
            .field("site_url", &self.site_url)
            .field("link", &self.link)
            .field("guest_levels", &self.guest_levels)
            .field("language", &self.language)
            .field("allow", &self.allow)
            .field("full_walk", &self.full_walk)
            .field("pause", &self.pause)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// A Joomla that is read by its web services.
pub struct JoomlaApi {
    name: String,
    /// The address of the interface, with a `/` at its end.
    api: Url,
    token: String,
    base: Url,
    link: Template,
    guest_levels: Option<BTreeSet<i64>>,
    language: Option<String>,
    full_walk: Duration,
    web: Web,
    state: Mutex<State>,
}

/// What is kept from call to call. Without it everything is only read again.
#[derive(Default)]
struct State {
    memory: Memory,
    rules: Rules,
    kept: Kept,
    tally: Tally,
}

impl fmt::Debug for JoomlaApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoomlaApi({} at {})", self.name, self.api)
    }
}

impl JoomlaApi {
    /// Checks the settings; connects to nothing.
    ///
    /// # Errors
    /// [`SourceError::Schema`] when a setting cannot be right.
    pub fn open(name: &str, settings: Settings) -> Result<Self, SourceError> {
        let fault = |what: String| SourceError::Schema(format!("source `{name}`: {what}"));
        let root = site_base(name, &settings.url).map_err(|_| {
            fault(
                "`url` is not an address; write the root of the portal, such as https://portal.example.vn/".to_owned(),
            )
        })?;
        // Whatever may not stand in a header would make every call fail with a riddle.
        let token = settings.token.trim().to_owned();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fault(
                "`token` is not one that Joomla gives; copy it from the tab \"Joomla API Token\" of an account"
                    .to_owned(),
            ));
        }
        let link = Template::parse(settings.link.as_deref().unwrap_or(link::DEFAULT))
            .map_err(|what| fault(format!("`link` {what}; write for example {{base}}tin/{{id}}-{{alias}}")))?;
        if settings.link.is_some_and(|link| link.contains("{menu_path}")) {
            return Err(fault(
                "`link` has {menu_path}, but the web services do not tell menus; write the path itself, such as \
                 {base}tin/{id}-{alias}"
                    .to_owned(),
            ));
        }
        if settings.guest_levels.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(fault("`guest_levels` is empty; leave it out or write [1]".to_owned()));
        }
        // A token is a permission: `robots.txt` speaks to those who come unasked, and Joomla's own forbids /api/ to them.
        let options =
            Options { allow: settings.allow, robots: false, pause: settings.pause, timeout: settings.timeout };
        let base = settings.site_url.as_deref().map_or_else(|| Ok(root.clone()), |site| site_base(name, site))?;
        Ok(Self {
            name: name.to_owned(),
            api: root.join("api/index.php/v1/").map_err(|error| fault(format!("`url` cannot be used: {error}")))?,
            token,
            base,
            link,
            guest_levels: settings.guest_levels,
            language: settings.language.filter(|language| !matches!(language.trim(), "" | "*")),
            full_walk: full_walk(name, &settings.full_walk)?,
            web: Web::open(name, options)?,
            state: Mutex::default(),
        })
    }
}

impl Source for JoomlaApi {
    async fn describe(&self) -> Result<Description, SourceError> {
        // A look by hand has no clock: this is before every time that a host named, so that it is let alone if it asked.
        let now = Timestamp::default();
        let mut rules = Rules::default();
        rules.learn(self, now).await?;
        // One row a page: the number of pages is that of the articles.
        let one = [("filter[state]", "1"), ("page[limit]", "1")];
        let Found::Document(list) = self.call("content/articles", &one, now).await? else {
            return Err(self.schema("content/articles", "is not there"));
        };
        let found = format!(
            "Joomla's web services at {}: {} published articles, {} public categories, guest levels {}{}",
            self.api,
            list.pages,
            rules.tree.visible().count(),
            rules.guest_words(),
            rules.lacking(),
        );
        Ok(Description { name: self.name.clone(), kind: "joomla-api", found })
    }

    fn rhythm(&self) -> Rhythm {
        Rhythm::Tiers { sweep: self.full_walk }
    }

    async fn scan(&self, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        let mut state = self.state.lock().await;
        self.look(&mut state, ask).await
    }

    async fn census(&self, now: Timestamp) -> Result<Census, SourceError> {
        self.count(&*self.state.lock().await, now).await
    }

    async fn fetch(&self, ids: &BTreeSet<String>, now: Timestamp) -> Result<Fetched, SourceError> {
        // What is not a number is no id of Joomla's, so it is not visible.
        let ids = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let mut state = self.state.lock().await;
        self.bring(&mut state, ids, now).await
    }
}
