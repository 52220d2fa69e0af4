//! Laws of feed documents: valid for parsers that are not loa's, the same for the same input, one bad article never
//! taking the feed with it.

mod corpus;
mod history;
mod laws;
mod profile;
mod reading;
mod shipped;
mod validator;

use std::path::Path;

use loa::feed::budget::LIMIT;
use loa::feed::document::{Document, Format};
use loa::feed::edition::{Edition, render};
use loa::feed::item::Item;
use loa::feed::opml;

use crate::support::skip::skip;
use crate::support::xmllint;
use corpus::{feed, hostile, site, stored};

fn schema() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/feeds/atom.rng")
}

/// Each hostile article in a document of its own, then all in one, then none.
fn documents() -> Vec<Document> {
    let articles = hostile();
    let alone = articles.iter().map(std::slice::from_ref);
    alone
        .chain([&articles[..], &[]])
        .map(|articles| Document::new(&site(), &feed(), articles).with_hub("https://loa.songcau.example/hub"))
        .collect()
}

fn written(format: Format) -> Vec<(String, Vec<u8>)> {
    let write = |(n, document): (usize, Document)| {
        let bytes = render(&document, format).unwrap_or_else(|error| panic!("document {n}: {error}"));
        (format!("{n}.{}", format.extension()), bytes)
    };
    documents().into_iter().enumerate().map(write).collect()
}

#[test]
fn libxml2_accepts_the_rss_of_every_hostile_article() {
    let documents = written(Format::Rss);
    assert!(documents.len() > 100, "{} is too small a corpus", documents.len());
    match xmllint::verdict(None, &documents) {
        None => skip("libxml2_accepts_the_rss_of_every_hostile_article", "xmllint is not installed"),
        Some(verdict) => assert_eq!(verdict, Ok(())),
    }
}

#[test]
fn the_atom_of_every_hostile_article_keeps_the_grammar_of_rfc_4287() {
    match xmllint::verdict(Some(&schema()), &written(Format::Atom)) {
        None => skip("the_atom_of_every_hostile_article_keeps_the_grammar_of_rfc_4287", "xmllint is not installed"),
        Some(verdict) => assert_eq!(verdict, Ok(())),
    }
}

#[test]
fn the_grammar_refuses_what_comes_behind_the_entries() {
    let good = render(&Document::new(&site(), &feed(), &[stored(1)]), Format::Atom).expect("written");
    let xml = String::from_utf8(good).expect("UTF-8");
    let (start, end) = (xml.find("<sy:updatePeriod>").expect("there"), xml.find("<entry>").expect("there"));
    let moved = xml[start..end].to_owned();
    let bad = (xml[..start].to_owned() + &xml[end..]).replace("</feed>", &format!("{moved}</feed>"));
    match xmllint::verdict(Some(&schema()), &[("bad.atom".to_owned(), bad.into_bytes())]) {
        None => skip("the_grammar_refuses_what_comes_behind_the_entries", "xmllint is not installed"),
        Some(verdict) => assert!(verdict.is_err_and(|said| said.contains("updatePeriod"))),
    }
}

#[test]
fn libxml2_accepts_the_list_of_feeds_with_many_with_one_and_with_none() {
    let mut many: Vec<_> = corpus::texts()
        .iter()
        .map(|text| {
            let mut feed = feed();
            feed.spec.title = text.as_str().into();
            feed.spec.description = text.as_str().into();
            feed
        })
        .collect();
    many[0].retired = true;
    let lists = [("many.opml", &many[..]), ("one.opml", &many[1..2]), ("none.opml", &[])]
        .map(|(name, feeds)| (name.to_owned(), opml::render(&site(), feeds).expect(name)));
    match xmllint::verdict(None, &lists) {
        None => skip("libxml2_accepts_the_list_of_feeds_with_many_with_one_and_with_none", "xmllint is not installed"),
        Some(verdict) => assert_eq!(verdict, Ok(())),
    }
}

#[test]
fn every_document_keeps_the_profile_of_its_format() {
    for document in documents() {
        profile::rss(&render(&document, Format::Rss).expect("written"), &document);
        profile::atom(&render(&document, Format::Atom).expect("written"), &document);
        profile::json(&render(&document, Format::Json).expect("written"), &document);
    }
}

#[test]
fn every_document_passes_its_own_proof_and_no_article_is_left_out_later() {
    for document in documents() {
        let known = document.left_out.clone();
        let edition = Edition::of(document).expect("published");
        assert_eq!(edition.left_out, known);
        for format in Format::ALL {
            assert!(edition.bytes(format).len() <= LIMIT);
        }
    }
}

/// Not a law, a number to look at: `cargo test --release --test it feeds::fifty -- --nocapture`.
#[test]
fn fifty_articles_are_written_while_nobody_waits() {
    let articles: Vec<_> = (1..=50)
        .rev()
        .map(|id| {
            let mut stored = stored(id);
            stored.article.content_html =
                "<p>Buổi lễ diễn ra <b>trang trọng</b> &amp; đúng quy định.</p>".repeat(65).into();
            stored
        })
        .collect();
    let time = |what: &str, work: &dyn Fn() -> usize| {
        let start = std::time::Instant::now();
        let size = work();
        eprintln!("50 articles, {what}: {:?}, {size} bytes", start.elapsed());
    };
    time("document", &|| Document::new(&site(), &feed(), &articles).items.capacity() * size_of::<Item>());
    let document = Document::new(&site(), &feed(), &articles);
    for format in Format::ALL {
        time(format.name(), &|| render(&document, format).expect("written").len());
    }
    time("proven edition", &|| Edition::of(document.clone()).expect("published").rss.len());
    assert_eq!(document.items.len(), 50);
}
