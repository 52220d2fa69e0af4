//! Where a site has its REST interface: as its home page says, else at the two usual places
//! (<https://developer.wordpress.org/rest-api/using-the-rest-api/discovery/>).

use std::fmt;

use serde::Deserialize;
use url::Url;

use super::WordPress;
use crate::clock::Timestamp;
use crate::source::SourceError;
use crate::source::web::{Answer, Call, Fresh};

/// The relation that points to the interface.
const RELATION: &str = "https://api.w.org/";

/// Bytes of a home page or of the interface's own description at most. Plugins make the latter long.
const MAX: usize = 8 * 1024 * 1024;

/// The address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root(Url);

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Root {
    /// The address of a route such as `wp/v2/posts`. Sites without speaking addresses have the route in the query.
    pub(super) fn route(&self, route: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.0.clone();
        if let Some((_, root)) = self.0.query_pairs().find(|(key, _)| key == "rest_route") {
            let rest: Vec<(String, String)> = self
                .0
                .query_pairs()
                .filter(|(key, _)| key != "rest_route")
                .map(|(key, value)| (key.into_owned(), value.into_owned()))
                .collect();
            let route = format!("{}/{route}", root.trim_end_matches('/'));
            url.query_pairs_mut().clear().append_pair("rest_route", &route).extend_pairs(rest);
        } else {
            let path = format!("{}/{route}", self.0.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    namespaces: Vec<String>,
}

impl WordPress {
    /// Finds the interface.
    ///
    /// # Errors
    /// The first of the errors that say most: asked to wait, refused, not reached; [`SourceError::Schema`] when the site
    /// simply has none.
    pub(super) async fn find(&self, now: Timestamp) -> Result<Root, SourceError> {
        let mut places = Vec::new();
        let mut troubles = Vec::new();
        match self.told(now).await {
            Ok(place) => places.extend(place),
            Err(wait @ SourceError::Wait(..)) => return Err(wait),
            Err(error) => troubles.push(error),
        }
        places.extend(self.base.join("wp-json/"));
        let mut by_query = self.base.clone();
        by_query.set_query(Some("rest_route=/"));
        places.push(by_query);
        let mut tried: Vec<Url> = Vec::new();
        for place in places {
            if tried.contains(&place) {
                continue;
            }
            match self.try_place(&place, now).await {
                Ok(true) => return Ok(Root(place)),
                Ok(false) => {}
                Err(wait @ SourceError::Wait(..)) => return Err(wait),
                Err(error) => troubles.push(error),
            }
            tried.push(place);
        }
        let refused = troubles.iter().position(|error| matches!(error, SourceError::Refused(_)));
        if let Some(index) = refused.or_else(|| (!troubles.is_empty()).then_some(0)) {
            return Err(troubles.swap_remove(index));
        }
        Err(SourceError::Schema(format!(
            "source `{}`: {} has no REST interface of WordPress (nothing at wp-json/ or ?rest_route=/); correct `url`, or ask \
             the site whether a plugin closes it, and read its feed with kind = \"feed\" if it stays closed",
            self.name, self.base
        )))
    }

    /// The place that the home page names.
    async fn told(&self, now: Timestamp) -> Result<Option<Url>, SourceError> {
        let call = Call { accept: "text/html, */*;q=0.5", headers: &[], max: MAX, fresh: Fresh::Always };
        let Answer::Page(page) = self.web.get(&self.base, &call, now).await? else { return Ok(None) };
        let place = page.headers("link").find_map(in_header).or_else(|| in_page(&page.text));
        let place = place.and_then(|place| page.url.join(&place).ok());
        Ok(place.filter(|place| matches!(place.scheme(), "http" | "https")))
    }

    async fn try_place(&self, place: &Url, now: Timestamp) -> Result<bool, SourceError> {
        let call = Call { accept: "application/json", headers: &[], max: MAX, fresh: Fresh::Always };
        let Answer::Page(page) = self.web.get(place, &call, now).await? else { return Ok(false) };
        let index: Option<Index> = serde_json::from_str(&page.text).ok();
        Ok(index.is_some_and(|index| index.namespaces.iter().any(|name| name == "wp/v2")))
    }
}

/// The target of the relation in a `Link` header (RFC 8288 §3).
fn in_header(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let end = rest[start..].find('>')? + start;
        let target = &rest[start + 1..end];
        let after = &rest[end + 1..];
        let parameters = &after[..after.find('<').unwrap_or(after.len())];
        let named = |quoted: &str| parameters.contains(&format!("rel={quoted}"));
        if named(&format!("\"{RELATION}\"")) || named(RELATION) {
            return Some(target.to_owned());
        }
        rest = after;
    }
    None
}

/// The target of the relation in a page: `<link rel="https://api.w.org/" href="…">`, as `WordPress` writes it.
fn in_page(html: &str) -> Option<String> {
    let at = [format!("rel=\"{RELATION}\""), format!("rel='{RELATION}'")].iter().find_map(|rel| html.find(rel))?;
    let start = html[..at].rfind('<')?;
    let tag = &html[start..];
    let tag = &tag[..tag.find('>')?];
    let value = &tag[tag.find("href=")? + 5..];
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let value = value[1..].split(quote).next()?;
    Some(value.replace("&amp;", "&").replace("&#038;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_page_tells_the_place_in_its_header_or_in_its_head() {
        let header = "<https://a.vn/?p=1>; rel=shortlink, <https://a.vn/wp-json/>; rel=\"https://api.w.org/\"";
        assert_eq!(in_header(header).as_deref(), Some("https://a.vn/wp-json/"));
        assert_eq!(in_header("<https://a.vn/>; rel=shortlink"), None);
        let page = "<head><link rel=\"icon\" href=\"x\"><link rel='https://api.w.org/' href='https://a.vn/?rest_route=/&#038;l=vi' />";
        assert_eq!(in_page(page).as_deref(), Some("https://a.vn/?rest_route=/&l=vi"));
        assert_eq!(in_page("<link rel=\"icon\" href=\"x\">"), None);
    }

    #[test]
    fn a_route_is_a_path_or_a_part_of_the_query() {
        let of = |root: &str| Root(Url::parse(root).unwrap()).route("wp/v2/posts", &[("per_page", "5")]).to_string();
        assert_eq!(of("https://a.vn/tin/wp-json/"), "https://a.vn/tin/wp-json/wp/v2/posts?per_page=5");
        assert_eq!(of("https://a.vn/wp-json"), "https://a.vn/wp-json/wp/v2/posts?per_page=5");
        assert_eq!(of("https://a.vn/?rest_route=/"), "https://a.vn/?rest_route=%2Fwp%2Fv2%2Fposts&per_page=5");
        assert_eq!(
            of("https://a.vn/?lang=vi&rest_route=/"),
            "https://a.vn/?rest_route=%2Fwp%2Fv2%2Fposts&lang=vi&per_page=5"
        );
    }
}
