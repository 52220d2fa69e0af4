//! What the relay says, and what it means for a mail: replies, enhanced status codes (RFC 3463), faults, and the
//! [`Outcome`] of each. Never shows a mail address.

use std::time::Duration;

use crate::domain::bounce::{Cause as Blame, Status};
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

    /// The receiver wants fewer mails, not never this one: 421, or a policy that will have passed (4.7.x, RFC 3463 §3.8).
    pub(super) fn wants_fewer(&self) -> bool {
        let policy = || Status::leading(&self.text).is_some_and(|s| (s.class, s.subject) == (4, 7));
        self.is_goodbye() || (self.is_later() && policy())
    }

    /// One that says that the commands came in the wrong order or too early (RFC 5321 §4.2.4; 554 is Exim's "protocol
    /// synchronization error").
    pub(super) const fn is_about_order(&self) -> bool {
        matches!(self.code, 500..=504 | 554)
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

/// What a negative reply to one step of a mail means for that mail, and what is at fault.
///
/// What is wrong with us (our address, our dialogue) is not held against the mail: it is tried again, and an operator can
/// put it right meanwhile.
pub(super) fn judged(step: Step, reply: &Reply) -> (Outcome, Blame) {
    let detail = reply.detail();
    if !matches!(reply.code, 500..=599) {
        return (again(Cause::Busy, detail), Blame::Temporary);
    }
    let fault = match Blame::of_reply(reply.code, &reply.text) {
        // At MAIL the address in question is the sender's, which says nothing about the receiver; at DATA nobody's.
        Blame::NoSuchUser | Blame::MailboxFull | Blame::Unknown if step == Step::Mail => Blame::Sender,
        // Behind the message a bare code is about the message.
        Blame::NoSuchUser | Blame::MailboxFull
            if matches!(step, Step::Data | Step::Body) && Status::leading(&reply.text).is_none() =>
        {
            Blame::Content
        }
        fault => fault,
    };
    let outcome = match fault {
        Blame::NoSuchUser => Outcome::Dead { cause: Cause::Address, detail },
        // People come back from leave.
        Blame::MailboxFull | Blame::Temporary => again(Cause::Busy, detail),
        Blame::Sender => again(Cause::Refused, detail),
        Blame::Policy | Blame::Content | Blame::Unknown => Outcome::Dead { cause: Cause::Refused, detail },
    };
    (outcome, fault)
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
        kind(&judged(step, &Reply { code: code.parse().unwrap(), text: text.into() }).0)
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
            ("550 5.4.1 relay access denied", "retry refused"),
            ("550 5.1.8 bad sender", "retry refused"),
            ("554 no valid recipients", "dead refused"),
            ("530 5.7.0 sign in first", "retry refused"),
        ] {
            assert_eq!(at(Step::Rcpt, reply), meaning, "{reply}");
        }
    }

    #[test]
    fn a_sender_or_a_message_that_is_refused_leaves_the_address_in_good_standing() {
        for (step, reply, meaning) in [
            (Step::Mail, "550 5.1.1 sender unknown", "retry refused"),
            (Step::Mail, "550 no", "retry refused"),
            (Step::Mail, "550 5.7.1 not from you", "dead refused"),
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
    fn only_a_policy_that_passes_and_a_farewell_ask_for_fewer_mails() {
        for (code, text, fewer) in [
            (421, "", true),
            (450, "4.7.1 slow down", true),
            (451, "4.7.650 too fast", true),
            (450, "4.2.1 greylisted", false),
            (452, "4.3.1 disk full", false),
            (550, "5.7.1 never", false),
            (250, "4.7.0 odd", false),
        ] {
            assert_eq!(Reply { code, text: text.into() }.wants_fewer(), fewer, "{code} {text}");
        }
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
