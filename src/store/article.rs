//! Articles, categories and changes: what a poll found, written in one transaction.

use sqlx::FromRow;

use super::engine::{Result, Store, StoreError, Tx, exec, from_json, read, to_json, tx};
use super::source::{Flips, write_categories, write_flips};
use crate::clock::Timestamp;
use crate::domain::article::{Article, Category, ChangeKind, StoredArticle};
use crate::domain::selection::Reason;

/// An article to be written, with what became of it.
#[derive(Clone, Debug)]
pub struct Upsert {
    /// Its content.
    pub article: Article,
    /// The scan's fingerprint.
    pub light: String,
    /// The article's fingerprint.
    pub fingerprint: String,
    /// Its permanent id; ignored if the article is known.
    pub entry_id: String,
    /// Its place in the order of feeds; ignored if the article is known.
    pub first_seen: Timestamp,
    /// What happened; nothing for a baseline.
    pub change: Option<ChangeKind>,
    /// Whether readers are to see it as changed now; not for a minor edit. Ignored if the article is new.
    pub renew: bool,
    /// Whether people are told (endpoints always are).
    pub people: bool,
    /// Whether the flood guard holds the notices.
    pub held: bool,
    /// The feeds it is in now, and why.
    pub matches: Vec<(i64, Reason)>,
}

/// Everything that one poll found out, to be written in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Poll {
    /// Name of the source.
    pub source: String,
    /// New and changed articles.
    pub upserts: Vec<Upsert>,
    /// Articles whose light fingerprint moved but whose content did not: id and new light fingerprint.
    pub touched: Vec<(i64, String)>,
    /// Ids of articles that are no longer public.
    pub gone: Vec<i64>,
    /// Whether this is only a part of the poll, written ahead of the rest: of the source nothing is noted then.
    pub part: bool,
    /// Whether this poll completes the baseline.
    pub baseline_done: bool,
    /// How many polls in a row found suspiciously many articles gone.
    pub missing_polls: i64,
    /// When visibility changes by the clock alone.
    pub flips: Flips,
    /// Whether everything was compared.
    pub swept: bool,
    /// Articles that could not be read, one sentence each.
    pub faults: Vec<String>,
    /// The source's categories, if they are not those that the store has.
    pub categories: Option<Vec<Category>>,
    /// The sum of the row ids of the feeds that the articles were matched with: if there are others by now, nothing is
    /// written, and the poll is made again with them.
    pub feeds: Option<i64>,
    /// The lease under which the source was compared, and its holder: if it is held no longer, nothing is written.
    pub lease: Option<(String, String)>,
}

/// What a poll changed, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Articles that became public.
    pub published: usize,
    /// Articles that changed.
    pub revised: usize,
    /// Articles that left.
    pub withdrawn: usize,
    /// Articles taken over as baseline.
    pub baseline: usize,
    /// Unsent deliveries that were cancelled.
    pub cancelled: u64,
}

#[derive(FromRow)]
pub(super) struct ArticleRow {
    id: i64,
    revision: i64,
    entry_id: String,
    first_seen: i64,
    updated_at: i64,
    visible: bool,
    body: String,
}

impl ArticleRow {
    pub(super) fn into_article(self) -> Result<StoredArticle> {
        Ok(StoredArticle {
            id: self.id,
            revision: self.revision,
            entry_id: self.entry_id,
            first_seen: Timestamp(self.first_seen),
            updated: Timestamp(self.updated_at),
            visible: self.visible,
            article: from_json("article.body", &self.body)?,
        })
    }
}

const UPSERT: &str = "
    INSERT INTO article (source, external_id, entry_id, visible, revision, light, fingerprint, first_seen, updated_at,
                         title, body)
    VALUES ($1, $2, $3, TRUE, 1, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (source, external_id) DO UPDATE SET
        visible = TRUE, revision = article.revision + 1, light = excluded.light, fingerprint = excluded.fingerprint,
        updated_at = CASE WHEN $11 THEN $10 ELSE article.updated_at END, title = excluded.title, body = excluded.body
    RETURNING id, revision, first_seen";

const CHANGE: &str = "
    INSERT INTO change (article_id, kind, revision, seen_at, people, held) VALUES ($1, $2, $3, $4, $5, $6)";

// `since` moves when the article enters the feed or is published again: whoever is told, is told by it.
const ENTER: &str = "
    INSERT INTO feed_article (feed_id, article_id, reason, since, people, rank, entered)
    VALUES ($1, $2, $3, $4, $5, $6, $8)
    ON CONFLICT (feed_id, article_id) DO UPDATE SET
        reason = excluded.reason, left_at = NULL,
        since = CASE WHEN $7 OR feed_article.left_at IS NOT NULL THEN excluded.since ELSE feed_article.since END,
        entered = CASE WHEN $7 OR feed_article.left_at IS NOT NULL THEN excluded.entered ELSE feed_article.entered END,
        people = CASE WHEN $7 OR feed_article.left_at IS NOT NULL THEN excluded.people ELSE feed_article.people END";

const LEAVE: &str = "UPDATE feed_article SET left_at = $3 WHERE feed_id = $1 AND article_id = $2 AND left_at IS NULL";

const LIVE_FEEDS: &str = "SELECT feed_id FROM feed_article WHERE article_id = $1 AND left_at IS NULL";

const LIVE_SUM: &str = "SELECT CAST(coalesce(sum(id), 0) AS BIGINT) FROM feed WHERE retired_at IS NULL";

const WITHDRAW: &str = "
    UPDATE article SET visible = FALSE, revision = revision + 1, updated_at = $2
    WHERE id = $1 AND visible RETURNING revision";

// A message that says what is no longer so must not go out. Endpoints hear of the withdrawal by its own delivery.
const CANCEL_FOR_ARTICLE: &str = "
    UPDATE delivery SET state = 'cancelled', cause = 'withdrawn', settled_at = $2
    WHERE article_id = $1 AND state = 'pending' AND kind IN ('published', 'revised')";

// What nobody was told yet need not be told any more.
const FORGET_HELD: &str = "
    UPDATE change SET held = FALSE, processed_at = $2 WHERE article_id = $1 AND held";

const BUMP: &str = "UPDATE counter SET value = value + 1 WHERE name = 'feed_version' RETURNING value";
const TOUCH_FEED: &str = "UPDATE feed SET version = $2, changed_at = $3 WHERE id = $1";

const ANNOUNCED: &str = "
    SELECT DISTINCT article_id FROM change WHERE people AND kind = 'published' AND article_id IN (SELECT value FROM json_each($1))";
const ANNOUNCED_JSONB: &str = "
    SELECT DISTINCT article_id FROM change WHERE people AND kind = 'published'
      AND article_id IN (SELECT value::bigint FROM jsonb_array_elements_text($1::jsonb) AS value)";

// Locks the row, so that nobody takes the lease over before this is committed.
const STILL_OURS: &str = "UPDATE lease SET expires = expires WHERE name = $1 AND holder = $2";

const POLLED: &str = "
    INSERT INTO source (name, polled_at, missing_polls, swept_at, faults) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (name) DO UPDATE SET polled_at = excluded.polled_at, missing_polls = excluded.missing_polls,
        swept_at = coalesce(excluded.swept_at, source.swept_at), faults = excluded.faults, error = NULL, error_at = NULL";

impl Store {
    /// Which of these articles were ever published with people being told, or to be told once released.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn announced(&self, articles: &[i64]) -> Result<std::collections::HashSet<i64>> {
        let sql = self.pick(ANNOUNCED, ANNOUNCED_JSONB);
        let ids: Vec<i64> = read!(self, p => sqlx::query_scalar(sql).bind(to_json(&articles)?).fetch_all(p))?;
        Ok(ids.into_iter().collect())
    }

    /// Writes what a poll found: all of it, or, on any error, none of it.
    ///
    /// # Errors
    /// When the database fails; the poll is then simply made again.
    pub async fn apply(&self, poll: &Poll, now: Timestamp) -> Result<Applied> {
        let mut tx = self.begin().await?;
        if let Some((lease, holder)) = &poll.lease
            && exec!(&mut tx, sqlx::query(STILL_OURS).bind(lease).bind(holder))? == 0
        {
            return Err(StoreError::Superseded);
        }
        let mut applied = Applied::default();
        let mut touched = std::collections::BTreeSet::new();
        let version = if poll.upserts.is_empty() && poll.gone.is_empty() { 0 } else { next_version(&mut tx).await? };
        if let Some(known) = poll.feeds.filter(|_| !poll.upserts.is_empty()) {
            let feeds: i64 = tx!(&mut tx, c => sqlx::query_scalar(LIVE_SUM).fetch_one(c))?;
            if feeds != known {
                return Err(StoreError::OtherFeeds);
            }
        }
        for upsert in &poll.upserts {
            write_upsert(&mut tx, upsert, now, version, &mut touched).await?;
            match upsert.change {
                None => applied.baseline += 1,
                Some(ChangeKind::Published) => applied.published += 1,
                Some(ChangeKind::Revised) => applied.revised += 1,
                Some(ChangeKind::Withdrawn) => {}
            }
        }
        if let Some(categories) = &poll.categories {
            write_categories(&mut tx, &poll.source, categories).await?;
        }
        for (id, light) in &poll.touched {
            exec!(&mut tx, sqlx::query("UPDATE article SET light = $2 WHERE id = $1").bind(id).bind(light))?;
        }
        for id in &poll.gone {
            let revision: Option<i64> =
                tx!(&mut tx, c => sqlx::query_scalar(WITHDRAW).bind(id).bind(now.0).fetch_optional(c))?;
            let Some(revision) = revision else { continue };
            exec!(
                &mut tx,
                sqlx::query(CHANGE).bind(id).bind("withdrawn").bind(revision).bind(now.0).bind(false).bind(false)
            )?;
            exec!(&mut tx, sqlx::query(FORGET_HELD).bind(id).bind(now.0))?;
            applied.withdrawn += 1;
            applied.cancelled += exec!(&mut tx, sqlx::query(CANCEL_FOR_ARTICLE).bind(id).bind(now.0))?;
            touched.extend(tx!(&mut tx, c => sqlx::query_scalar::<_, i64>(LIVE_FEEDS).bind(id).fetch_all(c))?);
        }
        touch_feeds(&mut tx, touched, version, now).await?;
        if poll.part {
            tx.commit().await?;
            return Ok(applied);
        }
        write_flips(&mut tx, &poll.source, &poll.flips, now).await?;
        exec!(
            &mut tx,
            sqlx::query(POLLED)
                .bind(&poll.source)
                .bind(now.0)
                .bind(poll.missing_polls)
                .bind(poll.swept.then_some(now.0))
                .bind(to_json(&poll.faults)?)
        )?;
        if poll.baseline_done {
            exec!(
                &mut tx,
                sqlx::query("UPDATE source SET baseline_at = $2 WHERE name = $1 AND baseline_at IS NULL")
                    .bind(&poll.source)
                    .bind(now.0)
            )?;
        }
        tx.commit().await?;
        Ok(applied)
    }

    /// Releases what the flood guard holds for a source: from now on it is told as if it were seen now.
    /// Answers how many changes went free.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_held(&self, source: &str, now: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        let version = next_version(&mut tx).await?;
        exec!(
            &mut tx,
            sqlx::query(
                "
            UPDATE feed_article SET since = $2, people = TRUE, entered = $3
            WHERE left_at IS NULL AND article_id IN (
                SELECT ch.article_id FROM change ch JOIN article a ON a.id = ch.article_id
                WHERE a.source = $1 AND ch.held AND ch.people AND ch.kind = 'published')"
            )
            .bind(source)
            .bind(now.0)
            .bind(version)
        )?;
        let freed = exec!(
            &mut tx,
            sqlx::query(
                "
            UPDATE change SET held = FALSE, seen_at = $2
            WHERE held AND article_id IN (SELECT id FROM article WHERE source = $1)"
            )
            .bind(source)
            .bind(now.0)
        )?;
        tx.commit().await?;
        Ok(freed)
    }

    /// How many changes the flood guard holds for a source.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held(&self, source: &str) -> Result<i64> {
        Ok(read!(self, p => sqlx::query_scalar("
            SELECT count(*) FROM change ch JOIN article a ON a.id = ch.article_id WHERE ch.held AND a.source = $1")
            .bind(source).fetch_one(p))?)
    }

    /// One article by row id.
    ///
    /// # Errors
    /// When the database fails.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn article(&self, id: i64) -> Result<Option<StoredArticle>> {
        let row: Option<ArticleRow> = read!(self, p => sqlx::query_as("
            SELECT id, revision, entry_id, first_seen, updated_at, visible, body FROM article WHERE id = $1")
            .bind(id).fetch_optional(p))?;
        row.map(ArticleRow::into_article).transpose()
    }

    /// One article as a person would name it: row id, entry id, the source's own id, or its address.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_article(&self, name: &str) -> Result<Option<StoredArticle>> {
        let row: Option<ArticleRow> = read!(self, p => sqlx::query_as("
            SELECT id, revision, entry_id, first_seen, updated_at, visible, body FROM article
            WHERE id = $1 OR entry_id = $2 OR external_id = $2 ORDER BY visible DESC, id DESC LIMIT 1")
            .bind(name.parse::<i64>().unwrap_or(-1)).bind(name).fetch_optional(p))?;
        row.map(ArticleRow::into_article).transpose()
    }

    /// The public articles of a feed, the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feed_articles(&self, feed_id: i64, limit: i64) -> Result<Vec<StoredArticle>> {
        let rows: Vec<ArticleRow> = read!(self, p => sqlx::query_as("
            SELECT a.id, a.revision, a.entry_id, a.first_seen, a.updated_at, a.visible, a.body
            FROM feed_article fa JOIN article a ON a.id = fa.article_id
            WHERE fa.feed_id = $1 AND fa.left_at IS NULL AND a.visible
            ORDER BY fa.rank DESC, fa.article_id DESC LIMIT $2")
            .bind(feed_id).bind(limit).fetch_all(p))?;
        rows.into_iter().map(ArticleRow::into_article).collect()
    }

    /// Public articles by row id order after `after`, at most `limit`: to try a selection on all of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn articles_after(&self, after: i64, limit: i64) -> Result<Vec<StoredArticle>> {
        let rows: Vec<ArticleRow> = read!(self, p => sqlx::query_as("
            SELECT id, revision, entry_id, first_seen, updated_at, visible, body FROM article
            WHERE id > $1 AND visible ORDER BY id LIMIT $2")
            .bind(after).bind(limit).fetch_all(p))?;
        rows.into_iter().map(ArticleRow::into_article).collect()
    }
}

async fn write_upsert(
    tx: &mut Tx,
    upsert: &Upsert,
    now: Timestamp,
    version: i64,
    touched: &mut std::collections::BTreeSet<i64>,
) -> Result<()> {
    let article = &upsert.article;
    let body = to_json(article)?;
    let (id, revision, rank): (i64, i64, i64) = tx!(tx, c => sqlx::query_as(UPSERT)
        .bind(&article.source).bind(&article.external_id).bind(&upsert.entry_id).bind(&upsert.light)
        .bind(&upsert.fingerprint).bind(upsert.first_seen.0).bind(upsert.first_seen.0)
        .bind(article.title.as_str()).bind(&body).bind(now.0).bind(upsert.renew).fetch_one(c))?;
    if let Some(kind) = upsert.change {
        exec!(
            tx,
            sqlx::query(CHANGE)
                .bind(id)
                .bind(kind.as_str())
                .bind(revision)
                .bind(now.0)
                .bind(upsert.people)
                .bind(upsert.held)
        )?;
    }
    let before: Vec<i64> = tx!(tx, c => sqlx::query_scalar(LIVE_FEEDS).bind(id).fetch_all(c))?;
    for feed in before.iter().filter(|f| upsert.matches.iter().all(|(m, _)| m != *f)) {
        exec!(tx, sqlx::query(LEAVE).bind(feed).bind(id).bind(now.0))?;
        touched.insert(*feed);
    }
    // Published again counts as entering every feed again.
    let renew = upsert.change == Some(ChangeKind::Published);
    for (feed, reason) in &upsert.matches {
        exec!(
            tx,
            sqlx::query(ENTER)
                .bind(feed)
                .bind(id)
                .bind(to_json(reason)?)
                .bind(now.0)
                .bind(upsert.people && !upsert.held)
                .bind(rank)
                .bind(renew)
                .bind(version)
        )?;
        touched.insert(*feed);
    }
    Ok(())
}

/// The next number in the order of commits. Its row stays locked until this transaction ends, so numbers become visible
/// in their order: whoever reads the counter has seen every entry up to it.
pub(super) async fn next_version(tx: &mut Tx) -> Result<i64> {
    Ok(tx!(tx, c => sqlx::query_scalar(BUMP).fetch_one(c))?)
}

pub(super) async fn touch_feeds(
    tx: &mut Tx,
    feeds: impl IntoIterator<Item = i64>,
    version: i64,
    now: Timestamp,
) -> Result<()> {
    for feed in feeds {
        exec!(tx, sqlx::query(TOUCH_FEED).bind(feed).bind(version).bind(now.0))?;
    }
    Ok(())
}
