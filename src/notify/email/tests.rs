//! Laws of splicing: what is spliced is what a full build would give.

use proptest::prelude::*;

use super::*;
use crate::domain::subscriber::Locale;
use crate::notify::message::line::Line;
use crate::notify::message::{MANAGE_MARK, UNSUBSCRIBE_MARK, sample};

const MANAGE: &str = "AW0AAAAAAAAAKgBtYW5hZ2UtdG9rZW4tMDA0";
const UNSUBSCRIBE: &str = "AXUAAAAAAAAAKgFvbmUtY2xpY2stdG9rZW4x";

fn sender() -> Sender {
    "Cổng thông tin điện tử Tỉnh ủy <bantin@bantin.example.gov.vn>".parse().expect("valid")
}

fn bulk() -> Purpose<'static> {
    Purpose::Bulk { frequency: Frequency::Daily, archive: "https://bantin.example.gov.vn/feeds/tin" }
}

fn spliced(content: &Content, to: &EmailAddress) -> Vec<u8> {
    let site = sample::site(Locale::Vi);
    let prepared = Prepared::new(&site, &sender(), bulk(), Timestamp::from_millis(0), content).expect("builds");
    let mut out = Vec::new();
    let personal = Personal {
        to,
        message_id: "a.1.1.x",
        follows: None,
        manage_token: MANAGE,
        unsubscribe_token: UNSUBSCRIBE,
        unsubscribe_mail: None,
    };
    prepared.write(&personal, &mut out);
    out
}

/// A body with marks at any place, also side by side, and nothing after or before them.
fn body() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[ -~à-ỹ\n]{0,130}",
        1 => Just("dòng\r\nkế\rtiếp\n".to_owned()),
        2 => Just(MANAGE_MARK.to_owned()),
        2 => Just(UNSUBSCRIBE_MARK.to_owned()),
    ];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat()).prop_filter("empty", |b| !b.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_spliced_mail_is_what_a_full_build_gives(text in body(), html in body(), subject in "\\PC{1,80}") {
        let to = EmailAddress::parse("an@so.example.gov.vn").expect("valid");
        let content = Content { locale: Locale::Vi, subject: Line::new(&subject), text, html };
        let whole = content.with_tokens(MANAGE, UNSUBSCRIBE);
        let bytes = spliced(&content, &to);
        prop_assert!(bytes == spliced(&whole, &to), "differs from the full build");

        let mail = mail_parser::MessageParser::default().parse(&bytes).expect("a mail");
        prop_assert_eq!(mail.subject().unwrap_or_default(), &*content.subject);
        prop_assert_eq!(mail.body_text(0).expect("a text part").into_owned(), crlf(&whole.text));
        prop_assert_eq!(mail.body_html(0).expect("an HTML part").into_owned(), crlf(&whole.html));
    }
}

#[test]
fn nothing_of_one_reader_is_left_for_the_next() {
    let site = sample::site(Locale::Vi);
    let text = format!("{MANAGE_MARK}{UNSUBSCRIBE_MARK}");
    let content = Content { locale: Locale::Vi, subject: Line::new("Tin"), html: text.clone(), text };
    let prepared = Prepared::new(&site, &sender(), bulk(), Timestamp::from_millis(0), &content).expect("builds");
    let readers = [("an@example.vn", MANAGE), ("binh@example.vn", UNSUBSCRIBE)].map(|(address, token)| {
        let to = EmailAddress::parse(address).expect("valid");
        let mut out = Vec::new();
        let personal = Personal {
            to: &to,
            message_id: "a.1.1.x",
            follows: None,
            manage_token: token,
            unsubscribe_token: token,
            unsubscribe_mail: None,
        };
        prepared.write(&personal, &mut out);
        (String::from_utf8(out).expect("ASCII"), token)
    });
    for (mail, token) in &readers {
        let parsed = mail_parser::MessageParser::default().parse(mail.as_bytes()).expect("a mail");
        assert_eq!(parsed.body_text(0).expect("text"), token.repeat(2));
    }
    assert!(!readers[1].0.contains("an@example.vn"));
}

#[test]
#[should_panic(expected = "TOKEN_LEN")]
fn a_token_of_another_length_is_refused_rather_than_garbling_the_mail() {
    let to = EmailAddress::parse("an@example.vn").expect("valid");
    let content = Content { locale: Locale::Vi, subject: Line::new("Tin"), text: "t".into(), html: MANAGE_MARK.into() };
    let site = sample::site(Locale::Vi);
    let prepared = Prepared::new(&site, &sender(), bulk(), Timestamp::from_millis(0), &content).expect("builds");
    let personal = Personal {
        to: &to,
        message_id: "x",
        follows: None,
        manage_token: "short",
        unsubscribe_token: UNSUBSCRIBE,
        unsubscribe_mail: None,
    };
    prepared.write(&personal, &mut Vec::new());
}
