//! What went wrong with a call, in one sentence for the operator. Never shows what an address hides: a key in its query.

use url::Url;

use super::super::SourceError;
use crate::http::fault::Fault;

/// Words that name a secret when they stand in the name of a query's key.
const SECRET: [&str; 8] = ["key", "token", "secret", "pass", "pwd", "sig", "auth", "session"];

/// What stands in a message for a secret.
const HIDDEN: &str = "***";

/// The longest address that a message shows, in bytes.
const SHOWN: usize = 300;

/// Speaks for one source.
#[derive(Clone, Debug)]
pub(super) struct Words(String);

impl Words {
    pub(super) fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// A setting that cannot be right.
    pub(super) fn setting(&self, what: &str) -> SourceError {
        SourceError::Schema(format!("source `{}`: {what}", self.0))
    }

    /// `source NAME: ADDRESS what; remedy`.
    pub(super) fn of(&self, url: &Url, what: &str, remedy: &str) -> String {
        format!("source `{}`: {} {what}; {remedy}", self.0, shown(url))
    }

    pub(super) fn unreachable(&self, url: &Url, what: &str, remedy: &str) -> SourceError {
        SourceError::Unreachable(self.of(url, what, remedy))
    }

    pub(super) fn refused(&self, url: &Url, what: &str, remedy: &str) -> SourceError {
        SourceError::Refused(self.of(url, what, remedy))
    }

    /// A call that brought no answer.
    pub(super) fn fault(&self, url: &Url, redirected: bool, fault: &Fault) -> SourceError {
        let of = |what: &str, remedy: &str| self.of(url, what, remedy);
        match fault {
            Fault::Forbidden(refusal) if redirected => SourceError::Unreachable(of(
                &format!("is where the portal redirects to, and it was not called: {refusal} (the key `allow`)"),
                "write the address that a browser ends at, or permit this one if it is the portal's own",
            )),
            Fault::Forbidden(refusal) => SourceError::Schema(of(
                &format!("was not called: {refusal} (the key `allow`)"),
                "correct the address, or name the portal's own network, such as allow = [\"10.20.0.9/32\"]",
            )),
            Fault::TooLarge => SourceError::Unreachable(of(
                "answers with more than loa reads, or without end",
                "look at what is there; a feed or a list may be shortened in the portal",
            )),
            Fault::Timeout { .. } => SourceError::Unreachable(of(
                "did not answer in full within the time for one call",
                "it is tried again at the next poll; a slow portal can be given more by the key `timeout`",
            )),
            Fault::Dns(_) => SourceError::Unreachable(of(
                &format!("was not reached: {fault}"),
                "check the spelling of the name and this machine's name server",
            )),
            Fault::Tls(..) => SourceError::Unreachable(of(
                &format!("was not reached: {fault}"),
                "ask the portal to mend its certificate or its TLS",
            )),
            Fault::Connect(_) | Fault::Protocol { .. } => {
                SourceError::Unreachable(of(&format!("was not read: {fault}"), "it is tried again at the next poll"))
            }
        }
    }
}

/// An address for a message: what its query hides is left out.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // What cannot have a user has none.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    if url.query().is_some() {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(key, value)| {
                let lower = key.to_ascii_lowercase();
                let secret = SECRET.iter().any(|word| lower.contains(word));
                (key.into_owned(), if secret { HIDDEN.to_owned() } else { value.into_owned() })
            })
            .collect();
        if pairs.iter().any(|(_, value)| value == HIDDEN) {
            shown.query_pairs_mut().clear().extend_pairs(pairs);
        }
    }
    let text = String::from(shown);
    match text.len() {
        0..=SHOWN => text,
        _ => format!("{}…", &text[..text.floor_char_boundary(SHOWN)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_a_message_keeps_its_secrets() {
        let url = |text: &str| Url::parse(text).expect("an address");
        let feed = "https://portal.example.vn/tin?format=feed&type=rss";
        assert_eq!(shown(&url(feed)), feed);
        let hidden = shown(&url("https://ten:khau@portal.example.vn/tin?api_key=bi-mat&format=feed&Token=t0k"));
        assert!(hidden.contains("format=feed"), "{hidden}");
        for secret in ["ten", "khau", "bi-mat", "t0k"] {
            assert!(!hidden.contains(secret), "{hidden}");
        }
        assert!(shown(&url(&format!("https://a.vn/{}", "x".repeat(5000)))).len() < 400);
    }
}
