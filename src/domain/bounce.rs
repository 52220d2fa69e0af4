//! Bounces: what a refusal says about an address, and what it does not. One reading of reply codes and enhanced status
//! codes (RFC 3463, RFC 5248) for replies in a dialogue and for reports that come back later. Never says what becomes of
//! a person: that takes more than one refusal (see [`standing`]).

pub mod standing;

use crate::domain::delivery;

/// What is at fault when a mail is refused; each is acted upon differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The address: there is no such mailbox or domain, or it is switched off (5.1.1, 5.1.2, 5.1.3, 5.1.6, 5.1.10, 5.2.1).
    NoSuchUser,
    /// The mailbox is full (x.2.2): people come back from leave.
    MailboxFull,
    /// The receiver refuses us: reputation, block lists, authentication of the domain (x.7.x). Says nothing of the person.
    Policy,
    /// The receiver refuses this message: size, form, what is in it (5.2.3, 5.3.4, 5.6.x).
    Content,
    /// Something is wrong on our side: our address, our routing, our dialogue (5.1.7, 5.1.8, 5.4.x, 5.5.x, 530, 538).
    Sender,
    /// Not now (4.x.x, and what was tried until time ran out).
    Temporary,
    /// Refused, and nothing that we can read says why.
    Unknown,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::NoSuchUser,
        Self::MailboxFull,
        Self::Policy,
        Self::Content,
        Self::Sender,
        Self::Temporary,
        Self::Unknown,
    ];

    /// The word in the database, in metrics and in CSV.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchUser => "no_such_user",
            Self::MailboxFull => "mailbox_full",
            Self::Policy => "policy",
            Self::Content => "content",
            Self::Sender => "sender",
            Self::Temporary => "temporary",
            Self::Unknown => "unknown",
        }
    }

    /// The cause that this word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == word)
    }

    /// What a negative reply means: its code, and its text with the enhanced status code in front, if there is one
    /// (RFC 2034 §4: one whose class is not the code's is ignored). Only for replies about the receiver or the message
    /// (RCPT, DATA, the final dot): at MAIL a "no such address" is about the sender.
    #[must_use]
    pub fn of_reply(code: u16, text: &str) -> Self {
        if matches!(code, 530 | 538) {
            return Self::Sender;
        }
        let status = Status::leading(text).filter(|s| u16::from(s.class) == code / 100);
        match status {
            Some(status) => Self::of_status(status, text),
            None if code / 100 == 4 => {
                if code == 452 {
                    by_words(text).unwrap_or(Self::Temporary)
                } else {
                    Self::Temporary
                }
            }
            None => match (by_words(text), code) {
                (Some(cause), _) => cause,
                (None, 550 | 551 | 553) => Self::NoSuchUser,
                (None, 552) => Self::MailboxFull,
                (None, 500..=504) => Self::Sender,
                (None, _) => Self::Unknown,
            },
        }
    }

    /// What the end of a delivery says, if it says anything: `detail` is the reply as the ledger keeps it, its code in
    /// front.
    #[must_use]
    pub fn of_failure(failure: delivery::Cause, detail: &str) -> Option<Self> {
        let (code, text) = detail.split_once(' ').unwrap_or((detail, ""));
        let code = code.parse().ok().filter(|code| matches!(code, 400..=599))?;
        let cause = Self::of_reply(code, text);
        match (failure, cause) {
            (delivery::Cause::Address, Self::Policy) => Some(Self::Policy),
            (delivery::Cause::Address, _) => Some(Self::NoSuchUser),
            // Refused although the code speaks of an address: of ours, at MAIL.
            (delivery::Cause::Refused, Self::NoSuchUser) => Some(Self::Sender),
            // A bare 552 behind the message is about the message.
            (delivery::Cause::Refused, Self::MailboxFull) => Some(Self::Content),
            (delivery::Cause::Refused | delivery::Cause::Exhausted, cause) => Some(cause),
            _ => None,
        }
    }

    /// What an enhanced status code means, with the words that came with it: codes of the kind "other" (`5.0.0`) say
    /// nothing, and some receivers answer "no such user" to senders that they block; then the words decide.
    #[must_use]
    pub fn of_status(status: Status, text: &str) -> Self {
        match (status.class, status.subject, status.detail) {
            (_, 2, 2) => Self::MailboxFull,
            (_, 1, 1 | 2 | 3 | 6 | 10) | (_, 2, 1) if status.class == 5 => match by_words(text) {
                Some(Self::Policy) => Self::Policy,
                _ => Self::NoSuchUser,
            },
            // "No route to the domain" is what a relay says of a domain that is gone, and of its own broken resolver.
            (5, 4, 4) => Self::Unknown,
            (5, 1, 7 | 8) | (5, 5, _) | (5, 7, 8 | 9) => Self::Sender,
            (4 | 5, 7, _) => Self::Policy,
            (4, ..) | (_, 3, 1) | (_, 4, 7) => Self::Temporary,
            (_, 4, _) => Self::Sender,
            (_, 2, 3) | (_, 3, 4) | (_, 6, _) => Self::Content,
            _ => by_words(text).unwrap_or(Self::Unknown),
        }
    }
}

/// An enhanced status code: `5.1.1` (RFC 3463 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// 2 success, 4 not now, 5 never.
    pub class: u8,
    /// What it is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub subject: u16,
    /// What exactly.
    pub detail: u16,
}

impl Status {
    /// Reads a code that stands alone.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let number = |s: &str| {
            (!s.is_empty() && s.len() <= 3 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse().ok()).flatten()
        };
        let mut parts = word.splitn(3, '.');
        let (class, subject, detail) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
        matches!(class, 2 | 4 | 5).then(|| Self { class: u8::try_from(class).unwrap_or(5), subject, detail })
    }

    /// The code that a text begins with.
    #[must_use]
    pub fn leading(text: &str) -> Option<Self> {
        Self::parse(text.split_whitespace().next()?.trim_matches(['(', ')', '#', ':', ',', ';', '[', ']']))
    }

    /// Whether it names something, rather than "other" (`x.0.0`).
    #[must_use]
    pub const fn is_telling(self) -> bool {
        self.subject != 0
    }
}

/// What the words of a refusal name, where no code does. The words for "we do not want you" come first: a receiver that
/// blocks a sender often calls the mailbox "unavailable" as well, and a person must not lose their mail for that.
fn by_words(text: &str) -> Option<Cause> {
    const WORDS: [(Cause, &[&str]); 4] = [
        (
            Cause::Policy,
            &[
                "spam",
                "blacklist",
                "blocklist",
                "block list",
                "blocked",
                "reputation",
                "dnsbl",
                "rbl",
                "dmarc",
                "dkim",
                "spf",
                "policy",
                "banned",
                "not authorized",
                "not authorised",
                "unauthenticated",
                "rate limit",
                "too many",
                "relay access denied",
                "relaying denied",
                "access denied",
                "greylist",
            ],
        ),
        (
            Cause::MailboxFull,
            &["mailbox full", "mailbox is full", "quota", "over limit", "out of storage", "insufficient storage"],
        ),
        (Cause::Content, &["too large", "size limit", "exceeds maximum", "message size", "attachment", "virus"]),
        (
            Cause::NoSuchUser,
            &[
                "user unknown",
                "unknown user",
                "no such user",
                "no such recipient",
                "no such mailbox",
                "unknown recipient",
                "recipient unknown",
                "does not exist",
                "doesn't exist",
                "not found",
                "invalid recipient",
                "invalid mailbox",
                "no mailbox here",
                "unrouteable address",
                "unknown address",
                "address unknown",
                "account disabled",
                "account has been disabled",
                "mailbox disabled",
                "no longer on server",
                "user doesn",
                "not a known user",
            ],
        ),
    ];
    let text = text.to_ascii_lowercase();
    WORDS.into_iter().find(|(_, words)| words.iter().any(|w| text.contains(w))).map(|(cause, _)| cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_as_the_rules_say() {
        for (code, text, cause) in [
            (550, "5.1.1 no such user", Cause::NoSuchUser),
            (550, "5.1.2 bad destination", Cause::NoSuchUser),
            (550, "5.2.1 mailbox disabled", Cause::NoSuchUser),
            (556, "5.1.10 recipient has null MX", Cause::NoSuchUser),
            (552, "5.2.2 over quota", Cause::MailboxFull),
            (452, "4.2.2 over quota", Cause::MailboxFull),
            (550, "5.7.1 refused", Cause::Policy),
            (550, "5.7.515 not signed", Cause::Policy),
            (421, "4.7.0 slow down", Cause::Policy),
            (451, "4.3.0 later", Cause::Temporary),
            (421, "closing", Cause::Temporary),
            (554, "5.6.0 bad form", Cause::Content),
            (552, "5.3.4 too big", Cause::Content),
            (550, "5.4.1 no answer", Cause::Sender),
            (550, "5.4.4 no route", Cause::Unknown),
            (530, "5.7.0 sign in first", Cause::Sender),
            (553, "5.1.8 your domain does not resolve", Cause::Sender),
            (554, "5.5.1 out of order", Cause::Sender),
            (550, "no such user here", Cause::NoSuchUser),
            (550, "mailbox unavailable", Cause::NoSuchUser),
            (550, "blocked, see the list; mailbox unavailable", Cause::Policy),
            (550, "5.1.1 mailbox unavailable: your host is on our blacklist", Cause::Policy),
            (554, "nothing said", Cause::Unknown),
            (552, "storage", Cause::MailboxFull),
            (550, "4.1.1 the class does not agree, user unknown", Cause::NoSuchUser),
            (550, "5.0.0 user unknown", Cause::NoSuchUser),
        ] {
            assert_eq!(Cause::of_reply(code, text), cause, "{code} {text}");
        }
    }

    #[test]
    fn a_delivery_that_ended_says_something_of_the_address_only_by_a_reply_about_it() {
        use delivery::Cause as Failure;
        for (failure, detail, said) in [
            (Failure::Address, "550 5.1.1 unknown", Some(Cause::NoSuchUser)),
            (Failure::Address, "550 5.1.1 blocked by our list", Some(Cause::Policy)),
            (Failure::Refused, "553 5.1.1 no such sender", Some(Cause::Sender)),
            (Failure::Refused, "550 5.7.1 no", Some(Cause::Policy)),
            (Failure::Exhausted, "452 4.2.2 full", Some(Cause::MailboxFull)),
            (Failure::Exhausted, "no connection", None),
            (Failure::InDoubt, "550 5.1.1 unknown", None),
            (Failure::Unmakeable, "5", None),
        ] {
            assert_eq!(Cause::of_failure(failure, detail), said, "{failure:?} {detail}");
        }
    }

    #[test]
    fn words_name_causes_and_only_codes_are_codes() {
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.as_str()), Some(cause));
        }
        assert_eq!(Status::parse("5.1.1"), Some(Status { class: 5, subject: 1, detail: 1 }));
        for bad in ["5.1", "5.1.1.1", "6.1.1", "5..1", "5.1.1000", "5.1.x", ""] {
            assert_eq!(Status::parse(bad), None, "{bad}");
        }
    }
}
