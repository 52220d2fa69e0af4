//! Whole articles, with the names and pictures that they embed.

use std::collections::BTreeSet;

use super::post::{article, is_public};
use super::{State, WordPress};
use crate::clock::Timestamp;
use crate::source::{Fault, Fetched, SourceError};

/// Posts a call: each embeds an author, a picture and terms.
const CHUNK: usize = 50;

/// What comes with a post.
const EMBED: (&str, &str) = ("_embed", "author,wp:featuredmedia,wp:term");

impl WordPress {
    /// Whole articles among `ids` that are visible.
    pub(super) async fn bring(
        &self,
        state: &mut State,
        ids: &BTreeSet<i64>,
        now: Timestamp,
    ) -> Result<Fetched, SourceError> {
        let fresh = state.root.is_none();
        let root = self.root(state, now).await?;
        if fresh {
            state.tree = self.tree(&root, now).await?;
        }
        let ids: Vec<i64> = ids.iter().copied().collect();
        let mut fetched = Fetched::default();
        for ids in ids.chunks(CHUNK) {
            for (index, rows) in self.by_ids(state, &root, ids, &[EMBED], now).await? {
                for row in rows.iter().filter(|row| is_public(row)) {
                    let Some(id) = row["id"].as_i64() else { continue };
                    match article(row, id, &state.tree, &self.base) {
                        Ok(article) => fetched.articles.push(article),
                        Err(what) => fetched.faults.push(Fault {
                            external_id: id.to_string(),
                            message: self.words(&format!("{}/{id}", self.types[index]), &what),
                        }),
                    }
                }
            }
        }
        Ok(fetched)
    }
}
