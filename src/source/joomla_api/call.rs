//! One call to the web services, and what its answer means. Never shows the token.

use super::JoomlaApi;
use super::document::{Document, Read, read};
use super::row::Row;
use crate::clock::Timestamp;
use crate::source::SourceError;
use crate::source::walk::{Step, Walk};
use crate::source::web::{Answer, Call, Fresh};

/// The only type that Joomla answers in besides `*/*`; others get 406.
const ACCEPT: &str = "application/vnd.api+json";

/// Bytes of one answer at most: a hundred articles with their texts.
const MAX: usize = 48 * 1024 * 1024;

/// What a call brought.
#[derive(Debug)]
pub(super) enum Found {
    Document(Document),
    /// 404 or 410.
    Missing,
    /// An error document under a status that says success: nothing is known.
    Odd(String),
}

/// One article that was asked for by its id.
#[derive(Debug)]
pub(super) enum One {
    Row(Box<Row>),
    /// There is no such article.
    Gone,
    /// It could not be read: why.
    Unknown(String),
}

/// Of a list, its page and what to do next.
pub(super) struct Leaf {
    pub(super) document: Document,
    pub(super) step: Step,
}

impl JoomlaApi {
    /// Asks for one document.
    pub(super) async fn call(&self, path: &str, query: &[(&str, &str)], now: Timestamp) -> Result<Found, SourceError> {
        let mut url = self.api.join(path).map_err(|_| self.schema(path, "makes no address with `url`"))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let call = Call { accept: ACCEPT, headers: &[("x-joomla-token", &self.token)], max: MAX, fresh: Fresh::Always };
        let page = match self.web.get(&url, &call, now).await {
            Ok(Answer::Page(page)) => page,
            Ok(Answer::Missing(_)) => return Ok(Found::Missing),
            Ok(Answer::Unchanged) => {
                return Err(self.unreachable(path, "answers \"unchanged\" to a question that was not asked"));
            }
            Err(SourceError::Refused(message)) => {
                return Err(SourceError::Refused(format!(
                    "{message}; if that is in order, see whether `token` is the API token of an enabled account with the right \
                     to log in to the web services, and whether the plugins \"API Authentication - Web Services Joomla Token\" \
                     and \"Web Services - Content\" are enabled"
                )));
            }
            Err(error) => return Err(error),
        };
        if page.is_html() {
            return Err(self.schema(path, "answers with a page for people (a login or the home page) in place of data"));
        }
        match read(&page.text).map_err(|what| self.unreachable(path, &what))? {
            Read::Document(document) => Ok(Found::Document(document)),
            Read::Errors(code, title) => {
                let code = code.map(|code| format!(" {code}")).unwrap_or_default();
                Ok(Found::Odd(format!("answers with success and an error document{code} ({title})")))
            }
        }
    }

    /// A list that has to be there.
    pub(super) async fn list(
        &self,
        path: &str,
        query: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<Document, SourceError> {
        match self.call(path, query, now).await? {
            Found::Document(document) => Ok(document),
            Found::Missing => Err(self.schema(path, "is not there (404)")),
            Found::Odd(what) => Err(self.unreachable(path, &what)),
        }
    }

    /// The page of a list at which a walk stands, in ascending order of id.
    pub(super) async fn leaf(
        &self,
        path: &str,
        query: &[(&str, &str)],
        walk: &mut Walk,
        now: Timestamp,
    ) -> Result<Leaf, SourceError> {
        let (offset, limit) = (walk.offset().to_string(), walk.limit().to_string());
        let mut query = query.to_vec();
        query.extend([
            ("list[ordering]", "a.id"),
            ("list[direction]", "asc"),
            ("page[offset]", &offset),
            ("page[limit]", &limit),
        ]);
        let document = match self.call(path, &query, now).await? {
            Found::Document(document) => document,
            // Joomla says so of an offset behind the end: rows went while the walk was on.
            Found::Missing | Found::Odd(_) if walk.offset() > 0 => Document::default(),
            Found::Missing => return Err(self.schema(path, "is not there (404)")),
            Found::Odd(what) => return Err(self.unreachable(path, &what)),
        };
        let ids: Option<Vec<i64>> = document.rows.iter().map(super::document::Resource::id).collect();
        let ids = ids.ok_or_else(|| self.unreachable(path, "lists rows without ids"))?;
        let step = walk.read(&ids, document.more);
        if matches!(step, Step::On(_)) {
            walk.align(document.pages);
        }
        Ok(Leaf { document, step })
    }

    /// One article by its id, in whatever state.
    pub(super) async fn one(&self, id: i64, now: Timestamp) -> Result<One, SourceError> {
        let path = format!("content/articles/{id}");
        Ok(match self.call(&path, &[], now).await? {
            Found::Missing => One::Gone,
            Found::Odd(what) => One::Unknown(self.words(&path, &what)),
            Found::Document(document) => match document.rows.first().filter(|row| row.id() == Some(id)) {
                None => One::Unknown(self.words(&path, "answers with another article")),
                Some(resource) => Row::read(resource)
                    .map_or_else(|what| One::Unknown(self.words(&path, &what)), |row| One::Row(Box::new(row))),
            },
        })
    }

    /// `source NAME: ADDRESS what`.
    pub(super) fn words(&self, path: &str, what: &str) -> String {
        format!("source `{}`: {}{path} {what}", self.name, self.api)
    }

    pub(super) fn unreachable(&self, path: &str, what: &str) -> SourceError {
        SourceError::Unreachable(format!("{}; it is tried again at the next poll", self.words(path, what)))
    }

    pub(super) fn schema(&self, path: &str, what: &str) -> SourceError {
        SourceError::Schema(format!(
            "{}; correct `url` (the root of a Joomla 4 or later), and see whether the plugin \"Web Services - Content\" is \
             enabled",
            self.words(path, what)
        ))
    }
}
