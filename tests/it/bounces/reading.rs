//! What each fixture means. They are of our own writing, after the habits of mail servers.

use loa::domain::link::KeyRing;
use loa::domain::subscriber::{EmailAddress, Frequency};
use loa::domain::verp::{Purpose, ReturnPath, Template};
use loa::notify::inbound::{Meaning, read};

use super::given::{fixture, names};
use crate::support::house::returns::TEMPLATE;

/// What a fixture comes to: its meaning in a word, and where its token stands (`to` the address, `in` the text).
const MEANINGS: [(&str, &str, &str); 44] = [
    ("action-with-a-comment", "no_such_user", "to"),
    ("answer-to-the-return-path", "request", "to"),
    ("arf-abuse", "complaint", "in"),
    ("arf-auth-failure", "ignored", ""),
    ("arf-forged", "complaint", ""),
    ("arf-not-spam", "ignored", ""),
    ("arf-redacted", "complaint", "in"),
    ("content-too-large", "content", "to"),
    ("exchange-short-codes", "no_such_user", "to"),
    ("exim-late", "ignored", "to"),
    ("exim-prose", "no_such_user", "to"),
    ("folded-many-times", "no_such_user", "to"),
    ("forwarded-elsewhere", "no_such_user", "to"),
    ("global-status", "no_such_user", "to"),
    ("leave-answered-by-a-machine", "ignored", "to"),
    ("leave-by-a-program", "request", "to"),
    ("leave-by-mail", "request", "to"),
    ("leave-only-quoted", "request", ""),
    ("list-loop", "ignored", "to"),
    ("no-action", "no_such_user", "to"),
    ("no-recipient-at-all", "odd", "to"),
    ("no-status", "no_such_user", "to"),
    ("one-of-two-reached", "no_such_user", "to"),
    ("out-of-office-without-marks", "ignored", "to"),
    ("policy-behind-no-such-user", "policy", "to"),
    ("policy-in-words", "policy", "to"),
    ("policy-unsigned", "policy", "to"),
    ("postfix-delayed", "ignored", "to"),
    ("postfix-expired-full", "mailbox_full", "to"),
    ("postfix-mailbox-full", "mailbox_full", "to"),
    ("postfix-no-route", "unknown", "to"),
    ("postfix-no-such-user", "no_such_user", "to"),
    ("postfix-null-mx", "no_such_user", "to"),
    ("prose-full", "mailbox_full", "to"),
    ("prose-silent", "unknown", "to"),
    ("prose-vietnamese", "no_such_user", "to"),
    ("qmail-prose", "no_such_user", "to"),
    ("read-receipt", "ignored", "to"),
    ("relayed-only", "ignored", "to"),
    ("returned-in-base64", "no_such_user", "in"),
    ("sender-does-not-resolve", "sender", "to"),
    ("status-says-other", "no_such_user", "to"),
    ("token-only-inside", "no_such_user", "in"),
    ("vacation", "odd", "to"),
];

#[test]
fn every_fixture_is_read_as_its_server_meant_it() {
    let keys = KeyRing::new(vec![(1, [7; 32])]).expect("a key");
    let path = ReturnPath::new(Template::parse(TEMPLATE).expect("a template"), keys);
    let an = EmailAddress::parse("an@so.example.vn").expect("an address");
    let back = path.address(Purpose::Return, 5, 6, &an);
    let leave = path.address(Purpose::Unsubscribe(Frequency::Daily), 5, 6, &an);
    assert_eq!(names(), MEANINGS.map(|(name, ..)| name.to_owned()), "each has its meaning here");
    for (name, meaning, token) in MEANINGS {
        let arrived = read(&fixture(name, &back, &leave), None, path.template());
        let word = match &arrived.meaning {
            Meaning::Refused(refusal) => {
                assert!(!refusal.detail.contains("an@so.example.vn"), "{name}: {}", refusal.detail);
                refusal.cause.as_str()
            }
            Meaning::Complaint(_) => "complaint",
            Meaning::Request => "request",
            Meaning::Ignored(_) => "ignored",
            Meaning::Odd(_) => "odd",
        };
        assert_eq!(word, meaning, "{name}: {arrived:?}");
        let proven = |token: &String| path.read(token).is_some_and(|claimed| path.proves(&claimed, &an));
        let found = match (&arrived.addressed, arrived.mentioned.iter().any(proven)) {
            (Some(token), _) if proven(token) => "to",
            (_, true) => "in",
            _ => "",
        };
        assert_eq!(found, token, "{name}: {arrived:?}");
    }
}
