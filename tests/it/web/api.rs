//! The API as programs see it.

use std::time::Duration;

use loa::domain::hour::Hour;
use loa::domain::link::Link;
use loa::domain::scope::Scope;
use loa::domain::subscriber::EmailAddress;
use serde_json::{Value, json};

use crate::support::served::House;

#[actix_web::test]
async fn without_a_live_token_nothing_is_answered() {
    let house = House::open().await;
    let token = house.token().await;
    for (method, path) in [
        ("GET", "/api/v1/feeds"),
        ("GET", "/api/v1/endpoints"),
        ("POST", "/api/v1/endpoints"),
        ("DELETE", "/api/v1/endpoints/ep_1"),
        ("POST", "/api/v1/subscriptions"),
        ("POST", "/api/v1/sources/demo/poll"),
        ("POST", "/api/v1/sources/demo/release"),
        ("GET", "/api/v1/articles/1/deliveries"),
    ] {
        for wrong in ["loa_wrong", "", &token[..token.len() - 1]] {
            let answer = house.api(wrong, method, path, "{}").await;
            assert_eq!(answer.status, 401, "{method} {path}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
            assert_eq!(answer.json()["status"], 401);
        }
    }
    assert_eq!(house.api(&token, "GET", "/api/v1/feeds", "").await.status, 200);
    house.store.revoke_token("kiểm thử", house.clock.now()).await.expect("revoked");
    assert_eq!(house.api(&token, "GET", "/api/v1/feeds", "").await.status, 401);
}

#[actix_web::test]
async fn an_endpoint_is_made_with_a_secret_that_is_shown_once() {
    let house = House::open().await;
    let token = house.token().await;
    let wanted = json!({ "url": "https://127.0.0.9:8443/hook?key=1", "name": "Trang huyện", "feeds": ["tat-ca"] });
    let made = house.api(&token, "POST", "/api/v1/endpoints", &wanted.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let (id, secret) = (made.json()["id"].clone(), made.json()["secret"].clone());
    let (id, secret) = (id.as_str().expect("an id"), secret.as_str().expect("a secret"));
    assert!(id.starts_with("ep_") && secret.starts_with("whsec_"));
    assert_eq!(made.header("location"), format!("/api/v1/endpoints/{id}"));
    let shown = house.api(&token, "GET", &format!("/api/v1/endpoints/{id}"), "").await;
    assert_eq!(shown.json()["feeds"], json!(["tat-ca"]));
    let listed = house.api(&token, "GET", "/api/v1/endpoints", "").await;
    assert_eq!(listed.json()["endpoints"][0]["name"], "Trang huyện");
    for answer in [&shown, &listed] {
        assert!(!answer.text().contains("whsec_") && !answer.text().contains("secret"));
    }
    assert_eq!(house.api(&token, "DELETE", &format!("/api/v1/endpoints/{id}"), "").await.status, 204);
    assert_eq!(house.api(&token, "DELETE", &format!("/api/v1/endpoints/{id}"), "").await.status, 404);
    assert_eq!(house.api(&token, "GET", &format!("/api/v1/endpoints/{id}"), "").await.status, 404);
}

#[actix_web::test]
async fn an_address_that_may_not_be_called_is_refused_in_the_same_words() {
    let house = House::open().await;
    let token = house.token().await;
    for url in [
        "http://127.0.0.1/hook",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "https://10.0.0.5/hook",
        "file:///etc/passwd",
        "https://loa.example/hook",
        "https://a:b@127.0.0.9/",
        "nonsense",
        "https://host.invalid/hook",
    ] {
        let wanted = json!({ "url": url, "name": "x", "feeds": ["tat-ca"] });
        let answer = house.api(&token, "POST", "/api/v1/endpoints", &wanted.to_string()).await;
        assert_eq!(answer.status, 422, "{url}");
        assert_eq!(answer.json()["detail"], "url: address not allowed", "{url}");
    }
}

#[actix_web::test]
async fn what_is_wrong_with_a_body_is_said() {
    let house = House::open().await;
    let token = house.token().await;
    let ok = "https://127.0.0.9:8443/h";
    for (body, status, says) in [
        ("{".to_owned(), 400, "JSON"),
        (json!({ "url": ok, "name": "x" }).to_string(), 400, "feeds"),
        (json!({ "url": ok, "name": "x", "feeds": ["tat-ca"], "more": 1 }).to_string(), 400, "more"),
        (json!({ "url": ok, "name": " ", "feeds": ["tat-ca"] }).to_string(), 422, "name"),
        (json!({ "url": ok, "name": "x", "feeds": [] }).to_string(), 422, "feeds"),
        (json!({ "url": ok, "name": "x", "feeds": ["khong-co"] }).to_string(), 422, "khong-co"),
    ] {
        let answer = house.api(&token, "POST", "/api/v1/endpoints", &body).await;
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(answer.json()["detail"].as_str().expect("a text").contains(says), "{body}: {}", answer.text());
    }
    let large = format!("{{\"url\":\"{}\"}}", "a".repeat(300 * 1024));
    assert_eq!(house.api(&token, "POST", "/api/v1/endpoints", &large).await.status, 413);
    assert_eq!(
        house.api(&token, "GET", "/api/v1/nothing", "").await.header("content-type"),
        "application/problem+json"
    );
}

#[actix_web::test]
async fn a_subscription_by_api_waits_for_the_person_too() {
    let house = House::open().await;
    let token = house.token().await;
    let body = json!({ "email": "an@so.example.vn", "feeds": ["tat-ca"], "frequency": "weekly", "locale": "en" });
    let answer = house.api(&token, "POST", "/api/v1/subscriptions", &body.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(house.store.count_subscriptions().await.expect("read"), 0);
    let waiting = house.store.queue_depth(house.clock.now()).await.expect("read");
    assert_eq!((waiting.len(), waiting[0].lane.as_str(), waiting[0].pending), (1, "transactional", 1));
    let bad = json!({ "email": "an", "feeds": ["tat-ca"], "frequency": "weekly" });
    assert_eq!(house.api(&token, "POST", "/api/v1/subscriptions", &bad.to_string()).await.status, 422);
}

#[actix_web::test]
async fn a_source_is_polled_and_what_was_held_is_released() {
    let house = House::open().await;
    let token = house.token().await;
    for n in 0..6 {
        house.write(&format!("moi-{n}"), &format!("Bài mới số {n}"));
    }
    let polled = house.api(&token, "POST", "/api/v1/sources/demo/poll?wait=true", "").await;
    assert_eq!(polled.status, 200, "{}", polled.text());
    assert_eq!((&polled.json()["published"], &polled.json()["held"]), (&json!(6), &json!(true)));
    let freed = house.api(&token, "POST", "/api/v1/sources/demo/release", "").await;
    assert_eq!(freed.json()["released"], 6);
    for action in ["poll", "poll?wait=true", "release"] {
        let none = house.api(&token, "POST", &format!("/api/v1/sources/khong-co/{action}"), "").await;
        assert_eq!(none.status, 404, "{action}");
    }
    let counts = house.api(&token, "GET", "/api/v1/articles/moi-1/deliveries", "").await;
    assert_eq!(counts.json()["article"]["title"], "Bài mới số 1");
    assert_eq!(house.api(&token, "GET", "/api/v1/articles/khong-co/deliveries", "").await.status, 404);
}

#[actix_web::test]
async fn a_hint_is_answered_at_once_and_many_hints_are_one_poll() {
    let house = House::open().await;
    let token = house.token().await;
    house.write("moi", "Bài mới");
    for _ in 0..3 {
        let told = house.api(&token, "POST", "/api/v1/sources/demo/poll", "").await;
        assert_eq!((told.status, told.json()), (202, json!({ "status": "poll_requested" })), "{}", told.text());
    }
    assert!(house.store.find_article("moi").await.expect("read").is_none(), "the answer did not wait for a poll");
    house.ingest.poll_called().await;
    assert!(house.store.find_article("moi").await.expect("read").is_some());
    let polled = house.store.sources().await.expect("read").remove(0).polled_at;
    house.clock.advance(Duration::from_secs(1));
    house.ingest.poll_called().await;
    assert_eq!(house.store.sources().await.expect("read").remove(0).polled_at, polled, "nobody called again");
    house.api(&token, "POST", "/api/v1/sources/demo/poll", "").await;
    house.ingest.poll_called().await;
    assert_eq!(house.store.sources().await.expect("read").remove(0).polled_at, polled, "hints do not press on");
    house.clock.advance(Duration::from_secs(5));
    house.ingest.poll_called().await;
    assert_ne!(house.store.sources().await.expect("read").remove(0).polled_at, polled, "nor are they forgotten");
    assert_eq!(house.api(&token, "POST", "/api/v1/sources/demo/poll?wait=perhaps", "").await.status, 422);
}

#[actix_web::test]
async fn the_description_of_the_api_names_what_is_there_and_nothing_else() {
    let house = House::open().await;
    let token = house.token().await;
    let document = house.get("/api/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut references = Vec::new();
    collect(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a reference into the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut operations = std::collections::BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, call) in methods.as_object().expect("methods") {
            assert!(operations.insert(call["operationId"].as_str().expect("a name").to_owned()));
            let real = path.replace("{id}", "khong-co").replace("{name}", "khong-co").replace("{token}", "khong-co");
            let answer = house.api(&token, &method.to_uppercase(), &real, "").await;
            // A route that is missing would be a 404 of the whole API or a 405.
            assert_ne!(answer.status, 405, "{method} {path}");
            if answer.status == 404 {
                assert!(path.contains('{'), "{method} {path}");
            }
            let no_token = house.api("x", &method.to_uppercase(), &real, "").await;
            if call["security"] == json!([]) {
                assert!(matches!(no_token.status, 400 | 404), "{method} {path} is opened by the link alone");
                continue;
            }
            assert_eq!(no_token.status, 401, "{method} {path} is not a call of the API");
        }
    }
    assert_eq!(operations.len(), 21);
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match inner.as_str() {
                    Some(text) if key == "$ref" => into.push(text.to_owned()),
                    _ => collect(inner, into),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| collect(inner, into)),
        _ => {}
    }
}

#[actix_web::test]
async fn a_token_may_do_what_its_scopes_say_and_nothing_else() {
    let house = House::open().await;
    let calls = [
        (Scope::Read, "GET", "/api/v1/feeds"),
        (Scope::Read, "GET", "/api/v1/articles/1/deliveries"),
        (Scope::Poll, "POST", "/api/v1/sources/demo/poll"),
        (Scope::Poll, "POST", "/api/v1/sources/demo/release"),
        (Scope::Subscribers, "POST", "/api/v1/subscriptions"),
        (Scope::Endpoints, "GET", "/api/v1/endpoints"),
        (Scope::Endpoints, "POST", "/api/v1/endpoints"),
        (Scope::Endpoints, "GET", "/api/v1/endpoints/ep_1"),
        (Scope::Endpoints, "DELETE", "/api/v1/endpoints/ep_1"),
    ];
    for own in [Scope::Read, Scope::Poll, Scope::Subscribers, Scope::Endpoints] {
        let token = house.token_for(own).await;
        for (needs, method, path) in calls {
            let answer = house.api(&token, method, path, "{}").await;
            assert_eq!(answer.status == 403, own != needs, "{} for {method} {path}: {}", own.as_str(), answer.status);
            if own != needs {
                let problem = answer.json();
                assert!(problem["detail"].as_str().expect("words").contains(needs.as_str()), "{problem}");
            }
        }
        let login = house.post("/admin/login", &format!("token={token}")).await;
        assert_eq!((login.status, login.header("set-cookie")), (403, ""), "the console takes a token that may do all");
    }
}

#[actix_web::test]
async fn a_program_asks_for_several_feeds_at_frequencies_of_their_own() {
    let house = House::open().await;
    let token = house.token_for(Scope::Subscribers).await;
    let wanted = json!({
        "email": "an@so.example.vn", "frequency": "weekly", "hour": "06:30", "locale": "en",
        "feeds": ["tat-ca", { "feed": "xay-dung-dang-va-to-chuc", "frequency": "immediate" },
                  { "feed": "search?q=%22%C4%91%E1%BA%A1i+h%E1%BB%99i%22", "frequency": "daily" }],
    });
    let asked = house.api(&token, "POST", "/api/v1/subscriptions", &wanted.to_string()).await;
    assert_eq!((asked.status, asked.json()), (202, json!({ "status": "confirmation_requested" })), "{}", asked.text());
    house.post(&format!("/confirm/{}", house.confirm_token().await), "").await;
    let id = house.store.person_by_email(&"an@so.example.vn".parse_address()).await.expect("read").expect("known");
    let person = house.store.person(id).await.expect("read").expect("known");
    let mut kept: Vec<&str> = person.wishes.iter().map(|w| w.frequency.as_str()).collect();
    kept.sort_unstable();
    assert_eq!((kept, person.hour.map(Hour::minutes)), (vec!["daily", "immediate", "weekly"], Some(390)));
    for (bad, says) in [
        (json!({ "email": "an@so.example.vn", "feeds": ["tat-ca"] }), "frequency"),
        (json!({ "email": "an@so", "feeds": ["tat-ca"], "frequency": "daily" }), "mail address"),
        (json!({ "email": "an@so.example.vn", "feeds": [], "frequency": "daily" }), "no feed"),
        (json!({ "email": "an@so.example.vn", "feeds": ["x"], "frequency": "daily" }), "no feed named"),
        (json!({ "email": "an@so.example.vn", "feeds": ["tat-ca"], "frequency": "daily", "hour": "25:00" }), "hour"),
    ] {
        let refused = house.api(&token, "POST", "/api/v1/subscriptions", &bad.to_string()).await;
        assert_eq!(refused.status, 422, "{bad}");
        assert!(refused.json()["detail"].as_str().expect("words").contains(says), "{}", refused.text());
    }
}

#[actix_web::test]
async fn stated_consent_subscribes_without_a_mail_and_asks_whoever_left_before() {
    let house = House::open().await;
    let token = house.token_for(Scope::Subscribers).await;
    let stated = |at: &str| {
        json!({ "email": "an@so.example.vn", "feeds": ["tat-ca"], "frequency": "daily",
                "consent": { "given_at": at, "method": "phiếu giấy", "text": "Tôi đồng ý.", "evidence": "hồ sơ 12" } })
        .to_string()
    };
    let later = house.api(&token, "POST", "/api/v1/subscriptions", &stated("2027-01-01T00:00:00Z")).await;
    assert_eq!(later.status, 422, "nobody has agreed tomorrow");
    let taken = house.api(&token, "POST", "/api/v1/subscriptions", &stated("2026-11-01T08:00:00+07:00")).await;
    assert_eq!((taken.status, taken.json()), (202, json!({ "status": "subscribed" })), "{}", taken.text());
    let id = house.store.person_by_email(&"an@so.example.vn".parse_address()).await.expect("read").expect("known");
    let consent = house.store.consents_of(id).await.expect("read").remove(0);
    assert_eq!((consent.method.as_str(), consent.evidence.as_deref()), ("import api: phiếu giấy", Some("hồ sơ 12")));
    assert!(consent.text_version == "stated" && consent.text_hash.is_some());
    assert!(house.store.mails_of(id, 9).await.expect("read").is_empty(), "nobody is mailed");

    let manage = house.subscribe.keys().sign(Link::Manage(house.public(id).await));
    house.post(&format!("/manage/{manage}"), "action=leave").await;
    let again = house.api(&token, "POST", "/api/v1/subscriptions", &stated("2026-11-02T08:00:00+07:00")).await;
    assert_eq!(again.json(), json!({ "status": "confirmation_requested" }));
    assert!(
        house.store.person(id).await.expect("read").expect("known").wishes.is_empty(),
        "only they themselves come back"
    );
    assert_eq!(house.store.mails_of(id, 9).await.expect("read").len(), 1);
}

#[actix_web::test]
async fn ones_own_subscriptions_are_seen_changed_and_ended_by_ones_own_link() {
    let house = House::open().await;
    house.post("/subscribe", "email=an%40so.example.vn&feed=tat-ca&frequency=daily&consent=yes").await;
    house.post(&format!("/confirm/{}", house.confirm_token().await), "").await;
    let id = house.store.person_by_email(&"an@so.example.vn".parse_address()).await.expect("read").expect("known");
    let own = format!("/api/v1/subscriptions/{}", house.subscribe.keys().sign(Link::Manage(house.public(id).await)));
    let shown = house.get(&own).await;
    assert_eq!(shown.status, 200, "{}", shown.text());
    assert_eq!(
        shown.json()["subscriptions"],
        json!([{ "feed": "tat-ca", "title": "Tất cả tin bài", "frequency": "daily" }])
    );
    assert_eq!((&shown.json()["address_masked"], shown.header("cache-control")), (&json!("a***@s***.vn"), "no-store"));
    let change = json!({ "subscriptions": [{ "feed": "xay-dung-dang-va-to-chuc", "frequency": "weekly" }], "hour": "05:00",
                         "paused_until": "2026-12-01T00:00:00+07:00", "locale": "en" });
    let headers = [("Content-Type", "application/json")];
    let changed = house.send("PATCH", &own, &headers, change.to_string().as_bytes()).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(
        (&changed.json()["hour"], &changed.json()["paused_until"]),
        (&json!("05:00"), &json!("2026-12-01T00:00:00+07:00"))
    );
    assert_eq!(changed.json()["subscriptions"][0]["frequency"], "weekly");
    let resumed = house.send("PATCH", &own, &headers, br#"{"paused_until": "", "hour": ""}"#).await;
    assert_eq!((&resumed.json()["hour"], &resumed.json()["paused_until"]), (&Value::Null, &Value::Null));
    assert_eq!(resumed.json()["subscriptions"].as_array().map(Vec::len), Some(1), "what is not named stays");
    let wrong = house.send("PATCH", &own, &headers, br#"{"paused_until": "2020-01-01T00:00:00Z"}"#).await;
    assert_eq!((wrong.status, wrong.header("content-type")), (422, "application/problem+json"));
    assert_eq!(house.send("DELETE", &own, &[], b"").await.status, 204);
    assert!(house.store.person(id).await.expect("read").expect("known").wishes.is_empty());
    assert_eq!(house.get("/api/v1/subscriptions/AAAA").await.status, 404);
}

/// An address in a test's own words.
trait ParseAddress {
    fn parse_address(&self) -> EmailAddress;
}

impl ParseAddress for str {
    fn parse_address(&self) -> EmailAddress {
        EmailAddress::parse(self).expect("an address")
    }
}
