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
