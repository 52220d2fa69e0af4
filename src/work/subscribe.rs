//! A person comes, confirms, changes their mind, and leaves. Every door answers the same whether or not an address is
//! known, and only what a signed link names is ever shown.

use crate::clock::Clock;
use crate::domain::feed::{Feed, FeedOrigin, FeedSpec};
use crate::domain::link::{KeyRing, Link};
use crate::domain::subscriber::{AddressError, EmailAddress, EndReason, Frequency, Locale};
use crate::store::engine::{Store, StoreError};
use crate::store::selection::SelectionWish;
use crate::store::subscriber::{Confirmed, OptIn, Person, Request, Wish};
use crate::work::wakes::Wakes;

/// The version of the consent text on the subscribe page; kept with each consent.
pub const TEXT_VERSION: &str = "2026-11";

/// At most this many feeds in one request.
const MOST_WISHES: usize = 200;

/// Why a request was refused. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The address cannot be mailed.
    #[error("this is not a mail address that can be reached: {0}")]
    Address(#[from] AddressError),
    /// No feed was chosen.
    #[error("no feed was chosen")]
    NoFeed,
    /// A feed that does not exist or is retired, or too many.
    #[error("there is no feed named \"{0}\"")]
    UnknownFeed(String),
    /// As many selections are followed as can be.
    #[error("too many selections are followed at the moment: follow a feed, or try again later")]
    Full,
    /// The link is not one of ours, or what it names is gone.
    #[error("this link is not valid, or what it leads to is gone")]
    BadLink,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The doors. Cheap to clone.
#[derive(Clone)]
pub struct Subscribe {
    store: Store,
    clock: Clock,
    keys: KeyRing,
    wakes: Wakes,
}

/// What the manage page shows: the person, all feeds, and the token that the page's form carries on.
#[derive(Clone, Debug)]
pub struct Managed {
    /// The person.
    pub person: Person,
    /// Every feed that can be followed.
    pub feeds: Vec<Feed>,
}

impl Subscribe {
    /// Doors over this store.
    #[must_use]
    pub const fn new(store: Store, clock: Clock, keys: KeyRing, wakes: Wakes) -> Self {
        Self { store, clock, keys, wakes }
    }

    /// The keys that sign links.
    #[must_use]
    pub const fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Every feed that can be followed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feeds(&self) -> Result<Vec<Feed>, SubscribeError> {
        Ok(self.live().await?.into_iter().filter(|f| f.origin != FeedOrigin::Selection).collect())
    }

    /// The same, with selections that anybody follows: those are not shown to others.
    async fn live(&self) -> Result<Vec<Feed>, SubscribeError> {
        Ok(self.store.feeds().await?.into_iter().filter(|f| !f.retired).collect())
    }

    /// Takes a request and sends a confirmation mail. Says nothing about whether the address was known.
    ///
    /// # Errors
    /// [`SubscribeError`] for what the asker can mend.
    pub async fn request(
        &self,
        email: &str,
        slugs: &[String],
        frequency: Frequency,
        locale: Locale,
        method: &str,
    ) -> Result<(), SubscribeError> {
        let email = EmailAddress::parse(email)?;
        let wishes = self.wishes(slugs.iter().map(|s| (s.as_str(), frequency))).await?;
        if wishes.is_empty() {
            return Err(SubscribeError::NoFeed);
        }
        let request = Request { email: &email, wishes: &wishes, locale, text_version: TEXT_VERSION, method };
        if self.store.request_opt_in(&request, self.clock.now()).await?.is_some() {
            self.wakes.mails.notify_one();
        } else {
            tracing::info!(subscriber = %email, "a confirmation was asked for too often; none was sent");
        }
        Ok(())
    }

    /// As [`Subscribe::request`], for a selection that the asker put together.
    ///
    /// # Errors
    /// [`SubscribeError`] for what the asker can mend.
    pub async fn request_selection(
        &self,
        email: &str,
        spec: FeedSpec,
        frequency: Frequency,
        locale: Locale,
        method: &str,
    ) -> Result<(), SubscribeError> {
        let email = EmailAddress::parse(email)?;
        if !self.store.has_room_for(&spec).await? {
            return Err(SubscribeError::Full);
        }
        let request = Request { email: &email, wishes: &[], locale, text_version: TEXT_VERSION, method };
        let wish = SelectionWish { frequency, spec };
        if self.store.request_selection(&request, Some(&wish), self.clock.now()).await?.is_some() {
            self.wakes.mails.notify_one();
        } else {
            tracing::info!(subscriber = %email, "a confirmation was asked for too often; none was sent");
        }
        Ok(())
    }

    /// What a confirmation link asks to confirm.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged, or whose request is gone.
    pub async fn pending(&self, token: &str) -> Result<(OptIn, Vec<Feed>), SubscribeError> {
        let Some(Link::Confirm(id)) = self.keys.verify(token) else { return Err(SubscribeError::BadLink) };
        let opt_in = self.store.opt_in(id).await?.ok_or(SubscribeError::BadLink)?;
        Ok((opt_in, self.feeds().await?))
    }

    /// Confirms what a confirmation link names. Pressing it again is fine. Answers the token of the manage page.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged, or whose request lapsed.
    pub async fn confirm(&self, token: &str) -> Result<String, SubscribeError> {
        let Some(Link::Confirm(id)) = self.keys.verify(token) else { return Err(SubscribeError::BadLink) };
        match self.store.confirm(id, self.clock.now()).await? {
            Confirmed::Now(person) => {
                // Moving from a digest to immediate mails may have put some into the outbox.
                self.wakes.mails.notify_one();
                Ok(self.keys.sign(Link::Manage(person)))
            }
            Confirmed::Before(person) => Ok(self.keys.sign(Link::Manage(person))),
            Confirmed::Lapsed => Err(SubscribeError::BadLink),
        }
    }

    /// What a manage link opens.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged, or whose person was erased.
    pub async fn managed(&self, token: &str) -> Result<Managed, SubscribeError> {
        let id = self.manage_id(token)?;
        let person = self.store.person(id).await?.filter(|p| p.email.is_some()).ok_or(SubscribeError::BadLink)?;
        let mut feeds = self.live().await?;
        let follows = |feed: &Feed| person.wishes.iter().any(|wish| wish.feed_id == feed.id);
        feeds.retain(|feed| feed.origin != FeedOrigin::Selection || follows(feed));
        Ok(Managed { person, feeds })
    }

    /// Makes the person's subscriptions exactly these (feed slug and frequency).
    ///
    /// # Errors
    /// [`SubscribeError`]; nothing was changed then.
    pub async fn change(
        &self,
        token: &str,
        wishes: &[(String, Frequency)],
        locale: Locale,
    ) -> Result<(), SubscribeError> {
        let managed = self.managed(token).await?;
        let wishes = self.wishes(wishes.iter().map(|(s, f)| (s.as_str(), *f))).await?;
        self.store.set_wishes(managed.person.id, &wishes, locale, self.clock.now()).await?;
        self.wakes.mails.notify_one();
        Ok(())
    }

    /// Ends everything that this person gets.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged.
    pub async fn leave_all(&self, token: &str) -> Result<(), SubscribeError> {
        let id = self.manage_id(token)?;
        self.store.unsubscribe(id, None, EndReason::Unsubscribed, self.clock.now()).await?;
        Ok(())
    }

    /// Erases the person.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged.
    pub async fn erase(&self, token: &str) -> Result<(), SubscribeError> {
        let id = self.manage_id(token)?;
        self.store.erase(id, self.clock.now()).await?;
        Ok(())
    }

    /// What an unsubscribe link would end, without ending it. The address is shown masked: mails get forwarded.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged.
    pub async fn leaving(&self, token: &str) -> Result<(Person, Frequency), SubscribeError> {
        let (id, frequency) = self.unsubscribe_id(token)?;
        let person = self.store.person(id).await?.ok_or(SubscribeError::BadLink)?;
        Ok((person, frequency))
    }

    /// One-click (RFC 8058): ends the subscriptions of the frequency that the mail came by. Fine when already ended.
    /// Answers the token of the manage page, to leave or change the rest.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged.
    pub async fn unsubscribe(&self, token: &str) -> Result<String, SubscribeError> {
        let (id, frequency) = self.unsubscribe_id(token)?;
        self.leave(id, frequency).await?;
        Ok(self.keys.sign(Link::Manage(id)))
    }

    /// What one-click ends, for a person who asked for it by a mail to the address in their mails.
    ///
    /// # Errors
    /// [`SubscribeError::Store`] when the database fails.
    pub async fn leave(&self, id: i64, frequency: Frequency) -> Result<(), SubscribeError> {
        self.store.unsubscribe(id, Some(frequency), EndReason::Unsubscribed, self.clock.now()).await?;
        Ok(())
    }

    /// Feeds by name, each once.
    async fn wishes<'a>(
        &self,
        wanted: impl Iterator<Item = (&'a str, Frequency)>,
    ) -> Result<Vec<Wish>, SubscribeError> {
        let feeds = self.live().await?;
        let mut wishes: Vec<Wish> = Vec::new();
        for (slug, frequency) in wanted {
            let feed = feeds
                .iter()
                .find(|f| f.spec.slug == slug)
                .filter(|_| wishes.len() < MOST_WISHES)
                .ok_or_else(|| SubscribeError::UnknownFeed(slug.chars().take(100).collect()))?;
            if wishes.iter().all(|w| w.feed_id != feed.id) {
                wishes.push(Wish { feed_id: feed.id, frequency });
            }
        }
        Ok(wishes)
    }

    fn manage_id(&self, token: &str) -> Result<i64, SubscribeError> {
        match self.keys.verify(token) {
            Some(Link::Manage(id)) => Ok(id),
            _ => Err(SubscribeError::BadLink),
        }
    }

    fn unsubscribe_id(&self, token: &str) -> Result<(i64, Frequency), SubscribeError> {
        match self.keys.verify(token) {
            Some(Link::Unsubscribe(id, frequency)) => Ok((id, frequency)),
            _ => Err(SubscribeError::BadLink),
        }
    }
}
