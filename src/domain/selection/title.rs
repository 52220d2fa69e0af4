//! What a selection is called: "Tin về đại hội đảng, chuyên mục Công tác tổ chức". Says no more than the selection asks
//! for; the names that people know things by are handed in.

use std::collections::BTreeMap;

use super::Selection;
use super::keyword::spelled;
use crate::domain::article::Article;
use crate::domain::subscriber::Locale;
use crate::text::catalog;

/// Names of one kind that a title lists before it counts the rest.
const LISTED: usize = 4;

/// The names that people know categories, tags and authors by.
#[derive(Clone, Debug, Default)]
pub struct Names {
    categories: BTreeMap<String, String>,
    others: BTreeMap<String, String>,
}

impl Names {
    /// Learns the names that an article carries; what is known stays.
    pub fn learn(&mut self, article: &Article) {
        for category in &article.categories {
            self.category(&category.slug, &category.title);
        }
        for name in article.tags.iter().chain(&article.authors) {
            self.others.entry(spelled(name)).or_insert_with(|| name.to_string());
        }
    }

    /// Learns the title of a category; what is known stays.
    pub fn category(&mut self, slug: &str, title: &str) {
        if !title.trim().is_empty() && !self.categories.contains_key(slug) {
            self.categories.insert(slug.to_owned(), title.trim().to_owned());
        }
    }

    /// The title of a category, its slug where nobody knows better.
    #[must_use]
    pub fn of_category<'a>(&'a self, slug: &'a str) -> &'a str {
        self.categories.get(slug).map_or(slug, String::as_str)
    }

    /// Every category by its slug, with its title.
    pub fn categories(&self) -> impl Iterator<Item = (&str, &str)> {
        self.categories.iter().map(|(slug, title)| (slug.as_str(), title.as_str()))
    }

    fn other<'a>(&'a self, name: &'a str) -> &'a str {
        self.others.get(name).map_or(name, String::as_str)
    }
}

/// The title of a selection in a language.
#[must_use]
pub fn title(selection: &Selection, locale: Locale, names: &Names) -> String {
    let t = catalog::words(locale.as_str());
    let say = |key: &str, names: &str| t.say(&format!("selection.{key}"), &[("names", names)]);
    let list = |entries: &[String], name: &dyn Fn(&str) -> String, and: &str| {
        let mut shown: Vec<String> = entries.iter().take(LISTED).map(|entry| name(entry)).collect();
        if entries.len() > LISTED {
            shown.push(t.say("selection.more", &[("n", &(entries.len() - LISTED).to_string())]));
        }
        let last = shown.pop().unwrap_or_default();
        if shown.is_empty() { last } else { format!("{} {and} {last}", shown.join(", ")) }
    };
    let (and, or) = (t.get("selection.and"), t.get("selection.or"));
    let category = |slug: &str| names.of_category(slug).to_owned();
    let other = |name: &str| names.other(name).to_owned();
    let plain = |name: &str| name.to_owned();
    let part = |key: &str, entries: &[String], name: &dyn Fn(&str) -> String| {
        (!entries.is_empty()).then(|| say(key, &list(entries, name, or)))
    };
    let english = locale == Locale::En;
    let parts: Vec<String> = [
        part("category", &selection.categories, &category),
        part("category_alone", &selection.categories_alone, &category),
        part("tag", &selection.tags, &other),
        part("author", &selection.authors, &other),
        part("agency", &selection.agencies, &plain),
        part("source", &selection.sources, &plain),
        selection.language.as_deref().map(|tag| say("language", &language(tag, locale))),
        selection.from.map(|day| say("from", &day.in_words(english))),
        selection.until.map(|day| say("until", &day.in_words(english))),
        part("not", &selection.not_keywords, &plain),
        part("not_category", &selection.not_categories, &category),
    ]
    .into_iter()
    .flatten()
    .collect();
    let rest = parts.join(", ");
    let about = if selection.keywords.is_empty() {
        list(&selection.phrases, &plain, or)
    } else {
        list(&selection.keywords, &plain, and)
    };
    match (about.is_empty(), rest.is_empty()) {
        (true, true) => t.get("selection.everything").to_owned(),
        (true, false) => say("plain", &rest),
        (false, true) => say("about", &about),
        (false, false) => format!("{}, {rest}", say("about", &about)),
    }
}

/// The name of a language that a portal of Vietnam may have, in the reader's; its tag otherwise.
fn language(tag: &str, locale: Locale) -> String {
    let primary = tag.split('-').next().unwrap_or(tag);
    let known = ["vi", "en", "km", "zh", "fr", "lo"].contains(&primary);
    if known { catalog::words(locale.as_str()).get(&format!("language.{primary}")).to_owned() } else { tag.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::selection::query::parse;

    fn told(query: &str) -> [String; 2] {
        let mut names = Names::default();
        names.category("cong-tac-to-chuc", "Công tác tổ chức");
        names.others.insert("nguyễn thị hòa".to_owned(), "Nguyễn Thị Hoà".to_owned());
        let selection = parse(query).expect("right").selection;
        [title(&selection, Locale::Vi, &names), title(&selection, Locale::En, &names)]
    }

    #[test]
    fn a_title_says_what_is_asked_for() {
        for (query, vi, en) in [
            ("", "Mọi tin", "All articles"),
            (
                "q=\"đại hội đảng\"&category=cong-tac-to-chuc",
                "Tin về đại hội đảng, chuyên mục Công tác tổ chức",
                "News about đại hội đảng, in the category Công tác tổ chức",
            ),
            (
                "category=cong-tac-to-chuc,khac",
                "Tin chuyên mục Công tác tổ chức hoặc khac",
                "News in the category Công tác tổ chức or khac",
            ),
            (
                "q=\"nhân sự\" \"đại hội\" -\"thể thao\"&from=2026-01-02",
                "Tin về nhân sự và đại hội, từ 02/01/2026, trừ thể thao",
                "News about nhân sự and đại hội, since 2 Jan 2026, without thể thao",
            ),
            (
                "author=nguyễn thị hoà&language=vi",
                "Tin của Nguyễn Thị Hoà, bằng tiếng Việt",
                "News by Nguyễn Thị Hoà, in Vietnamese",
            ),
            ("q=xây dựng Đảng", "Tin về xây, dựng và đảng", "News about xây, dựng and đảng"),
            ("q=a b c d e f", "Tin về a, b, c, d và 2 mục khác", "News about a, b, c, d and 2 more"),
        ] {
            assert_eq!(told(query), [vi, en], "{query}");
        }
    }
}
