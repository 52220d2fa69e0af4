//! Full articles: from Joomla's row to what loa publishes. Reads only what is visible.

use std::collections::BTreeMap;

use super::link::Parts;
use super::query::{full, list};
use super::rules::Rules;
use super::{Joomla, body, dates, picture};
use crate::clock::Timestamp;
use crate::domain::article::RawArticle;
use crate::source::database::{Row, Visit};
use crate::source::{Fetched, SourceError};

/// Full rows are read this many at a time.
const CHUNK: usize = 200;

impl Joomla {
    /// Brings those of these articles that are visible.
    pub(super) async fn bring(
        &self,
        visit: &mut Visit<'_>,
        ids: &[i64],
        now: Timestamp,
    ) -> Result<Fetched, SourceError> {
        let rules = self.rules(visit).await?;
        let public = rules.public(dates::text(now, &self.zone));
        let mut fetched = Fetched::default();
        if public.categories.is_empty() {
            return Ok(fetched);
        }
        for ids in ids.chunks(CHUNK) {
            let mut tags: BTreeMap<i64, Vec<String>> = BTreeMap::new();
            let ids = list(ids);
            if let Some(types) = self.types(visit, &rules).await? {
                let sql = self.queries(&rules.layout).tags(&public.guests, &types, &ids);
                visit.read(sql, |row| tags.entry(row.number(0)).or_default().push(row.text(1).to_owned())).await?;
            }
            let sql = self.queries(&rules.layout).full(&public, &ids);
            let articles = &mut fetched.articles;
            let take = |row: Row| {
                let tags = tags.remove(&row.number(full::ID)).unwrap_or_default();
                articles.push(self.article(&row, &rules, tags));
            };
            visit.read(sql, take).await?;
        }
        Ok(fetched)
    }

    fn article(&self, row: &Row, rules: &Rules, tags: Vec<String>) -> RawArticle {
        let (id, catid, tree) = (row.number(full::ID), row.number(full::CATID), &rules.tree);
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
        let menu_path = rules.menus.path(tree.chain(catid).map(|node| node.id), language);
        RawArticle {
            external_id: id.to_string(),
            url: self.link.below(menu_path).fill(parts),
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
}
