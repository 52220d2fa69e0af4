//! Mails to relays: a small pool of connections to each, on sockets of our own. Hands each mail over once and says what
//! became of it; never decides when to try again, and never writes an address into a log.
//!
//! lettre opens the dialogue (`connection`); the transactions are ours: mail after mail from a `feed`, the next envelope
//! behind the last message (`transaction`). Around them a hard limit on connections and their reuse (`slots`), a deadline
//! for every step, rest for a relay that is down (`health`), a pace that gives way (`rate`, `domains`), a reading of
//! enhanced status codes (`reply`), and several relays that stand in for each other (`relays`).

mod body;
mod connection;
mod domains;
pub mod feed;
mod health;
mod pace;
mod rate;
pub mod relays;
pub(super) mod reply;
pub mod settings;
mod slots;
mod socket;
mod tls;
mod transaction;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::bounce::Cause as Blame;
use crate::domain::delivery::{Cause, Outcome};
use crate::domain::subscriber::EmailAddress;

use self::domains::Domains;
use self::feed::{Chaining, Desk, Feed, Loaded, Mail};
use self::rate::Rate;
use self::reply::{Fault, Reply, Step};
use self::settings::{Settings, Tls};
use self::slots::Slots;
use self::transaction::{Ended, Lesson, Lessons};

/// When so many mails in a row are refused for what we are rather than for what they are, the relay refuses us.
const IN_A_ROW: u32 = 10;

/// How long such a relay is left alone.
const SULK: Duration = Duration::from_mins(5);

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
pub struct Pool(Arc<Inner>);

struct Inner {
    slots: Arc<Slots>,
    rate: Rate,
    chaining: Chaining,
    domains: Arc<Domains>,
    /// Refusals of us, without a mail taken in between.
    refusals: AtomicU32,
}

/// A mail that the relay never heard of, or whose text it never heard.
#[derive(Debug)]
struct Unsent {
    loaded: Loaded,
    fault: Fault,
    /// Whether no connection could be had: nothing to do with this mail.
    is_down: bool,
}

impl Pool {
    /// A pool without connections; they are opened as mails come.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::sharing(settings, Arc::default())
    }

    /// The same, one of several that learn together which domains want fewer mails.
    fn sharing(settings: Settings, domains: Arc<Domains>) -> Self {
        Self(Arc::new(Inner {
            rate: Rate::new(settings.rate),
            slots: Arc::new(Slots::new(settings)),
            chaining: Chaining::default(),
            domains,
            refusals: AtomicU32::new(0),
        }))
    }

    fn domains(&self) -> &Arc<Domains> {
        &self.0.domains
    }

    /// Hands one mail over; `message` is the whole of it, header and body, in UTF-8 (line ends are put right and dots
    /// doubled here). Waits for a free connection and for its turn by the rate, otherwise at most
    /// [`settings::Deadlines::longest_send`].
    ///
    /// Dropping the future closes the connection; the mail may then have been accepted or not, as after
    /// [`Cause::InDoubt`]. Whoever tries again uses the same Message-ID.
    pub async fn send(&self, mail: &Envelope<'_>, message: &[u8]) -> Outcome {
        let mut desk = Desk::default();
        desk.clear().extend_from_slice(message);
        let mail = Mail { ticket: 0, from: mail.from.into(), to: mail.to.clone() };
        let loaded = match Loaded::new(mail, &mut desk.current) {
            Ok(loaded) => loaded,
            Err((_, outcome)) => return outcome,
        };
        let mut single = Single::default();
        match self.run(&mut single, &mut desk, loaded).await {
            Ok(()) => single.0.unwrap_or_else(|| unreachable!("a mail that does not come back has an outcome")),
            Err(unsent) => unsent.fault.outcome(),
        }
    }

    /// Sends `loaded`, whose bytes are on the desk, and then what the feed gives, for as long as the connection is not
    /// needed by others. A mail that was not offered comes back, its bytes on the desk.
    async fn run<F: Feed>(&self, feed: &mut F, desk: &mut Desk, loaded: Loaded) -> Result<(), Unsent> {
        let Inner { slots, rate, .. } = &*self.0;
        let down = |loaded, fault| Unsent { loaded, fault, is_down: true };
        // A relay at rest costs no turn.
        if let Some(fault) = self.refusal() {
            return Err(down(loaded, fault));
        }
        rate.turn().await;
        let mut lease = match slots.take().await {
            Ok(lease) => lease,
            Err(fault) => return Err(down(loaded, fault)),
        };
        let mut feed = Bounded { feed, pool: &self.0, left: 0, went: false };
        let mut loaded = loaded;
        loop {
            feed.left = slots.settings.per_connection.max(1).saturating_sub(lease.connection.used + 1);
            feed.went = false;
            match transaction::run(&mut lease.connection, &mut feed, desk, loaded, &*self.0).await {
                Ended::Done { keep } => {
                    if keep {
                        slots.give_back(lease);
                    }
                    return Ok(());
                }
                // A connection that served before may be gone without being at fault.
                Ended::Unoffered(mail, _) if lease.reused || feed.went => {
                    loaded = mail;
                    lease = match slots.renew(lease).await {
                        Ok(lease) => lease,
                        Err(fault) => return Err(down(loaded, fault)),
                    };
                }
                Ended::Unoffered(loaded, fault) => return Err(Unsent { loaded, fault, is_down: false }),
            }
        }
    }

    /// Why nothing can be sent now, if so.
    fn refusal(&self) -> Option<Fault> {
        let slots = &self.0.slots;
        if slots.any_open() && !self.0.is_refused() {
            return None;
        }
        slots.health.refusal(Instant::now())
    }

    /// How long nothing will be sent, because the relay could not be reached, or refuses us. Whoever has mails waiting
    /// leaves them in the queue until then.
    #[must_use]
    pub fn resting(&self) -> Option<Duration> {
        self.0.slots.health.resting(Instant::now())
    }

    /// Whether a mail that came now would be sent back for the relay's sake.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.refusal().is_some()
    }

    /// Whether a mail would not have to wait for a connection.
    fn has_room(&self) -> bool {
        self.0.slots.has_room()
    }

    /// The most connections open at one time.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.slots.settings.connections.max(1)
    }

    /// Messages a second at most; 0 is without limit.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.0.slots.settings.rate
    }

    /// Connections open now, idle ones included.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.0.slots.open()
    }

    /// Connects, signs in, and says in one line what the relay offers. Sends nothing.
    ///
    /// # Errors
    /// [`CheckError`] says why mails cannot be sent.
    pub async fn check(&self) -> Result<String, CheckError> {
        let unfit = |fault: Fault| CheckError(fault.detail());
        let slots = &self.0.slots;
        let mut lease = slots.take().await.map_err(unfit)?;
        if lease.reused {
            lease = slots.renew(lease).await.map_err(unfit)?;
        }
        let settings = &slots.settings;
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
        slots.give_back(lease);
        Ok(line)
    }

    /// Ends the pool: says good-bye on idle connections within the deadline of QUIT. Mails under way are finished, new
    /// ones are answered with [`Outcome::Retry`].
    pub async fn close(&self) {
        self.0.slots.close().await;
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apart = if self.0.chaining.is_on() { "" } else { ", one envelope after the other" };
        write!(f, "Pool({:?}, {} open{apart})", self.0.slots.settings.relay, self.open_connections())
    }
}

impl Inner {
    /// Whether the relay refuses every mail.
    fn is_refused(&self) -> bool {
        self.refusals.load(Ordering::Relaxed) >= IN_A_ROW
    }
}

impl Lessons for Inner {
    fn refused(&self, step: Step, reply: &Reply, blame: Blame, to: &EmailAddress) -> Lesson {
        if reply.wants_fewer() {
            // A farewell ends the relay's connection, whatever step it comes at; else a refused receiver is about theirs.
            if matches!(step, Step::Rcpt | Step::Body) && !reply.is_goodbye() {
                self.domains.slow_down(to.domain(), Instant::now());
            } else {
                self.rate.slow_down();
            }
        }
        if !matches!(blame, Blame::Policy | Blame::Sender) || reply.is_later() {
            return Lesson::Stands;
        }
        if self.refusals.fetch_add(1, Ordering::Relaxed) + 1 < IN_A_ROW {
            return Lesson::Stands;
        }
        self.slots.health.pause(format!("the relay refuses us: {}", reply.detail()), Instant::now(), SULK);
        Lesson::NotItsFault
    }

    fn took(&self) {
        if self.refusals.load(Ordering::Relaxed) > 0 {
            self.refusals.store(0, Ordering::Relaxed);
        }
    }

    fn chaining(&self) -> &Chaining {
        &self.chaining
    }
}

/// One mail and no more.
#[derive(Default)]
struct Single(Option<Outcome>);

impl Feed for Single {
    async fn next(&mut self, _: &mut Vec<u8>) -> Option<Mail> {
        None
    }

    async fn recall(&mut self, _: i64) -> bool {
        false
    }

    async fn release(&mut self, _: i64) {}

    async fn done(&mut self, _: i64, outcome: Outcome) {
        self.0 = Some(outcome);
    }
}

/// A feed for as long as one connection may be kept.
struct Bounded<'a, F> {
    feed: &'a mut F,
    pool: &'a Inner,
    left: u32,
    /// Whether a mail had its end over this connection.
    went: bool,
}

impl<F: Feed> Feed for Bounded<'_, F> {
    async fn next(&mut self, out: &mut Vec<u8>) -> Option<Mail> {
        let slots = &self.pool.slots;
        // Whoever leaves now takes their turn by the rate in the usual way.
        let wanted = slots.is_crowded() || slots.is_closed() || self.pool.is_refused();
        if self.left == 0 || wanted || !self.pool.rate.try_turn() {
            return None;
        }
        self.left -= 1;
        self.feed.next(out).await
    }

    async fn recall(&mut self, ticket: i64) -> bool {
        self.feed.recall(ticket).await
    }

    async fn release(&mut self, ticket: i64) {
        self.feed.release(ticket).await;
    }

    async fn done(&mut self, ticket: i64, outcome: Outcome) {
        self.went = true;
        self.feed.done(ticket, outcome).await;
    }
}

fn unmakeable(why: &str) -> Outcome {
    Outcome::Dead { cause: Cause::Unmakeable, detail: why.to_owned() }
}
