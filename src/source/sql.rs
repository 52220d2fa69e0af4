//! Any SQL database, by a SELECT that the operator writes (or a preset does): its rows are the articles, its columns are known
//! by name. Read-only; shows what the SELECT gives and whose time has come, decides nothing else and never writes.
//!
//! loa puts the SELECT in parentheses and asks around it: a sweep asks each row for its id, its dates, its category and one
//! MD5 that the database makes of all its texts, so that no text crosses the wire; only what differs is fetched, 200 rows at
//! a time, by id. A hot scan asks for the newest rows and for those that it is asked about. All of one scan is read in one
//! read-only transaction, and the server is told to stop a statement that takes too long.

mod categories;
mod dates;
mod gather;
mod link;
mod nukeviet;
mod query;
mod shape;
mod statement;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use self::categories::{Named, Node, Tree, ids, name, parts};
use self::dates::{Dates, Dating};
use self::gather::{Found, Gather, Rules, column_fault};
use self::link::{Parts, Template};
use self::query::{FULL, LONGEST, Queries, probe};
use self::shape::{ARTICLE, ARTICLE_TOO, CATEGORY, CATEGORY_TOO, Shape};
use super::database::fault::Hints;
use super::database::{Door, Engine, Row, Visit};
use super::{
    Ask, Census, Depth, Description, Fault, Fetched, Hidden, Reach, Rhythm, Scan, Source, SourceError, site_base,
    time_zone,
};
use crate::clock::Timestamp;
use crate::domain::article::{Category, Image, RawArticle};
use crate::text::media::media_type;
use crate::text::xml::XmlText;

/// Rows are asked for by id this many at a time.
const CHUNK: usize = 200;

/// A hot scan looks at so many of the newest articles by date, and as many by id.
const NEWEST: usize = 200;

/// More categories than this are not categories.
const MOST_CATEGORIES: usize = 20_000;

const HINTS: Hints = Hints {
    grant: "grant it SELECT on every table and column that the SELECTs in `articles` and `categories` read, or on one view",
    misfit: "the server cannot run the SELECT",
    remedy: "correct it, and try it with this account in a client of the database",
};

/// The keys of a source of kind `sql`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `mysql://user:password@host/database`, `mariadb://…` or `postgres://…`. Secret: it holds the password.
    pub url: String,
    /// The portal's address, to which links and pictures are relative.
    pub site_url: String,
    /// The SELECT whose rows are the articles.
    pub articles: Option<String>,
    /// The SELECT whose rows are the public categories. With it, an article whose first category is not among them is not
    /// public.
    pub categories: Option<String>,
    /// The SELECTs of a known portal instead of own ones.
    pub preset: Option<Preset>,
    /// With a preset: what the names of its tables begin with; `nv4` by default.
    pub prefix: Option<String>,
    /// Language of articles whose row names none; with a preset also that of its tables, `vi` by default.
    pub language: Option<String>,
    /// With a preset: the module that holds the articles; `news` by default.
    pub module: Option<String>,
    /// Template of an article's address where no `url` column gives it, of `{base} {id} {alias} {category} {category_id}
    /// {language} {year} {month} {day}`.
    pub link: Option<String>,
    /// In which form dates are; found by itself where the values tell.
    pub dates: Option<Dates>,
    /// IANA name of the zone in which dates without one are meant.
    #[serde(default = "home")]
    pub timezone: String,
    /// Seconds from one sweep to the next.
    #[serde(default = "ten_minutes")]
    pub sweep: u64,
    /// Seconds that the server may spend on one statement.
    #[serde(default = "half_a_minute")]
    pub limit: u64,
}

/// Portals whose SELECTs loa knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// `NukeViet` 4 (MySQL, MariaDB).
    Nukeviet,
}

fn home() -> String {
    "Asia/Ho_Chi_Minh".to_owned()
}

fn ten_minutes() -> u64 {
    600
}

fn half_a_minute() -> u64 {
    30
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &"(secret)")
            .field("site_url", &self.site_url)
            .field("articles", &self.articles)
            .field("categories", &self.categories)
            .field("preset", &self.preset)
            .finish_non_exhaustive()
    }
}

/// A database that can be asked.
#[derive(Debug)]
pub struct Sql {
    name: String,
    door: Door,
    base: Url,
    articles: String,
    categories: Option<String>,
    link: Option<Template>,
    dating: Dating,
    language: String,
    rhythm: Rhythm,
    limit: Duration,
    /// What of the settings every article shows.
    stamp: String,
    /// Found at the first visit; forgotten at each error and each [`Source::describe`].
    shapes: Mutex<Option<Arc<Shapes>>>,
    /// What was found first: a column that is lost later is an error, not an article without it.
    first: Mutex<Option<Arc<Shapes>>>,
}

/// The columns of both SELECTs.
#[derive(Debug)]
struct Shapes {
    articles: Shape,
    categories: Option<Shape>,
}

impl Sql {
    /// Checks the settings; connects to nothing.
    ///
    /// # Errors
    /// [`SourceError::Schema`] when a setting cannot be right.
    pub fn open(source: &str, settings: &Settings) -> Result<Self, SourceError> {
        let fault = |what: String| SourceError::Schema(format!("source `{source}`: {what}"));
        let door = Door::open(source, &settings.url)?.hinting(HINTS);
        let engine = door.engine();
        let Chosen { articles, categories, link, language } = choose(settings, engine).map_err(fault)?;
        let check = |key: &str, text: &str| {
            statement::check(text, engine).map_err(|what| fault(format!("the SELECT in `{key}` {what}")))
        };
        let link = link.map(|link| {
            let example = "write for example {base}tin/{alias}-{id}.html";
            Template::parse(&link).map_err(|what| fault(format!("`link` {what}; {example}")))
        });
        let link = link.transpose()?;
        if !(1..=50).contains(&settings.limit) {
            return Err(fault(format!("limit = {} is not between 1 and 50 seconds", settings.limit)));
        }
        if settings.sweep == 0 {
            return Err(fault("sweep = 0 is no time; write seconds, such as 600".to_owned()));
        }
        let base = site_base(source, &settings.site_url)?;
        let zone = time_zone(source, &settings.timezone)?;
        let stamp =
            format!("{base}\n{}\n{}\n{language}", link.as_ref().map_or("", Template::as_str), settings.timezone);
        Ok(Self {
            articles: check("articles", &articles)?,
            categories: categories.map(|text| check("categories", &text)).transpose()?,
            name: source.to_owned(),
            door,
            base,
            link,
            dating: Dating { form: settings.dates, zone },
            language,
            rhythm: Rhythm::Tiers { sweep: Duration::from_secs(settings.sweep) },
            limit: Duration::from_secs(settings.limit),
            stamp,
            shapes: Mutex::default(),
            first: Mutex::default(),
        })
    }

    fn remember(&self, shapes: Option<Arc<Shapes>>) {
        *self.shapes.lock().unwrap_or_else(PoisonError::into_inner) = shapes;
    }

    /// What the server holds against one of the SELECTs, with its key.
    fn schema(&self, what: impl fmt::Display) -> SourceError {
        SourceError::Schema(format!("{}: {what}", self.door.place()))
    }

    fn queries<'a>(&'a self, shape: &'a Shape) -> Queries<'a> {
        Queries { engine: self.door.engine(), select: &self.articles, shape }
    }

    async fn shapes(&self, visit: &mut Visit<'_>) -> Result<Arc<Shapes>, SourceError> {
        let known = self.shapes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let engine = self.door.engine();
        let columns = visit.columns(probe(&self.articles)).await.map_err(|error| of("articles", error))?;
        let articles = Shape::of("articles", &columns, (&ARTICLE, &ARTICLE_TOO), engine).map_err(|e| self.schema(e))?;
        if !articles.has("url") && self.link.is_none() {
            return Err(self.schema(
                "`articles` gives no column `url` and there is no `link`, so articles have no address; add one of them, such as \
                 link = \"{base}tin/{alias}-{id}.html\"",
            ));
        }
        let categories = match &self.categories {
            Some(select) => {
                let columns = visit.columns(probe(select)).await.map_err(|error| of("categories", error))?;
                let shape = Shape::of("categories", &columns, (&CATEGORY, &CATEGORY_TOO), engine);
                if !articles.has("category_id") {
                    return Err(self.schema(
                        "`articles` gives no column `category_id`, so the rows of `categories` belong to no article; add it, or \
                         leave `categories` out",
                    ));
                }
                Some(shape.map_err(|e| self.schema(e))?)
            }
            None => None,
        };
        let found = Arc::new(Shapes { articles, categories });
        self.keep(&found)?;
        self.remember(Some(Arc::clone(&found)));
        Ok(found)
    }

    /// To go on without a column that was there would change every article at once, and tell every endpoint so.
    fn keep(&self, found: &Arc<Shapes>) -> Result<(), SourceError> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = first.as_ref() {
            let lost = known.articles.beyond(&found.articles);
            if !lost.is_empty() {
                return Err(self.schema(format!(
                    "`articles` no longer gives the column `{}`; bring it back, or restart loa to go on without",
                    lost.join("`, `")
                )));
            }
        }
        *first = Some(Arc::clone(found));
        Ok(())
    }

    async fn tree(&self, visit: &mut Visit<'_>, shapes: &Shapes) -> Result<Option<Tree>, SourceError> {
        let (Some(select), Some(shape)) = (&self.categories, &shapes.categories) else { return Ok(None) };
        let queries = Queries { engine: self.door.engine(), select, shape };
        let (mut nodes, mut wrong) = (BTreeMap::new(), None);
        let mut rows = 0;
        let take = |row: Row| {
            rows += 1;
            let id = row.text(0).trim();
            let (title, slug) = (row.text(1).trim(), row.text(3).trim());
            let title = [title, slug, id].into_iter().find(|text| !text.is_empty()).unwrap_or_default();
            let node = Node { parent: row.text(2).trim().to_owned(), title: title.to_owned(), slug: slug.to_owned() };
            if id.is_empty() {
                wrong = Some("a row without an `id`; leave it out with WHERE".to_owned());
            } else if nodes.insert(id.to_owned(), node).is_some() {
                wrong = Some(format!("two rows with the id {id}; each category must come once"));
            }
        };
        let sql = queries.plain(&["id", "title", "parent", "slug"], MOST_CATEGORIES + 1);
        visit.each(sql, None, take).await.map_err(|error| of("categories", error))?;
        if rows > MOST_CATEGORIES {
            wrong = Some(format!("more than {MOST_CATEGORIES} rows; a JOIN seems to lack its condition"));
        }
        match wrong {
            Some(wrong) => Err(self.schema(format!("`categories` gives {wrong}"))),
            None => Ok(Some(Tree::new(nodes))),
        }
    }

    fn rules<'a>(&'a self, shapes: &'a Shapes, tree: Option<&'a Tree>, now: Timestamp) -> Rules<'a> {
        Rules { now, dating: &self.dating, shape: &shapes.articles, tree, settings: &self.stamp }
    }

    async fn sweep(&self, visit: &mut Visit<'_>, rules: Rules<'_>) -> Result<Found, SourceError> {
        let mut gather = Gather::new(rules);
        let sql = self.queries(rules.shape).light();
        visit.each(sql, None, |row| gather.take(&row)).await.map_err(|error| of("articles", error))?;
        gather.finish().map_err(|what| self.schema(what))
    }

    /// The newest rows, those that are public as far as is known, and those whose time has come. Also answers which ids were
    /// looked for.
    async fn hot(
        &self,
        visit: &mut Visit<'_>,
        rules: Rules<'_>,
        ask: &Ask<'_>,
    ) -> Result<(Found, BTreeSet<String>), SourceError> {
        let queries = self.queries(rules.shape);
        let mut wanted: BTreeSet<String> = ask.due.clone();
        wanted.extend(ask.known.iter().map(|light| light.external_id.clone()));
        for field in ["published", "id"] {
            let take = |row: Row| {
                wanted.extend(row.maybe(0).map(str::to_owned));
            };
            visit.each(queries.newest(field, NEWEST), None, take).await.map_err(|error| of("articles", error))?;
        }
        let mut gather = Gather::new(rules);
        let ids = queries.fit(wanted.iter().map(String::as_str));
        for chunk in ids.chunks(CHUNK) {
            let take = |row: Row| {
                // A collation may take other ids for the same.
                if wanted.contains(row.text(0)) {
                    gather.take(&row);
                }
            };
            visit.each_of(queries.light_of(chunk.len()), chunk, take).await.map_err(|error| of("articles", error))?;
        }
        Ok((gather.finish().map_err(|what| self.schema(what))?, wanted))
    }

    async fn look(&self, visit: &mut Visit<'_>, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        let shapes = self.shapes(visit).await?;
        let tree = self.tree(visit, &shapes).await?;
        let rules = self.rules(&shapes, tree.as_ref(), ask.now);
        let (found, looked_for) = match ask.depth {
            Depth::Sweep => (self.sweep(visit, rules).await?, None),
            Depth::Hot => {
                let (found, wanted) = self.hot(visit, rules, ask).await?;
                (found, Some(wanted))
            }
        };
        let is_hot = looked_for.is_some();
        let categories = match &tree {
            Some(tree) => tree.categories(),
            None => found.named.categories(ask.categories, is_hot),
        };
        // What a category is called, or that it went, concerns articles that a hot scan did not look at.
        let deeper = is_hot && tree.is_some() && !is_same(&categories, ask.categories);
        Ok(Scan {
            articles: found.articles,
            reach: match looked_for {
                _ if found.blind => Reach::Part,
                None => Reach::Whole,
                Some(wanted) => Reach::Only(wanted),
            },
            categories: Some(categories),
            categories_hide: tree.is_some(),
            flips: found.flips,
            deeper,
            faults: found.faults,
        })
    }

    async fn bring(
        &self,
        visit: &mut Visit<'_>,
        wanted: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<Fetched, SourceError> {
        let shapes = self.shapes(visit).await?;
        let tree = self.tree(visit, &shapes).await?;
        let queries = self.queries(&shapes.articles);
        let mut fetched = Fetched::default();
        let ids = queries.fit(wanted.iter().map(String::as_str));
        for chunk in ids.chunks(CHUNK) {
            let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
            let take = |row: Row| {
                if wanted.contains(row.text(0)) {
                    rows.entry(row.text(0).to_owned()).or_default().push(row);
                }
            };
            visit.each_of(queries.full(chunk.len()), chunk, take).await.map_err(|error| of("articles", error))?;
            for (id, rows) in rows {
                let article = match rows.as_slice() {
                    [row] => self.article(row, &shapes.articles, tree.as_ref(), now),
                    several => Err(format!("comes in {} rows of `articles`", several.len())),
                };
                match article {
                    Ok(article) => fetched.articles.extend(article),
                    Err(what) => {
                        fetched.faults.push(Fault { message: format!("article {id}: {what}"), external_id: id });
                    }
                }
            }
        }
        Ok(fetched)
    }

    /// The article of a full row; nothing if it is not public.
    fn article(
        &self,
        row: &Row,
        shape: &Shape,
        tree: Option<&Tree>,
        now: Timestamp,
    ) -> Result<Option<RawArticle>, String> {
        let at = |field: &str| FULL.iter().position(|known| *known == field).unwrap_or(FULL.len());
        let raw = |field: &str| row.text(at(field));
        let trimmed = |field: &str| raw(field).trim();
        let date = |field: &str| {
            let read = self.dating.read(row.maybe(at(field)), shape.kind(field));
            read.map_err(|what| column_fault(field, raw(field), what))
        };
        let own = ids(raw("category_id"));
        let hidden = tree.is_some_and(|tree| own.first().is_some_and(|first| !tree.has(first)));
        let published = date("published")?.filter(|at| *at <= now);
        let (Some(published), None, false) = (published, date("expires")?.filter(|at| *at <= now), hidden) else {
            return Ok(None);
        };
        if let Some(field) = ["summary", "content"].into_iter().find(|field| raw(field).chars().nth(LONGEST).is_some())
        {
            return Err(format!("the column `{field}` holds more than {LONGEST} characters; shorten it in the SELECT"));
        }
        let title = raw("category");
        let categories = match tree {
            Some(tree) => tree.of(&own),
            None => Named::id(&own, title).into_iter().collect(),
        };
        let language = if trimmed("language").is_empty() { self.language.as_str() } else { trimmed("language") };
        let category = match (tree, own.first()) {
            (Some(tree), Some(first)) => tree.address(first).to_owned(),
            _ if title.trim().is_empty() => String::new(),
            _ => name(title),
        };
        let url = match (trimmed("url"), &self.link) {
            ("", Some(link)) => link.fill(Parts {
                base: &self.base,
                id: row.text(at("id")),
                alias: trimmed("alias"),
                category: &category,
                category_id: own.first().map_or("", String::as_str),
                language,
                published,
                zone: &self.dating.zone,
            }),
            ("", None) => return Err("the column `url` is empty and there is no `link`; fill one of them".to_owned()),
            (url, _) => url.to_owned(),
        };
        let image = Some(trimmed("image")).filter(|image| !image.is_empty()).map(|image| Image {
            url: image.to_owned(),
            alt: XmlText::new(raw("image_alt")),
            width: None,
            height: None,
            media_type: media_type(image).to_owned(),
            length: None,
        });
        Ok(Some(RawArticle {
            external_id: row.text(at("id")).to_owned(),
            url,
            base: Some(self.base.clone()),
            title: raw("title").to_owned(),
            summary_html: raw("summary").to_owned(),
            content_html: raw("content").to_owned(),
            authors: parts(raw("author")),
            categories,
            tags: parts(raw("tags")),
            published,
            // A hint: a date that cannot be read is not worth an article.
            updated: date("updated").unwrap_or_default().map(|updated| updated.max(published)),
            language: language.to_owned(),
            image,
        }))
    }

    async fn explain(&self, visit: &mut Visit<'_>) -> Result<Description, SourceError> {
        let (mut server, mut now) = (String::new(), Timestamp::default());
        let take = |row: Row| {
            row.text(0).clone_into(&mut server);
            now = Timestamp::from_millis(row.number(1).saturating_mul(1000));
        };
        visit.each(query::server(self.door.engine()), None, take).await?;
        let shapes = self.shapes(visit).await?;
        let tree = self.tree(visit, &shapes).await?;
        let found = self.sweep(visit, self.rules(&shapes, tree.as_ref(), now)).await?;
        let mut words = vec![format!("{server}: {} public articles", found.articles.len())];
        words.extend(found.unseen.iter().map(|(why, unseen)| format!("{} {}", unseen.count, why.words())));
        let categories = tree.map_or_else(|| found.named.categories(&[], false), |tree| tree.categories()).len();
        let mut text = format!("{}; {categories} categories; columns {}", words.join(", "), shapes.articles.words());
        if !shapes.articles.ignored.is_empty() {
            text = format!("{text}; makes nothing of the columns {}", shapes.articles.ignored.join(", "));
        }
        if let Some(fault) = found.faults.first() {
            text = format!("{text}; {} rows cannot be used, the first: {}", found.faults.len(), fault.message);
        }
        Ok(Description { name: self.name.clone(), kind: "sql", found: text })
    }

    async fn count(&self, visit: &mut Visit<'_>, now: Timestamp) -> Result<Census, SourceError> {
        let shapes = self.shapes(visit).await?;
        let tree = self.tree(visit, &shapes).await?;
        let found = self.sweep(visit, self.rules(&shapes, tree.as_ref(), now)).await?;
        let queries = self.queries(&shapes.articles);
        let mut hidden = Vec::new();
        for (why, unseen) in found.unseen {
            let mut examples = Vec::new();
            let ids = queries.fit(unseen.ids.iter().map(String::as_str));
            let take = |row: Row| examples.push(format!("{}: {}", row.text(0), row.text(1)));
            visit.each_of(queries.titles(ids.len()), &ids, take).await.map_err(|error| of("articles", error))?;
            hidden.push(Hidden { reason: why.words().to_owned(), count: unseen.count, examples });
        }
        Ok(Census { by_category: Some(found.by_category), hidden })
    }

    async fn enter(&self) -> Result<Visit<'_>, SourceError> {
        let mut visit = self.door.enter().await?;
        visit.limit(self.limit).await?;
        Ok(visit)
    }

    /// Keeps the connection after a good visit; after a bad one drops it and what was known of the columns.
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

impl Source for Sql {
    async fn describe(&self) -> Result<Description, SourceError> {
        self.remember(None);
        let mut visit = self.enter().await?;
        let result = self.explain(&mut visit).await;
        self.settle(visit, result).await
    }

    fn rhythm(&self) -> Rhythm {
        self.rhythm
    }

    async fn scan(&self, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        let mut visit = self.enter().await?;
        let result = self.look(&mut visit, ask).await;
        self.settle(visit, result).await
    }

    async fn census(&self, now: Timestamp) -> Result<Census, SourceError> {
        let mut visit = self.enter().await?;
        let result = self.count(&mut visit, now).await;
        self.settle(visit, result).await
    }

    async fn fetch(&self, ids: &BTreeSet<String>, now: Timestamp) -> Result<Fetched, SourceError> {
        let mut visit = self.enter().await?;
        let result = self.bring(&mut visit, ids, now).await;
        self.settle(visit, result).await
    }
}

/// The SELECTs and what goes with them.
struct Chosen {
    articles: String,
    categories: Option<String>,
    link: Option<String>,
    language: String,
}

/// Own SELECTs, or those of a preset; never both.
fn choose(settings: &Settings, engine: Engine) -> Result<Chosen, String> {
    let word = |own: &Option<String>, usual: &str| own.clone().unwrap_or_else(|| usual.to_owned());
    let Some(Preset::Nukeviet) = settings.preset else {
        let articles = settings
            .articles
            .clone()
            .ok_or("there is no `articles`; write the SELECT whose rows are the articles, or choose a `preset`")?;
        if settings.prefix.is_some() || settings.module.is_some() {
            return Err("`prefix` and `module` belong to a `preset`; leave them out".to_owned());
        }
        return Ok(Chosen {
            articles,
            categories: settings.categories.clone(),
            link: settings.link.clone(),
            language: word(&settings.language, ""),
        });
    };
    if settings.articles.is_some() || settings.categories.is_some() {
        return Err(
            "`preset` brings its own `articles` and `categories`; leave either the preset or them out".to_owned()
        );
    }
    if engine != Engine::MySql {
        return Err("NukeViet keeps its articles in MySQL or MariaDB; write a mysql:// address into `url`".to_owned());
    }
    let prefix = word(&settings.prefix, "nv4");
    let (language, module) = (word(&settings.language, "vi"), word(&settings.module, "news"));
    for (key, value) in
        [("prefix", prefix.clone()), ("language", language.clone()), ("module", module.replace('-', "_"))]
    {
        if !nukeviet::is_name(&value) {
            return Err(format!("`{key}` may hold 1 to 32 letters, digits and _ only, as in the names of the tables"));
        }
    }
    Ok(Chosen {
        articles: nukeviet::articles(&prefix, &language, &module),
        categories: Some(nukeviet::categories(&prefix, &language, &module)),
        link: Some(settings.link.clone().unwrap_or_else(|| nukeviet::link(&language, &module))),
        language,
    })
}

/// The error of a statement around one of the SELECTs, with the key that holds it.
fn of(key: &str, error: SourceError) -> SourceError {
    match error {
        SourceError::Schema(message) => SourceError::Schema(format!("{message} (in `{key}`)")),
        SourceError::Refused(message) => SourceError::Refused(format!("{message} (for `{key}`)")),
        SourceError::Unreachable(message) => SourceError::Unreachable(format!("{message} (in `{key}`)")),
        error @ SourceError::Wait(..) => error,
    }
}

/// Whether two lists hold the same categories, in whatever order.
fn is_same(found: &[Category], known: &[Category]) -> bool {
    let known: BTreeMap<&str, &Category> = known.iter().map(|c| (c.external_id.as_str(), c)).collect();
    found.len() == known.len() && found.iter().all(|c| known.get(c.external_id.as_str()) == Some(&c))
}
