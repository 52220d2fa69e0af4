//! Where the wings meet: what a poll leads to, from the content store to the last accepted message. Rules of the trade
//! come from `domain`, rows from `store`, bytes from `feed` and `notify`; nothing here knows HTTP or a timer.

pub mod access;
pub mod bounces;
pub mod compose;
pub mod deliver_mail;
pub mod deliver_webhook;
pub mod digest;
pub mod events;
pub mod explain;
pub mod fan_out;
pub mod holdings;
pub mod ingest;
pub mod inspect;
pub mod judge;
pub mod normalise;
pub mod old;
pub mod presence;
pub mod publish;
pub mod search;
pub mod settle;
pub mod shelf;
pub mod subscribe;
pub mod sweep;
pub mod wakes;
