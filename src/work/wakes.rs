//! Hints between the steps of the way: "there is something to do now". Only hints: every step also looks by itself, so
//! a hint that is lost (or that another replica would have needed) only delays.

use std::sync::Arc;

use tokio::sync::Notify;

/// The bells. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Wakes {
    /// A source is to be polled before its beat.
    pub polls: Arc<Notify>,
    /// Changes were written: fan out.
    pub changes: Arc<Notify>,
    /// Feeds moved: publish.
    pub feeds: Arc<Notify>,
    /// Mails were added to the outbox.
    pub mails: Arc<Notify>,
    /// Refusals were written: judge them.
    pub bounces: Arc<Notify>,
    /// Webhook deliveries were added to the outbox.
    pub webhooks: Arc<Notify>,
}
