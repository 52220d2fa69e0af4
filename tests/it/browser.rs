//! Laws of the pages in a real browser: without scripts, with the keyboard alone, on a small screen.

use std::path::Path;

use loa::domain::link::Link;
use loa::domain::subscriber::{EmailAddress, Frequency};

use crate::support::browser::{self, Browser, DOWN, ENTER, SPACE};
use crate::support::served::House;
use crate::support::skip::skip;

const WHO: &str = "doc.gia@rachsen.example";

/// The first link to this place in a mail.
fn link(mail: &str, place: &str) -> String {
    let at = mail.find(place).unwrap_or_else(|| panic!("no {place} in {mail}"));
    let start = mail[..at].rfind(char::is_whitespace).map_or(0, |space| space + 1);
    mail[start..].split(char::is_whitespace).next().expect("a word").trim_matches(['<', '>', '.']).to_owned()
}

#[actix_web::test]
async fn a_person_comes_confirms_changes_and_leaves_by_keyboard_without_scripts() {
    let Some(program) = browser::program() else {
        skip("a_person_comes_confirms_changes_and_leaves_by_keyboard_without_scripts", "no Chromium and chromedriver");
        return;
    };
    let mut house = House::open().await;
    house.mail();
    let browser = Browser::start(&program, false).await;
    browser.open("data:text/html,<title>off</title><script>document.title='on'</script>").await;
    assert_eq!(browser.title().await, "off", "this browser runs no scripts");
    browser.open(&format!("http://{}/feeds/tat-ca", house.at)).await;
    browser.tab_to("id", "email").await;
    browser.keys(WHO).await;
    browser.tab_to("name", "frequency").await;
    browser.keys(DOWN).await;
    browser.tab_to("name", "consent").await;
    browser.keys(SPACE).await;
    browser.tab_to("innerText", "Đăng ký").await;
    browser.keys(ENTER).await;
    browser.shows("Xin mở hộp thư").await;

    let mail = house.mail_to(WHO).await;
    browser.open(&link(&mail, "/confirm/")).await;
    browser.shows("d***@r***.example").await;
    browser.tab_to("innerText", "Xác nhận, gửi tin cho tôi").await;
    browser.keys(ENTER).await;
    browser.shows("Đã đăng ký").await;
    let address = EmailAddress::parse(WHO).expect("an address");
    let id = house.store.person_by_email(&address).await.expect("read").expect("known");
    let wishes = || async { house.store.person(id).await.expect("read").expect("known").wishes };
    assert_eq!(wishes().await.iter().map(|w| w.frequency).collect::<Vec<_>>(), [Frequency::Weekly]);

    browser.tab_to("innerText", "Xem và đổi lựa chọn").await;
    browser.keys(ENTER).await;
    browser.shows("Tin tôi nhận").await;
    assert!(browser.url().await.contains("/manage/"));
    browser.tab_to("id", "f-tat-ca").await;
    // Choices in a list are picked by their first letters, as people who know keyboards do.
    browser.keys("Mỗi ngày").await;
    browser.tab_to("innerText", "Lưu lựa chọn").await;
    browser.keys(ENTER).await;
    browser.shows("Đã lưu lựa chọn").await;
    assert_eq!(wishes().await.iter().map(|w| w.frequency).collect::<Vec<_>>(), [Frequency::Daily]);

    browser.tab_to("id", "until").await;
    // Part by part, and the same whether this browser asks for the day or the month first.
    browser.keys("12122026").await;
    browser.tab_to("innerText", "Tạm dừng").await;
    browser.keys(ENTER).await;
    let paused = async || house.store.person(id).await.expect("read").expect("known").paused_until;
    browser.shows("Đang tạm dừng").await;
    assert!(paused().await.is_some());
    browser.tab_to("innerText", "Gửi thư lại cho tôi").await;
    browser.keys(ENTER).await;
    browser.shows("Thư lại được gửi như thường").await;
    assert!(paused().await.is_none());
    browser.tab_to("id", "email").await;
    browser.keys("moi@khac.example").await;
    browser.tab_to("innerText", "Đổi địa chỉ").await;
    browser.keys(ENTER).await;
    browser.shows("Chưa xác nhận thì chưa có gì thay đổi").await;
    let mail = house.mail_to("moi@khac.example").await;
    browser.open(&link(&mail, "/confirm/")).await;
    browser.shows("m***@k***.example").await;
    browser.tab_to("innerText", "Xác nhận, gửi đến đây").await;
    browser.keys(ENTER).await;
    browser.shows("Đã đổi địa chỉ").await;

    let token = house.subscribe.keys().sign(Link::Unsubscribe(house.public(id).await, Frequency::Daily));
    browser.open(&format!("http://{}/u/{token}", house.at)).await;
    assert_eq!(wishes().await.len(), 1, "looking at the link changes nothing");
    browser.tab_to("innerText", "Ngừng nhận").await;
    browser.keys(ENTER).await;
    browser.shows("Đã ngừng").await;
    assert!(wishes().await.is_empty());
    browser.end().await;
}

#[actix_web::test]
async fn no_page_scrolls_sideways_on_a_small_screen() {
    let Some(program) = browser::program() else {
        skip("no_page_scrolls_sideways_on_a_small_screen", "no Chromium and chromedriver");
        return;
    };
    let mut house = House::open().await;
    house.mail();
    let pages = all_pages(&house).await;
    let browser = Browser::start(&program, true).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    sign_in(&browser, &house).await;
    for (name, path) in &pages {
        for (width, dark) in [(320, false), (360, true), (1280, false), (1280, true)] {
            browser.look(width, dark).await;
            browser.open(&format!("http://{}{path}", house.at)).await;
            assert!(browser.width().await <= u64::from(width), "{name} is {} wide on {width}", browser.width().await);
            let scheme = if dark { "dark" } else { "light" };
            browser.picture(&folder.join(format!("{name}-{width}-{scheme}.png"))).await;
        }
    }
    browser.end().await;
}

async fn sign_in(browser: &Browser, house: &House) {
    let token = house.token().await;
    browser.open(&format!("http://{}/admin/login", house.at)).await;
    browser.tab_to("id", "token").await;
    browser.keys(&token).await;
    browser.keys(ENTER).await;
    browser.shows("Nguồn nội dung").await;
}

/// Every page by name, in a state where there is something to see.
async fn all_pages(house: &House) -> Vec<(&'static str, String)> {
    for n in 0..6 {
        house.write(&format!("moi-{n}"), &format!("Bài mới số {n} về việc đổi mới sinh hoạt chi bộ ở cơ sở"));
    }
    house.poll().await;
    let form = "email=doc.gia%40rachsen.example&feed=tat-ca&feed=xay-dung-dang-va-to-chuc&frequency=daily&consent=yes\
                &f.tat-ca=immediate&hour=06%3A00";
    house.post("/subscribe", form).await;
    let mail = house.mail_to(WHO).await;
    let confirm = link(&mail, "/confirm/");
    let confirm = confirm[confirm.find("/confirm/").expect("there")..].to_owned();
    let address = EmailAddress::parse(WHO).expect("an address");
    let id = house.store.person_by_email(&address).await.expect("read").expect("known");
    let keys = house.subscribe.keys();
    let manage = format!("/manage/{}", keys.sign(Link::Manage(house.public(id).await)));
    let leave = format!("/u/{}", keys.sign(Link::Unsubscribe(house.public(id).await, Frequency::Daily)));
    house.post(&confirm, "").await;
    house.post(&manage, "action=pause&until=2026-12-24").await;
    house.post(&manage, "action=move&email=moi%40khac.example").await;
    let moving = format!("/confirm/{}", house.confirm_token().await);
    let list = house.get("/demo/mail").await;
    let letter = list.text().split("href=\"").find(|p| p.starts_with("/demo/mail/")).and_then(|p| p.split('"').next());
    vec![
        ("home", "/".into()),
        ("home-english", "/?lang=en".into()),
        ("feed", "/feeds/tat-ca".into()),
        ("topic-english", "/feeds/xay-dung-dang-va-to-chuc?lang=en".into()),
        ("search", "/feeds/search".into()),
        ("search-found", "/feeds/search?q=%22%C4%91%E1%BA%A1i+h%E1%BB%99i%22+chi&from=2026-01-01".into()),
        ("search-english", "/feeds/search?q=%C4%91%E1%BA%A1i+h%E1%BB%99i&lang=en".into()),
        ("search-fault", "/feeds/search?from=1/2/2026".into()),
        ("atom-document", "/feeds/tat-ca.atom".into()),
        ("subscribe", "/subscribe".into()),
        ("sent", "/subscribe/sent".into()),
        ("subscribe-english", "/subscribe?lang=en".into()),
        ("confirm", confirm.clone()),
        ("confirm-english", format!("{confirm}?lang=en")),
        ("confirm-move", moving.clone()),
        ("confirm-move-english", format!("{moving}?lang=en")),
        ("manage", format!("{manage}?done=saved")),
        ("manage-english", format!("{manage}?lang=en")),
        ("erase", format!("{manage}/erase")),
        ("leave", leave),
        ("fault", "/khong-co".into()),
        ("login", "/admin/login".into()),
        ("admin", "/admin".into()),
        ("mailbox", "/demo/mail".into()),
        ("mail", letter.expect("a mail").to_owned()),
        ("hook", "/demo/hook".into()),
        ("feed-document", "/feeds/tat-ca.rss".into()),
    ]
}
