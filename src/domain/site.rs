//! The site that loa speaks for: its name, its address, its clock on the wall.

use jiff::tz::TimeZone;
use url::Url;

use crate::domain::subscriber::Locale;
use crate::text::xml::XmlText;

/// What every document, mail and page says about the site. Fixed while the process runs.
#[derive(Clone, Debug)]
pub struct Site {
    /// Name as people read it: the portal's.
    pub title: XmlText,
    /// Where loa is reached from outside, ending in `/`: the base of every address that loa gives out.
    pub base_url: Url,
    /// Authority of entry ids (RFC 4151): `example.vn,2021`. Never changes, whatever the host is called later.
    pub authority: String,
    /// The language of the portal and the default for people.
    pub locale: Locale,
    /// The zone in which dates are shown and digests are due.
    pub zone: TimeZone,
}

impl Site {
    /// An absolute address below the base: `site.link("feeds/tin.rss")`.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        format!("{}{}", self.base_url, path.trim_start_matches('/'))
    }
}
