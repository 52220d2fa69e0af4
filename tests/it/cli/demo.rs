//! Laws of `loa demo`: it shows the whole way, ends in order, and goes on where it was.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use super::has;
use crate::support::binary::{LONG, Place, Running};

/// The demo in this folder, wanting a port that is taken.
fn demo(place: &Place, taken: &TcpListener, more: &[&str]) -> Running {
    let port = taken.local_addr().expect("an address").port().to_string();
    let running = place.start(&[&["demo", "--dir", "demo", "--every", "1", "--port", &port], more].concat());
    running.wait_line("loa serves at", LONG);
    assert_eq!(running.count(&format!("127.0.0.1:{port}/")), 0, "the port was taken:\n{}", running.log());
    running
}

/// Every mail in the folder: how many copies by Message-ID and receiver.
fn mails(place: &Place) -> BTreeMap<(String, String), usize> {
    let mut mails = BTreeMap::new();
    for file in fs::read_dir(place.path("demo/mail")).expect("a folder").flatten() {
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().trim().to_owned();
        if file.path().extension().is_some_and(|ending| ending == "eml") {
            *mails.entry((field("Message-ID:"), field("To:"))).or_default() += 1;
        }
    }
    mails
}

/// Waits until there are more mails than this.
fn wait_for_more(place: &Place, running: &Running, than: usize) {
    let until = std::time::Instant::now() + LONG;
    while mails(place).len() <= than {
        assert!(std::time::Instant::now() < until, "no more than {than} mails:\n{}", running.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn the_demo_publishes_and_mails_ends_in_order_and_goes_on_without_telling_anything_twice() {
    let place = Place::new();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let first = demo(&place, &taken, &[]);
    first.wait_lines("published: articles/", 2, LONG);
    wait_for_more(&place, &first, 2);
    let (code, took, log) = first.stop("TERM");
    assert_eq!(code, 0, "{log}");
    assert!(took.as_secs() < 15, "{took:?}");
    has(&log, &["What can be followed", "loa has stopped", "The demo has ended", "--fresh"]);
    assert!(!log.contains("ERROR"), "{log}");
    let before = mails(&place);

    let second = demo(&place, &taken, &[]);
    second.wait_line("published: articles/", LONG);
    wait_for_more(&place, &second, before.len());
    has(&second.log(), &["goes on from where it was"]);
    let (code, _, log) = second.stop("INT");
    assert_eq!(code, 0, "{log}");
    let after = mails(&place);
    assert!(after.values().all(|copies| *copies == 1), "{after:?}");
    assert!(before.keys().all(|mail| after.contains_key(mail)), "what was sent stays sent");

    let third = demo(&place, &taken, &["--fresh"]);
    assert!(mails(&place).len() < before.len(), "it begins anew");
    has(&third.log(), &["loa demo begins"]);
    third.wait_line("published: articles/", LONG);
    third.terminate();
}

#[test]
fn the_demo_keeps_its_hands_off_a_folder_that_is_not_its_own() {
    let place = super::place();
    let own = place.read("loa.toml");
    for more in [&["demo", "--dir", ".", "--port", "0"][..], &["demo", "--dir", ".", "--port", "0", "--fresh"]] {
        has(&place.bare(more).refused(), &["has a loa.toml that the demo did not write", "--dir"]);
        assert_eq!(place.read("loa.toml"), own);
    }
}
