//! Complaints of readers as their providers pass them on (ARF, RFC 5965). A report about the authentication of mail is
//! none, and "not spam" is the opposite of one.

use super::{Meaning, field, groups};
use crate::notify::smtp::reply::presentable;

/// Reads the part that is meant for machines.
pub(super) fn read(text: &str) -> Meaning {
    let groups = groups(text);
    let Some(kind) = groups.iter().find_map(|group| field(group, "feedback-type")) else {
        return Meaning::Odd("a complaint that does not say of what");
    };
    match kind.trim().to_ascii_lowercase().as_str() {
        // RFC 5965 §7.3, RFC 6430 (opt-out).
        "abuse" | "fraud" | "opt-out" | "opt-out-list" | "other" => {
            let agent = groups.iter().find_map(|group| field(group, "user-agent")).unwrap_or("a provider");
            Meaning::Complaint(presentable(&format!("{kind}, reported by {agent}")))
        }
        "not-spam" => Meaning::Ignored("somebody said that our mail is no spam"),
        "auth-failure" | "virus" => Meaning::Ignored("a report about messages, not about a person's wish"),
        _ => Meaning::Odd("a complaint of an unknown kind"),
    }
}
