//! Feed documents: opml.
