//! Pages without a visitor: the same pages as the service shows, in the language of the site, for a folder of files.
//! What needs the service (forms, searches, webhooks) is not on them.

use std::sync::Arc;

use serde_json::json;

use super::browse;
use super::view::{self, View};
use super::visit::Visit;
use crate::domain::feed::FeedOrigin;
use crate::domain::site::Site;
use crate::work::publish::Publisher;
use crate::work::publish::published::Published;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[error("a page cannot be made: its template does not fit what it was given; the log says where")]
pub struct PageError;

/// The pages of a site.
pub struct Pages {
    site: Site,
    publisher: Arc<Publisher>,
    view: View,
}

impl Pages {
    /// Compiles the pages.
    #[must_use]
    pub fn new(site: &Site, publisher: Arc<Publisher>) -> Self {
        Self { site: site.clone(), view: View::new(site, Arc::clone(&publisher)), publisher }
    }

    /// The page of a feed.
    ///
    /// # Errors
    /// [`PageError`]
    pub fn feed(&self, published: &Published) -> Result<String, PageError> {
        let visit = self.visit();
        let mut with = browse::feed_page(&self.site, visit, published);
        with["static"] = true.into();
        let path = format!("feeds/{}", published.feed.spec.slug);
        self.view.render("feed.html", visit, &path, with).map_err(|_| PageError)
    }

    /// The front page.
    ///
    /// # Errors
    /// [`PageError`]
    pub fn home(&self) -> Result<String, PageError> {
        let visit = self.visit();
        let all = self.publisher.all();
        let with = json!({
            "topics": browse::cards(&self.site, visit, &all, FeedOrigin::File),
            "categories": browse::cards(&self.site, visit, &all, FeedOrigin::Category), "static": true,
        });
        self.view.render("home.html", visit, "", with).map_err(|_| PageError)
    }

    /// The files that pages need: name and bytes.
    pub fn files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
        view::files()
    }

    const fn visit(&self) -> Visit {
        Visit { locale: self.site.locale, chosen: false }
    }
}
