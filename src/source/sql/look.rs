//! The scans: a sweep over all rows, and a hot scan of the newest and of those that readers see now. Concludes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::gather::{Found, Gather, Rules};
use super::query::padded;
use super::{CHUNK, Sql, of};
use crate::domain::article::Category;
use crate::source::database::{Row, Visit};
use crate::source::{Ask, Depth, Reach, Scan, SourceError};

/// A hot scan looks at so many of the newest articles by date, and as many by id.
const NEWEST: usize = 200;

impl Sql {
    pub(super) async fn sweep(&self, visit: &mut Visit<'_>, rules: Rules<'_>) -> Result<Found, SourceError> {
        let mut gather = Gather::new(rules);
        let sql = self.queries(rules.shape).light();
        visit.each(sql, None, |row| gather.take(&row)).await.map_err(|error| of("articles", error))?;
        gather.finish().map_err(|what| self.schema(what))
    }

    /// The newest rows, those that are public as far as is known, and those whose time has come. Also answers which ids were
    /// looked for.
    async fn hot(
        &self,
        visit: &mut Visit<'_>,
        rules: Rules<'_>,
        ask: &Ask<'_>,
    ) -> Result<(Found, BTreeSet<String>), SourceError> {
        let queries = self.queries(rules.shape);
        let mut wanted: BTreeSet<String> = ask.due.clone();
        wanted.extend(ask.known.ids().map(str::to_owned));
        for field in ["published", "id"] {
            let take = |row: Row| {
                wanted.extend(row.maybe(0).map(str::to_owned));
            };
            visit.each(queries.newest(field, NEWEST), None, take).await.map_err(|error| of("articles", error))?;
        }
        let mut gather = Gather::new(rules);
        let ids = queries.fit(wanted.iter().map(String::as_str));
        for chunk in ids.chunks(CHUNK) {
            let take = |row: Row| {
                // A collation may take other ids for the same.
                if wanted.contains(row.text(0)) {
                    gather.take(&row);
                }
            };
            let ids = padded(chunk);
            visit.each_of(queries.light_of(ids.len()), &ids, take).await.map_err(|error| of("articles", error))?;
        }
        Ok((gather.finish().map_err(|what| self.schema(what))?, wanted))
    }

    pub(super) async fn look(&self, visit: &mut Visit<'_>, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        let shapes = self.shapes(visit).await?;
        let tree = self.tree(visit, &shapes).await?;
        let rules = self.rules(&shapes, tree.as_ref(), ask.now);
        let (found, looked_for) = match ask.depth {
            Depth::Sweep => (self.sweep(visit, rules).await?, None),
            Depth::Hot => {
                let (found, wanted) = self.hot(visit, rules, ask).await?;
                (found, Some(wanted))
            }
        };
        let is_hot = looked_for.is_some();
        let categories = match &tree {
            Some(tree) => tree.categories(),
            None => found.named.categories(ask.categories, is_hot),
        };
        // What a category is called, or that it went, concerns articles that a hot scan did not look at.
        let deeper = is_hot && tree.is_some() && !is_same(&categories, ask.categories);
        Ok(Scan {
            articles: found.articles,
            reach: match looked_for {
                _ if found.blind => Reach::Part,
                None => Reach::Whole,
                Some(wanted) => Reach::Only(wanted),
            },
            categories: Some(categories),
            categories_hide: tree.is_some(),
            flips: found.flips,
            deeper,
            faults: found.faults,
        })
    }
}

/// Whether two lists hold the same categories, in whatever order.
fn is_same(found: &[Category], known: &[Category]) -> bool {
    let known: BTreeMap<&str, &Category> = known.iter().map(|c| (c.external_id.as_str(), c)).collect();
    found.len() == known.len() && found.iter().all(|c| known.get(c.external_id.as_str()) == Some(&c))
}
