//! What only the demo has: a mailbox and a webhook receiver, so that a newcomer sees what loa sends.

pub mod hook;
