//! Any SQL database, by a SELECT that the operator writes (or a preset does): its rows are the articles, its columns are known
//! by name. Read-only; shows what the SELECT gives and whose time has come, decides nothing else and never writes.
//!
//! loa puts the SELECT in parentheses and asks around it: a sweep asks each row for its id, its dates, its category and one
//! MD5 that the database makes of all its texts, so that no text crosses the wire; only what differs is fetched, 200 rows at
//! a time, by id. A hot scan asks for the newest rows and for those that it is asked about. All of one scan is read in one
//! read-only transaction, and the server is told to stop a statement that takes too long.

mod bring;
mod categories;
mod census;
mod dates;
mod gather;
mod link;
mod look;
mod nukeviet;
mod query;
pub mod settings;
mod shape;
mod statement;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use self::categories::{Node, Tree};
use self::dates::Dating;
use self::gather::Rules;
use self::link::Template;
use self::query::{Queries, probe};
use self::settings::{Chosen, Settings, choose};
use self::shape::{ARTICLE, ARTICLE_TOO, CATEGORY, CATEGORY_TOO, Shape};
use super::database::fault::Hints;
use super::database::{Door, Row, Visit};
use super::{Ask, Census, Description, Fetched, Rhythm, Scan, Source, SourceError, site_base, time_zone};
use crate::clock::Timestamp;

/// Rows are asked for by id this many at a time.
const CHUNK: usize = 200;

/// More categories than this are not categories.
const MOST_CATEGORIES: usize = 20_000;

const HINTS: Hints = Hints {
    grant: "grant it SELECT on every table and column that the SELECTs in `articles` and `categories` read, or on one view",
    misfit: "the server cannot run the SELECT",
    remedy: "correct it, and try it with this account in a client of the database",
};

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

/// The error of a statement around one of the SELECTs, with the key that holds it.
fn of(key: &str, error: SourceError) -> SourceError {
    match error {
        SourceError::Schema(message) => SourceError::Schema(format!("{message} (in `{key}`)")),
        SourceError::Refused(message) => SourceError::Refused(format!("{message} (for `{key}`)")),
        SourceError::Unreachable(message) => SourceError::Unreachable(format!("{message} (in `{key}`)")),
        error @ SourceError::Wait(..) => error,
    }
}
