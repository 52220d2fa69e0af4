//! One mail over one connection: MAIL, RCPT and DATA as one group where the relay allows it (RFC 2920), then the message
//! and the final dot in one write. Says what became of the mail, and whether the connection may be used again. Never
//! opens or keeps a connection.

use crate::domain::delivery::{Cause, Outcome};

use super::Envelope;
use super::body::Body;
use super::connection::Connection;
use super::reply::{Fault, Reply, Step, again, judged};

/// How it ended.
pub(super) enum End {
    /// The mail has an outcome; the connection is fit for the next mail, if `keep`.
    Settled { outcome: Outcome, keep: bool },
    /// The connection was gone before the relay heard of the mail: try a fresh one.
    Gone(Fault),
}

const fn settled(outcome: Outcome) -> End {
    End::Settled { outcome, keep: true }
}

const fn broken(outcome: Outcome) -> End {
    End::Settled { outcome, keep: false }
}

/// Offers one mail.
pub(super) async fn run(conn: &mut Connection, mail: &Envelope<'_>, body: &Body<'_>) -> End {
    if let Some(outcome) = unfit(conn, mail, body) {
        return settled(outcome);
    }
    conn.used += 1;
    let result =
        if conn.offers.pipelining { grouped(conn, mail, body).await } else { stepwise(conn, mail, body).await };
    result.unwrap_or_else(|fault| broken(fault.outcome()))
}

/// What the relay would refuse anyway is not offered.
fn unfit(conn: &Connection, mail: &Envelope<'_>, body: &Body<'_>) -> Option<Outcome> {
    let detail = match conn.offers.size {
        Some(most) if most > 0 && body.size() > most => {
            format!("the message has {} octets and the relay takes at most {most}", body.size())
        }
        _ if body.is_8bit() && !conn.offers.eight_bit => {
            "the message has 8-bit text and the relay does not offer 8BITMIME".to_owned()
        }
        _ if mail.to.is_international() && !conn.offers.smtputf8 => {
            "the address has letters beyond ASCII and the relay does not offer SMTPUTF8".to_owned()
        }
        _ => return None,
    };
    Some(Outcome::Dead { cause: Cause::Refused, detail })
}

fn mail_line(conn: &Connection, mail: &Envelope<'_>, body: &Body<'_>) -> String {
    let mut line = format!("MAIL FROM:<{}>", mail.from);
    if conn.offers.size.is_some() {
        line.push_str(" SIZE=");
        line.push_str(&body.size().to_string());
    }
    if body.is_8bit() {
        line.push_str(" BODY=8BITMIME");
    }
    if mail.to.is_international() {
        line.push_str(" SMTPUTF8");
    }
    line.push_str("\r\n");
    line
}

fn rcpt_line(mail: &Envelope<'_>) -> String {
    format!("RCPT TO:<{}>\r\n", mail.to.as_str())
}

/// Whether the very first reply on a connection shows that the server had already left it.
fn gone(first: &Result<Reply, Fault>) -> Option<Fault> {
    match first {
        Ok(reply) if reply.is_goodbye() => Some(Fault::Reply(Step::Mail, reply.clone())),
        Err(fault @ Fault::Lost(..)) => Some(fault.clone()),
        _ => None,
    }
}

/// A reply that is neither what was asked for nor a refusal.
fn nonsense(step: Step, reply: &Reply) -> Fault {
    Fault::Lost(step, format!("the relay answered {}", reply.code))
}

async fn grouped(conn: &mut Connection, mail: &Envelope<'_>, body: &Body<'_>) -> Result<End, Fault> {
    let was_dirty = std::mem::replace(&mut conn.dirty, true);
    let reset = if was_dirty { "RSET\r\n" } else { "" };
    let group = format!("{reset}{}{}DATA\r\n", mail_line(conn, mail, body), rcpt_line(mail));
    let first = conn.ask(if was_dirty { Step::Rset } else { Step::Mail }, group).await;
    if let Some(fault) = gone(&first) {
        return Ok(End::Gone(fault));
    }
    let mut from = first?;
    if was_dirty {
        from = conn.hear(Step::Mail).await?;
    }
    if from.is_goodbye() {
        return Ok(broken(judged(Step::Mail, &from)));
    }
    let to = conn.hear(Step::Rcpt).await?;
    if to.is_goodbye() {
        return Ok(broken(judged(Step::Rcpt, &to)));
    }
    let data = conn.hear(Step::Data).await?;

    let refusal = [(Step::Mail, &from), (Step::Rcpt, &to)].into_iter().find(|(_, reply)| !reply.is_done());
    let Some((step, reply)) = refusal else {
        return if data.is_go_ahead() { offered(conn, body).await } else { Ok(not_offered(Step::Data, &data)) };
    };
    let end = not_offered(step, reply);
    if data.is_go_ahead() {
        // RFC 2920 §3.1: DATA may be accepted though no recipient was. A lone dot ends it; whatever the answer, there is
        // nobody whom it could have reached.
        return Ok(match conn.ask(Step::Body, ".\r\n").await {
            Ok(reply) if !reply.is_goodbye() => {
                conn.dirty = !reply.is_done();
                end
            }
            Ok(_) | Err(_) => without_connection(end),
        });
    }
    Ok(if data.is_goodbye() { without_connection(end) } else { end })
}

fn without_connection(end: End) -> End {
    match end {
        End::Settled { outcome, .. } => broken(outcome),
        End::Gone(fault) => End::Gone(fault),
    }
}

async fn stepwise(conn: &mut Connection, mail: &Envelope<'_>, body: &Body<'_>) -> Result<End, Fault> {
    if conn.dirty {
        let reset = conn.ask(Step::Rset, "RSET\r\n").await;
        if let Some(fault) = gone(&reset) {
            return Ok(End::Gone(fault));
        }
        reset?;
    }
    let from = conn.ask(Step::Mail, mail_line(conn, mail, body)).await;
    if !conn.dirty
        && let Some(fault) = gone(&from)
    {
        return Ok(End::Gone(fault));
    }
    let from = from?;
    conn.dirty = from.is_done();
    if !from.is_done() {
        return Ok(not_offered(Step::Mail, &from));
    }
    let to = conn.ask(Step::Rcpt, rcpt_line(mail)).await?;
    if !to.is_done() {
        return Ok(not_offered(Step::Rcpt, &to));
    }
    let data = conn.ask(Step::Data, "DATA\r\n").await?;
    if data.is_go_ahead() { offered(conn, body).await } else { Ok(not_offered(Step::Data, &data)) }
}

/// A step was refused, so the message was not offered.
fn not_offered(step: Step, reply: &Reply) -> End {
    if !matches!(reply.code, 400..=599) {
        return broken(nonsense(step, reply).outcome());
    }
    End::Settled { outcome: judged(step, reply), keep: !reply.is_goodbye() }
}

/// The relay waits for the message: from the final dot on, no answer means that nobody knows.
async fn offered(conn: &mut Connection, body: &Body<'_>) -> Result<End, Fault> {
    let before = conn.flushes();
    match conn.ask(Step::Body, body).await {
        Ok(reply) if reply.is_done() => {
            conn.dirty = false;
            Ok(settled(Outcome::Sent(reply.detail())))
        }
        Ok(reply) => {
            // Accepted or not, the transaction is over (RFC 5321 §4.1.1.4).
            conn.dirty = false;
            Ok(not_offered(Step::Body, &reply))
        }
        Err(fault) if conn.flushes() > before => Ok(broken(again(Cause::InDoubt, fault.detail()))),
        Err(fault) => Err(fault),
    }
}
