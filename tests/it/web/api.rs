//! The API as programs see it.

use std::time::Duration;

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
            let real = path.replace("{id}", "khong-co").replace("{name}", "khong-co");
            let answer = house.api(&token, &method.to_uppercase(), &real, "").await;
            // A route that is missing would be a 404 of the whole API or a 405.
            assert_ne!(answer.status, 405, "{method} {path}");
            if answer.status == 404 {
                assert!(path.contains('{'), "{method} {path}");
            }
            let no_token = house.api("x", &method.to_uppercase(), &real, "").await;
            assert_eq!(no_token.status, 401, "{method} {path} is not a call of the API");
        }
    }
    assert_eq!(operations.len(), 16);
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
