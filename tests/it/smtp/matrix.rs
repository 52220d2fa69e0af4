//! Laws: a server that misbehaves in each known way at each command. Whatever it does, no mail is lost, what may have
//! arrived twice is exactly what was counted as in doubt, and every text reaches its own receiver.

use std::collections::BTreeMap;
use std::time::Duration;

use loa::domain::delivery::{Cause, Outcome};
use loa::notify::smtp::Pool;
use loa::notify::smtp::relays::Relays;
use loa::notify::smtp::settings::Deadlines;

use crate::support::smtp_server::{Act, Behind, Options, SmtpServer, Step};

use super::chain::Row;
use super::settings;

const STEP: Duration = Duration::from_millis(60);
const MAILS: usize = 6;

/// How servers are known to misbehave.
fn acts() -> Vec<(&'static str, Act)> {
    vec![
        ("silence", Act::Silence),
        ("421 and close", Act::reply_then_close("421 4.3.2 closing")),
        ("421 and stay", Act::reply("421 4.3.2 closing")),
        ("4xx", Act::reply("451 4.3.0 not now")),
        ("452 too many", Act::reply("452 4.5.3 too many receivers")),
        ("5xx", Act::reply("554 5.6.0 no")),
        ("policy", Act::reply("450 4.7.1 slow down")),
        ("half a reply", Act::Half("25".into())),
        ("half a reply and close", Act::HalfThenClose("250-more is".into())),
        ("close", Act::Close),
        ("take it and close", Act::CloseAfterAccepting),
        ("garbage", Act::reply("\u{1}\u{2} what?")),
        ("a code of no meaning", Act::reply("299 well")),
        ("354 anywhere", Act::reply("354 go on")),
        ("a reply too many", Act::reply("250 fine\r\n250 fine")),
        ("drip", Act::Drip(Duration::from_micros(200))),
        ("late", Act::Delay(Duration::from_millis(20))),
    ]
}

fn servers() -> Vec<(&'static str, Options)> {
    let usual = Options::default;
    vec![
        ("pipelining", usual()),
        ("no pipelining", Options { pipelining: false, ..usual() }),
        ("tiny window", Options { window: Some(2048), bite: 7, ..usual() }),
        ("strict order", Options { behind_the_dot: Behind::Refused, ..usual() }),
    ]
}

/// Sends until every mail is settled for good, as the queue would: what is to be tried again is, and what is in doubt once.
async fn deliver(relays: &Relays) -> (BTreeMap<i64, Outcome>, usize) {
    let mut settled = BTreeMap::new();
    let mut doubts = 0;
    let mut row = Row::of_many(MAILS);
    for _ in 0..8 {
        row.send(relays).await;
        let mut again = Row::default();
        for (ticket, outcome) in std::mem::take(&mut row.outcomes) {
            if let Outcome::Retry { cause, .. } = &outcome {
                doubts += usize::from(*cause == Cause::InDoubt);
                again.waiting.push_back((ticket, format!("r{ticket}@so.example.vn")));
            } else {
                settled.insert(ticket, outcome);
            }
        }
        if again.waiting.is_empty() {
            break;
        }
        row = again;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    assert!(row.waiting.is_empty() && row.outcomes.is_empty(), "each is settled in the end");
    (settled, doubts)
}

async fn at(step: Step) {
    for (server_name, options) in servers() {
        for (act_name, act) in acts() {
            for nth in [0, 2] {
                let name = format!("{act_name} at {step:?} no. {nth}, {server_name}");
                let server = SmtpServer::with(options.clone());
                if nth > 0 && !matches!(step, Step::Connect | Step::Ehlo) {
                    // Good behaviour first, said by a script so that the next act comes behind a final dot.
                    for _ in 0..nth {
                        let usual = if step == Step::Data { "354 go on" } else { "250 2.0.0 fine" };
                        server.script(step, Act::reply(usual));
                    }
                }
                server.script(step, act.clone());
                let mut settings = settings(&server);
                settings.connections = 1;
                settings.deadlines = Deadlines::all(STEP);
                settings.deadlines.body = Duration::from_millis(300);
                settings.rest_first = Duration::from_millis(1);
                settings.rest_longest = Duration::from_millis(1);
                let relays: Relays = Pool::new(settings).into();
                let (settled, doubts) = deliver(&relays).await;
                let messages = server.messages();
                let mut times: BTreeMap<&str, usize> = BTreeMap::new();
                for message in &messages {
                    *times.entry(&message.to[0]).or_default() += 1;
                    assert!(message.text().contains(&format!("Tin {}\r\n", &message.to[0][1..2])), "{name}");
                }
                assert_eq!(settled.len(), MAILS, "{name}: every mail has an end");
                for (ticket, outcome) in &settled {
                    let arrived = times.get(format!("r{ticket}@so.example.vn").as_str()).copied().unwrap_or(0);
                    match outcome {
                        Outcome::Sent(_) => assert!(arrived >= 1, "{name}: {ticket} is called sent"),
                        Outcome::Dead { .. } => assert_eq!(arrived, 0, "{name}: {ticket} is called dead"),
                        Outcome::Retry { .. } => panic!("{name}: {ticket} is not settled"),
                    }
                }
                let twice: usize = times.values().map(|n| n - 1).sum();
                assert!(twice <= doubts, "{name}: {twice} arrived twice, {doubts} were counted as in doubt");
                let dead = settled.values().filter(|o| matches!(o, Outcome::Dead { .. })).count();
                assert!(dead <= 1, "{name}: one refusal is one mail's");
                // Who is answered too early is taken at the word.
                if act_name != "a reply too many" {
                    assert_eq!(server.violations(), Vec::<String>::new(), "{name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_whatever_happens_at_connecting() {
    at(Step::Connect).await;
}

#[tokio::test]
async fn nothing_is_lost_whatever_happens_at_ehlo() {
    at(Step::Ehlo).await;
}

#[tokio::test]
async fn nothing_is_lost_whatever_happens_at_mail() {
    at(Step::Mail).await;
}

#[tokio::test]
async fn nothing_is_lost_whatever_happens_at_rcpt() {
    at(Step::Rcpt).await;
}

#[tokio::test]
async fn nothing_is_lost_whatever_happens_at_data() {
    at(Step::Data).await;
}

#[tokio::test]
async fn nothing_is_lost_whatever_happens_at_the_final_dot() {
    at(Step::Body).await;
}

#[tokio::test]
async fn nothing_is_lost_whatever_happens_at_rset() {
    at(Step::Rset).await;
}
