//! The tree of categories: which of them a visitor may see, and what they are called in addresses. Pure.
//!
//! Only `parent_id` is believed: `lft`, `rgt`, `level` and `path` are copies that a broken import leaves wrong.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::article::Category;
use crate::source::stamp::Stamp;
use crate::source::unique::take;
use crate::text::slug::{is_slug, try_slug};
use crate::text::xml::XmlText;

/// One row of the categories table.
#[derive(Clone, Debug)]
pub(in crate::source) struct Node {
    pub(in crate::source) id: i64,
    pub(in crate::source) parent: i64,
    pub(in crate::source) title: String,
    pub(in crate::source) alias: String,
    pub(in crate::source) published: i64,
    pub(in crate::source) access: i64,
    pub(in crate::source) language: String,
    /// The root of all trees, whose extension is `system`.
    pub(in crate::source) is_root: bool,
}

/// All categories of articles, and which of them are visible.
#[derive(Debug, Default)]
pub(in crate::source) struct Tree {
    nodes: BTreeMap<i64, Node>,
    /// For each visible category: itself, then its ancestors, the nearest first.
    chains: BTreeMap<i64, Vec<i64>>,
    slugs: BTreeMap<i64, String>,
}

impl Tree {
    /// A category is visible if it and each of its ancestors is published and of a level in `guests`. One whose ancestors
    /// form a circle or lead to a missing row is not: no page of the portal leads to it.
    pub(in crate::source) fn new(rows: Vec<Node>, guests: &BTreeSet<i64>) -> Self {
        let roots: BTreeSet<i64> = rows.iter().filter(|node| node.is_root).map(|node| node.id).chain([0]).collect();
        let nodes: BTreeMap<i64, Node> =
            rows.into_iter().filter(|node| !node.is_root).map(|node| (node.id, node)).collect();
        let open = |node: &Node| node.published == 1 && guests.contains(&node.access);
        let chains = nodes
            .keys()
            .filter_map(|id| {
                let mut chain = Vec::new();
                let mut at = *id;
                while !roots.contains(&at) {
                    let node = nodes.get(&at).filter(|node| open(node))?;
                    if chain.contains(&at) {
                        return None;
                    }
                    chain.push(at);
                    at = node.parent;
                }
                Some((*id, chain))
            })
            .collect();
        let slugs = name(&nodes);
        Self { nodes, chains, slugs }
    }

    /// Ids of the visible categories.
    pub(in crate::source) fn visible(&self) -> impl Iterator<Item = i64> {
        self.chains.keys().copied()
    }

    /// Why a category is not visible, as a clause about its articles; nothing if it is.
    pub(in crate::source) fn why_hidden(&self, id: i64, guests: &BTreeSet<i64>) -> Option<String> {
        if self.chains.contains_key(&id) {
            return None;
        }
        let (mut at, mut seen) = (id, BTreeSet::new());
        while seen.insert(at) {
            let Some(node) = self.nodes.get(&at) else { break };
            let title = &node.title;
            if node.published != 1 {
                return Some(format!("in or below the category \"{title}\", which is not published"));
            }
            if !guests.contains(&node.access) {
                let level = node.access;
                return Some(format!(
                    "in or below the category \"{title}\", whose access level {level} guests do not have"
                ));
            }
            at = node.parent;
        }
        Some(format!("in the category {id}, to which no page of the portal leads"))
    }

    /// A visible category and its ancestors, the nearest first; empty if it is not visible.
    pub(in crate::source) fn chain(&self, id: i64) -> impl DoubleEndedIterator<Item = &Node> {
        self.chains.get(&id).into_iter().flatten().filter_map(|id| self.nodes.get(id))
    }

    /// Aliases from the top down, as Joomla's addresses have them: `xay-dung-dang/ket-nap-dang-vien`.
    pub(in crate::source) fn path(&self, id: i64) -> String {
        self.chain(id).rev().map(|node| node.alias.as_str()).collect::<Vec<_>>().join("/")
    }

    /// The first language that the category or an ancestor names; empty if none does.
    pub(in crate::source) fn language(&self, id: i64) -> &str {
        self.chain(id).map(|node| node.language.as_str()).find(|tag| !matches!(*tag, "" | "*")).unwrap_or_default()
    }

    /// Moves when anything that an article shows of its categories moves.
    pub(in crate::source) fn stamp(&self, id: i64) -> String {
        let mut stamp = Stamp::default();
        for node in self.chain(id) {
            stamp.part(node.id.to_le_bytes());
            for text in [&node.title, &node.alias, &node.language] {
                stamp.part(text);
            }
            // Another category may have taken or left the alias.
            stamp.maybe(self.slugs.get(&node.id).map(String::as_str));
        }
        stamp.hex()
    }

    /// The visible categories as the rest of loa knows them.
    pub(in crate::source) fn categories(&self) -> Vec<Category> {
        self.chains
            .iter()
            .filter_map(|(id, chain)| {
                let node = self.nodes.get(id)?;
                Some(Category {
                    external_id: id.to_string(),
                    parent: chain.get(1).map(ToString::to_string),
                    title: XmlText::new(&node.title),
                    slug: self.slugs.get(id)?.clone(),
                })
            })
            .collect()
    }
}

/// An alias is unique only below one parent; a slug is unique in the source. The oldest category that is not in the trash
/// keeps the alias, hidden or not, so that publishing a category never renames another one.
fn name(nodes: &BTreeMap<i64, Node>) -> BTreeMap<i64, String> {
    let mut order: Vec<&Node> = nodes.values().collect();
    order.sort_by_key(|node| (node.published == -2, node.id));
    let mut taken = BTreeSet::new();
    order
        .into_iter()
        .map(|node| {
            let wanted = if is_slug(&node.alias) { Some(node.alias.clone()) } else { try_slug(&node.title) };
            let wanted = wanted.unwrap_or_else(|| format!("category-{}", node.id));
            let longer = format!("{wanted}-{}", node.id);
            (node.id, take(&mut taken, &wanted, longer))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: i64, parent: i64, alias: &str) -> Node {
        Node {
            id,
            parent,
            title: format!("Đề mục {id}"),
            alias: alias.to_owned(),
            published: 1,
            access: 1,
            language: "*".to_owned(),
            is_root: id == 1,
        }
    }

    fn visible(rows: Vec<Node>) -> Vec<i64> {
        Tree::new(rows, &BTreeSet::from([1, 5])).visible().collect()
    }

    #[test]
    fn a_category_below_a_hidden_one_is_hidden() {
        let hidden = Node { published: 0, ..node(2, 1, "a") };
        let registered = Node { access: 2, ..node(5, 1, "d") };
        let rows = vec![node(1, 0, "root"), hidden, node(3, 2, "b"), node(4, 3, "c"), registered, node(6, 5, "e")];
        assert_eq!(visible(rows), Vec::<i64>::new());
        assert_eq!(visible(vec![node(1, 0, "root"), node(2, 1, "a"), node(3, 2, "b")]), [2, 3]);
    }

    #[test]
    fn circles_and_orphans_end_and_are_hidden() {
        let rows = vec![node(1, 0, "root"), node(2, 3, "a"), node(3, 2, "b"), node(4, 4, "c"), node(5, 99, "d")];
        assert_eq!(visible(rows), Vec::<i64>::new());
    }

    #[test]
    fn slugs_are_unique_and_stay_when_another_category_is_published() {
        let slugs = |published| {
            let rows = vec![
                node(1, 0, "root"),
                Node { published, ..node(2, 1, "tin") },
                node(3, 1, "tin"),
                node(4, 1, ""),
                node(5, 1, "Đại Hội"),
            ];
            let tree = Tree::new(rows, &BTreeSet::from([1]));
            tree.categories().into_iter().map(|c| (c.external_id, c.slug)).collect::<BTreeMap<_, _>>()
        };
        let (hidden, shown) = (slugs(0), slugs(1));
        assert_eq!(shown["2"], "tin");
        for (id, slug) in [("3", "tin-3"), ("4", "de-muc-4"), ("5", "de-muc-5")] {
            assert_eq!((hidden[id].as_str(), shown[id].as_str()), (slug, slug));
        }
    }
}
