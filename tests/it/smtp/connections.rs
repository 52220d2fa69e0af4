//! Laws: connections are few, reused, given up in time, and never shared half-used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loa::domain::delivery::Outcome;
use loa::notify::smtp::Pool;
use loa::notify::smtp::settings::{Deadlines, Settings};

use crate::support::smtp_server::{Act, Options, SmtpServer, Step};

use super::sink::Sink;
use super::{MAIL, SOON, both_ways, detail, hasty, kind, pool, send, send_to, settings, sink};

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
    assert_eq!((server.wait_for(8, SOON).await.len(), server.most_open()), (8, 2));
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
    assert_eq!((server.wait_for(12, SOON).await.len(), server.connections()), (12, 4));
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
