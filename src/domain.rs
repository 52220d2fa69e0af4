//! The words of the trade as types: articles, selections, feeds, subscribers, digests, deliveries, links.
//! Pure: no I/O, no async, no SQL, no clock of its own.

pub mod article;
pub mod bounce;
pub mod delivery;
pub mod digest;
pub mod feed;
pub mod link;
pub mod selection;
pub mod site;
pub mod staging;
pub mod subscriber;
