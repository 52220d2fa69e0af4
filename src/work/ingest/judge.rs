//! What one fetched article means: new, back, changed, or only touched; for whom it is news, and which feeds hold it. Writes
//! nothing.

use std::collections::{HashMap, HashSet};

use super::{Ingest, IngestError};
use crate::clock::Timestamp;
use crate::domain::article::{Article, Category, ChangeKind, RawArticle};
use crate::domain::roll::Roll;
use crate::domain::selection::{Matcher, Reading};
use crate::feed::address;
use crate::store::article::{Poll, Upsert};

/// What a fetched article is judged by.
pub(super) struct Scene<'a> {
    pub(super) known: &'a Roll,
    pub(super) lights: HashMap<&'a str, &'a str>,
    pub(super) matchers: Vec<(i64, Matcher)>,
    pub(super) categories: HashMap<String, Category>,
    /// Categories whose coming shows articles that are not new.
    pub(super) opened: HashSet<&'a str>,
    /// Known articles that people were told of before they went.
    pub(super) announced: HashSet<i64>,
    pub(super) last_poll: Timestamp,
    pub(super) baseline: bool,
    pub(super) now: Timestamp,
}

impl Ingest {
    /// What one fetched article means: new, back, changed, or only touched.
    /// `was` holds the fingerprints of those that are public.
    pub(super) fn judge(
        &self,
        raw: &RawArticle,
        article: Article,
        was: &HashMap<i64, String>,
        scene: &Scene<'_>,
        poll: &mut Poll,
    ) {
        let fingerprint = article.fingerprint();
        let light = scene.lights.get(raw.external_id.as_str()).copied().unwrap_or_default();
        let known = scene.known.get(&raw.external_id);
        let before = known.filter(|known| known.visible).map(|known| was.get(&known.row).map_or("", String::as_str));
        let change = match (known, before) {
            (Some(known), Some(before)) if before == fingerprint => {
                if known.light != light {
                    poll.touched.push((known.row, light.to_owned()));
                }
                return;
            }
            (Some(_), Some(_)) => ChangeKind::Revised,
            _ => ChangeKind::Published,
        };
        let came_with_category = raw.categories.first().is_some_and(|own| scene.opened.contains(own.as_str()));
        // The backlog of a category that was opened is not news, nor is what comes back if nobody was told before.
        let news = match known {
            Some(known) if known.visible => true,
            Some(known) => scene.announced.contains(&known.row) || article.published >= scene.last_poll,
            None => !came_with_category || article.published >= scene.last_poll,
        };
        let fresh = article.published.plus(self.settings.max_age) >= scene.now;
        let renew = before.is_none_or(|before| !Article::is_minor(before, &fingerprint));
        let reading = Reading::new(&article);
        let held_by = |(feed, matcher): &(i64, Matcher)| Some((*feed, matcher.matches_reading(&reading)?));
        let matches = scene.matchers.iter().filter_map(held_by).collect();
        poll.upserts.push(Upsert {
            light: light.to_owned(),
            fingerprint,
            entry_id: address::tag(
                &self.site.authority,
                &format!("{}/article/{}", article.source, article.external_id),
            ),
            // News goes on top of its feeds even if it is dated back a little; an old article goes to its place.
            first_seen: if scene.baseline || !fresh { article.published.min(scene.now) } else { scene.now },
            change: (!scene.baseline).then_some(change),
            renew,
            people: !scene.baseline && fresh && news,
            // Counts towards a flood; let go again if there is none.
            held: !scene.baseline && change == ChangeKind::Published && !came_with_category,
            matches,
            article,
        });
    }

    /// Which articles among `fetch` were public before, and people were told.
    pub(super) async fn announced(&self, fetch: &[&str], known: &Roll) -> Result<HashSet<i64>, IngestError> {
        let back: Vec<i64> =
            fetch.iter().filter_map(|id| known.get(id)).filter(|k| !k.visible).map(|k| k.row).collect();
        Ok(if back.is_empty() { HashSet::new() } else { self.store.announced(&back).await? })
    }

    pub(super) async fn matchers(&self) -> Result<Vec<(i64, Matcher)>, IngestError> {
        let feeds = self.store.feeds().await?;
        Ok(feeds
            .into_iter()
            .filter(|f| !f.retired)
            .map(|f| (f.id, f.matcher().on_the_clock_of(&self.site.zone)))
            .collect())
    }
}
