//! The words of the trade as types: articles, what is known of them, selections, feeds, subscribers, digests, deliveries, links.
//! Pure: no I/O, no async, no SQL, no clock of its own.

pub mod address_hash;
pub mod article;
pub mod bounce;
pub mod delivery;
pub mod digest;
pub mod feed;
pub mod hour;
pub mod link;
pub mod public_id;
pub mod roll;
pub mod scope;
pub mod selection;
pub mod site;
pub mod staging;
pub mod subscriber;
pub mod verp;
