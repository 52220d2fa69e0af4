//! What came to whom, under which ids.

use std::collections::{BTreeMap, BTreeSet};

use super::receiver::Event;
use crate::support::smtp_server::{Message, SmtpServer};

/// The mails that the relay took: by subject and receiver, the Message-ID of each copy.
#[derive(Default)]
pub struct Ledger {
    read: usize,
    mails: BTreeMap<(String, String), Vec<String>>,
}

impl Ledger {
    /// Reads on in what the relay took.
    pub fn read(&mut self, relay: &SmtpServer) {
        for message in relay.since(self.read) {
            self.read += 1;
            let [to] = &message.to[..] else { panic!("each mail has one receiver: {:?}", message.to) };
            let header = |name| Message::header(&message, name).unwrap_or_else(|| panic!("a mail without {name}"));
            self.mails.entry((header("Subject"), to.clone())).or_default().push(header("Message-ID"));
        }
    }

    /// How many mails it has read.
    pub fn taken(&self) -> usize {
        self.read
    }

    /// How many people have a mail whose subject holds this.
    pub fn people_with(&self, subject: &str) -> usize {
        self.mails.keys().filter(|(found, _)| found.contains(subject)).count()
    }

    /// Asserts that there are so many different mails, every copy of one under one id and no id for two; gives how many
    /// copies came more than once.
    pub fn repeated_mails(&self, different: usize) -> usize {
        assert_eq!(self.mails.len(), different, "so many people and subjects");
        let mut ids = BTreeSet::new();
        for ((subject, to), copies) in &self.mails {
            let first = &copies[0];
            assert!(copies.iter().all(|id| id == first), "{subject} for {to} came under different ids: {copies:?}");
            assert!(ids.insert(first), "{first} is the id of two mails");
        }
        self.read - self.mails.len()
    }
}

/// Asserts that there are so many different events, every copy at one endpoint under one id; gives how many copies came
/// more than once.
pub fn repeated_webhooks(events: &[Event], different: usize) -> usize {
    let mut by_event: BTreeMap<(usize, &str, &str), BTreeSet<&str>> = BTreeMap::new();
    for event in events {
        by_event.entry((event.endpoint, &event.kind, &event.title)).or_default().insert(&event.id);
    }
    assert_eq!(by_event.len(), different, "so many endpoints and events");
    for (event, ids) in &by_event {
        assert_eq!(ids.len(), 1, "{event:?} came under different ids: {ids:?}");
    }
    events.len() - by_event.len()
}
