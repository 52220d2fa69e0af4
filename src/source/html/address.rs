//! Which links are articles of the portal, and the one address that each has whatever hangs on its link. Follows nothing.

use std::collections::BTreeSet;

use url::Url;

/// Parameters that say where a reader came from or who they are, never which page is meant.
const DROPPED: [&str; 18] = [
    "fbclid",
    "gclid",
    "gclsrc",
    "dclid",
    "yclid",
    "msclkid",
    "twclid",
    "igshid",
    "zarsrc",
    "mc_cid",
    "mc_eid",
    "_ga",
    "_gl",
    "phpsessid",
    "jsessionid",
    "sessionid",
    "asp.net_sessionid",
    "cfid",
];

/// Endings of files that are no pages.
const FILES: [&str; 26] = [
    "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "zip", "rar", "7z", "jpg", "jpeg", "png", "gif", "webp",
    "svg", "mp3", "mp4", "avi", "wmv", "flv", "xml", "rss", "css", "js",
];

/// The hosts of a portal, and the ids that its links have.
#[derive(Clone, Debug)]
pub(super) struct Home {
    /// The root of the host of the first list.
    root: Url,
    hosts: BTreeSet<String>,
    /// Ids of the lists themselves.
    lists: BTreeSet<String>,
}

impl Home {
    /// The home that these addresses share; the first one names it.
    pub(super) fn new(first: &Url, all: &[Url]) -> Self {
        let mut root = first.clone();
        root.set_path("/");
        root.set_query(None);
        root.set_fragment(None);
        let mut home = Self { root, hosts: all.iter().map(host).collect(), lists: BTreeSet::new() };
        home.lists = all.iter().map(|url| home.spell(url)).collect();
        home
    }

    /// The root of the portal.
    pub(super) const fn root(&self) -> &Url {
        &self.root
    }

    /// The id of the article that a link leads to: path and query on the portal's own host, so that a portal that moves to
    /// https or to another name keeps its articles; the whole address on another host that has a list. Nothing for links
    /// that lead elsewhere, to a file, to a list, or to another form of a page (print, mail to a friend, feed).
    pub(super) fn id(&self, link: &Url) -> Option<String> {
        if !matches!(link.scheme(), "http" | "https") || !self.hosts.contains(&host(link)) {
            return None;
        }
        let path = link.path().to_ascii_lowercase();
        let file = path.rsplit('/').next()?.rsplit_once('.').map(|(_, ending)| ending);
        if file.is_some_and(|ending| FILES.contains(&ending) || ending == "feed") || path.contains("component/mailto") {
            return None;
        }
        for (key, value) in link.query_pairs() {
            let (key, value) = (key.to_ascii_lowercase(), value.to_ascii_lowercase());
            let other_form = match key.as_str() {
                "print" => !matches!(value.as_str(), "0" | "false"),
                "tmpl" => matches!(value.as_str(), "component" | "raw" | "print"),
                "format" => matches!(value.as_str(), "feed" | "pdf" | "raw" | "json"),
                "option" => value == "com_mailto",
                _ => false,
            };
            if other_form {
                return None;
            }
        }
        let id = self.spell(link);
        (id != "/" && !self.lists.contains(&id)).then_some(id)
    }

    /// The address of the page that has this id.
    pub(super) fn url(&self, id: &str) -> Option<Url> {
        self.root.join(id).ok()
    }

    /// The id of any page of the portal, an article or not.
    pub(super) fn spell(&self, link: &Url) -> String {
        let mut url = link.clone();
        url.set_fragment(None);
        let path = bare_path(link.path());
        url.set_path(&path);
        let kept = kept_query(link);
        url.set_query((!kept.is_empty()).then_some(kept.as_str()));
        if host(&url) == host(&self.root) { url[url::Position::BeforePath..].to_owned() } else { url.into() }
    }
}

/// Host and port, without the `www.` that portals have or have not.
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    let name = name.strip_prefix("www.").unwrap_or(name);
    // http and https of one name are one portal; another port is another.
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// A path without the session that servers write into it: `;jsessionid=…`, `(S(…))`.
fn bare_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        let segment = segment
            .split_once(';')
            .filter(|(_, session)| session.to_ascii_lowercase().starts_with("jsessionid"))
            .map_or(segment, |(name, _)| name);
        if !(segment.starts_with("(S(") && segment.ends_with("))")) {
            segments.push(segment);
        }
    }
    segments.join("/")
}

/// The query as it was written, without what is dropped. Of Joomla's own address of an article only what names it stays:
/// its menu item, its category and its alias may change.
fn kept_query(link: &Url) -> String {
    let pairs: Vec<(&str, &str)> = link
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    let has = |name: &str, value: &str| pairs.contains(&(name, value));
    let joomla = has("option", "com_content") && has("view", "article");
    let mut kept = String::new();
    for (key, value) in pairs {
        let name = key.to_ascii_lowercase();
        if name.starts_with("utm_") || name.starts_with("aspsessionid") || DROPPED.contains(&name.as_str()) {
            continue;
        }
        if joomla && !matches!(name.as_str(), "option" | "view" | "id" | "lang") {
            continue;
        }
        let value = if joomla && name == "id" {
            value.split([':', '-']).next().and_then(|id| id.split("%3A").next()).unwrap_or(value)
        } else {
            value
        };
        if !kept.is_empty() {
            kept.push('&');
        }
        kept.push_str(key);
        if !value.is_empty() {
            kept.push('=');
            kept.push_str(value);
        }
    }
    kept
}

/// Which ids are articles: patterns in which `*` is any run of characters; one that begins with `!` excludes.
#[derive(Clone, Debug, Default)]
pub(super) struct Pattern {
    wanted: Vec<String>,
    unwanted: Vec<String>,
}

impl Pattern {
    /// The patterns as they are configured.
    pub(super) fn new(patterns: &[String]) -> Self {
        let mut made = Self::default();
        for pattern in patterns {
            match pattern.strip_prefix('!') {
                Some(unwanted) => made.unwanted.push(unwanted.to_owned()),
                None => made.wanted.push(pattern.clone()),
            }
        }
        made
    }

    /// Whether an article may have this id, or this whole address.
    pub(super) fn fits(&self, id: &str, url: &Url) -> bool {
        let any = |patterns: &[String]| {
            patterns.iter().any(|pattern| glob(pattern, if pattern.starts_with("http") { url.as_str() } else { id }))
        };
        (self.wanted.is_empty() || any(&self.wanted)) && !any(&self.unwanted)
    }

    /// Whether it says nothing.
    pub(super) const fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }
}

/// Whether the whole text is as the pattern says.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("an address")
    }

    fn home() -> Home {
        let lists = [url("https://portal.example.vn/tin-tuc"), url("https://ban.example.vn/su-kien")];
        Home::new(&lists[0], &lists)
    }

    #[test]
    fn one_article_has_one_id_whatever_hangs_on_its_link() {
        for link in [
            "https://portal.example.vn/tin/9019-bai",
            "http://www.portal.example.vn/tin/9019-bai#binh-luan",
            "https://portal.example.vn/tin/9019-bai?utm_source=zalo&utm_medium=x&fbclid=abc",
            "https://portal.example.vn/tin/9019-bai;jsessionid=0F1E?PHPSESSID=12",
            "https://portal.example.vn/(S(abc123))/tin/9019-bai",
        ] {
            assert_eq!(home().id(&url(link)).as_deref(), Some("/tin/9019-bai"), "{link}");
        }
        for link in [
            "https://portal.example.vn/index.php?option=com_content&view=article&id=9019:bai&catid=907&Itemid=5",
            "https://portal.example.vn/index.php?option=com_content&view=article&id=9019%3Abai-moi&Itemid=6",
        ] {
            let id = home().id(&url(link)).expect("an id");
            assert_eq!(id, "/index.php?option=com_content&view=article&id=9019");
        }
        let id = home().id(&url("https://ban.example.vn/a?id=3")).expect("an id");
        assert_eq!((id.as_str(), home().url(&id)), ("https://ban.example.vn/a?id=3", Some(url(&id))));
        assert_eq!(home().url("/tin/9019-bai"), Some(url("https://portal.example.vn/tin/9019-bai")));
        assert_eq!(
            home().id(&url("https://portal.example.vn/Tin.aspx?ID=9&m=2")).as_deref(),
            Some("/Tin.aspx?ID=9&m=2")
        );
    }

    #[test]
    fn links_that_are_no_article_have_no_id() {
        for link in [
            "https://khac.example.vn/tin/1",
            "https://portal.example.vn:8443/tin/1",
            "mailto:a@example.vn",
            "javascript:void(0)",
            "https://portal.example.vn/",
            "https://portal.example.vn/tin-tuc",
            "https://portal.example.vn/tin/1?tmpl=component&print=1&layout=default",
            "https://portal.example.vn/tin/1?print=1",
            "https://portal.example.vn/tin?format=feed&type=rss",
            "https://portal.example.vn/tin.feed?type=rss",
            "https://portal.example.vn/index.php/component/mailto/?tmpl=x&link=abc",
            "https://portal.example.vn/images/nghi-quyet.PDF",
        ] {
            assert_eq!(home().id(&url(link)), None, "{link}");
        }
    }

    #[test]
    fn patterns_want_and_refuse() {
        let fits = |patterns: &[&str], id: &str| {
            let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
            Pattern::new(&patterns).fits(id, &home().url(id).expect("an address"))
        };
        assert!(fits(&[], "/a"));
        assert!(fits(&["/tin/*"], "/tin/a/b"));
        assert!(!fits(&["/tin/*"], "/x/tin/a"));
        assert!(fits(&["*-*.html", "!/the/*"], "/tin/9-a.html"));
        assert!(!fits(&["*-*.html", "!/the/*"], "/the/9-a.html"));
        assert!(fits(&["https://portal.example.vn/tin/*"], "/tin/a"));
        assert!(fits(&["/tin"], "/tin") && !fits(&["/tin"], "/tin/a"));
        assert!(!fits(&["*a*a"], "/a"));
    }
}
