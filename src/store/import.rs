//! People in and out as rows, with the evidence of their consent. Mails nobody, and brings back nobody who left.

use sqlx::FromRow;

use super::engine::{Result, Store, exec, read, tx};
use super::farewell;
use super::opt_in::{Purpose, Request, insert, upsert_person};
use super::subscriber::{LIVE, LiveRow, Wish, grant};
use crate::clock::Timestamp;
use crate::domain::hour::Hour;

/// What came of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Subscriptions that began.
    pub new: u64,
    /// Rows of people who follow all of it already.
    pub known: u64,
    /// Rows left out: these people left everything or were erased.
    pub gone: u64,
    /// Feeds left out of rows that were taken: the person ended these themselves.
    pub declined: u64,
}

impl Imported {
    /// Both together.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self {
            new: self.new + more.new,
            known: self.known + more.known,
            gone: self.gone + more.gone,
            declined: self.declined + more.declined,
        }
    }
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
    /// When digests are wanted, minutes after midnight.
    pub digest_minute: Option<i64>,
    /// Until when nothing is wanted, UTC milliseconds.
    pub paused_until: Option<i64>,
    /// When consent was given, UTC milliseconds.
    pub consent_at: Option<i64>,
    /// How.
    pub consent_method: Option<String>,
    /// To which version of the text.
    pub consent_text: Option<String>,
    /// SHA-256 of that text.
    pub consent_hash: Option<String>,
    /// What whoever brought it says of it.
    pub evidence: Option<String>,
}

// What the person ended by themselves, and did not begin again.
const DECLINED: &str = "
    SELECT DISTINCT feed_id FROM subscription
    WHERE subscriber_id = $1 AND channel = 'email' AND state = 'ended' AND end_reason IN ('unsubscribed', 'changed')";

// The newest consent of a person stands for all that they follow.
const PAGE: &str = "
    SELECT s.id, p.email, f.slug, s.frequency, p.locale, s.since, p.digest_minute, p.paused_until,
           o.requested_at AS consent_at, o.method AS consent_method, o.text_version AS consent_text,
           o.text_hash AS consent_hash, o.evidence
    FROM subscription s JOIN subscriber p ON p.id = s.subscriber_id JOIN feed f ON f.id = s.feed_id
    LEFT JOIN opt_in o ON o.id = (SELECT max(c.id) FROM opt_in c WHERE c.subscriber_id = p.id
                                  AND c.confirmed_at IS NOT NULL AND c.purpose = 'subscribe')
    WHERE s.id > $1 AND s.state = 'confirmed' AND s.channel = 'email' AND p.email IS NOT NULL
    ORDER BY s.id LIMIT $2";

const SET_RHYTHM: &str = "
    UPDATE subscriber SET digest_minute = COALESCE(digest_minute, $2), paused_until = COALESCE(paused_until, $3) WHERE id = $1";

impl Store {
    /// Adds confirmed subscriptions without a mail: for people whose consent the operator holds. Existing ones keep their
    /// frequency; who left or was erased stays away. All of the batch or none of it; with `dry`, none of it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import_people(&self, batch: &[Request<'_>], dry: bool, now: Timestamp) -> Result<Imported> {
        let mut tx = self.begin().await?;
        let mut all = Imported::default();
        for request in batch {
            if farewell::is_gone(&mut tx, request.email).await? {
                all.gone += 1;
                continue;
            }
            let id = upsert_person(&mut tx, request.email, request.locale, request.chance, now).await?;
            let live: Vec<LiveRow> = tx!(&mut tx, c => sqlx::query_as(LIVE).bind(id).fetch_all(c))?;
            let declined: Vec<i64> = tx!(&mut tx, c => sqlx::query_scalar(DECLINED).bind(id).fetch_all(c))?;
            let new = |w: &&Wish| live.iter().all(|l| l.feed_id != w.feed_id);
            let (not, wishes): (Vec<Wish>, Vec<Wish>) =
                request.wishes.iter().filter(new).copied().partition(|w| declined.contains(&w.feed_id));
            all.declined += not.len() as u64;
            if wishes.is_empty() {
                all.known += u64::from(not.is_empty());
                continue;
            }
            let given = Request { wishes: &wishes, ..request.clone() };
            insert(&mut tx, id, &given, Purpose::Subscribe, None, now, Some(now)).await?;
            exec!(
                &mut tx,
                sqlx::query(SET_RHYTHM)
                    .bind(id)
                    .bind(request.hour.map(Hour::minutes))
                    .bind(request.paused_until.filter(|t| *t > now).map(|t| t.0))
            )?;
            all.new += grant(&mut tx, id, &wishes, false, now).await?;
        }
        if !dry {
            tx.commit().await?;
        }
        Ok(all)
    }

    /// Live email subscriptions by row id after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_page(&self, after: i64, limit: i64) -> Result<Vec<ExportRow>> {
        Ok(read!(self, p => sqlx::query_as(PAGE).bind(after).bind(limit).fetch_all(p))?)
    }
}
