//! Categories that feeds and the operator name by their titles. Knows no tree: feeds tell none.

use std::collections::BTreeMap;

use crate::domain::article::Category;
use crate::text::html;
use crate::text::slug::try_slug;

use super::super::stamp::Stamp;

/// The id of a category, which is also its slug: its title folded, so that case and marks do not make another. A title
/// without any letter that ASCII has is named after its hash; an empty one names nothing.
pub(super) fn id(title: &str) -> Option<String> {
    let plain = html::title(title);
    if plain.trim().is_empty() {
        return None;
    }
    Some(try_slug(&plain).unwrap_or_else(|| {
        let mut stamp = Stamp::default();
        stamp.part(plain.as_str());
        format!("c-{}", &stamp.hex()[..8])
    }))
}

/// All categories: those known before, which stay although no item may name them now, and those that are named. The
/// operator's spelling of a title is taken before the one that was known, and that before an item's.
pub(super) fn all<'a>(
    before: &[Category],
    configured: impl Iterator<Item = &'a str>,
    named: impl Iterator<Item = &'a str>,
) -> Vec<Category> {
    let mut all: BTreeMap<String, Category> = BTreeMap::new();
    let category = |id: String, title: &str| Category {
        title: html::title(title),
        slug: id.clone(),
        external_id: id,
        parent: None,
    };
    for title in configured {
        if let Some(id) = id(title) {
            all.entry(id.clone()).or_insert_with(|| category(id, title));
        }
    }
    for known in before {
        all.entry(known.external_id.clone()).or_insert_with(|| known.clone());
    }
    for title in named {
        if let Some(id) = id(title) {
            all.entry(id.clone()).or_insert_with(|| category(id, title));
        }
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_category_is_ever_lost_and_the_operators_title_stands() {
        let titles = |all: &[Category]| all.iter().map(|c| c.title.to_string()).collect::<Vec<_>>();
        let first = all(&[], [].into_iter(), ["Tin tức", "CÔNG TÁC TỔ CHỨC", "党", " "].into_iter());
        assert_eq!(first.len(), 3);
        let second = all(&first, ["Công tác tổ chức"].into_iter(), ["Đoàn thể &amp; xã hội", "tin tức"].into_iter());
        assert_eq!(titles(&second), ["党", "Công tác tổ chức", "Đoàn thể & xã hội", "Tin tức"]);
        assert!(second.iter().all(|c| c.slug == c.external_id && c.parent.is_none()));
    }
}
