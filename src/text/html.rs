//! Clean HTML with absolute links.
