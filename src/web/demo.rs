//! What only the demo has: a mailbox, a webhook receiver and a portal of sample articles, so that a newcomer sees what loa sends. Neither exists
//! unless the service asks for it.

pub(super) mod article;
pub mod hook;
pub(super) mod mail;
