//! Laws: topics.
