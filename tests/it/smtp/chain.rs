//! Laws of mail after mail over one connection: the next envelope stands behind the final dot of the mail before, and every
//! reply is matched to its mail.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use loa::domain::delivery::Outcome;
use loa::notify::smtp::Pool;
use loa::notify::smtp::feed::{Desk, Feed, Mail};
use loa::notify::smtp::relays::{Relays, Unsent};

use crate::support::smtp_server::{Act, Behind, Options, SmtpServer, Step};

use super::sink::Sink;
use super::{SENDER, SOON, address, hasty, kind, settings, sink};

/// Mails that wait in a row, and what became of each.
#[derive(Default)]
pub struct Row {
    pub waiting: VecDeque<(i64, String)>,
    pub outcomes: BTreeMap<i64, Outcome>,
    /// These must not go any more when it comes to it.
    pub recalled: Vec<i64>,
    /// These came back, since the one in front of them hung.
    pub released: Vec<i64>,
}

impl Row {
    pub fn of(receivers: impl IntoIterator<Item = String>) -> Self {
        let waiting = receivers.into_iter().enumerate().map(|(n, to)| (i64::try_from(n).expect("few"), to)).collect();
        Self { waiting, ..Self::default() }
    }

    pub fn of_many(n: usize) -> Self {
        Self::of((0..n).map(|n| format!("r{n}@so.example.vn")))
    }

    fn give(&mut self, out: &mut Vec<u8>) -> Option<Mail> {
        let (ticket, to) = self.waiting.pop_front()?;
        out.extend_from_slice(format!("Message-ID: <{ticket}@bantin.example.vn>\r\n\r\nTin {ticket}\r\n").as_bytes());
        Some(Mail { ticket, from: SENDER.into(), to: address(&to) })
    }

    /// Sends all of them; what no relay heard of is told as a try.
    pub async fn send(&mut self, relays: &Relays) {
        let mut desk = Desk::default();
        while let Some(mail) = self.give(desk.clear()) {
            if let Err(Unsent { ticket, outcome, .. }) = relays.run(self, &mut desk, mail).await {
                self.outcomes.insert(ticket, outcome);
            }
        }
    }

    /// `sent`, `retry busy`, … in the order of the tickets.
    pub fn kinds(&self) -> Vec<String> {
        self.outcomes.values().map(kind).collect()
    }
}

impl Feed for Row {
    async fn next(&mut self, out: &mut Vec<u8>) -> Option<Mail> {
        self.give(out)
    }

    async fn recall(&mut self, ticket: i64) -> bool {
        self.recalled.contains(&ticket)
    }

    async fn release(&mut self, ticket: i64) {
        self.released.push(ticket);
    }

    async fn done(&mut self, ticket: i64, outcome: Outcome) {
        assert!(self.outcomes.insert(ticket, outcome).is_none(), "a mail has one outcome");
    }
}

/// One connection to a server.
fn one(server: &SmtpServer) -> Relays {
    let mut settings = settings(server);
    settings.connections = 1;
    Pool::new(settings).into()
}

#[tokio::test]
async fn mail_after_mail_takes_one_round_trip_each() {
    let sink = Sink::start(sink::Options { record: true, ..sink::Options::default() }).unwrap();
    let url = format!("smtp://{}?tls=none", sink.address());
    let relays = Relays::new(vec![(loa::notify::smtp::settings::Settings::parse(&url, "loa").unwrap(), 1)]);
    let mut row = Row::of_many(400);
    row.send(&relays).await;
    assert!(row.kinds().iter().all(|k| k == "sent"));
    let counts = sink.counts();
    assert_eq!((counts.messages, counts.connections, sink.twice().len()), (400, 1, 0));
    // EHLO, the first envelope, and then one for each mail.
    assert_eq!(counts.groups, 402);
    let own = |t: &sink::Taken| {
        t.message_id.trim_matches('<').split('@').next() == t.to.trim_start_matches('r').split('@').next()
    };
    assert!(sink.taken().iter().all(own), "each text goes to its own receiver");
}

#[tokio::test]
async fn nothing_stands_behind_the_dot_where_pipelining_is_not_offered() {
    let server = SmtpServer::with(Options { pipelining: false, ..Options::default() });
    let mut row = Row::of_many(5);
    row.send(&one(&server)).await;
    assert_eq!((row.kinds(), server.chained()), (vec!["sent".to_owned(); 5], 0));
    assert_eq!(server.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_receiver_who_is_refused_behind_a_dot_takes_no_other_mail_along() {
    let server = SmtpServer::start().await;
    server.recipient("r1@so.example.vn", Act::reply("550 5.1.1 unknown"));
    server.recipient("r3@so.example.vn", Act::reply("451 4.3.0 later"));
    let mut row = Row::of_many(6);
    row.send(&one(&server)).await;
    assert_eq!(row.kinds(), ["sent", "dead address", "sent", "retry busy", "sent", "sent"]);
    let to: Vec<String> = server.messages().iter().map(|m| m.to.join(",")).collect();
    assert_eq!(to, ["r0@so.example.vn", "r2@so.example.vn", "r4@so.example.vn", "r5@so.example.vn"]);
    assert!(server.messages().iter().all(|m| m.text().contains(&format!("Tin {}", &m.to[0][1..2]))));
    assert_eq!((server.connections(), server.violations()), (1, Vec::new()));
}

#[tokio::test]
async fn data_that_is_taken_for_nobody_behind_a_dot_is_ended_by_a_lone_dot() {
    let server = SmtpServer::start().await;
    server.recipient("r1@so.example.vn", Act::reply("550 5.1.1 unknown"));
    server.script(Step::Data, Act::reply("354 go on"));
    server.script(Step::Data, Act::reply("354 go on anyway"));
    let mut row = Row::of_many(3);
    row.send(&one(&server)).await;
    assert_eq!(row.kinds(), ["sent", "dead address", "sent"]);
    assert_eq!((server.messages().len(), server.connections(), server.violations()), (2, 1, Vec::new()));
}

#[tokio::test]
async fn a_mail_whose_text_is_refused_does_not_change_the_fate_of_the_next() {
    let server = SmtpServer::start().await;
    server.script(Step::Body, Act::reply("554 5.6.0 bad form"));
    server.script(Step::Body, Act::reply("250 2.0.0 fine"));
    server.script(Step::Body, Act::reply("452 4.3.1 no room"));
    let mut row = Row::of_many(4);
    row.send(&one(&server)).await;
    assert_eq!(row.kinds(), ["dead refused", "sent", "retry busy", "sent"]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_ends_behind_a_dot_leaves_one_mail_in_doubt_and_the_next_goes_over_another() {
    let server = SmtpServer::start().await;
    server.script(Step::Body, Act::reply("250 2.0.0 fine"));
    server.script(Step::Body, Act::CloseAfterAccepting);
    let mut row = Row::of_many(4);
    row.send(&one(&server)).await;
    assert_eq!(row.kinds(), ["sent", "retry in_doubt", "sent", "sent"]);
    assert_eq!((server.messages().len(), server.connections()), (4, 2), "none was sent twice");
}

#[tokio::test]
async fn a_server_that_ends_with_a_farewell_after_some_mails_gets_the_rest_over_another_connection() {
    let server = SmtpServer::start().await;
    for _ in 0..2 {
        server.script(Step::Mail, Act::reply("250 2.1.0 fine"));
    }
    server.script(Step::Mail, Act::reply_then_close("421 4.4.2 enough for one connection"));
    let mut row = Row::of_many(5);
    row.send(&one(&server)).await;
    assert_eq!(row.kinds(), vec!["sent"; 5]);
    assert_eq!((server.messages().len(), server.connections()), (5, 2));
}

#[tokio::test]
async fn a_server_that_does_not_bear_an_envelope_behind_a_dot_gets_each_by_itself() {
    let server = SmtpServer::with(Options { behind_the_dot: Behind::Refused, ..Options::default() });
    let mut row = Row::of_many(6);
    row.send(&one(&server)).await;
    assert_eq!(row.kinds(), vec!["sent"; 6]);
    assert_eq!((server.chained(), server.connections()), (1, 1), "tried once, then left alone");
    assert_eq!(server.messages().len(), 6);
}

#[tokio::test]
async fn a_server_that_throws_away_what_stands_behind_a_dot_gets_each_by_itself() {
    let server = SmtpServer::with(Options { behind_the_dot: Behind::Dropped, ..Options::default() });
    let mut row = Row::of_many(6);
    row.send(&hasty(&server, Duration::from_millis(300)).into()).await;
    assert_eq!(row.kinds(), vec!["sent"; 6]);
    assert_eq!((server.messages().len(), server.chained(), server.connections()), (6, 1, 2));
}

#[tokio::test]
async fn a_mail_that_is_recalled_before_its_text_goes_is_not_sent() {
    let server = SmtpServer::start().await;
    let mut row = Row { recalled: vec![1], ..Row::of_many(3) };
    row.send(&one(&server)).await;
    assert_eq!(row.outcomes.keys().copied().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(row.kinds(), ["sent", "sent"]);
    assert_eq!(server.messages().len(), 2);
}

#[tokio::test]
async fn a_reply_too_many_is_never_taken_for_the_next_mails() {
    let server = SmtpServer::start().await;
    // The second line of the reply to MAIL would be read as the one to RCPT, and so on: the 354 as the one to nothing.
    server.script(Step::Mail, Act::reply("250 2.1.0 fine\r\n250 2.1.0 fine again"));
    server.recipient("r0@so.example.vn", Act::reply("550 5.1.1 unknown"));
    let mut row = Row::of_many(2);
    row.send(&one(&server)).await;
    let kinds = row.kinds();
    assert_ne!(kinds[0], "sent", "{kinds:?}");
    assert!(server.messages().iter().all(|m| m.text().contains(&format!("Tin {}", &m.to[0][1..2]))));
}

#[tokio::test]
async fn nobody_waits_for_a_connection_that_others_keep_for_mail_after_mail() {
    let server = SmtpServer::start().await;
    let mut limited = settings(&server);
    limited.connections = 1;
    let relays: Relays = Pool::new(limited).into();
    let long = tokio::spawn({
        let relays = relays.clone();
        async move {
            let mut row = Row::of_many(3000);
            row.send(&relays).await;
            row.kinds().len()
        }
    });
    server.wait_until(SOON, "first mails", |server| server.taken() > 10).await;
    let before = server.taken();
    let mut one = Row::of(["gap@so.example.vn".to_owned()]);
    one.send(&relays).await;
    assert_eq!(one.kinds(), ["sent"]);
    assert!(before < 3000 && server.taken() < 3001, "it did not wait for the end of the row");
    assert_eq!(long.await.unwrap(), 3000);
}

#[tokio::test]
async fn the_bytes_of_a_mail_that_moves_to_another_connection_stay_its_own() {
    let server = SmtpServer::start().await;
    server.script(Step::Body, Act::reply_then_close("421 4.3.2 shutting down"));
    let mut row = Row::default();
    row.waiting.extend([(0, "r0@so.example.vn".to_owned()), (1, "r1@so.example.vn".to_owned())]);
    row.send(&one(&server)).await;
    assert_eq!(row.kinds(), ["retry busy", "sent"]);
    let messages = server.messages();
    assert_eq!((messages.len(), messages[0].to.as_slice()), (1, &["r1@so.example.vn".to_owned()][..]));
    assert_eq!(messages[0].text(), "Message-ID: <1@bantin.example.vn>\r\n\r\nTin 1\r\n");
}

#[tokio::test]
async fn a_mail_behind_one_that_hangs_takes_another_way_and_is_not_sent_here() {
    let server = SmtpServer::start().await;
    server.script(Step::Body, Act::Hold);
    let relays = one(&server);
    let sending = tokio::spawn(async move {
        let mut row = Row::of_many(2);
        row.send(&relays).await;
        row
    });
    // The other end of the hang: after the mail behind it was given back.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    server.release();
    let row = sending.await.unwrap();
    assert_eq!((row.released.as_slice(), row.kinds()), (&[1][..], vec!["sent".to_owned()]));
    server.wait_until(SOON, "end of the connection", |server| server.open() == 0).await;
    assert_eq!(server.taken(), 1);
}
