//! Laws of handing mails to a relay, against a real server on loopback that can misbehave.

#[path = "../../benches/support/sink.rs"]
mod sink;

use std::sync::Arc;
use std::time::{Duration, Instant};

use loa::domain::delivery::Outcome;
use loa::domain::subscriber::EmailAddress;
use loa::notify::smtp::settings::{Deadlines, Settings};
use loa::notify::smtp::{Envelope, Pool};

use sink::Sink;

use crate::support::smtp_server::{Act, Encryption, Message, Options, SmtpServer, Step};

const SOON: Duration = Duration::from_secs(10);
const SENDER: &str = "b+7k2mq@tra.bantin.example.vn";
const MAIL: &str = "Subject: Tin\r\nMessage-ID: <a.1@bantin.example.vn>\r\n\r\nN\u{1ed9}i dung\r\n";

fn settings(server: &SmtpServer) -> Settings {
    let mut settings = Settings::parse(&server.url(), "loa.example.vn").expect("the server gives a good URL");
    settings.deadlines = Deadlines::all(SOON);
    settings
}

fn pool(server: &SmtpServer) -> Pool {
    Pool::new(settings(server))
}

/// A pool whose every step may take only `step`.
fn hasty(server: &SmtpServer, step: Duration) -> Pool {
    let mut settings = settings(server);
    settings.deadlines = Deadlines::all(step);
    settings.rest_first = Duration::from_millis(1);
    Pool::new(settings)
}

fn address(raw: &str) -> EmailAddress {
    EmailAddress::parse(raw).expect("a good address")
}

async fn send_to(pool: &Pool, to: &str, message: &str) -> Outcome {
    pool.send(&Envelope { from: SENDER, to: &address(to) }, message.as_bytes()).await
}

async fn send(pool: &Pool) -> Outcome {
    send_to(pool, "an@so.example.vn", MAIL).await
}

/// `sent`, `retry busy`, `dead address`, …
fn kind(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Sent(_) => "sent".into(),
        Outcome::Retry { cause, .. } => format!("retry {}", cause.as_str()),
        Outcome::Dead { cause, .. } => format!("dead {}", cause.as_str()),
    }
}

fn detail(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Sent(detail) | Outcome::Retry { detail, .. } | Outcome::Dead { detail, .. } => detail,
    }
}

fn both_ways() -> [SmtpServer; 2] {
    [true, false].map(|pipelining| SmtpServer::with(Options { pipelining, ..Options::default() }))
}

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
async fn a_rejected_recipient_keeps_the_connection() {
    for server in both_ways() {
        server.recipient("gone@so.example.vn", Act::reply("550 5.1.1 <gone@so.example.vn> unknown here"));
        let pool = pool(&server);
        for round in 1..=3 {
            let outcome = send_to(&pool, "gone@so.example.vn", MAIL).await;
            assert_eq!(kind(&outcome), "dead address");
            assert_eq!(detail(&outcome), "550 5.1.1 <g***@s***.vn> unknown here");
            assert_eq!(kind(&send(&pool).await), "sent");
            assert_eq!(server.messages().len(), round);
        }
        assert_eq!(server.connections(), 1);
        assert_eq!(server.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_server_that_takes_data_without_a_receiver_gets_a_lone_dot() {
    let server = SmtpServer::start().await;
    server.recipient("gone@so.example.vn", Act::reply("550 5.1.1 unknown"));
    server.script(Step::Data, Act::reply("354 go on anyway"));
    let pool = pool(&server);
    assert_eq!(kind(&send_to(&pool, "gone@so.example.vn", MAIL).await), "dead address");
    assert_eq!(kind(&send(&pool).await), "sent");
    assert_eq!((server.messages().len(), server.connections()), (1, 1));
    assert_eq!(server.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_reply_says_about_the_address_depends_on_where_it_comes() {
    for (step, reply, meaning) in [
        (Step::Mail, "451 4.7.1 slow down", "retry busy"),
        (Step::Mail, "550 5.7.1 sender refused", "dead refused"),
        (Step::Mail, "530 5.7.0 sign in first", "retry refused"),
        (Step::Rcpt, "450 4.2.1 greylisted", "retry busy"),
        (Step::Rcpt, "452-one moment\r\n452 please", "retry busy"),
        (Step::Rcpt, "550-5.1.1 no such\r\n550 5.1.1 user", "dead address"),
        (Step::Rcpt, "550 no such user", "dead address"),
        (Step::Rcpt, "550", "dead address"),
        (Step::Rcpt, "552 5.2.2 mailbox full", "retry busy"),
        (Step::Rcpt, "571 5.7.1 policy", "dead refused"),
        (Step::Data, "451 4.3.0 not now", "retry busy"),
        (Step::Data, "554 5.7.1 no", "dead refused"),
        (Step::Body, "451 4.3.0 not now", "retry busy"),
        (Step::Body, "554 5.7.1 looks like spam", "dead refused"),
        (Step::Body, "552 too big", "dead refused"),
    ] {
        for server in both_ways() {
            server.script(step, Act::reply(reply));
            let pool = pool(&server);
            let outcome = send(&pool).await;
            assert_eq!(kind(&outcome), meaning, "{step:?} {reply}: {outcome:?}");
            // Whatever was said, the next mail goes out over the same connection.
            assert_eq!(kind(&send(&pool).await), "sent", "after {step:?} {reply}");
            assert_eq!((server.messages().len(), server.connections()), (1, 1), "after {step:?} {reply}");
            assert_eq!(server.violations(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn a_server_that_closes_after_the_final_dot_leaves_the_mail_in_doubt() {
    for act in [Act::CloseAfterAccepting, Act::Close, Act::HalfThenClose("250 2.0.0 ta".into())] {
        for server in both_ways() {
            server.script(Step::Body, act.clone());
            let pool = pool(&server);
            let outcome = send(&pool).await;
            assert_eq!(kind(&outcome), "retry in_doubt", "{act:?}: {outcome:?}");
            assert_eq!(kind(&send(&pool).await), "sent");
            assert_eq!(server.connections(), 2, "a connection that broke is not used again");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_silent_after_the_final_dot_leaves_the_mail_in_doubt() {
    for act in [Act::Silence, Act::Half("250 2.0.0 ta".into())] {
        for server in both_ways() {
            server.script(Step::Body, act.clone());
            let outcome = send(&hasty(&server, Duration::from_millis(80))).await;
            assert_eq!(kind(&outcome), "retry in_doubt", "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_final_dot_leaves_no_doubt() {
    for step in [Step::Connect, Step::Ehlo, Step::Mail, Step::Rcpt, Step::Data] {
        for server in both_ways() {
            server.script(step, Act::Close);
            let mut settings = settings(&server);
            settings.rest_first = Duration::from_millis(1);
            let pool = Pool::new(settings);
            let outcome = send(&pool).await;
            assert_eq!(kind(&outcome), "retry unreachable", "{step:?}: {outcome:?}");
            assert_eq!(server.messages(), []);
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert_eq!(kind(&send(&pool).await), "sent", "after {step:?}");
        }
    }
}

#[tokio::test]
async fn every_command_has_a_deadline() {
    let step = Duration::from_millis(80);
    for silent in [Step::Connect, Step::Ehlo, Step::Mail, Step::Rcpt, Step::Data] {
        for server in both_ways() {
            server.always(silent, Act::Silence);
            let start = Instant::now();
            let outcome = send(&hasty(&server, step)).await;
            assert_eq!(kind(&outcome), "retry timeout", "{silent:?}: {outcome:?}");
            assert!(start.elapsed() < SOON / 2, "{silent:?} took {:?}", start.elapsed());
            assert_eq!(server.messages(), []);
        }
    }
    // After a refused receiver the next mail begins with RSET.
    for server in both_ways() {
        server.recipient("gone@so.example.vn", Act::reply("550 5.1.1 unknown"));
        server.always(Step::Rset, Act::Silence);
        let pool = hasty(&server, step);
        send_to(&pool, "gone@so.example.vn", MAIL).await;
        assert_eq!(kind(&send(&pool).await), "retry timeout");
    }
}

#[tokio::test]
async fn signing_in_and_encrypting_have_deadlines() {
    for (encryption, silent) in [
        (Encryption::StartTls, Step::StartTls),
        (Encryption::StartTls, Step::Tls),
        (Encryption::Implicit, Step::Tls),
        (Encryption::Implicit, Step::Connect),
        (Encryption::Implicit, Step::Auth),
        (Encryption::Implicit, Step::Body),
    ] {
        let login = Some(("loa", "secret"));
        let server = SmtpServer::with(Options { login, encryption, ..Options::default() });
        server.always(silent, Act::Silence);
        // A debug build needs a while for a handshake.
        let outcome = send(&hasty(&server, Duration::from_millis(700))).await;
        let meaning = if silent == Step::Body { "retry in_doubt" } else { "retry timeout" };
        assert_eq!(kind(&outcome), meaning, "{silent:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn closing_waits_no_longer_than_the_deadline_of_quit() {
    let server = SmtpServer::start().await;
    server.always(Step::Quit, Act::Silence);
    let pool = hasty(&server, Duration::from_millis(500));
    send(&pool).await;
    let start = Instant::now();
    pool.close().await;
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(pool.open_connections(), 0);
}

#[tokio::test]
async fn closing_says_good_bye_and_sends_nothing_more() {
    let server = SmtpServer::start().await;
    let pool = pool(&server);
    send(&pool).await;
    pool.close().await;
    server.wait_until(SOON, "end of the connection", |server| server.open() == 0).await;
    assert_eq!(server.count("QUIT"), 1);
    assert_eq!(kind(&send(&pool).await), "retry unreachable");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_farewell_instead_of_an_answer_means_later_and_ends_the_connection() {
    for step in [Step::Rcpt, Step::Data, Step::Body] {
        for server in both_ways() {
            server.script(step, Act::reply_then_close("421 4.3.2 shutting down"));
            let pool = pool(&server);
            let outcome = send(&pool).await;
            assert_eq!(kind(&outcome), "retry busy", "{step:?}: {outcome:?}");
            assert_eq!(kind(&send(&pool).await), "sent");
            assert_eq!((server.messages().len(), server.connections()), (1, 2));
        }
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_is_replaced_silently() {
    for farewell in [None, Some("421 4.4.2 idle for too long")] {
        for server in both_ways() {
            let pool = pool(&server);
            send(&pool).await;
            server.drop_idle(farewell);
            server.wait_until(SOON, "end of the connection", |server| server.open() == 0).await;
            assert_eq!(kind(&send(&pool).await), "sent");
            assert_eq!((server.messages().len(), server.connections()), (2, 2));
        }
    }
}

#[tokio::test]
async fn a_reused_connection_that_ends_at_mail_is_replaced_once() {
    for act in [Act::Close, Act::reply_then_close("421 4.4.2 idle for too long")] {
        for server in both_ways() {
            let pool = pool(&server);
            send(&pool).await;
            server.script(Step::Mail, act.clone());
            assert_eq!(kind(&send(&pool).await), "sent");
            assert_eq!((server.messages().len(), server.connections()), (2, 2));
            // Twice is no accident.
            server.script(Step::Mail, act.clone());
            server.script(Step::Mail, act.clone());
            assert!(matches!(send(&pool).await, Outcome::Retry { .. }));
            assert_eq!((server.messages().len(), server.connections()), (2, 3));
        }
    }
}

#[tokio::test]
async fn a_connection_ends_after_so_many_messages_and_that_is_no_error() {
    let server = SmtpServer::start().await;
    let mut settings = settings(&server);
    settings.per_connection = 3;
    settings.connections = 1;
    let pool = Pool::new(settings);
    for _ in 0..7 {
        assert_eq!(kind(&send(&pool).await), "sent");
    }
    assert_eq!((server.connections(), server.most_open(), server.count("QUIT")), (3, 1, 2));
}

#[tokio::test]
async fn an_idle_connection_is_given_up() {
    let server = SmtpServer::start().await;
    let mut settings = settings(&server);
    settings.idle = Duration::from_millis(50);
    let pool = Pool::new(settings);
    send(&pool).await;
    server.wait_until(SOON, "end of the idle connection", |server| server.open() == 0).await;
    assert_eq!(server.count("QUIT"), 1);
    assert_eq!(kind(&send(&pool).await), "sent");
}

#[tokio::test]
async fn at_most_the_configured_number_of_connections_is_open() {
    let server = SmtpServer::start().await;
    server.recipient("r7@so.example.vn", Act::reply("550 5.1.1 unknown"));
    let mut settings = settings(&server);
    settings.connections = 3;
    settings.per_connection = 4;
    let pool = Pool::new(settings);
    let sends = (0..60).map(|n| {
        let pool = pool.clone();
        tokio::spawn(async move { send_to(&pool, &format!("r{n}@so.example.vn"), MAIL).await })
    });
    let sends: Vec<_> = sends.collect();
    let mut sent = 0;
    for send in sends {
        sent += usize::from(matches!(send.await.unwrap(), Outcome::Sent(_)));
    }
    assert_eq!((sent, server.messages().len()), (59, 59));
    assert_eq!((server.most_open(), server.violations()), (3, Vec::new()));
    assert!(pool.open_connections() <= 3);
}

#[tokio::test]
async fn connections_are_kept_to_the_limit_while_all_are_busy() {
    let server = SmtpServer::start().await;
    server.always(Step::Body, Act::Hold);
    let mut settings = settings(&server);
    settings.connections = 2;
    let pool = Pool::new(settings);
    let sends: Vec<_> = (0..8)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { send(&pool).await })
        })
        .collect();
    server.wait_until(SOON, "two busy connections", |server| server.count("DATA") == 2).await;
    assert_eq!((server.connections(), pool.open_connections()), (2, 2));
    server.release();
    for send in sends {
        assert_eq!(kind(&send.await.unwrap()), "sent");
    }
    assert_eq!((server.messages().len(), server.most_open()), (8, 2));
}

#[tokio::test]
async fn a_slow_recipient_does_not_hold_up_others() {
    let server = SmtpServer::start().await;
    server.recipient("slow@so.example.vn", Act::Hold);
    let mut settings = settings(&server);
    settings.connections = 2;
    let pool = Pool::new(settings);
    let slow = tokio::spawn({
        let pool = pool.clone();
        async move { send_to(&pool, "slow@so.example.vn", MAIL).await }
    });
    server.wait_until(SOON, "slow receiver", |server| server.count("RCPT TO:<slow") == 1).await;
    for _ in 0..5 {
        assert_eq!(kind(&send(&pool).await), "sent");
    }
    assert!(!slow.is_finished());
    server.release();
    assert_eq!(kind(&slow.await.unwrap()), "sent");
}

#[tokio::test]
async fn one_mails_failure_costs_no_other_mail_in_flight() {
    let server = SmtpServer::start().await;
    server.recipient("break@so.example.vn", Act::Close);
    let mut settings = settings(&server);
    settings.connections = 4;
    let pool = Pool::new(settings);
    let sends: Vec<_> = (0..40)
        .map(|n| {
            let pool = pool.clone();
            let to = if n % 10 == 3 { "break@so.example.vn".to_owned() } else { format!("r{n}@so.example.vn") };
            tokio::spawn(async move { (n % 10 == 3, send_to(&pool, &to, MAIL).await) })
        })
        .collect();
    for send in sends {
        let (breaks, outcome) = send.await.unwrap();
        assert_eq!(kind(&outcome), if breaks { "retry unreachable" } else { "sent" });
    }
    assert_eq!(server.messages().len(), 36);
}

#[tokio::test]
async fn a_dropped_send_never_returns_its_connection() {
    for step in [Step::Connect, Step::Mail, Step::Rcpt, Step::Data, Step::Body] {
        for server in both_ways() {
            server.script(step, Act::Hold);
            let mut settings = settings(&server);
            settings.connections = 1;
            let pool = Pool::new(settings);
            let sending = tokio::spawn({
                let pool = pool.clone();
                async move { send_to(&pool, "first@so.example.vn", MAIL).await }
            });
            let verb = match step {
                Step::Connect => "",
                Step::Mail => "MAIL",
                Step::Rcpt => "RCPT",
                _ => "DATA",
            };
            server
                .wait_until(SOON, "step", |server| {
                    server.connections() == 1 && (verb.is_empty() || server.count(verb) == 1)
                })
                .await;
            sending.abort();
            assert!(sending.await.unwrap_err().is_cancelled());
            assert_eq!(pool.open_connections(), 0, "{step:?}");
            server.release();
            // The one slot is free again, and the next mail starts afresh.
            assert_eq!(kind(&send_to(&pool, "second@so.example.vn", MAIL).await), "sent", "{step:?}");
            assert_eq!(server.connections(), 2);
        }
    }
}

#[tokio::test]
async fn a_dead_relay_holds_nobody_up() {
    let server = SmtpServer::start().await;
    server.always(Step::Connect, Act::Silence);
    let mut settings = settings(&server);
    settings.deadlines = Deadlines::all(Duration::from_millis(300));
    settings.rest_first = Duration::from_millis(500);
    let pool = Pool::new(settings);
    assert_eq!(kind(&send(&pool).await), "retry timeout");
    assert!(pool.resting().is_some());
    let start = Instant::now();
    for _ in 0..1000 {
        let outcome = send(&pool).await;
        assert_eq!(kind(&outcome), "retry unreachable", "{outcome:?}");
    }
    assert!(start.elapsed() < Duration::from_millis(450), "{:?}", start.elapsed());
    assert_eq!(server.connections(), 1, "nobody knocked meanwhile");
    server.behave();
    while let Some(rest) = pool.resting() {
        tokio::time::sleep(rest).await;
    }
    assert_eq!(kind(&send(&pool).await), "sent");
}

#[tokio::test]
async fn a_relay_that_is_down_means_unreachable_and_its_return_is_noticed() {
    let server = SmtpServer::start().await;
    let port = server.address().port();
    let mut settings = settings(&server);
    settings.rest_first = Duration::from_millis(20);
    let pool = Pool::new(settings);
    drop(server);
    let outcome = send(&pool).await;
    assert_eq!(kind(&outcome), "retry unreachable");
    assert!(detail(&outcome).contains(&format!("127.0.0.1:{port}")), "{outcome:?}");
    let server = SmtpServer::with(Options { port, ..Options::default() });
    while let Some(rest) = pool.resting() {
        tokio::time::sleep(rest).await;
    }
    assert_eq!(kind(&send(&pool).await), "sent");
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test]
async fn a_relay_that_takes_fewer_connections_than_allowed_gets_fewer() {
    let server = SmtpServer::start().await;
    server.always(Step::Body, Act::Hold);
    let mut settings = settings(&server);
    settings.connections = 4;
    let pool = Pool::new(settings);
    let spawn = |n: usize| {
        let pool = pool.clone();
        tokio::spawn(async move { send_to(&pool, &format!("r{n}@so.example.vn"), MAIL).await })
    };
    let mut sends = vec![spawn(0)];
    server.wait_until(SOON, "busy connection", |server| server.count("DATA") == 1).await;
    server.always(Step::Connect, Act::reply_then_close("421 4.7.0 too many connections from you"));
    sends.extend((1..12).map(spawn));
    server.wait_until(SOON, "refused connections", |server| server.connections() == 4).await;
    server.release();
    for send in sends {
        assert_eq!(kind(&send.await.unwrap()), "sent");
    }
    assert_eq!((server.messages().len(), server.connections()), (12, 4));
}

#[tokio::test]
async fn a_rate_is_kept() {
    let server = SmtpServer::start().await;
    let mut settings = settings(&server);
    settings.rate = 50;
    let pool = Pool::new(settings);
    let start = Instant::now();
    for _ in 0..31 {
        send(&pool).await;
    }
    // A tenth of a second's worth may come at once.
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
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

#[tokio::test]
async fn a_login_is_used_over_tls_of_both_kinds_and_with_both_mechanisms() {
    for encryption in [Encryption::StartTls, Encryption::Implicit] {
        for login_only in [false, true] {
            let login = Some(("loa", "secret"));
            let server = SmtpServer::with(Options { login, login_only, encryption, ..Options::default() });
            let pool = pool(&server);
            for _ in 0..2 {
                let outcome = send(&pool).await;
                assert_eq!(kind(&outcome), "sent", "{outcome:?}");
            }
            let message = server.messages().remove(1);
            assert_eq!((message.encrypted, message.user.as_deref(), message.grouped), (true, Some("loa"), true));
            assert_eq!((message.data, server.connections()), (MAIL.as_bytes().to_vec(), 1));
            assert_eq!(server.violations(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn a_wrong_password_costs_no_mail_and_is_not_told() {
    let login = Some(("loa", "secret"));
    let server = SmtpServer::with(Options { encryption: Encryption::Implicit, login, ..Options::default() });
    let url = server.url().replace("secret", "hunter2");
    let pool = Pool::new(Settings::parse(&url, "loa.example.vn").unwrap());
    let outcome = send(&pool).await;
    assert_eq!(kind(&outcome), "retry refused");
    assert!(detail(&outcome).contains("535"), "{outcome:?}");
    let shown = format!("{outcome:?} {pool:?} {:?}", pool.check().await);
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn a_certificate_for_another_host_or_by_an_unknown_authority_is_refused() {
    for encryption in [Encryption::StartTls, Encryption::Implicit] {
        let impostor = SmtpServer::with(Options { encryption, certified: "relay.example.vn", ..Options::default() });
        let outcome = send(&pool(&impostor)).await;
        assert_eq!(kind(&outcome), "retry refused", "{outcome:?}");
        assert!(detail(&outcome).contains("TLS"), "{outcome:?}");

        let unknown = SmtpServer::with(Options { encryption, ..Options::default() });
        let url = unknown.url();
        let url = url.split_once('?').unwrap().0.to_owned();
        let url = if encryption == Encryption::StartTls { url + "?tls=required" } else { url };
        let outcome = send(&Pool::new(Settings::parse(&url, "loa.example.vn").unwrap())).await;
        assert_eq!(kind(&outcome), "retry refused", "{outcome:?}");
        assert_eq!((impostor.count("MAIL"), unknown.count("MAIL")), (0, 0));
    }
}

#[tokio::test]
async fn encryption_by_opportunity_takes_any_certificate_and_needs_none() {
    let server = SmtpServer::with(Options {
        encryption: Encryption::StartTls,
        certified: "other.example.vn",
        ..Options::default()
    });
    let url = format!("smtp://{}", server.address());
    assert_eq!(kind(&send(&Pool::new(Settings::parse(&url, "loa.example.vn").unwrap())).await), "sent");
    assert!(server.messages()[0].encrypted);

    let plain = SmtpServer::start().await;
    let url = format!("smtp://{}", plain.address());
    assert_eq!(kind(&send(&Pool::new(Settings::parse(&url, "loa.example.vn").unwrap())).await), "sent");
    assert!(!plain.messages()[0].encrypted);
}

#[tokio::test]
async fn a_relay_without_starttls_gets_nothing_when_tls_is_required() {
    let server = SmtpServer::start().await;
    let url = format!("smtp://loa:secret@{}", server.address());
    let outcome = send(&Pool::new(Settings::parse(&url, "loa.example.vn").unwrap())).await;
    assert_eq!(kind(&outcome), "retry refused");
    assert!(detail(&outcome).contains("STARTTLS"), "{outcome:?}");
    assert_eq!((server.count("AUTH"), server.count("MAIL")), (0, 0));
}

#[tokio::test]
async fn what_is_slipped_in_behind_the_reply_to_starttls_is_not_believed() {
    let server = SmtpServer::with(Options { encryption: Encryption::StartTls, ..Options::default() });
    server.script(Step::StartTls, Act::reply("220 2.0.0 go ahead\r\n250-slipped in\r\n250 AUTH PLAIN"));
    let outcome = send(&pool(&server)).await;
    assert_eq!(kind(&outcome), "retry refused", "{outcome:?}");
    assert_eq!(server.messages(), []);
}

#[tokio::test]
async fn a_check_says_what_the_relay_offers_or_why_it_is_unfit() {
    let login = Some(("loa", "secret"));
    let server = SmtpServer::with(Options { encryption: Encryption::Implicit, login, ..Options::default() });
    let said = pool(&server).check().await.unwrap();
    let address = server.address();
    assert_eq!(
        said,
        format!(
            "{address} answers as test.example.vn: TLS 1.3, certificate good, signed in, PIPELINING, 8BITMIME, \
             SIZE 10000000"
        )
    );
    assert_eq!(server.messages(), []);
    let closed = SmtpServer::start().await;
    closed.always(Step::Connect, Act::reply_then_close("554 5.7.1 not you"));
    assert!(pool(&closed).check().await.unwrap_err().to_string().contains("554 5.7.1 not you"));
}

#[tokio::test]
async fn a_reply_without_end_is_cut_off() {
    let server = SmtpServer::start().await;
    server.script(Step::Rcpt, Act::Half("250 ".to_owned() + &"x".repeat(50_000)));
    let outcome = send(&pool(&server)).await;
    assert_eq!(kind(&outcome), "retry unreachable", "{outcome:?}");
}

#[test]
fn the_test_server_can_be_waited_for_without_a_runtime() {
    let server = SmtpServer::with(Options::default());
    let pool = Arc::new(pool(&server));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(kind(&runtime.block_on(send(&pool))), "sent");
    let messages = server.wait_for_blocking(1, SOON);
    assert_eq!(messages[0].header("message-id").as_deref(), Some("<a.1@bantin.example.vn>"));
    server.script(Step::Body, Act::Delay(Duration::from_millis(20)));
    assert_eq!(kind(&runtime.block_on(send(&pool))), "sent");
    assert_eq!(runtime.block_on(server.wait_for(2, SOON)).len(), 2);
    assert_eq!(server.lines()[0], (1, "EHLO loa.example.vn".to_owned()));
}

#[tokio::test]
async fn many_mails_arrive_once_each_in_two_round_trips() {
    let sink = Sink::start(sink::Options { record: true, ..sink::Options::default() }).unwrap();
    let mut settings = Settings::parse(&format!("smtp://{}?tls=none", sink.address()), "loa.example.vn").unwrap();
    settings.connections = 4;
    let pool = Pool::new(settings);
    let sends: Vec<_> = (0..8)
        .map(|worker| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for n in 0..50 {
                    let message = format!("Message-ID: <{worker}.{n}@example.vn>\r\n\r\n{}", "tin\r\n".repeat(2000));
                    let outcome = send_to(&pool, &format!("r{worker}.{n}@so.example.vn"), &message).await;
                    assert_eq!(kind(&outcome), "sent");
                }
            })
        })
        .collect();
    for send in sends {
        send.await.unwrap();
    }
    let counts = sink.counts();
    assert_eq!((counts.messages, counts.recipients), (400, 400));
    // 400 mails of 10,000 bytes and a header; a connection costs a greeting's EHLO and a QUIT besides.
    assert!(counts.groups <= 400 * 2 + counts.connections * 2, "{counts:?}");
    assert!((4..=8).contains(&counts.connections), "{counts:?}");
    assert!((4_000_000..4_100_000).contains(&counts.bytes), "{counts:?}");
    assert_eq!(sink.twice(), []);
    assert!(
        sink.taken().iter().all(|t| t.message_id.trim_matches('<').split('@').next() == t.to[1..].split('@').next())
    );
}

#[tokio::test]
async fn a_mail_that_is_sent_twice_is_counted_as_such() {
    let sink = Sink::start(sink::Options { pipelining: false, record: true, ..sink::Options::default() }).unwrap();
    let url = format!("smtp://{}?tls=none", sink.address());
    let pool = Pool::new(Settings::parse(&url, "loa.example.vn").unwrap());
    for _ in 0..2 {
        send(&pool).await;
    }
    send_to(&pool, "binh@so.example.vn", MAIL).await;
    let message_id = "<a.1@bantin.example.vn>".to_owned();
    assert_eq!(sink.twice(), [sink::Taken { to: "an@so.example.vn".into(), message_id }]);
    assert_eq!((sink.counts().messages, sink.counts().groups), (3, 1 + 3 * 4));
}
