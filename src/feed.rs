//! Feed documents: from a feed and its articles to bytes. Pure; never knows where articles come from or who reads.
//!
//! [`document`] is the model that all formats share; [`item`], [`address`], [`rhythm`] and [`budget`] are its parts.
//! [`rss`], [`atom`] and [`json`] only write it down, [`wire`] stands between them and the writing crates, [`proof`]
//! judges the finished bytes, and [`edition`] makes all three documents of one version and proves them.

pub mod address;
pub mod atom;
pub mod budget;
pub mod document;
pub mod edition;
pub mod item;
pub mod json;
pub mod opml;
pub mod proof;
pub mod rhythm;
pub mod rss;
pub mod wire;
