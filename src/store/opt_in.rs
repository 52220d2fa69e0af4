//! How a person comes: a request, the question by mail (double opt-in), and the evidence of the consent. Grants nothing
//! before the answer.

use std::time::Duration;

use serde::Deserialize;
use sqlx::FromRow;

use super::engine::{Result, Store, Tx, exec, from_json, read, to_json, tx};
use super::selection::{MOST_OF_ONE, SelectionWish, begin_selection};
use super::subscriber::{Wish, cancel_mails, grant};
use super::{farewell, moving, suppression};
use crate::clock::Timestamp;
use crate::domain::hour::Hour;
use crate::domain::public_id::PublicId;
use crate::domain::subscriber::{EmailAddress, EndReason, Frequency, Locale};

/// What somebody agreed to, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Consent<'a> {
    /// Which version of the consent text they saw.
    pub text_version: &'a str,
    /// SHA-256 of the words that they saw, in hexadecimal.
    pub text_hash: Option<&'a str>,
    /// How they asked: `form`, `api`, or `import` and how the operator got it.
    pub method: &'a str,
    /// Of consent from elsewhere: what whoever brought it says of it.
    pub evidence: Option<&'a str>,
    /// Of consent from elsewhere: when it was given.
    pub given_at: Option<Timestamp>,
}

/// A request for subscriptions, before its double opt-in.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub email: &'a EmailAddress,
    /// For what.
    pub wishes: &'a [Wish],
    /// For which selections besides: they become feeds once the request is confirmed.
    pub selections: &'a [SelectionWish],
    /// When digests are wanted; nothing: at the site's hour.
    pub hour: Option<Hour>,
    /// Until when nothing is wanted; only of people who are brought in.
    pub paused_until: Option<Timestamp>,
    /// In which language to speak to them.
    pub locale: Locale,
    /// What they agreed to.
    pub consent: Consent<'a>,
    /// Chance for the ids by which links name the person and the request.
    pub chance: [u8; 16],
}

impl<'a> Request<'a> {
    /// A request for feeds alone.
    #[must_use]
    pub fn new(email: &'a EmailAddress, wishes: &'a [Wish], locale: Locale, method: &'a str, chance: [u8; 16]) -> Self {
        let consent = Consent { method, ..Consent::default() };
        Self { email, wishes, selections: &[], hour: None, paused_until: None, locale, consent, chance }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Subscriptions.
    Subscribe,
    /// To bring what a person gets to this address, from the one that they have.
    Move,
    /// Nothing more: it tells an address that it was left.
    Moved,
}

impl Purpose {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Move => "move",
            Self::Moved => "moved",
        }
    }
}

/// What a request asked for, for its confirmation mail and page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptIn {
    /// Row id.
    pub id: i64,
    /// What stands for it in links.
    pub public_id: PublicId,
    /// Who asked.
    pub subscriber_id: i64,
    /// What for.
    pub purpose: Purpose,
    /// Of a move: who moves.
    pub moves_id: Option<i64>,
    /// For what.
    pub wishes: Vec<Wish>,
    /// For which selections besides.
    pub selections: Vec<SelectionWish>,
    /// When digests are wanted.
    pub hour: Option<Hour>,
    /// In which language.
    pub locale: Locale,
    /// When.
    pub requested_at: Timestamp,
    /// When it was confirmed, if it was.
    pub confirmed_at: Option<Timestamp>,
}

impl OptIn {
    /// How often, if all that is asked for is wanted equally often.
    #[must_use]
    pub fn frequency(&self) -> Option<Frequency> {
        let mut all = self.wishes.iter().map(|w| w.frequency).chain(self.selections.iter().map(|s| s.frequency));
        let first = all.next()?;
        all.all(|f| f == first).then_some(first)
    }
}

/// What came of a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// The subscriptions stand.
    Now(i64),
    /// They stood already: the link was used before.
    Before(i64),
    /// The request is too old, or unknown.
    Lapsed,
    /// As many selections are followed as can be: nothing was confirmed, and it may be tried again.
    Full,
    /// This person follows as many selections as one may: the same.
    Enough,
}

/// How long a request waits for its confirmation.
pub const OPT_IN_LIFE: Duration = Duration::from_hours(7 * 24);

/// At most this many confirmation mails go to one address in a day, whoever asks.
pub const OPT_INS_A_DAY: i64 = 3;

#[derive(FromRow)]
struct OptInRow {
    id: i64,
    public_id: i64,
    subscriber_id: i64,
    purpose: String,
    moves_id: Option<i64>,
    wishes: String,
    selection: Option<String>,
    digest_minute: Option<i64>,
    locale: String,
    requested_at: i64,
    confirmed_at: Option<i64>,
}

/// Selections as they are kept: a list, and in rows of old one alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kept {
    Many(Vec<SelectionWish>),
    One(Box<SelectionWish>),
}

impl OptInRow {
    fn into_opt_in(self) -> Result<OptIn> {
        let selections = self.selection.map(|json| from_json("opt_in.selection", &json)).transpose()?;
        Ok(OptIn {
            id: self.id,
            public_id: PublicId(self.public_id),
            subscriber_id: self.subscriber_id,
            purpose: [Purpose::Move, Purpose::Moved]
                .into_iter()
                .find(|p| p.as_str() == self.purpose)
                .unwrap_or(Purpose::Subscribe),
            moves_id: self.moves_id,
            wishes: from_json("opt_in.wishes", &self.wishes)?,
            selections: match selections {
                None => Vec::new(),
                Some(Kept::Many(all)) => all,
                Some(Kept::One(one)) => vec![*one],
            },
            hour: self.digest_minute.and_then(Hour::from_minutes),
            locale: Locale::parse(&self.locale),
            requested_at: Timestamp(self.requested_at),
            confirmed_at: self.confirmed_at.map(Timestamp),
        })
    }
}

macro_rules! opt_in {
    ($which:literal) => {
        concat!(
            "SELECT id, public_id, subscriber_id, purpose, moves_id, wishes, selection, digest_minute, locale, requested_at,
                    confirmed_at FROM opt_in WHERE ",
            $which
        )
    };
}
const OPT_IN: &str = opt_in!("id = $1");
const OPT_IN_OF: &str = opt_in!("public_id = $1");
const OPEN: &str = opt_in!(
    "subscriber_id = $1 AND confirmed_at IS NULL AND purpose = 'subscribe' AND requested_at >= $2 ORDER BY id DESC"
);

const TODAY: &str = "
    SELECT count(*) FROM opt_in
    WHERE subscriber_id = $1 AND requested_at > $2 AND purpose <> 'moved' AND method NOT LIKE 'import%'";

const SELECTIONS_OF_ONE: &str = "
    SELECT f.slug FROM subscription s JOIN feed f ON f.id = s.feed_id
    WHERE s.subscriber_id = $1 AND s.channel = 'email' AND s.state = 'confirmed' AND f.selection IS NOT NULL";

const UPSERT_PERSON: &str = "
    INSERT INTO subscriber (kind, email, email_key, locale, created_at, public_id) VALUES ('person', $1, $2, $3, $4, $5)
    ON CONFLICT (email_key) DO UPDATE SET email_key = excluded.email_key RETURNING id";

const INSERT: &str = "
    INSERT INTO opt_in (subscriber_id, wishes, locale, text_version, method, requested_at, confirmed_at, selection,
                        public_id, digest_minute, text_hash, evidence, purpose, moves_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id";

// Every open request of a person asks for the same: whichever link is pressed, all of it is confirmed.
const MERGE: &str = "
    UPDATE opt_in SET wishes = $2, selection = $3, digest_minute = $4, locale = $5
    WHERE subscriber_id = $1 AND confirmed_at IS NULL AND purpose = 'subscribe' AND requested_at >= $6";

// The row is touched so that nobody claims it meanwhile.
const NOT_ON_ITS_WAY: &str = "
    UPDATE delivery SET due_at = due_at WHERE opt_in_id = $1 AND state = 'pending' AND lease IS NULL AND attempts = 0";

const RENEW: &str = "
    UPDATE opt_in SET text_version = $2, text_hash = $3, method = $4, requested_at = $5 WHERE id = $1";

const CONFIRM: &str = "
    UPDATE opt_in SET confirmed_at = $2
    WHERE confirmed_at IS NULL AND (id = $1 OR (subscriber_id = $3 AND purpose = 'subscribe' AND requested_at >= $4))";

const MAIL: &str = "
    INSERT INTO delivery (lane, channel, kind, state, subscriber_id, opt_in_id, due_at, created_at)
    VALUES ('transactional', 'email', 'confirm', 'pending', $1, $2, $3, $3)";

impl Store {
    /// Writes a request and, in the same transaction, the confirmation mail to be sent. A request that follows another one
    /// joins it; if that one's mail is not sent yet, it is the mail of both. Answers nothing if this address was asked often
    /// enough today: no mail is sent then, and the asker is told nothing different.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn request_opt_in(&self, request: &Request<'_>, now: Timestamp) -> Result<Option<i64>> {
        let mut tx = self.begin().await?;
        let id = upsert_person(&mut tx, request.email, request.locale, request.chance, now).await?;
        let since = now.minus(OPT_IN_LIFE).0;
        let open: Vec<OptInRow> = tx!(&mut tx, c => sqlx::query_as(OPEN).bind(id).bind(since).fetch_all(c))?;
        let before = open.into_iter().next().map(OptInRow::into_opt_in).transpose()?;
        let (mut wishes, mut selections) = (request.wishes.to_vec(), request.selections.to_vec());
        let mut hour = request.hour;
        if let Some(before) = &before {
            let old = before.wishes.iter().filter(|w| request.wishes.iter().all(|n| n.feed_id != w.feed_id));
            wishes.extend(old);
            let old = before
                .selections
                .iter()
                .filter(|s| request.selections.iter().all(|n| n.spec.select.slug() != s.spec.select.slug()));
            selections.extend(old.cloned());
            hour = hour.or(before.hour);
        }
        let waits = match &before {
            Some(before) => exec!(&mut tx, sqlx::query(NOT_ON_ITS_WAY).bind(before.id))? > 0,
            None => false,
        };
        if !waits && asked_often(&mut tx, id, now).await? {
            // Written all the same, so that this answer takes as long as any other.
            tx.commit().await?;
            return Ok(None);
        }
        let asked = if let Some(before) = before.filter(|_| waits) {
            let consent = &request.consent;
            exec!(
                &mut tx,
                sqlx::query(RENEW)
                    .bind(before.id)
                    .bind(consent.text_version)
                    .bind(consent.text_hash)
                    .bind(consent.method)
                    .bind(now.0)
            )?;
            before.id
        } else {
            let asked = insert(&mut tx, id, request, Purpose::Subscribe, None, now, None).await?;
            mail(&mut tx, id, asked, now).await?;
            asked
        };
        exec!(
            &mut tx,
            sqlx::query(MERGE)
                .bind(id)
                .bind(to_json(&wishes)?)
                .bind(kept(&selections)?)
                .bind(hour.map(Hour::minutes))
                .bind(request.locale.as_str())
                .bind(since)
        )?;
        tx.commit().await?;
        Ok(Some(asked))
    }

    /// The request with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn opt_in(&self, id: i64) -> Result<Option<OptIn>> {
        let row: Option<OptInRow> = read!(self, p => sqlx::query_as(OPT_IN).bind(id).fetch_optional(p))?;
        row.map(OptInRow::into_opt_in).transpose()
    }

    /// The request that a link names.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn opt_in_of(&self, id: PublicId) -> Result<Option<OptIn>> {
        let row: Option<OptInRow> = read!(self, p => sqlx::query_as(OPT_IN_OF).bind(id.0).fetch_optional(p))?;
        row.map(OptInRow::into_opt_in).transpose()
    }

    /// Confirms a request: its wishes become subscriptions, or its person moves. Using the link again changes nothing.
    /// `chance` is for the ids of a person who moves.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn confirm(&self, opt_in: i64, chance: [u8; 16], now: Timestamp) -> Result<Confirmed> {
        let mut tx = self.begin().await?;
        let row: Option<OptInRow> = tx!(&mut tx, c => sqlx::query_as(OPT_IN).bind(opt_in).fetch_optional(c))?;
        let Some(row) = row.map(OptInRow::into_opt_in).transpose()? else { return Ok(Confirmed::Lapsed) };
        let id = row.subscriber_id;
        if row.confirmed_at.is_some() {
            return Ok(Confirmed::Before(id));
        }
        if now.since(row.requested_at) > OPT_IN_LIFE || row.purpose == Purpose::Moved {
            return Ok(Confirmed::Lapsed);
        }
        let with = if row.purpose == Purpose::Subscribe { id } else { 0 };
        let since = now.minus(OPT_IN_LIFE).0;
        if exec!(&mut tx, sqlx::query(CONFIRM).bind(opt_in).bind(now.0).bind(with).bind(since))? == 0 {
            return Ok(Confirmed::Before(id));
        }
        if let (Purpose::Move, Some(who)) = (row.purpose, row.moves_id) {
            let Some(id) = moving::bring(&mut tx, opt_in, (who, id), chance, now).await? else {
                return Ok(Confirmed::Lapsed);
            };
            suppression::lift_person(&mut tx, id, now).await?;
            farewell::come_back(&mut tx, id).await?;
            tx.commit().await?;
            return Ok(Confirmed::Now(id));
        }
        exec!(
            &mut tx,
            sqlx::query("UPDATE subscriber SET locale = $2, digest_minute = COALESCE($3, digest_minute) WHERE id = $1")
                .bind(id)
                .bind(row.locale.as_str())
                .bind(row.hour.map(Hour::minutes))
        )?;
        let mut wishes = row.wishes;
        let mut followed: Vec<String> = tx!(&mut tx, c => sqlx::query_scalar(SELECTIONS_OF_ONE).bind(id).fetch_all(c))?;
        for wish in row.selections {
            let slug = wish.spec.select.slug();
            if !followed.contains(&slug) {
                if followed.len() >= MOST_OF_ONE {
                    return Ok(Confirmed::Enough);
                }
                followed.push(slug);
            }
            let Some(feed_id) = begin_selection(&mut tx, &wish.spec, now).await? else { return Ok(Confirmed::Full) };
            wishes.push(Wish { feed_id, frequency: wish.frequency });
        }
        // Whoever asks anew and has the mailbox is to be mailed, whatever was said of the address before.
        suppression::lift_person(&mut tx, id, now).await?;
        grant(&mut tx, id, &wishes, false, now).await?;
        cancel_mails(&mut tx, id, EndReason::Changed, now).await?;
        farewell::come_back(&mut tx, id).await?;
        tx.commit().await?;
        Ok(Confirmed::Now(id))
    }
}

/// The row of whoever has this address, made if there is none.
pub(super) async fn upsert_person(
    tx: &mut Tx,
    email: &EmailAddress,
    locale: Locale,
    chance: [u8; 16],
    now: Timestamp,
) -> Result<i64> {
    let public = PublicId::drawn(chance, &format!("person {} {}", now.0, email.key()));
    let id = tx!(tx, c => sqlx::query_scalar(UPSERT_PERSON)
        .bind(email.as_str()).bind(email.key()).bind(locale.as_str()).bind(now.0).bind(public.0).fetch_one(c))?;
    suppression::attach(tx, id, email).await?;
    Ok(id)
}

/// Whether this address was sent as many questions as it may be in a day.
pub(super) async fn asked_often(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let since = now.minus(Duration::from_hours(24)).0;
    let today: i64 = tx!(tx, c => sqlx::query_scalar(TODAY).bind(id).bind(since).fetch_one(c))?;
    Ok(today >= OPT_INS_A_DAY)
}

/// The mail that asks, or tells.
pub(super) async fn mail(tx: &mut Tx, id: i64, opt_in: i64, now: Timestamp) -> Result<()> {
    exec!(tx, sqlx::query(MAIL).bind(id).bind(opt_in).bind(now.0))?;
    Ok(())
}

pub(super) async fn insert(
    tx: &mut Tx,
    id: i64,
    request: &Request<'_>,
    purpose: Purpose,
    moves_id: Option<i64>,
    now: Timestamp,
    confirmed: Option<Timestamp>,
) -> Result<i64> {
    let consent = &request.consent;
    let of = format!("{} {} {}", purpose.as_str(), now.0, request.email.key());
    Ok(tx!(tx, c => sqlx::query_scalar(INSERT)
        .bind(id).bind(to_json(&request.wishes)?).bind(request.locale.as_str()).bind(consent.text_version)
        .bind(consent.method).bind(consent.given_at.unwrap_or(now).0).bind(confirmed.map(|t| t.0))
        .bind(kept(request.selections)?).bind(PublicId::drawn(request.chance, &of).0)
        .bind(request.hour.map(Hour::minutes)).bind(consent.text_hash).bind(consent.evidence)
        .bind(purpose.as_str()).bind(moves_id).fetch_one(c))?)
}

fn kept(selections: &[SelectionWish]) -> Result<Option<String>> {
    if selections.is_empty() { Ok(None) } else { to_json(&selections).map(Some) }
}
