//! Laws of handing mails to a relay, against a real server on loopback that can misbehave.

#[path = "../../benches/support/sink.rs"]
pub mod sink;

mod chain;
mod connections;
mod faults;
mod international;
mod matrix;
mod relays;
mod secure;
mod servers;
mod wire;

use std::time::Duration;

use loa::domain::delivery::Outcome;
use loa::domain::subscriber::EmailAddress;
use loa::notify::smtp::settings::{Deadlines, Settings};
use loa::notify::smtp::{Envelope, Pool};

use crate::support::smtp_server::{Options, SmtpServer};

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
