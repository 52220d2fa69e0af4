//! Laws: feeds.
