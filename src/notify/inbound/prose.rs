//! Refusals told in prose, by servers that write no report for machines. Only asked of what a machine sent to a return
//! path; sure of little: where neither a code nor known words are found, the cause stays unknown.

use super::report::reply;
use super::{Meaning, Refusal};
use crate::domain::bounce::{Cause, Status};
use crate::notify::smtp::reply::presentable;

/// Characters of the text that are looked at: what was said stands before what is returned.
const LOOKED_AT: usize = 8_000;

const LATE: [&str; 9] = [
    "delayed",
    "delay notification",
    "warning: could not send",
    "warning message only",
    "will continue to try",
    "will keep trying",
    "not yet been delivered",
    "still being retried",
    "do not need to resend",
];

const FAILED: [&str; 19] = [
    "undeliver",
    "delivery failed",
    "delivery failure",
    "delivery has failed",
    "delivery status notification",
    "mail delivery system",
    "mail delivery subsystem",
    "failure notice",
    "failed delivery",
    "returned mail",
    "returned to sender",
    "returning message",
    "message not delivered",
    "could not be delivered",
    "couldn't be delivered",
    "unable to deliver",
    "wasn't able to deliver",
    "không gửi được",
    "không thể gửi",
];

const AWAY: [&str; 5] = ["out of office", "automatic reply", "autoreply", "auto reply", "trả lời tự động"];

/// Reads subject and text; `named` when a header names the recipients that failed.
pub(super) fn read(subject: &str, text: &str, named: bool) -> Meaning {
    let end = text.char_indices().nth(LOOKED_AT).map_or(text.len(), |(at, _)| at);
    // Where a server returns our mail in the text itself, what it said ends there.
    let text = &text[..end];
    let said = ["\n--- Below this line", "\n------ This is a copy", "\n----- Original message", "\nReceived: "]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min()
        .map_or(text, |at| &text[..at]);
    let (head, body) = (subject.to_lowercase(), said.to_lowercase());
    if AWAY.iter().any(|word| head.contains(word)) {
        return Meaning::Ignored("somebody is away");
    }
    if LATE.iter().any(|word| head.contains(word) || body.contains(word)) {
        return Meaning::Ignored("nothing has failed for good");
    }
    if !named && !FAILED.iter().any(|word| head.contains(word) || body.contains(word)) {
        return Meaning::Odd("a machine wrote to a return path, and it is no known report");
    }
    let (cause, line) = judged(said);
    Meaning::Refused(Refusal { cause, detail: presentable(line), recipients: Vec::new(), partly: false })
}

/// The first line that has a code, and what it means; else what words say.
fn judged(text: &str) -> (Cause, &str) {
    for line in text.lines().map(str::trim) {
        if let Some((code, rest)) = reply(line).filter(|(code, _)| *code >= 500) {
            return (Cause::of_reply(code, rest), line);
        }
        let status = line.split([' ', '(', ')', '<', '>', '[', ']', ',', ';']).find_map(|word| {
            Status::parse(word.trim_start_matches('#').trim_end_matches([':', '.'])).filter(|s| s.class == 5)
        });
        if let Some(status) = status {
            return (Cause::of_status(status, line), line);
        }
    }
    let plain = Status { class: 5, subject: 0, detail: 0 };
    let telling = |line: &&str| Cause::of_status(plain, line) != Cause::Unknown;
    match text.lines().map(str::trim).find(telling) {
        Some(line) => (Cause::of_status(plain, line), line),
        None => (Cause::Unknown, text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default()),
    }
}
