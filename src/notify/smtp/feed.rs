//! Where a connection takes its mails from, one behind the other. The pool pulls: so the envelope of the next mail can
//! stand in the same write as the end of this one. Never decides what is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::delivery::Outcome;
use crate::domain::subscriber::EmailAddress;

use super::body::{Shape, make_ready};
use super::unmakeable;

/// A mail that is to be offered. Its bytes lie on the [`Desk`].
#[derive(Clone, Debug)]
pub struct Mail {
    /// By what the feed knows it.
    pub ticket: i64,
    /// The return path, where bounces go; empty for `<>`, which none may answer (RFC 5321 §4.5.5).
    pub from: Arc<str>,
    /// The one receiver.
    pub to: EmailAddress,
}

/// Mails, one after the other.
pub trait Feed: Send {
    /// The next mail, its bytes (header and body, UTF-8) written into `out`, which is empty; nothing if none waits that
    /// may go now. Answers soon: a mail that was just written waits for its final dot meanwhile.
    fn next(&mut self, out: &mut Vec<u8>) -> impl Future<Output = Option<Mail>> + Send;

    /// Asked right before a mail's text goes out: whether it must not go after all. Then the feed has dealt with it, and
    /// the connection ends.
    fn recall(&mut self, ticket: i64) -> impl Future<Output = bool> + Send;

    /// A mail that was taken will not be offered over this connection: the one in front of it hangs. Nothing of its text
    /// went out.
    fn release(&mut self, ticket: i64) -> impl Future<Output = ()> + Send;

    /// What became of a mail that was taken. Each one is told exactly once, unless it comes back unsent, or
    /// was recalled or released.
    fn done(&mut self, ticket: i64, outcome: Outcome) -> impl Future<Output = ()> + Send;
}

/// Room for a mail that is on its way and for the one behind it; kept by whoever sends many.
#[derive(Debug, Default)]
pub struct Desk {
    pub(super) current: Vec<u8>,
    pub(super) upcoming: Vec<u8>,
}

impl Desk {
    /// Empty, for the bytes of the first mail.
    pub fn clear(&mut self) -> &mut Vec<u8> {
        self.current.clear();
        &mut self.current
    }

    pub(super) const fn swap(&mut self) {
        std::mem::swap(&mut self.current, &mut self.upcoming);
    }
}

/// A mail whose bytes are ready for the wire.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) mail: Mail,
    pub(super) shape: Shape,
}

impl Loaded {
    /// Makes the bytes ready, once.
    pub(super) fn new(mail: Mail, bytes: &mut Vec<u8>) -> Result<Self, (Mail, Outcome)> {
        if !is_return_path(&mail.from) {
            return Err((mail, unmakeable("the return path is not a mail address")));
        }
        match make_ready(bytes) {
            Some(shape) => Ok(Self { mail, shape }),
            None => Err((mail, unmakeable("the message is not UTF-8"))),
        }
    }
}

/// Empty, or an address that cannot smuggle a command or a parameter.
fn is_return_path(from: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"@.-_+=".contains(&b);
    // Nearly every one is plain, and the same for all.
    from.is_empty()
        || (from.bytes().all(plain) || !from.contains(['<', '>', ' ', '\r', '\n']))
            && EmailAddress::parse(from).is_ok_and(|parsed| parsed.as_str().eq_ignore_ascii_case(from))
}

/// How often a relay may break off behind a final dot before it is taken for dislike.
const PATIENCE: u64 = 3;

/// How long the next envelope then waits for the reply to the dot.
const APART: Duration = Duration::from_hours(1);

/// Whether the next envelope goes behind the final dot (RFC 2920 §3.1 allows it; not every server bears it).
#[derive(Debug)]
pub(super) struct Chaining {
    begun: Instant,
    /// Milliseconds since `begun`.
    off_until: AtomicU64,
    broken: AtomicU64,
}

impl Default for Chaining {
    fn default() -> Self {
        Self { begun: Instant::now(), off_until: AtomicU64::new(0), broken: AtomicU64::new(0) }
    }
}

impl Chaining {
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn is_on(&self) -> bool {
        match self.off_until.load(Ordering::Relaxed) {
            0 => true,
            until => self.now() >= until,
        }
    }

    /// The relay did not bear it for certain: it answered nonsense, or not at all.
    pub(super) fn disliked(&self, why: &str) {
        let until = self.now().saturating_add(u64::try_from(APART.as_millis()).unwrap_or(u64::MAX));
        if self.off_until.swap(until, Ordering::Relaxed) == 0 {
            tracing::warn!(why, "the mail relay does not take a mail's envelope behind the end of another; each waits");
        }
    }

    /// The relay closed there, which it may have done anyway.
    pub(super) fn broke(&self) {
        if self.broken.fetch_add(1, Ordering::Relaxed) + 1 >= PATIENCE {
            self.broken.store(0, Ordering::Relaxed);
            self.disliked("it closes the connection there again and again");
        }
    }

    /// It went well.
    pub(super) fn went_well(&self) {
        if self.broken.load(Ordering::Relaxed) > 0 {
            self.broken.store(0, Ordering::Relaxed);
        }
    }
}
