//! Those who send: one for each connection, letter after letter, the most urgent first. Never claims or composes anything;
//! tells the settler what became of each letter.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::clock::{Clock, Timestamp};
use crate::domain::delivery::{Cause, Channel, Lane, Outcome};
use crate::domain::subscriber::EmailAddress;
use crate::notify::folder::Folder;
use crate::notify::smtp::feed::{Desk, Feed, Mail};
use crate::notify::smtp::relays::{Relays, Unsent};
use crate::telemetry::metrics::Metrics;
use crate::work::presence::Presence;
use crate::work::settle::Settler;

use super::queue::{Queue, Waiting};
use super::{CUT_OFF, Transport, Way};

/// What a try is called that failed inside loa.
const PANICKED: &str = "the attempt failed inside loa; the log has the panic";

pub(super) struct Sender {
    queue: Arc<Queue>,
    settler: Settler,
    transport: Transport,
    presence: Presence,
    from: Arc<str>,
    clock: Clock,
    metrics: Metrics,
    /// What was given to the connection and has no outcome yet: at most two.
    hand: Vec<Given>,
}

/// A letter that was given to a connection.
struct Given {
    id: i64,
    lease: i64,
    attempts: i64,
    doubts: i64,
    lane: Lane,
    to: EmailAddress,
    began: Timestamp,
}

impl Given {
    fn new(waiting: &Waiting, began: Timestamp) -> Self {
        let claimed = &waiting.claimed;
        Self {
            id: claimed.id,
            lease: waiting.lease,
            attempts: claimed.attempts,
            doubts: claimed.doubts,
            lane: waiting.lane,
            to: waiting.letter.to.clone(),
            began,
        }
    }
}

impl Sender {
    pub(super) const fn new(
        queue: Arc<Queue>,
        settler: Settler,
        transport: Transport,
        presence: Presence,
        from: Arc<str>,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        Self { queue, settler, transport, presence, from, clock, metrics, hand: Vec::new() }
    }

    /// Sends until the queue is closed.
    pub(super) async fn run(mut self) {
        let mut desk = Desk::default();
        let transport = self.transport.clone();
        while let Some(waiting) = self.queue.next().await {
            let Some(mail) = self.take(waiting, desk.clear()).await else { continue };
            let Some(relays) = transport.relays() else { continue };
            self.send(relays, &mut desk, mail).await;
        }
    }

    async fn send(&mut self, relays: &Relays, desk: &mut Desk, mail: Mail) {
        let run = AssertUnwindSafe(Box::pin(relays.run(self, desk, mail))).catch_unwind().await;
        match run {
            Ok(Ok(())) => {}
            Ok(Err(Unsent { ticket, outcome, wait: None })) => self.done(ticket, outcome).await,
            Ok(Err(Unsent { ticket, outcome, wait: Some(wait) })) => self.unsent(ticket, &outcome, wait).await,
            Err(_) => {
                for given in std::mem::take(&mut self.hand) {
                    self.tell(given, panicked()).await;
                }
            }
        }
    }

    /// No relay could be reached: that is no try of this mail. It waits as long as it takes.
    async fn unsent(&mut self, ticket: i64, outcome: &Outcome, wait: Duration) {
        let Some(given) = self.given(ticket) else { return };
        let (Outcome::Retry { cause, detail, .. } | Outcome::Dead { cause, detail }) = outcome else { return };
        let wait = wait.mul_f64(1.0 + self.clock.fraction());
        self.settler.put_back_for(given.id, given.lease, wait, *cause, detail).await;
        self.queue.low.notify_one();
    }

    /// Makes a letter ready for a relay, its bytes in `out`; nothing when it takes another way.
    async fn take(&mut self, waiting: Waiting, out: &mut Vec<u8>) -> Option<Mail> {
        let (id, lease) = (waiting.claimed.id, waiting.lease);
        if !self.presence.may_send(lease) {
            self.settler.put_back(id, lease, Duration::ZERO, CUT_OFF).await;
            return None;
        }
        let given = Given::new(&waiting, self.clock.now());
        out.clear();
        // A letter that cannot be written must not end the one who sends the others.
        if catch_unwind(AssertUnwindSafe(|| waiting.letter.write(out))).is_err() {
            self.tell(given, panicked()).await;
            return None;
        }
        match self.transport.way(&given.to) {
            Way::Folder(folder, why) => {
                let outcome = into_folder(folder, why, &waiting.letter.message_id, out).await;
                self.tell(given, outcome).await;
                None
            }
            Way::Relays(relays) => {
                if let Some(wait) = relays.wait(&given.to) {
                    let why = "the receiver's server wants fewer mails";
                    self.settler.put_back(id, lease, wait, why).await;
                    return None;
                }
                let own = waiting.letter.return_path.as_deref().map(Arc::from);
                let from = own.unwrap_or_else(|| Arc::clone(&self.from));
                let mail = Mail { ticket: id, from, to: given.to.clone() };
                self.hand.push(given);
                Some(mail)
            }
        }
    }

    fn given(&mut self, ticket: i64) -> Option<Given> {
        let at = self.hand.iter().position(|given| given.id == ticket)?;
        Some(self.hand.swap_remove(at))
    }

    async fn tell(&self, given: Given, outcome: Outcome) {
        self.metrics.attempted(Channel::Email, given.lane, &outcome, self.clock.now().since(given.began));
        if let Outcome::Retry { cause, detail, .. } | Outcome::Dead { cause, detail } = &outcome {
            tracing::warn!(
                delivery.id = given.id, to = %given.to, cause = cause.as_str(),
                attempt = given.attempts, "mail not sent: {detail}"
            );
        }
        self.settler.settle(given.id, given.lease, given.attempts, twice_in_doubt(outcome, given.doubts)).await;
    }
}

impl Feed for Sender {
    async fn next(&mut self, out: &mut Vec<u8>) -> Option<Mail> {
        loop {
            let waiting = self.queue.behind()?;
            if let Some(mail) = self.take(waiting, out).await {
                return Some(mail);
            }
        }
    }

    async fn recall(&mut self, ticket: i64) -> bool {
        let Some(lease) = self.hand.iter().find(|given| given.id == ticket).map(|given| given.lease) else {
            return true;
        };
        if self.presence.may_send(lease) {
            return false;
        }
        if let Some(given) = self.given(ticket) {
            self.settler.put_back(given.id, given.lease, Duration::ZERO, CUT_OFF).await;
        }
        true
    }

    async fn release(&mut self, ticket: i64) {
        if let Some(given) = self.given(ticket) {
            self.settler.put_back(given.id, given.lease, Duration::ZERO, "the mail in front of it hangs").await;
            self.queue.low.notify_one();
        }
    }

    async fn done(&mut self, ticket: i64, outcome: Outcome) {
        if let Some(given) = self.given(ticket) {
            self.tell(given, outcome).await;
        }
    }
}

pub(super) async fn into_folder(folder: &Folder, why: &str, message_id: &str, bytes: &[u8]) -> Outcome {
    match folder.deliver(message_id, bytes).await {
        Outcome::Sent(detail) => Outcome::Sent(format!("{why}{detail}")),
        outcome => outcome,
    }
}

fn panicked() -> Outcome {
    Outcome::Retry { cause: Cause::Unmakeable, detail: PANICKED.to_owned(), after: None }
}

/// A mail whose fate is unknown is tried once more, under the same id. If that ends in doubt as well, a third copy would do
/// more harm than good: a relay that takes mails and never says so would fill the mailbox.
fn twice_in_doubt(outcome: Outcome, doubts: i64) -> Outcome {
    match outcome {
        Outcome::Retry { cause: Cause::InDoubt, detail, .. } if doubts > 0 => {
            Outcome::Dead { cause: Cause::InDoubt, detail }
        }
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_in_doubt_has_one_more_try_and_no_third() {
        let doubt = || Outcome::Retry { cause: Cause::InDoubt, detail: "no answer".to_owned(), after: None };
        assert_eq!(twice_in_doubt(doubt(), 0), doubt());
        assert_eq!(twice_in_doubt(doubt(), 1), Outcome::Dead { cause: Cause::InDoubt, detail: "no answer".to_owned() });
        assert_eq!(twice_in_doubt(Outcome::Sent("250".into()), 1), Outcome::Sent("250".into()));
    }
}
