//! Laws: the door to portals. What a broken, hostile or strict host sends is a clear error or a page, never a wrong
//! conclusion; and no host is asked more than it permits. Tested over real HTTP, through the kind `feed`.

use std::time::{Duration, Instant};

use encoding_rs::WINDOWS_1258;
use loa::clock::Timestamp;
use loa::source::{AnySource, Ask, Scan, Source, SourceError};
use unicode_normalization::UnicodeNormalization;

use super::web_server::{Reply, WebServer};
use super::{at, fingerprints, ids, one, open, set};

const RSS: &str = "application/rss+xml";

/// A feed of these items, each with its number as guid and in its title.
fn feed(numbers: &[u32]) -> String {
    let item = |n: &u32| {
        format!(
            "<item><title>Hội nghị số {n}</title><link>/bai/{n}</link><guid isPermaLink=\"false\">{n}</guid>\
             <pubDate>Tue, 23 Nov 2021 14:05:00 +0700</pubDate></item>"
        )
    };
    format!(
        "<rss version=\"2.0\"><channel><title>Tin</title>{}</channel></rss>",
        numbers.iter().map(item).collect::<String>()
    )
}

fn source(server: &WebServer, path: &str, keys: &str) -> AnySource {
    let url = server.url(path);
    open(&format!("kind = \"feed\"\nurl = \"{url}\"\nallow = [\"127.0.0.1/32\"]\n{keys}")).expect("a source")
}

fn now() -> Timestamp {
    at("2021-11-23T08:00:00Z")
}

async fn scan_at(source: &AnySource, now: Timestamp) -> Result<Scan, SourceError> {
    source.scan(&Ask::first(now)).await
}

async fn scan(source: &AnySource) -> Result<Scan, SourceError> {
    scan_at(source, now()).await
}

/// The message of an error of this kind.
macro_rules! fault {
    ($result:expr, $kind:ident) => {
        match $result {
            Err(SourceError::$kind(message, ..)) => message,
            other => panic!("not {}: {other:?}", stringify!($kind)),
        }
    };
}

#[tokio::test]
async fn a_private_portal_is_called_only_when_it_is_named() {
    let server = WebServer::start().await;
    server.on("/tin", Reply::page(RSS, feed(&[1])));
    let url = server.url("/tin");
    let bare = open(&format!("kind = \"feed\"\nurl = \"{url}\"")).expect("a source");
    let message = fault!(scan(&bare).await, Schema);
    assert!(message.starts_with("source `portal`: ") && message.contains("127.0.0.1"), "{message}");
    assert!(message.contains("`allow`") && message.contains("allow = ["), "{message}");
    assert!(server.asked().is_empty());
    assert_eq!(ids(&scan(&source(&server, "/tin", "")).await.expect("a scan")), set(["1"]));
    let wide = format!("kind = \"feed\"\nurl = \"{url}\"\nallow = [\"0.0.0.0/0\"]");
    assert!(fault!(open(&wide), Schema).contains("0.0.0.0/0"));
}

#[tokio::test]
async fn redirects_are_followed_to_pages_and_to_nothing_else() {
    let server = WebServer::start().await;
    server.on("/tin", Reply::page(RSS, feed(&[1])));
    server.on("/cu", Reply::redirect("/moi"));
    server.on("/moi", Reply::redirect("/tin#dau"));
    assert_eq!(ids(&scan(&source(&server, "/cu", "")).await.expect("a scan")), set(["1"]));

    server.on("/a", Reply::redirect("/b"));
    server.on("/b", Reply::redirect("/a"));
    let message = fault!(scan(&source(&server, "/a", "")).await, Unreachable);
    assert!(message.contains("circle"), "{message}");

    for n in 0..9 {
        server.on(&format!("/xa/{n}"), Reply::redirect(&format!("/xa/{}", n + 1)));
    }
    let message = fault!(scan(&source(&server, "/xa/0", "")).await, Unreachable);
    assert!(message.contains("5 redirects"), "{message}");
    assert_eq!(server.asked_for("/xa/6").len(), 0, "the sixth redirect is not followed");

    for inside in ["http://10.0.0.1/", "http://127.0.0.2/", "http://169.254.169.254/latest/"] {
        server.on("/vao", Reply::redirect(inside));
        let message = fault!(scan(&source(&server, "/vao", "")).await, Unreachable);
        assert!(message.contains("redirects to") && message.contains("not called"), "{message}");
    }
    for nowhere in ["", "ftp://example.vn/", "http://"] {
        server.on("/vao", Reply::redirect(nowhere));
        // An empty location is the page itself.
        fault!(scan(&source(&server, "/vao", "")).await, Unreachable);
    }
    server.on("/vao", Reply::status(302));
    assert!(fault!(scan(&source(&server, "/vao", "")).await, Unreachable).contains("without an address"));
}

#[tokio::test]
async fn a_page_for_people_is_no_feed_and_the_error_says_what_it_is() {
    let server = WebServer::start().await;
    server.on("/tin", Reply::redirect("/dang-nhap?ve=tin"));
    server.on("/dang-nhap", Reply::html("<!DOCTYPE html><form><input type=\"password\" name=mk></form>"));
    let message = fault!(scan(&source(&server, "/tin", "")).await, Schema);
    assert!(message.contains("login page at") && message.contains("/dang-nhap"), "{message}");
    server.on(
        "/trang-chu",
        Reply::html(
            "<html><head><link href=\"/tin?format=feed&amp;type=rss\" type=\"application/rss+xml\"></head></html>",
        ),
    );
    let message = fault!(scan(&source(&server, "/trang-chu", "")).await, Schema);
    assert!(message.contains("(HTML)") && message.contains(&server.url("/tin?format=feed&type=rss")), "{message}");
    // A feed that says it is HTML is a feed, and a page that says it is a feed is none.
    for text in [feed(&[1]), format!("<?xml version=\"1.0\"?>\n<!-- <html> -->\n{}", feed(&[1]))] {
        server.on("/tin", Reply::html(text));
        assert_eq!(ids(&scan(&source(&server, "/tin", "")).await.expect("a scan")), set(["1"]));
    }
    for text in ["<!DOCTYPE html><p>a", "<HTML><p>a", "<!-- x --> <html>"] {
        server.on("/tin", Reply::page(RSS, text));
        assert!(fault!(scan(&source(&server, "/tin", "")).await, Schema).contains("(HTML)"), "{text}");
    }
}

#[tokio::test]
async fn bodies_that_are_too_large_too_slow_or_broken_are_errors_and_the_next_poll_is_as_if_they_never_were() {
    let server = WebServer::start().await;
    let bomb = Reply::page(RSS, vec![b' '; 16 << 20]).gzip();
    let patient = source(&server, "/tin", "");
    let hurried = source(&server, "/tin", "timeout = 0.5");
    for (reply, said) in [
        (bomb, "unpacks to more than 8 MiB"),
        (Reply::endless(RSS), "without end"),
        (Reply::page(RSS, vec![b' '; 9 << 20]), "more than loa reads"),
        (Reply::drip(RSS), "within the time"),
        (Reply::page(RSS, feed(&[1])).cut(), "not read"),
        (Reply::page(RSS, feed(&[1])).gzip().cut(), "not read"),
        (Reply::page(RSS, &feed(&[1]).as_bytes()[..150]), "well-formed"),
        (Reply::page(RSS, "x").header("content-encoding", "br"), "\"br\""),
        (Reply::status(204), "204"),
        (Reply::status(304), "304"),
        (Reply::status(500), "500"),
        (Reply::status(404), "404"),
    ] {
        server.on("/tin", reply);
        let began = Instant::now();
        let source = if said == "within the time" { &hurried } else { &patient };
        let message = match scan(source).await {
            Err(SourceError::Unreachable(message) | SourceError::Schema(message)) => message,
            other => panic!("{said}: {other:?}"),
        };
        assert!(message.contains(said) && message.contains("/tin"), "{message}");
        assert!(began.elapsed() < Duration::from_secs(19), "{message}");
    }
    for status in [401, 403] {
        server.on("/tin", Reply::status(status));
        assert!(fault!(scan(&patient).await, Refused).contains(&status.to_string()));
    }
    server.on("/tin", Reply::page(RSS, feed(&[1, 2])).gzip());
    assert_eq!(ids(&scan(&patient).await.expect("a scan")), set([1, 2]));
}

#[tokio::test]
async fn vietnamese_is_read_in_every_encoding_that_portals_send() {
    let server = WebServer::start().await;
    let title = "Đại hội đảng bộ: nghị quyết về xây dựng tổ chức cơ sở đảng";
    let text = feed(&[1]).replace("Hội nghị số 1", title);
    // windows-1258 writes tones as marks of their own.
    let spelled: String = text
        .nfc()
        .flat_map(|c| {
            let mut parts: Vec<char> = std::iter::once(c).nfd().collect();
            let tone = parts.iter().position(|c| "\u{300}\u{301}\u{303}\u{309}\u{323}".contains(*c));
            let tone = tone.map(|at| parts.remove(at));
            parts.into_iter().nfc().chain(tone).collect::<Vec<_>>()
        })
        .collect();
    let (in_1258, _, lost) = WINDOWS_1258.encode(&spelled);
    assert!(!lost);
    let declared = |encoding: &str| format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>\n").into_bytes();
    let in_16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (content_type, body) in [
        ("text/xml; charset=windows-1258", in_1258.to_vec()),
        ("text/xml; charset=utf-8", [declared("windows-1258"), in_1258.to_vec()].concat()),
        ("text/xml", in_1258.to_vec()),
        ("text/xml; charset=utf-8", in_16),
        ("text/xml; charset=iso-8859-1", text.clone().into_bytes()),
        ("text/xml", [declared("windows-1252"), text.clone().into_bytes()].concat()),
        ("text/xml; charset=utf-16", [b"\xef\xbb\xbf".to_vec(), declared("utf-8"), text.into_bytes()].concat()),
    ] {
        server.on("/tin", Reply::page(content_type, body));
        let source = source(&server, "/tin", "");
        scan(&source).await.unwrap_or_else(|error| panic!("{content_type}: {error}"));
        let article = one(source.fetch(&set(["1"]), now()).await.expect("an article"));
        assert_eq!(article.title.nfc().collect::<String>(), title, "{content_type}");
    }
}

#[tokio::test]
async fn an_unchanged_feed_costs_a_304_and_loses_no_item() {
    let server = WebServer::start().await;
    server.script("/tin", |asked| match asked.header("if-none-match") {
        Some("\"a\"") => Reply::status(304),
        _ => Reply::page(RSS, feed(&[1, 2]))
            .header("etag", "\"a\"")
            .header("last-modified", "Tue, 23 Nov 2021 07:00:00 GMT"),
    });
    let source = source(&server, "/tin", "");
    let first = scan(&source).await.expect("a scan");
    for _ in 0..2 {
        let again = scan(&source).await.expect("a scan");
        assert_eq!(fingerprints(&again), fingerprints(&first));
        assert_eq!(source.fetch(&set([1, 2]), now()).await.expect("articles").articles.len(), 2);
    }
    let asked = server.asked_for("/tin");
    assert_eq!(asked[0].header("if-none-match"), None);
    for later in &asked[1..] {
        assert_eq!(later.header("if-none-match"), Some("\"a\""));
        assert_eq!(later.header("if-modified-since"), Some("Tue, 23 Nov 2021 07:00:00 GMT"));
    }
    assert!(asked[0].header("user-agent").is_some_and(|agent| agent.starts_with("loa/")));
}

#[tokio::test]
async fn validators_that_lie_are_found_out() {
    let server = WebServer::start().await;
    // One ETag for every body.
    server.script("/tin", |asked| {
        let numbers: &[u32] = if asked.before == 0 { &[1] } else { &[1, 2] };
        Reply::page(RSS, feed(numbers)).header("etag", "\"a\"")
    });
    let one_tag = source(&server, "/tin", "");
    assert_eq!(ids(&scan(&one_tag).await.expect("a scan")), set([1]));
    assert_eq!(ids(&scan(&one_tag).await.expect("a scan")), set([1, 2]));

    // A cache that says "unchanged" for good.
    server.script("/ngu", |asked| match (asked.before, asked.header("if-none-match")) {
        (0, _) => Reply::page(RSS, feed(&[1])).header("etag", "\"a\""),
        (_, Some(_)) => Reply::status(304),
        (_, None) => Reply::page(RSS, feed(&[1, 2])).header("etag", "\"a\""),
    });
    let asleep = source(&server, "/ngu", "");
    let at = |minutes: u64| now().plus(Duration::from_mins(minutes));
    for (minutes, seen) in [(0, set([1])), (10, set([1])), (59, set([1])), (61, set([1, 2])), (70, set([1, 2]))] {
        assert_eq!(ids(&scan_at(&asleep, at(minutes)).await.expect("a scan")), seen, "after {minutes} minutes");
    }

    // A validator that moves each time, as Joomla's does: the body decides.
    server.script("/joomla", |asked| {
        Reply::page(RSS, feed(&[1]))
            .header("etag", &format!("\"{}\"", asked.before))
            .header("cache-control", "no-store")
    });
    let moving = source(&server, "/joomla", "");
    let first = scan(&moving).await.expect("a scan");
    assert_eq!(fingerprints(&scan(&moving).await.expect("a scan")), fingerprints(&first));
}

#[tokio::test]
async fn a_host_that_asks_to_be_left_alone_is_left_alone() {
    let server = WebServer::start().await;
    let date = "Tue, 23 Nov 2021 08:10:00 GMT";
    for (reply, minutes) in [
        (Reply::status(429).header("retry-after", "600"), 10),
        (Reply::status(503).header("retry-after", date), 10),
        (Reply::status(429), 5),
        (Reply::status(429).header("retry-after", "sau"), 5),
        (Reply::status(429).header("retry-after", "99999999999"), 24 * 60),
    ] {
        server.on("/tin", reply.clone());
        let source = source(&server, "/tin", "");
        let expected = now().plus(Duration::from_mins(minutes));
        let before = server.asked_for("/tin").len();
        for _ in 0..3 {
            match scan(&source).await {
                Err(SourceError::Wait(message, until)) => assert_eq!(until, expected, "{message}"),
                other => panic!("{reply:?}: {other:?}"),
            }
        }
        assert_eq!(server.asked_for("/tin").len(), before + 1, "it was asked once and then left alone");
        server.on("/tin", Reply::page(RSS, feed(&[1])));
        assert!(scan_at(&source, expected.minus(Duration::from_secs(1))).await.is_err());
        assert_eq!(ids(&scan_at(&source, expected).await.expect("a scan")), set([1]));
    }
    server.on("/tin", Reply::status(503));
    fault!(scan(&source(&server, "/tin", "")).await, Unreachable);
}

#[tokio::test]
async fn robots_txt_is_obeyed_and_asked_for_once_a_day() {
    let server = WebServer::start().await;
    server.on("/tin", Reply::page(RSS, feed(&[1])));
    server.on("/robots.txt", Reply::page("text/plain", "User-agent: *\nDisallow: /tin\n"));
    let message = fault!(scan(&source(&server, "/tin", "")).await, Refused);
    assert!(message.contains("line 2: Disallow: /tin") && message.contains("robots = false"), "{message}");
    assert_eq!(server.asked_for("/tin").len(), 0);
    assert!(scan(&source(&server, "/tin", "robots = false")).await.is_ok());

    server.on("/robots.txt", Reply::page("text/plain", "User-agent: *\nDisallow: /tin\n\nUser-agent: Loa\nAllow: /\n"));
    let before = server.asked_for("/robots.txt").len();
    let permitted = source(&server, "/tin", "");
    for hours in [0, 1, 23] {
        assert!(scan_at(&permitted, now().plus(Duration::from_hours(hours))).await.is_ok());
    }
    assert_eq!(server.asked_for("/robots.txt").len(), before + 1);
    // What was read yesterday stands in for what cannot be read today.
    server.on("/robots.txt", Reply::status(500));
    assert!(scan_at(&permitted, now().plus(Duration::from_hours(25))).await.is_ok());
    assert_eq!(server.asked_for("/robots.txt").len(), before + 2);
}

#[tokio::test]
async fn without_robots_txt_all_is_permitted_and_with_a_broken_one_nothing() {
    let server = WebServer::start().await;
    server.on("/tin", Reply::page(RSS, feed(&[1])));
    for reply in [
        Reply::status(404),
        Reply::status(403),
        Reply::html("<!doctype html><p>Disallow: /</p>"),
        Reply::redirect("/khong"),
    ] {
        server.on("/robots.txt", reply.clone());
        assert!(scan(&source(&server, "/tin", "")).await.is_ok(), "{reply:?}");
    }
    for reply in [Reply::status(500), Reply::status(503), Reply::page("text/plain", "x").cut()] {
        server.on("/robots.txt", reply.clone());
        let before = server.asked_for("/tin").len();
        let source = source(&server, "/tin", "");
        let message = fault!(scan(&source).await, Unreachable);
        assert!(message.contains("/robots.txt") && message.contains("robots = false"), "{message}");
        fault!(scan(&source).await, Unreachable);
        assert_eq!(server.asked_for("/tin").len(), before, "{reply:?}");
        server.on("/robots.txt", Reply::status(404));
        assert!(scan_at(&source, now().plus(Duration::from_mins(1))).await.is_ok());
    }
    server.on("/robots.txt", Reply::status(503).header("retry-after", "60"));
    fault!(scan(&source(&server, "/tin", "")).await, Wait);
}

#[tokio::test]
async fn between_two_calls_to_a_host_there_is_the_pause_that_is_set_or_that_the_host_asks_for() {
    let server = WebServer::start().await;
    server.on("/tin", Reply::redirect("/that"));
    server.on("/that", Reply::page(RSS, feed(&[1])));
    for (robots, keys) in [("User-agent: *\nDisallow:", "pause = 0.15"), ("User-agent: *\nCrawl-delay: 0.15", "")] {
        server.on("/robots.txt", Reply::page("text/plain", robots));
        let before = server.asked().len();
        scan(&source(&server, "/tin", keys)).await.expect("a scan");
        let asked = &server.asked()[before..];
        assert_eq!(asked.len(), 3);
        for pair in asked.windows(2) {
            assert!(pair[1].at.duration_since(pair[0].at) >= Duration::from_millis(150), "{keys} {robots}");
        }
    }
}
