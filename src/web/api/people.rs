//! Subscriptions of people by API. To ask for one takes a token with the scope `subscribers`; to see, change and end one's
//! own takes the token of one's own manage link and nothing else. Shows no address.

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data, Path};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Caller, accepted, body, ok};
use crate::clock::Timestamp;
use crate::domain::hour::Hour;
use crate::domain::scope::Scope;
use crate::domain::selection::query;
use crate::domain::subscriber::{Frequency, Locale};
use crate::store::opt_in::Consent;
use crate::store::selection::SelectionWish;
use crate::web::confirm::masked;
use crate::web::reply::Fault;
use crate::web::{Shared, browse, search};
use crate::work;
use crate::work::subscribe::{Ask, Stated, TEXT_VERSION};

/// Letters of what is said of a consent, at most.
const LONGEST: usize = 500;

/// A feed, or a feed at a frequency of its own.
#[derive(Deserialize)]
#[serde(untagged)]
enum Wanted {
    Same(String),
    Apart(Apart),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Apart {
    feed: String,
    frequency: Frequency,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    email: String,
    feeds: Vec<Wanted>,
    frequency: Option<Frequency>,
    hour: Option<String>,
    locale: Option<Locale>,
    consent: Option<Given>,
}

/// Consent that the caller holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    #[serde(rename = "given_at")]
    at: String,
    method: String,
    text: String,
    evidence: Option<String>,
}

/// `POST /api/v1/subscriptions`: the person must confirm, unless the caller states their consent.
pub async fn create(caller: Caller, shared: Data<Shared>, bytes: Bytes) -> Result<HttpResponse, Fault> {
    caller.may(Scope::Subscribers)?;
    let new: New = body(&bytes)?;
    let locale = new.locale.unwrap_or(shared.site.locale);
    let mut ask = Ask::new(&new.email, &[], Frequency::Daily, locale, "api");
    ask.hour = new.hour.as_deref().map(hour).transpose()?;
    for wanted in &new.feeds {
        let (name, frequency) = match wanted {
            Wanted::Apart(apart) => (&apart.feed, apart.frequency),
            Wanted::Same(name) => {
                let missing = || Fault::Unprocessable("frequency: write immediate, daily or weekly".into());
                (name, new.frequency.ok_or_else(missing)?)
            }
        };
        match name.strip_prefix("search?") {
            Some(query) => ask.selections.push(SelectionWish { frequency, spec: selection(&shared, query).await? }),
            None => ask.feeds.push((name.clone(), frequency)),
        }
    }
    let Some(given) = &new.consent else {
        shared.subscribe.request(&ask).await?;
        return Ok(accepted(&json!({ "status": "confirmation_requested" })));
    };
    let now = shared.clock.now();
    let given_at = moment("consent.given_at", &given.at)?;
    if given_at > now {
        return Err(Fault::Unprocessable("consent.given_at: this is still to come".into()));
    }
    let long =
        |text: &str| text.trim().is_empty() || text.chars().count() > LONGEST || text.chars().any(char::is_control);
    if long(&given.method) || given.evidence.as_deref().is_some_and(long) {
        return Err(Fault::Unprocessable(format!("consent: write method and evidence in 1 to {LONGEST} characters")));
    }
    if given.text.trim().is_empty() {
        return Err(Fault::Unprocessable("consent.text: write the words that the person agreed to".into()));
    }
    // Not the text of our own form: only its hash and what the caller says of it are kept.
    let method = format!("import api: {}", given.method.trim());
    ask.text = Some(&given.text);
    ask.consent = Consent {
        text_version: if given.text == shared.consent_text(locale) { TEXT_VERSION } else { "stated" },
        method: &method,
        evidence: given.evidence.as_deref(),
        given_at: Some(given_at),
        text_hash: None,
    };
    let came = shared.subscribe.take_in(&ask).await?;
    for wish in &ask.selections {
        search::fill(&shared, &wish.spec).await?;
    }
    let status = match came {
        Stated::Subscribed => "subscribed",
        Stated::Asked => "confirmation_requested",
    };
    Ok(accepted(&json!({ "status": status })))
}

/// Feeds by name. A selection becomes a feed, as it does when its follower confirms: whoever holds the link has confirmed.
async fn wished(shared: &Shared, token: &str, wanted: Vec<Apart>) -> Result<Vec<(String, Frequency)>, Fault> {
    let mut wishes = Vec::new();
    for Apart { feed, frequency } in wanted {
        let Some(query) = feed.strip_prefix("search?") else {
            wishes.push((feed, frequency));
            continue;
        };
        let slug = selection(shared, query).await?.select.slug();
        let own = shared.subscribe.managed(token).await?;
        if own.feeds.iter().all(|feed| feed.spec.slug != slug) {
            // It lets in nobody beyond the limit; what nobody follows after all is swept.
            search::follow(shared, query).await?;
        }
        wishes.push((slug, frequency));
    }
    Ok(wishes)
}

async fn selection(shared: &Shared, query: &str) -> Result<crate::domain::feed::FeedSpec, Fault> {
    let asked = query::parse(query).map_err(|faults| search::unprocessable("feeds", &faults))?;
    Ok(work::search::spec(&asked.selection, &*shared.search.names().await?))
}

fn moment(what: &str, text: &str) -> Result<Timestamp, Fault> {
    let wrong = |_| Fault::Unprocessable(format!("{what}: write a time such as 2026-12-01T00:00:00+07:00"));
    text.parse::<jiff::Timestamp>().map(Timestamp::from).map_err(wrong)
}

fn hour(word: &str) -> Result<Hour, Fault> {
    word.parse().map_err(|why| Fault::Unprocessable(format!("hour: {why}")))
}

/// `GET /api/v1/subscriptions/{token}`
pub async fn show(shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    described(&shared, &token).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// All that is wanted from now on; what it does not name ends. Without it, subscriptions stay.
    subscriptions: Option<Vec<Apart>>,
    /// Empty: the site's hour.
    hour: Option<String>,
    locale: Option<Locale>,
    /// Empty: mails go on.
    paused_until: Option<String>,
}

/// `PATCH /api/v1/subscriptions/{token}`
pub async fn change(shared: Data<Shared>, token: Path<String>, bytes: Bytes) -> Result<HttpResponse, Fault> {
    let change: Change = body(&bytes)?;
    let managed = shared.subscribe.managed(&token).await?;
    let person = &managed.person;
    let pause = match change.paused_until.as_deref() {
        None => None,
        Some("") => Some(None),
        Some(time) => Some(Some(moment("paused_until", time)?)),
    };
    let hour = match change.hour.as_deref() {
        None => person.hour,
        Some("") => None,
        Some(word) => Some(hour(word)?),
    };
    let wishes = match change.subscriptions {
        Some(wanted) => wished(&shared, &token, wanted).await?,
        None => managed
            .feeds
            .iter()
            .filter_map(|f| {
                let wish = person.wishes.iter().find(|w| w.feed_id == f.id)?;
                Some((f.spec.slug.clone(), wish.frequency))
            })
            .collect::<Vec<_>>(),
    };
    shared.subscribe.change(&token, &wishes, hour, change.locale.unwrap_or(person.locale)).await?;
    if let Some(until) = pause {
        shared.subscribe.pause(&token, until).await?;
    }
    described(&shared, &token).await
}

/// `DELETE /api/v1/subscriptions/{token}`: ends all of them.
pub async fn end(shared: Data<Shared>, token: Path<String>) -> Result<HttpResponse, Fault> {
    shared.subscribe.leave_all(&token).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn described(shared: &Shared, token: &str) -> Result<HttpResponse, Fault> {
    let managed = shared.subscribe.managed(token).await?;
    let person = &managed.person;
    let paused = person.paused_until.filter(|until| *until > shared.clock.now());
    let subscriptions: Vec<Value> = managed
        .feeds
        .iter()
        .filter_map(|feed| {
            let wish = person.wishes.iter().find(|w| w.feed_id == feed.id)?;
            Some(json!({ "feed": feed.spec.slug, "title": browse::title(&feed.spec, person.locale),
                         "frequency": wish.frequency.as_str() }))
        })
        .collect();
    Ok(ok(&json!({
        "address_masked": masked(person.email.as_deref()), "subscriptions": subscriptions,
        "hour": person.hour.map(|h| h.to_string()), "locale": person.locale.as_str(),
        "paused_until": paused.map(|until| until.rfc3339(&shared.site.zone)),
    })))
}
