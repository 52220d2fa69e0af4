//! The words of the trade as types: articles, what is known of them, selections, feeds, subscribers, digests, deliveries, links.
//! Pure: no I/O, no async, no SQL, no clock of its own.

pub mod article;
pub mod delivery;
pub mod digest;
pub mod feed;
pub mod link;
pub mod roll;
pub mod selection;
pub mod site;
pub mod subscriber;
