//! Laws: portal. The whole way from a real Joomla database to feed documents, mails and webhooks: exactly what a visitor of
//! the portal may see goes out, once, and nothing else ever does. Stores, servers, receivers and parsers are real; only
//! the clock is the test's.

mod faults;
mod hostile;
mod life;
mod proxy;
mod read;
mod receiver;
mod rules;
pub mod stage;
mod tiers;

use loa::clock::Timestamp;

/// An instant from RFC 3339.
fn at(text: &str) -> Timestamp {
    text.parse::<jiff::Timestamp>().expect("an instant").into()
}
