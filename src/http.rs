//! The one outbound HTTP client and its address guard.
