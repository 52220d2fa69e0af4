//! Menu items of the portal that show a category, for addresses below them. Pure.

use std::collections::BTreeMap;

use url::form_urlencoded;

/// Paths of published menu items, by the category that they show.
#[derive(Debug, Default)]
pub(super) struct Menus(BTreeMap<i64, Vec<Item>>);

#[derive(Debug)]
struct Item {
    language: String,
    path: String,
}

impl Menus {
    /// Adds an item by its link, path and language; those that show no category of articles are left out. The first item
    /// of a language wins, as in Joomla.
    pub(super) fn add(&mut self, link: &str, path: &str, language: &str) {
        if let Some(category) = category_of(link).filter(|_| !path.is_empty()) {
            let item = Item { language: language.trim().to_owned(), path: path.to_owned() };
            self.0.entry(category).or_default().push(item);
        }
    }

    /// Path of the item that shows the first of these categories that has one for the language: its own, else one for all
    /// languages, else, if the article names no language, any.
    pub(super) fn path(&self, categories: impl IntoIterator<Item = i64>, language: &str) -> Option<&str> {
        let any = matches!(language, "" | "*");
        categories.into_iter().find_map(|category| {
            let items = self.0.get(&category)?;
            let own = items.iter().find(|item| !any && item.language.eq_ignore_ascii_case(language));
            let for_all = || items.iter().find(|item| matches!(item.language.as_str(), "" | "*"));
            let item = own.or_else(for_all).or_else(|| items.first().filter(|_| any))?;
            Some(item.path.as_str())
        })
    }

    /// All items that show one of these categories, for a stamp.
    pub(super) fn of(&self, categories: impl IntoIterator<Item = i64>) -> impl Iterator<Item = (&str, &str)> {
        let items = categories.into_iter().filter_map(|category| self.0.get(&category)).flatten();
        items.map(|item| (item.language.as_str(), item.path.as_str()))
    }
}

/// Which category a link such as `index.php?option=com_content&view=category&layout=blog&id=907` shows.
fn category_of(link: &str) -> Option<i64> {
    let (_, query) = link.split_once('?')?;
    let get =
        |name: &str| form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value);
    if get("option")? != "com_content" || get("view")? != "category" {
        return None;
    }
    let id = get("id")?;
    // `907:tin` is an id with its alias.
    id.split(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menus(items: &[(&str, &str, &str)]) -> Menus {
        let mut menus = Menus::default();
        for (link, path, language) in items {
            menus.add(link, path, language);
        }
        menus
    }

    #[test]
    fn the_nearest_category_with_an_item_gives_the_path() {
        let menus = menus(&[
            ("index.php?option=com_content&view=category&layout=blog&id=906", "tin-tuc", "*"),
            ("index.php?option=com_content&view=category&id=906:lai", "lan-hai", "*"),
            ("index.php?option=com_content&view=categories&id=907", "khong", "*"),
            ("index.php?option=com_contact&view=category&id=907", "khong", "*"),
            ("index.php?option=com_content&view=article&id=907", "khong", "*"),
            ("https://example.vn/", "khong", "*"),
        ]);
        assert_eq!(menus.path([907, 906, 900], "vi-VN"), Some("tin-tuc"));
        assert_eq!(menus.path([900], ""), None);
        assert_eq!(menus.of([906]).count(), 2);
    }

    #[test]
    fn an_item_of_the_articles_language_comes_first_and_one_of_another_never() {
        let link = "index.php?option=com_content&view=category&id=9";
        let both = menus(&[(link, "news", "en-GB"), (link, "tin", "vi-VN")]);
        assert_eq!((both.path([9], "vi-VN"), both.path([9], "fr-FR")), (Some("tin"), None));
        assert_eq!((both.path([9], "*"), both.path([9], "")), (Some("news"), Some("news")));
        let all = menus(&[(link, "news", "en-GB"), (link, "chung", "*")]);
        assert_eq!(all.path([9], "vi-VN"), Some("chung"));
    }
}
