//! Feed documents: from a feed and its articles to bytes. Pure; never knows where articles come from or who reads.

pub mod atom;
pub mod document;
pub mod json;
pub mod opml;
pub mod rss;
