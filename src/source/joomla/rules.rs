//! Who may see what at the moment of one visit: levels, categories, menus. Reads small tables only; decides nothing about
//! single articles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::layout::{Layout, Optional};
use super::menus::Menus;
use super::query::{Public, Queries, list};
use super::tree::{Node, Tree};
use super::{Joomla, guests};
use crate::source::SourceError;
use crate::source::database::Visit;
use crate::source::stamp::Stamp;

/// See the module.
pub(super) struct Rules {
    pub(super) layout: Arc<Layout>,
    guests: BTreeSet<i64>,
    pub(super) tree: Tree,
    pub(super) menus: Menus,
    /// For each visible category, what its articles show of it and of everything that they share.
    extra: BTreeMap<i64, u64>,
}

impl Rules {
    /// The levels of an anonymous visitor, for `IN (…)`.
    pub(super) fn guest_list(&self) -> String {
        list(&self.guests)
    }

    /// The same, as numbers.
    pub(super) fn guest_levels(&self) -> &BTreeSet<i64> {
        &self.guests
    }

    /// What a guest may reach at an instant that [`dates::text`](super::dates::text) wrote.
    pub(super) fn public(&self, now: String) -> Public {
        Public { guests: self.guest_list(), categories: list(self.extra.keys()), now }
    }

    /// What articles of a category show of it, of the site's address and of the form of links. Nothing for a category that
    /// is not visible.
    pub(super) fn extra(&self, catid: i64) -> Option<u64> {
        self.extra.get(&catid).copied()
    }

    /// Moves with anything that a hot scan cannot follow: levels, categories, menus, and the titles of the public tags.
    pub(super) fn stamp(&self, tags: &str) -> String {
        let mut stamp = Stamp::default();
        stamp.part(self.guest_list());
        stamp.part(tags);
        for (id, extra) in &self.extra {
            stamp.part(id.to_le_bytes());
            stamp.part(extra.to_le_bytes());
        }
        stamp.hex()
    }
}

impl Joomla {
    pub(super) async fn rules(&self, visit: &mut Visit<'_>) -> Result<Rules, SourceError> {
        let layout = self.layout(visit).await?;
        let queries = self.queries(&layout);
        let guests = self.guests(visit, queries).await?;
        let mut rows = Vec::new();
        visit
            .read(queries.categories(), |row| {
                rows.push(Node {
                    id: row.number(0),
                    parent: row.number(1),
                    title: row.text(2).to_owned(),
                    alias: row.text(3).to_owned(),
                    published: row.number(4),
                    access: row.number(5),
                    language: row.text(6).trim().to_owned(),
                    is_root: row.text(7) == "system",
                });
            })
            .await?;
        let tree = Tree::new(rows, &guests);
        let mut menus = Menus::default();
        if self.link.uses_menus() {
            if !layout.has(Optional::Menus) {
                return Err(SourceError::Refused(format!(
                    "{}: `link` has {{menu_path}}, but the table {}menu cannot be read; grant SELECT on it, or write `link` \
                     with {{cat_path}}",
                    self.door.place(),
                    layout.prefix
                )));
            }
            let sql = queries.menus(&list(&guests));
            visit.read(sql, |row| menus.add(row.text(0), row.text(1), row.text(2))).await?;
        }
        let extra = tree.visible().map(|catid| (catid, self.extra(&tree, &menus, catid))).collect();
        Ok(Rules { layout, guests, tree, menus, extra })
    }

    fn extra(&self, tree: &Tree, menus: &Menus, catid: i64) -> u64 {
        let mut stamp = Stamp::default();
        stamp.part(self.base.as_str());
        stamp.part(self.link.as_str());
        stamp.maybe(self.zone.iana_name());
        stamp.part(tree.stamp(catid));
        for (language, path) in menus.of(tree.chain(catid).map(|node| node.id)) {
            stamp.part(language);
            stamp.part(path);
        }
        stamp.hex().get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default()
    }

    async fn guests(&self, visit: &mut Visit<'_>, queries: Queries<'_>) -> Result<BTreeSet<i64>, SourceError> {
        if let Some(levels) = &self.guest_levels {
            return Ok(levels.clone());
        }
        let (mut levels, mut parents, mut group) = (Vec::new(), BTreeMap::new(), guests::PUBLIC);
        if queries.layout.has(Optional::ViewLevels) {
            visit.read(queries.view_levels(), |row| levels.push((row.number(0), row.text(1).to_owned()))).await?;
        }
        if queries.layout.has(Optional::Groups) {
            visit
                .read(queries.groups(), |row| {
                    parents.insert(row.number(0), row.number(1));
                })
                .await?;
        }
        if queries.layout.has(Optional::Extensions) {
            visit.read(queries.user_params(), |row| group = guests::guest_group(row.text(0))).await?;
        }
        Ok(guests::levels(&levels, &parents, group))
    }

    /// How the public tags are called, in one short text; empty where there are none or loa may not read them.
    pub(super) async fn tag_stamp(&self, visit: &mut Visit<'_>, rules: &Rules) -> Result<String, SourceError> {
        let mut stamp = String::new();
        if rules.layout.has(Optional::Tags) {
            let sql = self.queries(&rules.layout).tag_stamp(&rules.guest_list());
            visit.read(sql, |row| stamp = format!("{} {}", row.text(0), row.text(1))).await?;
        }
        Ok(stamp)
    }

    /// The numbers of Joomla's type "article", for `IN (…)`: the map of tags is indexed by them. Nothing where no article has
    /// a tag, or loa may not read the map.
    pub(super) async fn types(&self, visit: &mut Visit<'_>, rules: &Rules) -> Result<Option<String>, SourceError> {
        if !rules.layout.has(Optional::Tags) {
            return Ok(None);
        }
        let mut types = self.with_memory(|memory| memory.types.clone()).unwrap_or_default();
        if types.is_empty() {
            let sql = self.queries(&rules.layout).types();
            visit.read(sql, |row| types.push(row.number(0))).await?;
            self.with_memory(|memory| memory.types = Some(types.clone()));
        }
        Ok((!types.is_empty()).then(|| list(types)))
    }
}
