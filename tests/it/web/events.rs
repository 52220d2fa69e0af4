//! The events of an endpoint as its site asks for them.

use serde_json::json;

use crate::support::served::House;

/// An endpoint with three events; its id and token.
async fn endpoint(house: &House) -> (String, String) {
    let token = house.token().await;
    let wanted = json!({ "url": "https://127.0.0.9:8443/hook", "name": "Trang", "feeds": ["tat-ca"] });
    let made = house.api(&token, "POST", "/api/v1/endpoints", &wanted.to_string()).await.json();
    let (id, own) = (made["id"].as_str().expect("an id"), made["token"].as_str().expect("a token"));
    assert!(own.starts_with("loae_"));
    let subscriber = house.store.endpoint(id).await.expect("read").expect("there").subscriber_id;
    for _ in 0..3 {
        house.store.add_test_event(subscriber, house.clock.now()).await.expect("made");
    }
    (id.to_owned(), own.to_owned())
}

#[actix_web::test]
async fn a_site_catches_up_page_by_page_with_its_own_token() {
    let house = House::open().await;
    let (id, own) = endpoint(&house).await;
    let events = format!("/api/v1/endpoints/{id}/events");
    let first = house.api(&own, "GET", &format!("{events}?after=0&limit=2"), "").await;
    assert_eq!(first.status, 200, "{}", first.text());
    let first = first.json();
    assert_eq!((&first["next"], &first["more"], &first["newest"]), (&2.into(), &true.into(), &3.into()));
    assert_eq!((&first["events"][0]["seq"], &first["events"][0]["state"]), (&1.into(), &"pending".into()));
    assert_eq!(first["events"][1]["event"]["type"], "endpoint.test");
    assert_eq!(first["events"][1]["event"]["prev_seq"], 1);
    let last = house.api(&own, "GET", &format!("{events}?after=2"), "").await.json();
    assert_eq!((last["events"].as_array().map(Vec::len), &last["more"]), (Some(1), &false.into()));
    let none = house.api(&own, "GET", &format!("{events}?after=3"), "").await.json();
    assert_eq!((none["events"].as_array().map(Vec::len), &none["next"]), (Some(0), &3.into()));
    for odd in ["after=-1", "after=x", "limit=1e3"] {
        assert_eq!(house.api(&own, "GET", &format!("{events}?{odd}"), "").await.status, 422, "{odd}");
    }
}

#[actix_web::test]
async fn the_token_of_an_endpoint_opens_that_endpoint_and_nothing_else() {
    let house = House::open().await;
    let (id, own) = endpoint(&house).await;
    let (other, others) = endpoint(&house).await;
    for (token, at, status) in [(&own, &id, 200), (&others, &id, 401), (&own, &other, 401), (&others, &other, 200)] {
        let answer = house.api(token, "GET", &format!("/api/v1/endpoints/{at}/events"), "").await;
        assert_eq!(answer.status, status);
    }
    for (method, path) in [
        ("GET", "/api/v1/endpoints".to_owned()),
        ("DELETE", format!("/api/v1/endpoints/{id}")),
        ("GET", "/api/v1/feeds".to_owned()),
    ] {
        assert_eq!(house.api(&own, method, &path, "").await.status, 401, "{method} {path}");
    }
    let renewed = house.api(&own, "POST", &format!("/api/v1/endpoints/{id}/token"), "").await.json();
    let renewed = renewed["token"].as_str().expect("a token");
    let events = format!("/api/v1/endpoints/{id}/events");
    assert_eq!(house.api(&own, "GET", &events, "").await.status, 401, "the one before is worth nothing");
    assert_eq!(house.api(renewed, "GET", &events, "").await.status, 200);
    let operator = house.token().await;
    house.api(&operator, "DELETE", &format!("/api/v1/endpoints/{id}"), "").await;
    assert_eq!(house.api(renewed, "GET", &events, "").await.status, 401, "nor after its endpoint");
}

#[actix_web::test]
async fn an_endpoint_is_switched_off_and_on_tested_and_sent_its_events_again() {
    let house = House::open().await;
    let (id, own) = endpoint(&house).await;
    let at = |call: &str| format!("/api/v1/endpoints/{id}/{call}");
    assert_eq!(house.api(&own, "POST", &at("test"), "").await.json()["seq"], 4);
    assert_eq!(house.api(&own, "POST", &at("disable"), "").await.status, 200);
    assert_eq!(house.api(&own, "POST", &at("test"), "").await.status, 409);
    let operator = house.token().await;
    let shown = house.api(&operator, "GET", &format!("/api/v1/endpoints/{id}"), "").await.json();
    assert!(shown["disabled_at"].is_string());
    assert_eq!((&shown["waiting"], &shown["newest"]), (&5.into(), &5.into()), "and it is told so");
    let enabled = house.api(&own, "POST", &at("enable"), &json!({ "catch_up": "newest" }).to_string()).await.json();
    assert_eq!((&enabled["status"], &enabled["waiting"]), (&"enabled".into(), &5.into()));
    assert_eq!(house.api(&own, "POST", &at("enable"), &json!({ "catch_up": "x" }).to_string()).await.status, 400);
    let again = house.api(&own, "POST", &at("replay"), &json!({ "state": "sent" }).to_string()).await;
    assert_eq!((again.status, &again.json()["replayed"]), (202, &0.into()));
    for odd in [json!({ "from": "yesterday" }), json!({ "state": "lost" }), json!({ "more": 1 })] {
        let status = house.api(&own, "POST", &at("replay"), &odd.to_string()).await.status;
        assert!((400..=422).contains(&status), "{odd}");
    }
    let change = json!({ "payload": "full", "order": "strict" });
    let changed = house.api(&own, "PATCH", &format!("/api/v1/endpoints/{id}"), &change.to_string()).await.json();
    assert_eq!((&changed["payload"], &changed["order"]), (&"full".into(), &"strict".into()));
}

#[actix_web::test]
async fn the_schemas_of_all_events_are_published() {
    let house = House::open().await;
    for name in loa::notify::webhook::schema::types() {
        let answer = house.get(&format!("/schemas/{name}.json")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/schema+json"));
        let id = answer.json()["$id"].as_str().expect("an id").to_owned();
        assert_eq!(id, format!("http://{}/schemas/{name}.json", house.at));
    }
    assert_eq!(house.get("/schemas/article.lost.json").await.status, 404);
}
