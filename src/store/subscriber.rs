//! People and what they follow: looked up, changed, paused, ended. How they come is in `opt_in` and `import`, how they are
//! forgotten in `farewell`.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::engine::{Result, Store, Tx, exec, read, tx};
use super::farewell;
use crate::clock::Timestamp;
use crate::domain::hour::Hour;
use crate::domain::public_id::PublicId;
use crate::domain::subscriber::{EmailAddress, EndReason, Frequency, Locale};

/// One feed at one frequency: what a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wish {
    /// The feed's row id.
    pub feed_id: i64,
    /// How often.
    pub frequency: Frequency,
}

/// A person as the manage page shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Row id.
    pub id: i64,
    /// What stands for them in links and message ids.
    pub public_id: PublicId,
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

#[derive(FromRow)]
struct PersonRow {
    id: i64,
    public_id: i64,
    email: Option<String>,
    locale: String,
    digest_minute: Option<i64>,
    paused_until: Option<i64>,
}

#[derive(FromRow)]
pub(super) struct LiveRow {
    pub(super) id: i64,
    pub(super) feed_id: i64,
    pub(super) frequency: String,
    since: i64,
    told_until: i64,
}

// By row id, or by public id.
const PERSON: &str = "
    SELECT id, public_id, email, locale, digest_minute, paused_until FROM subscriber
    WHERE (id = $1 OR public_id = $2) AND kind = 'person' AND public_id IS NOT NULL";

pub(super) const LIVE: &str = "
    SELECT id, feed_id, frequency, since, told_until FROM subscription
    WHERE subscriber_id = $1 AND channel = 'email' AND state = 'confirmed'";

const BEGIN: &str = "
    INSERT INTO subscription (subscriber_id, feed_id, channel, frequency, state, since, told_until)
    VALUES ($1, $2, 'email', $3, 'confirmed', $4, COALESCE($5, (SELECT value FROM counter WHERE name = 'feed_version')))";

pub(super) const END: &str = "
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

// What waits, but not what is on its way. Two statements, each with its index by subscriber, which the one names by what the
// state is not.
const HOLD_MAILS: &str = "
    UPDATE delivery SET due_at = $2
    WHERE subscriber_id = $1 AND channel = 'email' AND article_id IS NOT NULL AND state <> 'cancelled' AND state = 'pending'
      AND lease IS NULL";
const HOLD_DIGESTS: &str = "
    UPDATE delivery SET due_at = $2
    WHERE subscriber_id = $1 AND run_id IS NOT NULL AND channel = 'email' AND state = 'pending' AND lease IS NULL";

impl Store {
    /// A person with their live subscriptions.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn person(&self, id: i64) -> Result<Option<Person>> {
        let row: Option<PersonRow> = read!(self, p => sqlx::query_as(PERSON).bind(id).bind(0_i64).fetch_optional(p))?;
        self.with_wishes(row).await
    }

    /// The person that a link names.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn person_of(&self, id: PublicId) -> Result<Option<Person>> {
        let row: Option<PersonRow> = read!(self, p => sqlx::query_as(PERSON).bind(0_i64).bind(id.0).fetch_optional(p))?;
        self.with_wishes(row).await
    }

    async fn with_wishes(&self, row: Option<PersonRow>) -> Result<Option<Person>> {
        let Some(row) = row else { return Ok(None) };
        let live: Vec<LiveRow> = read!(self, p => sqlx::query_as(LIVE).bind(row.id).fetch_all(p))?;
        let wishes = live
            .into_iter()
            .filter_map(|l| Some(Wish { feed_id: l.feed_id, frequency: Frequency::parse(&l.frequency)? }))
            .collect();
        Ok(Some(Person {
            id: row.id,
            public_id: PublicId(row.public_id),
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
        if !wishes.is_empty() {
            farewell::come_back(&mut tx, id).await?;
        }
        grant(&mut tx, id, wishes, true, now).await?;
        cancel_mails(&mut tx, id, EndReason::Changed, now).await?;
        // A digest that waits still goes to whoever follows anything: its window is behind them.
        if wishes.is_empty() {
            cancel_digests(&mut tx, id, None, EndReason::Changed, now).await?;
            farewell::say(&mut tx, id, EndReason::Unsubscribed, now).await?;
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

    /// Lets a person's mails wait until then, those in the outbox too; nothing: they go on now. Answers to what the person
    /// does are not held back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_pause(&self, id: i64, until: Option<Timestamp>, now: Timestamp) -> Result<()> {
        let mut tx = self.begin().await?;
        exec!(
            &mut tx,
            sqlx::query("UPDATE subscriber SET paused_until = $2 WHERE id = $1").bind(id).bind(until.map(|t| t.0))
        )?;
        let due = until.unwrap_or(now).0;
        exec!(&mut tx, sqlx::query(HOLD_MAILS).bind(id).bind(due))?;
        exec!(&mut tx, sqlx::query(HOLD_DIGESTS).bind(id).bind(due))?;
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
        let ended = end(&mut tx, id, frequency, reason, now).await?;
        tx.commit().await?;
        Ok(ended)
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

    /// How many live email subscriptions there are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_subscriptions(&self) -> Result<i64> {
        Ok(read!(self, p => sqlx::query_scalar(
            "SELECT count(*) FROM subscription WHERE state = 'confirmed' AND channel = 'email'").fetch_one(p))?)
    }
}

/// Makes the wishes true. With `exactly`, what is not wished ends. Answers how many subscriptions began.
pub(super) async fn grant(tx: &mut Tx, id: i64, wishes: &[Wish], exactly: bool, now: Timestamp) -> Result<u64> {
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

/// Ends subscriptions of one frequency or all, cancels what is not sent of them, and notes a farewell if nothing is left.
pub(super) async fn end(
    tx: &mut Tx,
    id: i64,
    frequency: Option<Frequency>,
    reason: EndReason,
    now: Timestamp,
) -> Result<usize> {
    let live: Vec<LiveRow> = tx!(&mut *tx, c => sqlx::query_as(LIVE).bind(id).fetch_all(c))?;
    let mut ended = 0;
    for row in live.iter().filter(|l| frequency.is_none_or(|f| f.as_str() == l.frequency)) {
        exec!(&mut *tx, sqlx::query(END).bind(row.id).bind(now.0).bind(reason.as_str()))?;
        ended += 1;
    }
    cancel_mails(tx, id, reason, now).await?;
    cancel_digests(tx, id, frequency, reason, now).await?;
    if ended == live.len() {
        farewell::say(tx, id, reason, now).await?;
    }
    Ok(ended)
}

/// Cancels unsent mails of articles that the person no longer follows at once.
pub(super) async fn cancel_mails(tx: &mut Tx, id: i64, reason: EndReason, now: Timestamp) -> Result<()> {
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
