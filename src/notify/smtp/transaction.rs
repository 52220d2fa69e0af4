//! Mail after mail over one connection: MAIL, RCPT and DATA as one group where the relay allows it (RFC 2920), and the
//! group of the next mail in the same write as the end of this one (§3.1: "explicitly allowed"), which makes one round
//! trip a mail. Every reply is matched to its mail by its place; what cannot be matched ends the connection. Never
//! opens or keeps a connection.

use std::time::Duration;

use tokio::time::timeout;

use crate::domain::bounce::Cause as Blame;
use crate::domain::delivery::{Cause, Outcome};
use crate::domain::subscriber::EmailAddress;

use super::body::END;
use super::connection::Connection;
use super::feed::{Chaining, Desk, Feed, Loaded};
use super::reply::{Fault, Reply, Step, again, judged};

/// When a relay has not answered a final dot in this time, the mail behind it takes another way.
const SLOW: Duration = Duration::from_secs(2);

/// What the connections to a relay learn from what it says.
pub(super) trait Lessons: Sync {
    /// The relay refused a mail to this receiver.
    fn refused(&self, step: Step, reply: &Reply, blame: Blame, to: &EmailAddress) -> Lesson;
    /// The relay took a mail.
    fn took(&self);
    /// Whether envelopes go behind final dots.
    fn chaining(&self) -> &Chaining;
}

/// What follows from a refusal for the mail itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lesson {
    /// It stands.
    Stands,
    /// The relay refuses every mail: this one is not at fault.
    NotItsFault,
}

/// How it ended.
pub(super) enum Ended {
    /// No mail is in hand; the connection is fit for another if `keep`.
    Done { keep: bool },
    /// The relay heard nothing of this mail's text, and will not over this connection.
    Unoffered(Loaded, Fault),
}

const OVER: Ended = Ended::Done { keep: false };

/// What became of an envelope.
enum Envelope {
    /// The relay waits for the message.
    Open,
    /// It does not want it; the connection is fit for the next mail, if `keep`.
    Refused { outcome: Outcome, keep: bool },
    /// It answered as if it had not expected an envelope.
    OutOfOrder,
    /// The connection was gone before the relay heard of the mail.
    Gone(Fault),
}

/// Offers `mail`, whose bytes are `desk.current`, and then what the feed gives. When a mail comes back unoffered, its
/// bytes are `desk.current` again.
pub(super) async fn run<F: Feed>(
    conn: &mut Connection,
    feed: &mut F,
    desk: &mut Desk,
    mut mail: Loaded,
    lessons: &impl Lessons,
) -> Ended {
    loop {
        if let Some(outcome) = unfit(conn, &mail) {
            feed.done(mail.mail.ticket, outcome).await;
            match next(conn, feed, &mut desk.current).await {
                Some(other) => mail = other,
                None => return Ended::Done { keep: true },
            }
            continue;
        }
        conn.used += 1;
        let envelope = if conn.offers.pipelining {
            grouped(conn, &mail, lessons).await
        } else {
            stepwise(conn, &mail, lessons).await
        };
        match envelope.unwrap_or_else(|fault| Envelope::Refused { outcome: fault.outcome(), keep: false }) {
            Envelope::Open => match messages(conn, feed, desk, mail, lessons).await {
                Bodies::Alone(other) => {
                    mail = other;
                    continue;
                }
                Bodies::Ended(ended) => return ended,
                Bodies::Idle => {}
            },
            Envelope::Refused { outcome, keep } => {
                feed.done(mail.mail.ticket, outcome).await;
                if !keep {
                    return OVER;
                }
            }
            Envelope::OutOfOrder => return Ended::Unoffered(mail, Fault::Lost(Step::Mail, "out of order".into())),
            Envelope::Gone(fault) => return Ended::Unoffered(mail, fault),
        }
        match next(conn, feed, &mut desk.current).await {
            Some(other) => mail = other,
            None => return Ended::Done { keep: true },
        }
    }
}

/// The next mail that the relay can take, its bytes made ready in `bytes`.
async fn next<F: Feed>(conn: &Connection, feed: &mut F, bytes: &mut Vec<u8>) -> Option<Loaded> {
    loop {
        bytes.clear();
        let mail = feed.next(bytes).await?;
        let (ticket, outcome) = match Loaded::new(mail, bytes) {
            Ok(loaded) => match unfit(conn, &loaded) {
                None => return Some(loaded),
                Some(outcome) => (loaded.mail.ticket, outcome),
            },
            Err((mail, outcome)) => (mail.ticket, outcome),
        };
        feed.done(ticket, outcome).await;
    }
}

/// What the relay would refuse anyway is not offered.
fn unfit(conn: &Connection, loaded: &Loaded) -> Option<Outcome> {
    let detail = match conn.offers.size {
        Some(most) if most > 0 && loaded.shape.size > most => {
            format!("the message has {} octets and the relay takes at most {most}", loaded.shape.size)
        }
        _ if loaded.shape.is_8bit && !conn.offers.eight_bit => {
            "the message has 8-bit text and the relay does not offer 8BITMIME".to_owned()
        }
        _ if loaded.mail.to.is_international() && !conn.offers.smtputf8 => {
            "the address has letters beyond ASCII and the relay does not offer SMTPUTF8".to_owned()
        }
        _ => return None,
    };
    Some(Outcome::Dead { cause: Cause::Refused, detail })
}

fn mail_line(out: &mut Vec<u8>, conn: &Connection, loaded: &Loaded) {
    out.extend_from_slice(b"MAIL FROM:<");
    out.extend_from_slice(loaded.mail.from.as_bytes());
    out.push(b'>');
    if conn.offers.size.is_some() {
        out.extend_from_slice(b" SIZE=");
        out.extend_from_slice(loaded.shape.size.to_string().as_bytes());
    }
    if loaded.shape.is_8bit {
        out.extend_from_slice(b" BODY=8BITMIME");
    }
    if loaded.mail.to.is_international() {
        out.extend_from_slice(b" SMTPUTF8");
    }
    out.extend_from_slice(b"\r\n");
}

fn rcpt_line(out: &mut Vec<u8>, loaded: &Loaded) {
    out.extend_from_slice(b"RCPT TO:<");
    out.extend_from_slice(loaded.mail.to.as_str().as_bytes());
    out.extend_from_slice(b">\r\n");
}

fn group(out: &mut Vec<u8>, conn: &Connection, loaded: &Loaded) {
    mail_line(out, conn, loaded);
    rcpt_line(out, loaded);
    out.extend_from_slice(b"DATA\r\n");
}

/// Whether the very first reply shows that the server had already left.
fn gone(first: &Result<Reply, Fault>) -> Option<Fault> {
    match first {
        Ok(reply) if reply.is_goodbye() => Some(Fault::Reply(Step::Mail, reply.clone())),
        Err(fault @ Fault::Lost(..)) => Some(fault.clone()),
        _ => None,
    }
}

/// An envelope by itself, as one group.
async fn grouped(conn: &mut Connection, mail: &Loaded, lessons: &impl Lessons) -> Result<Envelope, Fault> {
    let was_dirty = std::mem::replace(&mut conn.dirty, true);
    let mut out = Vec::with_capacity(256);
    let first = if was_dirty {
        out.extend_from_slice(b"RSET\r\n");
        Step::Rset
    } else {
        Step::Mail
    };
    group(&mut out, conn, mail);
    let reply = conn.ask(first, &out).await;
    if let Some(fault) = gone(&reply) {
        return Ok(Envelope::Gone(fault));
    }
    let mut from = reply?;
    if was_dirty {
        from = conn.hear(Step::Mail).await?;
    }
    verdict(conn, mail, from, lessons).await
}

/// The replies to a group, `from` being the one to MAIL, already heard.
async fn verdict(conn: &mut Connection, mail: &Loaded, from: Reply, lessons: &impl Lessons) -> Result<Envelope, Fault> {
    if from.is_goodbye() {
        return Ok(refused(mail, Step::Mail, &from, lessons));
    }
    let to = conn.hear(Step::Rcpt).await?;
    if to.is_goodbye() {
        return Ok(refused(mail, Step::Rcpt, &to, lessons));
    }
    let data = conn.hear(Step::Data).await?;
    let refusal = [(Step::Mail, &from), (Step::Rcpt, &to)].into_iter().find(|(_, reply)| !reply.is_done());
    let Some((step, reply)) = refusal else {
        return Ok(if data.is_go_ahead() { open(conn)? } else { refused(mail, Step::Data, &data, lessons) });
    };
    let end = refused(mail, step, reply, lessons);
    if data.is_go_ahead() && !matches!(to.code, 400..=599) {
        // No receiver was refused in so many words: a dot might reach somebody with an empty mail.
        return Ok(without_connection(end));
    }
    if data.is_go_ahead() {
        // RFC 2920 §3.1: DATA may be accepted though no recipient was. A lone dot ends it; whatever the answer, there is
        // nobody whom it could have reached.
        return Ok(match conn.ask(Step::Body, END).await {
            Ok(reply) if !reply.is_goodbye() => {
                conn.dirty = !reply.is_done();
                end
            }
            Ok(_) | Err(_) => without_connection(end),
        });
    }
    Ok(if data.is_goodbye() { without_connection(end) } else { end })
}

/// The relay waits for a message. If it said more than that, something is amiss between us.
fn open(conn: &Connection) -> Result<Envelope, Fault> {
    if conn.is_out_of_step() {
        return Err(Fault::Lost(Step::Data, "the relay said more than it was asked".into()));
    }
    Ok(Envelope::Open)
}

fn without_connection(end: Envelope) -> Envelope {
    match end {
        Envelope::Refused { outcome, .. } => Envelope::Refused { outcome, keep: false },
        other => other,
    }
}

async fn stepwise(conn: &mut Connection, mail: &Loaded, lessons: &impl Lessons) -> Result<Envelope, Fault> {
    let was_dirty = conn.dirty;
    if was_dirty {
        let reset = conn.ask(Step::Rset, b"RSET\r\n").await;
        if let Some(fault) = gone(&reset) {
            return Ok(Envelope::Gone(fault));
        }
        reset?;
    }
    let mut line = Vec::with_capacity(128);
    mail_line(&mut line, conn, mail);
    let from = conn.ask(Step::Mail, &line).await;
    if !was_dirty && let Some(fault) = gone(&from) {
        return Ok(Envelope::Gone(fault));
    }
    let from = from?;
    conn.dirty = from.is_done();
    if !from.is_done() {
        return Ok(refused(mail, Step::Mail, &from, lessons));
    }
    line.clear();
    rcpt_line(&mut line, mail);
    let to = conn.ask(Step::Rcpt, &line).await?;
    if !to.is_done() {
        return Ok(refused(mail, Step::Rcpt, &to, lessons));
    }
    let data = conn.ask(Step::Data, b"DATA\r\n").await?;
    if data.is_go_ahead() { open(conn) } else { Ok(refused(mail, Step::Data, &data, lessons)) }
}

/// A step was refused, so the message was not taken.
fn refused(mail: &Loaded, step: Step, reply: &Reply, lessons: &impl Lessons) -> Envelope {
    if !matches!(reply.code, 400..=599) {
        // Neither what was asked for nor a refusal.
        let fault = Fault::Lost(step, format!("the relay answered {}", reply.code));
        return Envelope::Refused { outcome: fault.outcome(), keep: false };
    }
    let (mut outcome, blame) = judged(step, reply);
    if lessons.refused(step, reply, blame, &mail.mail.to) == Lesson::NotItsFault
        && let Outcome::Dead { detail, .. } = outcome
    {
        outcome = again(Cause::Refused, detail);
    }
    Envelope::Refused { outcome, keep: !reply.is_goodbye() }
}

/// How a row of messages ended.
enum Bodies {
    /// No mail is in hand, the connection is fit for the next.
    Idle,
    /// This one, whose bytes are `desk.current`, is to be offered by itself.
    Alone(Loaded),
    Ended(Ended),
}

/// The relay waits for `mail`'s message: sends it, and behind it, message after message, what the feed gives.
async fn messages<F: Feed>(
    conn: &mut Connection,
    feed: &mut F,
    desk: &mut Desk,
    mut mail: Loaded,
    lessons: &impl Lessons,
) -> Bodies {
    loop {
        if feed.recall(mail.mail.ticket).await {
            return Bodies::Ended(OVER);
        }
        let chained = conn.offers.pipelining && lessons.chaining().is_on();
        let mut stranded = false;
        let mut behind = if chained { next(conn, feed, &mut desk.upcoming).await } else { None };
        desk.current.extend_from_slice(END);
        let end = desk.current.len();
        if let Some(behind) = &behind {
            group(&mut desk.current, conn, behind);
        }
        let mut accepted = 0;
        let written = conn.write(Step::Body, &desk.current, &mut accepted).await;
        let heard = match written {
            Ok(()) => {
                if let Ok(heard) = timeout(SLOW, conn.hear(Step::Body)).await {
                    heard
                } else {
                    // A relay that takes its time with one mail holds up no other.
                    if let Some(behind) = behind.take() {
                        feed.release(behind.mail.ticket).await;
                        stranded = true;
                    }
                    conn.hear(Step::Body).await
                }
            }
            Err(fault @ Fault::Lost(..)) => early(conn, accepted >= end).await.ok_or(fault),
            Err(fault) => Err(fault),
        };
        let whole = accepted == desk.current.len();
        let (outcome, broken) = match heard {
            Ok(reply) => {
                // Accepted or not, the transaction is over (RFC 5321 §4.1.1.4).
                conn.dirty = false;
                if reply.is_done() {
                    lessons.took();
                    let lost = (!whole).then(|| Fault::Lost(Step::Body, "the connection broke".into()));
                    (Outcome::Sent(reply.detail()), lost)
                } else {
                    match refused(&mail, Step::Body, &reply, lessons) {
                        Envelope::Refused { outcome, keep: true } if whole => (outcome, None),
                        Envelope::Refused { outcome, .. } => (outcome, Some(Fault::Reply(Step::Body, reply))),
                        _ => unreachable!("a refusal is one"),
                    }
                }
            }
            // From the final dot on, no answer means that nobody knows.
            Err(fault) if accepted >= end => (again(Cause::InDoubt, fault.detail()), Some(fault)),
            Err(fault) => (fault.outcome(), Some(fault)),
        };
        feed.done(mail.mail.ticket, outcome).await;
        let Some(behind) = behind else {
            return if broken.is_some() || stranded { Bodies::Ended(OVER) } else { Bodies::Idle };
        };
        mail = behind;
        desk.swap();
        if let Some(fault) = broken {
            return Bodies::Ended(Ended::Unoffered(mail, fault));
        }
        conn.dirty = true;
        conn.used += 1;
        match behind_the_dot(conn, &mail, lessons).await {
            Envelope::Open => {}
            Envelope::Refused { outcome, keep } => {
                feed.done(mail.mail.ticket, outcome).await;
                return if keep { Bodies::Idle } else { Bodies::Ended(OVER) };
            }
            Envelope::OutOfOrder => return Bodies::Alone(mail),
            Envelope::Gone(fault) => return Bodies::Ended(Ended::Unoffered(mail, fault)),
        }
    }
}

/// A reply that came while the message could not be written to its end, such as "too big": better than no reason. That it
/// was taken is believed only behind the dot.
async fn early(conn: &mut Connection, ended: bool) -> Option<Reply> {
    conn.hear(Step::Body).await.ok().filter(|reply| ended || !reply.is_done())
}

/// The replies to an envelope that went behind a final dot. Its message was not sent, so whatever breaks here leaves no
/// doubt: the mail goes over another connection.
async fn behind_the_dot(conn: &mut Connection, mail: &Loaded, lessons: &impl Lessons) -> Envelope {
    let chaining = lessons.chaining();
    let from = match conn.hear(Step::Mail).await {
        Ok(from) => from,
        Err(fault) => {
            match fault {
                Fault::Timeout(..) => chaining.disliked("it does not answer there"),
                _ => chaining.broke(),
            }
            return Envelope::Gone(fault);
        }
    };
    if from.is_goodbye() {
        return Envelope::Gone(Fault::Reply(Step::Mail, from));
    }
    if from.is_about_order() {
        chaining.disliked("it says that the commands come in the wrong order");
        // The replies to RCPT and DATA, whatever they are; then it is asked once more, in the order that it likes.
        for step in [Step::Rcpt, Step::Data] {
            match conn.hear(step).await {
                Ok(reply) if reply.code / 100 == 5 => {}
                Ok(_) => return Envelope::Gone(Fault::Lost(step, "the relay contradicts itself".into())),
                Err(fault) => return Envelope::Gone(fault),
            }
        }
        return Envelope::OutOfOrder;
    }
    match verdict(conn, mail, from, lessons).await {
        Ok(envelope) => {
            chaining.went_well();
            envelope
        }
        Err(fault) => {
            if matches!(fault, Fault::Lost(..)) {
                chaining.broke();
            }
            Envelope::Gone(fault)
        }
    }
}
