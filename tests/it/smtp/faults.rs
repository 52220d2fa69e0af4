//! Laws: a server that refuses, breaks off or falls silent, at every step.

use std::time::{Duration, Instant};

use loa::notify::smtp::Pool;

use crate::support::smtp_server::{Act, SmtpServer, Step};

use super::{MAIL, SOON, both_ways, detail, hasty, kind, pool, send, send_to, settings};

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
            let outcome = send(&hasty(&server, Duration::from_millis(400))).await;
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
async fn a_reply_without_end_is_cut_off() {
    let server = SmtpServer::start().await;
    server.script(Step::Rcpt, Act::Half("250 ".to_owned() + &"x".repeat(50_000)));
    let outcome = send(&pool(&server)).await;
    assert_eq!(kind(&outcome), "retry unreachable", "{outcome:?}");
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_never_taken_for_the_answer_to_the_next_mail() {
    let step = Duration::from_millis(300);
    for (late, meaning) in [(Step::Mail, "timeout"), (Step::Rcpt, "timeout"), (Step::Body, "in_doubt")] {
        for server in both_ways() {
            server.script(late, Act::Delay(2 * step));
            server.recipient("gone@so.example.vn", Act::reply("550 5.1.1 unknown"));
            let pool = hasty(&server, step);
            assert_eq!(kind(&send(&pool).await), format!("retry {meaning}"), "{late:?}");
            assert_eq!(kind(&send_to(&pool, "gone@so.example.vn", MAIL).await), "dead address", "{late:?}");
            assert_eq!(server.connections(), 2, "{late:?}");
        }
    }
}
