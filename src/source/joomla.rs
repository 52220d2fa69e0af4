//! Joomla's own tables, read-only: 2.5 to 5, on MySQL, MariaDB or `PostgreSQL`. Shows what an anonymous visitor of the portal
//! may see at the caller's time and nothing else; decides nothing and never writes.
//!
//! The account needs no more than this (prefix `jos_`; the last four lines are optional, and loa says what it goes without):
//!
//! ```sql
//! GRANT SELECT ON portal.jos_content TO 'loa'@'…';       GRANT SELECT ON portal.jos_categories TO 'loa'@'…';
//! GRANT SELECT ON portal.jos_viewlevels TO 'loa'@'…';    GRANT SELECT ON portal.jos_usergroups TO 'loa'@'…';
//! GRANT SELECT ON portal.jos_extensions TO 'loa'@'…';    GRANT SELECT (id, name) ON portal.jos_users TO 'loa'@'…';
//! GRANT SELECT ON portal.jos_tags TO 'loa'@'…';          GRANT SELECT ON portal.jos_contentitem_tag_map TO 'loa'@'…';
//! ```
//!
//! Joomla's lists publish, hide, archive and move articles without touching `modified`, and no event marks the passing of
//! `publish_up`. So every scan compares the whole visible set, never a timestamp. The text enters the fingerprint as MD5 sums
//! made by the database: no text crosses the wire, but the server reads each visible article once a scan. Measured with
//! 50,000 articles of 2.6 KB: about one second on MariaDB and on `PostgreSQL`, with the sums hardly more than without, and
//! 11 MB on the wire.

pub(super) mod body;
pub(super) mod dates;
pub(super) mod guests;
mod layout;
pub(super) mod link;
pub(super) mod picture;
mod query;
pub(super) mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Deserialize;
use url::Url;

use self::layout::{Layout, Optional};
use self::link::{Parts, Template};
use self::query::{Queries, full, light, list};
use self::tree::{Node, Tree};
use super::database::{Door, Row, Visit};
use super::stamp::Stamp;
use super::{Ask, Description, Fetched, Flip, Light, Reach, Rhythm, Scan, Source, SourceError, site_base, time_zone};
use crate::clock::Timestamp;
use crate::domain::article::RawArticle;

/// Full rows are read this many at a time.
const CHUNK: usize = 200;

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
    /// Template of an article's address, of `{base} {id} {alias} {catid} {cat_path} {lang}`; by default the form that works
    /// on every Joomla.
    pub link: Option<String>,
    /// Access levels that an anonymous visitor has; found in the portal's own settings by default.
    pub guest_levels: Option<BTreeSet<i64>>,
    /// IANA name of the zone in which the database's dates are meant. Joomla writes UTC; only imports that wrote local time
    /// need another.
    #[serde(default = "utc")]
    pub timezone: String,
}

fn utc() -> String {
    "UTC".to_owned()
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
    /// Found at the first visit; forgotten at each error and each [`Source::describe`].
    layout: Mutex<Option<Arc<Layout>>>,
    /// What was found first: to lose a part of it later is an error, not another portal or one without that part.
    first: Mutex<Option<Arc<Layout>>>,
}

/// Who may see what, at the moment of one visit.
struct Rules {
    layout: Arc<Layout>,
    guests: BTreeSet<i64>,
    tree: Tree,
}

impl Rules {
    fn guest_list(&self) -> String {
        list(&self.guests)
    }
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
        Ok(Self {
            name: name.to_owned(),
            door: Door::open(name, &settings.url)?.hinting(layout::HINTS),
            prefix: settings.prefix,
            base: site_base(name, &settings.site_url)?,
            link,
            guest_levels: settings.guest_levels,
            zone: time_zone(name, &settings.timezone)?,
            layout: Mutex::default(),
            first: Mutex::default(),
        })
    }

    fn remember(&self, layout: Option<Arc<Layout>>) {
        *self.layout.lock().unwrap_or_else(PoisonError::into_inner) = layout;
    }

    async fn layout(&self, visit: &mut Visit<'_>) -> Result<Arc<Layout>, SourceError> {
        let known = self.layout.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = Arc::new(Layout::find(&self.door, visit, self.prefix.as_deref()).await?);
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

    async fn rules(&self, visit: &mut Visit<'_>) -> Result<Rules, SourceError> {
        let layout = self.layout(visit).await?;
        let queries = self.queries(&layout);
        let guests = self.guests(visit, queries).await?;
        let mut rows = Vec::new();
        visit
            .each(queries.categories(), None, |row| {
                rows.push(Node {
                    id: row.number(0),
                    parent: row.number(1),
                    title: row.text(2).to_owned(),
                    alias: row.text(3).to_owned(),
                    published: row.number(4),
                    access: row.number(5),
                    language: row.text(6).trim().to_owned(),
                    is_root: row.text(7) == "system",
                });
            })
            .await?;
        let tree = Tree::new(rows, &guests);
        Ok(Rules { layout, guests, tree })
    }

    async fn guests(&self, visit: &mut Visit<'_>, queries: Queries<'_>) -> Result<BTreeSet<i64>, SourceError> {
        if let Some(levels) = &self.guest_levels {
            return Ok(levels.clone());
        }
        let (mut levels, mut parents, mut group) = (Vec::new(), BTreeMap::new(), guests::PUBLIC);
        if queries.layout.has(Optional::ViewLevels) {
            visit.each(queries.view_levels(), None, |row| levels.push((row.number(0), row.text(1).to_owned()))).await?;
        }
        if queries.layout.has(Optional::Groups) {
            visit
                .each(queries.groups(), None, |row| {
                    parents.insert(row.number(0), row.number(1));
                })
                .await?;
        }
        if queries.layout.has(Optional::Extensions) {
            visit.each(queries.user_params(), None, |row| group = guests::guest_group(row.text(0))).await?;
        }
        Ok(guests::levels(&levels, &parents, group))
    }

    /// Titles of public tags by article.
    async fn tags(
        &self,
        visit: &mut Visit<'_>,
        rules: &Rules,
        ids: Option<&str>,
    ) -> Result<BTreeMap<i64, Vec<String>>, SourceError> {
        let mut tags: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        if rules.layout.has(Optional::Tags) {
            let sql = self.queries(&rules.layout).tags(&rules.guest_list(), ids);
            visit.each(sql, None, |row| tags.entry(row.number(0)).or_default().push(row.text(1).to_owned())).await?;
        }
        Ok(tags)
    }

    async fn look(&self, visit: &mut Visit<'_>) -> Result<Description, SourceError> {
        let rules = self.rules(visit).await?;
        let queries = self.queries(&rules.layout);
        let (mut server, mut count) = (String::new(), 0);
        visit.each(queries.server(), None, |row| row.text(0).clone_into(&mut server)).await?;
        visit.each(queries.count(), None, |row| count = row.number(0)).await?;
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

    async fn sweep(&self, visit: &mut Visit<'_>, now: Timestamp) -> Result<Scan, SourceError> {
        let rules = self.rules(visit).await?;
        let categories = rules.tree.categories();
        let empty = categories.is_empty();
        let mut scan =
            Scan { reach: Reach::Whole, categories: Some(categories), categories_hide: true, ..Scan::default() };
        if empty {
            return Ok(scan);
        }
        let tags = self.tags(visit, &rules, None).await?;
        let stamps: BTreeMap<i64, String> = rules.tree.visible().map(|id| (id, rules.tree.stamp(id))).collect();
        let sql = self.queries(&rules.layout).light(&rules.guest_list(), &list(rules.tree.visible()));
        let articles = &mut scan.articles;
        let flips = &mut scan.flips;
        let take = |row: Row| {
            let id = row.number(light::ID);
            let mut flip = |at: Option<Timestamp>| {
                flips.extend(at.filter(|at| *at > now).map(|at| Flip { at, external_id: id.to_string() }));
            };
            if row.text(light::WAITING) == "1" {
                flip(dates::parse(row.maybe(light::UP), &self.zone));
                return;
            }
            // The last second of `publish_down` is still public.
            flip(dates::parse(row.maybe(light::DOWN), &self.zone).map(|down| down.plus(Duration::from_secs(1))));
            let mut stamp = Stamp::default();
            stamp.part(self.base.as_str());
            stamp.part(self.link.as_str());
            stamp.maybe(stamps.get(&row.number(light::CATID)).map(String::as_str));
            for column in [light::UP, light::DOWN].into_iter().chain(light::REST..light::END) {
                stamp.maybe(row.maybe(column));
            }
            for tag in tags.get(&id).into_iter().flatten() {
                stamp.part(tag);
            }
            articles.push(Light { external_id: id.to_string(), fingerprint: stamp.hex() });
        };
        visit.each(sql, Some(&dates::text(now, &self.zone)), take).await?;
        Ok(scan)
    }

    async fn bring(&self, visit: &mut Visit<'_>, ids: &[i64], now: Timestamp) -> Result<Fetched, SourceError> {
        let rules = self.rules(visit).await?;
        let categories = list(rules.tree.visible());
        let mut fetched = Fetched::default();
        if categories.is_empty() {
            return Ok(fetched);
        }
        let now = dates::text(now, &self.zone);
        for ids in ids.chunks(CHUNK) {
            let ids = list(ids);
            let mut tags = self.tags(visit, &rules, Some(&ids)).await?;
            let sql = self.queries(&rules.layout).full(&rules.guest_list(), &categories, &ids);
            let articles = &mut fetched.articles;
            let take = |row: Row| {
                let tags = tags.remove(&row.number(full::ID)).unwrap_or_default();
                articles.push(self.article(&row, &rules.tree, tags));
            };
            visit.each(sql, Some(&now), take).await?;
        }
        Ok(fetched)
    }

    fn article(&self, row: &Row, tree: &Tree, tags: Vec<String>) -> RawArticle {
        let (id, catid) = (row.number(full::ID), row.number(full::CATID));
        let date = |column| dates::parse(row.maybe(column), &self.zone);
        let published = date(full::UP).or_else(|| date(full::CREATED)).unwrap_or_default();
        let language = match row.text(full::LANGUAGE).trim() {
            "" | "*" => tree.language(catid),
            own => own,
        };
        let (intro, rest) = (row.text(full::INTRO), row.text(full::FULL));
        let author = [full::ALIAS_OF_AUTHOR, full::AUTHOR].map(|column| row.text(column).trim());
        let cat_path = tree.path(catid);
        let parts = Parts { base: &self.base, id, alias: row.text(full::ALIAS), catid, cat_path: &cat_path, language };
        RawArticle {
            external_id: id.to_string(),
            url: self.link.fill(parts),
            base: Some(self.base.clone()),
            title: row.text(full::TITLE).to_owned(),
            // Without a second half, the editor marked no lede: the first is the whole body.
            summary_html: if rest.trim().is_empty() { String::new() } else { body::expand(intro) },
            content_html: body::expand(&body::join(intro, rest)),
            authors: author.into_iter().find(|name| !name.is_empty()).map(str::to_owned).into_iter().collect(),
            categories: tree.chain(catid).map(|node| node.id.to_string()).collect(),
            tags,
            published,
            updated: date(full::MODIFIED).map(|modified| modified.max(published)),
            language: language.to_owned(),
            image: picture::picture(row.text(full::IMAGES)),
        }
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
        Rhythm::Whole
    }

    async fn scan(&self, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        let mut visit = self.door.enter().await?;
        let result = self.sweep(&mut visit, ask.now).await;
        self.settle(visit, result).await
    }

    async fn fetch(&self, ids: &BTreeSet<String>, now: Timestamp) -> Result<Fetched, SourceError> {
        // What is not a number is no id of Joomla's, so it is not visible.
        let ids: Vec<i64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let mut visit = self.door.enter().await?;
        let result = self.bring(&mut visit, &ids, now).await;
        self.settle(visit, result).await
    }
}
