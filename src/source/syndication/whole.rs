//! The whole text of an article from its own page, where the feed has only its beginning. Never reads a page of an article
//! that did not change.

use scraper::{Html, Selector};
use url::Url;

use super::super::SourceError;
use super::super::web::{Answer, Call, Fresh};
use super::Syndication;
use crate::clock::Timestamp;

/// Polls that try to read a page before the feed's own text is taken.
pub(super) const TRIES: u8 = 3;

/// The largest page, in bytes.
const MOST_BYTES: usize = 8 << 20;

/// A text as it was found.
pub(super) struct Whole {
    pub content: String,
    /// What its links are relative to, where the page says it (`<base href>`).
    pub base: Option<Url>,
}

/// Why there is none.
pub(super) struct NoText {
    pub error: SourceError,
    /// Whether another try may bring it.
    pub passing: bool,
}

impl Syndication {
    pub(super) async fn whole_text(
        &self,
        link: &str,
        selector: &Selector,
        css: &str,
        now: Timestamp,
    ) -> Result<Whole, NoText> {
        let fault = |what: &str| NoText {
            error: SourceError::Schema(format!("source `{}`: {link} {what}", self.name)),
            passing: false,
        };
        let url = Url::parse(link).map_err(|_| fault("is no address"))?;
        let call = Call { accept: "text/html, */*;q=0.5", headers: &[], max: MOST_BYTES, fresh: Fresh::Always };
        let answer = self.web.get(&url, &call, now).await.map_err(|error| NoText {
            passing: matches!(error, SourceError::Unreachable(_) | SourceError::Wait(..)),
            error,
        })?;
        match answer {
            Answer::Page(page) => text(&page.text, &page.url, selector)
                .ok_or_else(|| fault(&format!("has no text at full_text = \"{css}\"; correct the selector"))),
            Answer::Missing(status) => Err(fault(&format!("answers {status}, although the feed lists it"))),
            Answer::Unchanged => Err(fault("answers that nothing changed, which was not asked")),
        }
    }
}

/// The first element that matches and is not empty.
fn text(html: &str, at: &Url, selector: &Selector) -> Option<Whole> {
    let page = Html::parse_document(html);
    let content = page.select(selector).map(|found| found.inner_html()).find(|content| !content.trim().is_empty())?;
    let base = Selector::parse("base[href]").ok().and_then(|of| {
        let href = page.select(&of).next()?.value().attr("href")?.to_owned();
        at.join(&href).ok()?.join("./").ok()
    });
    Some(Whole { content, base })
}
