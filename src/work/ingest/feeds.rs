//! The feeds that ingest keeps: one for each category, and what a new or changed feed holds already.

use std::collections::BTreeMap;

use super::{Ingest, IngestError};
use crate::clock::Timestamp;
use crate::domain::article::Category;
use crate::domain::feed::{Feed, FeedOrigin, FeedSpec};
use crate::domain::selection::{Matcher, Reading, Selection};
use crate::source::Scan;
use crate::store::feed::Membership;

impl Ingest {
    /// The categories to be kept with a complete scan, if any moved since the last; their feeds are declared, so that
    /// articles can be matched to them.
    pub(super) async fn moved_categories(
        &self,
        name: &str,
        before: &[Category],
        scan: &Scan,
    ) -> Result<Option<Vec<Category>>, IngestError> {
        let Some(mut after) = scan.categories.clone() else { return Ok(None) };
        after.sort_by(|a, b| a.external_id.cmp(&b.external_id));
        if before == after {
            return Ok(None);
        }
        self.declare_feeds_of_categories(Some((name, &after))).await?;
        Ok(Some(after))
    }

    /// Makes the feeds of categories equal to the categories that are known now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn declare_category_feeds(&self) -> Result<(), IngestError> {
        self.declare_feeds_of_categories(None).await
    }

    /// Of the categories in the store, or of newer ones of one source.
    async fn declare_feeds_of_categories(&self, newer: Option<(&str, &[Category])>) -> Result<(), IngestError> {
        let mut specs: BTreeMap<String, FeedSpec> = BTreeMap::new();
        if self.settings.each_category {
            for name in self.sources.keys() {
                let categories = match newer {
                    Some((source, categories)) if source == name => categories.to_vec(),
                    _ => self.store.categories(name).await?,
                };
                for category in categories {
                    specs.entry(category.slug.clone()).or_insert_with(|| category_feed(&category));
                }
            }
        }
        let specs: Vec<FeedSpec> = specs.into_values().collect();
        self.declare(FeedOrigin::Category, &specs).await
    }

    /// Makes the feeds of one origin equal to these, and fills those whose selection is new. Nobody is told of what a
    /// new feed holds already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn declare(&self, origin: FeedOrigin, specs: &[FeedSpec]) -> Result<(), IngestError> {
        let now = self.clock.now();
        let fill = self.store.declare_feeds(origin, specs, now).await?;
        if !fill.is_empty() {
            self.refill(&fill, now).await?;
        }
        self.wakes.feeds.notify_one();
        Ok(())
    }

    async fn refill(&self, feeds: &[Feed], now: Timestamp) -> Result<(), IngestError> {
        let matchers: Vec<Matcher> = feeds.iter().map(|f| f.matcher().on_the_clock_of(&self.site.zone)).collect();
        let mut members: Vec<Vec<Membership>> = vec![Vec::new(); feeds.len()];
        let mut after = 0;
        loop {
            let page = self.store.articles_after(after, 500).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for stored in &page {
                let reading = Reading::new(&stored.article);
                for (matcher, members) in matchers.iter().zip(&mut members) {
                    if let Some(reason) = matcher.matches_reading(&reading) {
                        members.push(Membership { article_id: stored.id, first_seen: stored.first_seen, reason });
                    }
                }
            }
        }
        for (feed, members) in feeds.iter().zip(&members) {
            self.store.refill_feed(feed.id, members, now).await?;
        }
        Ok(())
    }
}

fn category_feed(category: &Category) -> FeedSpec {
    FeedSpec {
        slug: category.slug.clone(),
        title: category.title.clone(),
        description: crate::text::xml::XmlText::default(),
        title_en: None,
        description_en: None,
        select: Selection { categories: vec![category.slug.clone()], ..Selection::default() },
    }
}
