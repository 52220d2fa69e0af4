//! Categories, learnt from lists and articles one by one. One category has one title wherever it stands; none is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::article::Category;
use crate::source::stamp::Stamp;
use crate::text::slug::try_slug;
use crate::text::xml::XmlText;

/// The most categories that are kept: a page that makes them up must not fill the store.
const MAX: usize = 2_000;

/// All categories seen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf(BTreeMap<String, Category>);

impl Shelf {
    /// Takes in what is known; what is known already stays as it is.
    pub(super) fn learn(&mut self, known: &[Category]) {
        for category in known {
            self.0.insert(category.external_id.clone(), category.clone());
        }
    }

    /// Takes in the way to a category, given by titles from the outermost.
    pub(super) fn add(&mut self, path: &[String]) {
        for (depth, title) in path.iter().enumerate() {
            let id = id(title);
            if self.0.len() >= MAX && !self.0.contains_key(&id) {
                return;
            }
            let parent = depth.checked_sub(1).map(|above| self::id(&path[above])).filter(|above| *above != id);
            let known = self.0.entry(id.clone()).or_insert_with(|| Category {
                parent: None,
                title: XmlText::new(title),
                slug: id.clone(),
                external_id: id,
            });
            // The first article to tell where a category stands tells it for good.
            if known.parent.is_none() {
                known.parent = parent;
            }
        }
    }

    /// These categories and all above them, each once, in the order given and the nearest first.
    pub(super) fn with_ancestors(&self, own: Vec<String>) -> Vec<String> {
        let mut ids = own;
        let mut at = 0;
        while let Some(id) = ids.get(at) {
            ids.extend(self.0.get(id).and_then(|category| category.parent.clone()));
            let mut seen = BTreeSet::new();
            ids.retain(|id| seen.insert(id.clone()));
            at += 1;
        }
        ids
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Category> {
        self.0.values().cloned().collect()
    }
}

/// Ids on the way to a category, the most specific first.
pub(super) fn ids(path: &[String]) -> impl Iterator<Item = String> {
    path.iter().rev().map(|title| id(title))
}

/// The id of a category: its title as an address would have it; a title without any letter that ASCII has is named after
/// its hash.
pub(super) fn id(title: &str) -> String {
    try_slug(title).unwrap_or_else(|| {
        let mut stamp = Stamp::default();
        stamp.part(title);
        format!("c-{}", &stamp.hex()[..8])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(titles: &[&str]) -> Vec<String> {
        titles.iter().map(|title| (*title).to_owned()).collect()
    }

    #[test]
    fn a_category_is_one_wherever_it_stands_and_keeps_its_place() {
        let mut shelf = Shelf::default();
        shelf.add(&path(&["Công tác tổ chức"]));
        shelf.add(&path(&["Xây dựng Đảng", "Công tác tổ chức"]));
        shelf.add(&path(&["Tin tức", "CÔNG TÁC TỔ CHỨC"]));
        let all: Vec<_> = shelf.all().into_iter().map(|c| (c.external_id, c.parent, c.title.into_string())).collect();
        assert_eq!(
            all,
            [
                ("cong-tac-to-chuc".into(), Some("xay-dung-dang".into()), "Công tác tổ chức".into()),
                ("tin-tuc".into(), None, "Tin tức".into()),
                ("xay-dung-dang".into(), None, "Xây dựng Đảng".into()),
            ]
        );
        let ids: Vec<_> = ids(&path(&["Xây dựng Đảng", "Công tác tổ chức"])).collect();
        assert_eq!(ids, ["cong-tac-to-chuc", "xay-dung-dang"]);
    }

    #[test]
    fn a_category_above_itself_is_above_nothing() {
        let mut shelf = Shelf::default();
        shelf.add(&path(&["Tin", "Tin"]));
        assert_eq!(shelf.all()[0].parent, None);
    }
}
