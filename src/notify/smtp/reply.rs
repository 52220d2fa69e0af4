//! What the relay says, and what it means for a mail: replies, enhanced status codes (RFC 3463), faults, and the
//! [`Outcome`] of each. Never shows a mail address.

use std::time::Duration;

use lettre::transport::smtp::response::Response;

use crate::domain::delivery::{Cause, Outcome};
use crate::domain::subscriber::EmailAddress;

use super::settings::Deadlines;

/// The steps of a dialogue, each with a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Connect,
    Tls,
    Hello,
    Starttls,
    Auth,
    Rset,
    Mail,
    Rcpt,
    Data,
    Body,
    Quit,
}

impl Step {
    /// How the step is called in a message to the operator.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "the connection",
            Self::Tls => "the TLS handshake",
            Self::Hello => "greeting and EHLO",
            Self::Starttls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Rset => "RSET",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Body => "the message",
            Self::Quit => "QUIT",
        }
    }

    /// The longest that it may take.
    pub(super) const fn deadline(self, deadlines: &Deadlines) -> Duration {
        match self {
            Self::Connect => deadlines.connect,
            Self::Tls => deadlines.tls,
            Self::Hello => deadlines.hello,
            Self::Starttls => deadlines.starttls,
            Self::Auth => deadlines.auth,
            Self::Rset => deadlines.rset,
            Self::Mail => deadlines.mail,
            Self::Rcpt => deadlines.rcpt,
            Self::Data => deadlines.data,
            Self::Body => deadlines.body,
            Self::Quit => deadlines.quit,
        }
    }
}

/// A whole reply, its lines joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) text: String,
}

impl Reply {
    /// From a positive response of lettre's.
    pub(super) fn positive(response: &Response) -> Self {
        let mut text = String::new();
        for line in response.message() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(line);
        }
        Self { code: u16::from(response.code()), text }
    }

    /// From a negative one, which lettre makes an error of.
    pub(super) fn negative(error: &lettre::transport::smtp::Error) -> Option<Self> {
        let code = u16::from(error.status()?);
        let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        Some(Self { code, text })
    }

    /// 2yz.
    pub(super) const fn is_done(&self) -> bool {
        self.code / 100 == 2
    }

    /// 354: the message may come.
    pub(super) const fn is_go_ahead(&self) -> bool {
        self.code == 354
    }

    /// 4yz.
    pub(super) const fn is_later(&self) -> bool {
        self.code / 100 == 4
    }

    /// 421: the server closes (RFC 5321 §3.8).
    pub(super) const fn is_goodbye(&self) -> bool {
        self.code == 421
    }

    /// Subject and detail of the enhanced status code, if there is one and its class agrees with the code (RFC 2034 §4).
    fn enhanced(&self) -> Option<(u16, u16)> {
        let mut parts = self.text.split_whitespace().next()?.splitn(3, '.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        let number =
            |s: &str| (s.len() <= 3 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse().ok()).flatten();
        (number(class)? == self.code / 100).then_some((number(subject)?, number(detail)?))
    }

    /// Code and text, shortened, without addresses.
    pub(super) fn detail(&self) -> String {
        let text = self.text.trim();
        presentable(&if text.is_empty() { self.code.to_string() } else { format!("{} {text}", self.code) })
    }
}

/// Why a step got no reply, or one that ends the dialogue.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The relay cannot be reached: no such host, no connection.
    Unreachable(String),
    /// It was not asked, since it could not be reached a moment ago.
    Resting(String),
    /// The connection broke, or what came was not SMTP.
    Lost(Step, String),
    /// The deadline of the step passed.
    Timeout(Step, Duration),
    /// The relay answered, and the answer is no.
    Reply(Step, Reply),
    /// Something that only an operator can put right: TLS is missing, the certificate is wrong.
    Unfit(String),
}

impl Fault {
    /// What is wrong, in one line, without addresses or secrets.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Unreachable(why) | Self::Resting(why) | Self::Unfit(why) => presentable(why),
            Self::Lost(step, why) => presentable(&format!("{} at {}", why, step.name())),
            Self::Timeout(step, after) => format!("no answer within {after:?} at {}", step.name()),
            Self::Reply(step, reply) => presentable(&format!("{} (at {})", reply.detail(), step.name())),
        }
    }

    /// What it means for a mail that was not yet offered: always "again", for the mail is not at fault.
    pub(super) fn outcome(&self) -> Outcome {
        let cause = match self {
            Self::Unreachable(_) | Self::Resting(_) | Self::Lost(..) => Cause::Unreachable,
            Self::Timeout(..) => Cause::Timeout,
            Self::Reply(_, reply) if reply.is_later() => Cause::Busy,
            Self::Reply(..) | Self::Unfit(_) => Cause::Refused,
        };
        again(cause, self.detail())
    }
}

/// [`Outcome::Retry`] without a time.
pub(super) const fn again(cause: Cause, detail: String) -> Outcome {
    Outcome::Retry { cause, detail, after: None }
}

/// What a negative reply to one step of a mail means for that mail.
pub(super) fn judged(step: Step, reply: &Reply) -> Outcome {
    let detail = reply.detail();
    if !matches!(reply.code, 500..=599) {
        return again(Cause::Busy, detail);
    }
    // 530 and 538 are about the session (sign in, encrypt first: RFC 4954 §6), not about this mail.
    if matches!(reply.code, 530 | 538) {
        return again(Cause::Refused, detail);
    }
    match reply.enhanced() {
        // Mailbox full: people come back from leave.
        Some((2, 2)) => again(Cause::Busy, detail),
        // At MAIL the address in question is the sender's, which says nothing about the receiver.
        Some((1, 1 | 2 | 3 | 6 | 10) | (2, 1)) if step != Step::Mail => Outcome::Dead { cause: Cause::Address, detail },
        None if step == Step::Rcpt => match reply.code {
            550 | 551 | 553 => Outcome::Dead { cause: Cause::Address, detail },
            552 => again(Cause::Busy, detail),
            _ => Outcome::Dead { cause: Cause::Refused, detail },
        },
        _ => Outcome::Dead { cause: Cause::Refused, detail },
    }
}

/// The most characters of a reply that are kept.
const LONGEST_DETAIL: usize = 200;

/// Shortened, on one line, with everything that looks like a mail address masked.
pub(in crate::notify) fn presentable(text: &str) -> String {
    let part_of_address = |c: char| c.is_alphanumeric() || "@.!#$%&'*+-/=?^_`{|}~".contains(c);
    let mut out = String::with_capacity(text.len().min(LONGEST_DETAIL * 2));
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c| !part_of_address(c)).unwrap_or(rest.len());
        if end == 0 {
            out.push(if c.is_control() { ' ' } else { c });
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(end);
        if word.contains('@') {
            let bare = word.trim_end_matches(['.', '\'', '!', '?']);
            out.push_str(&EmailAddress::parse(bare).map_or_else(|_| "***@***".to_owned(), |a| a.to_string()));
        } else {
            out.push_str(word);
        }
        rest = after;
    }
    match out.char_indices().nth(LONGEST_DETAIL) {
        Some((at, _)) => format!("{}…", &out[..at]),
        None => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Sent(_) => "sent".into(),
            Outcome::Retry { cause, .. } => format!("retry {}", cause.as_str()),
            Outcome::Dead { cause, .. } => format!("dead {}", cause.as_str()),
        }
    }

    fn at(step: Step, reply: &str) -> String {
        let (code, text) = reply.split_once(' ').unwrap_or((reply, ""));
        kind(&judged(step, &Reply { code: code.parse().unwrap(), text: text.into() }))
    }

    #[test]
    fn only_replies_about_the_address_are_held_against_the_address() {
        for (reply, meaning) in [
            ("550 5.1.1 no such user", "dead address"),
            ("550 5.1.2 no such domain", "dead address"),
            ("553 5.1.3 bad syntax", "dead address"),
            ("550 5.1.6 moved", "dead address"),
            ("556 5.1.10 null MX", "dead address"),
            ("550 5.2.1 disabled", "dead address"),
            ("550 no such user", "dead address"),
            ("551 not local", "dead address"),
            ("553 not allowed", "dead address"),
            ("550", "dead address"),
            ("552 5.2.2 over quota", "retry busy"),
            ("552 over quota", "retry busy"),
            ("452 too many", "retry busy"),
            ("450 4.1.1 greylisted", "retry busy"),
            ("550 5.7.1 blocked by policy", "dead refused"),
            ("550 5.4.1 relay access denied", "dead refused"),
            ("550 5.1.8 bad sender", "dead refused"),
            ("554 no valid recipients", "dead refused"),
            ("530 5.7.0 sign in first", "retry refused"),
        ] {
            assert_eq!(at(Step::Rcpt, reply), meaning, "{reply}");
        }
    }

    #[test]
    fn a_sender_or_a_message_that_is_refused_leaves_the_address_in_good_standing() {
        for (step, reply, meaning) in [
            (Step::Mail, "550 5.1.1 sender unknown", "dead refused"),
            (Step::Mail, "550 no", "dead refused"),
            (Step::Mail, "451 4.7.1 slow down", "retry busy"),
            (Step::Data, "554 no", "dead refused"),
            (Step::Body, "554 5.7.1 spam", "dead refused"),
            (Step::Body, "552 too big", "dead refused"),
            (Step::Body, "550 5.1.1 no such user after all", "dead address"),
            (Step::Body, "452 4.3.1 disk full", "retry busy"),
            (Step::Body, "421 4.3.2 going down", "retry busy"),
        ] {
            assert_eq!(at(step, reply), meaning, "{reply}");
        }
    }

    #[test]
    fn an_enhanced_code_of_another_class_is_not_believed() {
        assert_eq!(at(Step::Rcpt, "550 4.2.2 confused"), "dead address");
        assert_eq!(at(Step::Rcpt, "550 5.7 half a code"), "dead address");
        assert_eq!(at(Step::Rcpt, "550 5.7.1234 not a code"), "dead address");
    }

    #[test]
    fn mail_addresses_in_replies_are_masked() {
        let shown = presentable("550 <nguyen.an@so.example.vn>: user an@x unknown,\r\nsee \"binh+tin@example.vn\".");
        assert_eq!(shown, "550 <n***@s***.vn>: user ***@*** unknown,  see \"b***@e***.vn\".");
    }

    #[test]
    fn a_long_reply_is_shortened_at_a_character() {
        let shown = presentable(&"ủy ban ".repeat(100));
        assert_eq!(shown.chars().count(), 201);
        assert!(shown.ends_with('…'));
    }
}
