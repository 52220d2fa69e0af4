//! Plain text from HTML, and excerpts of it.
