//! Explain: why a person did or did not get an article, read from the ledger, in plain sentences for the operator.

use crate::clock::Timestamp;
use crate::domain::article::StoredArticle;
use crate::domain::selection::Reason;
use crate::domain::site::Site;
use crate::domain::subscriber::EmailAddress;
use crate::store::engine::{Result, Store};
use crate::store::explain::LedgerRow;
use crate::store::suppression::Suppressed;

/// The story of one person and one article, a sentence a line, the verdict last. Nothing if there is no such article.
///
/// # Errors
/// When the database fails.
pub async fn explain(store: &Store, site: &Site, email: &EmailAddress, article: &str) -> Result<Option<Vec<String>>> {
    let mut story = Vec::new();
    let Some(stored) = store.find_article(article).await? else { return Ok(None) };
    tell_article(store, site, &stored, &mut story).await?;
    let Some(person) = store.person_by_email(email).await? else {
        story.push("Nobody with this address is known: it never asked for anything, or it was erased.".to_owned());
        if let Some(suppression) = store.suppression_of(email).await? {
            story.push(format!("The address is suppressed ({}): {}.", suppression.reason, suppression.evidence));
        }
        story.push("Verdict: not sent, because the address has no subscription.".to_owned());
        return Ok(Some(story));
    };
    let when = |millis: i64| Timestamp(millis).rfc3339(&site.zone);
    let suppression = store.suppression_of(email).await?;
    tell_refusals(store, person, suppression.as_ref(), &when, &mut story).await?;
    let members = store.memberships_of(stored.id).await?;
    let mut follows = false;
    for subscription in store.subscriptions_of(person).await? {
        let member = members.iter().find(|m| m.feed_id == subscription.feed_id);
        let matched = member.map_or("the article is not in it", |m| {
            if m.left_at.is_some() {
                "the article was in it and left"
            } else if m.people {
                "the article is in it"
            } else {
                "the article is in it, but was there before it could be news (baseline, old, or held)"
            }
        });
        let state = subscription.ended_at.map_or_else(
            || "live".to_owned(),
            |at| format!("ended {} ({})", when(at), subscription.end_reason.as_deref().unwrap_or("no reason kept")),
        );
        follows |= subscription.ended_at.is_none() && member.is_some_and(|m| m.left_at.is_none());
        story.push(format!(
            "Follows {} ({}) since {}, {state}: {matched}.",
            subscription.slug,
            subscription.frequency,
            when(subscription.since)
        ));
    }
    let ledger = store.ledger(person, stored.id).await?;
    let mut last: Option<String> = None;
    for row in &ledger {
        let holds = match row.set_id {
            Some(set) => store.digest_set(set).await?.iter().any(|s| s.articles.contains(&stored.id)),
            None => true,
        };
        if holds {
            let line = tell_delivery(row, &when);
            last = Some(line.clone());
            story.push(line);
        }
    }
    story.push(match last {
        Some(line) => format!("Verdict: {line}"),
        None if !stored.visible => "Verdict: not sent, because the article was withdrawn.".to_owned(),
        None if suppression.is_some() => {
            "Verdict: not sent, because the address is suppressed (see above); `loa suppression remove` lets it be mailed \
             again."
                .to_owned()
        }
        None if follows => {
            "Verdict: not sent yet: the subscription began after the article was seen, the next digest will bring it, or \
             the article was not news to people (see the changes above)."
                .to_owned()
        }
        None => "Verdict: not sent, because no live subscription holds this article.".to_owned(),
    });
    Ok(Some(story))
}

/// What servers said of the address lately, and whether it gets mail at all.
async fn tell_refusals(
    store: &Store,
    person: i64,
    suppression: Option<&Suppressed>,
    when: &impl Fn(i64) -> String,
    story: &mut Vec<String>,
) -> Result<()> {
    if let Some(suppression) = suppression {
        let end = suppression.lapses_at.map_or_else(
            || "until the person subscribes anew or an operator removes it".to_owned(),
            |at| format!("until {}", when(at)),
        );
        story.push(format!(
            "The address is suppressed since {} ({}), {end}: {}.",
            when(suppression.since),
            suppression.reason,
            suppression.evidence
        ));
    }
    for bounce in store.bounces_of(person, 10).await? {
        story.push(format!(
            "{} {} ({}): {}{}",
            match bounce.kind.as_str() {
                "reply" => "Refused",
                "report" => "Came back",
                _ => "Called spam",
            },
            when(bounce.at),
            bounce.cause.as_deref().unwrap_or("complaint"),
            bounce.detail,
            if bounce.void { " [no longer counted]" } else { "" }
        ));
    }
    Ok(())
}

/// A stored reason in words.
fn stored_in_words(reason: &str) -> String {
    serde_json::from_str(reason).map_or_else(|_| format!("because of {reason}"), |reason| in_words(&reason))
}

/// Why a feed holds an article, as a clause.
#[must_use]
pub fn in_words(reason: &Reason) -> String {
    format!("because {reason}")
}

async fn tell_article(store: &Store, site: &Site, stored: &StoredArticle, story: &mut Vec<String>) -> Result<()> {
    let when = |millis: i64| Timestamp(millis).rfc3339(&site.zone);
    story.push(format!(
        "Article {} \"{}\" ({}), {}, revision {}.",
        stored.id,
        stored.article.title,
        stored.entry_id,
        if stored.visible { "public" } else { "withdrawn" },
        stored.revision
    ));
    let changes = store.changes_of(stored.id).await?;
    if changes.is_empty() {
        story.push("It was there at first sight of the source (baseline): that tells nobody.".to_owned());
    }
    for change in changes {
        let told = match (change.held, change.people, change.processed_at) {
            (true, ..) => "held by the flood guard until `loa poll SOURCE --release`".to_owned(),
            (_, _, None) => "not fanned out yet".to_owned(),
            (_, false, Some(at)) => format!("fanned out {} to endpoints only", when(at)),
            (_, true, Some(at)) => format!("fanned out {}", when(at)),
        };
        story.push(format!("{} in revision {}, seen {}: {told}.", change.kind, change.revision, when(change.seen_at)));
    }
    for member in store.memberships_of(stored.id).await? {
        let left = member.left_at.map_or_else(String::new, |at| format!(", left {}", when(at)));
        story.push(format!(
            "In feed {} since {}{left}, {}.",
            member.slug,
            when(member.since),
            stored_in_words(&member.reason)
        ));
    }
    Ok(())
}

fn tell_delivery(row: &LedgerRow, when: &impl Fn(i64) -> String) -> String {
    let what = if row.set_id.is_some() { "digest" } else { "mail" };
    let detail = row.detail.as_deref().unwrap_or_default();
    match row.state.as_str() {
        "sent" => format!(
            "{what} {} was sent {} at try {}; the relay said: {detail}",
            row.id,
            row.settled_at.map(when).unwrap_or_default(),
            row.attempts
        ),
        "pending" if row.attempts == 0 => {
            format!("{what} {} waits for its first try, due {}.", row.id, when(row.due_at))
        }
        "pending" => format!(
            "{what} {} is tried again {} after {} tries; last: {detail}",
            row.id,
            when(row.due_at),
            row.attempts
        ),
        "dead" => format!(
            "{what} {} was given up {} after {} tries ({}): {detail}",
            row.id,
            row.settled_at.map(when).unwrap_or_default(),
            row.attempts,
            row.cause.as_deref().unwrap_or("unknown")
        ),
        _ => format!(
            "{what} {} was cancelled {}: {}",
            row.id,
            row.settled_at.map(when).unwrap_or_default(),
            row.cause.as_deref().unwrap_or(detail)
        ),
    }
}
