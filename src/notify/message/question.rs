//! Mails that answer what one person did: the questions of the double opt-in and of a new address, and the word to an old
//! one. Nobody gets them who did not do something just now, so they name no way to leave.

use serde::Serialize;

use crate::domain::site::Site;
use crate::domain::subscriber::Frequency;
use crate::notify::message::content::FeedLink;
use crate::notify::message::line::Line;

/// A feed that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WishedFeed {
    /// The feed.
    #[serde(flatten)]
    pub feed: FeedLink,
    /// How often.
    pub frequency: Frequency,
}

/// Asks a person whether the request came from them (double opt-in).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmMail {
    /// The feeds asked for.
    pub feeds: Vec<WishedFeed>,
    /// How often, if it is the same for all.
    pub frequency: Option<Frequency>,
    /// The token of the confirm page, from [`crate::domain::link::KeyRing::sign`].
    pub token: String,
}

/// Asks whether the mails of somebody shall come to this address from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveMail {
    /// The address that they go to now, masked.
    pub from: Line,
    /// The token of the confirm page.
    pub token: String,
}

/// Tells an address that its mails go elsewhere from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedMail {
    /// Where, masked.
    pub to: Line,
}

#[derive(Serialize)]
pub(super) struct ConfirmContext<'a> {
    feeds: &'a [WishedFeed],
    frequency: Option<Frequency>,
    confirm_url: String,
}

#[derive(Serialize)]
pub(super) struct MoveContext<'a> {
    from: &'a Line,
    confirm_url: String,
}

#[derive(Serialize)]
pub(super) struct MovedContext<'a> {
    to: &'a Line,
}

impl ConfirmMail {
    pub(super) fn context(&self, site: &Site) -> ConfirmContext<'_> {
        ConfirmContext { feeds: &self.feeds, frequency: self.frequency, confirm_url: confirm_url(site, &self.token) }
    }
}

impl MoveMail {
    pub(super) fn context(&self, site: &Site) -> MoveContext<'_> {
        MoveContext { from: &self.from, confirm_url: confirm_url(site, &self.token) }
    }
}

impl MovedMail {
    pub(super) const fn context(&self) -> MovedContext<'_> {
        MovedContext { to: &self.to }
    }
}

fn confirm_url(site: &Site, token: &str) -> String {
    site.link(&format!("confirm/{token}"))
}
