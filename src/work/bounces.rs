//! Mails that come back: which of our mails each belongs to, and what is written of it. A mail is done with only when that
//! is committed; whoever holds it (a Maildir, a mail server) keeps it until then, and a second reading changes nothing.

use std::io;
use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::bounce::Cause;
use crate::domain::subscriber::EmailAddress;
use crate::domain::verp::{Purpose, ReturnPath};
use crate::notify::inbound::lmtp::Take;
use crate::notify::inbound::maildir::{Maildir, Waiting};
use crate::notify::inbound::{self, Meaning, Refusal};
use crate::store::bounce::{Kind, NewBounce};
use crate::store::engine::{Store, StoreError};
use crate::telemetry::metrics::Metrics;
use crate::work::subscribe::{Subscribe, SubscribeError};
use crate::work::wakes::Wakes;

/// What became of a mail that came back. Each is the end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was written down as a refusal or a complaint, or had been before.
    Kept,
    /// It ended subscriptions, or found them ended.
    Left,
    /// It means nothing to us.
    Ignored,
    /// It belongs to no mail of ours, or to an address that is gone.
    Unproven,
    /// It looks like a report and could not be understood.
    Odd,
}

impl Taken {
    /// The word in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Left => "left",
            Self::Ignored => "ignored",
            Self::Unproven => "unproven",
            Self::Odd => "odd",
        }
    }
}

/// Takes mails that come back. Cheap to clone.
#[derive(Clone)]
pub struct Bounces {
    store: Store,
    clock: Clock,
    returns: ReturnPath,
    subscribe: Subscribe,
    wakes: Wakes,
    metrics: Metrics,
}

/// Who a genuine token is about.
struct Proven {
    purpose: Purpose,
    subscriber: i64,
    delivery: i64,
    email: EmailAddress,
}

impl Bounces {
    /// A taker of mails for these return paths.
    #[must_use]
    pub const fn new(
        store: Store,
        clock: Clock,
        returns: ReturnPath,
        subscribe: Subscribe,
        wakes: Wakes,
        metrics: Metrics,
    ) -> Self {
        Self { store, clock, returns, subscribe, wakes, metrics }
    }

    /// Takes one mail. `envelope_to` is whom it was handed over for, where that is known.
    ///
    /// # Errors
    /// When the database fails: nothing was written, and the mail must be taken again.
    pub async fn take(&self, envelope_to: Option<&str>, raw: &[u8]) -> Result<Taken, StoreError> {
        let taken = self.settle(envelope_to, raw).await?;
        self.metrics.came_back(taken.as_str());
        Ok(taken)
    }

    async fn settle(&self, envelope_to: Option<&str>, raw: &[u8]) -> Result<Taken, StoreError> {
        let arrived = inbound::read(raw, envelope_to, self.returns.template());
        match arrived.meaning {
            Meaning::Ignored(why) => {
                tracing::debug!("a mail that came back means nothing: {why}");
                Ok(Taken::Ignored)
            }
            Meaning::Odd(why) => {
                tracing::warn!("a mail to the return path cannot be understood: {why}");
                Ok(Taken::Odd)
            }
            // Only the address that it came to counts, never what it quotes: mails are forwarded.
            Meaning::Request => match self.proven(arrived.addressed.iter()).await? {
                Some(Proven { purpose: Purpose::Unsubscribe(frequency), subscriber, .. }) => {
                    match self.subscribe.leave(subscriber, frequency).await {
                        Ok(()) => Ok(Taken::Left),
                        Err(SubscribeError::Store(e)) => Err(e),
                        Err(_) => Ok(Taken::Unproven),
                    }
                }
                // Somebody answered to the return path.
                Some(_) => Ok(Taken::Ignored),
                None => Ok(Taken::Unproven),
            },
            Meaning::Refused(refusal) => {
                let Some(proven) = self.proven(arrived.addressed.iter().chain(&arrived.mentioned)).await? else {
                    return Ok(Taken::Unproven);
                };
                let cause = cause(&refusal, &proven.email);
                let detail = without_name(&refusal.detail, &proven.email);
                self.keep(&proven, Kind::Report, Some(cause), &detail).await
            }
            Meaning::Complaint(what) => {
                let Some(proven) = self.proven(arrived.addressed.iter().chain(&arrived.mentioned)).await? else {
                    return Ok(Taken::Unproven);
                };
                self.keep(&proven, Kind::Complaint, None, &what).await
            }
        }
    }

    async fn keep(&self, proven: &Proven, kind: Kind, cause: Option<Cause>, detail: &str) -> Result<Taken, StoreError> {
        let new = NewBounce {
            subscriber_id: proven.subscriber,
            delivery_id: Some(proven.delivery),
            kind,
            cause,
            domain: proven.email.domain(),
            detail,
        };
        if self.store.add_bounce(&new, self.clock.now()).await? {
            self.wakes.bounces.notify_one();
        }
        Ok(Taken::Kept)
    }

    /// The first token that one of our keys made for an address that is still its person's.
    async fn proven(&self, tokens: impl Iterator<Item = &String>) -> Result<Option<Proven>, StoreError> {
        for token in tokens {
            let Some(claimed) = self.returns.read(token) else { continue };
            let person = self.store.person(claimed.subscriber).await?;
            let email = person.and_then(|p| p.email).and_then(|email| EmailAddress::parse_international(&email).ok());
            if let Some(email) = email.filter(|email| self.returns.proves(&claimed, email)) {
                let (purpose, subscriber, delivery) = (claimed.purpose, claimed.subscriber, claimed.delivery);
                return Ok(Some(Proven { purpose, subscriber, delivery, email }));
            }
        }
        Ok(None)
    }

    /// Takes what waits in a Maildir. Answers how many mails were done with.
    ///
    /// # Errors
    /// When the folder cannot be read or the database fails: the rest waits there.
    pub async fn look_into(&self, maildir: &Maildir) -> Result<usize, InletError> {
        let mut done = 0;
        loop {
            let waiting = blocking(maildir, Maildir::waiting).await?;
            if waiting.is_empty() {
                return Ok(done);
            }
            for mail in waiting {
                let taken = self.take(None, &mail.raw).await?;
                moved(maildir, mail, taken == Taken::Odd).await?;
                done += 1;
            }
        }
    }

    /// Removes from a Maildir what was dealt with and has been kept long enough.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn sweep(&self, maildir: &Maildir) -> Result<u64, InletError> {
        let now = self.clock.now();
        blocking(maildir, move |maildir| maildir.sweep(now)).await
    }

    /// The same for an LMTP server: true once a mail is settled.
    #[must_use]
    pub fn taker(&self) -> Take {
        let bounces = self.clone();
        Arc::new(move |to, raw| {
            let bounces = bounces.clone();
            Box::pin(async move {
                match bounces.take(Some(&to), &raw).await {
                    Ok(_) => true,
                    Err(e) => {
                        tracing::error!("a mail that came back cannot be settled and is asked for again: {e}");
                        false
                    }
                }
            })
        })
    }
}

/// Why mails that came back still wait.
#[derive(Debug, thiserror::Error)]
pub enum InletError {
    /// The folder cannot be read or written.
    #[error("the Maildir of [bounce] cannot be used: {0}; see that this account may read, write and rename in it")]
    Folder(#[from] io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

async fn moved(maildir: &Maildir, mail: Waiting, odd: bool) -> Result<(), InletError> {
    blocking(maildir, move |maildir| maildir.done(&mail, odd)).await
}

async fn blocking<T: Send + 'static>(
    maildir: &Maildir,
    work: impl FnOnce(&Maildir) -> io::Result<T> + Send + 'static,
) -> Result<T, InletError> {
    let maildir = maildir.clone();
    let done = tokio::task::spawn_blocking(move || work(&maildir)).await;
    Ok(done.map_err(io::Error::other)??)
}

/// "No such user" of another address, or beside a success, says that ours is there and passes on.
fn cause(refusal: &Refusal, email: &EmailAddress) -> Cause {
    let ours = refusal.recipients.is_empty() || refusal.recipients.iter().any(|r| *r == email.key());
    if refusal.cause == Cause::NoSuchUser && (refusal.partly || !ours) { Cause::Unknown } else { refusal.cause }
}

/// Without the name of the mailbox, which servers like to repeat apart from its domain.
fn without_name(detail: &str, email: &EmailAddress) -> String {
    let key = email.key();
    let name = key.split('@').next().unwrap_or_default();
    let lower = detail.to_ascii_lowercase();
    if name.len() < 3 || !lower.contains(name) {
        return detail.to_owned();
    }
    let mut out = String::with_capacity(detail.len());
    let mut from = 0;
    for (at, found) in lower.match_indices(name) {
        out.push_str(&detail[from..at]);
        out.push_str("***");
        from = at + found.len();
    }
    out.push_str(&detail[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_kept_without_the_name_of_the_mailbox() {
        let email = EmailAddress::parse("Nguyen.An@so.example.vn").expect("an address");
        let detail = "550 5.1.1 nguyen.an: no such user; NGUYEN.AN is unknown";
        assert_eq!(without_name(detail, &email), "550 5.1.1 ***: no such user; *** is unknown");
        assert_eq!(without_name("550 không có hộp thư nào", &email), "550 không có hộp thư nào");
    }

    #[test]
    fn no_such_user_behind_a_forwarding_is_not_said_of_ours() {
        let email = EmailAddress::parse("an@so.example.vn").expect("an address");
        let refusal = |recipients: &[&str], partly| Refusal {
            cause: Cause::NoSuchUser,
            detail: String::new(),
            recipients: recipients.iter().map(|r| (*r).to_owned()).collect(),
            partly,
        };
        assert_eq!(cause(&refusal(&["an@so.example.vn"], false), &email), Cause::NoSuchUser);
        assert_eq!(cause(&refusal(&[], false), &email), Cause::NoSuchUser);
        assert_eq!(cause(&refusal(&["new@other.example"], false), &email), Cause::Unknown);
        assert_eq!(cause(&refusal(&["an@so.example.vn", "new@other.example"], false), &email), Cause::NoSuchUser);
        assert_eq!(cause(&refusal(&["an@so.example.vn"], true), &email), Cause::Unknown);
    }
}
