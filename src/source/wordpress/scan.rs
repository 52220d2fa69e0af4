//! What is public now: the newest pages and known posts by their ids, or everything page by page.

use std::collections::BTreeMap;

use serde_json::Value;

use super::call::{PAGE, chain, stamp};
use super::post::{FIELDS, is_public, numbers, seen};
use super::root::Root;
use super::{State, WordPress};
use crate::source::tiers::{Extent, Look, Memory};
use crate::source::walk::{Step, Walk};
use crate::source::{Ask, Census, EXAMPLES, Hidden, Scan, SourceError};

/// So many known posts are asked for by their ids in a hot scan: three calls a type.
const TURN: usize = 3 * PAGE;

/// So many after a walk that did not meet them, or because something is odd about them.
const UNMET: usize = 20 * PAGE;

impl WordPress {
    /// One scan.
    pub(super) async fn look(&self, state: &mut State, ask: &Ask<'_>) -> Result<Scan, SourceError> {
        let root = self.root(state, ask.now).await?;
        state.tree = self.tree(&root, ask.now).await?;
        let (categories, rules) = (state.tree.categories(), stamp(&state.tree));
        if state.memory.wants_sweep(ask, self.full_walk, &categories, &rules) {
            return Ok(Scan { deeper: true, ..Scan::default() });
        }
        let mut look = Look { categories, ..Look::default() };
        let extent = if state.memory.wants_walk(ask, self.full_walk, &rules) {
            self.walk(state, &root, &mut look, ask).await?
        } else {
            self.hot(state, &root, &mut look, ask).await?
        };
        Ok(state.memory.conclude(ask, look, extent, rules))
    }

    /// Where the interface is.
    pub(super) async fn root(&self, state: &mut State, now: crate::clock::Timestamp) -> Result<Root, SourceError> {
        if let Some(root) = &state.root {
            return Ok(root.clone());
        }
        let root = self.find(now).await?;
        state.root = Some(root.clone());
        Ok(root)
    }

    async fn walk(
        &self,
        state: &mut State,
        root: &Root,
        look: &mut Look,
        ask: &Ask<'_>,
    ) -> Result<Extent, SourceError> {
        state.types.clear();
        state.census = Census { by_category: Some(BTreeMap::new()), hidden: Vec::new() };
        for (index, name) in self.types.iter().enumerate() {
            let mut walk = Walk::new(PAGE);
            loop {
                let (rows, step) = self.leaf(root, name, FIELDS, &mut walk, ask.now).await?;
                match step {
                    Step::On(from) | Step::End(from) => {
                        take(state, look, index, &rows[from..]);
                        count(state, &rows[from..]);
                    }
                    Step::Back => {}
                    Step::Lost => return Ok(Extent::Broken),
                }
                if matches!(step, Step::End(_)) {
                    break;
                }
            }
        }
        let mut unmet = Memory::unmet(ask, look);
        unmet.truncate(UNMET);
        self.ask(state, root, look, &unmet, ask).await?;
        Ok(Extent::Walk)
    }

    async fn hot(&self, state: &mut State, root: &Root, look: &mut Look, ask: &Ask<'_>) -> Result<Extent, SourceError> {
        let limit = PAGE.to_string();
        for (index, name) in self.types.iter().enumerate() {
            // A scheduled post that goes live has a new date, but no new modification; an edit the other way round.
            for column in ["date", "modified"] {
                let query = [("_fields", FIELDS), ("orderby", column), ("order", "desc"), ("per_page", limit.as_str())];
                let list = self.list(root, name, &query, ask.now).await?;
                take(state, look, index, &list.rows);
            }
        }
        let mut ids = state.memory.suspects(ask, look, None);
        ids.truncate(UNMET);
        self.ask(state, root, look, &ids, ask).await?;
        let ids = state.memory.in_turn(ask, look, TURN);
        self.ask(state, root, look, &ids, ask).await?;
        Ok(Extent::Hot)
    }

    /// Asks for posts by their ids: those that are not shown are not public.
    async fn ask(
        &self,
        state: &mut State,
        root: &Root,
        look: &mut Look,
        ids: &[i64],
        ask: &Ask<'_>,
    ) -> Result<(), SourceError> {
        for ids in ids.chunks(PAGE) {
            for (index, rows) in self.by_ids(state, root, ids, &[("_fields", FIELDS)], ask.now).await? {
                take(state, look, index, &rows);
            }
            for id in ids {
                look.rows.entry(*id).or_insert(None);
            }
        }
        Ok(())
    }

    /// At most a page of posts by their ids, by the index of their type.
    pub(super) async fn by_ids(
        &self,
        state: &State,
        root: &Root,
        ids: &[i64],
        query: &[(&str, &str)],
        now: crate::clock::Timestamp,
    ) -> Result<Vec<(usize, Vec<Value>)>, SourceError> {
        let limit = PAGE.to_string();
        let mut found = Vec::new();
        for (index, name) in self.types.iter().enumerate() {
            let own: Vec<String> = ids
                .iter()
                .filter(|id| state.types.get(id).is_none_or(|kind| *kind == index))
                .map(ToString::to_string)
                .collect();
            if own.is_empty() {
                continue;
            }
            let own = own.join(",");
            let mut query = query.to_vec();
            query.extend([("include", own.as_str()), ("per_page", limit.as_str())]);
            let list = self.list(root, name, &query, now).await?;
            // A site that does not know what it was asked answers with its newest posts, which would make all others gone.
            if list.rows.iter().any(|row| !row["id"].as_i64().is_some_and(|id| ids.contains(&id))) {
                return Err(self.unreachable(name, "answers with other posts than those asked for (`include`)"));
            }
            found.push((index, list.rows));
        }
        Ok(found)
    }
}

/// Looks at rows of a list.
fn take(state: &mut State, look: &mut Look, index: usize, rows: &[Value]) {
    for row in rows {
        if let Some(id) = row["id"].as_i64() {
            state.types.insert(id, index);
            look.rows.insert(id, is_public(row).then(|| seen(row, &state.tree)));
        }
    }
}

/// Counts rows for a person who sets the source up. All that a visitor is told of and may not read are posts with a password.
fn count(state: &mut State, rows: &[Value]) {
    let State { census: Census { by_category, hidden }, tree, .. } = state;
    for row in rows {
        if is_public(row) {
            let own = chain(tree, &numbers(&row["categories"])).first().map(ToString::to_string);
            if let Some(own) = own {
                *by_category.get_or_insert_default().entry(own).or_default() += 1;
            }
            continue;
        }
        if hidden.is_empty() {
            hidden.push(Hidden { reason: "with a password".to_owned(), count: 0, examples: Vec::new() });
        }
        let hidden = &mut hidden[0];
        hidden.count += 1;
        if hidden.examples.len() < EXAMPLES {
            hidden.examples.push(format!("{}: {}", row["id"], row["title"]["rendered"].as_str().unwrap_or_default()));
        }
    }
}
