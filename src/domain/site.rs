//! The site that loa speaks for: its name, its address, its clock on the wall.

use jiff::tz::TimeZone;
use url::Url;

use crate::domain::subscriber::{EmailAddress, Locale};
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
    /// Who answers for the site, and its signs.
    pub imprint: Imprint,
}

/// What feeds say of the people and the rights behind them. All of it may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imprint {
    /// Whose the content is: `© 2026 Tỉnh ủy …`. Empty: nothing is said.
    pub rights: XmlText,
    /// Who answers for the content.
    pub editor: Option<Contact>,
    /// Who answers for the technical side.
    pub webmaster: Option<Contact>,
    /// A small square picture, by an absolute address.
    pub icon: Option<Url>,
    /// A picture twice as wide as high, by an absolute address.
    pub logo: Option<Url>,
}

/// A person or office that can be written to, publicly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Name as people read it; may be empty.
    pub name: XmlText,
    /// A public address.
    pub address: EmailAddress,
}

impl Site {
    /// An absolute address below the base: `site.link("feeds/tin.rss")`.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        format!("{}{}", self.base_url, path.trim_start_matches('/'))
    }
}
