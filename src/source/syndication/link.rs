//! The address of an article's page, cleaned of what says how it was found. Fetches nothing.

use url::Url;

/// Keys of a query that tell where a reader came from, not what is shown.
const TRACKING: [&str; 3] = ["fbclid", "gclid", "zarsrc"];

/// An absolute address for an item's link. Joomla's Atom links ask for the feed again (`format=feed&type=atom`, joomla-cms
/// without a menu route): that goes, and so do tracking keys and the fragment.
pub(super) fn page(raw: &str, base: &Url) -> Option<Url> {
    let raw = raw.trim();
    if raw.is_empty() || raw.len() > 4096 {
        return None;
    }
    let mut url = base.join(raw).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    url.set_fragment(None);
    let is_feed = url.query_pairs().any(|(key, value)| key == "format" && value == "feed");
    let superfluous = |key: &str, value: &str| {
        key.starts_with("utm_")
            || TRACKING.contains(&key)
            || is_feed && (key == "format" || key == "type" && matches!(value, "rss" | "atom"))
    };
    if url.query_pairs().any(|(key, value)| superfluous(&key, &value)) {
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(key, value)| !superfluous(key, value))
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(kept);
        }
    }
    Some(url)
}

/// The number of the article in an address that Joomla made: `…/9019-hoi-nghi`, `…/9019-hoi-nghi.html`,
/// `index.php?view=article&id=9019:hoi-nghi`. It stays when the alias, the category or the router's settings change, which
/// all move Joomla's own guid.
pub(super) fn joomla_number(url: &Url) -> Option<u64> {
    let digits = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        (rest.is_empty() || rest.starts_with(['-', ':', '.'])).then(|| number.parse().ok()).flatten()
    };
    let key = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if let Some(view) = key("view") {
        return if view == "article" { digits(&key("id")?) } else { None };
    }
    digits(url.path_segments()?.next_back()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("an address")
    }

    #[test]
    fn a_link_is_absolute_and_shows_the_page_and_nothing_of_the_way_to_it() {
        let base = url("https://portal.example.vn/tin");
        for (raw, cleaned) in [
            (" /bai/1 ", "https://portal.example.vn/bai/1"),
            (
                "/index.php?option=com_content&view=article&id=1:a&catid=7&format=feed&type=atom",
                "https://portal.example.vn/index.php?option=com_content&view=article&id=1%3Aa&catid=7",
            ),
            ("/tin?type=atom", "https://portal.example.vn/tin?type=atom"),
            ("/tin?format=feed", "https://portal.example.vn/tin"),
            ("https://khac.example.vn/a?utm_source=rss&b=1#c", "https://khac.example.vn/a?b=1"),
        ] {
            assert_eq!(page(raw, &base).as_ref().map(Url::as_str), Some(cleaned), "{raw}");
        }
        for raw in ["", " ", "javascript:alert(1)", "mailto:a@example.vn", "http://"] {
            assert_eq!(page(raw, &base), None, "{raw}");
        }
    }

    #[test]
    fn joomlas_number_of_an_article_is_found_in_every_form_of_its_address() {
        for (address, number) in [
            ("https://p.vn/index.php/907-xay-dung-dang/9019-hoi-nghi", Some(9019)),
            ("https://p.vn/xay-dung-dang/9019-hoi-nghi.html", Some(9019)),
            ("https://p.vn/xay-dung-dang/9019", Some(9019)),
            ("https://p.vn/index.php?option=com_content&view=article&id=9019:hoi-nghi&catid=7", Some(9019)),
            ("https://p.vn/index.php?view=category&id=9", None),
            ("https://p.vn/xay-dung-dang/hoi-nghi", None),
            ("https://p.vn/tin/2021hoi-nghi", None),
            ("https://p.vn/", None),
        ] {
            assert_eq!(joomla_number(&url(address)), number, "{address}");
        }
    }
}
