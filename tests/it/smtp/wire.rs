//! Laws: what arrives is what was written, in as few round trips as the relay allows.

use std::time::{Duration, Instant};

use loa::domain::delivery::Outcome;
use loa::notify::smtp::Envelope;

use crate::support::smtp_server::{Message, Options, SmtpServer};

use super::{MAIL, SENDER, address, both_ways, detail, kind, pool, send, send_to};

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    for server in both_ways() {
        let pool = pool(&server);
        assert_eq!(send(&pool).await, Outcome::Sent("250 2.0.0 taken".into()));
        let message = server.messages().remove(0);
        assert_eq!((message.from.as_str(), message.to), (SENDER, vec!["an@so.example.vn".to_owned()]));
        assert_eq!(message.data, MAIL.as_bytes());
        assert_eq!(message.parameters, [format!("SIZE={}", MAIL.len()), "BODY=8BITMIME".into()]);
        assert_eq!(server.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_mail_that_none_may_answer_has_an_empty_return_path() {
    let server = SmtpServer::start().await;
    let outcome = pool(&server).send(&Envelope { from: "", to: &address("an@so.example.vn") }, b"a\r\n").await;
    assert_eq!(kind(&outcome), "sent");
    assert_eq!(server.messages()[0].from, "");
}

#[tokio::test]
async fn the_envelope_goes_out_as_one_group_where_the_relay_allows_it() {
    for (server, grouped) in both_ways().into_iter().zip([true, false]) {
        let pool = pool(&server);
        for _ in 0..3 {
            send(&pool).await;
        }
        assert!(server.messages().iter().all(|message| message.grouped == grouped));
        assert_eq!((server.messages().len(), server.connections(), server.count("NOOP")), (3, 1, 0));
        assert_eq!(server.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn lines_beginning_with_a_dot_arrive_unchanged() {
    let server = SmtpServer::start().await;
    let pool = pool(&server);
    for message in ["Subject: a\r\n\r\n.\r\n..\r\n.dot\r\na.\r\n\r\n", ".\r\n", "\r\n", "no line end", "a\n.\nb\rc\r\n"]
    {
        send_to(&pool, "an@so.example.vn", message).await;
    }
    let arrived: Vec<String> = server.messages().iter().map(Message::text).collect();
    let expected =
        ["Subject: a\r\n\r\n.\r\n..\r\n.dot\r\na.\r\n\r\n", ".\r\n", "\r\n", "no line end\r\n", "a\r\n.\r\nb\r\nc\r\n"];
    assert_eq!(arrived, expected);
    assert_eq!(server.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_large_mail_arrives_whole_and_without_a_stall() {
    let server = SmtpServer::start().await;
    let pool = pool(&server);
    let message = "Subject: a\r\n\r\n".to_owned() + &"Nghị quyết của Đảng bộ.\r\n".repeat(10_000);
    assert_eq!(kind(&send_to(&pool, "an@so.example.vn", &message).await), "sent");
    assert_eq!(server.messages()[0].text(), message);
    // A stall by Nagle's algorithm and a delayed acknowledgement is 40 ms a mail.
    let start = Instant::now();
    for _ in 0..50 {
        send(&pool).await;
    }
    assert!(start.elapsed() < Duration::from_millis(50 * 30), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_message_larger_than_the_relay_takes_is_not_offered() {
    let server = SmtpServer::with(Options { size: Some(1000), ..Options::default() });
    let pool = pool(&server);
    let outcome = send_to(&pool, "an@so.example.vn", &"a\r\n".repeat(500)).await;
    assert_eq!(kind(&outcome), "dead refused");
    assert!(detail(&outcome).contains("1500") && detail(&outcome).contains("1000"), "{outcome:?}");
    assert_eq!(server.count("MAIL"), 0);
    assert_eq!(kind(&send_to(&pool, "an@so.example.vn", &"a\r\n".repeat(300)).await), "sent");
}

#[tokio::test]
async fn eight_bit_text_goes_only_to_a_relay_that_takes_it() {
    let server = SmtpServer::with(Options { eight_bit: false, size: None, ..Options::default() });
    let pool = pool(&server);
    assert_eq!(kind(&send_to(&pool, "an@so.example.vn", "Nội dung\r\n").await), "dead refused");
    assert_eq!(kind(&send_to(&pool, "an@so.example.vn", "Subject: a\r\n").await), "sent");
    assert_eq!(server.messages()[0].parameters, Vec::<String>::new());
}

#[tokio::test]
async fn no_return_path_can_smuggle_a_command() {
    let server = SmtpServer::start().await;
    let pool = pool(&server);
    for from in ["a@b.vn> SIZE=1", "a@b.vn\r\nRSET", "a b@c.vn", "a@b.vn>\r\nDATA\r\n", " a@b.vn"] {
        let outcome = pool.send(&Envelope { from, to: &address("an@so.example.vn") }, b"a\r\n").await;
        assert_eq!(kind(&outcome), "dead unmakeable", "{from:?}");
    }
    assert_eq!(server.connections(), 0);
}
