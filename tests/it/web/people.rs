//! How people come, confirm, change and leave.

use std::time::Duration;

use loa::domain::link::Link;
use loa::domain::subscriber::{EmailAddress, Frequency};
use loa::store::subscriber::Person;

use crate::support::client::Answer;
use crate::support::served::House;

const ASK: &str = "email=an%40so.example.vn&feed=tat-ca&frequency=daily&consent=yes&website=&lang=vi";

async fn person(house: &House, email: &str) -> Option<Person> {
    let id = house.store.person_by_email(&EmailAddress::parse(email).expect("an address")).await.expect("read")?;
    house.store.person(id).await.expect("read")
}

/// The token of the newest request.
async fn confirm_token(house: &House) -> String {
    for id in (1..200).rev() {
        if house.store.opt_in(id).await.expect("read").is_some() {
            return house.subscribe.keys().sign(Link::Confirm(id));
        }
    }
    panic!("nobody asked");
}

/// A confirmed reader of `tat-ca`, daily; their id.
async fn reader(house: &House) -> i64 {
    assert_eq!(house.post("/subscribe", ASK).await.status, 303);
    let token = confirm_token(house).await;
    assert_eq!(house.post(&format!("/confirm/{token}"), "").await.status, 200);
    person(house, "an@so.example.vn").await.expect("known").id
}

fn is_private(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert!(answer.header("x-robots-tag").contains("noindex"));
}

#[actix_web::test]
async fn asking_confirming_and_managing_lead_to_each_other() {
    let house = House::open().await;
    let asked = house.post("/subscribe", ASK).await;
    assert_eq!((asked.status, asked.header("location")), (303, "/subscribe/sent?lang=vi"));
    assert!(house.get(asked.header("location")).await.text().contains("Xin mở hộp thư"));
    assert!(person(&house, "an@so.example.vn").await.expect("known").wishes.is_empty(), "not before the confirmation");

    let token = confirm_token(&house).await;
    let shown = house.get(&format!("/confirm/{token}")).await;
    is_private(&shown);
    assert!(shown.text().contains("a***@s***.vn") && shown.text().contains("Tất cả tin bài"));
    assert!(!shown.text().contains("an@so.example.vn"));
    assert!(person(&house, "an@so.example.vn").await.expect("known").wishes.is_empty(), "a GET confirms nothing");

    let confirmed = house.post(&format!("/confirm/{token}"), "").await;
    assert_eq!(confirmed.status, 200);
    is_private(&confirmed);
    let manage = confirmed.text().split("href=\"").find(|p| p.starts_with("/manage/")).expect("the way on");
    let manage = manage.split('"').next().expect("an address").to_owned();
    assert_eq!(house.post(&format!("/confirm/{token}"), "").await.status, 200, "twice is fine");

    let page = house.get(&manage).await;
    is_private(&page);
    assert!(page.text().contains("<option value=\"daily\" selected>"));
    let saved = house.post(&manage, "f.tat-ca=immediate&f.xay-dung-dang-va-to-chuc=weekly&locale=en&action=save").await;
    assert_eq!((saved.status, saved.header("location")), (303, format!("{manage}?done=saved").as_str()));
    let now = person(&house, "an@so.example.vn").await.expect("known");
    let mut kept: Vec<Frequency> = now.wishes.iter().map(|w| w.frequency).collect();
    kept.sort_by_key(|f| f.as_str());
    assert_eq!(kept, [Frequency::Immediate, Frequency::Weekly]);
    assert!(
        house.get(saved.header("location")).await.text().contains("Your choice is saved."),
        "in the person's language"
    );

    house.post(&manage, "f.tat-ca=none&action=save").await;
    let left: Vec<Frequency> =
        person(&house, "an@so.example.vn").await.expect("known").wishes.iter().map(|w| w.frequency).collect();
    assert_eq!(left, [Frequency::Weekly], "a feed that the form does not name stays as it is");
    house.post(&manage, "action=leave").await;
    assert!(person(&house, "an@so.example.vn").await.expect("known").wishes.is_empty());
}

#[actix_web::test]
async fn an_unknown_address_gets_the_same_answer() {
    let house = House::open().await;
    reader(&house).await;
    let known = house.post("/subscribe", ASK).await;
    let unknown = house.post("/subscribe", &ASK.replace("an%40", "binh%40")).await;
    for _ in 0..4 {
        house.post("/subscribe", ASK).await;
    }
    let too_often = house.post("/subscribe", ASK).await;
    let plain = |a: &Answer| {
        let mut headers = a.headers.clone();
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
        (a.status, headers, a.body.clone())
    };
    assert_eq!(plain(&known), plain(&unknown));
    assert_eq!(plain(&known), plain(&too_often));
}

#[actix_web::test]
async fn a_form_that_is_not_right_comes_back_with_what_was_written() {
    let house = House::open().await;
    for (form, says) in [
        (ASK.replace("an%40so.example.vn", "an%40so"), "tên miền sau dấu @ chưa đầy đủ"),
        (ASK.replace("&feed=tat-ca", ""), "ít nhất một kênh"),
        (ASK.replace("&consent=yes", ""), "ô đồng ý"),
        (ASK.replace("feed=tat-ca", "feed=khong-co"), "không còn nữa"),
    ] {
        let page = house.post("/subscribe", &form).await;
        assert_eq!(page.status, 422, "{form}");
        assert!(page.text().contains(says) && page.text().contains("role=\"alert\""), "{form}");
        assert!(page.text().contains("value=\"an@so"), "{form}");
        assert_eq!(page.header("cache-control"), "no-store");
    }
    assert!(person(&house, "an@so.example.vn").await.is_none(), "nothing was written");
}

#[actix_web::test]
async fn whoever_falls_into_the_trap_is_told_nothing_and_nothing_happens() {
    let house = House::open().await;
    let answer = house.post("/subscribe", &ASK.replace("website=", "website=http%3A%2F%2Fspam")).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/subscribe/sent?lang=vi"));
    assert!(person(&house, "an@so.example.vn").await.is_none());
}

#[actix_web::test]
async fn a_form_of_another_site_is_refused() {
    let house = House::open().await;
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    for from in [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://other.example")] {
        let answer = house.send("POST", "/subscribe", &[kind, from], ASK.as_bytes()).await;
        assert_eq!(answer.status, 403, "{from:?}");
    }
    let own = format!("http://{}", house.at);
    assert_eq!(house.send("POST", "/subscribe", &[kind, ("Origin", &own)], ASK.as_bytes()).await.status, 303);
}

#[actix_web::test]
async fn who_asks_too_often_waits_and_others_do_not() {
    let house = House::open().await;
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let from = |ip: &'static str| [kind, ("X-Forwarded-For", ip)];
    for n in 0..20 {
        let form = ASK.replace("an%40", &format!("a{n}%40"));
        assert_eq!(house.send("POST", "/subscribe", &from("203.0.113.9"), form.as_bytes()).await.status, 303);
    }
    let refused = house.send("POST", "/subscribe", &from("203.0.113.9"), ASK.as_bytes()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "15"));
    assert!(refused.text().contains("15 giây"));
    assert_eq!(house.send("POST", "/subscribe", &from("203.0.113.10"), ASK.as_bytes()).await.status, 303);
    house.clock.advance(Duration::from_secs(15));
    assert_eq!(house.send("POST", "/subscribe", &from("203.0.113.9"), ASK.as_bytes()).await.status, 303);
}

#[actix_web::test]
async fn a_form_larger_than_allowed_is_refused() {
    let house = House::open().await;
    let large = format!("{ASK}&x={}", "a".repeat(70 * 1024));
    assert_eq!(house.post("/subscribe", &large).await.status, 413);
    assert_eq!(house.send("POST", "/subscribe", &[("Content-Type", "application/json")], b"{}").await.status, 400);
}

#[actix_web::test]
async fn a_forged_token_opens_nothing() {
    let house = House::open().await;
    let id = reader(&house).await;
    let keys = house.subscribe.keys();
    let good = [
        format!("/confirm/{}", confirm_token(&house).await),
        format!("/manage/{}", keys.sign(Link::Manage(id))),
        format!("/u/{}", keys.sign(Link::Unsubscribe(id, Frequency::Daily))),
    ];
    for path in good {
        let (place, token) = path.rsplit_once('/').expect("two parts");
        let last = if token.ends_with('A') { "B" } else { "A" };
        let forged = format!("{place}/{}{last}", &token[..token.len() - 1]);
        let elsewhere = if place == "/manage" { format!("/u/{token}") } else { format!("/manage/{token}") };
        for bad in [forged, elsewhere, format!("{place}/x"), format!("{place}/%00")] {
            let shown = house.get(&bad).await;
            assert_eq!(shown.status, 404, "{bad}");
            let done = house.post(&bad, "List-Unsubscribe=One-Click&action=leave").await;
            assert_eq!(done.status, 404, "{bad}");
            assert!(done.text().contains("không dùng được"), "{bad}");
        }
    }
    assert_eq!(person(&house, "an@so.example.vn").await.expect("known").wishes.len(), 1);
}

#[actix_web::test]
async fn a_get_on_an_unsubscribe_link_changes_nothing() {
    let house = House::open().await;
    let id = reader(&house).await;
    let link = format!("/u/{}", house.subscribe.keys().sign(Link::Unsubscribe(id, Frequency::Daily)));
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert!(house.send(method, &link, &[], b"").await.status < 300);
    }
    let page = house.get(&link).await;
    is_private(&page);
    assert!(page.text().contains("a***@s***.vn") && !page.text().contains("an@so.example.vn"));
    assert!(page.text().contains("name=\"List-Unsubscribe\" value=\"One-Click\""));
    assert_eq!(person(&house, "an@so.example.vn").await.expect("known").wishes.len(), 1);
}

#[actix_web::test]
async fn one_click_works_in_both_body_encodings_without_cookie_or_redirect() {
    let house = House::open().await;
    let id = reader(&house).await;
    let link = format!("/u/{}", house.subscribe.keys().sign(Link::Unsubscribe(id, Frequency::Daily)));
    let plain: (&str, &[u8]) = ("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click");
    let parts: (&str, &[u8]) = (
        "multipart/form-data; boundary=YnVuZw",
        b"--YnVuZw\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--YnVuZw--\r\n",
    );
    for (kind, body) in [plain, parts] {
        for again in [false, true] {
            // A mailbox provider's call comes from anywhere and says so.
            let headers =
                [("Content-Type", kind), ("Origin", "https://mail.example"), ("Sec-Fetch-Site", "cross-site")];
            let done = house.send("POST", &link, &headers, body).await;
            assert_eq!(
                (done.status, done.header("location"), done.header("set-cookie")),
                (200, "", ""),
                "{kind} {again}"
            );
            assert!(person(&house, "an@so.example.vn").await.expect("known").wishes.is_empty(), "{kind}");
            assert!(done.text().contains("Đã ngừng") && done.text().contains("/manage/"));
        }
        let manage = format!("/manage/{}", house.subscribe.keys().sign(Link::Manage(id)));
        house.post(&manage, "f.tat-ca=daily&action=save").await;
        assert_eq!(person(&house, "an@so.example.vn").await.expect("known").wishes.len(), 1);
    }
}

#[actix_web::test]
async fn a_post_that_does_not_say_one_click_unsubscribes_nobody() {
    let house = House::open().await;
    let id = reader(&house).await;
    let link = format!("/u/{}", house.subscribe.keys().sign(Link::Unsubscribe(id, Frequency::Daily)));
    for body in ["", "List-Unsubscribe=Two-Clicks", "x=1"] {
        assert_eq!(house.post(&link, body).await.status, 400, "{body}");
    }
    assert_eq!(person(&house, "an@so.example.vn").await.expect("known").wishes.len(), 1);
}

#[actix_web::test]
async fn one_click_ends_the_kind_of_mail_it_stood_in_and_offers_the_rest() {
    let house = House::open().await;
    let id = reader(&house).await;
    let keys = house.subscribe.keys();
    let manage = format!("/manage/{}", keys.sign(Link::Manage(id)));
    house.post(&manage, "f.tat-ca=daily&f.xay-dung-dang-va-to-chuc=weekly&action=save").await;
    let link = format!("/u/{}", keys.sign(Link::Unsubscribe(id, Frequency::Daily)));
    let done = house.post(&link, "List-Unsubscribe=One-Click").await;
    assert!(done.text().contains("vẫn còn nhận những tin khác") && done.text().contains(&manage));
    let left = person(&house, "an@so.example.vn").await.expect("known").wishes;
    assert_eq!(left.iter().map(|w| w.frequency).collect::<Vec<_>>(), [Frequency::Weekly]);
}

#[actix_web::test]
async fn erasing_asks_once_more_and_then_leaves_nothing_behind() {
    let house = House::open().await;
    let id = reader(&house).await;
    let manage = format!("/manage/{}", house.subscribe.keys().sign(Link::Manage(id)));
    let asks = house.get(&format!("{manage}/erase")).await;
    is_private(&asks);
    assert!(asks.text().contains("không lấy lại được"));
    assert!(person(&house, "an@so.example.vn").await.is_some(), "a GET erases nobody");
    let done = house.post(&format!("{manage}/erase"), "").await;
    assert_eq!(done.status, 200);
    assert!(person(&house, "an@so.example.vn").await.is_none());
    assert_eq!(house.get(&manage).await.status, 404);
    let link = format!("/u/{}", house.subscribe.keys().sign(Link::Unsubscribe(id, Frequency::Daily)));
    assert_eq!(house.post(&link, "List-Unsubscribe=One-Click").await.status, 200, "200 also when all is gone");
}

#[actix_web::test]
async fn a_request_lapses_after_seven_days() {
    let house = House::open().await;
    house.post("/subscribe", ASK).await;
    let token = confirm_token(&house).await;
    house.clock.advance(Duration::from_hours(7 * 24 + 1));
    assert_eq!(house.post(&format!("/confirm/{token}"), "").await.status, 404);
    assert!(person(&house, "an@so.example.vn").await.expect("known").wishes.is_empty());
}
