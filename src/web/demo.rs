//! What only the demo has: a mailbox and a webhook receiver, so that a newcomer sees what loa sends. Neither exists
//! unless the service asks for it.

pub mod hook;
pub(super) mod mail;
