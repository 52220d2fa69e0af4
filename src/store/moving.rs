//! A person gets another address. Until it is confirmed at the new one nothing changes; afterwards the new address has
//! the person, their ledger and their links, and the old one has nothing and is told so.

use std::time::Duration;

use super::engine::{Result, Store, Tx, exec, tx};
use super::opt_in::{Consent, OPT_INS_A_DAY, Purpose, Request, asked_often, insert, mail, upsert_person};
use super::subscriber::{END, LIVE, LiveRow};
use super::{farewell, suppression};
use crate::clock::Timestamp;
use crate::domain::public_id::PublicId;
use crate::domain::subscriber::{EmailAddress, EndReason, Locale};

const MOVES_TODAY: &str = "SELECT count(*) FROM opt_in WHERE moves_id = $1 AND purpose = 'move' AND requested_at > $2";

// Only the newest wish to move counts; the others stay, since they count for how often somebody was asked.
const NEWEST: &str = "SELECT max(id) FROM opt_in WHERE moves_id = $1 AND purpose = 'move'";

const DROP_QUESTIONS: &str = "
    UPDATE delivery SET state = 'cancelled', cause = 'changed', settled_at = $2
    WHERE state = 'pending' AND lease IS NULL AND opt_in_id IN (
        SELECT id FROM opt_in WHERE moves_id = $1 AND purpose = 'move')";

const ADDRESS: &str =
    "SELECT email, locale, public_id FROM subscriber WHERE id = $1 AND kind = 'person' AND email IS NOT NULL";

const SET_ADDRESS: &str = "UPDATE subscriber SET email = $2, email_key = $3, public_id = $4 WHERE id = $1";

const TAKE_SUBSCRIPTIONS: &str = "
    UPDATE subscription SET subscriber_id = $2
    WHERE subscriber_id = $1 AND channel = 'email' AND state = 'confirmed' AND NOT EXISTS (
        SELECT 1 FROM subscription o WHERE o.subscriber_id = $2 AND o.feed_id = subscription.feed_id
          AND o.channel = 'email' AND o.state = 'confirmed')";

// What was told before is told to the same person; of two ledgers of one article or digest the other one stays.
const TAKE_LEDGER: &str = "
    UPDATE delivery SET subscriber_id = $2
    WHERE subscriber_id = $1 AND channel = 'email' AND opt_in_id IS NULL AND state <> 'cancelled' AND NOT EXISTS (
        SELECT 1 FROM delivery o WHERE o.subscriber_id = $2 AND o.channel = 'email'
          AND ((o.article_id = delivery.article_id AND o.state <> 'cancelled') OR o.run_id = delivery.run_id))";

const CANCEL: &str = "
    UPDATE delivery SET state = 'cancelled', cause = $3, settled_at = $2 WHERE subscriber_id = $1 AND state = 'pending'";

impl Store {
    /// Writes the wish of a person to get their mails at another address, and the mail that asks there. Answers whether one
    /// will be sent: not if this address or this person asked often enough today. The asker is told nothing different.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn request_move(
        &self,
        who: i64,
        to: &EmailAddress,
        locale: Locale,
        chance: [u8; 16],
        now: Timestamp,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let since = now.minus(Duration::from_hours(24)).0;
        let moves: i64 = tx!(&mut tx, c => sqlx::query_scalar(MOVES_TODAY).bind(who).bind(since).fetch_one(c))?;
        let id = upsert_person(&mut tx, to, locale, chance, now).await?;
        if id == who || moves >= OPT_INS_A_DAY || asked_often(&mut tx, id, now).await? {
            tx.commit().await?;
            return Ok(false);
        }
        drop_questions(&mut tx, who, now).await?;
        let consent = Consent { method: "manage", ..Consent::default() };
        let request = Request { consent, ..Request::new(to, &[], locale, "manage", chance) };
        let asked = insert(&mut tx, id, &request, Purpose::Move, Some(who), now, None).await?;
        mail(&mut tx, id, asked, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Cancels the unsent questions about where a person's mails shall go.
pub(super) async fn drop_questions(tx: &mut Tx, who: i64, now: Timestamp) -> Result<()> {
    exec!(tx, sqlx::query(DROP_QUESTIONS).bind(who).bind(now.0))?;
    Ok(())
}

/// Brings a person to the address of another row, by their newest wish alone. Answers who has it now; nothing if the wish
/// is an older one or the person is gone.
pub(super) async fn bring(
    tx: &mut Tx,
    asked: i64,
    (who, to): (i64, i64),
    chance: [u8; 16],
    now: Timestamp,
) -> Result<Option<i64>> {
    type Row = Option<(String, String, i64)>;
    let newest: Option<i64> = tx!(&mut *tx, c => sqlx::query_scalar(NEWEST).bind(who).fetch_one(c))?;
    if newest != Some(asked) {
        return Ok(None);
    }
    let old: Row = tx!(&mut *tx, c => sqlx::query_as(ADDRESS).bind(who).fetch_optional(c))?;
    let new: Row = tx!(&mut *tx, c => sqlx::query_as(ADDRESS).bind(to).fetch_optional(c))?;
    let (Some((old, locale, _)), Some((new, _, new_public))) = (old, new) else { return Ok(None) };
    let (Ok(old), Ok(new)) = (EmailAddress::parse_international(&old), EmailAddress::parse_international(&new)) else {
        return Ok(None);
    };
    // Before the old address has nothing left: a list must not bring it back.
    farewell::say(tx, who, EndReason::Unsubscribed, now).await?;
    let fresh = PublicId::drawn(chance, &format!("left {} {}", now.0, old.key()));
    let live: Vec<LiveRow> = tx!(&mut *tx, c => sqlx::query_as(LIVE).bind(to).fetch_all(c))?;
    let (has, left) = if live.is_empty() {
        swap(tx, (who, &old), (to, &new), (fresh, PublicId(new_public)), now).await?;
        (who, to)
    } else {
        merge(tx, who, to, fresh, now).await?;
        (to, who)
    };
    let request = Request::new(&old, &[], Locale::parse(&locale), "moved", chance);
    let told = insert(tx, left, &request, Purpose::Moved, Some(has), now, None).await?;
    mail(tx, left, told, now).await?;
    Ok(Some(has))
}

/// The person's row takes the new address with the links that were sent to it, and gives the old one to the other row.
async fn swap(
    tx: &mut Tx,
    (who, old): (i64, &EmailAddress),
    (to, new): (i64, &EmailAddress),
    (fresh, public): (PublicId, PublicId),
    now: Timestamp,
) -> Result<()> {
    let nothing: Option<String> = None;
    exec!(&mut *tx, sqlx::query(CANCEL).bind(to).bind(now.0).bind(EndReason::Changed.as_str()))?;
    exec!(&mut *tx, sqlx::query("UPDATE opt_in SET subscriber_id = $2 WHERE subscriber_id = $1").bind(to).bind(who))?;
    for id in [who, to] {
        let none: Option<i64> = None;
        exec!(&mut *tx, sqlx::query(SET_ADDRESS).bind(id).bind(&nothing).bind(&nothing).bind(none))?;
    }
    exec!(&mut *tx, sqlx::query(SET_ADDRESS).bind(who).bind(new.as_str()).bind(new.key()).bind(public.0))?;
    exec!(&mut *tx, sqlx::query(SET_ADDRESS).bind(to).bind(old.as_str()).bind(old.key()).bind(fresh.0))?;
    suppression::swap(tx, (who, new), (to, old)).await
}

/// The new address has a person with subscriptions of their own: theirs stay as they are, and get what they lack.
async fn merge(tx: &mut Tx, who: i64, to: i64, fresh: PublicId, now: Timestamp) -> Result<()> {
    exec!(&mut *tx, sqlx::query(TAKE_SUBSCRIPTIONS).bind(who).bind(to))?;
    let rest: Vec<LiveRow> = tx!(&mut *tx, c => sqlx::query_as(LIVE).bind(who).fetch_all(c))?;
    for row in rest {
        exec!(&mut *tx, sqlx::query(END).bind(row.id).bind(now.0).bind(EndReason::Changed.as_str()))?;
    }
    exec!(&mut *tx, sqlx::query(TAKE_LEDGER).bind(who).bind(to))?;
    exec!(&mut *tx, sqlx::query(CANCEL).bind(who).bind(now.0).bind(EndReason::Changed.as_str()))?;
    exec!(&mut *tx, sqlx::query("UPDATE opt_in SET subscriber_id = $2 WHERE subscriber_id = $1").bind(who).bind(to))?;
    exec!(&mut *tx, sqlx::query("UPDATE subscriber SET public_id = $2 WHERE id = $1").bind(who).bind(fresh.0))?;
    Ok(())
}
