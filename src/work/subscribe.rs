//! A person comes, confirms, changes their mind, pauses, moves, and leaves. Every door answers the same whether or not an
//! address is known, and only what a signed link names is ever shown.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::clock::{Clock, Timestamp};
use crate::domain::feed::{Feed, FeedOrigin};
use crate::domain::hour::Hour;
use crate::domain::link::{KeyRing, Link};
use crate::domain::subscriber::{AddressError, EmailAddress, EndReason, Frequency, Locale};
use crate::store::engine::{Store, StoreError};
use crate::store::opt_in::{Confirmed, Consent, OptIn, Purpose, Request};
use crate::store::selection::{MOST_OF_ONE, SelectionWish};
use crate::store::subscriber::{Person, Wish};
use crate::work::wakes::Wakes;

/// The version of the consent text on the subscribe page; kept with each consent.
pub const TEXT_VERSION: &str = "2026-11";

/// The longest pause: who wants more may leave.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(366 * 24);

/// At most this many feeds in one request.
const MOST_WISHES: usize = 200;

/// At most this many selections in one request.
const MOST_SELECTIONS: usize = 5;

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
    /// One person follows as many selections as one may.
    #[error("{MOST_OF_ONE} selections are followed already: end one of them, then try again")]
    Enough,
    /// A pause that ends before it begins, or is too long.
    #[error("a pause ends on a day from tomorrow on, within a year")]
    Pause,
    /// The link is not one of ours, or what it names is gone.
    #[error("this link is not valid, or what it leads to is gone")]
    BadLink,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The address as it was written.
    pub email: &'a str,
    /// Feeds by name, each at its frequency.
    pub feeds: Vec<(String, Frequency)>,
    /// Selections that the asker put together.
    pub selections: Vec<SelectionWish>,
    /// When digests are wanted; nothing: at the site's hour.
    pub hour: Option<Hour>,
    /// In which language to speak to them.
    pub locale: Locale,
    /// What they agreed to. The version and hash of the text are put in here, if `text` is given.
    pub consent: Consent<'a>,
    /// The words that they agreed to, if we showed them.
    pub text: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// Asks for these feeds at one frequency.
    #[must_use]
    pub fn new(email: &'a str, slugs: &[String], frequency: Frequency, locale: Locale, method: &'a str) -> Self {
        Self {
            email,
            feeds: slugs.iter().map(|slug| (slug.clone(), frequency)).collect(),
            selections: Vec::new(),
            hour: None,
            locale,
            consent: Consent { text_version: TEXT_VERSION, method, ..Consent::default() },
            text: None,
        }
    }
}

/// The doors. Cheap to clone.
#[derive(Clone)]
pub struct Subscribe {
    store: Store,
    clock: Clock,
    keys: KeyRing,
    wakes: Wakes,
    international: Arc<AtomicBool>,
}

/// What the manage page shows: the person, and all feeds.
#[derive(Clone, Debug)]
pub struct Managed {
    /// The person.
    pub person: Person,
    /// Every feed that can be followed.
    pub feeds: Vec<Feed>,
}

/// What came of a stated consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// The subscriptions stand.
    Subscribed,
    /// The person left once: they are asked by mail.
    Asked,
}

impl Subscribe {
    /// Doors over this store.
    #[must_use]
    pub fn new(store: Store, clock: Clock, keys: KeyRing, wakes: Wakes) -> Self {
        Self { store, clock, keys, wakes, international: Arc::default() }
    }

    /// The same, for a relay that says whether it takes addresses of any script (SMTPUTF8, RFC 6531).
    #[must_use]
    pub fn over(self, international: Arc<AtomicBool>) -> Self {
        Self { international, ..self }
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
    pub async fn request(&self, ask: &Ask<'_>) -> Result<(), SubscribeError> {
        let email = self.address(ask.email)?;
        let wishes = self.wished(ask).await?;
        self.ask_by_mail(&email, &wishes, ask).await
    }

    /// Takes people in whose consent somebody else states: they are not asked again, unless they left once.
    ///
    /// # Errors
    /// [`SubscribeError`] for what the asker can mend.
    pub async fn take_in(&self, ask: &Ask<'_>) -> Result<Stated, SubscribeError> {
        let email = self.address(ask.email)?;
        let mut wishes = self.wished(ask).await?;
        let now = self.clock.now();
        for wish in &ask.selections {
            let feed_id = self.store.follow_selection(&wish.spec, now).await?.ok_or(SubscribeError::Full)?;
            wishes.push(Wish { feed_id, frequency: wish.frequency });
        }
        let hash = ask.text.map(hash);
        let request = Request { selections: &[], ..self.write(&email, &wishes, ask, hash.as_deref()) };
        let came = self.store.import_people(&[request], false, now).await?;
        if came.gone + came.declined > 0 {
            self.ask_by_mail(&email, &wishes, ask).await?;
            return Ok(Stated::Asked);
        }
        Ok(Stated::Subscribed)
    }

    async fn ask_by_mail(&self, email: &EmailAddress, wishes: &[Wish], ask: &Ask<'_>) -> Result<(), SubscribeError> {
        let hash = ask.text.map(hash);
        let request = self.write(email, wishes, ask, hash.as_deref());
        if self.store.request_opt_in(&request, self.clock.now()).await?.is_some() {
            self.wakes.mails.notify_one();
        } else {
            tracing::info!(subscriber = %email, "a confirmation was asked for too often; none was sent");
        }
        Ok(())
    }

    fn write<'a>(
        &self,
        email: &'a EmailAddress,
        wishes: &'a [Wish],
        ask: &'a Ask<'_>,
        text_hash: Option<&'a str>,
    ) -> Request<'a> {
        Request {
            email,
            wishes,
            selections: &ask.selections,
            hour: ask.hour,
            paused_until: None,
            locale: ask.locale,
            consent: Consent { text_hash: text_hash.or(ask.consent.text_hash), ..ask.consent },
            chance: self.clock.random(),
        }
    }

    /// What is asked for, if it can be followed.
    async fn wished(&self, ask: &Ask<'_>) -> Result<Vec<Wish>, SubscribeError> {
        let wishes = self.wishes(ask.feeds.iter().map(|(s, f)| (s.as_str(), *f))).await?;
        if wishes.is_empty() && ask.selections.is_empty() {
            return Err(SubscribeError::NoFeed);
        }
        let slugs: BTreeSet<String> = ask.selections.iter().map(|wish| wish.spec.select.slug()).collect();
        if slugs.len() > MOST_SELECTIONS {
            return Err(SubscribeError::Full);
        }
        for wish in &ask.selections {
            if !self.store.has_room_for(&wish.spec).await? {
                return Err(SubscribeError::Full);
            }
        }
        Ok(wishes)
    }

    /// An address that can be mailed by the relay that we have.
    fn address(&self, raw: &str) -> Result<EmailAddress, AddressError> {
        if self.international.load(Ordering::Relaxed) {
            EmailAddress::parse_international(raw)
        } else {
            EmailAddress::parse(raw)
        }
    }

    /// What a confirmation link asks to confirm.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged, or whose request is gone.
    pub async fn pending(&self, token: &str) -> Result<(OptIn, Vec<Feed>), SubscribeError> {
        let Some(Link::Confirm(id)) = self.keys.verify(token) else { return Err(SubscribeError::BadLink) };
        let opt_in = self.store.opt_in_of(id).await?.filter(|asked| asked.purpose != Purpose::Moved);
        Ok((opt_in.ok_or(SubscribeError::BadLink)?, self.feeds().await?))
    }

    /// Confirms what a confirmation link names. Pressing it again is fine. Answers the token of the manage page.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged, or whose request lapsed.
    pub async fn confirm(&self, token: &str) -> Result<String, SubscribeError> {
        let (asked, _) = self.pending(token).await?;
        let person = match self.store.confirm(asked.id, self.clock.random(), self.clock.now()).await? {
            Confirmed::Now(person) => {
                // Moving from a digest to immediate mails may have put some into the outbox, and an old address is told.
                self.wakes.mails.notify_one();
                person
            }
            Confirmed::Before(person) => person,
            Confirmed::Lapsed => return Err(SubscribeError::BadLink),
            Confirmed::Full => return Err(SubscribeError::Full),
            Confirmed::Enough => return Err(SubscribeError::Enough),
        };
        let person = self.store.person(person).await?.ok_or(SubscribeError::BadLink)?;
        Ok(self.keys.sign(Link::Manage(person.public_id)))
    }

    /// What a manage link opens.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged, or whose person was erased or moved.
    pub async fn managed(&self, token: &str) -> Result<Managed, SubscribeError> {
        let person = self.person(token).await?;
        let mut feeds = self.live().await?;
        let follows = |feed: &Feed| person.wishes.iter().any(|wish| wish.feed_id == feed.id);
        feeds.retain(|feed| feed.origin != FeedOrigin::Selection || follows(feed));
        Ok(Managed { person, feeds })
    }

    /// Makes the person's subscriptions exactly these (feed slug and frequency), and keeps their hour and language.
    ///
    /// # Errors
    /// [`SubscribeError`]; nothing was changed then.
    pub async fn change(
        &self,
        token: &str,
        wishes: &[(String, Frequency)],
        hour: Option<Hour>,
        locale: Locale,
    ) -> Result<(), SubscribeError> {
        let person = self.person(token).await?;
        let wishes = self.wishes(wishes.iter().map(|(s, f)| (s.as_str(), *f))).await?;
        let (own, all) = (&person.wishes, self.live().await?);
        let selections: Vec<i64> =
            all.iter().filter(|feed| feed.origin == FeedOrigin::Selection).map(|feed| feed.id).collect();
        let selections: Vec<&Wish> = wishes.iter().filter(|wish| selections.contains(&wish.feed_id)).collect();
        let more = selections.iter().any(|wish| own.iter().all(|had| had.feed_id != wish.feed_id));
        if more && selections.len() > MOST_OF_ONE {
            return Err(SubscribeError::Enough);
        }
        self.store.set_wishes(person.id, &wishes, locale, self.clock.now()).await?;
        if hour != person.hour {
            self.store.set_hour(person.id, hour).await?;
        }
        self.wakes.mails.notify_one();
        Ok(())
    }

    /// Lets the person's mails wait until then; with nothing, they go on now.
    ///
    /// # Errors
    /// [`SubscribeError::Pause`] for a time that is over or more than [`LONGEST_PAUSE`] ahead.
    pub async fn pause(&self, token: &str, until: Option<Timestamp>) -> Result<(), SubscribeError> {
        let person = self.person(token).await?;
        let now = self.clock.now();
        if until.is_some_and(|until| until <= now || until > now.plus(LONGEST_PAUSE)) {
            return Err(SubscribeError::Pause);
        }
        self.store.set_pause(person.id, until, now).await?;
        self.wakes.mails.notify_one();
        Ok(())
    }

    /// Asks by mail at another address whether the person's mails shall go there. Says nothing about whether that address
    /// was known.
    ///
    /// # Errors
    /// [`SubscribeError::Address`] for what cannot be mailed.
    pub async fn request_move(&self, token: &str, email: &str) -> Result<(), SubscribeError> {
        let person = self.person(token).await?;
        let to = self.address(email)?;
        let (chance, now) = (self.clock.random(), self.clock.now());
        if self.store.request_move(person.id, &to, person.locale, chance, now).await? {
            self.wakes.mails.notify_one();
        } else {
            tracing::info!(subscriber = %to, "a move was asked for too often, or leads nowhere; no mail was sent");
        }
        Ok(())
    }

    /// Ends everything that this person gets.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged.
    pub async fn leave_all(&self, token: &str) -> Result<(), SubscribeError> {
        let person = self.person(token).await?;
        self.store.unsubscribe(person.id, None, EndReason::Unsubscribed, self.clock.now()).await?;
        Ok(())
    }

    /// Erases the person.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged.
    pub async fn erase(&self, token: &str) -> Result<(), SubscribeError> {
        let person = self.person(token).await?;
        self.store.erase(person.id, self.clock.now()).await?;
        Ok(())
    }

    /// What an unsubscribe link would end, without ending it; nobody if they are gone already. The address is shown masked:
    /// mails get forwarded.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged.
    pub async fn leaving(&self, token: &str) -> Result<(Option<Person>, Frequency), SubscribeError> {
        let Some(Link::Unsubscribe(id, frequency)) = self.keys.verify(token) else {
            return Err(SubscribeError::BadLink);
        };
        Ok((self.store.person_of(id).await?, frequency))
    }

    /// One-click (RFC 8058): ends the subscriptions of the frequency that the mail came by. Fine when already ended, and
    /// when whoever it was is gone. Answers the person as they are now.
    ///
    /// # Errors
    /// [`SubscribeError::BadLink`] for a link that is forged.
    pub async fn unsubscribe(&self, token: &str) -> Result<(Option<Person>, Frequency), SubscribeError> {
        let (person, frequency) = self.leaving(token).await?;
        let Some(person) = person else { return Ok((None, frequency)) };
        self.leave(person.id, frequency).await?;
        Ok((self.store.person(person.id).await?, frequency))
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

    /// The person that a manage link names.
    async fn person(&self, token: &str) -> Result<Person, SubscribeError> {
        let Some(Link::Manage(id)) = self.keys.verify(token) else { return Err(SubscribeError::BadLink) };
        self.store.person_of(id).await?.filter(|p| p.email.is_some()).ok_or(SubscribeError::BadLink)
    }
}

/// SHA-256 of a text, in hexadecimal.
fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
