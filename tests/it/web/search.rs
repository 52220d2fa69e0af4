//! Any selection is a feed, a page and a subscription.

use std::time::Duration;

use loa::domain::link::Link;
use loa::domain::selection::Selection;
use loa::domain::subscriber::{EmailAddress, Frequency};

use crate::support::served::House;

/// "đại hội" as a phrase, in the canonical address.
const CONGRESS: &str = "q=%22%C4%91%E1%BA%A1i+h%E1%BB%99i%22";

fn path(end: &str, query: &str) -> String {
    format!("/feeds/search{end}?{query}")
}

/// The ids of the articles in a JSON Feed.
fn ids(feed: &serde_json::Value) -> Vec<String> {
    let items = feed["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

#[actix_web::test]
async fn any_selection_is_a_feed_in_three_formats_with_the_ids_of_every_other_feed() {
    let house = House::open().await;
    let query = format!("{CONGRESS}&not_category=kinh-te-xa-hoi");
    let json = house.get(&path(".json", &query)).await;
    assert_eq!((json.status, json.header("content-type")), (200, "application/feed+json"));
    let feed = json.json();
    let found = ids(&feed);
    assert!(found.len() > 3 && found.len() < 20, "{found:?}");
    let all = ids(&house.get("/feeds/tat-ca.json").await.json());
    assert!(found.iter().all(|id| all.contains(id)));
    assert_eq!(feed["title"], "Tin về đại hội, trừ chuyên mục Kinh tế – Xã hội – Trang tin Rạch Sen");
    assert_eq!(feed["feed_url"], format!("http://{}{}", house.at, path(".json", &query)));
    assert_eq!(feed["home_page_url"], format!("http://{}{}", house.at, path("", &query)));
    for (end, kind) in
        [(".rss", "application/rss+xml; charset=utf-8"), (".atom", "application/atom+xml; charset=utf-8")]
    {
        let xml = house.get(&path(end, &query)).await;
        assert_eq!((xml.status, xml.header("content-type")), (200, kind));
        let verdict = crate::support::xmllint::verdict(None, &[(format!("search{end}"), xml.body.clone())]);
        verdict.unwrap_or(Ok(())).expect("well-formed");
        let read = feed_rs::parser::parse(xml.body.as_slice()).expect("a feed");
        assert_eq!(read.entries.iter().map(|e| e.id.clone()).collect::<Vec<_>>(), found);
        let own = path(end, &query).replace('&', "&amp;");
        assert!(xml.text().contains(&own), "{own}");
    }
    // The id names the selection, whatever the address looked like.
    let atom = house.get(&path(".atom", &query)).await;
    let id = format!("<id>tag:rachsen.example,2021:feed/{}</id>", selection(&query).slug());
    assert!(atom.text().contains(&id), "{id}");
}

fn selection(query: &str) -> Selection {
    loa::domain::selection::query::parse(query).expect("right").selection
}

#[actix_web::test]
async fn a_search_is_cached_as_every_feed_is() {
    let house = House::open().await;
    let full = house.get(&path(".atom", CONGRESS)).await;
    assert!(full.header("etag").starts_with("W/\"") && full.header("last-modified").ends_with("GMT"));
    assert!(full.header("cache-control").starts_with("public, max-age="));
    assert_eq!(full.header("vary"), "Accept-Encoding");
    assert_eq!(full.header("access-control-allow-origin"), "*");
    let again = house.get_with(&path(".atom", CONGRESS), &[("If-None-Match", full.header("etag"))]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(
        house.get_with(&path(".atom", CONGRESS), &[("If-Modified-Since", full.header("last-modified"))]).await.status,
        304
    );
    let packed = house.get_with(&path(".atom", CONGRESS), &[("Accept-Encoding", "gzip")]).await;
    assert_eq!((packed.header("content-encoding"), packed.header("etag")), ("gzip", full.header("etag")));

    // What does not match changes nothing; what matches and what goes away does.
    house.write("khac", "Bài về việc khác hẳn");
    house.poll().await;
    house.clock.advance(Duration::from_secs(2));
    assert_eq!(house.get(&path(".atom", CONGRESS)).await.header("etag"), full.header("etag"));
    house.write("moi", "Tin nóng từ đại hội");
    house.poll().await;
    house.clock.advance(Duration::from_secs(2));
    let newer = house.get(&path(".atom", CONGRESS)).await;
    assert!(newer.header("etag") != full.header("etag") && newer.text().contains("Tin nóng từ đại hội"));
    std::fs::remove_file(house.articles.join("moi.md")).expect("removed");
    house.poll().await;
    house.clock.advance(Duration::from_secs(2));
    let after = house.get(&path(".atom", CONGRESS)).await;
    assert_eq!(after.header("etag"), full.header("etag"), "the same articles are the same bytes");
}

#[actix_web::test]
async fn an_address_has_one_form_and_the_others_lead_to_it() {
    let house = House::open().await;
    let canonical = path(".rss", &format!("{CONGRESS}&category=tin"));
    for other in [
        "category=tin&q=%22%C4%91%E1%BA%A1i%20h%E1%BB%99i%22",
        "q=%22%C4%90%E1%BA%A0I+h%E1%BB%99i%22&category=tin",
        "utm_source=x&category=Tin&q=%E2%80%9C%C4%91%E1%BA%A1i+h%E1%BB%99i%E2%80%9D",
    ] {
        let moved = house.get(&path(".rss", other)).await;
        assert_eq!((moved.status, moved.header("location")), (301, canonical.as_str()), "{other}");
        assert_eq!(house.send("HEAD", &path(".rss", other), &[], b"").await.status, 301);
    }
    // What breaks caches and what trackers add is passed over, not sent around.
    for same in ["_=1795399200", "utm_source=fb&empty=", "tag=", "x=%FF"] {
        let answer = house.get(&format!("{canonical}&{same}")).await;
        assert_eq!(answer.status, 200, "{same}");
        assert_eq!(answer.header("link"), format!("<http://{}{canonical}>; rel=\"self\"", house.at));
    }
    let spaced = canonical.replace('+', "%20");
    assert_eq!(house.get(&spaced).await.status, 200, "letters may be encoded as a program likes");
    let everything = house.get("/feeds/search.json").await.json();
    assert_eq!(everything["title"], "Mọi tin – Trang tin Rạch Sen");
    assert_eq!(house.get("/feeds/search.xml").await.status, 404);
}

#[actix_web::test]
async fn what_cannot_be_searched_for_is_told_in_vietnamese() {
    let house = House::open().await;
    let many = format!("q={}", "a%20".repeat(17));
    let long = format!("q={}", "a".repeat(2_100));
    for (query, told) in [
        ("from=23/11/2026", "“23/11/2026” không phải ngày."),
        ("category=!!", "Không đọc được “!!”."),
        ("language=ti%E1%BA%BFng+Vi%E1%BB%87t", "không phải mã ngôn ngữ"),
        ("from=2026-02-01&until=2026-01-01", "Ngày cuối đứng trước ngày đầu."),
        (many.as_str(), "nhiều nhất là 16 từ"),
        (long.as_str(), "dài quá 2000 byte"),
    ] {
        let plain = house.get(&path(".atom", query)).await;
        assert_eq!((plain.status, plain.header("content-type")), (400, "text/plain; charset=utf-8"), "{query}");
        assert!(plain.text().contains(told), "{query}: {}", plain.text());
        assert_eq!(plain.header("cache-control"), "no-store");
        let page = house.get(&path("", query)).await;
        assert_eq!((page.status, page.header("content-type")), (400, "text/html; charset=utf-8"));
        assert!(page.text().contains(told) && page.text().contains("<form class=\"sheet find\""), "{query}");
    }
    let english = house.get_with(&path(".atom", "from=1/2/2026"), &[("Accept-Language", "en")]).await;
    assert!(english.text().contains("is no day"));
}

#[actix_web::test]
async fn words_with_marks_match_their_marks_and_words_without_match_any() {
    let house = House::open().await;
    house.write("vien", "Thuốc dạng viên nén tự tan");
    house.poll().await;
    house.clock.advance(Duration::from_secs(2));
    let titles = |query: &'static str| {
        let house = &house;
        async move {
            let feed = house.get(&path(".json", query)).await.json();
            let items = feed["items"].as_array().expect("items").clone();
            items.iter().map(|i| i["title"].as_str().expect("a title").to_owned()).collect::<Vec<_>>()
        }
    };
    let exact = titles("q=%22%C4%91%E1%BA%A3ng+vi%C3%AAn%22").await;
    assert!(!exact.is_empty() && exact.iter().all(|t| !t.contains("dạng viên")));
    let pills = titles("q=%22d%E1%BA%A1ng+vi%C3%AAn%22").await;
    assert_eq!(pills[0], "Thuốc dạng viên nén tự tan");
    let both = titles("q=%22dang+vien%22").await;
    assert!(both.len() > exact.len() && pills.iter().chain(&exact).all(|title| both.contains(title)));
    assert!(titles("q=%22dang+vien%22&tag=huy+hi%E1%BB%87u+%C4%91%E1%BA%A3ng").await.len() == 1);
    assert!(
        titles("author=ho%C3%A0i+ph%C6%B0%C6%A1ng&until=2026-11-09").await.iter().any(|t| t.contains("Huy hiệu Đảng"))
    );
    assert!(titles("agency=TUTB").await.len() > 10);
    assert!(titles("language=en").await.is_empty());
    let own = titles("category_alone=xay-dung-dang").await.len();
    let below = titles("category=xay-dung-dang").await.len();
    assert!(own < below, "{own} and {below}");
}

#[actix_web::test]
async fn whoever_invents_searches_without_end_is_made_to_wait_and_known_ones_are_not() {
    let house = House::open().await;
    let mut refused = None;
    for n in 0..40 {
        let answer = house.get(&path(".rss", &format!("q=tin+{n}").replace("q=tin+", "q=tin"))).await;
        if answer.status == 429 {
            refused = Some((n, answer));
            break;
        }
        assert_eq!(answer.status, 200, "{n}");
    }
    let (n, answer) = refused.expect("there is a limit");
    assert!(n >= 10, "{n}");
    assert!(answer.header("retry-after").parse::<u32>().expect("seconds") > 0);
    assert_eq!(house.get(&path(".rss", "q=tin0")).await.status, 200, "what is there is served");
    assert_eq!(house.get("/feeds/tat-ca.rss").await.status, 200);
    house.clock.advance(Duration::from_mins(1));
    assert_eq!(house.get(&path(".rss", "q=tinmoi")).await.status, 200);
}

#[actix_web::test]
async fn the_page_of_a_selection_says_why_each_article_matched_and_shows_its_three_doors() {
    let house = House::open().await;
    let page = house.get(&path("", &format!("{CONGRESS}&lang=vi"))).await;
    let text = page.text();
    assert_eq!(page.status, 200);
    assert!(text.contains("<h1>Tin về đại hội</h1>") && text.contains("tin mỗi tuần"));
    assert!(text.contains("Khớp: “đại hội” trong tiêu đề"), "{text}");
    assert!(text.contains(&format!("<link rel=\"canonical\" href=\"http://{}{}\">", house.at, path("", CONGRESS))));
    assert!(text.contains("name=\"selection\" value=\"q=%22%C4%91%E1%BA%A1i+h%E1%BB%99i%22\""));
    assert!(
        text.contains(&format!("\"feeds\": [\"search?{CONGRESS}\"]").replace('"', "&quot;"))
            || text.contains(&format!("[\"search?{CONGRESS}\"]"))
    );
    for end in [".rss", ".atom", ".json"] {
        let url = format!("http://{}{}", house.at, path(end, CONGRESS));
        assert!(text.matches(&url).count() >= 2, "{url}");
        assert!(page.all("link").iter().any(|l| l.contains(&url) && l.contains("rel=\"alternate\"")), "{url}");
    }
    // Vietnamese words have blanks in them: who forgot the quotes is offered the phrase.
    let loose = house.get(&path("", "q=%C4%91%E1%BA%A1i+h%E1%BB%99i")).await;
    assert!(
        loose.text().contains("Chỉ tìm đúng cụm từ “đại hội”")
            && loose.text().contains(&format!("/feeds/search?{CONGRESS}"))
    );
    let english = house.get(&path("", &format!("{CONGRESS}&lang=en"))).await;
    assert!(english.text().contains("<h1>News about đại hội</h1>") && english.text().contains("in its title"));
    let form = house.get("/feeds/search").await;
    assert!(
        form.text().contains("<option value=\"dan-van\">Dân vận</option>") && !form.text().contains("class=\"doors\"")
    );
    let hostile = house.get(&path("", "q=%3Cscript%3E&author=%22%3E%3Cimg")).await;
    assert!(!hostile.text().contains("<script") && !hostile.text().contains("<img"));
}

async fn confirm(house: &House) {
    let token = house.confirm_token().await;
    let shown = house.get(&format!("/confirm/{token}")).await;
    assert!(shown.text().contains("Tin về đại hội") && shown.text().contains(&path("", CONGRESS)));
    assert_eq!(house.post(&format!("/confirm/{token}"), "").await.status, 200);
}

async fn wishes(house: &House, email: &str) -> Vec<(i64, Frequency)> {
    let email = EmailAddress::parse(email).expect("an address");
    let id = house.store.person_by_email(&email).await.expect("read").expect("known");
    let person = house.store.person(id).await.expect("read").expect("known");
    person.wishes.iter().map(|w| (w.feed_id, w.frequency)).collect()
}

#[actix_web::test]
async fn a_selection_becomes_a_feed_when_its_first_follower_confirms_and_ends_with_the_last() {
    let mut house = House::open().await;
    house.mail();
    let form = |who: &str| {
        let query: String = url::form_urlencoded::byte_serialize(CONGRESS.as_bytes()).collect();
        format!("email={who}&selection={query}&frequency=immediate&consent=yes&website=&lang=vi")
    };
    let slug = selection(CONGRESS).slug();
    let feed = || async { house.store.feeds().await.expect("read").into_iter().find(|f| f.spec.slug == slug) };
    assert_eq!(house.post("/subscribe", &form("an%40so.example.vn")).await.status, 303);
    assert!(house.mail_to("an@so.example.vn").await.contains("Tin về đại hội"));
    assert!(feed().await.is_none(), "asking makes nothing");
    confirm(&house).await;
    let made = feed().await.expect("confirmed");
    assert!(!made.retired);
    assert_eq!(wishes(&house, "an@so.example.vn").await, [(made.id, Frequency::Immediate)]);
    let held = house.store.feed_articles(made.id, 100).await.expect("read").len();
    assert_eq!(
        held,
        ids(&house.get(&path(".json", CONGRESS)).await.json()).len(),
        "nothing matches in one and not in the other"
    );

    // What comes now is matched as for every feed, and an old article that is edited is no news.
    house.clock.advance(Duration::from_mins(1));
    house.write("moi", "Tin nóng từ đại hội");
    house.poll().await;
    let now = house.store.feed_articles(made.id, 100).await.expect("read");
    assert_eq!(now.len(), held + 1);
    assert_eq!(now[0].article.title.as_str(), "Tin nóng từ đại hội");

    // Others are not shown who follows what; the name leads to the search.
    house.publisher.refresh().await.expect("published");
    assert!(!house.get("/").await.text().contains(&slug) && !house.get("/feeds.opml").await.text().contains(&slug));
    assert!(!house.get("/subscribe").await.text().contains(&slug));
    let moved = house.get(&format!("/feeds/{slug}.atom")).await;
    assert_eq!((moved.status, moved.header("location")), (301, path(".atom", CONGRESS).as_str()));
    assert_eq!(house.get("/feeds/s-0123456789abcdef0123").await.status, 404);

    // A second follower shares the feed; with the last one it ends.
    house.post("/subscribe", &form("binh%40so.example.vn")).await;
    confirm(&house).await;
    assert_eq!(wishes(&house, "binh@so.example.vn").await[0].0, made.id);
    assert_eq!(house.store.sweep_selections(house.clock.now()).await.expect("swept"), 0);
    for who in ["an@so.example.vn", "binh@so.example.vn"] {
        let email = EmailAddress::parse(who).expect("an address");
        let id = house.store.person_by_email(&email).await.expect("read").expect("known");
        let manage = format!("/manage/{}", house.subscribe.keys().sign(Link::Manage(house.public(id).await)));
        assert!(house.get(&manage).await.text().contains("Tin về đại hội"));
        house.post(&manage, "action=leave").await;
    }
    assert_eq!(house.store.sweep_selections(house.clock.now()).await.expect("swept"), 1);
    assert!(feed().await.expect("kept for its name").retired);
    house.post("/subscribe", &form("chi%40so.example.vn")).await;
    confirm(&house).await;
    let back = feed().await.expect("again");
    assert!(!back.retired && back.id == made.id);
    assert_eq!(house.store.feed_articles(made.id, 100).await.expect("read").len(), held + 1);
}

#[actix_web::test]
async fn a_site_follows_a_selection_by_its_search() {
    let house = House::open().await;
    let token = house.token().await;
    let body = format!(r#"{{"name": "Đài xã", "url": "https://127.0.0.9/hook", "feeds": ["search?{CONGRESS}"]}}"#);
    let made = house.api(&token, "POST", "/api/v1/endpoints", &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["feeds"], serde_json::json!([selection(CONGRESS).slug()]));
    let bad = body.replace(CONGRESS, "from=gestern");
    let refused = house.api(&token, "POST", "/api/v1/endpoints", &bad).await;
    assert_eq!(refused.status, 422);
    assert!(refused.json()["detail"].as_str().expect("why").contains("is no day"));
}

#[actix_web::test]
async fn a_search_is_called_by_its_words_in_the_order_in_which_they_were_typed() {
    let house = House::open().await;
    let (typed, turned) = ("q=%C4%91%E1%BA%A1i+h%E1%BB%99i", "q=h%E1%BB%99i+%C4%91%E1%BA%A1i");
    let one = house.get(&path(".json", typed)).await;
    assert_eq!((one.status, one.json()["title"].as_str()), (200, Some("Tin về đại và hội – Trang tin Rạch Sen")));
    assert!(house.get(&path("", typed)).await.text().contains("<h1>Tin về đại và hội</h1>"));
    // It is one feed all the same, whatever it is called.
    let other = house.get(&path(".json", turned)).await;
    assert_eq!(other.json()["title"], "Tin về hội và đại – Trang tin Rạch Sen");
    assert_eq!(other.json()["_loa"]["id"], one.json()["_loa"]["id"]);
    assert_eq!(ids(&other.json()), ids(&one.json()));
    assert_eq!(selection(typed).slug(), selection(turned).slug());
    let upper = house.get(&path(".json", "q=%C4%90%E1%BA%A0I+h%E1%BB%99i")).await;
    assert_eq!((upper.status, upper.header("location")), (301, path(".json", typed).as_str()));
}

#[actix_web::test]
async fn a_reader_of_a_search_who_takes_deltas_gets_only_what_is_new() {
    let house = House::open().await;
    for ending in [".atom", ".rss", ".json"] {
        let at = path(ending, CONGRESS);
        let before = house.get(&at).await;
        house.clock.advance(Duration::from_mins(1));
        house.write(&format!("moi{}", &ending[1..]), &format!("Đại hội: bài mới {ending}"));
        house.poll().await;
        house.clock.advance(Duration::from_secs(2));
        let asks = [("A-IM", "feed"), ("If-None-Match", before.header("etag"))];
        let delta = house.get_with(&at, &asks).await;
        let whole = house.get(&at).await;
        assert_eq!((delta.status, delta.header("im")), (226, "feed"), "{ending}");
        assert_eq!((delta.header("etag"), delta.header("cache-control")), (whole.header("etag"), "no-store, im"));
        assert!(delta.text().contains(&format!("bài mới {ending}")) && delta.body.len() * 2 < whole.body.len());
        let format = loa::feed::document::Format::parse(&ending[1..]).expect("a format");
        assert_eq!(loa::feed::document::proof(format, &delta.body), Ok(()));
        assert_eq!(house.get_with(&at, &asks[1..]).await.status, 200, "nobody gets a delta unasked");
        let current = [("A-IM", "feed"), ("If-None-Match", whole.header("etag"))];
        assert_eq!(house.get_with(&at, &current).await.status, 304);
    }
}

#[actix_web::test]
async fn a_search_is_paced_and_aged_as_every_feed_is() {
    let house = House::open().await;
    let (at, other) = (path(".rss", CONGRESS), path(".rss", "q=chi"));
    let reader = ("X-Forwarded-For", "203.0.113.9");
    let tag = house.get(&at).await.header("etag").to_owned();
    for n in 0..60 {
        assert_eq!(house.get_with(&at, &[reader]).await.status, 200, "{n}");
    }
    let refused = house.get_with(&at, &[reader]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "60"));
    assert_eq!(house.get_with(&at, &[reader, ("If-None-Match", &tag)]).await.status, 304);
    assert_eq!(house.get_with(&other, &[reader]).await.status, 200, "another search is another document");
    let rss = house.get(&at).await;
    for hint in ["<ttl>", "<sy:updatePeriod>hourly</sy:updatePeriod>", "<sy:updateFrequency>"] {
        assert!(rss.text().contains(hint), "{hint}");
    }
    let away = house.articles.with_extension("away");
    std::fs::rename(&house.articles, &away).expect("moved");
    house.clock.advance(Duration::from_hours(1));
    house.ingest.poll("demo").await.expect_err("it is away");
    house.publisher.refresh().await.expect("looked ahead");
    assert_eq!(house.get(&at).await.header("loa-stale"), "3600;reason=source");
    assert_eq!(house.get(&path(".rss", &format!("{CONGRESS}&source=khac"))).await.header("loa-stale"), "");
    assert_eq!(house.get("/tin-tuc.feed").await.header("loa-stale"), "3600;reason=source", "old addresses as well");
}

#[actix_web::test]
async fn no_hub_is_promised_where_none_pushes() {
    let house = House::with_hub("https://loa.rachsen.example/hub").await;
    let feed = house.get("/feeds/tat-ca.atom").await;
    assert!(feed.text().contains("rel=\"hub\"") && feed.header("link").contains("rel=\"hub\""));
    for at in [path(".atom", CONGRESS), path(".json", CONGRESS), "/tin-tuc.feed".to_owned()] {
        let answer = house.get(&at).await;
        assert_eq!(answer.status, 200, "{at}");
        assert!(!answer.text().contains("hub") && !answer.header("link").contains("hub"), "{at}");
    }
}

#[actix_web::test]
async fn whoever_follows_as_many_selections_as_one_may_is_told_so_and_may_try_again() {
    let house = House::open().await;
    let form = |query: &str| {
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        format!("email=an%40so.example.vn&selection={query}&frequency=daily&consent=yes&website=&lang=vi")
    };
    let ask = async |query: String| {
        house.clock.advance(Duration::from_hours(25));
        assert_eq!(house.post("/subscribe", &form(&query)).await.status, 303);
        house.confirm_token().await
    };
    for n in 0..20 {
        let token = ask(format!("q=tin{n}")).await;
        assert_eq!(house.post(&format!("/confirm/{token}"), "").await.status, 200, "{n}");
    }
    let token = ask("q=them".to_owned()).await;
    let refused = house.post(&format!("/confirm/{token}"), "").await;
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("nhiều nhất 20 bộ lọc riêng") && refused.text().contains("Chưa có gì thay đổi"));
    let id = house.store.person_by_email(&EmailAddress::parse("an@so.example.vn").expect("an address")).await;
    let id = id.expect("read").expect("known");
    let manage = house.subscribe.keys().sign(Link::Manage(house.public(id).await));
    let own = format!("/api/v1/subscriptions/{manage}");
    let kind = [("Content-Type", "application/json")];
    let shown = house.get(&own).await.json();
    let mut wanted = shown["subscriptions"].as_array().expect("a list").clone();
    for wish in &mut wanted {
        wish.as_object_mut().expect("an object").remove("title");
    }
    wanted.push(serde_json::json!({ "feed": "search?q=them", "frequency": "daily" }));
    let body = serde_json::json!({ "subscriptions": wanted }).to_string();
    let full = house.send("PATCH", &own, &kind, body.as_bytes()).await;
    assert_eq!((full.status, full.header("content-type")), (409, "application/problem+json"), "{}", full.text());
    assert!(full.json()["detail"].as_str().expect("why").contains("20 searches"), "{}", full.text());
    // One ends, and the same link does what it was made for.
    wanted.remove(0);
    wanted.pop();
    let body = serde_json::json!({ "subscriptions": wanted }).to_string();
    assert_eq!(house.send("PATCH", &own, &kind, body.as_bytes()).await.status, 200);
    assert_eq!(house.post(&format!("/confirm/{token}"), "").await.status, 200);
    assert_eq!(wishes(&house, "an@so.example.vn").await.len(), 20);
}

#[actix_web::test]
async fn a_program_names_a_selection_wherever_it_names_a_feed() {
    let house = House::open().await;
    let token = house.token().await;
    let told = house.api(&token, "GET", &format!("/api/v1/feeds?{CONGRESS}"), "").await;
    assert_eq!(told.status, 200, "{}", told.text());
    let told = told.json()["feeds"][0].clone();
    let name = told["name"].as_str().expect("a name").to_owned();
    assert_eq!(
        (name.as_str(), &told["kind"]),
        (format!("search?{CONGRESS}").as_str(), &serde_json::json!("selection"))
    );
    assert_eq!((&told["title"], &told["title_en"]), (&"Tin về đại hội".into(), &"News about đại hội".into()));
    let atom = told["atom"].as_str().expect("an address");
    let (_, at) = atom.split_once(&house.at.to_string()).expect("ours");
    let held = ids(&house.get(&path(".json", CONGRESS)).await.json());
    assert!(house.get(at).await.text().contains(&held[0]));
    assert!(
        house.store.feeds().await.expect("read").iter().all(|f| f.spec.slug != told["slug"]),
        "asking makes nothing"
    );
    let all = house.api(&token, "GET", "/api/v1/feeds", "").await.json();
    assert!(all["feeds"].as_array().expect("a list").iter().all(|f| f["name"] == f["slug"]));
    let bad = house.api(&token, "GET", "/api/v1/feeds?from=gestern", "").await;
    assert_eq!(bad.status, 422);

    // By mail, by webhook and by one's own link: the same object behind each.
    let body = serde_json::json!({ "email": "an@so.example.vn", "feeds": [name], "frequency": "daily" });
    assert_eq!(house.api(&token, "POST", "/api/v1/subscriptions", &body.to_string()).await.status, 202);
    house.post(&format!("/confirm/{}", house.confirm_token().await), "").await;
    let mailed = wishes(&house, "an@so.example.vn").await[0].0;
    let body = serde_json::json!({ "name": "Đài xã", "url": "https://127.0.0.9/hook", "feeds": [name] });
    let made = house.api(&token, "POST", "/api/v1/endpoints", &body.to_string()).await;
    assert_eq!((made.status, &made.json()["feeds"][0]), (201, &told["slug"]));
    let stored = house.store.feed_articles(mailed, 100).await.expect("read");
    assert_eq!(stored.iter().map(|a| a.entry_id.clone()).collect::<Vec<_>>(), held);
    house.post("/subscribe", "email=binh%40so.example.vn&feed=tat-ca&frequency=daily&consent=yes").await;
    house.post(&format!("/confirm/{}", house.confirm_token().await), "").await;
    let id = house.store.person_by_email(&EmailAddress::parse("binh@so.example.vn").expect("an address")).await;
    let manage = house.subscribe.keys().sign(Link::Manage(house.public(id.expect("read").expect("known")).await));
    let change = serde_json::json!({ "subscriptions": [{ "feed": name, "frequency": "weekly" }] }).to_string();
    let kind = [("Content-Type", "application/json")];
    let changed = house.send("PATCH", &format!("/api/v1/subscriptions/{manage}"), &kind, change.as_bytes()).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(wishes(&house, "binh@so.example.vn").await, [(mailed, Frequency::Weekly)]);
}
