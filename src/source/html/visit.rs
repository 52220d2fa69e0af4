//! Going to one page of the portal and reading it. Remembers nothing and concludes nothing.

use std::sync::Arc;

use url::Url;

use super::article::{self, Piece};
use super::rules::Rules;
use super::{Pages, bounds};
use crate::clock::Timestamp;
use crate::source::SourceError;
use crate::source::web::{Answer, Call, Fresh, Page};

/// What came of asking for an article's page.
pub(super) enum Visit {
    /// The page is as it was when it was last read.
    Same,
    /// An article.
    Article(Box<Found>),
    /// A page that has no article, as a clause that follows its address.
    Unfit(String),
    /// No page, with this status.
    Missing(u16),
}

/// An article's page.
pub(super) struct Found {
    /// The id of where it was found in the end.
    pub id: String,
    pub piece: Piece,
    /// To settle, once what it said is remembered.
    pub page: Page,
}

impl Pages {
    /// Asks for the page of an article.
    pub(super) async fn visit(&self, id: &str, fresh: Fresh, now: Timestamp) -> Result<Visit, SourceError> {
        let Some(url) = self.rules.home.url(id) else {
            return Ok(Visit::Unfit("is not an address; remove the source and add it again".to_owned()));
        };
        let mut page = match self.get(&url, fresh, now).await? {
            Answer::Unchanged => return Ok(Visit::Same),
            Answer::Missing(status) => return Ok(Visit::Missing(status)),
            Answer::Page(page) => page,
        };
        if !page.is_html() {
            return Ok(Visit::Unfit(not_html(&page)));
        }
        let home = &self.rules.home;
        let Some(found) = Some(home.spell(&page.url)).filter(|at| at == id || home.id(&page.url).is_some()) else {
            return Ok(Visit::Unfit(format!(
                "redirects to {}, which is no article of the portal; it asks for a login, or the article moved away",
                shown(&page.url)
            )));
        };
        let (text, at) = (std::mem::take(&mut page.text), page.url.clone());
        let piece = self.read(move |rules| article::read(&text, &at, rules)).await?;
        Ok(match piece {
            Ok(piece) => Visit::Article(Box::new(Found { id: found, piece, page })),
            Err(what) => Visit::Unfit(what),
        })
    }

    /// Asks for any page of the portal.
    pub(super) async fn get(&self, url: &Url, fresh: Fresh, now: Timestamp) -> Result<Answer, SourceError> {
        let accept = "text/html,application/xhtml+xml,*/*;q=0.1";
        self.web.get(url, &Call { accept, headers: &[], max: bounds::MAX_BYTES, fresh }, now).await
    }

    /// Reads text away from the threads that answer requests: a large page takes a while.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        reading: impl FnOnce(&Rules) -> T + Send + 'static,
    ) -> Result<T, SourceError> {
        let rules = Arc::clone(&self.rules);
        tokio::task::spawn_blocking(move || reading(&rules))
            .await
            .map_err(|error| SourceError::Unreachable(format!("source `{}`: reading broke off: {error}", self.name)))
    }
}

/// Why what came is no page for people.
pub(super) fn not_html(page: &Page) -> String {
    let kind = if page.media_type.is_empty() { "something without a type" } else { &page.media_type };
    format!("answers with {kind}, not with a page of HTML; check the address and `link_pattern`")
}

/// Where a redirect led, without its query: a login page carries the way back and more in it.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}
