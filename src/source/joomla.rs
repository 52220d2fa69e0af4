//! Joomla's own tables, read-only: 2.5 to 5, on MySQL, MariaDB or `PostgreSQL`. Shows what an anonymous visitor of the portal
//! may see at the caller's time and nothing else; decides nothing and never writes. `docs/sources/joomla.md` has the grants.
//!
//! Joomla's lists publish, hide, archive and move articles without touching `modified`, and no event marks the passing of
//! `publish_up`. So sets are compared, never timestamps, in two tiers (content-store.md §7):
//!
//! * A **sweep** lets the database add up a hash of what is public, for each 512 ids, and lists only where the sums differ
//!   from those of what is known. It reads each article's row, but not its text; a *deep* sweep, some times a day, adds the
//!   text, which finds what was changed behind Joomla's back.
//! * A **hot** scan reads the newest rows by their primary key and those that readers see now, and asks for a sweep when a
//!   category, an access level, a tag or a menu moved.

mod article;
pub(super) mod body;
mod census;
pub(super) mod dates;
pub(super) mod guests;
mod hot;
mod layout;
mod lights;
pub(super) mod link;
mod memory;
mod menus;
pub(super) mod picture;
mod print;
mod query;
mod rules;
mod sums;
mod sweep;
pub(super) mod tree;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde::Deserialize;
use url::Url;

use self::layout::Layout;
use self::link::Template;
use self::memory::Memory;
use self::query::Queries;
use super::database::{Door, Visit};
use super::{Ask, Census, Depth, Description, Fetched, Rhythm, Scan, Source, SourceError, site_base, time_zone};
use crate::clock::Timestamp;

/// The keys of a source of kind `joomla`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `mysql://user:password@host/database` or `postgres://…`. Secret: it holds the password.
    pub url: String,
    /// Prefix of the tables, with its underscore; found by itself when only one Joomla is in the database.
    pub prefix: Option<String>,
    /// The portal's address, to which links and pictures are relative.
    pub site_url: String,
    /// Template of an article's address, of `{base} {id} {alias} {catid} {cat_path} {menu_path} {lang}`; by default the form
    /// that works on every Joomla.
    pub link: Option<String>,
    /// Access levels that an anonymous visitor has; found in the portal's own settings by default.
    pub guest_levels: Option<BTreeSet<i64>>,
    /// IANA name of the zone in which the database's dates are meant. Joomla writes UTC; only imports that wrote local time
    /// need another.
    #[serde(default = "utc")]
    pub timezone: String,
    /// From one sweep to the next, such as `10m`. Between them, hot scans look at what is new and what readers see.
    #[serde(default = "ten_minutes")]
    pub sweep: String,
    /// From one deep sweep to the next, such as `6h`: it reads the texts too.
    #[serde(default = "six_hours")]
    pub deep: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn ten_minutes() -> String {
    "10m".to_owned()
}

fn six_hours() -> String {
    "6h".to_owned()
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &"(secret)")
            .field("prefix", &self.prefix)
            .field("site_url", &self.site_url)
            .field("link", &self.link)
            .field("guest_levels", &self.guest_levels)
            .field("timezone", &self.timezone)
            .field("sweep", &self.sweep)
            .field("deep", &self.deep)
            .finish()
    }
}

/// A Joomla that can be read.
#[derive(Debug)]
pub struct Joomla {
    name: String,
    door: Door,
    prefix: Option<String>,
    base: Url,
    link: Template,
    guest_levels: Option<BTreeSet<i64>>,
    zone: TimeZone,
    sweep: Duration,
    deep: Duration,
    memory: Mutex<Memory>,
    /// Found at the first visit; forgotten at each error and each [`Source::describe`].
    layout: Mutex<Option<Arc<Layout>>>,
    /// What was found first: to lose a part of it later is an error, not another portal or one without that part.
    first: Mutex<Option<Arc<Layout>>>,
}

impl Joomla {
    /// Checks the settings; connects to nothing.
    ///
    /// # Errors
    /// [`SourceError::Schema`] when a setting cannot be right.
    pub fn open(name: &str, settings: Settings) -> Result<Self, SourceError> {
        let fault = |what: String| SourceError::Schema(format!("source `{name}`: {what}"));
        if settings.prefix.as_deref().is_some_and(|prefix| !layout::is_prefix(prefix)) {
            return Err(fault("`prefix` may hold at most 32 letters, digits and _, such as jos_".to_owned()));
        }
        let link = Template::parse(settings.link.as_deref().unwrap_or(link::DEFAULT))
            .map_err(|what| fault(format!("`link` {what}; write for example {{base}}tin/{{id}}-{{alias}}")))?;
        if settings.guest_levels.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(fault("`guest_levels` is empty; leave it out or write [1]".to_owned()));
        }
        let period = |key: &str, written: &str| {
            let period = written.parse::<SignedDuration>().ok().and_then(|period| Duration::try_from(period).ok());
            period.filter(|period| !period.is_zero()).ok_or_else(|| {
                fault(format!(
                    "`{key}` = \"{written}\" is no period; write a number and a unit, such as 90s, 10m or 6h"
                ))
            })
        };
        Ok(Self {
            name: name.to_owned(),
            door: Door::open(name, &settings.url)?.hinting(layout::HINTS),
            prefix: settings.prefix,
            base: site_base(name, &settings.site_url)?,
            link,
            guest_levels: settings.guest_levels,
            zone: time_zone(name, &settings.timezone)?,
            sweep: period("sweep", &settings.sweep)?,
            deep: period("deep", &settings.deep)?,
            memory: Mutex::default(),
            layout: Mutex::default(),
            first: Mutex::default(),
        })
    }

    /// What this process remembers, for as long as the closure runs.
    fn with_memory<T>(&self, use_it: impl FnOnce(&mut Memory) -> T) -> T {
        use_it(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn remember(&self, layout: Option<Arc<Layout>>) {
        *self.layout.lock().unwrap_or_else(PoisonError::into_inner) = layout;
    }

    async fn layout(&self, visit: &mut Visit<'_>) -> Result<Arc<Layout>, SourceError> {
        let known = self.layout.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = Arc::new(Layout::find(&self.door, visit, self.prefix.as_deref(), self.link.uses_menus()).await?);
        if let Some(lost) = self.lost(&found) {
            return Err(SourceError::Refused(format!("{}: {lost}", self.door.place())));
        }
        self.remember(Some(Arc::clone(&found)));
        Ok(found)
    }

    /// What is no longer there of what was found first. To go on without it would hide or change many articles at once, and
    /// tell every endpoint so.
    fn lost(&self, found: &Arc<Layout>) -> Option<String> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = first.as_ref() else {
            *first = Some(Arc::clone(found));
            return None;
        };
        if known.prefix != found.prefix {
            return Some(format!(
                "the tables with the prefix `{}` can no longer be read, only others with `{}`; grant SELECT on them again, or \
                 restart loa to take the others",
                known.prefix, found.prefix
            ));
        }
        let lost: Vec<_> = known.optional.difference(&found.optional).map(|what| what.words()).collect();
        if lost.is_empty() {
            *first = Some(Arc::clone(found));
            return None;
        }
        Some(format!(
            "can no longer read {}; grant SELECT on it again, or restart loa to go on without",
            lost.join(", ")
        ))
    }

    fn queries<'a>(&self, layout: &'a Layout) -> Queries<'a> {
        Queries { engine: self.door.engine(), layout }
    }

    async fn look(&self, visit: &mut Visit<'_>) -> Result<Description, SourceError> {
        let rules = self.rules(visit).await?;
        let queries = self.queries(&rules.layout);
        let (mut server, mut count) = (String::new(), 0);
        visit.read(queries.server(), |row| row.text(0).clone_into(&mut server)).await?;
        visit.read(queries.count(), |row| count = row.number(0)).await?;
        let mut found = format!(
            "{} with the prefix `{}` on {server}: {count} published articles, {} public categories, guest levels {}",
            rules.layout.version,
            rules.layout.prefix,
            rules.tree.visible().count(),
            rules.guest_list(),
        );
        let lacking = rules.layout.lacking();
        if !lacking.is_empty() {
            found = format!("{found}; goes without {} (no such table, or no grant)", lacking.join(", "));
        }
        Ok(Description { name: self.name.clone(), kind: "joomla", found })
    }

    /// Keeps the connection after a good visit; after a bad one drops it and what was known of the tables.
    async fn settle<T>(&self, visit: Visit<'_>, result: Result<T, SourceError>) -> Result<T, SourceError> {
        match result {
            Ok(value) => {
                visit.leave().await;
                Ok(value)
            }
            Err(error) => {
                self.remember(None);
                Err(error)
            }
        }
    }
}

impl Source for Joomla {
    async fn describe(&self) -> Result<Description, SourceError> {
        self.remember(None);
        let mut visit = self.door.enter().await?;
        let result = self.look(&mut visit).await;
        self.settle(visit, result).await
    }

    fn rhythm(&self) -> Rhythm {
        Rhythm::Tiers { sweep: self.sweep }
    }

    async fn scan(&self, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        let mut visit = self.door.enter().await?;
        let result = match ask.depth {
            Depth::Sweep => self.sweep_all(&mut visit, ask).await,
            Depth::Hot => self.hot(&mut visit, ask).await,
        };
        self.settle(visit, result).await
    }

    async fn census(&self, now: Timestamp) -> Result<Census, SourceError> {
        let mut visit = self.door.enter().await?;
        let result = self.count(&mut visit, now).await;
        self.settle(visit, result).await
    }

    async fn fetch(&self, ids: &BTreeSet<String>, now: Timestamp) -> Result<Fetched, SourceError> {
        // What is not a number is no id of Joomla's, so it is not visible.
        let ids: Vec<i64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        self.with_memory(|memory| ids.iter().for_each(|id| _ = memory.newest.remove(id)));
        let mut visit = self.door.enter().await?;
        let result = self.bring(&mut visit, &ids, now).await;
        self.settle(visit, result).await
    }
}
