//! Delivery status notifications (RFC 3464), also as servers write them that do not keep to it. Acts on `failed` alone:
//! a delay is no refusal (RFC 3464 §2.3.3).

use super::{Meaning, Refusal, field, groups};
use crate::domain::bounce::{Cause, Status};
use crate::notify::smtp::reply::presentable;

/// What one recipient's group says.
struct Told {
    failed: bool,
    cause: Cause,
    detail: String,
    recipients: Vec<String>,
}

/// Reads the part that is meant for machines.
pub(super) fn read(text: &str) -> Meaning {
    let told: Vec<Told> = groups(text).iter().filter_map(|group| recipient(group)).collect();
    if told.is_empty() {
        return Meaning::Odd("a delivery report without a recipient");
    }
    let partly = told.iter().any(|t| !t.failed);
    let Some(first) = told.iter().position(|t| t.failed) else {
        return Meaning::Ignored("nothing has failed for good");
    };
    let recipients = told.iter().flat_map(|t| t.recipients.clone()).collect();
    let Told { cause, detail, .. } = &told[first];
    // Behind a forwarding several may have failed, each for its own reason: nothing is sure then.
    let cause = if told.iter().filter(|t| t.failed).all(|t| t.cause == *cause) { *cause } else { Cause::Unknown };
    Meaning::Refused(Refusal { cause, detail: detail.clone(), recipients, partly })
}

fn recipient(group: &[(String, String)]) -> Option<Told> {
    let status = field(group, "status").and_then(Status::leading);
    let action = field(group, "action").map(str::to_ascii_lowercase);
    if status.is_none() && action.is_none() {
        // The group about the message as a whole.
        return None;
    }
    let failed = match action.as_deref().map(|a| a.trim_end_matches(|c: char| !c.is_ascii_alphabetic())) {
        Some("failed" | "failure") => true,
        Some("delayed" | "relayed" | "delivered" | "expanded") => false,
        // Left out, or a word of its own: the class decides.
        _ => status.is_some_and(|s| s.class == 5),
    };
    let diagnostic = field(group, "diagnostic-code").map(said).unwrap_or_default();
    let cause = cause(status, diagnostic);
    let detail = match (diagnostic, field(group, "status")) {
        ("", status) => presentable(status.unwrap_or_default()),
        (text, _) => presentable(text),
    };
    let recipients = ["original-recipient", "final-recipient"]
        .iter()
        .filter_map(|name| field(group, name))
        .map(|value| said(value).trim_matches(['<', '>']).to_ascii_lowercase())
        .filter(|address| address.contains('@'))
        .collect();
    Some(Told { failed, cause, detail, recipients })
}

/// What follows the type: `smtp; 550 …`, `rfc822; an@…`.
fn said(value: &str) -> &str {
    let bare = value.split_once(';').filter(|(kind, _)| !kind.trim().contains(' ')).map_or(value, |(_, rest)| rest);
    bare.trim()
}

/// The remote server's own word, if it has a telling code; else that of whoever wrote the report.
fn cause(status: Option<Status>, diagnostic: &str) -> Cause {
    let reply = reply(diagnostic);
    if let Some((_, text)) = reply
        && let Some(own) = Status::leading(text).filter(|s| s.is_telling())
    {
        return Cause::of_status(own, text);
    }
    match (status.filter(|s| s.is_telling()), reply) {
        (Some(status), _) => Cause::of_status(status, diagnostic),
        (None, Some((code, text))) => Cause::of_reply(code, text),
        (None, None) => status.map_or(Cause::Unknown, |status| Cause::of_status(status, diagnostic)),
    }
}

/// Code and text of an SMTP reply, as it stands in a diagnostic: `550 5.1.1 …`, `550-5.1.1 …`, `SMTP error 550 …`.
pub(super) fn reply(text: &str) -> Option<(u16, &str)> {
    let bytes = text.as_bytes();
    for at in 0..bytes.len().saturating_sub(2) {
        let starts = at == 0 || !bytes[at - 1].is_ascii_alphanumeric() && !matches!(bytes[at - 1], b'.' | b'#' | b'-');
        if !starts || !matches!(bytes[at], b'4' | b'5') || !bytes[at..at + 3].iter().all(u8::is_ascii_digit) {
            continue;
        }
        match bytes.get(at + 3) {
            None => return Some((text[at..].parse().ok()?, "")),
            Some(b' ' | b'-' | b':' | b'>' | b'\t') => {
                return Some((text[at..at + 3].parse().ok()?, text[at + 4..].trim_start()));
            }
            Some(_) => {}
        }
    }
    None
}
