//! How people come, confirm, change and leave.

use std::time::Duration;

use loa::domain::hour::Hour;
use loa::domain::link::Link;
use loa::domain::subscriber::{EmailAddress, Frequency, Locale};
use loa::store::subscriber::Person;
use loa::work::subscribe::Ask;

use crate::support::client::Answer;
use crate::support::served::House;

const ASK: &str = "email=an%40so.example.vn&feed=tat-ca&frequency=daily&consent=yes&website=&lang=vi";

async fn person(house: &House, email: &str) -> Option<Person> {
    let id = house.store.person_by_email(&EmailAddress::parse(email).expect("an address")).await.expect("read")?;
    house.store.person(id).await.expect("read")
}

/// A confirmed reader of `tat-ca`, daily; their id.
async fn reader(house: &House) -> i64 {
    assert_eq!(house.post("/subscribe", ASK).await.status, 303);
    let token = house.confirm_token().await;
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

    let token = house.confirm_token().await;
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
        format!("/confirm/{}", house.confirm_token().await),
        format!("/manage/{}", keys.sign(Link::Manage(house.public(id).await))),
        format!("/u/{}", keys.sign(Link::Unsubscribe(house.public(id).await, Frequency::Daily))),
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
    let link =
        format!("/u/{}", house.subscribe.keys().sign(Link::Unsubscribe(house.public(id).await, Frequency::Daily)));
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
    let link =
        format!("/u/{}", house.subscribe.keys().sign(Link::Unsubscribe(house.public(id).await, Frequency::Daily)));
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
        let manage = format!("/manage/{}", house.subscribe.keys().sign(Link::Manage(house.public(id).await)));
        house.post(&manage, "f.tat-ca=daily&action=save").await;
        assert_eq!(person(&house, "an@so.example.vn").await.expect("known").wishes.len(), 1);
    }
}

#[actix_web::test]
async fn a_post_that_does_not_say_one_click_unsubscribes_nobody() {
    let house = House::open().await;
    let id = reader(&house).await;
    let link =
        format!("/u/{}", house.subscribe.keys().sign(Link::Unsubscribe(house.public(id).await, Frequency::Daily)));
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
    let manage = format!("/manage/{}", keys.sign(Link::Manage(house.public(id).await)));
    house.post(&manage, "f.tat-ca=daily&f.xay-dung-dang-va-to-chuc=weekly&action=save").await;
    let link = format!("/u/{}", keys.sign(Link::Unsubscribe(house.public(id).await, Frequency::Daily)));
    let done = house.post(&link, "List-Unsubscribe=One-Click").await;
    assert!(done.text().contains("vẫn còn nhận những tin khác") && done.text().contains(&manage));
    let left = person(&house, "an@so.example.vn").await.expect("known").wishes;
    assert_eq!(left.iter().map(|w| w.frequency).collect::<Vec<_>>(), [Frequency::Weekly]);
}

#[actix_web::test]
async fn erasing_asks_once_more_and_then_leaves_nothing_behind() {
    let house = House::open().await;
    let id = reader(&house).await;
    let manage = format!("/manage/{}", house.subscribe.keys().sign(Link::Manage(house.public(id).await)));
    let asks = house.get(&format!("{manage}/erase")).await;
    is_private(&asks);
    assert!(asks.text().contains("không lấy lại được"));
    assert!(person(&house, "an@so.example.vn").await.is_some(), "a GET erases nobody");
    let done = house.post(&format!("{manage}/erase"), "").await;
    assert_eq!(done.status, 200);
    assert!(person(&house, "an@so.example.vn").await.is_none());
    assert_eq!(house.get(&manage).await.status, 404);
    let link =
        format!("/u/{}", house.subscribe.keys().sign(Link::Unsubscribe(house.public(id).await, Frequency::Daily)));
    assert_eq!(house.post(&link, "List-Unsubscribe=One-Click").await.status, 200, "200 also when all is gone");
}

#[actix_web::test]
async fn a_request_lapses_after_seven_days() {
    let house = House::open().await;
    house.post("/subscribe", ASK).await;
    let token = house.confirm_token().await;
    house.clock.advance(Duration::from_hours(7 * 24 + 1));
    assert_eq!(house.post(&format!("/confirm/{token}"), "").await.status, 404);
    assert!(person(&house, "an@so.example.vn").await.expect("known").wishes.is_empty());
}

#[actix_web::test]
async fn each_feed_has_its_frequency_and_the_digest_its_hour() {
    let house = House::open().await;
    let form = "email=an%40so.example.vn&feed=tat-ca&feed=xay-dung-dang-va-to-chuc&frequency=daily&consent=yes&lang=vi\
                &f.tat-ca=&f.xay-dung-dang-va-to-chuc=immediate&hour=06%3A30";
    assert_eq!(house.post("/subscribe", form).await.status, 303);
    let confirm = format!("/confirm/{}", house.confirm_token().await);
    let shown = house.get(&confirm).await;
    assert!(shown.text().contains("Tất cả tin bài</a>: <strong>Mỗi ngày"), "{}", shown.text());
    assert!(shown.text().contains("Ngay khi có tin") && shown.text().contains("06:30"));
    house.post(&confirm, "").await;
    let known = person(&house, "an@so.example.vn").await.expect("known");
    let mut kept: Vec<&str> = known.wishes.iter().map(|w| w.frequency.as_str()).collect();
    kept.sort_unstable();
    assert_eq!((kept, known.hour.map(Hour::minutes)), (vec!["daily", "immediate"], Some(390)));
    let consent = house.store.consents_of(known.id).await.expect("read").remove(0);
    assert_eq!((consent.text_version.as_str(), consent.text_hash.map(|h| h.len())), ("2026-11", Some(64)));
    // The page keeps what the form does not name, and takes the hour back.
    let manage = format!("/manage/{}", house.subscribe.keys().sign(Link::Manage(known.public_id)));
    assert!(house.get(&manage).await.text().contains("<option value=\"06:30\" selected>"));
    house.post(&manage, "f.tat-ca=weekly&action=save").await;
    assert_eq!(person(&house, "an@so.example.vn").await.expect("known").hour.map(Hour::minutes), Some(390));
    house.post(&manage, "hour=&action=save").await;
    assert_eq!(person(&house, "an@so.example.vn").await.expect("known").hour, None);
}

#[actix_web::test]
async fn a_one_click_post_that_does_not_say_what_it_posts_is_understood() {
    let house = House::open().await;
    let id = reader(&house).await;
    let link =
        format!("/u/{}", house.subscribe.keys().sign(Link::Unsubscribe(house.public(id).await, Frequency::Daily)));
    let done = house.send("POST", &link, &[], b"List-Unsubscribe=One-Click\r\n").await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(person(&house, "an@so.example.vn").await.expect("known").wishes.is_empty());
}

#[actix_web::test]
async fn a_link_that_was_signed_by_an_older_key_goes_on_working() {
    let house = House::open().await;
    let id = reader(&house).await;
    let old = house.subscribe.keys().sign(Link::Unsubscribe(house.public(id).await, Frequency::Daily));
    let new = loa::work::access::rotate_link_key(&house.store, &house.clock).await.expect("made");
    assert_eq!(new, Some(2));
    let ring = loa::work::access::link_keys(&house.store, &house.clock).await.expect("keys");
    assert_eq!(ring.verify(&old), house.subscribe.keys().verify(&old));
    let signed = ring.sign(Link::Manage(house.public(id).await));
    assert_eq!(house.subscribe.keys().verify(&signed), None, "the new key signs");
}

#[actix_web::test]
async fn who_pauses_gets_nothing_until_the_day_and_may_go_on_earlier() {
    let house = House::open().await;
    let id = reader(&house).await;
    let manage = format!("/manage/{}", house.subscribe.keys().sign(Link::Manage(house.public(id).await)));
    let paused = async || house.store.person(id).await.expect("read").expect("known").paused_until;
    for bad in ["", "2026-11-23", "2026-11-01", "2028-01-01", "01/12/2026"] {
        let answer = house.post(&manage, &format!("action=pause&until={bad}")).await;
        assert_eq!(answer.status, 422, "{bad}");
        assert!(answer.text().contains("role=\"alert\"") && answer.text().contains("từ ngày mai"), "{bad}");
        is_private(&answer);
    }
    assert_eq!(paused().await, None);
    let done = house.post(&manage, "action=pause&until=2026-12-01").await;
    assert_eq!((done.status, done.header("location")), (303, format!("{manage}?done=paused").as_str()));
    let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone");
    assert_eq!(paused().await.map(|t| t.rfc3339(&zone)).as_deref(), Some("2026-12-01T00:00:00+07:00"));
    assert!(house.get(&manage).await.text().contains("Đang tạm dừng"));
    house.post(&manage, "action=resume").await;
    assert_eq!(paused().await, None);
    house.post(&manage, "action=pause&until=2026-12-01").await;
    house.clock.advance(Duration::from_hours(24 * 9));
    assert!(!house.get(&manage).await.text().contains("Đang tạm dừng"), "it is over by itself");
}

#[actix_web::test]
async fn who_moves_confirms_at_the_new_address_and_the_old_one_is_told() {
    let mut house = House::open().await;
    house.mail();
    let id = reader(&house).await;
    let manage = format!("/manage/{}", house.subscribe.keys().sign(Link::Manage(house.public(id).await)));
    let bad = house.post(&manage, "action=move&email=khong-phai").await;
    assert_eq!(bad.status, 422);
    assert!(bad.text().contains("value=\"khong-phai\"") && bad.text().contains("dấu @"));
    let asked = house.post(&manage, "action=move&email=moi%40khac.example.vn").await;
    assert_eq!((asked.status, asked.header("location")), (303, format!("{manage}?done=asked").as_str()));
    let mail = house.mail_to("moi@khac.example.vn").await;
    assert!(mail.contains("a***@s***.vn") && !mail.contains("an@so") && mail.contains("7 ngày"), "{mail}");
    let token = house.confirm_token().await;
    assert!(mail.contains(&token));
    let shown = house.get(&format!("/confirm/{token}")).await;
    is_private(&shown);
    assert!(shown.text().contains("Xác nhận địa chỉ mới") && shown.text().contains("m***@k***.vn"));
    assert_eq!(house.get(&manage).await.status, 200, "until then nothing changes");
    assert!(person(&house, "an@so.example.vn").await.expect("known").wishes.len() == 1);

    let done = house.post(&format!("/confirm/{token}"), "").await;
    assert!(done.text().contains("Đã đổi địa chỉ"));
    let moved = person(&house, "moi@khac.example.vn").await.expect("known");
    assert_eq!((moved.id, moved.wishes.len()), (id, 1));
    assert_eq!((house.get(&manage).await.status, house.post(&manage, "action=leave").await.status), (404, 404));
    let told = house.mail_to("an@so.example.vn").await;
    assert!(!told.is_empty());
    // A click in an old mail ends nothing of the new address, and is answered as ever.
    let new = format!("/manage/{}", house.subscribe.keys().sign(Link::Manage(moved.public_id)));
    assert!(done.text().contains(&new));
    assert_eq!(house.get(&new).await.status, 200);
}

#[actix_web::test]
async fn one_click_in_a_mail_to_an_old_address_is_answered_well_and_ends_nothing() {
    let house = House::open().await;
    let id = reader(&house).await;
    let link =
        format!("/u/{}", house.subscribe.keys().sign(Link::Unsubscribe(house.public(id).await, Frequency::Daily)));
    let manage = format!("/manage/{}", house.subscribe.keys().sign(Link::Manage(house.public(id).await)));
    house.post(&manage, "action=move&email=moi%40khac.example.vn").await;
    house.post(&format!("/confirm/{}", house.confirm_token().await), "").await;
    assert_eq!(house.get(&link).await.status, 200);
    assert_eq!(house.post(&link, "List-Unsubscribe=One-Click").await.status, 200);
    assert_eq!(person(&house, "moi@khac.example.vn").await.expect("known").wishes.len(), 1);
}

#[actix_web::test]
async fn moving_is_answered_the_same_whoever_has_the_address() {
    let house = House::open().await;
    let id = reader(&house).await;
    let form = ASK.replace("an%40so", "binh%40so");
    house.post("/subscribe", &form).await;
    house.post(&format!("/confirm/{}", house.confirm_token().await), "").await;
    let manage = format!("/manage/{}", house.subscribe.keys().sign(Link::Manage(house.public(id).await)));
    let mut answers = Vec::new();
    for to in [
        "binh%40so.example.vn",
        "chua.ai%40so.example.vn",
        "an%40so.example.vn",
        "nua%40so.example.vn",
        "va%40so.example.vn",
    ] {
        let answer = house.post(&manage, &format!("action=move&email={to}")).await;
        answers.push((answer.status, answer.header("location").to_owned(), answer.body.clone()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[actix_web::test]
async fn a_person_may_take_what_is_held_about_them_along() {
    let house = House::open().await;
    let id = reader(&house).await;
    let manage = format!("/manage/{}", house.subscribe.keys().sign(Link::Manage(house.public(id).await)));
    assert!(house.get(&manage).await.text().contains("/export\" download"));
    let file = house.get(&format!("{manage}/export")).await;
    assert_eq!((file.status, file.header("content-type")), (200, "application/json"));
    assert!(file.header("content-disposition").contains("attachment"));
    is_private(&file);
    let held = file.json();
    assert_eq!(
        (&held["address_masked"], &held["subscriptions"][0]["feed"]),
        (&"a***@s***.vn".into(), &"tat-ca".into())
    );
    assert_eq!(held["consents"][0]["text_version"], "2026-11");
    assert_eq!(held["mails"][0]["kind"], "confirm");
    assert!(!file.text().contains("an@so"), "the link may have been passed on with a mail");
    assert_eq!(house.send("POST", &format!("{manage}/export"), &[], b"").await.status, 405);
}

#[actix_web::test]
async fn an_address_of_another_script_is_taken_only_if_the_relay_takes_it() {
    let house = House::open().await;
    let form = ASK.replace("an%40so", "nguy%E1%BB%85n%40so");
    let refused = house.post("/subscribe", &form).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("viết không dấu"), "{}", refused.text());
    let relay = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let doors = house.subscribe.clone().over(relay);
    let ask = Ask::new("nguyễn@so.example.vn", &["tat-ca".to_owned()], Frequency::Daily, Locale::Vi, "form");
    doors.request(&ask).await.expect("taken");
    assert!(house.subscribe.request(&ask).await.is_err());
}
