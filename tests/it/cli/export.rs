//! The export: what the service serves, as files.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use loa::clock::Clock;

use super::{has, polled};
use crate::support::binary::{ALL_FEED, LONG, Place, free_port};
use crate::support::client::call;
use crate::support::skip::skip;

/// Every file below a folder, with its bytes and date.
fn files(dir: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(dir).into_iter().map(|e| e.expect("readable")) {
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(dir).expect("below").to_string_lossy().into_owned();
            let date = entry.metadata().expect("metadata").modified().expect("a date");
            found.insert(name, (fs::read(entry.path()).expect("readable"), date));
        }
    }
    found
}

#[test]
fn an_export_is_feeds_pages_and_what_they_need_and_a_second_one_touches_nothing() {
    let place = polled();
    let told = place.run(&["feeds", "export", "out"]).well();
    has(&told, &["2 feeds in out/www", " 0 unchanged, 0 removed", "out/nginx.conf tells nginx"]);
    let first = files(&place.path("out"));
    for name in ["tat-ca.rss", "tat-ca.rss.gz", "tat-ca.atom", "tat-ca.json", "tat-ca.html", "tin-tuc.atom.gz"] {
        assert!(first.contains_key(&format!("www/feeds/{name}")), "{name} is not among {:?}", first.keys());
    }
    for name in ["www/feeds.opml", "www/index.html", "www/static/feed.css", "www/static/loa.css", "nginx.conf"] {
        assert!(first.contains_key(name), "{name}");
    }
    let mut plain = Vec::new();
    let packed = &first["www/feeds/tat-ca.rss.gz"].0;
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut plain).expect("gzip");
    assert_eq!(plain, first["www/feeds/tat-ca.rss"].0);
    // Nothing on a page needs the service.
    let page = String::from_utf8(first["www/feeds/tat-ca.html"].0.clone()).expect("UTF-8");
    has(&page, &["Bài 000".replace("Bài", "Bai").as_str(), "https://bantin.example.vn/feeds/tat-ca.rss"]);
    for gone in ["<form", "/subscribe", "curl", "openapi"] {
        assert!(!page.contains(gone), "{gone}");
    }

    let told = place.run(&["feeds", "export", "out"]).well();
    has(&told, &[": 0 files written,", " 0 removed"]);
    assert_eq!(files(&place.path("out")), first, "neither bytes nor dates moved");
}

#[test]
fn a_feed_that_is_gone_goes_from_the_folder_and_foreign_files_stay() {
    let place = polled();
    place.run(&["feeds", "export", "out"]).well();
    place.write("out/www/feeds/cua-toi.rss", "<rss/>");
    place.write("giu-lai.txt", "x");
    // A list that somebody changed removes nothing outside.
    let list = place.read("out/.loa-export") + "../giu-lai.txt\n";
    place.write("out/.loa-export", list);
    fs::remove_file(place.path("feeds/tat-ca.toml")).expect("removed");
    place.write("feeds/khac.toml", ALL_FEED);
    place.run(&["poll"]).well();
    let told = place.run(&["feeds", "export", "out"]).well();
    has(&told, &["2 feeds in", " 7 removed"]);
    let now = files(&place.path("out"));
    assert!(now.keys().all(|name| !name.contains("tat-ca")), "{:?}", now.keys());
    assert!(now.contains_key("www/feeds/khac.rss") && now.contains_key("www/feeds/cua-toi.rss"));
    assert!(now.keys().all(|name| !name.contains(".new")), "nothing half-made is left");
    assert_eq!(place.read("giu-lai.txt"), "x");
}

#[test]
fn an_export_says_what_it_needs() {
    let told = super::place().run(&["feeds", "export", "out"]).refused();
    has(&told, &["there is no feed yet", "loa poll"]);
    let place = polled();
    place.write("out", "a file");
    has(&place.run(&["feeds", "export", "out"]).refused(), &["cannot make the folder out", "write to"]);
}

/// A server that ends with the test.
struct Nginx(std::process::Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn nginx(place: &Place, at: SocketAddr) -> Option<Nginx> {
    let program = Path::new("/usr/sbin/nginx");
    if !program.exists() {
        return None;
    }
    let text = format!(
        "daemon off; master_process off; pid {0}/nginx.pid; error_log {0}/error.log;\nevents {{ }}\nhttp {{ access_log off;\n\
         client_body_temp_path {0}/t; proxy_temp_path {0}/t; fastcgi_temp_path {0}/t; uwsgi_temp_path {0}/t; scgi_temp_path {0}/t;\n\
         server {{ listen {at};\ninclude {0}/out/nginx.conf;\n}}\n}}\n",
        place.path("").display().to_string().trim_end_matches('/')
    );
    place.write("server.conf", text);
    let config = place.path("server.conf");
    let log = place.path("error.log");
    let mut command = Command::new(program);
    command.arg("-c").arg(&config).arg("-e").arg(&log).stdin(Stdio::null()).stderr(Stdio::null());
    Some(Nginx(command.spawn().expect("nginx starts")))
}

/// The file of the only month of a feed's archive, and its address for good.
fn first_month(place: &Place) -> String {
    let name = archived(place).into_iter().find(|name| !name.contains('/'));
    name.expect("a month")
}

fn versioned(place: &Place) -> String {
    let name = archived(place).into_iter().find(|name| name.contains('/'));
    format!("feeds/tat-ca/archive/{}", name.expect("a version"))
}

fn archived(place: &Place) -> Vec<String> {
    files(&place.path("out/www/feeds/tat-ca/archive"))
        .into_keys()
        .filter(|name| Path::new(name).extension().is_some_and(|e| e == "atom"))
        .collect()
}

#[test]
fn an_export_has_every_coding_that_the_service_has_and_a_feed_that_ended_says_so() {
    let place = polled();
    for at in 1..20 {
        place.article(&format!("bai-{at}"), &format!("Bai {at:03}"));
    }
    place.run(&["poll"]).well();
    place.run(&["feeds", "export", "out"]).well();
    let all = files(&place.path("out/www/feeds"));
    let plain = &all["tat-ca.rss"].0;
    let mut brotli = Vec::new();
    let mut packed = all["tat-ca.rss.br"].0.as_slice();
    brotli::BrotliDecompress(&mut packed, &mut brotli).expect("brotli");
    assert_eq!(&brotli, plain);
    let zstd = zstd::stream::decode_all(all["tat-ca.rss.zst"].0.as_slice()).expect("zstd");
    assert_eq!(&zstd, plain);
    let month = first_month(&place);
    assert!(all.contains_key(&format!("tat-ca/archive/{month}.gz")), "{:?}", all.keys());

    fs::remove_file(place.path("feeds/tat-ca.toml")).expect("removed");
    place.run(&["poll"]).well();
    place.run(&["feeds", "export", "out"]).well();
    let ended = place.read("out/www/feeds/tat-ca.atom");
    assert!(ended.contains("đã ngừng"), "{ended}");
    assert!(
        !place.path("out/www/feeds/tat-ca.html").exists()
            && !place.path("out/www/feeds/tat-ca/archive").join(&month).exists()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_server_serves_the_export_as_the_service_served_it() {
    const NAME: &str = "a_web_server_serves_the_export_as_the_service_served_it";
    let place = polled();
    let config = place.read("loa.toml");
    place.write(
        "loa.toml",
        config
            + "\n[[old_address]]\npath = \"/tin-t%E1%BB%A9c\"\nquery = \"format=feed&type=rss\"\nfeed = \"tat-ca\"\n\
               format = \"rss\"\nids = \"entries\"\n",
    );
    place.run(&["feeds", "export", "out"]).well();
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let Some(_server) = nginx(&place, at) else {
        skip(NAME, "no nginx");
        return;
    };
    let until = std::time::Instant::now() + LONG;
    while tokio::net::TcpStream::connect(at).await.is_err() {
        assert!(std::time::Instant::now() < until, "nginx listens: {}", place.read("error.log"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Versions made within one second are dated a second apart, and no answer is dated ahead of the clock: once all are
    // past, the service says for good what the files say.
    let past = || {
        let now = Duration::from_millis(Clock::system().now().0.unsigned_abs());
        files(&place.path("out")).values().all(|(_, at)| *at <= SystemTime::UNIX_EPOCH + now)
    };
    while !past() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let served = place.serve("loa.toml");
    let config = place.read("loa.toml");
    let listen = config.split("listen = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("an address");
    let loa: SocketAddr = listen.parse().expect("an address");
    for name in ["tat-ca.rss", "tat-ca.atom", "tat-ca.json", "tin-tuc.rss"] {
        let path = format!("/feeds/{name}");
        let (theirs, ours) = (call(at, "GET", &path, &[], b"").await, call(loa, "GET", &path, &[], b"").await);
        assert_eq!((theirs.status, ours.status), (200, 200), "{name}");
        assert_eq!(theirs.body, ours.body, "{name}");
        assert_eq!(theirs.header("last-modified"), ours.header("last-modified"), "{name}");
        let kind = ours.header("content-type");
        assert!(theirs.header("content-type").eq_ignore_ascii_case(kind), "{} {kind}", theirs.header("content-type"));
        for same in ["cache-control", "access-control-allow-origin", "x-content-type-options"] {
            assert_eq!(theirs.header(same), ours.header(same), "{name} {same}");
        }
        let packed = call(at, "GET", &path, &[("Accept-Encoding", "gzip")], b"").await;
        assert_eq!((packed.header("content-encoding"), packed.header("vary")), ("gzip", "Accept-Encoding"), "{name}");
        let again = call(at, "GET", &path, &[("If-None-Match", theirs.header("etag"))], b"").await;
        assert_eq!(again.status, 304, "{name}");
    }
    let page = call(at, "GET", "/feeds/tat-ca", &[], b"").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    // The past, and the addresses from before loa, whatever else stands in them.
    let month = first_month(&place);
    let archive = call(at, "GET", &format!("/feeds/tat-ca/archive/{month}"), &[], b"").await;
    let (sent_on, for_good) = (
        call(loa, "GET", &format!("/feeds/tat-ca/archive/{month}"), &[], b"").await,
        format!("/{}", versioned(&place)),
    );
    assert_eq!((archive.status, sent_on.status), (200, 302));
    assert!(sent_on.header("location").ends_with(&for_good), "{} {for_good}", sent_on.header("location"));
    let (theirs, ours) = (call(at, "GET", &for_good, &[], b"").await, call(loa, "GET", &for_good, &[], b"").await);
    assert_eq!((theirs.status, &theirs.body, &archive.body), (200, &ours.body, &ours.body));
    for same in ["content-type", "cache-control"] {
        assert_eq!(theirs.header(same), ours.header(same), "{same}");
    }
    for path in ["/tin-t%E1%BB%A9c?format=feed&type=rss", "/tin-t%E1%BB%A9c/?Itemid=5&type=rss&format=feed"] {
        let (theirs, ours) = (call(at, "GET", path, &[], b"").await, call(loa, "GET", path, &[], b"").await);
        assert_eq!((theirs.status, ours.status), (200, 200), "{path}");
        assert_eq!(theirs.body, ours.body, "{path}");
        assert_eq!(theirs.header("content-type"), ours.header("content-type"), "{path}");
    }
    assert_eq!(
        call(at, "GET", "/tin-t%E1%BB%A9c?format=feed&type=atom", &[], b"").await.status,
        404,
        "the portal's own"
    );
    let opml = call(at, "GET", "/feeds.opml", &[], b"").await;
    assert_eq!((opml.status, opml.header("content-type")), (200, "text/x-opml; charset=utf-8"));
    assert_eq!(call(at, "GET", "/static/feed.css", &[], b"").await.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(call(at, "GET", "/feeds/khong-co", &[], b"").await.status, 404);
    served.terminate();
}
