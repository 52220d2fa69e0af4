//! Webhooks: one signed POST (Standard Webhooks 1.0.0) and what its answer means. Never decides when to try again, and
//! never repeats a call by itself.
//!
//! Everything that fails is tried again by the schedule, except what cannot get better: an endpoint that says it is gone
//! (410, or `webhook-delivery: disable`), a message that it does not want (`webhook-delivery: abort-message`), and a
//! target that loa may not call.

pub mod event;
pub mod pace;
pub mod schema;
pub mod secret;

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use url::Url;

use crate::clock::Timestamp;
use crate::domain::delivery::{Cause, Outcome};
use crate::http::client::{Client, Response};
use crate::http::fault::Fault;
use crate::notify::webhook::secret::{Secret, sign};

/// Characters of an answer's body that are kept.
const DETAIL: usize = 200;

/// The longest wait that an endpoint can ask for.
const LONGEST_WISH: Duration = Duration::from_hours(24);

/// One attempt at one message.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Where the endpoint is.
    pub url: &'a Url,
    /// `webhook-id`: the same at every attempt of one event; without a dot.
    pub id: &'a str,
    /// `webhook-timestamp`: when this attempt is made.
    pub attempt_time: Timestamp,
    /// The event, in the very bytes that are signed and sent.
    pub body: &'a [u8],
    /// The endpoint's secrets, the newest first.
    pub secrets: &'a [Secret],
}

/// Makes the attempt and says what became of it.
pub async fn deliver(client: &Client, call: Call<'_>) -> Outcome {
    if call.secrets.is_empty() {
        return Outcome::Dead { cause: Cause::Unmakeable, detail: "the endpoint has no signing secret".into() };
    }
    let seconds = call.attempt_time.seconds();
    let headers = [
        ("content-type", "application/json"),
        ("webhook-id", call.id),
        ("webhook-timestamp", &seconds.to_string()),
        ("webhook-signature", &sign(call.id, seconds, call.body, call.secrets)),
    ];
    match client.post(call.url, &headers, call.body).await {
        Ok(answer) => judge(&answer, call.url, call.attempt_time),
        Err(fault) => failed(&fault, &call),
    }
}

/// What a call without an answer means. The operator's text goes to the log, the owner's into the outcome.
fn failed(fault: &Fault, call: &Call<'_>) -> Outcome {
    // The path and query of an endpoint may be secret; its host is not.
    tracing::info!(webhook_id = call.id, host = call.url.host_str(), %fault, "a webhook was not delivered");
    let detail = format!("{}: {}", fault.code(), fault.explain("en"));
    let cause = match fault {
        Fault::Forbidden(_) => return Outcome::Dead { cause: Cause::Forbidden, detail },
        Fault::Protocol { offered: false, .. } => return Outcome::Dead { cause: Cause::Unmakeable, detail },
        Fault::Dns(_) | Fault::Connect(_) | Fault::Tls(..) => Cause::Unreachable,
        Fault::Timeout { .. } => Cause::Timeout,
        Fault::TooLarge | Fault::Protocol { .. } => Cause::InDoubt,
    };
    Outcome::Retry { cause, detail, after: None }
}

/// What an answer means.
fn judge(answer: &Response, url: &Url, now: Timestamp) -> Outcome {
    let status = answer.status;
    let accepted = (200..300).contains(&status);
    match answer.header("webhook-delivery") {
        Some(word) if word.eq_ignore_ascii_case("disable") => {
            let detail = format!("HTTP {status}, and the endpoint asked for no more messages");
            return Outcome::Dead { cause: Cause::Gone, detail };
        }
        Some(word) if word.eq_ignore_ascii_case("abort-message") && !accepted => {
            let detail = format!("HTTP {status}, and the endpoint does not want this message");
            return Outcome::Dead { cause: Cause::Refused, detail };
        }
        _ => {}
    }
    let said = || format!("HTTP {status}{}", excerpt(answer));
    let retry = |cause, detail, after| Outcome::Retry { cause, detail, after };
    match status {
        200..300 => Outcome::Sent(format!("HTTP {status}")),
        300..400 => retry(Cause::Refused, format!("HTTP {status}{}", redirect(answer, url)), None),
        410 => Outcome::Dead { cause: Cause::Gone, detail: said() },
        429 | 503 => {
            let after = answer.header("retry-after").and_then(|value| retry_after(value, now));
            retry(Cause::Busy, said(), after)
        }
        408 | 500.. => retry(Cause::Busy, said(), None),
        _ => retry(Cause::Refused, said(), None),
    }
}

/// Where a redirect points, for the owner to see; it is never followed (Standard Webhooks; it would also leave the
/// address that was vetted and saved).
fn redirect(answer: &Response, url: &Url) -> String {
    let to = answer.header("location").and_then(|to| url.join(to).ok());
    match to.as_ref().and_then(Url::host_str) {
        Some(host) => format!(": it redirects to {host}, which is not followed; save the final address"),
        None => ": it redirects, which is not followed; save the final address".into(),
    }
}

/// How long the endpoint asks us to wait: seconds, or an HTTP date in the form that RFC 9110 §5.6.7 prefers.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        value.parse().map_or(LONGEST_WISH, Duration::from_secs)
    } else {
        Timestamp::from(DateTimeParser::new().parse_timestamp(value).ok()?).since(now)
    };
    Some(wait.min(LONGEST_WISH))
}

/// The start of the body as one line of plain text, after a colon; nothing if it is empty or compressed.
fn excerpt(answer: &Response) -> String {
    if answer.header("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return String::new();
    }
    let text = String::from_utf8_lossy(&answer.body_start);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !is_invisible(*c)).take(DETAIL).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

/// Characters that turn or hide the text around them on an operator's page.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFFD}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_as_seconds_and_as_a_date_and_is_at_most_a_day() {
        // 2026-11-23T00:00:00Z
        let now = Timestamp::from_millis(1_795_392_000_000);
        assert_eq!(now.http_date(), "Mon, 23 Nov 2026 00:00:00 GMT");
        for (value, wait) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("999999", Some(86_400)),
            ("99999999999999999999999", Some(86_400)),
            ("Mon, 23 Nov 2026 00:05:00 GMT", Some(300)),
            ("Sun, 22 Nov 2026 00:05:00 GMT", Some(0)),
            ("Mon, 30 Nov 2026 00:00:00 GMT", Some(86_400)),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now), wait.map(Duration::from_secs), "{value:?}");
        }
    }
}
