//! Whole articles: from the rows that the last scan brought, else from the page that holds them, else one by one.

use std::collections::{BTreeMap, BTreeSet};

use super::call::{Found, One};
use super::document::Resource;
use super::row::Row;
use super::rules::Rules;
use super::scan::{ARTICLES, PAGE, PUBLISHED, language_of};
use super::{JoomlaApi, State};
use crate::clock::Timestamp;
use crate::domain::article::RawArticle;
use crate::source::joomla::link::Parts;
use crate::source::joomla::{body, picture};
use crate::source::{Fault, Fetched, SourceError};

/// Bytes of texts that are kept from a scan to the fetches after it.
const ROOM: usize = 8 * 1024 * 1024;

/// From so many articles of one page on, the page is asked for.
const WORTH_A_PAGE: usize = 4;

/// Rows that a scan brought, as long as there is room.
#[derive(Debug, Default)]
pub(super) struct Kept {
    rows: BTreeMap<i64, Row>,
    bytes: usize,
    /// The first id of each page of the last walk, and where it began.
    pub(super) pages: Vec<(i64, usize)>,
}

impl Kept {
    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.bytes = 0;
    }

    /// Keeps a row, the newer one of an id.
    pub(super) fn keep(&mut self, row: Row) {
        self.take(row.id);
        let bytes = weight(&row);
        if self.bytes + bytes <= ROOM {
            self.bytes += bytes;
            self.rows.insert(row.id, row);
        }
    }

    fn take(&mut self, id: i64) -> Option<Row> {
        let row = self.rows.remove(&id)?;
        self.bytes -= weight(&row);
        Some(row)
    }

    /// Ids by the page that held them in the last walk.
    fn by_page(&self, ids: &BTreeSet<i64>) -> BTreeMap<usize, Vec<i64>> {
        let mut pages: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
        for id in ids {
            let index = self.pages.partition_point(|(first, _)| first <= id);
            if let Some((_, offset)) = index.checked_sub(1).and_then(|index| self.pages.get(index)) {
                pages.entry(*offset).or_default().push(*id);
            }
        }
        pages
    }
}

fn weight(row: &Row) -> usize {
    row.body.len() + row.intro.len() + row.images.len() + row.title.len() + 512
}

impl JoomlaApi {
    /// Whole articles among `ids` that are visible.
    pub(super) async fn bring(
        &self,
        state: &mut State,
        mut ids: BTreeSet<i64>,
        now: Timestamp,
    ) -> Result<Fetched, SourceError> {
        if !state.rules.is_known() {
            state.rules.learn(self, now).await?;
        }
        let mut fetched = Fetched::default();
        let mut rows: Vec<Row> = ids.iter().filter_map(|id| state.kept.take(*id)).collect();
        ids.retain(|id| rows.iter().all(|row| row.id != *id));
        for (offset, wanted) in state.kept.by_page(&ids) {
            if wanted.len() >= WORTH_A_PAGE {
                rows.extend(self.page(offset, &mut ids, now).await?);
            }
        }
        for id in ids {
            match self.one(id, now).await? {
                One::Row(row) => rows.push(*row),
                One::Gone => {}
                One::Unknown(message) => fetched.faults.push(Fault { external_id: id.to_string(), message }),
            }
        }
        for row in rows {
            let open = row.up.is_none_or(|up| up <= now) && row.down.is_none_or(|down| down.seconds() >= now.seconds());
            if open && self.shows(&state.rules, &row) {
                state.rules.meet(self, &row, now).await?;
                fetched.articles.push(self.article(&state.rules, row));
            }
        }
        Ok(fetched)
    }

    /// The page that begins there: those of its articles that are wanted, which are then wanted no more. Whatever it does
    /// not bring is asked for one by one.
    async fn page(&self, offset: usize, wanted: &mut BTreeSet<i64>, now: Timestamp) -> Result<Vec<Row>, SourceError> {
        let (offset, limit) = (offset.to_string(), PAGE.to_string());
        let query = [
            PUBLISHED,
            ("list[ordering]", "a.id"),
            ("list[direction]", "asc"),
            ("page[offset]", &offset),
            ("page[limit]", &limit),
        ];
        let Found::Document(document) = self.call(ARTICLES, &query, now).await? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for resource in &document.rows {
            let id = Resource::id(resource).filter(|id| wanted.contains(id));
            if let Some((id, row)) = id.and_then(|id| Some((id, Row::read(resource).ok()?))) {
                wanted.remove(&id);
                found.push(row);
            }
        }
        Ok(found)
    }

    fn article(&self, rules: &Rules, row: Row) -> RawArticle {
        let language = language_of(rules, &row).to_owned();
        let cat_path = rules.tree.path(row.catid);
        let parts = Parts {
            base: &self.base,
            id: row.id,
            alias: &row.alias,
            catid: row.catid,
            cat_path: &cat_path,
            language: &language,
        };
        let published = row.up.or(row.created).unwrap_or_default();
        RawArticle {
            external_id: row.id.to_string(),
            url: self.link.fill(parts),
            base: Some(self.base.clone()),
            summary_html: body::expand(&row.intro),
            content_html: body::expand(&row.body),
            authors: rules.author(&row).map(str::to_owned).into_iter().collect(),
            categories: rules.tree.chain(row.catid).map(|node| node.id.to_string()).collect(),
            tags: rules.tags(&row).map(str::to_owned).collect(),
            published,
            updated: row.modified.map(|modified| modified.max(published)),
            image: picture::picture(&row.images),
            title: row.title,
            language,
        }
    }
}
