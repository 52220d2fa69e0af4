//! Categories of a generic source: a tree from the operator's own SELECT, or names that the articles themselves carry. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::article::Category;
use crate::source::stamp::Stamp;
use crate::source::unique::take;
use crate::text::slug::{is_slug, try_slug};
use crate::text::xml::XmlText;

/// One row of the SELECT in `categories`.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) parent: String,
    pub(super) title: String,
    /// As the row has it: what addresses use, slug or not.
    pub(super) slug: String,
}

/// All public categories, by id.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
    slugs: BTreeMap<String, String>,
}

impl Tree {
    pub(super) fn new(nodes: BTreeMap<String, Node>) -> Self {
        let mut taken = BTreeSet::new();
        let slugs = nodes
            .iter()
            .map(|(id, node)| {
                let wanted = if is_slug(&node.slug) { Some(node.slug.clone()) } else { try_slug(&node.title) };
                let own = name(id);
                let wanted = wanted.unwrap_or_else(|| format!("category-{own}"));
                let longer = format!("{wanted}-{own}");
                (id.clone(), take(&mut taken, &wanted, longer))
            })
            .collect();
        Self { nodes, slugs }
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.nodes.contains_key(id)
    }

    /// The parent, where it is a public category itself; else this one is at the top.
    fn parent(&self, id: &str) -> Option<&str> {
        let parent = self.nodes.get(id)?.parent.as_str();
        self.nodes.get_key_value(parent).map(|(id, _)| id.as_str())
    }

    /// A category and its ancestors, the nearest first. A circle ends where it closes.
    fn chain<'a>(&'a self, id: &'a str) -> Vec<&'a str> {
        let mut chain = Vec::new();
        let mut next = self.has(id).then_some(id);
        while let Some(id) = next.filter(|id| !chain.contains(id)) {
            chain.push(id);
            next = self.parent(id);
        }
        chain
    }

    /// The categories of an article: its own, then their ancestors. Ids that are not public are left out.
    pub(super) fn of(&self, own: &[String]) -> Vec<String> {
        let chains: Vec<Vec<&str>> = own.iter().map(|id| self.chain(id)).collect();
        let first = chains.iter().filter_map(|chain| chain.first());
        let rest = chains.iter().flat_map(|chain| chain.iter().skip(1));
        let mut seen = BTreeSet::new();
        first.chain(rest).filter(|id| seen.insert(**id)).map(|id| (*id).to_owned()).collect()
    }

    /// Adds what an article shows of its categories.
    pub(super) fn stamp(&self, own: &[String], stamp: &mut Stamp) {
        for id in self.of(own) {
            let node = self.nodes.get(&id);
            stamp.part(&id);
            stamp.maybe(node.map(|node| node.title.as_str()));
            stamp.maybe(node.map(|node| node.slug.as_str()));
            // Another category may have taken or left the slug.
            stamp.maybe(self.slugs.get(&id).map(String::as_str));
        }
    }

    /// What addresses call a category.
    pub(super) fn address(&self, id: &str) -> &str {
        let written = self.nodes.get(id).map_or("", |node| node.slug.as_str());
        if written.is_empty() { self.slugs.get(id).map_or("", String::as_str) } else { written }
    }

    /// The categories as the rest of loa knows them.
    pub(super) fn categories(&self) -> Vec<Category> {
        self.nodes
            .iter()
            .map(|(id, node)| Category {
                parent: self.chain(id).get(1).map(|parent| (*parent).to_owned()),
                title: XmlText::new(&node.title),
                slug: self.slugs.get(id).cloned().unwrap_or_else(|| name(id)),
                external_id: id.clone(),
            })
            .collect()
    }
}

/// Categories that only the articles name: id and title.
#[derive(Debug, Default)]
pub(super) struct Named(BTreeMap<String, String>);

impl Named {
    /// The id of the category of a row with this title and, where there is one, this id of its own.
    pub(super) fn id(own: &[String], title: &str) -> Option<String> {
        let title = title.trim();
        if title.is_empty() {
            return None;
        }
        Some(own.first().cloned().unwrap_or_else(|| name(title)))
    }

    /// Of two titles for one id the first in the alphabet counts, in whichever order the rows come.
    pub(super) fn add(&mut self, id: String, title: &str) {
        let title = title.trim();
        let known = self.0.entry(id).or_insert_with(|| title.to_owned());
        if title < known.as_str() {
            title.clone_into(known);
        }
    }

    /// These categories, and those that are `known` if they are to stay. A slug stays with the category that has it while
    /// its title stays.
    pub(super) fn categories(mut self, known: &[Category], keep: bool) -> Vec<Category> {
        let mut before: BTreeMap<&str, &Category> = known.iter().map(|c| (c.external_id.as_str(), c)).collect();
        if keep {
            for category in known {
                self.0.entry(category.external_id.clone()).or_insert_with(|| category.title.as_str().to_owned());
            }
        }
        before.retain(|id, category| self.0.get(*id).is_some_and(|title| XmlText::new(title) == category.title));
        let mut taken: BTreeSet<String> = before.values().map(|category| category.slug.clone()).collect();
        self.0
            .iter()
            .map(|(id, title)| {
                let slug = before.get(id.as_str()).map(|category| category.slug.clone());
                let slug = slug.unwrap_or_else(|| {
                    let wanted = name(title);
                    let longer = format!("{wanted}-{}", name(id));
                    take(&mut taken, &wanted, longer)
                });
                Category { external_id: id.clone(), parent: None, title: XmlText::new(title), slug }
            })
            .collect()
    }
}

/// Several values in one column, parted by commas, semicolons or line breaks.
pub(super) fn parts(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    text.split([',', ';', '\n'])
        .map(str::trim)
        .filter(|part| !part.is_empty() && seen.insert(*part))
        .map(str::to_owned)
        .collect()
}

/// Ids of categories in one column; 0 is none.
pub(super) fn ids(text: &str) -> Vec<String> {
    let mut ids = parts(text);
    ids.retain(|id| id != "0");
    ids
}

/// An ASCII name; a text without any letter that ASCII has is named after its hash.
pub(super) fn name(text: &str) -> String {
    try_slug(text).unwrap_or_else(|| {
        let mut stamp = Stamp::default();
        stamp.part(text);
        format!("c-{}", &stamp.hex()[..8])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(parent: &str, title: &str, slug: &str) -> Node {
        Node { parent: parent.to_owned(), title: title.to_owned(), slug: slug.to_owned() }
    }

    fn tree(rows: &[(&str, &str, &str, &str)]) -> Tree {
        Tree::new(rows.iter().map(|(id, parent, title, slug)| ((*id).to_owned(), node(parent, title, slug))).collect())
    }

    fn of(tree: &Tree, own: &str) -> Vec<String> {
        tree.of(&ids(own))
    }

    #[test]
    fn an_article_has_its_own_categories_first_and_then_their_ancestors() {
        let tree =
            tree(&[("1", "0", "Tin", ""), ("2", "1", "Đảng", ""), ("3", "2", "Chi bộ", ""), ("4", "", "Ảnh", "")]);
        assert_eq!(of(&tree, "3,4,99,3,0"), ["3", "4", "2", "1"]);
        assert_eq!(of(&tree, ""), Vec::<String>::new());
    }

    #[test]
    fn circles_and_missing_parents_end_at_the_top() {
        let tree = tree(&[("1", "2", "A", ""), ("2", "1", "B", ""), ("3", "3", "C", ""), ("4", "9", "D", "")]);
        let parents: Vec<_> = tree.categories().into_iter().map(|c| c.parent).collect();
        assert_eq!(parents, [Some("2".to_owned()), Some("1".to_owned()), None, None]);
        assert_eq!(of(&tree, "1"), ["1", "2"]);
    }

    #[test]
    fn slugs_are_those_of_the_rows_where_they_are_some_and_unique() {
        let tree =
            tree(&[("1", "", "Tin", "Tin_Tuc"), ("2", "", "Tin", "tin"), ("3", "", "中", ""), ("4", "", "X", "xa")]);
        let slugs: Vec<_> = tree.categories().into_iter().map(|c| c.slug).collect();
        assert_eq!(slugs, ["tin", "tin-2", "category-3", "xa"]);
        assert_eq!((tree.address("1"), tree.address("3")), ("Tin_Tuc", "category-3"));
    }

    #[test]
    fn named_categories_keep_their_slugs_and_never_become_fewer_while_only_some_rows_were_seen() {
        let mut first = Named::default();
        for title in ["Tin tức", "TIN TỨC", "Chi bộ"] {
            first.add(Named::id(&[], title).unwrap(), title);
        }
        first.add("7".to_owned(), "Tin tức");
        let known = first.categories(&[], false);
        let pairs = |all: &[Category]| -> Vec<_> {
            all.iter().map(|c| (c.external_id.clone(), c.title.to_string(), c.slug.clone())).collect()
        };
        let shown = pairs(&known);
        assert_eq!(shown.len(), 3);
        assert!(shown.contains(&("tin-tuc".into(), "TIN TỨC".into(), "tin-tuc-tin-tuc".into())), "{shown:?}");
        let mut second = Named::default();
        second.add("1".to_owned(), "Tin tức");
        let kept = second.categories(&known, true);
        assert_eq!(kept.len(), 4);
        for before in shown {
            assert!(pairs(&kept).contains(&before), "{before:?}");
        }
        assert_eq!(Named::id(&["7".to_owned()], " "), None);
    }
}
