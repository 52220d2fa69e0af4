//! Laws against servers that people run: Postfix, Exim and `OpenSMTPD` of Debian, started privately by `tests/run`. Mail
//! after mail over few connections, receivers who are refused among them; each text arrives once, at its own receiver.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use loa::domain::delivery::Outcome;
use loa::notify::smtp::Pool;
use loa::notify::smtp::feed::{Desk, Feed, Mail};
use loa::notify::smtp::relays::{Relays, Unsent};
use loa::notify::smtp::settings::Settings;

use crate::support::skip::skip;

use super::{SENDER, address, kind};

const MAILS: i64 = 240;

/// Mails with a mark each, every tenth to somebody who is not there.
struct Marked {
    waiting: VecDeque<i64>,
    outcomes: BTreeMap<i64, Outcome>,
}

fn is_gone(n: i64) -> bool {
    n % 10 == 3
}

fn mark(n: i64) -> String {
    format!("dau-hieu-{n}-het")
}

impl Marked {
    fn give(&mut self, out: &mut Vec<u8>) -> Option<Mail> {
        let n = self.waiting.pop_front()?;
        let to = if is_gone(n) { format!("gone{n}@so.example.vn") } else { format!("r{n}@so.example.vn") };
        let long = "Nội dung của một bản tin.\r\n.một dòng bắt đầu bằng dấu chấm\r\n".repeat(40);
        let text =
            format!("Subject: Tin\r\nTo: <{to}>\r\nMessage-ID: <{n}@bantin.example.vn>\r\n\r\n{long}{}\r\n", mark(n));
        out.extend_from_slice(text.as_bytes());
        Some(Mail { ticket: n, from: SENDER.into(), to: address(&to) })
    }
}

impl Feed for Marked {
    async fn next(&mut self, out: &mut Vec<u8>) -> Option<Mail> {
        self.give(out)
    }

    async fn recall(&mut self, _: i64) -> bool {
        false
    }

    async fn release(&mut self, ticket: i64) {
        self.waiting.push_back(ticket);
    }

    async fn done(&mut self, ticket: i64, outcome: Outcome) {
        assert!(self.outcomes.insert(ticket, outcome).is_none(), "a mail has one outcome");
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// How often each mark lies in the server's folder; as long as it takes for all of them to come.
async fn marks(folder: &Path, expected: usize) -> BTreeMap<i64, usize> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let mut found = Vec::new();
        files(folder, &mut found);
        let mut times = BTreeMap::new();
        for file in found {
            let text = String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned();
            let Some(n) = text.split("dau-hieu-").nth(1).and_then(|rest| rest.split("-het").next()?.parse().ok())
            else {
                continue;
            };
            assert_eq!(text.matches("dau-hieu-").count(), 1, "no text holds another's");
            assert!(text.matches("\n.một dòng").count() == 40, "dots arrive as they were");
            *times.entry(n).or_default() += 1;
        }
        if times.values().sum::<usize>() >= expected || Instant::now() > until {
            return times;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sends to the server that a variable names: `host:port folder`.
async fn mail_after_mail(variable: &str, test: &str) {
    let Ok(server) = std::env::var(variable) else {
        return skip(test, &format!("{variable} names no server; tests/run starts one"));
    };
    let (at, folder) = server.split_once(' ').expect("host:port and a folder");
    let mut settings = Settings::parse(&format!("smtp://{at}?tls=none"), "loa.example.vn").expect("settings");
    settings.connections = 3;
    let pool = Pool::new(settings);
    let relays: Relays = pool.clone().into();
    let rows: Vec<_> = (0..3)
        .map(|worker| {
            let relays = relays.clone();
            tokio::spawn(async move {
                let waiting = (0..MAILS).filter(|n| n % 3 == worker).collect();
                let mut row = Marked { waiting, outcomes: BTreeMap::new() };
                let mut desk = Desk::default();
                while let Some(mail) = row.give(desk.clear()) {
                    if let Err(Unsent { ticket, outcome, .. }) = relays.run(&mut row, &mut desk, mail).await {
                        row.outcomes.insert(ticket, outcome);
                    }
                }
                row.outcomes
            })
        })
        .collect();
    let mut outcomes = BTreeMap::new();
    for row in rows {
        outcomes.extend(row.await.expect("it ends well"));
    }
    assert_eq!(outcomes.len(), usize::try_from(MAILS).expect("few"));
    for (n, outcome) in &outcomes {
        let expected = if is_gone(*n) { "dead" } else { "sent" };
        assert!(kind(outcome).starts_with(expected), "{n}: {outcome:?}");
    }
    assert!(!format!("{pool:?}").contains("after the other"), "the server bears what PIPELINING allows: {pool:?}");
    let good: Vec<i64> = (0..MAILS).filter(|n| !is_gone(*n)).collect();
    let times = marks(Path::new(folder), good.len()).await;
    assert_eq!(times.keys().copied().collect::<Vec<_>>(), good, "each arrived");
    assert!(times.values().all(|n| *n == 1), "and once");
    relays.close().await;
}

#[tokio::test]
async fn postfix_gets_each_mail_once() {
    mail_after_mail("LOA_TEST_POSTFIX", "smtp::servers::postfix_gets_each_mail_once").await;
}

#[tokio::test]
async fn exim_gets_each_mail_once() {
    mail_after_mail("LOA_TEST_EXIM", "smtp::servers::exim_gets_each_mail_once").await;
}

#[tokio::test]
async fn opensmtpd_gets_each_mail_once() {
    mail_after_mail("LOA_TEST_OPENSMTPD", "smtp::servers::opensmtpd_gets_each_mail_once").await;
}
