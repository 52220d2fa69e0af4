//! People: their requests, their consent, their subscriptions, and their leaving.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::engine::{Result, Store, Tx, exec, from_json, read, to_json, tx};
use super::selection::{MOST_OF_ONE, SelectionWish, begin_selection};
use super::suppression::{attach, detach, lift_person};
use crate::clock::Timestamp;
use crate::domain::hour::Hour;
use crate::domain::subscriber::{EmailAddress, EndReason, Frequency, Locale};

/// One feed at one frequency: what a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wish {
    /// The feed's row id.
    pub feed_id: i64,
    /// How often.
    pub frequency: Frequency,
}

/// A request for subscriptions, before its double opt-in.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub email: &'a EmailAddress,
    /// For what.
    pub wishes: &'a [Wish],
    /// In which language to speak to them.
    pub locale: Locale,
    /// Which version of the consent text they saw.
    pub text_version: &'a str,
    /// How they asked: `form`, `api`, `import`.
    pub method: &'a str,
}

/// A person as the manage page shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Row id.
    pub id: i64,
    /// Nothing once they were erased.
    pub email: Option<String>,
    /// Their language.
    pub locale: Locale,
    /// When they want digests; nothing: at the site's hour.
    pub hour: Option<Hour>,
    /// Until when nothing is mailed.
    pub paused_until: Option<Timestamp>,
    /// Their live subscriptions, by feed.
    pub wishes: Vec<Wish>,
}

/// What a request asked for, for its confirmation mail and page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptIn {
    /// Row id.
    pub id: i64,
    /// Who asked.
    pub subscriber_id: i64,
    /// For what.
    pub wishes: Vec<Wish>,
    /// For which selection besides.
    pub selection: Option<SelectionWish>,
    /// In which language.
    pub locale: Locale,
    /// When.
    pub requested_at: Timestamp,
    /// When it was confirmed, if it was.
    pub confirmed_at: Option<Timestamp>,
}

impl OptIn {
    /// How often: a request has one frequency for all that it asks for.
    #[must_use]
    pub fn frequency(&self) -> Frequency {
        let selection = self.selection.as_ref().map(|wish| wish.frequency);
        self.wishes.first().map(|wish| wish.frequency).or(selection).unwrap_or(Frequency::Daily)
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
}

/// How long a request waits for its confirmation.
pub const OPT_IN_LIFE: Duration = Duration::from_hours(7 * 24);

/// At most this many confirmation mails go to one address in a day, whoever asks.
const OPT_INS_A_DAY: i64 = 3;

#[derive(FromRow)]
struct OptInRow {
    id: i64,
    subscriber_id: i64,
    wishes: String,
    selection: Option<String>,
    locale: String,
    requested_at: i64,
    confirmed_at: Option<i64>,
}

impl OptInRow {
    fn into_opt_in(self) -> Result<OptIn> {
        Ok(OptIn {
            id: self.id,
            subscriber_id: self.subscriber_id,
            wishes: from_json("opt_in.wishes", &self.wishes)?,
            selection: self.selection.map(|json| from_json("opt_in.selection", &json)).transpose()?,
            locale: Locale::parse(&self.locale),
            requested_at: Timestamp(self.requested_at),
            confirmed_at: self.confirmed_at.map(Timestamp),
        })
    }
}

#[derive(FromRow)]
struct PersonRow {
    email: Option<String>,
    locale: String,
    digest_minute: Option<i64>,
    paused_until: Option<i64>,
}

#[derive(FromRow)]
struct LiveRow {
    id: i64,
    feed_id: i64,
    frequency: String,
    since: i64,
    told_until: i64,
}

/// A line of an export: one live subscription of one person.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ExportRow {
    /// Subscription row id, for paging.
    pub id: i64,
    /// Address.
    pub email: String,
    /// Feed.
    pub slug: String,
    /// Frequency.
    pub frequency: String,
    /// Language.
    pub locale: String,
    /// Since when, UTC milliseconds.
    pub since: i64,
}

const OPT_IN: &str =
    "SELECT id, subscriber_id, wishes, selection, locale, requested_at, confirmed_at FROM opt_in WHERE id = $1";

const SELECTIONS_OF_ONE: &str = "
    SELECT count(*) FROM subscription s JOIN feed f ON f.id = s.feed_id
    WHERE s.subscriber_id = $1 AND s.channel = 'email' AND s.state = 'confirmed' AND f.selection IS NOT NULL";

const UPSERT_PERSON: &str = "
    INSERT INTO subscriber (kind, email, email_key, locale, created_at) VALUES ('person', $1, $2, $3, $4)
    ON CONFLICT (email_key) DO UPDATE SET email_key = excluded.email_key RETURNING id";

const LIVE: &str = "
    SELECT id, feed_id, frequency, since, told_until FROM subscription
    WHERE subscriber_id = $1 AND channel = 'email' AND state = 'confirmed'";

const BEGIN: &str = "
    INSERT INTO subscription (subscriber_id, feed_id, channel, frequency, state, since, told_until)
    VALUES ($1, $2, 'email', $3, 'confirmed', $4, COALESCE($5, (SELECT value FROM counter WHERE name = 'feed_version')))";

const END: &str = "
    UPDATE subscription SET state = 'ended', ended_at = $2, end_reason = $3 WHERE id = $1 AND state = 'confirmed'";

// Who moves from a digest to immediate mails is sent at once what waited for the digest: nothing falls between.
const CATCH_UP: &str = "
    INSERT INTO delivery (lane, channel, kind, state, subscriber_id, article_id, due_at, created_at)
    SELECT 'immediate', 'email', 'published', 'pending', $1, fa.article_id, $4, $4
    FROM feed_article fa JOIN article a ON a.id = fa.article_id AND a.visible
    WHERE fa.feed_id = $2 AND fa.left_at IS NULL AND fa.people AND fa.entered > $3
    ON CONFLICT DO NOTHING";

// A mail of these that was cancelled while it was on its way is that mail again, not a second one.
const REVIVE: &str = "
    UPDATE delivery SET state = 'pending', cause = NULL, settled_at = NULL
    WHERE state = 'cancelled' AND lease IS NOT NULL AND channel = 'email' AND kind = 'published' AND subscriber_id = $1
      AND article_id IN (SELECT fa.article_id FROM feed_article fa JOIN article a ON a.id = fa.article_id AND a.visible
                         WHERE fa.feed_id = $2 AND fa.left_at IS NULL AND fa.people AND fa.entered > $3)
      AND NOT EXISTS (SELECT 1 FROM delivery o WHERE o.subscriber_id = delivery.subscriber_id
                      AND o.article_id = delivery.article_id AND o.channel = 'email' AND o.state <> 'cancelled')";

// Who moves from immediate mails to a digest is told by the digest of changes that were not fanned out yet (mails that wait
// are cancelled, and see RETELL). `$2` is where the subscription began: nothing older is meant.
const UNSENT: &str = "
    SELECT min(fa.entered) FROM change ch
    JOIN feed_article fa ON fa.article_id = ch.article_id AND fa.since = ch.seen_at AND fa.feed_id = $1
                        AND fa.left_at IS NULL AND fa.people AND fa.entered > $2
    WHERE ch.processed_at IS NULL AND ch.people AND NOT ch.held";

// The same that a claim asks: a mail goes while its reader follows, at once, a feed that holds its article.
const CANCEL_MAILS: &str = "
    UPDATE delivery SET state = 'cancelled', cause = $3, settled_at = $2
    WHERE subscriber_id = $1 AND state = 'pending' AND channel = 'email' AND kind = 'published' AND NOT EXISTS (
        SELECT 1 FROM subscription w
        JOIN feed_article fa ON fa.feed_id = w.feed_id AND fa.article_id = delivery.article_id AND fa.left_at IS NULL
        WHERE w.subscriber_id = $1 AND w.channel = 'email' AND w.frequency = 'immediate' AND w.state = 'confirmed')
    RETURNING article_id";

// What a mail does not tell after all, the next digest of a feed that holds it must: an earlier one may have left it out for
// the mail's sake. Whatever else lies behind the same mark was told, and is left out when the digest is composed.
const RETELL: &str = "
    UPDATE subscription SET told_until = x.mark
    FROM (SELECT s.id AS id, min(fa.entered) - 1 AS mark
          FROM subscription s JOIN feed_article fa ON fa.feed_id = s.feed_id AND fa.left_at IS NULL AND fa.people
          WHERE s.subscriber_id = $1 AND s.channel = 'email' AND s.frequency <> 'immediate' AND s.state = 'confirmed'
            AND fa.article_id = $2 AND fa.since >= s.since GROUP BY s.id) x
    WHERE subscription.id = x.id AND subscription.told_until > x.mark";

// `$4` is the frequency that was left, or nothing for all.
const CANCEL_DIGESTS: &str = "
    UPDATE delivery SET state = 'cancelled', cause = $3, settled_at = $2
    WHERE subscriber_id = $1 AND state = 'pending' AND channel = 'email' AND kind = 'digest' AND run_id IN (
        SELECT r.id FROM digest_run r WHERE ($4 = '' OR r.frequency = $4) AND NOT EXISTS (
            SELECT 1 FROM subscription w
            WHERE w.subscriber_id = $1 AND w.channel = 'email' AND w.frequency = r.frequency AND w.state = 'confirmed'))";

impl Store {
    /// Writes a request and, in the same transaction, the confirmation mail to be sent. Answers nothing if this address
    /// was asked often enough today: the mail is then not sent again, and the asker is told nothing different.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn request_opt_in(&self, request: &Request<'_>, now: Timestamp) -> Result<Option<i64>> {
        self.request_selection(request, None, now).await
    }

    /// As [`Store::request_opt_in`], for a selection besides: it becomes a feed once the request is confirmed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn request_selection(
        &self,
        request: &Request<'_>,
        selection: Option<&SelectionWish>,
        now: Timestamp,
    ) -> Result<Option<i64>> {
        let mut tx = self.begin().await?;
        let id = upsert_person(&mut tx, request.email, request.locale, now).await?;
        let today: i64 = tx!(&mut tx, c => sqlx::query_scalar("
            SELECT count(*) FROM opt_in WHERE subscriber_id = $1 AND requested_at > $2 AND method <> 'import'")
            .bind(id).bind(now.minus(Duration::from_hours(24)).0).fetch_one(c))?;
        if today >= OPT_INS_A_DAY {
            return Ok(None);
        }
        let opt_in = insert_opt_in(&mut tx, id, request, selection, now, None).await?;
        exec!(
            &mut tx,
            sqlx::query(
                "
            INSERT INTO delivery (lane, channel, kind, state, subscriber_id, opt_in_id, due_at, created_at)
            VALUES ('transactional', 'email', 'confirm', 'pending', $1, $2, $3, $3)"
            )
            .bind(id)
            .bind(opt_in)
            .bind(now.0)
        )?;
        tx.commit().await?;
        Ok(Some(opt_in))
    }

    /// The request with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn opt_in(&self, id: i64) -> Result<Option<OptIn>> {
        let row: Option<OptInRow> = read!(self, p => sqlx::query_as(OPT_IN).bind(id).fetch_optional(p))?;
        row.map(OptInRow::into_opt_in).transpose()
    }

    /// Confirms a request: its wishes become subscriptions. Using the link again changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn confirm(&self, opt_in: i64, now: Timestamp) -> Result<Confirmed> {
        let mut tx = self.begin().await?;
        let row: Option<OptInRow> = tx!(&mut tx, c => sqlx::query_as(OPT_IN).bind(opt_in).fetch_optional(c))?;
        let Some(row) = row.map(OptInRow::into_opt_in).transpose()? else { return Ok(Confirmed::Lapsed) };
        if row.confirmed_at.is_some() {
            return Ok(Confirmed::Before(row.subscriber_id));
        }
        if now.since(row.requested_at) > OPT_IN_LIFE {
            return Ok(Confirmed::Lapsed);
        }
        let taken = exec!(
            &mut tx,
            sqlx::query("UPDATE opt_in SET confirmed_at = $2 WHERE id = $1 AND confirmed_at IS NULL")
                .bind(opt_in)
                .bind(now.0)
        )?;
        if taken == 0 {
            return Ok(Confirmed::Before(row.subscriber_id));
        }
        exec!(
            &mut tx,
            sqlx::query("UPDATE subscriber SET locale = $2 WHERE id = $1")
                .bind(row.subscriber_id)
                .bind(row.locale.as_str())
        )?;
        let mut wishes = row.wishes;
        if let Some(wish) = row.selection {
            let followed: i64 =
                tx!(&mut tx, c => sqlx::query_scalar(SELECTIONS_OF_ONE).bind(row.subscriber_id).fetch_one(c))?;
            if followed >= MOST_OF_ONE {
                return Ok(Confirmed::Lapsed);
            }
            let Some(feed_id) = begin_selection(&mut tx, &wish.spec, now).await? else { return Ok(Confirmed::Lapsed) };
            wishes.push(Wish { feed_id, frequency: wish.frequency });
        }
        // Whoever asks anew and has the mailbox is to be mailed, whatever was said of the address before.
        lift_person(&mut tx, row.subscriber_id, now).await?;
        grant(&mut tx, row.subscriber_id, &wishes, false, now).await?;
        cancel_mails(&mut tx, row.subscriber_id, EndReason::Changed, now).await?;
        tx.commit().await?;
        Ok(Confirmed::Now(row.subscriber_id))
    }

    /// Adds confirmed subscriptions without a mail: for people whose consent the operator holds. Existing ones keep
    /// their frequency. All of the batch or none of it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import_people(&self, batch: &[Request<'_>], now: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        let mut new = 0;
        for request in batch {
            let id = upsert_person(&mut tx, request.email, request.locale, now).await?;
            let live: Vec<LiveRow> = tx!(&mut tx, c => sqlx::query_as(LIVE).bind(id).fetch_all(c))?;
            let wishes: Vec<Wish> =
                request.wishes.iter().filter(|w| live.iter().all(|l| l.feed_id != w.feed_id)).copied().collect();
            if wishes.is_empty() {
                continue;
            }
            insert_opt_in(&mut tx, id, request, None, now, Some(now)).await?;
            new += grant(&mut tx, id, &wishes, false, now).await?;
        }
        tx.commit().await?;
        Ok(new)
    }

    /// A person with their live subscriptions.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn person(&self, id: i64) -> Result<Option<Person>> {
        let row: Option<PersonRow> = read!(self, p => sqlx::query_as(
            "SELECT email, locale, digest_minute, paused_until FROM subscriber WHERE id = $1 AND kind = 'person'")
            .bind(id).fetch_optional(p))?;
        let Some(row) = row else { return Ok(None) };
        let live: Vec<LiveRow> = read!(self, p => sqlx::query_as(LIVE).bind(id).fetch_all(p))?;
        let wishes = live
            .into_iter()
            .filter_map(|l| Some(Wish { feed_id: l.feed_id, frequency: Frequency::parse(&l.frequency)? }))
            .collect();
        Ok(Some(Person {
            id,
            email: row.email,
            locale: Locale::parse(&row.locale),
            hour: row.digest_minute.and_then(Hour::from_minutes),
            paused_until: row.paused_until.map(Timestamp),
            wishes,
        }))
    }

    /// The row id of the person with this address.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn person_by_email(&self, email: &EmailAddress) -> Result<Option<i64>> {
        Ok(read!(self, p => sqlx::query_scalar("SELECT id FROM subscriber WHERE email_key = $1")
            .bind(email.key()).fetch_optional(p))?)
    }

    /// Makes a person's subscriptions exactly these. What is no longer wished ends as [`EndReason::Changed`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_wishes(&self, id: i64, wishes: &[Wish], locale: Locale, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(&mut tx, sqlx::query("UPDATE subscriber SET locale = $2 WHERE id = $1").bind(id).bind(locale.as_str()))?;
        grant(&mut tx, id, wishes, true, now).await?;
        cancel_mails(&mut tx, id, EndReason::Changed, now).await?;
        // A digest that waits still goes to whoever follows anything: its window is behind them.
        if wishes.is_empty() {
            cancel_digests(&mut tx, id, None, EndReason::Changed, now).await?;
        }
        tx.commit().await
    }

    /// Keeps when a person wants digests; nothing: at the site's hour.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_hour(&self, id: i64, hour: Option<Hour>) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(
            &mut tx,
            sqlx::query("UPDATE subscriber SET digest_minute = $2 WHERE id = $1")
                .bind(id)
                .bind(hour.map(Hour::minutes))
        )?;
        tx.commit().await
    }

    /// Keeps until when a person wants no mail; nothing: mails go on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_pause(&self, id: i64, until: Option<Timestamp>) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(
            &mut tx,
            sqlx::query("UPDATE subscriber SET paused_until = $2 WHERE id = $1").bind(id).bind(until.map(|t| t.0))
        )?;
        tx.commit().await
    }

    /// Ends a person's subscriptions of one frequency, or all of them, and cancels what is not yet sent of them.
    /// Answers how many ended; none is no error, since a link may be pressed twice.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unsubscribe(
        &self,
        id: i64,
        frequency: Option<Frequency>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<usize> {
        let mut tx = self.begin().await?;
        let live: Vec<LiveRow> = tx!(&mut tx, c => sqlx::query_as(LIVE).bind(id).fetch_all(c))?;
        let mut ended = 0;
        for row in live.iter().filter(|l| frequency.is_none_or(|f| f.as_str() == l.frequency)) {
            exec!(&mut tx, sqlx::query(END).bind(row.id).bind(now.0).bind(reason.as_str()))?;
            ended += 1;
        }
        cancel_mails(&mut tx, id, reason, now).await?;
        cancel_digests(&mut tx, id, frequency, reason, now).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Erases a person: subscriptions end, what is pending is cancelled, the address is gone from every table.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn erase(&self, id: i64, now: Timestamp) -> Result<()> {
        self.unsubscribe(id, None, EndReason::Erased, now).await?;
        let mut tx = self.begin().await?;
        exec!(
            &mut tx,
            sqlx::query(
                "
            UPDATE delivery SET state = 'cancelled', cause = 'erased', settled_at = $2
            WHERE subscriber_id = $1 AND state = 'pending'"
            )
            .bind(id)
            .bind(now.0)
        )?;
        detach(&mut tx, id).await?;
        exec!(&mut tx, sqlx::query("DELETE FROM opt_in WHERE subscriber_id = $1").bind(id))?;
        exec!(
            &mut tx,
            sqlx::query("UPDATE subscriber SET email = NULL, email_key = NULL WHERE id = $1 AND kind = 'person'")
                .bind(id)
        )?;
        tx.commit().await
    }

    /// Lets the next digest tell a person of articles that a mail was to tell and will not: person and article.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retell(&self, untold: &[(i64, i64)]) -> Result<()> {
        let mut tx = self.begin().await?;
        for (person, article) in untold {
            exec!(&mut tx, sqlx::query(RETELL).bind(person).bind(article))?;
        }
        tx.commit().await
    }

    /// Live email subscriptions by row id after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_page(&self, after: i64, limit: i64) -> Result<Vec<ExportRow>> {
        Ok(read!(self, p => sqlx::query_as("
            SELECT s.id, p.email, f.slug, s.frequency, p.locale, s.since
            FROM subscription s JOIN subscriber p ON p.id = s.subscriber_id JOIN feed f ON f.id = s.feed_id
            WHERE s.id > $1 AND s.state = 'confirmed' AND s.channel = 'email' AND p.email IS NOT NULL
            ORDER BY s.id LIMIT $2").bind(after).bind(limit).fetch_all(p))?)
    }

    /// How many live email subscriptions there are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_subscriptions(&self) -> Result<i64> {
        Ok(read!(self, p => sqlx::query_scalar(
            "SELECT count(*) FROM subscription WHERE state = 'confirmed' AND channel = 'email'").fetch_one(p))?)
    }

    /// Forgets addresses of people who have had no live subscription and no open request since `before`.
    /// Answers how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep_people(&self, before: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        let n = exec!(
            &mut tx,
            sqlx::query(
                "
            UPDATE subscriber SET email = NULL, email_key = NULL
            WHERE kind = 'person' AND email IS NOT NULL AND created_at < $1
              AND NOT EXISTS (SELECT 1 FROM subscription s WHERE s.subscriber_id = subscriber.id
                              AND (s.state = 'confirmed' OR s.ended_at >= $1))
              AND NOT EXISTS (SELECT 1 FROM opt_in o WHERE o.subscriber_id = subscriber.id AND o.requested_at >= $1)
              AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.subscriber_id = subscriber.id AND d.state = 'pending')"
            )
            .bind(before.0)
        )?;
        tx.commit().await?;
        Ok(n)
    }
}

async fn upsert_person(tx: &mut Tx, email: &EmailAddress, locale: Locale, now: Timestamp) -> Result<i64> {
    let id = tx!(tx, c => sqlx::query_scalar(UPSERT_PERSON)
        .bind(email.as_str()).bind(email.key()).bind(locale.as_str()).bind(now.0).fetch_one(c))?;
    attach(tx, id, email).await?;
    Ok(id)
}

async fn insert_opt_in(
    tx: &mut Tx,
    id: i64,
    request: &Request<'_>,
    selection: Option<&SelectionWish>,
    now: Timestamp,
    confirmed: Option<Timestamp>,
) -> Result<i64> {
    let selection = selection.map(to_json).transpose()?;
    Ok(tx!(tx, c => sqlx::query_scalar("
        INSERT INTO opt_in (subscriber_id, wishes, locale, text_version, method, requested_at, confirmed_at, selection)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id")
        .bind(id).bind(to_json(&request.wishes)?).bind(request.locale.as_str()).bind(request.text_version)
        .bind(request.method).bind(now.0).bind(confirmed.map(|t| t.0)).bind(&selection).fetch_one(c))?)
}

/// Makes the wishes true. With `exactly`, what is not wished ends. Answers how many subscriptions began.
async fn grant(tx: &mut Tx, id: i64, wishes: &[Wish], exactly: bool, now: Timestamp) -> Result<u64> {
    let live: Vec<LiveRow> = tx!(tx, c => sqlx::query_as(LIVE).bind(id).fetch_all(c))?;
    let mut begun = 0;
    for row in &live {
        let wish = wishes.iter().find(|w| w.feed_id == row.feed_id);
        if wish.map_or(exactly, |w| w.frequency.as_str() != row.frequency) {
            exec!(tx, sqlx::query(END).bind(row.id).bind(now.0).bind(EndReason::Changed.as_str()))?;
        }
    }
    for wish in wishes {
        let old = live.iter().find(|l| l.feed_id == wish.feed_id);
        if old.is_some_and(|o| o.frequency == wish.frequency.as_str()) {
            continue;
        }
        // From one digest to another, the new one goes on where the old one stopped.
        let digest_before = old.filter(|o| o.frequency != Frequency::Immediate.as_str()).map(|o| o.told_until);
        let told_until = match old {
            Some(old) if digest_before.is_none() => {
                let unsent: Option<i64> = tx!(tx, c => sqlx::query_scalar(UNSENT)
                    .bind(wish.feed_id).bind(old.told_until).fetch_one(c))?;
                unsent.map(|first| first - 1)
            }
            _ => digest_before,
        };
        // A digest goes on for whoever followed before; immediate mails begin with what is seen from now on.
        let since = old.filter(|_| wish.frequency != Frequency::Immediate).map_or(now.0, |o| o.since);
        exec!(
            tx,
            sqlx::query(BEGIN).bind(id).bind(wish.feed_id).bind(wish.frequency.as_str()).bind(since).bind(told_until)
        )?;
        begun += 1;
        if let Some(told_until) = digest_before.filter(|_| wish.frequency == Frequency::Immediate) {
            exec!(tx, sqlx::query(REVIVE).bind(id).bind(wish.feed_id).bind(told_until))?;
            exec!(tx, sqlx::query(CATCH_UP).bind(id).bind(wish.feed_id).bind(told_until).bind(now.0))?;
        }
    }
    Ok(begun)
}

/// Cancels unsent mails of articles that the person no longer follows at once.
async fn cancel_mails(tx: &mut Tx, id: i64, reason: EndReason, now: Timestamp) -> Result<()> {
    let untold: Vec<Option<i64>> = tx!(tx, c => sqlx::query_scalar(CANCEL_MAILS)
        .bind(id).bind(now.0).bind(reason.as_str()).fetch_all(c))?;
    for article in untold.into_iter().flatten() {
        exec!(tx, sqlx::query(RETELL).bind(id).bind(article))?;
    }
    Ok(())
}

/// Cancels unsent digests of a frequency (or of any) of which the person has no live subscription left.
async fn cancel_digests(
    tx: &mut Tx,
    id: i64,
    frequency: Option<Frequency>,
    reason: EndReason,
    now: Timestamp,
) -> Result<()> {
    let left = frequency.map_or("", Frequency::as_str);
    exec!(tx, sqlx::query(CANCEL_DIGESTS).bind(id).bind(now.0).bind(reason.as_str()).bind(left))?;
    Ok(())
}
