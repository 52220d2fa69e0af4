//! Laws of the commands, with the real program: what a person types, what is printed, and how it ends. Each message is
//! read as an operator reads it: what is wrong, where, what to do.

mod check;
mod demo;
mod export;
mod people;
mod pipes;
mod rest;
mod source;

use crate::support::binary::{ALL_FEED, Place, config};

/// A folder with a good configuration, one feed and one article; mails go to a folder. Nothing was polled.
fn place() -> Place {
    let place = Place::new();
    place.write("loa.toml", config("sqlite://loa.db", "", 0));
    place.write("feeds/tat-ca.toml", ALL_FEED);
    place.article("bai-0", "Bai 000");
    place
}

/// The same, after its first poll: feeds are there to subscribe to.
fn polled() -> Place {
    let place = place();
    let told = place.run(&["poll"]).well();
    assert!(told.contains("portal: 0 published, 0 revised, 0 withdrawn, 1 taken over silently"), "{told}");
    place
}

/// Asserts that a text has each of these parts.
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "\"{part}\" is not in:\n{text}");
    }
}
