//! Feed documents as readers, caches and proxies ask for them.

use std::io::Read;
use std::time::Duration;

use crate::support::client::Answer;
use crate::support::served::House;
use loa::web::Doors;

const FEED: &str = "/feeds/tat-ca.atom";

#[actix_web::test]
async fn every_format_has_its_type_and_what_caches_need() {
    let house = House::open().await;
    for (path, kind) in [
        ("/feeds/tat-ca.rss", "application/rss+xml; charset=utf-8"),
        (FEED, "application/atom+xml; charset=utf-8"),
        ("/feeds/tat-ca.json", "application/feed+json"),
        ("/feeds.opml", "text/x-opml; charset=utf-8"),
    ] {
        let answer = house.get(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, kind), "{path}");
        assert!(answer.header("etag").starts_with("W/\""), "{path}");
        assert!(answer.header("last-modified").ends_with("GMT"), "{path}");
        let keep = answer.header("cache-control");
        assert!(
            keep.starts_with("public, max-age=")
                && keep.ends_with("stale-while-revalidate=86400, stale-if-error=604800"),
            "{keep}"
        );
        assert_eq!(answer.header("vary"), "Accept-Encoding");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; style-src 'self'; img-src https:");
        assert_eq!(answer.header("link"), format!("<http://{}{path}>; rel=\"self\"", house.at));
        assert_eq!(answer.header("content-encoding"), "");
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert!(answer.text().len() > 500);
    }
}

#[actix_web::test]
async fn a_304_repeats_the_validators_and_has_no_body() {
    let house = House::open().await;
    let full = house.get(FEED).await;
    let tag = full.header("etag");
    let proxied = tag.trim_end_matches('"').to_owned() + "-gzip\"";
    let list = format!("\"other\", {tag}");
    for asked in [tag, proxied.as_str(), list.as_str(), "*"] {
        let again = house.get_with(FEED, &[("If-None-Match", asked)]).await;
        assert_eq!(again.status, 304, "{asked}");
        assert!(again.body.is_empty());
        for name in ["etag", "last-modified", "cache-control", "vary", "link"] {
            assert_eq!(again.header(name), full.header(name), "{name}");
        }
        assert_eq!(again.header("vary"), "Accept-Encoding");
        assert_eq!(again.header("content-type"), "");
    }
    assert_eq!(house.get_with(FEED, &[("If-None-Match", "\"other\"")]).await.status, 200);
}

#[actix_web::test]
async fn what_stands_ready_is_answered_as_the_routes_would_answer_it() {
    let house = House::open().await;
    for path in ["/feeds/tat-ca.rss", FEED, "/feeds/tat-ca.json", "/feeds/tat-ca.atom?utm_source=x"] {
        let whole = house.get(path).await;
        let (tag, date) = (whole.header("etag"), whole.header("last-modified"));
        for asked in [
            None,
            Some(("Accept-Encoding", "gzip")),
            Some(("If-None-Match", tag)),
            Some(("If-None-Match", "*")),
            Some(("If-Modified-Since", date)),
            Some(("If-None-Match", "\"other\"")),
        ] {
            for method in ["GET", "HEAD"] {
                let at_hand = house.send(method, path, asked.as_slice(), b"").await;
                // Whoever names a manipulation that we do not have is sent past the front door, to the same answer.
                let aside: Vec<_> = asked.into_iter().chain([("A-IM", "vcdiff")]).collect();
                let routed = house.send(method, path, &aside, b"").await;
                assert_eq!(at_hand.status, routed.status, "{method} {path} {asked:?}");
                assert_eq!(at_hand.body, routed.body, "{method} {path} {asked:?}");
                assert_eq!(lines(&at_hand), lines(&routed), "{method} {path} {asked:?}");
            }
        }
    }
}

/// The headers of an answer in order, but for the time of day.
fn lines(answer: &Answer) -> Vec<(String, String)> {
    let mut lines: Vec<_> = answer.headers.iter().filter(|(name, _)| name != "date").cloned().collect();
    lines.sort();
    lines
}

#[actix_web::test]
async fn a_date_counts_only_where_no_tag_was_sent() {
    let house = House::open().await;
    let full = house.get(FEED).await;
    let date = full.header("last-modified");
    assert_eq!(house.get_with(FEED, &[("If-Modified-Since", date)]).await.status, 304);
    assert_eq!(house.get_with(FEED, &[("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")]).await.status, 304);
    assert_eq!(house.get_with(FEED, &[("If-Modified-Since", "Mon, 01 Jan 1800 00:00:00 GMT")]).await.status, 200);
    let both = [("If-None-Match", "\"old\""), ("If-Modified-Since", date)];
    assert_eq!(house.get_with(FEED, &both).await.status, 200);
}

#[actix_web::test]
async fn a_new_article_gives_a_new_tag_and_a_tag_is_one_for_all_codings() {
    let house = House::open().await;
    let before = house.get(FEED).await;
    for (accept, coding) in [("br;q=0.1, gzip;q=0.5", "gzip"), ("gzip, br", "br"), ("zstd", "zstd")] {
        let packed = house.get_with(FEED, &[("Accept-Encoding", accept)]).await;
        assert_eq!(packed.header("content-encoding"), coding);
        assert_eq!(packed.header("etag"), before.header("etag"));
        let mut plain = Vec::new();
        let mut bytes = packed.body.as_slice();
        match coding {
            "gzip" => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).expect("gzip")),
            "br" => brotli::BrotliDecompress(&mut bytes, &mut plain).expect("brotli"),
            _ => plain = zstd::stream::decode_all(bytes).expect("zstd"),
        }
        assert_eq!(plain, before.body);
        assert!(packed.body.len() * 2 < plain.len());
    }
    house.clock.advance(Duration::from_mins(1));
    house.write("moi", "Bài vừa đăng");
    house.poll().await;
    let after = house.get_with(FEED, &[("If-None-Match", before.header("etag"))]).await;
    assert_eq!(after.status, 200);
    assert!(after.text().contains("Bài vừa đăng"));
    assert_ne!(after.header("etag"), before.header("etag"));
    assert_ne!(after.header("last-modified"), before.header("last-modified"));
}

#[actix_web::test]
async fn identity_is_sent_to_those_who_can_unpack_nothing() {
    let house = House::open().await;
    for accept in ["gzip;q=0", "identity", "", "deflate", "*;q=0", "identity;q=0"] {
        let answer = house.get_with(FEED, &[("Accept-Encoding", accept)]).await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, ""), "{accept}");
        assert_eq!(answer.header("vary"), "Accept-Encoding");
    }
}

#[actix_web::test]
async fn head_answers_like_get_without_a_body() {
    let house = House::open().await;
    for path in [FEED, "/feeds.opml", "/", "/feeds/tat-ca", "/subscribe", "/static/loa.css", "/healthz"] {
        let (get, head) = (house.get(path).await, house.send("HEAD", path, &[], b"").await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        let plain = |answer: &crate::support::client::Answer| -> Vec<(String, String)> {
            let mut all = answer.headers.clone();
            all.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
            all.sort();
            all
        };
        assert_eq!(plain(&head), plain(&get), "{path}");
    }
}

#[actix_web::test]
async fn other_methods_are_told_what_is_allowed() {
    let house = House::open().await;
    let options = house.send("OPTIONS", FEED, &[], b"").await;
    assert_eq!((options.status, options.header("allow")), (204, "GET, HEAD, OPTIONS"));
    assert_eq!(options.header("access-control-allow-methods"), "GET, HEAD, OPTIONS");
    for (method, path, allow) in [
        ("POST", FEED, "GET, HEAD, OPTIONS"),
        ("DELETE", "/feeds.opml", "GET, HEAD, OPTIONS"),
        ("PUT", "/subscribe", "GET, HEAD, POST, OPTIONS"),
    ] {
        let answer = house.send(method, path, &[], b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, allow), "{method} {path}");
    }
}

#[actix_web::test]
async fn only_another_spelling_of_an_address_is_moved() {
    let house = House::open().await;
    for (from, to) in [
        ("/feeds/Tat-Ca.RSS", "/feeds/tat-ca.rss"),
        ("/feeds/TAT-CA", "/feeds/tat-ca"),
        ("/feeds/tat-ca.rss/", "/feeds/tat-ca.rss"),
        ("/feeds/tat-ca/", "/feeds/tat-ca"),
    ] {
        let answer = house.get_with(from, &[("X-Forwarded-Host", "evil.example")]).await;
        assert_eq!((answer.status, answer.header("location")), (301, to), "{from}");
    }
    for nowhere in
        ["/feeds/khong-co.rss", "/feeds/tat-ca.xml", "/feeds/khong-co", "/feeds/khong-co/", "/feeds/tat-ca.rss/x"]
    {
        assert_eq!(house.get(nowhere).await.status, 404, "{nowhere}");
    }
}

#[actix_web::test]
async fn a_fault_of_a_feed_is_a_short_text_in_the_readers_language() {
    let house = House::open().await;
    let answer = house.get("/feeds/khong-co.rss").await;
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert!(answer.text().contains("không dẫn đến đâu"), "{}", answer.text());
    assert!(answer.header("vary").contains("Accept-Language"));
    let english = house.get_with("/feeds/khong-co.rss", &[("Accept-Language", "en")]).await;
    assert!(english.text().contains("leads nowhere"), "{}", english.text());
}

#[actix_web::test]
async fn whoever_fetches_the_same_again_and_again_unconditionally_is_asked_to_wait() {
    let house = House::open().await;
    let reader = ("X-Forwarded-For", "203.0.113.9");
    let tag = house.get(FEED).await.header("etag").to_owned();
    for n in 0..60 {
        assert_eq!(house.get_with(FEED, &[reader]).await.status, 200, "{n}");
    }
    let refused = house.get_with(FEED, &[reader]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "60"));
    assert_eq!(refused.header("content-type"), "text/plain; charset=utf-8");
    assert!(refused.text().contains("60"), "{}", refused.text());
    assert_eq!(refused.header("cache-control"), "no-store");
    // Never what could be a 304, nor another document, nor HEAD, nor another reader.
    assert_eq!(house.get_with(FEED, &[reader, ("If-None-Match", &tag)]).await.status, 304);
    assert_eq!(house.get_with(FEED, &[reader, ("If-None-Match", "\"old\"")]).await.status, 200);
    assert_eq!(house.get_with("/feeds/tat-ca.rss", &[reader]).await.status, 200);
    assert_eq!(house.send("HEAD", FEED, &[reader], b"").await.status, 200);
    assert_eq!(house.get_with(FEED, &[("X-Forwarded-For", "203.0.113.10")]).await.status, 200);
    // The portal's own front asks as itself, as often as it likes.
    for _ in 0..70 {
        assert_eq!(house.get(FEED).await.status, 200);
    }
    house.clock.advance(Duration::from_mins(1));
    assert_eq!(house.get_with(FEED, &[reader]).await.status, 200);
}

#[actix_web::test]
async fn a_feed_that_nobody_made_yet_is_made_by_who_asks() {
    let house = House::unready(Doors::All).await;
    house.ingest.poll("demo").await.expect("polled");
    house.publisher.look().await.expect("looked");
    assert!(!house.publisher.get("dan-van").expect("known").is_read());
    assert_eq!(house.get("/").await.status, 200);
    let asks = (0..12).map(|_| house.get("/feeds/dan-van.atom"));
    let answers = futures_util::future::join_all(asks).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert!(house.publisher.get("dan-van").expect("known").is_read());
    assert!(!house.publisher.get("tuyen-giao").expect("known").is_read(), "no other was made for it");
}

#[actix_web::test]
async fn an_unread_feed_is_not_ready() {
    let starting = House::unready(Doors::All).await;
    for path in [FEED, "/feeds/tat-ca", "/feeds.opml", "/"] {
        let answer = starting.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[actix_web::test]
async fn links_never_take_their_host_from_the_request() {
    let house = House::open().await;
    for path in [FEED, "/feeds/tat-ca", "/feeds.opml", "/", "/api/openapi.json"] {
        let headers = [("X-Forwarded-Host", "evil.example"), ("Forwarded", "host=evil.example")];
        let answer = house.get_with(path, &headers).await;
        assert!(!answer.text().contains("evil.example"), "{path}");
    }
}
