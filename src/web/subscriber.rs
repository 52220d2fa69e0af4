//! The form to subscribe by email. Its answer is the same whether or not an address is known here; it only ever leads to
//! one mail, which asks to confirm.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::form::Form;
use super::reply::Fault;
use super::visit::Visit;
use super::{Shared, browse, guard};
use crate::domain::feed::FeedOrigin;
use crate::domain::hour::Hour;
use crate::domain::selection::title::title;
use crate::domain::selection::{Selection, query};
use crate::domain::subscriber::{AddressError, EmailAddress, Frequency, Locale};
use crate::store::selection::SelectionWish;
use crate::text::catalog;
use crate::work;
use crate::work::subscribe::{Ask, SubscribeError};

/// A field that people do not see and programs fill.
const TRAP: &str = "website";

/// What was asked: for showing it again beside what is wrong with it.
#[derive(Clone, Debug)]
pub struct Asked {
    email: String,
    feeds: Vec<String>,
    /// A selection that was put together, by its canonical query.
    selection: Option<Selection>,
    frequency: Frequency,
    /// Feeds that are wanted otherwise than at that frequency.
    apart: Vec<(String, Frequency)>,
    hour: Option<Hour>,
    consent: bool,
    faults: Vec<&'static str>,
    /// What is wrong with the address: a word of `address_fault`.
    reason: Option<&'static str>,
}

impl Asked {
    fn new(feeds: Vec<String>) -> Self {
        Self {
            email: String::new(),
            feeds,
            selection: None,
            frequency: Frequency::Daily,
            apart: Vec::new(),
            hour: None,
            consent: false,
            faults: Vec::new(),
            reason: None,
        }
    }

    /// The form of one feed's page.
    #[must_use]
    pub fn of_feed(slug: &str) -> Self {
        Self::new(vec![slug.to_owned()])
    }

    /// The form of a search's page.
    #[must_use]
    pub fn of_selection(selection: &Selection) -> Self {
        Self { selection: Some(selection.clone()), ..Self::new(Vec::new()) }
    }

    fn of_form(form: &Form) -> Self {
        let mut asked = Self::new(form.all("feed").map(str::to_owned).collect());
        let selection = Some(form.get("selection")).filter(|query| !query.is_empty());
        asked.selection = selection.and_then(|query| query::parse(query).ok()).map(|asked| asked.selection);
        form.get("email").trim().clone_into(&mut asked.email);
        asked.frequency = Frequency::parse(form.get("frequency")).unwrap_or(Frequency::Daily);
        let apart = form.below("f.").filter_map(|(slug, word)| Some((slug.to_owned(), Frequency::parse(word)?)));
        asked.apart = apart.collect();
        asked.hour = form.get("hour").parse().ok();
        asked.consent = form.get("consent") == "yes";
        if let Err(wrong) = EmailAddress::parse(&asked.email) {
            asked.wrong_address(wrong);
        }
        if asked.feeds.is_empty() && asked.selection.is_none() {
            asked.faults.push("error_feeds");
        }
        if !asked.consent {
            asked.faults.push("error_consent");
        }
        asked
    }

    fn wrong_address(&mut self, wrong: AddressError) {
        self.faults.push("error_email");
        self.reason = Some(address_fault(wrong));
    }

    /// How often a feed is wanted.
    fn frequency_of(&self, slug: &str) -> Frequency {
        self.apart.iter().find(|(s, _)| s == slug).map_or(self.frequency, |(_, frequency)| *frequency)
    }

    /// What the form's template is given.
    #[must_use]
    pub fn context(&self, visit: Visit) -> Value {
        json!({
            "email": self.email, "frequency": self.frequency.as_str(), "consent": self.consent, "trap": TRAP,
            "hours": hours(self.hour), "faults": self.faults, "selection": self.selection.as_ref().map(query::write),
            "reason": self.reason.map(|r| catalog::words(visit.locale.as_str()).say(&format!("address_fault.{r}"), &[])),
        })
    }
}

/// The hours that a form offers: each whole one, and the one that is kept.
#[must_use]
pub fn hours(kept: Option<Hour>) -> Vec<Value> {
    let mut all: Vec<Hour> = (0..24).filter_map(|h| Hour::from_minutes(h * 60)).chain(kept).collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(|hour| json!({ "word": hour.to_string(), "on": Some(hour) == kept })).collect()
}

/// What is wrong with an address: a word of `address_fault` in the catalog.
#[must_use]
pub const fn address_fault(wrong: AddressError) -> &'static str {
    match wrong {
        AddressError::Empty => "empty",
        AddressError::TooLong => "too_long",
        AddressError::NoAt => "no_at",
        AddressError::Domain => "domain",
        AddressError::Local => "local",
        AddressError::International => "international",
    }
}

/// `GET /subscribe`
pub async fn ask(req: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    let wanted = super::visit::query(&req, "feed").into_iter().collect();
    page(&shared, shared.visit(&req), &Asked::new(wanted)).await
}

/// `POST /subscribe`
pub async fn asked(req: HttpRequest, shared: Data<Shared>, form: Form) -> Result<HttpResponse, Fault> {
    if guard::is_foreign(&req, &shared.site.base_url) {
        return Err(Fault::Foreign);
    }
    shared.knock(&req)?;
    let visit = match form.get("lang") {
        "" => shared.visit(&req),
        lang => Visit { locale: Locale::parse(lang), chosen: true },
    };
    if !form.get(TRAP).is_empty() {
        return Ok(to_sent(&shared, visit));
    }
    let mut asked = Asked::of_form(&form);
    if asked.faults.is_empty() {
        let text = shared.consent_text(visit.locale);
        let mut ask = Ask::new(&asked.email, &[], asked.frequency, visit.locale, "form");
        ask.hour = asked.hour;
        ask.text = Some(&text);
        match &asked.selection {
            // Everything is a feed that most portals declare; a selection that asks for nothing is one all the same.
            Some(selection) => {
                let spec = work::search::spec(selection, &*shared.search.names().await?);
                ask.selections.push(SelectionWish { frequency: asked.frequency, spec });
            }
            None => ask.feeds = asked.feeds.iter().map(|slug| (slug.clone(), asked.frequency_of(slug))).collect(),
        }
        let done = shared.subscribe.request(&ask).await;
        match done {
            Ok(()) => return Ok(to_sent(&shared, visit)),
            Err(SubscribeError::Address(wrong)) => asked.wrong_address(wrong),
            Err(SubscribeError::NoFeed) => asked.faults.push("error_feeds"),
            Err(SubscribeError::UnknownFeed(_)) => asked.faults.push("error_unknown"),
            Err(SubscribeError::Full) => asked.faults.push("error_full"),
            Err(other) => return Err(other.into()),
        }
    }
    let mut response = page(&shared, visit, &asked).await?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `GET /subscribe/sent`: what everybody sees after asking.
pub async fn sent(req: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    shared.view.page("sent.html", shared.visit(&req), "subscribe/sent", json!({}))
}

fn to_sent(shared: &Shared, visit: Visit) -> HttpResponse {
    // By GET, so that going back or reloading does not ask for a second mail.
    let to = format!("{}subscribe/sent?lang={}", shared.view.root(), visit.locale.as_str());
    HttpResponse::SeeOther().insert_header((LOCATION, to)).insert_header((CACHE_CONTROL, "no-store")).finish()
}

async fn page(shared: &Shared, visit: Visit, asked: &Asked) -> Result<HttpResponse, Fault> {
    let selected = match &asked.selection {
        Some(selection) => Some(title(selection, visit.locale, &*shared.search.names().await?)),
        None => None,
    };
    let all = shared.publisher.all();
    let group = |origin: FeedOrigin| -> Vec<Value> {
        all.iter()
            .filter(|p| p.feed.origin == origin)
            .map(|p| {
                let spec = &p.feed.spec;
                let apart = asked.apart.iter().find(|(slug, _)| *slug == spec.slug);
                json!({ "slug": spec.slug, "title": browse::title(spec, visit.locale),
                        "on": asked.feeds.contains(&spec.slug), "apart": apart.map(|(_, f)| f.as_str()) })
            })
            .collect()
    };
    let with = json!({
        "form": asked.context(visit), "selected": selected, "topics": group(FeedOrigin::File), "categories": group(FeedOrigin::Category),
    });
    shared.view.page("subscribe.html", visit, "subscribe", with)
}
