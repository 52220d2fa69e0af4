//! The operator's console, and what only the demo has.

use loa::notify::webhook::secret::sign;

use crate::support::served::House;

/// Signs in; the cookie as a browser would send it.
async fn sign_in(house: &House) -> String {
    let token = house.token().await;
    let answer = house.post("/admin/login", &format!("token={token}")).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/admin"));
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/admin"),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure"), "the site is plain http here");
    assert!(!cookie.contains(&token));
    cookie.split(';').next().expect("name and value").to_owned()
}

fn csrf(page: &str) -> String {
    page.split("name=\"csrf\" value=\"").nth(1).and_then(|p| p.split('"').next()).expect("a form").to_owned()
}

#[actix_web::test]
async fn the_console_opens_to_a_live_token_only() {
    let house = House::open().await;
    let outside = house.get("/admin").await;
    assert_eq!((outside.status, outside.header("location")), (303, "/admin/login"));
    assert_eq!(house.post("/admin/login", "token=loa_wrong").await.status, 403);
    let cookie = sign_in(&house).await;
    let page = house.get_with("/admin", &[("Cookie", &cookie)]).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.text().contains("demo") && page.text().contains("kiểm thử"));
    let forged = cookie.replace("loa_session=1", "loa_session=2");
    assert_ne!(forged, cookie);
    assert_eq!(house.get_with("/admin", &[("Cookie", &forged)]).await.status, 303);
    house.store.revoke_token("kiểm thử", house.clock.now()).await.expect("revoked");
    assert_eq!(house.get_with("/admin", &[("Cookie", &cookie)]).await.status, 303, "a revoked token ends its sessions");
}

#[actix_web::test]
async fn a_session_ends_after_twelve_hours() {
    let house = House::open().await;
    let cookie = sign_in(&house).await;
    house.clock.advance(std::time::Duration::from_hours(12));
    assert_eq!(house.get_with("/admin", &[("Cookie", &cookie)]).await.status, 303);
}

#[actix_web::test]
async fn a_button_works_only_with_the_sessions_own_token() {
    let house = House::open().await;
    for n in 0..6 {
        house.write(&format!("moi-{n}"), &format!("Bài mới số {n}"));
    }
    house.poll().await;
    let cookie = sign_in(&house).await;
    let page = house.get_with("/admin", &[("Cookie", &cookie)]).await;
    assert!(page.text().contains("6 thay đổi đang được giữ lại"), "{}", page.text());
    let csrf = csrf(page.text());
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let release = "/admin/sources/demo/release";
    let form = format!("csrf={csrf}");
    assert_eq!(house.post(release, &form).await.status, 401, "without a session");
    let wrong = house.send("POST", release, &[kind, ("Cookie", &cookie)], b"csrf=wrong").await;
    assert_eq!(wrong.status, 403);
    assert_eq!(house.store.held("demo").await.expect("read"), 6);
    let done = house.send("POST", release, &[kind, ("Cookie", &cookie)], form.as_bytes()).await;
    assert_eq!((done.status, done.header("location")), (303, "/admin?note=released&n=6"));
    assert_eq!(house.store.held("demo").await.expect("read"), 0);
    let polled = house.send("POST", "/admin/sources/demo/poll", &[kind, ("Cookie", &cookie)], form.as_bytes()).await;
    let after = house.get_with(polled.header("location"), &[("Cookie", &cookie)]).await;
    assert!(after.text().contains("Đã đọc nguồn: 0 mới"), "{}", polled.header("location"));
}

#[actix_web::test]
async fn the_demo_shows_its_mails_in_a_frame_that_runs_nothing() {
    let mut house = House::open().await;
    house.mail();
    house.post("/subscribe", "email=an%40so.example.vn&feed=tat-ca&frequency=daily&consent=yes").await;
    house.mail_to("an@so.example.vn").await;
    let list = house.get("/demo/mail").await;
    assert!(list.text().contains("an@so.example.vn"));
    let href = list.text().split("href=\"").find(|p| p.starts_with("/demo/mail/")).expect("a mail");
    let href = href.split('"').next().expect("an address").to_owned();
    let page = house.get(&href).await;
    assert!(page.text().contains("sandbox=\"allow-top-navigation-by-user-activation\""));
    assert!(page.text().contains("/confirm/") && page.text().contains("Message-ID"));
    let inside = house.get(&format!("{href}/html")).await;
    let policy = inside.header("content-security-policy");
    assert!(policy.starts_with("sandbox allow-top-navigation-by-user-activation;") && !policy.contains("script"));
    assert!(inside.text().contains("<base target=\"_top\">"));
    for none in ["/demo/mail/x.eml", "/demo/mail/..%2Floa.db", "/demo/mail/..%2F..%2Fetc%2Fpasswd", "/demo/mail/loa.db"]
    {
        assert_eq!(house.get(none).await.status, 404, "{none}");
    }
}

#[actix_web::test]
async fn the_demos_receiver_shows_events_whose_signature_is_right() {
    let house = House::open().await;
    let body = r#"{"type":"article.published","data":{"title":"Bài mới"}}"#;
    let seconds = house.clock.now().seconds();
    let signature = sign("art_1_1_p", seconds, body.as_bytes(), std::slice::from_ref(&house.secret));
    let stamp = seconds.to_string();
    let headers =
        [("webhook-id", "art_1_1_p"), ("webhook-timestamp", stamp.as_str()), ("webhook-signature", &signature)];
    assert_eq!(house.send("POST", "/demo/hook", &headers, body.as_bytes()).await.status, 204);
    assert_eq!(house.send("POST", "/demo/hook", &headers, b"{}").await.status, 400);
    let page = house.get("/demo/hook").await;
    assert!(page.text().contains("article.published") && page.text().contains("art_1_1_p"));
    assert!(page.text().contains("chữ ký sai: 1"));
}
