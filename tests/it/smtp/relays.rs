//! Laws of several relays, of relays that refuse us, and of receivers' servers that want fewer mails.

use std::time::Duration;

use loa::domain::delivery::Outcome;
use loa::notify::smtp::feed::{Desk, Mail};
use loa::notify::smtp::relays::Relays;

use crate::support::smtp_server::{Act, SmtpServer, Step};

use super::chain::Row;
use super::{SENDER, address, kind, settings};

async fn two() -> [SmtpServer; 2] {
    [SmtpServer::start().await, SmtpServer::start().await]
}

#[tokio::test]
async fn relays_get_mails_by_their_weight() {
    let servers = two().await;
    let relays = Relays::new(vec![(settings(&servers[0]), 3), (settings(&servers[1]), 1)]);
    let mut row = Row::of_many(800);
    row.send(&relays).await;
    assert!(row.kinds().iter().all(|k| k == "sent"));
    assert_eq!([servers[0].taken(), servers[1].taken()], [600, 200]);
}

#[tokio::test]
async fn a_relay_that_is_down_is_stood_in_for() {
    let servers = two().await;
    let dead = settings(&servers[0]);
    let relays = Relays::new(vec![(dead, 5), (settings(&servers[1]), 1)]);
    let [first, second] = servers;
    drop(first);
    let mut row = Row::of_many(60);
    row.send(&relays).await;
    assert_eq!((row.kinds(), second.taken()), (vec!["sent".to_owned(); 60], 60));
    assert!(!relays.is_resting());
}

#[tokio::test]
async fn a_mail_comes_back_without_a_try_when_every_relay_is_down() {
    let servers = two().await;
    let all: Vec<_> = servers.iter().map(|s| (settings(s), 1)).collect();
    drop(servers);
    let relays = Relays::new(all);
    let mut row = Row::default();
    let mut desk = Desk::default();
    desk.clear().extend_from_slice(b"Subject: a\r\n\r\n");
    let mail = Mail { ticket: 7, from: SENDER.into(), to: address("an@so.example.vn") };
    let unsent = relays.run(&mut row, &mut desk, mail).await.expect_err("nobody is there");
    assert_eq!((unsent.ticket, kind(&unsent.outcome).as_str()), (7, "retry unreachable"));
    assert!(unsent.wait.is_some() && relays.is_resting(), "{unsent:?}");
}

#[tokio::test]
async fn a_relay_that_breaks_off_mid_dialogue_is_stood_in_for_as_long_as_the_text_was_not_heard() {
    let servers = two().await;
    servers[0].always(Step::Mail, Act::Close);
    let relays = Relays::new(vec![(settings(&servers[0]), 100), (settings(&servers[1]), 1)]);
    let mut row = Row::of_many(4);
    row.send(&relays).await;
    assert_eq!((row.kinds(), servers[1].taken()), (vec!["sent".to_owned(); 4], 4));
}

#[tokio::test]
async fn a_relay_that_refuses_every_mail_is_left_alone_and_costs_few_mails() {
    let server = SmtpServer::start().await;
    server.always(Step::Rcpt, Act::reply("554 5.7.1 your address is on our list"));
    let relays = Relays::new(vec![(settings(&server), 1)]);
    let mut row = Row::of_many(100);
    row.send(&relays).await;
    let dead = row.outcomes.values().filter(|o| matches!(o, Outcome::Dead { .. })).count();
    assert_eq!(dead, 9, "the tenth in a row shows what is the matter");
    assert!(relays.is_resting());
    assert_eq!(server.count("RCPT"), 10, "and no other is offered");
}

#[tokio::test]
async fn one_receiver_who_refuses_us_does_not_stop_the_others() {
    let server = SmtpServer::start().await;
    for n in (0..60).step_by(2) {
        server.recipient(&format!("r{n}@so.example.vn"), Act::reply("550 5.7.1 not wanted"));
    }
    let relays = Relays::new(vec![(settings(&server), 1)]);
    let mut row = Row::of_many(60);
    row.send(&relays).await;
    assert_eq!(server.taken(), 30);
    assert!(!relays.is_resting());
}

#[tokio::test]
async fn a_domain_whose_server_wants_fewer_mails_gets_them_slowly_and_others_as_before() {
    let server = SmtpServer::start().await;
    server.recipient("cham@xa.example.vn", Act::reply("450 4.7.1 too many mails from you"));
    let relays = Relays::new(vec![(settings(&server), 1)]);
    assert_eq!(relays.wait(&address("cham@xa.example.vn")), None);
    let mut row = Row::of(["cham@xa.example.vn".to_owned(), "an@so.example.vn".to_owned()]);
    row.send(&relays).await;
    assert_eq!(row.kinds(), ["retry busy", "sent"]);
    assert!(relays.wait(&address("khac@XA.example.vn")).is_some_and(|w| w <= Duration::from_secs(2)));
    assert_eq!(relays.wait(&address("an@so.example.vn")), None);
}
