//! Pages for everybody.

use crate::support::served::House;

#[actix_web::test]
async fn the_front_page_lists_every_feed_in_both_languages() {
    let house = House::open().await;
    let page = house.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(page.header("content-language"), "vi");
    for published in house.publisher.all() {
        assert!(page.text().contains(&format!("href=\"/feeds/{}\"", published.feed.spec.slug)));
    }
    assert!(house.publisher.all().len() > 5);
    let english = house.get_with("/", &[("Accept-Language", "en-GB,en;q=0.9,vi;q=0.1")]).await;
    assert!(english.text().contains("<html lang=\"en\">") && english.text().contains("All articles"));
    let chosen = house.get_with("/?lang=vi", &[("Accept-Language", "en")]).await;
    assert!(chosen.text().contains("<html lang=\"vi\">") && chosen.text().contains("href=\"/subscribe?lang=vi\""));
}

#[actix_web::test]
async fn a_feed_page_shows_its_three_doors_and_announces_its_formats() {
    let house = House::open().await;
    let page = house.get("/feeds/tat-ca").await;
    let text = page.text();
    for (kind, end) in
        [("application/rss+xml", "rss"), ("application/atom+xml", "atom"), ("application/feed+json", "json")]
    {
        let url = format!("http://{}/feeds/tat-ca.{end}", house.at);
        assert!(text.contains(&format!("<link rel=\"alternate\" type=\"{kind}\"")), "{kind}");
        assert!(text.matches(&url).count() >= 2, "{url}");
        assert!(page.all("link").iter().any(|l| l.contains(&url) && l.contains("rel=\"alternate\"")), "{url}");
    }
    assert!(text.contains("<input type=\"hidden\" name=\"feed\" value=\"tat-ca\">"));
    assert!(text.contains("/api/v1/endpoints") && text.contains("tin mỗi tuần"));
    assert!(text.matches("<time ").count() == 20);
}

#[actix_web::test]
async fn no_page_runs_a_script_or_can_be_framed() {
    let house = House::open().await;
    for path in ["/", "/feeds/tat-ca", "/subscribe", "/subscribe/sent", "/admin/login", "/khong-co", "/demo/mail"] {
        let page = house.get(path).await;
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("script") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert!(page.header("permissions-policy").contains("camera=()"), "{path}");
        assert!(page.header("set-cookie").is_empty(), "{path}");
        for word in ["<script", " style=", " onclick="] {
            assert!(!page.text().contains(word), "{path} has {word}");
        }
    }
}

#[actix_web::test]
async fn what_an_editor_wrote_is_text_and_never_markup() {
    let house = House::open().await;
    let hostile = "Tiêu đề <img src=x onerror=alert(1)> & 'nháy'";
    house.write("doc", hostile);
    house.poll().await;
    let page = house.get("/feeds/tat-ca").await;
    assert!(!page.text().contains("<img"), "markup came through");
    let stolen = house.get("/subscribe?feed=%22%3E%3Cscript%3E").await;
    assert!(!stolen.text().contains("<script"));
}

#[actix_web::test]
async fn a_static_file_is_kept_for_long_only_under_its_fingerprint() {
    let house = House::open().await;
    let page = house.get("/").await;
    let from = page.text().split("href=\"").find(|p| p.starts_with("/static/loa.css")).expect("a style sheet");
    let href = from.split('"').next().expect("an address");
    let hashed = house.get(href).await;
    assert!(hashed.header("cache-control").contains("immutable"), "{href}");
    assert_eq!(hashed.header("content-type"), "text/css; charset=utf-8");
    let bare = house.get("/static/feed.css").await;
    assert_eq!((bare.status, bare.header("cache-control")), (200, "public, max-age=3600"));
    assert!(!house.get("/static/loa.css?v=old").await.header("cache-control").contains("immutable"));
    assert_eq!(house.get("/static/favicon.svg").await.header("content-type"), "image/svg+xml");
    let again = house.get_with("/static/feed.css", &[("If-None-Match", bare.header("etag"))]).await;
    assert_eq!(again.status, 304);
    for none in ["/static/..%2Fpage%2Fbase.html", "/static/base.html", "/static/"] {
        assert_eq!(house.get(none).await.status, 404, "{none}");
    }
}

#[actix_web::test]
async fn a_page_that_is_not_there_says_so_in_words() {
    let house = House::open().await;
    let page = house.get("/khong-co-trang-nay").await;
    assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"));
    assert!(page.text().contains("Không có trang này"));
    assert_eq!(page.header("x-robots-tag"), "noindex");
}

#[test]
fn colours_that_carry_text_have_the_contrast_that_wcag_asks_for() {
    let css = include_str!("../../../templates/static/loa.css");
    let (light, rest) = css.split_once("@media (prefers-color-scheme: dark)").expect("both schemes");
    let dark = rest.split_once("}\n}").expect("the dark colours").0;
    for scheme in [light, dark] {
        for (text, ground) in [
            ("ink", "page"),
            ("ink", "sheet"),
            ("ink", "gold-tint"),
            ("soft", "page"),
            ("soft", "sheet"),
            ("soft", "tint"),
            ("soft", "gold-tint"),
            ("link", "page"),
            ("link", "sheet"),
            ("link", "tint"),
            ("on-red", "red"),
            ("on-red", "red-deep"),
            ("bad", "bad-tint"),
            ("good", "good-tint"),
        ] {
            let ratio = contrast(colour(scheme, text), colour(scheme, ground));
            assert!(ratio >= 4.5, "{text} on {ground}: {ratio:.2}");
        }
        // Edges of fields need 3 to 1 (WCAG 2.2, 1.4.11).
        assert!(contrast(colour(scheme, "edge"), colour(scheme, "sheet")) >= 3.0);
    }
}

fn colour(scheme: &str, name: &str) -> [f64; 3] {
    let value = scheme.split(&format!("--{name}: #")).nth(1).unwrap_or_else(|| panic!("no --{name}"));
    let hex = value.split(';').next().expect("a value");
    let hex: String = if hex.len() == 3 { hex.chars().flat_map(|c| [c, c]).collect() } else { hex.to_owned() };
    [0, 2, 4].map(|at| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")) / 255.0)
}

/// WCAG 2.2, the definition of contrast ratio.
fn contrast(one: [f64; 3], two: [f64; 3]) -> f64 {
    let luminance = |rgb: [f64; 3]| {
        let linear = rgb.map(|c| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) });
        linear[0] * 0.2126 + linear[1] * 0.7152 + linear[2] * 0.0722
    };
    let (a, b) = (luminance(one), luminance(two));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}
