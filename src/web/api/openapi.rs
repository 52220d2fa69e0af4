//! The API described by itself: OpenAPI 3.1. A test holds it against the routes.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde_json::{Value, json};

use crate::domain::selection::query;
use crate::web::Shared;

/// `GET /api/openapi.json`
pub async fn document(shared: Data<Shared>) -> HttpResponse {
    let document = describe(shared.site.link("").trim_end_matches('/'));
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "public, max-age=3600"))
        .content_type("application/json")
        .body(document.to_string())
}

/// The document for a server at this address.
#[must_use]
pub fn describe(server: &str) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "loa", "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "Feeds of a portal, subscriptions of people, webhooks of sites. Calls need a bearer token with \
                            the scope that each names, made with `loa token create NAME --scope SCOPE`; a person's own \
                            subscriptions are opened by the token in their manage link. Faults are problem documents (RFC 9457)."
        },
        "servers": [{ "url": server }],
        "security": [{ "token": [] }],
        "tags": [{ "name": "feeds" }, { "name": "endpoints" }, { "name": "people" }, { "name": "operation" }],
        "paths": paths(),
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "responses": { "Problem": {
                "description": "What is wrong, and what to do.",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
            } },
            "schemas": schemas()
        }
    })
}

fn paths() -> Value {
    let id = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
    let name = json!({ "name": "name", "in": "path", "required": true, "schema": { "type": "string" },
                       "description": "Name of the source in the configuration." });
    let token = json!({ "name": "token", "in": "path", "required": true, "schema": { "type": "string" },
                        "description": "The last part of the person's own manage link." });
    let query = |name: &str, usual: i64, what: &str| {
        json!({ "name": name, "in": "query", "description": what,
        "schema": { "type": "integer", "minimum": 0, "default": usual } })
    };
    let events = [
        id.clone(),
        query("after", 0, "The number of the last event that you have."),
        query("limit", 100, "Events in one answer, at most 500."),
    ];
    json!({
        "/api/v1/feeds": { "get": call("listFeeds", "feeds",
            "Every feed that can be followed; with any of these parameters, the selection that they put together", "200",
            Some("FeedList"), &selection_parameters(), None) },
        "/api/v1/endpoints": {
            "get": call("listEndpoints", "endpoints", "Every endpoint", "200", Some("EndpointList"), &[], None),
            "post": call("createEndpoint", "endpoints",
                "Registers where webhooks go. The answer holds the signing secret, this once", "201",
                Some("NewEndpoint"), &[], Some("EndpointRequest"))
        },
        "/api/v1/endpoints/{id}": {
            "get": call("getEndpoint", "endpoints", "One endpoint", "200", Some("Endpoint"), std::slice::from_ref(&id), None),
            "patch": call("changeEndpoint", "endpoints", "Changes how much an event says and in which order events come",
                "200", Some("Endpoint"), std::slice::from_ref(&id), Some("EndpointChange")),
            "delete": call("deleteEndpoint", "endpoints", "Deletes an endpoint and cancels what waits for it", "204",
                None, std::slice::from_ref(&id), None)
        },
        "/api/v1/endpoints/{id}/events": { "get": call("listEvents", "endpoints",
            "The events of an endpoint after a number, sent or not: to catch up after a gap. The endpoint's own token will do",
            "200", Some("EventList"), &events, None) },
        "/api/v1/endpoints/{id}/replay": { "post": call("replayEvents", "endpoints",
            "Sends events again, under their ids and numbers", "202", Some("Replayed"), std::slice::from_ref(&id), Some("Replay")) },
        "/api/v1/endpoints/{id}/enable": { "post": call("enableEndpoint", "endpoints",
            "Switches an endpoint on again, or ends its rest; what waited is sent", "200", Some("Enabled"),
            std::slice::from_ref(&id), Some("Enable")) },
        "/api/v1/endpoints/{id}/disable": { "post": call("disableEndpoint", "endpoints",
            "Switches an endpoint off; its events are kept", "200", Some("Disabled"), std::slice::from_ref(&id), None) },
        "/api/v1/endpoints/{id}/test": { "post": call("testEndpoint", "endpoints",
            "Sends the event endpoint.test", "202", Some("TestQueued"), std::slice::from_ref(&id), None) },
        "/api/v1/endpoints/{id}/token": { "post": call("renewEndpointToken", "endpoints",
            "Makes the endpoint a new token of its own, in place of the one before. Shown this once", "200",
            Some("EndpointToken"), std::slice::from_ref(&id), None) },
        "/api/v1/subscriptions": { "post": call("requestSubscription", "people",
            "Asks a person by mail to confirm, or takes them in if you state their consent (scope subscribers). Without a \
             stated consent the answer is the same whether or not the address is known", "202",
            Some("Requested"), &[], Some("SubscriptionRequest")) },
        "/api/v1/subscriptions/{token}": {
            "get": own("getSubscriptions", "What a person gets", "200", Some("Subscriptions"), &token, None),
            "patch": own("changeSubscriptions", "Changes what a person gets; what is not named stays", "200",
                Some("Subscriptions"), &token, Some("SubscriptionChange")),
            "delete": own("endSubscriptions", "Ends all that a person gets", "204", None, &token, None)
        },
        "/api/v1/sources/{name}/poll": { "post": poll(&name) },
        "/api/v1/sources/{name}/release": { "post": call("releaseSource", "operation",
            "Lets go what the flood guard holds", "200", Some("Released"), std::slice::from_ref(&name), None) },
        "/api/v1/articles/{id}/deliveries": { "get": call("countDeliveries", "operation",
            "How many deliveries of an article are in each state", "200", Some("Deliveries"), &[id], None) }
    })
}

/// What a selection can be asked for by (`docs/selections.md`).
fn selection_parameters() -> Vec<Value> {
    let one = |name: &&str| json!({ "name": name, "in": "query", "schema": { "type": "string" } });
    query::NAMES.iter().map(one).collect()
}

/// Two answers: at once, or what the poll found.
fn poll(name: &Value) -> Value {
    let wait = json!({ "name": "wait", "in": "query", "schema": { "type": "boolean", "default": false },
                       "description": "Whether the answer waits for the poll and tells what it found." });
    let parameters = [name.clone(), wait];
    let hint = "Hints that the source changed: it is polled within moments";
    let mut poll = call("pollSource", "operation", hint, "202", Some("PollRequested"), &parameters, None);
    let report = call("pollSource", "operation", hint, "200", Some("PollReport"), &parameters, None);
    poll["responses"]["200"] = report["responses"]["200"].clone();
    poll
}

/// A call that the holder of a manage link makes, without a bearer token.
fn own(operation: &str, summary: &str, status: &str, answer: Option<&str>, token: &Value, body: Option<&str>) -> Value {
    let mut own = call(operation, "people", summary, status, answer, std::slice::from_ref(token), body);
    own["security"] = json!([]);
    own
}

fn call(
    operation: &str,
    tag: &str,
    summary: &str,
    status: &str,
    answer: Option<&str>,
    parameters: &[Value],
    body: Option<&str>,
) -> Value {
    let schema = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let mut good = json!({ "description": "Done." });
    if let Some(answer) = answer {
        good["content"] = json!({ "application/json": { "schema": schema(answer) } });
    }
    let mut call = json!({
        "operationId": operation, "tags": [tag], "summary": summary,
        "responses": { status: good, "default": { "$ref": "#/components/responses/Problem" } }
    });
    if !parameters.is_empty() {
        call["parameters"] = json!(parameters);
    }
    if let Some(body) = body {
        call["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema(body) } } });
    }
    call
}

fn object(required: &[&str], properties: Value) -> Value {
    let mut object = json!({ "type": "object", "required": required });
    object["properties"] = properties;
    object
}

fn list_of(name: &str, of: &str) -> Value {
    object(&[name], json!({ name: { "type": "array", "items": { "$ref": format!("#/components/schemas/{of}") } } }))
}

/// A feed, or a selection, as it is listed.
fn feed() -> Value {
    let text = json!({ "type": "string" });
    let uri = json!({ "type": "string", "format": "uri" });
    object(
        &["name", "slug", "title", "kind", "page", "rss", "atom", "json"],
        json!({
            "slug": text, "title": text, "title_en": { "type": ["string", "null"] }, "description": text,
            "name": { "type": "string", "description": "What to write where a feed is asked for." },
            "kind": { "type": "string", "enum": ["topic", "category", "selection"] }, "page": uri, "rss": uri, "atom": uri,
            "json": uri, "articles_per_week": { "type": "integer", "minimum": 0 },
            "changed_at": { "type": "string", "format": "date-time" } }),
    )
}

fn schemas() -> Value {
    let text = json!({ "type": "string" });
    let number = json!({ "type": "integer", "minimum": 0 });
    let uri = json!({ "type": "string", "format": "uri" });
    let time = json!({ "type": "string", "format": "date-time" });
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let endpoint = json!({
        "id": text, "name": text, "url": uri, "feeds": texts, "created_at": time,
        "disabled_at": { "type": ["string", "null"], "format": "date-time" },
        "disabled_reason": { "type": ["string", "null"] },
        "payload": { "type": "string", "enum": ["thin", "full"] },
        "order": { "type": "string", "enum": ["article", "strict"] },
        "newest": number, "waiting": number,
        "failing_since": { "type": ["string", "null"], "format": "date-time" },
        "next_try": { "type": ["string", "null"], "format": "date-time" }
    });
    let frequencies = json!(["immediate", "daily", "weekly"]);
    let named = json!({ "type": "string", "description": "A feed's slug, or search?… of a selection." });
    let wish = object(
        &["feed", "frequency"],
        json!({ "feed": named, "frequency": { "type": "string", "enum": frequencies } }),
    );
    let hour = json!({ "type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$", "description": "When digests come." });
    let mut new_endpoint = endpoint.clone();
    new_endpoint["secret"] =
        json!({ "type": "string", "description": "whsec_…, the key of the signatures (Standard Webhooks)." });
    new_endpoint["token"] =
        json!({ "type": "string", "description": "loae_…, with which the site may ask for its events." });
    let event = json!({
        "id": text, "seq": number, "type": text,
        "state": { "type": "string", "enum": ["pending", "sent", "dead", "cancelled"] },
        "cause": { "type": ["string", "null"] },
        "event": { "type": ["object", "null"], "description": "As it is sent, by the schema at /schemas/{type}.json; null if it must not go out any more." }
    });
    json!({
        "EndpointChange": object(&[], json!({
            "payload": { "type": "string", "enum": ["thin", "full"] },
            "order": { "type": "string", "enum": ["article", "strict"] } })),
        "Event": object(&["id", "seq", "type", "state", "event"], event),
        "EventList": object(&["events", "next", "more", "newest"], json!({
            "events": { "type": "array", "items": { "$ref": "#/components/schemas/Event" } },
            "next": number, "more": { "type": "boolean" }, "newest": number })),
        "Replay": object(&[], json!({
            "from": time, "to": time,
            "state": { "type": "string", "enum": ["any", "sent", "dead", "pending"], "default": "any" },
            "order": { "type": "string", "enum": ["oldest", "newest"], "default": "oldest" } })),
        "Replayed": object(&["replayed"], json!({ "replayed": number })),
        "Enable": object(&["catch_up"], json!({
            "catch_up": { "type": "string", "enum": ["oldest", "newest", "digest"], "default": "oldest" } })),
        "Enabled": object(&["status", "waiting"], json!({ "status": { "const": "enabled" }, "waiting": number })),
        "Disabled": object(&["status"], json!({ "status": { "const": "disabled" } })),
        "TestQueued": object(&["status", "seq"], json!({ "status": { "const": "queued" }, "seq": number })),
        "EndpointToken": object(&["token"], json!({ "token": text })),
        "Problem": object(&["type", "title", "status", "detail"],
            json!({ "type": text, "title": text, "status": { "type": "integer" }, "detail": text })),
        "Feed": feed(),
        "FeedList": list_of("feeds", "Feed"),
        "Endpoint": object(&["id", "name", "url", "feeds", "created_at"], endpoint),
        "NewEndpoint": object(&["id", "name", "url", "feeds", "created_at", "secret", "token"], new_endpoint),
        "EndpointList": list_of("endpoints", "Endpoint"),
        "EndpointRequest": object(&["url", "name", "feeds"], json!({
            "url": uri, "name": { "type": "string", "minLength": 1, "maxLength": 100 },
            "feeds": { "type": "array", "items": named, "minItems": 1 },
            "payload": { "type": "string", "enum": ["thin", "full"], "default": "thin" },
            "order": { "type": "string", "enum": ["article", "strict"], "default": "article" } })),
        "SubscriptionRequest": object(&["email", "feeds"], json!({
            "email": { "type": "string", "format": "email" },
            "feeds": { "type": "array", "minItems": 1, "items": { "oneOf": [
                named, wish ] } },
            "frequency": { "type": "string", "enum": frequencies, "description": "For feeds that name none." },
            "hour": hour, "locale": { "type": ["string", "null"], "enum": ["vi", "en", null] },
            "consent": object(&["given_at", "method", "text"], json!({
                "given_at": time, "method": text, "evidence": text,
                "text": { "type": "string", "description": "The words that the person agreed to; their hash is kept." } })) })),
        "Requested": object(&["status"], json!({ "status": { "type": "string",
            "enum": ["confirmation_requested", "subscribed"],
            "description": "subscribed: by stated consent. Whoever left before is asked all the same." } })),
        "Subscriptions": object(&["subscriptions", "locale"], json!({
            "address_masked": text, "locale": { "type": "string", "enum": ["vi", "en"] },
            "hour": { "type": ["string", "null"] }, "paused_until": { "type": ["string", "null"], "format": "date-time" },
            "subscriptions": { "type": "array", "items": object(&["feed", "title", "frequency"],
                json!({ "feed": text, "title": text, "frequency": { "type": "string", "enum": frequencies } })) } })),
        "SubscriptionChange": object(&[], json!({
            "subscriptions": { "type": "array", "items": wish, "description": "All that is wanted from now on." },
            "hour": { "type": "string", "description": "07:30; empty: the site's hour." },
            "paused_until": { "type": "string", "description": "A time; empty: mails go on." },
            "locale": { "type": "string", "enum": ["vi", "en"] } })),
        "PollRequested": object(&["status"], json!({ "status": { "type": "string", "enum": ["poll_requested"] } })),
        "PollReport": object(&["baseline", "published", "revised", "withdrawn", "held", "kept", "faults"], json!({
            "baseline": number, "published": number, "revised": number, "withdrawn": number,
            "held": { "type": "boolean" }, "kept": number, "faults": texts })),
        "Released": object(&["released"], json!({ "released": number })),
        "Deliveries": object(&["article", "deliveries"], json!({
            "article": object(&["id", "entry_id", "title", "revision", "visible"], json!({
                "id": number, "entry_id": text, "title": text, "revision": number, "visible": { "type": "boolean" } })),
            "deliveries": { "type": "array", "items": object(&["channel", "kind", "state", "count"], json!({
                "channel": text, "kind": text, "state": text, "cause": { "type": ["string", "null"] },
                "count": number })) } }))
    })
}
