//! Pages of feeds: why each article is there, and where else it can be had.

use crate::support::browser::{self, Browser, ENTER};
use crate::support::served::House;
use crate::support::skip::skip;

#[actix_web::test]
async fn a_topic_says_why_each_article_is_in_it() {
    let house = House::open().await;
    let page = house.get("/feeds/xay-dung-dang-va-to-chuc").await;
    assert!(page.text().contains("Thuộc chuyên mục"));
}

#[actix_web::test]
async fn every_page_announces_the_feed_of_everything() {
    let house = House::open().await;
    for path in ["/", "/subscribe", "/feeds/search", "/subscribe/sent", "/khong-co"] {
        let page = house.get(path).await;
        for end in ["rss", "atom", "json"] {
            let url = format!("http://{}/feeds/tat-ca.{end}", house.at);
            assert!(page.text().contains(&format!("href=\"{url}\"")), "{path} {end}");
            let said = page.all("link").iter().any(|l| l.contains(&url) && l.contains("rel=\"alternate\""));
            assert!(said || path == "/khong-co", "{path} {end}");
        }
    }
}

#[actix_web::test]
async fn a_raw_feed_in_a_browser_says_what_it_is_and_where_its_page_is() {
    const NAME: &str = "a_raw_feed_in_a_browser_says_what_it_is_and_where_its_page_is";
    let house = House::open().await;
    for name in ["tat-ca.rss", "tat-ca.atom"] {
        let raw = house.get(&format!("/feeds/{name}")).await;
        let head: String = raw.text().chars().take(300).collect();
        assert!(
            head.contains("<?xml-stylesheet") && head.contains("type=\"text/css\"") && !head.contains("xsl"),
            "{head}"
        );
    }
    let css = house.get("/static/feed.css").await;
    assert!(css.text().contains("kênh tin") && css.text().contains("địa chỉ"));
    let Some(program) = browser::program() else {
        skip(NAME, "no Chromium and chromedriver");
        return;
    };
    // Chromium shows what is sent as a feed as plain text; other browsers style it, as it does what is sent as XML.
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("feed.css"), &css.body).expect("written");
    let browser = Browser::start(&program, true).await;
    let shots = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    for kind in ["rss", "atom"] {
        let raw = house.get(&format!("/feeds/tat-ca.{kind}")).await;
        let href = raw.text().split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a style sheet");
        let path = dir.path().join(format!("{kind}.xml"));
        std::fs::write(&path, raw.text().replacen(href, "feed.css", 1)).expect("written");
        for (width, dark) in [(360, true), (1280, false)] {
            browser.look(width, dark).await;
            browser.open(&format!("file://{}", path.display())).await;
            let wide = browser.width().await;
            assert!(wide <= u64::from(width), "{kind}: {wide}");
            browser.picture(&shots.join(format!("styled-{kind}-{width}.png"))).await;
        }
    }
    browser.end().await;
}

#[actix_web::test]
async fn a_search_is_made_and_followed_with_the_keyboard_alone() {
    const NAME: &str = "a_search_is_made_and_followed_with_the_keyboard_alone";
    let Some(program) = browser::program() else {
        skip(NAME, "no Chromium and chromedriver");
        return;
    };
    let house = House::open().await;
    let browser = Browser::start(&program, false).await;
    browser.open(&format!("http://{}/", house.at)).await;
    browser.tab_to("id", "q").await;
    browser.keys("\"đại hội\"").await;
    browser.keys(ENTER).await;
    browser.shows("Tin về đại hội").await;
    browser.shows("Khớp: “đại hội” trong tiêu đề").await;
    browser.tab_to("id", "email").await;
    browser.end().await;
}
