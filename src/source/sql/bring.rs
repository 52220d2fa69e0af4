//! Whole articles, by their ids. Never cleans what it brings: that is normalisation's.

use std::collections::{BTreeMap, BTreeSet};

use super::categories::{Named, Tree, ids, name, parts};
use super::gather::column_fault;
use super::link::Parts;
use super::query::{FULL, LONGEST, padded};
use super::shape::Shape;
use super::{CHUNK, Sql, of};
use crate::clock::Timestamp;
use crate::domain::article::{Image, RawArticle};
use crate::source::database::{Row, Visit};
use crate::source::{Fault, Fetched, SourceError};
use crate::text::media::media_type;
use crate::text::xml::XmlText;

impl Sql {
    pub(super) async fn bring(
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
            let ids = padded(chunk);
            visit.each_of(queries.full(ids.len()), &ids, take).await.map_err(|error| of("articles", error))?;
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
}
