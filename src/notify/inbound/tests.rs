//! Laws of reading what comes back, whatever comes. What single servers write lies in the fixtures of the integration
//! tests.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

fn template() -> Template {
    Template::parse("bounces+{token}@bantin.example.vn").expect("a template")
}

fn read(text: &str) -> Arrived {
    super::read(text.replace('\n', "\r\n").as_bytes(), None, &template())
}

/// Something like a report, put together from parts that hostile or broken servers might write.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        3 => prop::sample::select(vec![
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
            "Content-Type: multipart/mixed; boundary=\"b\"",
            "Content-Type: message/delivery-status",
            "Content-Type: message/feedback-report",
            "Content-Type: message/rfc822",
            "Content-Transfer-Encoding: base64",
            "--b",
            "--b--",
            "",
            "Action: failed",
            "Status: 5.1.1",
            "Diagnostic-Code: smtp; 550",
            "Diagnostic-Code: smtp; 550 5.1.1 ",
            "Feedback-Type: abuse",
            "Final-Recipient: rfc822;",
            " folded",
            "Return-Path: <>",
            "Subject: failure notice",
            "To: bounces+baeaaaaaaaaaaaaaaaaaaaa@bantin.example.vn",
        ]).prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..60),
    ];
    prop::collection::vec(line, 0..60).prop_map(|lines| lines.join(&b"\r\n"[..]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_is_read_without_a_panic_and_a_detail_is_short_and_without_addresses(raw in hostile()) {
        let arrived = super::read(&raw, None, &template());
        if let Meaning::Refused(refusal) = &arrived.meaning {
            prop_assert!(refusal.detail.chars().count() <= 201);
            prop_assert!(!refusal.detail.contains(['\r', '\n']));
        }
        prop_assert!(arrived.mentioned.len() <= TOKENS);
    }

    #[test]
    fn no_line_that_a_server_writes_shows_an_address(name in "[a-z]{3,12}", words in "[a-z ]{0,30}") {
        let text = format!(
            "Return-Path: <>\nTo: postmaster@bantin.example.vn\nFrom: MAILER-DAEMON@so.example.vn\nSubject: failure notice\n\n\
             550 5.1.1 {words} <{name}@so.example.vn>: {words} {name}@so.example.vn unknown\n"
        );
        let Meaning::Refused(refusal) = read(&text).meaning else { panic!("a refusal") };
        prop_assert_eq!(refusal.cause, Cause::NoSuchUser);
        prop_assert!(!refusal.detail.contains("so.example.vn"), "{}", refusal.detail);
    }
}

#[test]
fn deeply_nested_and_endless_mails_are_read_in_bounds() {
    let mut nested = String::new();
    for depth in 0..5_000 {
        let _ = write!(nested, "Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n");
    }
    let _ = super::read(nested.as_bytes(), None, &template());
    let rfc822 = "Content-Type: message/rfc822\r\n\r\n".repeat(20_000);
    let _ = super::read(rfc822.as_bytes(), None, &template());
    let fields = format!(
        "Return-Path: <>\r\nContent-Type: message/delivery-status\r\n\r\n{}",
        "Action: failed\r\nStatus: 5.1.1\r\n\r\n".repeat(20_000)
    );
    let arrived = super::read(fields.as_bytes(), None, &template());
    assert!(matches!(arrived.meaning, Meaning::Refused(_)), "{arrived:?}");
}

#[test]
fn what_is_no_mail_is_put_before_a_person() {
    for raw in ["", "\n\n"] {
        let arrived = read(raw);
        assert!(matches!(arrived.meaning, Meaning::Odd(_)), "{raw:?}: {arrived:?}");
    }
}
