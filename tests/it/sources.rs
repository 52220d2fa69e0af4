//! Laws: sources. What a visitor may see is what a scan gives, on real servers and real files; nothing is ever written.

use std::collections::{BTreeMap, BTreeSet};

use loa::clock::Timestamp;
use loa::domain::article::RawArticle;
use loa::domain::roll::Roll;
use loa::source::{AnySource, Ask, Fetched, Light, Scan, Settings, Source, SourceError};

mod folder;
mod html;
pub mod joomla;
mod joomla_account;
mod joomla_api;
mod joomla_changes;
mod joomla_refusals;
pub mod joomla_tiers;
mod reader;
pub mod sql;
mod syndication;
mod web;
pub mod web_server;
mod wordpress;

/// An instant from RFC 3339.
fn at(text: &str) -> Timestamp {
    text.parse::<jiff::Timestamp>().expect("an instant").into()
}

fn open(settings: &str) -> Result<AnySource, SourceError> {
    AnySource::open("portal", toml::from_str::<Settings>(settings).expect("settings"))
}

/// Fingerprints by id.
fn fingerprints(scan: &Scan) -> BTreeMap<String, String> {
    let map: BTreeMap<_, _> = scan.articles.iter().map(|l| (l.external_id.clone(), l.fingerprint.clone())).collect();
    assert_eq!(map.len(), scan.articles.len(), "an id came twice");
    map
}

/// What ingest knows once these were written.
fn roll<'a>(lights: impl IntoIterator<Item = &'a Light>) -> Roll {
    lights.into_iter().map(|light| (&light.external_id, &light.fingerprint)).collect()
}

fn ids(scan: &Scan) -> BTreeSet<String> {
    fingerprints(scan).into_keys().collect()
}

/// The first instant at which the clock alone changes what is public.
fn next_flip(scan: &Scan) -> Option<Timestamp> {
    scan.flips.iter().map(|flip| flip.at).min()
}

fn set<T: ToString>(ids: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

fn one(fetched: Fetched) -> RawArticle {
    assert_eq!((fetched.articles.len(), fetched.faults.len()), (1, 0), "{fetched:?}");
    fetched.articles.into_iter().next().expect("one article")
}

#[test]
fn an_unknown_key_of_a_source_is_an_error_and_the_kind_chooses_the_keys() {
    let ok = |text: &str| toml::from_str::<Settings>(text).is_ok();
    let folder = "kind = \"folder\"\npath = \"a\"\nsite_url = \"https://example.vn\"\n";
    let joomla = "kind = \"joomla\"\nurl = \"mysql://u:p@h/d\"\nsite_url = \"https://example.vn\"\n";
    assert!(ok(folder) && ok(joomla));
    assert!(!ok(&format!("{folder}prefix = \"jos_\"")));
    assert!(!ok(&format!("{joomla}path = \"a\"")));
    assert!(!ok("kind = \"drupal\""));
}

#[test]
fn a_setting_that_cannot_be_right_is_refused_with_a_remedy_and_without_the_password() {
    let good = "kind = \"joomla\"\nurl = \"mysql://u:geheim@h/d\"\nsite_url = \"https://example.vn\"\n";
    assert!(open(good).is_ok());
    for (wrong, remedy) in [
        (good.replace("mysql:", "oracle:"), "mysql://"),
        (good.replace("h/d", "h"), "database"),
        (good.replace("mysql://u", "mysql//u"), "mysql://"),
        (good.replace("https:", "ftp:"), "https://"),
        (format!("{good}prefix = \"jos_; DROP\""), "jos_"),
        (format!("{good}link = \"{{base}}{{slug}}\""), "{id}"),
        (format!("{good}timezone = \"Hanoi\""), "Asia/Ho_Chi_Minh"),
        (format!("{good}guest_levels = []"), "[1]"),
        (format!("{good}sweep = \"bald\""), "10m"),
        (format!("{good}deep = \"0s\""), "6h"),
    ] {
        let Err(SourceError::Schema(message)) = open(&wrong) else { panic!("{wrong} was accepted") };
        assert!(message.contains("`portal`") && message.contains(remedy), "{message}");
        assert!(!message.contains("geheim"), "{message}");
    }
    let settings = toml::from_str::<Settings>(good).expect("settings");
    assert!(!format!("{settings:?}").contains("geheim"));
    assert!(!format!("{:?}", AnySource::open("portal", settings)).contains("geheim"));
}

#[test]
fn a_poll_can_run_on_another_thread() {
    fn is_send<T: Send>(_: T) {}
    let source = open("kind = \"folder\"\npath = \"a\"\nsite_url = \"https://example.vn\"").expect("a source");
    is_send(source.scan(&Ask::first(at("2026-11-23T00:00:00Z"))));
    is_send(source.fetch(&BTreeSet::new(), at("2026-11-23T00:00:00Z")));
    is_send(source.describe());
}
