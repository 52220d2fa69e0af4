//! What comes back: reads a mail that reached the return path or the unsubscribe address, and says what it means. Never
//! answers anybody (RFC 3834 §2: so no two machines can talk for ever), never decides what becomes of a person, and never
//! believes a token: whether one is genuine is proved elsewhere.

mod complaint;
pub mod lmtp;
pub mod maildir;
mod prose;
mod report;

use std::borrow::Cow;

use mail_parser::{HeaderName, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use crate::domain::bounce::Cause;
use crate::domain::verp::Template;

/// Bytes of a mail that are looked at. What a report says stands at its beginning; what it returns may be of any size.
pub const LOOKED_AT: usize = 256 * 1024;

/// Parts of a mail that are looked at.
const PARTS: usize = 200;

/// Tokens that one mail may name.
const TOKENS: usize = 8;

/// A refusal that a report tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was at fault.
    pub cause: Cause,
    /// What the server said, shortened, with everything that looks like an address masked.
    pub detail: String,
    /// The addresses that the report names, in lower case, if it does: behind a forwarding they are others than ours.
    pub recipients: Vec<String>,
    /// Whether the same mail reached somebody else: then the address itself is there, and passes on.
    pub partly: bool,
}

/// What a mail means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A mail of ours was refused for good.
    Refused(Refusal),
    /// Its reader called it spam; in the words of the report.
    Complaint(String),
    /// Somebody wrote, or had a program write, to the address: it asks for what the address is for.
    Request,
    /// It means nothing to us; why.
    Ignored(&'static str),
    /// It looks like a report and cannot be understood: a person should look.
    Odd(&'static str),
}

/// A mail, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// What it means.
    pub meaning: Meaning,
    /// The token of the address that it came to, if it has one.
    pub addressed: Option<String>,
    /// Tokens that stand in what a report returns; empty for anything else.
    pub mentioned: Vec<String>,
}

/// Reads a mail; `envelope_to` is the address that it was handed over for, where that is known.
#[must_use]
pub fn read(raw: &[u8], envelope_to: Option<&str>, template: &Template) -> Arrived {
    let raw = &raw[..raw.len().min(LOOKED_AT)];
    let Some(mail) = MessageParser::default().parse(raw).filter(|mail| !mail.headers().is_empty()) else {
        let addressed = envelope_to.and_then(|to| template.token_of(to));
        return Arrived { meaning: Meaning::Odd("it is no mail"), addressed, mentioned: Vec::new() };
    };
    let addressed = envelope_to.and_then(|to| template.token_of(to)).or_else(|| addressed(&mail, template));
    let meaning = meaning(&mail);
    let mentioned = match meaning {
        Meaning::Refused(_) | Meaning::Complaint(_) => mentioned(&mail, raw, template),
        _ => Vec::new(),
    };
    Arrived { meaning, addressed, mentioned }
}

fn meaning(mail: &Message<'_>) -> Meaning {
    let parts = all_parts(mail);
    if let Some(part) = parts.iter().find(|p| is(p, "message", &["feedback-report"])) {
        return complaint::read(&text_of(part));
    }
    if let Some(part) = parts.iter().find(|p| is(p, "message", &["delivery-status", "global-delivery-status"])) {
        return report::read(&text_of(part));
    }
    if parts.iter().any(|p| is(p, "message", &["disposition-notification"])) {
        return Meaning::Ignored("it says that a mail was read");
    }
    if is_from_a_machine(mail) {
        let text = mail.body_text(0).unwrap_or_default();
        return prose::read(mail.subject().unwrap_or_default(), &text, header(mail, "X-Failed-Recipients").is_some());
    }
    if is_automatic(mail) { Meaning::Ignored("it was sent by a machine of its own accord") } else { Meaning::Request }
}

/// The null sender, or one of the names that mail servers report under.
fn is_from_a_machine(mail: &Message<'_>) -> bool {
    let null = header(mail, "Return-Path").is_some_and(|path| path.trim() == "<>");
    let from = mail.from().and_then(|f| f.first()).and_then(|a| a.address()).unwrap_or_default().to_ascii_lowercase();
    let local = from.split('@').next().unwrap_or_default();
    null || header(mail, "X-Failed-Recipients").is_some()
        || ["mailer-daemon", "postmaster", "mail-daemon", "mailerdaemon", "microsoftexchange"]
            .iter()
            .any(|name| local.starts_with(name))
}

/// RFC 3834 §2 and the marks from before it; lists and their loops too.
fn is_automatic(mail: &Message<'_>) -> bool {
    let says = |name: &str, words: &[&str]| {
        header(mail, name).is_some_and(|value| {
            let value = value.trim().to_ascii_lowercase();
            words.iter().any(|word| value.starts_with(word))
        })
    };
    // "auto-generated" is what a mail program may well write on the request that its user pressed a button for.
    says("Auto-Submitted", &["auto-replied", "auto-notified"])
        || says("Precedence", &["auto_reply", "bulk", "list", "junk"])
        || ["X-Autoreply", "X-Autorespond", "X-Autoresponse", "X-Autoresponder", "List-Id", "X-Loop"]
            .iter()
            .any(|name| header(mail, name).is_some())
}

fn header<'m>(mail: &'m Message<'_>, name: &str) -> Option<&'m str> {
    mail.header_raw(HeaderName::Other(Cow::Owned(name.to_owned())))
        .or_else(|| mail.headers_raw().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// The token of the address that the mail came to: as the last server noted it, else as its sender wrote it.
fn addressed(mail: &Message<'_>, template: &Template) -> Option<String> {
    ["Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To", "Cc"].iter().find_map(|name| {
        mail.headers_raw()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .find_map(|(_, value)| template.tokens_in(value, 1).pop())
    })
}

/// Tokens in the whole of a report: as it is, and as its parts decode.
fn mentioned(mail: &Message<'_>, raw: &[u8], template: &Template) -> Vec<String> {
    let mut found = template.tokens_in(&String::from_utf8_lossy(raw), TOKENS);
    for part in all_parts(mail) {
        for token in template.tokens_in(&text_of(part), TOKENS) {
            if found.len() < TOKENS && !found.contains(&token) {
                found.push(token);
            }
        }
    }
    found
}

/// Every part, those of returned messages too, as far as a sane mail has any.
fn all_parts<'m, 'x>(mail: &'m Message<'x>) -> Vec<&'m MessagePart<'x>> {
    let mut all = Vec::new();
    let mut open = vec![mail];
    while let Some(one) = open.pop() {
        for part in &one.parts {
            if all.len() == PARTS {
                return all;
            }
            all.push(part);
            if let PartType::Message(inner) = &part.body {
                open.push(inner);
            }
        }
    }
    all
}

fn is(part: &MessagePart<'_>, kind: &str, subtypes: &[&str]) -> bool {
    part.content_type().is_some_and(|ct| {
        ct.ctype().eq_ignore_ascii_case(kind)
            && ct.subtype().is_some_and(|own| subtypes.iter().any(|s| own.eq_ignore_ascii_case(s)))
    })
}

fn text_of<'m>(part: &'m MessagePart<'_>) -> Cow<'m, str> {
    match &part.body {
        PartType::Text(text) | PartType::Html(text) => Cow::Borrowed(text),
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => String::from_utf8_lossy(bytes),
        PartType::Message(_) | PartType::Multipart(_) => Cow::Borrowed(""),
    }
}

/// Groups of header fields (RFC 3464 §2.1), names in lower case, folded lines joined. Bounded, whatever comes.
fn groups(text: &str) -> Vec<Vec<(String, String)>> {
    const MOST: usize = 64;
    const LONGEST: usize = 2_000;
    let mut groups: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for line in text.lines() {
        if line.trim().is_empty() {
            if groups.last().is_some_and(|g| !g.is_empty()) {
                if groups.len() == MOST {
                    break;
                }
                groups.push(Vec::new());
            }
            continue;
        }
        let Some(group) = groups.last_mut() else { break };
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = group.last_mut().filter(|(_, value)| value.len() < LONGEST) {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':')
            && group.len() < MOST
        {
            group.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    groups.retain(|g| !g.is_empty());
    groups
}

fn field<'g>(group: &'g [(String, String)], name: &str) -> Option<&'g str> {
    group.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests;
