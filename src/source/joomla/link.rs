//! Addresses of articles by a template, because Joomla's own depend on menus that the tables only hint at. Pure.

use url::Url;

/// The form that works on every Joomla (it may redirect).
pub(in crate::source) const DEFAULT: &str = "{base}index.php?option=com_content&view=article&id={id}";

const NAMES: [&str; 7] = ["base", "id", "alias", "catid", "cat_path", "menu_path", "lang"];
const MENU_PATH: &str = "{menu_path}";

/// A checked template.
#[derive(Clone, Debug)]
pub(in crate::source) struct Template(String);

/// What an article fills a template with.
#[derive(Clone, Copy, Debug)]
pub(in crate::source) struct Parts<'a> {
    pub(in crate::source) base: &'a Url,
    pub(in crate::source) id: i64,
    pub(in crate::source) alias: &'a str,
    pub(in crate::source) catid: i64,
    pub(in crate::source) cat_path: &'a str,
    pub(in crate::source) language: &'a str,
}

impl Template {
    /// Checks that the template names an article and only what an article has.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(in crate::source) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let end = rest[at..].find('}').ok_or("has a { without a }")? + at;
            let name = &rest[at + 1..end];
            if !NAMES.contains(&name) {
                return Err(format!("has {{{name}}}, but known are {{{}}}", NAMES.join("} {")));
            }
            rest = &rest[end + 1..];
        }
        if !text.contains("{id}") && !text.contains("{alias}") {
            return Err("has neither {id} nor {alias}, so that all articles would share one address".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The template as written.
    pub(in crate::source) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether addresses depend on the portal's menus.
    pub(super) fn uses_menus(&self) -> bool {
        self.0.contains(MENU_PATH)
    }

    /// The template for articles below a menu item; without one, the categories' path stands in for the item's.
    pub(super) fn below(&self, menu_path: Option<&str>) -> Self {
        match menu_path {
            Some(path) => Self(self.0.replace(MENU_PATH, path)),
            None => self.clone(),
        }
    }

    /// The address of one article. Without an alias the id stands alone (`9019`, not `9019-`), as Joomla has it;
    /// without a language there is no segment for it.
    pub(in crate::source) fn fill(&self, parts: Parts<'_>) -> String {
        let id = parts.id.to_string();
        let mut text = self.0.clone();
        if parts.alias.is_empty() {
            text = text.replace("{id}-{alias}", "{id}").replace("{id}:{alias}", "{id}");
            if !text.contains("{id}") {
                text = text.replace("{alias}", "{id}");
            }
        }
        let lang = parts.language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        if lang.is_empty() {
            text = text.replace("{lang}/", "");
        }
        text.replace("{base}", parts.base.as_str())
            .replace("{id}", &id)
            .replace("{alias}", parts.alias)
            .replace("{catid}", &parts.catid.to_string())
            .replace("{cat_path}", parts.cat_path)
            .replace(MENU_PATH, parts.cat_path)
            .replace("{lang}", &lang)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, alias: &str) -> String {
        let base = Url::parse("https://portal.example.vn/").unwrap();
        let parts = Parts { base: &base, id: 9019, alias, catid: 907, cat_path: "dang/ket-nap", language: "vi-VN" };
        Template::parse(template).unwrap().fill(parts)
    }

    #[test]
    fn each_form_of_address_can_be_written() {
        assert_eq!(fill(DEFAULT, "bai"), "https://portal.example.vn/index.php?option=com_content&view=article&id=9019");
        assert_eq!(
            fill("{base}{lang}/{catid}-{cat_path}/{id}-{alias}.html", "bai"),
            "https://portal.example.vn/vi/907-dang/ket-nap/9019-bai.html"
        );
    }

    #[test]
    fn without_an_alias_the_id_stands_alone() {
        assert_eq!(fill("{base}tin/{id}-{alias}", ""), "https://portal.example.vn/tin/9019");
        assert_eq!(fill("{base}tin/{alias}", ""), "https://portal.example.vn/tin/9019");
    }

    #[test]
    fn an_address_below_a_menu_item_has_its_path_and_else_that_of_the_categories() {
        let base = Url::parse("https://portal.example.vn/").unwrap();
        let parts = Parts { base: &base, id: 9, alias: "bai", catid: 907, cat_path: "dang/ket-nap", language: "" };
        let template = Template::parse("{base}{lang}/{menu_path}/{id}-{alias}").unwrap();
        assert!(template.uses_menus() && !Template::parse(DEFAULT).unwrap().uses_menus());
        assert_eq!(template.below(Some("tin-tuc")).fill(parts), "https://portal.example.vn/tin-tuc/9-bai");
        assert_eq!(template.below(None).fill(parts), "https://portal.example.vn/dang/ket-nap/9-bai");
    }

    #[test]
    fn a_template_that_cannot_work_is_refused() {
        for wrong in ["{base}tin", "{base}{id", "{base}{slug}{id}"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }
}
