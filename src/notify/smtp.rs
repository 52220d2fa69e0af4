//! Mails to the relay: a small pool over lettre's SMTP connection, on sockets of our own. Hands each mail over once per
//! call and says what became of it; never decides when to try again, and never writes an address into a log.
//!
//! lettre speaks the protocol (`connection`); the pool adds what a sender of many mails needs: a hard limit on
//! connections and their reuse (`slots`), a deadline for every step, MAIL, RCPT and DATA in one write
//! (`transaction`), rest for a relay that is down (`health`), and a reading of enhanced status codes (`reply`).

mod body;
mod connection;
mod health;
mod rate;
pub(super) mod reply;
pub mod settings;
mod slots;
mod socket;
mod tls;
mod transaction;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::delivery::{Cause, Outcome};
use crate::domain::subscriber::EmailAddress;

use body::Body;
use rate::Rate;
use settings::{Settings, Tls};
use slots::Slots;
use transaction::End;

/// Who a mail is from and to, on the wire (not what its header says).
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The return path, where bounces go; empty for `<>`, which none may answer (RFC 5321 §4.5.5).
    pub from: &'a str,
    /// The one receiver.
    pub to: &'a EmailAddress,
}

/// Why the relay is not fit for sending: what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CheckError(String);

/// A pool of connections to one relay. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Pool {
    slots: Arc<Slots>,
    rate: Arc<Rate>,
}

impl Pool {
    /// A pool without connections; they are opened as mails come.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let rate = Arc::new(Rate::new(settings.rate));
        Self { slots: Arc::new(Slots::new(settings)), rate }
    }

    /// Hands one mail over; `message` is the whole of it, header and body, in UTF-8 (line ends are put right and dots
    /// doubled here). Waits for a free connection and for its turn by the rate, otherwise at most
    /// [`settings::Deadlines::longest_send`].
    ///
    /// Dropping the future closes the connection; the mail may then have been accepted or not, as after
    /// [`Cause::InDoubt`]. Whoever tries again uses the same Message-ID.
    pub async fn send(&self, mail: &Envelope<'_>, message: &[u8]) -> Outcome {
        if !is_return_path(mail.from) {
            return unmakeable("the return path is not a mail address");
        }
        let Some(body) = Body::new(message) else {
            return unmakeable("the message is not UTF-8");
        };
        // A relay at rest costs no turn.
        if !self.slots.any_open()
            && let Some(fault) = self.slots.health.refusal(Instant::now())
        {
            return fault.outcome();
        }
        self.rate.turn().await;
        let mut lease = match self.slots.take().await {
            Ok(lease) => lease,
            Err(fault) => return fault.outcome(),
        };
        let mut end = transaction::run(&mut lease.connection, mail, &body).await;
        if matches!(end, End::Gone(_)) && lease.reused {
            lease = match self.slots.renew(lease).await {
                Ok(lease) => lease,
                Err(fault) => return fault.outcome(),
            };
            end = transaction::run(&mut lease.connection, mail, &body).await;
        }
        match end {
            End::Settled { outcome, keep } => {
                if keep {
                    self.slots.give_back(lease);
                }
                outcome
            }
            End::Gone(fault) => fault.outcome(),
        }
    }

    /// How long the pool will not try to connect because the relay could not be reached. Whoever has mails waiting does
    /// well to leave them in the queue until then: meanwhile a send that finds no open connection fails at once.
    #[must_use]
    pub fn resting(&self) -> Option<Duration> {
        self.slots.health.resting(Instant::now())
    }

    /// Connections open now, idle ones included.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.slots.open()
    }

    /// Connects, signs in, and says in one line what the relay offers. Sends nothing.
    ///
    /// # Errors
    /// [`CheckError`] says why mails cannot be sent.
    pub async fn check(&self) -> Result<String, CheckError> {
        let unfit = |fault: reply::Fault| CheckError(fault.detail());
        let mut lease = self.slots.take().await.map_err(unfit)?;
        if lease.reused {
            lease = self.slots.renew(lease).await.map_err(unfit)?;
        }
        let settings = &self.slots.settings;
        let offers = &lease.connection.offers;
        let mut parts = vec![match lease.connection.tls_version() {
            None => "no encryption".to_owned(),
            Some(version) if settings.relay.tls == Tls::Opportunistic => format!("{version}, certificate not checked"),
            Some(version) => format!("{version}, certificate good"),
        }];
        if settings.relay.login.is_some() {
            parts.push("signed in".into());
        }
        parts.extend(offers.pipelining.then(|| "PIPELINING".into()));
        parts.extend(offers.eight_bit.then(|| "8BITMIME".into()));
        parts.extend(offers.size.map(|most| if most == 0 { "SIZE".into() } else { format!("SIZE {most}") }));
        let line = reply::presentable(&format!(
            "{} answers as {}: {}",
            settings.relay,
            lease.connection.greeting.split_whitespace().next().unwrap_or("nobody"),
            parts.join(", ")
        ));
        self.slots.give_back(lease);
        Ok(line)
    }

    /// Ends the pool: says good-bye on idle connections within the deadline of QUIT. Mails under way are finished, new
    /// ones are answered with [`Outcome::Retry`].
    pub async fn close(&self) {
        self.slots.close().await;
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({:?}, {} open)", self.slots.settings.relay, self.open_connections())
    }
}

fn unmakeable(why: &str) -> Outcome {
    Outcome::Dead { cause: Cause::Unmakeable, detail: why.to_owned() }
}

/// Empty, or an address that cannot smuggle a command or a parameter.
fn is_return_path(from: &str) -> bool {
    from.is_empty() || EmailAddress::parse(from).is_ok_and(|parsed| parsed.as_str().eq_ignore_ascii_case(from))
}
