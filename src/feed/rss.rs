//! Feed documents: rss.
